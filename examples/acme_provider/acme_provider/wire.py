"""
Acme's bodies to values. Pure: no socket, no clock.

Every answer of Acme is lines of text that end in ``#rows,N``, so a cut one shows. Invariant: an answer becomes rows, the
provider's own "nothing" (None), or an error of the tree.
"""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo

import numpy as np

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
from fnolake.model import RawBars

PROVIDER = "acme"
ZONE = ZoneInfo("Asia/Kolkata")
MINUTE_S = 60
_BARS = "time,open,high,low,close,volume"
_ROW = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)" + r",(\d{1,9}\.\d\d)" * 4 + r",(\d{1,15})", re.ASCII)
_ERRORS = {
    "LOGIN": LoginRefused, "AUTH": SignInLost, "LIMIT": RateLimited, "ADDRESS": AddressNotAllowed, "SYMBOL": UnknownSymbol,
    "SPAN": SpanTimeout,
}


def lines_of(body: bytes, header: str, *, status: int = 200, request: str = "") -> list[str]:
    """
    The lines between the header and ``#rows,N``, whose number is N.

    Raises:
        ProviderError: The refusal that came instead, by its code; ProviderFault for a page of a gateway; PayloadError
            for what is cut or something else.
    """
    where = {"provider": PROVIDER, "request": request}
    text = body.decode("utf-8", "replace")
    code, _, said = text.strip().removeprefix("error,").partition(",")
    if text.startswith("error,") and code in _ERRORS:
        raise _ERRORS[code](f"Acme refuses: {said[:200]}", **where)
    if status >= 500 or not text.strip() or text.lstrip().startswith("<"):
        raise ProviderFault(f"Acme answered nothing usable (HTTP {status}); it is asked again", **where)
    first, *lines = text.split("\n")
    if first != header or lines[-2:] != [f"#rows,{len(lines) - 2}", ""]:
        raise PayloadError("Acme's answer is cut or of another form; the bytes are kept", payload=body, **where)
    return lines[:-2]


def decode_bars(body: bytes, *, status: int = 200, request: str = "") -> RawBars | None:
    """Bars, oldest first; None where Acme says ``#rows,0``. Acme stamps the end of a minute, a bar has its start."""
    lines = lines_of(body, _BARS, status=status, request=request)
    found = [bar for line in lines if (bar := _bar(line)) is not None]
    if not lines:
        return None
    table = np.array([prices for _, prices, _ in found], np.float64).reshape(-1, 4)
    absent = np.full(len(found), -1, np.int64)
    return RawBars(
        epoch_s=np.array([start for start, _, _ in found], np.int64),
        open=table[:, 0], high=table[:, 1], low=table[:, 2], close=table[:, 3],
        volume=np.array([volume for *_, volume in found], np.int64),
        oi=absent, vwap=np.full(len(found), np.nan), cumulative=absent,
        wall_mismatch=np.zeros(len(found), np.bool_), undecoded=len(lines) - len(found),
    )


def _bar(line: str) -> tuple[int, list[float], int] | None:
    match = _ROW.fullmatch(line)
    try:
        ended = datetime.fromisoformat(match[1]).replace(tzinfo=ZONE) if match else None
    except ValueError:
        return None
    if match is None or ended is None:
        return None
    return int(ended.timestamp()) - MINUTE_S, [float(price) for price in match.groups()[1:5]], int(match[6])


def decode_sign_in(body: bytes, *, status: int = 200) -> str:
    """The token of a sign-in. The bytes of a broken answer are not kept: they may hold a part of one."""
    try:
        token = dict(line.partition(",")[::2] for line in lines_of(body, "key,value", status=status, request="session")).get("token", "")
    except PayloadError:
        token = ""
    if not re.fullmatch(r"[A-Za-z0-9-]{8,200}", token):
        raise ProviderError("Acme's answer to the sign-in does not decode; try again", provider=PROVIDER, request="session")
    return token


def decode_user(body: bytes, *, status: int = 200) -> str:
    """Who is signed in."""
    return ", ".join(line.partition(",")[2] for line in lines_of(body, "key,value", status=status, request="user"))
