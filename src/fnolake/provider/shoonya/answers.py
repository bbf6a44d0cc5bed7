"""
Shoonya's small answers as values: sign-ins, quotes, searches, user details. Pure.

Series are in ``wire``. Invariant: secrets (tokens) never show in a repr, and a missing number is None, not zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from fnolake.errors import PayloadError, ProviderError, UnknownSymbol
from fnolake.provider.shoonya.refusal import PROVIDER, from_object, is_no_data, wrong_form
from fnolake.provider.shoonya.wire import decode_any, decode_object
from fnolake.provider.snapshot import Hit, Quote, UserDetails, number, text, texts, whole


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
    token = text(answer, "access_token" if oauth else "susertoken")
    uid = text(answer, "USERID") or text(answer, "uid") or text(answer, "actid")
    if not token or not uid:
        raise PayloadError("Shoonya says Ok to the sign-in but sent no token or no user", provider=PROVIDER,
                           request=route)
    expires = number(answer.get("expires_in")) if oauth else None
    return SignIn(
        uid, text(answer, "actid") or uid, token, text(answer, "susertoken") or token, text(answer, "uname"),
        texts(answer.get("exarr")), None if expires is None else _instant(expires),
    )


def quote(body: bytes, *, status: int = 200, request: str = "") -> Quote:
    """Read a GetQuotes answer. Raises UnknownSymbol where the provider has no such token."""
    q = decode_object(body, status=status, request=request)
    stamp = f"{text(q, 'ltd')} {text(q, 'ltt')}".strip()
    return Quote(
        text(q, "exch"), whole(q.get("token")) or 0, text(q, "tsym"), number(q.get("lp")), number(q.get("o")),
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
        Hit(text(r, "exch"), text(r, "token"), text(r, "tsym"), text(r, "cname"), text(r, "instname"),
            whole(r.get("ls")), number(r.get("ti"))) for r in rows
    ]


def user_details(body: bytes, *, status: int = 200, request: str = "UserDetails") -> UserDetails:
    """Read a UserDetails answer: also the cheapest proof that a sign-in still works."""
    try:
        u = decode_object(body, status=status, request=request)
    except UnknownSymbol as exc:
        raise ProviderError(f"Shoonya does not know this user: {exc}", provider=PROVIDER, request=request) from exc
    uid = text(u, "uid") or text(u, "actid")
    return UserDetails(uid, text(u, "actid") or uid, text(u, "uname") or text(u, "cliname"), text(u, "brkname"),
                       texts(u.get("exarr")))


def _refusal(answer: object, body: bytes, status: int, request: str) -> ProviderError:
    if isinstance(answer, dict):
        return from_object(answer, status=status, request=request)
    return wrong_form(body, "an object", status=status, request=request)


def _instant(epoch: float) -> datetime | None:
    return datetime.fromtimestamp(epoch, UTC) if 0 < epoch < 4_102_444_800 else None
