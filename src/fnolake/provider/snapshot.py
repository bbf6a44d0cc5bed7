"""
A provider's small answers as values, and how their fields are read. Pure.

Invariant: a missing number is None, not zero.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from fnolake.provider.columns import is_plain


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


def text(answer: Mapping[str, object], key: str) -> str:
    """A text field, a whole number as its digits, empty for anything else."""
    value = answer.get(key)
    return value if isinstance(value, str) else str(value) if isinstance(value, int) else ""


def texts(value: object) -> tuple[str, ...]:
    """The texts of a list; empty for anything else."""
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
