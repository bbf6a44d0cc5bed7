"""
What can be asked for: listings, contracts and the tables that hold many of them.

A *listing* is what one master says; a *contract* is a listing that the ledger has given an id. Nothing here
reads, writes or knows the time. Invariant: strikes and ticks are integer paise, expiry is a date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING

from fnolake.model.verdict import Finding

if TYPE_CHECKING:
    import polars as pl

VENUES = ("NSE", "BSE")
SEGMENTS = ("CM", "FO")
KINDS = ("spot", "future", "option")
RIGHTS = ("CE", "PE")

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")

LISTING_COLUMNS = (
    "venue", "segment", "token", "symbol", "underlying", "kind", "expiry", "strike_paise", "right",
    "lot", "tick_paise", "provider_symbol", "is_index",
)
"""Columns of a listings table, in order. Types: :func:`listing_schema`."""


def listing_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """
    Polars schema of a listings table: one row a contract, unique by (venue, segment, token).

    ``expiry`` and ``strike_paise`` and ``right`` are null where they do not apply; ``lot`` is units;
    ``is_index`` is true for an index, its futures and its options. Instruments tables of the ledger add
    ``contract`` (int64, first), ``valid_from`` and ``valid_to`` (date, null = unknown / open).
    """
    import polars as pl

    text, integer = pl.String, pl.Int64
    return {
        "venue": text, "segment": text, "token": integer, "symbol": text, "underlying": text, "kind": text,
        "expiry": pl.Date, "strike_paise": integer, "right": text, "lot": integer, "tick_paise": integer,
        "provider_symbol": text, "is_index": pl.Boolean,
    }


def instrument_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Polars schema of an instruments table: a listing with its id and validity (inclusive dates)."""
    import polars as pl

    return {"contract": pl.Int64, **listing_schema(), "valid_from": pl.Date, "valid_to": pl.Date}


@dataclass(frozen=True, slots=True)
class Contract:
    """One listing with the id that the ledger gave it. ``contract`` is never reused."""

    contract: int
    venue: str
    segment: str
    token: int
    symbol: str
    underlying: str
    kind: str
    expiry: date | None
    strike_paise: int | None
    right: str | None
    lot: int
    tick_paise: int
    provider_symbol: str
    is_index: bool = False
    valid_from: date | None = None
    valid_to: date | None = None


@dataclass(frozen=True, slots=True)
class Master:
    """
    One provider's master file, parsed: every row is a listing, out of scope, or a finding.

    ``rows == listings.height + sum(out_of_scope.values()) + sum(f.count for f in findings)`` always holds.
    """

    provider: str
    exchange: str
    day: date
    rows: int
    listings: pl.DataFrame
    out_of_scope: dict[str, int] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    payload_hash: str = ""


def strike_text(strike_paise: int) -> str:
    """Rupees without needless zeros: 140000 → ``1400``, 31250 → ``312.5``, 5 → ``0.05``."""
    rupees, paise = divmod(strike_paise, 100)
    return f"{rupees}.{paise:02d}".rstrip("0") if paise else str(rupees)


def contract_symbol(
    underlying: str, kind: str, expiry: date | None, strike_paise: int | None, right: str | None, *, is_index: bool
) -> str:
    """
    Our symbol, the brokers' common grammar, for both venues.

    ``RELIANCE-EQ``, ``NIFTY``, ``RELIANCE23NOV26F``, ``RELIANCE23NOV26C1400``, ``SENSEX26NOV26P84000``.
    """
    if kind == "spot":
        return underlying if is_index else f"{underlying}-EQ"
    if expiry is None:
        raise ValueError(f"{underlying}: a {kind} needs an expiry")
    stamp = f"{expiry.day:02d}{_MONTHS[expiry.month - 1]}{expiry.year % 100:02d}"
    if kind == "future":
        return f"{underlying}{stamp}F"
    if strike_paise is None or right is None:
        raise ValueError(f"{underlying}: an option needs a strike and a right")
    return f"{underlying}{stamp}{right[0]}{strike_text(strike_paise)}"
