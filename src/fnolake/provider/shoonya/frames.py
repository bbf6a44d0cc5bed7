"""
Frames of Shoonya's socket, bytes ⇄ values, both generations. Pure.

Texts everywhere, numbers included; ``tk``/``dk`` is a whole snapshot, ``tf``/``df`` only what changed. Source:
protocols as observed in NorenRestApiOAuth 0.0.41 and NorenRestApi 0.0.32 (PyPI), and github.com/Shoonya-Dev/ShoonyaApi-py
issues 81 (``ft`` is the server's time), 206 and 217, read 2026-11-20. Invariant: what cannot be read is counted, never a price.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from fnolake.errors import PayloadError
from fnolake.provider.lastsaid import MOST_PAISE, MOST_UNITS
from fnolake.provider.shoonya.refusal import PROVIDER

SNAPSHOTS = frozenset({"tk", "dk"})
CHANGES = frozenset({"tf", "df"})
WELCOMES = frozenset({"ak", "ck"})
BEAT = '{"t":"h"}'


class Frame(msgspec.Struct, rename={"kind": "t", "exchange": "e", "token": "tk", "last": "lp", "volume": "v", "at": "ft", "stat": "s"}):
    """The members of a frame that matter here; empty = absent."""

    kind: str = ""
    exchange: str = ""
    token: str = ""
    last: str = ""
    volume: str = ""
    oi: str = ""
    at: str = ""
    stat: str = ""
    emsg: str = ""


_DECODER = msgspec.json.Decoder(Frame, strict=False)


def decode(body: bytes | str) -> Frame:
    """
    One frame.

    Raises:
        PayloadError: It is no JSON object of texts.
    """
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        held = body.encode(errors="replace") if isinstance(body, str) else body
        raise PayloadError(f"a socket frame cannot be read: {str(error)[:80]}", provider=PROVIDER, request="socket", payload=held[:500]) from error


def sign_in(uid: str, account: str, token: str, *, legacy: bool) -> str:
    """The first frame: ``a`` with the access token (OAuth), ``c`` with the session key (legacy)."""
    held = {"t": "c", "susertoken": token} if legacy else {"t": "a", "accesstoken": token}
    return json.dumps({**held, "uid": uid, "actid": account, "source": "API"}, separators=(",", ":"))


def subscribe(keys: Sequence[str], *, on: bool = True) -> str:
    """Touchline of ``EXCHANGE|TOKEN`` keys; ``on`` false ends it."""
    return json.dumps({"t": "t" if on else "u", "k": "#".join(keys)}, separators=(",", ":"))


def paise(text: str) -> int:
    """A price text in rupees as paise; 0 where it says nothing."""
    number = _number(text)
    return round(number * 100) if 0 < number * 100 <= MOST_PAISE else 0


def units(text: str) -> int:
    """A count; -1 where it says nothing."""
    if text.isascii() and text.isdigit() and len(text) < 20:
        number = int(text)
        return number if number < MOST_UNITS else -1
    number_f = _number(text)
    return int(number_f) if text and 0 <= number_f < 2**53 and number_f.is_integer() else -1


def _number(text: str) -> float:
    """A plain decimal text; -1 for anything else."""
    plain = len(text) < 24 and text.isascii() and text.replace(".", "", 1).isdigit()
    return float(text) if plain else -1.0
