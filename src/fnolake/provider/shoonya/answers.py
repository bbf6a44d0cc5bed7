"""
Shoonya's small answers as values: sign-ins, quotes, searches, user details. Pure.

Series are in ``wire``. Invariant: secrets (tokens) never show in a repr, and a missing number is None, not zero.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fnolake.errors import PayloadError, ProviderError, UnknownSymbol
from fnolake.provider.shoonya.refusal import PROVIDER, from_object, is_no_data, wrong_form
from fnolake.provider.shoonya.wire import decode_any, decode_object, is_plain


@dataclass(frozen=True, slots=True)
class SignIn:
    """
    What a sign-in gave. ``token`` goes on every request; ``expires_at`` is the provider's word, None if unsaid.

    The token dies at the nightly reset whatever ``expires_at`` says, so loss is seen in answers, not computed.
    """

    uid: str
    actid: str
    token: str = field(repr=False)
    socket_token: str = field(repr=False)
    name: str = ""
    exchanges: tuple[str, ...] = ()
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """A snapshot: rupees and units; None where the answer has no such field (``prev_close`` is yesterday's close)."""

    exchange: str
    token: int
    symbol: str
    last: float | None
    open: float | None
    high: float | None
    low: float | None
    prev_close: float | None
    volume: int | None
    oi: int | None
    vwap: float | None
    bid: float | None
    ask: float | None
    traded_at: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One instrument found by a search; ``lot`` and ``tick`` (rupees) are None where not sent."""

    exchange: str
    token: str
    symbol: str
    name: str = ""
    instrument: str = ""
    lot: int | None = None
    tick: float | None = None


@dataclass(frozen=True, slots=True)
class UserDetails:
    """Who is signed in, and which exchanges the account may ask."""

    uid: str
    actid: str
    name: str
    broker: str
    exchanges: tuple[str, ...]


def sign_in(body: bytes, *, status: int = 200, oauth: bool) -> SignIn:
    """
    Read the answer to QuickAuth (``oauth`` false) or GenAcsTok.

    Raises:
        LoginRefused: With the provider's own text.
        PayloadError: It says Ok and carries no token; the body is *not* kept, since it may hold one in part.
    """
    route = "GenAcsTok" if oauth else "QuickAuth"
    try:
        answer = decode_object(body, status=status, request=route, login=True)
    except PayloadError:
        raise PayloadError("Shoonya's answer to the sign-in does not decode; try again", provider=PROVIDER,
                           request=route) from None
    token = _text(answer, "access_token" if oauth else "susertoken")
    uid = _text(answer, "USERID") or _text(answer, "uid") or _text(answer, "actid")
    if not token or not uid:
        raise PayloadError("Shoonya says Ok to the sign-in but sent no token or no user", provider=PROVIDER,
                           request=route)
    expires = number(answer.get("expires_in")) if oauth else None
    return SignIn(
        uid, _text(answer, "actid") or uid, token, _text(answer, "susertoken") or token, _text(answer, "uname"),
        _texts(answer.get("exarr")), None if expires is None else _instant(expires),
    )


def quote(body: bytes, *, status: int = 200, request: str = "") -> Quote:
    """Read a GetQuotes answer. Raises UnknownSymbol where the provider has no such token."""
    q = decode_object(body, status=status, request=request)
    stamp = f"{_text(q, 'ltd')} {_text(q, 'ltt')}".strip()
    return Quote(
        _text(q, "exch"), whole(q.get("token")) or 0, _text(q, "tsym"), number(q.get("lp")), number(q.get("o")),
        number(q.get("h")), number(q.get("l")), number(q.get("c")), whole(q.get("v")), whole(q.get("oi")),
        number(q.get("ap")), number(q.get("bp1")), number(q.get("sp1")), stamp,
    )


def search(body: bytes, *, status: int = 200, request: str = "") -> list[Hit]:
    """Read a SearchScrip answer, in its order; empty where the provider says that nothing matches (a 404 there)."""
    answer = decode_any(body, status=status, request=request)
    if isinstance(answer, dict) and is_no_data(answer.get("emsg")):
        return []
    if not isinstance(answer, dict) or answer.get("stat") != "Ok":
        raise _refusal(answer, body, status, request)
    values = answer.get("values")
    rows = [row for row in values if isinstance(row, dict)] if isinstance(values, list) else []
    return [
        Hit(_text(r, "exch"), _text(r, "token"), _text(r, "tsym"), _text(r, "cname"), _text(r, "instname"),
            whole(r.get("ls")), number(r.get("ti"))) for r in rows
    ]


def user_details(body: bytes, *, status: int = 200, request: str = "UserDetails") -> UserDetails:
    """Read a UserDetails answer: also the cheapest proof that a sign-in still works."""
    try:
        u = decode_object(body, status=status, request=request)
    except UnknownSymbol as exc:
        raise ProviderError(f"Shoonya does not know this user: {exc}", provider=PROVIDER, request=request) from exc
    uid = _text(u, "uid") or _text(u, "actid")
    return UserDetails(uid, _text(u, "actid") or uid, _text(u, "uname") or _text(u, "cliname"), _text(u, "brkname"),
                       _texts(u.get("exarr")))


def _refusal(answer: object, body: bytes, status: int, request: str) -> ProviderError:
    if isinstance(answer, dict):
        return from_object(answer, status=status, request=request)
    return wrong_form(body, "an object", status=status, request=request)


def number(value: object) -> float | None:
    """A finite number out of a string or a number; None for anything else."""
    if isinstance(value, str | int | float) and not isinstance(value, bool) and is_plain(value):
        with contextlib.suppress(ValueError, OverflowError):
            found = float(value)
            return found if abs(found) < 1e15 else None
    return None


def whole(value: object) -> int | None:
    """A whole number out of a string or a number; None for anything else."""
    found = number(value)
    return int(found) if found is not None and found == int(found) else None


def _instant(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if 0 < epoch < 4_102_444_800 else None


def _text(answer: Mapping[str, object], key: str) -> str:
    value = answer.get(key)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
