"""
What Firstock's refusals mean: one place where its names and texts become the error tree. Pure.

A failure is ``{"status":"failed","code":"401","name":"INVALID_JKEY","error":{"field":…,"message":…}}`` under a real HTTP
status (firstock.in/api/docs, "Error codes", read 2026-11-20). The body is asked first, the status where the body says
nothing. Three readings are guesses, since no source shows the bodies:

- A 403 that names neither a key, a user nor an address is a wrong address: third parties saw it from machines whose IP is
  not registered, at the sign-in already. A 403 page of a gateway is read alike.
- A 403 whose text says blocked, banned, suspended, disabled or locked, and no word of an address, is the user's.
- ``invalid character …`` at the sign-in is Go reading an upstream text that is no JSON; third parties met it with a
  wrong password, one-time password or API key.
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

PROVIDER = "firstock"
RETRY_S = 1.0
"""Wait after a 429: the allowances are per second, and no Retry-After is documented."""

_NO_DATA = re.compile(r"\bno (?:\w+ )?(?:data|records?|candles?)\b|\b(?:data|records?) (?:is |was )?not (?:found|available)\b")
_RATE = re.compile(r"rate[_ -]?limit|too[_ ]many[_ ]requests")
_SLOW = re.compile(r"(?:server|gateway|request|upstream)[_ ]time-?\s?out|deadline exceeded")
_ADDRESS = re.compile(r"\bip\b|whitelist|(?:static|unregistered|unknown|your) address|address (?:is )?not")
_BANNED = re.compile(
    r"\b(?:block|bann?|suspend|disabl|lock|deactivat|dormant|restrict)(?:ed)?\b|not (?:enabled|active)|inactive"
    r"|user[_ ](?:blocked|banned|locked)|api key (?:has )?expired")
_LOST = re.compile(r"invalid_jkey|session_expired|\bjkey\b|session (?:has |is )?(?:expired|invalid|not found)|unauthenticated")
_LOGIN = re.compile(r"invalid[_ ](?:credentials|password|userid|user ?id|totp|otp|vendor ?code|api ?key)|wrong password")
_SYMBOL = re.compile(r"(?:symbol|scrip|token)\b.{0,20}\b(?:not found|invalid|unknown)|(?:invalid|unknown) (?:trading ?)?(?:symbol|scrip|token)")
_FAULTS = frozenset({"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE"})


def plain(text: str) -> str:
    """Lower case, blanks collapsed."""
    return " ".join(text.lower().split())


def words_of(answer: Mapping[str, object]) -> tuple[str, str]:
    """A failure's name, and what it says with the field it names; empty where it does not say."""
    error = answer.get("error")
    told = error if isinstance(error, Mapping) else {"message": error if error is not None else answer.get("message")}
    field, message = told.get("field"), told.get("message")
    said = message.strip() if isinstance(message, str) else ""
    named = f" ({field})" if isinstance(field, str) and field and field.lower() not in said.lower() else ""
    name = answer.get("name")
    return name.strip().upper() if isinstance(name, str) else "", f"{said}{named}".strip()


def status_of(answer: Mapping[str, object], status: int) -> int:
    """The HTTP status, or the body's own ``code`` (a text or a number) where the body came as a success."""
    code = answer.get("code")
    if status < 400 and isinstance(code, str | int) and str(code).isascii() and str(code).isdigit():
        return int(str(code)[:3])
    return status


def is_no_data(answer: Mapping[str, object], status: int) -> bool:
    """
    Whether a failure is the provider's own statement that it has nothing for the span.

    Not documented: third parties take the texts "no data", "not found" and "no record", and status 404, for that. A
    text that names the symbol is not one, nor is a failure of the sign-in, nor a 404 that is not in the provider's
    envelope, which is a gateway's.
    """
    name, message = words_of(answer)
    said = plain(f"{name} {message}")
    if _LOST.search(said) or _RATE.search(said):
        return False
    if _NO_DATA.search(plain(message)):
        return True
    return status_of(answer, status) == 404 and _is_theirs(answer) and not _SYMBOL.search(said)


def _is_theirs(answer: Mapping[str, object]) -> bool:
    """Whether an object is in the provider's envelope of failures; a gateway's 404 is not."""
    said = answer.get("status")
    return isinstance(said, str) and said.lower() in {"failed", "error"}


