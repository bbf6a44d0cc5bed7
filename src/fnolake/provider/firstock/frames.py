"""
Frames of Firstock's V2 socket, bytes ⇄ values. Pure.

An object keyed by ``EXCHANGE:TOKEN``, several instruments in one; prices are paise. The first frame of an instrument is whole,
later ones carry what changed; null, 0 and 9223372036854775808 say nothing. Source: firstock.in/api/docs "Websocket V2" and
the-firstock/firstock-developer-sdk-golang (SubscribeFeedModel), read 2026-11-20.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec

from fnolake.errors import PayloadError
from fnolake.provider.firstock.refusal import PROVIDER
from fnolake.provider.lastsaid import MOST_PAISE, MOST_UNITS

Number = int | float | str | None


class Quote(msgspec.Struct, rename={
    "last": "i_last_traded_price", "volume": "i_volume_traded_today", "oi": "i_open_interest", "at": "i_feed_time",
}):
    """The members of an instrument that matter here; null = absent."""

    last: Number = None
    volume: Number = None
    oi: Number = None
    at: Number = None


class Status(msgspec.Struct):
    """The first frame of a connection, and refusals."""

    status: str = ""
    message: str = ""


_STATUS = msgspec.json.Decoder(Status)
_QUOTES = msgspec.json.Decoder(dict[str, msgspec.Raw])
_QUOTE = msgspec.json.Decoder(Quote)


def decode(body: bytes | str) -> dict[str, Quote] | Status:
    """
    One frame: instruments by ``EXCHANGE:TOKEN``, or a status. Order and position pushes come as no instrument.

    Raises:
        PayloadError: It is no JSON object.
    """
    try:
        held = _QUOTES.decode(body)
        if "status" in held and "message" in held:
            return _STATUS.decode(body)
        return {key: _QUOTE.decode(raw) for key, raw in held.items() if ":" in key}
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        kept = body.encode(errors="replace") if isinstance(body, str) else body
        raise PayloadError(f"a socket frame cannot be read: {str(error)[:80]}", provider=PROVIDER, request="socket", payload=kept[:500]) from error


def subscribe(keys: Sequence[str], *, on: bool = True) -> str:
    """Everything of ``EXCHANGE:TOKEN`` keys; ``on`` false ends it."""
    return json.dumps({"action": "subscribe" if on else "unsubscribe", "tokens": "|".join(keys)}, separators=(",", ":"))


def paise(value: Number) -> int:
    """A price in paise; 0 where it says nothing."""
    number = _whole(value)
    return number if 0 < number <= MOST_PAISE else 0


def units(value: Number) -> int:
    """A count; -1 where it says nothing."""
    number = _whole(value)
    return number if 0 <= number < MOST_UNITS else -1


def _whole(value: Number) -> int:
    """A number that is whole but for the noise of a float; -1 for anything else."""
    if isinstance(value, str):
        return int(value) if len(value) < 20 and value.isascii() and value.isdigit() else -1
    if isinstance(value, float):
        return round(value) if abs(value) < 2**53 else -1
    return -1 if value is None else value
