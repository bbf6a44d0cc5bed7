"""
What Shoonya's refusals mean: one place where its texts become the error tree. Pure.

The body decides, never the HTTP status, which is only asked where the body says nothing: the same refusal has been
seen under several statuses, and gateways send HTML under any. Texts are compared with their blanks collapsed, since
live answers have two spaces where the documents have one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fnolake.errors import (
    AddressNotAllowed,
    LoginRefused,
    PayloadError,
    ProviderError,
    ProviderFault,
    RateLimited,
    SignInLost,
    SpanTimeout,
    UnknownSymbol,
)

PROVIDER = "shoonya"

_NO_DATA = re.compile(r"\bno data\b")
_RATE = re.compile(r"exceeds limit|rate[_ -]?limit|too many requests")
_LOST = re.compile(
    r"session expired|invalid session|session (?:is )?(?:invalid|not found)|invalid (?:j?key|access[ _]?token)"
    r"|token (?:has )?expired|unauthori[sz]ed")
_SLOW = re.compile(r"server time-?\s?out|gateway time-?\s?out|request time-?\s?out")
_ADDRESS = re.compile(
    r"\bip\b.{0,60}\b(?:not|invalid|un\w+|mismatch\w*|block\w*|denied)\b"
    r"|\b(?:invalid|un\w+|unknown)\b.{0,30}\bip\b|static ip|whitelist")
_LOGIN = re.compile(
    r"invalid otp|invalid vendor|wrong password|password expired|change password|user not enabled|blocked|locked"
    r"|invalid_verifier|invalid user|invalid (?:app ?key|api ?key|code|client|checksum|totp|factor2|credentials)"
    r"|access restricted|expired code|invalid_grant")
_SYMBOL = re.compile(r"invalid (?:symbol|trading ?symbol|scrip)|(?:symbol|scrip) (?:is )?(?:not found|invalid)")


def is_no_data(emsg: object) -> bool:
    """Whether it is a text, and the provider's own statement that it has nothing."""
    return isinstance(emsg, str) and _NO_DATA.search(plain(emsg)) is not None


def plain(emsg: str) -> str:
    """Lower case, blanks collapsed."""
    return " ".join(emsg.lower().split())


def from_object(  # noqa: PLR0911 — one return a class of error
    answer: Mapping[str, object], *, status: int = 200, request: str = "", login: bool = False
) -> ProviderError:
    """
    The error that an answer ``{"stat":"Not_Ok","emsg":...}`` stands for.

    Args:
        answer: The decoded object.
        status: HTTP status, asked only when the text is unknown.
        request: Route and contract, no secrets.
        login: The answer to a sign-in: every refusal that is not about time or load is then a LoginRefused.
    """
    text = answer.get("emsg")
    emsg = text.strip() if isinstance(text, str) else ""
    stamp = answer.get("request_time")
    request_id = stamp if isinstance(stamp, str) else ""
    where = {"provider": PROVIDER, "request": request, "request_id": request_id}
    said = plain(emsg)
    if _RATE.search(said):
        return _rate_limited(emsg, where)
    if _SLOW.search(said):
        return SpanTimeout(f"Shoonya ran out of time ({emsg!r}); ask for a shorter span", **where)
    if _ADDRESS.search(said):
        return AddressNotAllowed(
            f"Shoonya does not serve this machine's address ({emsg!r}); register its static IP for the API key "
            "in the broker's web terminal, then run `fnolake login`", **where)
    if login:
        return LoginRefused(f"Shoonya refused the sign-in: {emsg or 'no reason given'}", **where)
    if _LOST.search(said):
        return SignInLost(f"Shoonya ended the sign-in ({emsg!r}); run `fnolake login`", **where)
    if _LOGIN.search(said):
        return LoginRefused(f"Shoonya refused the account: {emsg}", **where)
    if _NO_DATA.search(said) or _SYMBOL.search(said):
        return UnknownSymbol(f"Shoonya knows no such instrument ({emsg!r})", **where)
    return from_status(status, emsg, where)


def from_status(status: int, emsg: str, where: dict[str, str]) -> ProviderError:
    """The error for a text that nobody has met yet, or for no text at all."""
    said = f"HTTP {status}" + (f", {emsg!r}" if emsg else "")
    if status == 429:
        return RateLimited(f"Shoonya says we ask too much ({said})", retry_after_s=1.0, **where)
    if status == 401:
        return SignInLost(f"Shoonya ended the sign-in ({said}); run `fnolake login`", **where)
    if status in {408, 504}:
        return SpanTimeout(f"Shoonya ran out of time ({said}); ask for a shorter span", **where)
    if 400 <= status < 500 and emsg:
        return ProviderError(f"Shoonya refused the request ({said}); report it with the request shown", **where)
    return ProviderFault(f"Shoonya answered nothing usable ({said}); it is asked again", **where)


def _rate_limited(emsg: str, where: dict[str, str]) -> RateLimited:
    wait = 60.0 if "minute" in emsg.lower() else 1.0
    return RateLimited(f"Shoonya says we ask too much: {emsg}", retry_after_s=wait, **where)


def not_json(body: bytes, *, status: int = 200, request: str = "") -> ProviderError:
    """The error for a body that is no JSON: empty, an HTML page, or cut."""
    where = {"provider": PROVIDER, "request": request}
    head = body[:4000].lstrip(b"\xef\xbb\xbf \t\r\n")
    if not head:
        return from_status(status, "", where) if status >= 400 else ProviderFault(
            "Shoonya sent an empty body; it is asked again", **where)
    if head[:1] == b"<":
        said = plain(head.decode("utf-8", "replace"))
        if _SLOW.search(said) or status in {408, 504}:
            return SpanTimeout("Shoonya's gateway ran out of time; ask for a shorter span", **where)
        if _RATE.search(said) or status == 429:
            return _rate_limited("an HTML page", where)
        return ProviderFault(f"Shoonya sent an HTML page (HTTP {status}) instead of data; it is asked again", **where)
    if status in {401, 408, 429} or status >= 500:
        return from_status(status, head[:80].decode("utf-8", "replace"), where)
    return PayloadError("Shoonya's answer does not decode; the bytes are kept", payload=body, **where)


def wrong_form(body: bytes, expected: str, *, status: int = 200, request: str = "") -> ProviderError:
    """The error for JSON of another form than ``expected``: a fault of theirs where the status says so."""
    where = {"provider": PROVIDER, "request": request}
    if status in {401, 408, 429} or status >= 500:
        return from_status(status, body[:80].decode("utf-8", "replace"), where)
    return PayloadError(f"Shoonya's answer is not {expected}; the bytes are kept", payload=body, **where)
