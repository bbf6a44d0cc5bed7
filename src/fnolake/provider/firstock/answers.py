"""
Firstock's small answers as values: sign-ins, quotes, searches, user details. Pure.

Series are in ``wire``. Invariant: secrets (tokens) never show in a repr, and a missing number is None, not zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fnolake.errors import PayloadError, ProviderError, UnknownSymbol
from fnolake.provider.firstock.refusal import PROVIDER
from fnolake.provider.firstock.wire import decode_envelope
from fnolake.provider.snapshot import Hit, Quote, UserDetails, number, text, texts, whole

_PRICES = (
    "lastTradedPrice", "dayOpenPrice", "dayHighPrice", "dayLowPrice", "dayClosePrice", "VWAP", "bestBuyPrice1", "bestSellPrice1",
)


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    What a sign-in gave. ``token`` (``susertoken``) is the ``jKey`` of every request and of the socket.

    It is good for the trading day; when it ends exactly is not documented, so loss is seen in answers, not computed.
    """

    uid: str
    token: str = field(repr=False)
    name: str = ""


def sign_in(body: bytes, *, status: int = 200, request: str = "login") -> SignIn:
    """
    Read the answer to login.

    Raises:
        LoginRefused: With the provider's own text.
        AddressNotAllowed: This machine's IP is not registered.
        PayloadError: It says success and carries no token; the body is *not* kept, since it may hold one in part.
    """
    try:
        data = decode_envelope(body, status=status, request=request, login=True).get("data")
    except PayloadError:
        raise PayloadError("Firstock's answer to the sign-in does not decode; try again", provider=PROVIDER,
                           request=request) from None
    found = data if isinstance(data, Mapping) else {}
    token, uid = text(found, "susertoken") or text(found, "jKey"), text(found, "actid")
    if not token or any(c.isspace() for c in token):
        raise PayloadError("Firstock says success to the sign-in but sent no token", provider=PROVIDER, request=request)
    return SignIn(uid, token, text(found, "userName"))


def quote(body: bytes, *, status: int = 200, request: str = "") -> Quote:
    """
    Read a getQuote answer, in rupees: one object, or a list of one.

    The official SDKs and other programs in use read an object in rupees with a dot. The documents' page shows a list of one
    in paise without a dot; a list in which no price has a dot is therefore read as paise (a guess, from that page alone).

    Raises:
        UnknownSymbol: The provider has no such instrument, or sent an empty list.
    """
    data = decode_envelope(body, status=status, request=request).get("data")
    q = data[0] if isinstance(data, list) and data else data
    if not isinstance(q, Mapping):
        if not q:
            raise UnknownSymbol("Firstock has no quote of this instrument", provider=PROVIDER, request=request)
        raise _odd("quote", body, request)
    in_paise = isinstance(data, list) and not any("." in text(q, name) for name in _PRICES)
    last, first, high, low, previous, vwap, bid, ask = (_rupees(q.get(name), in_paise=in_paise) for name in _PRICES)
    return Quote(
        text(q, "exchange"), whole(q.get("token")) or 0, text(q, "tradingSymbol"), last, first, high, low, previous,
        whole(q.get("volume")), whole(q.get("openInterest")), vwap, bid, ask, text(q, "requestTime"),
    )


def _rupees(value: object, *, in_paise: bool) -> float | None:
    found = number(value)
    return found / 100 if in_paise and isinstance(value, str) and found is not None else found


def search(body: bytes, *, status: int = 200, request: str = "") -> list[Hit]:
    """Read a searchScrips answer, in its order; empty where nothing matches. Of options only the names are usable."""
    try:
        data = decode_envelope(body, status=status, request=request).get("data")
    except UnknownSymbol:
        return []
    if not isinstance(data, list):
        if data is None:
            return []
        raise _odd("search", body, request)
    return [
        Hit(text(r, "exchange"), text(r, "token"), text(r, "tradingSymbol"), text(r, "companyName"), text(r, "instrumentName"))
        for r in data if isinstance(r, Mapping)
    ]


def user_details(body: bytes, *, status: int = 200, request: str = "userDetails") -> UserDetails:
    """Read a userDetails answer: also the cheapest proof that a sign-in still works."""
    try:
        data: Any = decode_envelope(body, status=status, request=request).get("data")
    except UnknownSymbol as error:
        raise ProviderError(f"Firstock does not know this user: {error}", provider=PROVIDER, request=request) from error
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, Mapping):
        raise _odd("user", body, request)
    uid = text(data, "actid")
    return UserDetails(uid, uid, text(data, "userName"), "Firstock", texts(data.get("exchange")))


def _odd(what: str, body: bytes, request: str) -> PayloadError:
    return PayloadError(f"Firstock's {what} answer has another form; the bytes are kept", provider=PROVIDER, request=request,
                        payload=body)