def from_object(  # noqa: PLR0911 — one return a class of error
    answer: Mapping[str, object], *, status: int = 200, request: str = "", login: bool = False
) -> ProviderError:
    """
    The error that a failure stands for.

    Args:
        answer: The decoded object.
        status: HTTP status.
        request: Route and contract, no secrets.
        login: The answer to a sign-in: a refusal that is not about time, load or the address is then a LoginRefused.
    """
    name, message = words_of(answer)
    status = status_of(answer, status)
    said = plain(f"{name} {message}")
    shown = ": ".join(part for part in (name, message) if part) or f"HTTP {status}"
    where = {"provider": PROVIDER, "request": request, "request_id": _stamp(answer)}
    if _RATE.search(said) or status == 429:
        return RateLimited(f"Firstock says we ask too much ({shown})", retry_after_s=RETRY_S, **where)
    if _SLOW.search(said) or status in {408, 504}:
        return SpanTimeout(f"Firstock ran out of time ({shown}); ask for a shorter span", **where)
    if name in _FAULTS or status >= 500 or (status == 404 and not _is_theirs(answer)):
        return ProviderFault(f"Firstock cannot answer now ({shown}); it is asked again", **where)
    if _LOST.search(said) and not login:
        return _lost(shown, where)
    if _ADDRESS.search(said):
        return _address(shown, where)
    if _BANNED.search(said):
        return LoginRefused(f"Firstock has shut this user or API key out ({shown}); ask the broker", **where)
    if status == 403 and not _LOST.search(said) and not _LOGIN.search(said):
        return _address(shown, where)
    if login:
        return LoginRefused(f"Firstock refused the sign-in: {_login_text(shown)}", **where)
    return _of_request(said, shown, status, where)


def _of_request(said: str, shown: str, status: int, where: dict[str, str]) -> ProviderError:
    """What is left: a refused account, an unknown instrument, or a request that is not understood."""
    if status == 401:
        return _lost(shown, where)
    if _LOGIN.search(said):
        return LoginRefused(f"Firstock refused the account: {shown}", **where)
    if _SYMBOL.search(said) or _NO_DATA.search(said) or status == 404:
        return UnknownSymbol(f"Firstock knows no such instrument ({shown})", **where)
    if said:
        return ProviderError(f"Firstock refused the request ({shown}); report it with the request shown", **where)
    return ProviderFault(f"Firstock answered nothing usable ({shown}); it is asked again", **where)


def not_json(body: bytes, *, status: int = 200, request: str = "", login: bool = False) -> ProviderError:
    """
    The error for a body that is no JSON: the plain text of a 429, an HTML page, an empty or a cut body.

    Nothing here is ever "no data": a 404 page is a wrong address or a gateway, not the provider's word.
    """
    where = {"provider": PROVIDER, "request": request}
    head = body[:4000].lstrip(b"\xef\xbb\xbf \t\r\n").decode("utf-8", "replace")
    said, page = plain(head), head[:1] == "<"
    shown = f"HTTP {status}" + (", an HTML page" if page else f", {head[:80]!r}" if head else ", an empty body")
    is_text = not page and head[:1] not in {"{", "["}
    if status == 429 or ((page or is_text) and _RATE.search(said)):
        return RateLimited(f"Firstock says we ask too much ({shown})", retry_after_s=RETRY_S, **where)
    if status in {408, 504} or ((page or is_text) and _SLOW.search(said)):
        return SpanTimeout(f"Firstock ran out of time ({shown}); ask for a shorter span", **where)
    if status == 401:
        return LoginRefused(f"Firstock refused the sign-in ({shown})", **where) if login else _lost(shown, where)
    if status == 403:
        return _from_403(said, shown, where, page=page, login=login)
    if page or not head or status >= 500:
        return ProviderFault(f"Firstock sent no data ({shown}); it is asked again", **where)
    return PayloadError("Firstock's answer does not decode; the bytes are kept", payload=b"" if login else body, **where)


def _from_403(said: str, shown: str, where: dict[str, str], *, page: bool, login: bool) -> ProviderError:
    """A page says "blocked" of the address as a rule; only a text is taken for the broker's word about the user."""
    if not page and not _ADDRESS.search(said):
        if _LOST.search(said) and not login:
            return _lost(shown, where)
        if _BANNED.search(said):
            return LoginRefused(f"Firstock has shut this user or API key out ({shown}); ask the broker", **where)
    return _address(shown, where)


def _lost(shown: str, where: dict[str, str]) -> SignInLost:
    return SignInLost(f"Firstock ended the sign-in ({shown}); run `fnolake login`", **where)


def _address(shown: str, where: dict[str, str]) -> AddressNotAllowed:
    return AddressNotAllowed(
        f"Firstock does not serve this machine's address ({shown}); register its static IP for the API key at "
        "firstock.in/api, then run `fnolake login`", **where)


def _login_text(shown: str) -> str:
    if "invalid character" in shown.lower():
        return f"{shown} (met with a wrong password, one-time password or API key)"
    return shown


def _stamp(answer: Mapping[str, object]) -> str:
    stamp = answer.get("requestTime")
    return stamp if isinstance(stamp, str) else ""
