"""What happened, contract by contract: for tests that must not trust what they test. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from fnolake.emulator.engine import Engine
from fnolake.emulator.listings import EXCHANGES, KINDS, RIGHTS, SPOT


@dataclass(frozen=True, slots=True)
class Row:
    """
    One contract-session: what the contract is, and what it did.

    ``bars`` counts minutes with trades and the prints of pre-open and auction; ``volume`` is units; prices are paise, 0
    if nothing traded. ``expiry`` is an ISO date, empty for spot.
    """

    exchange: str
    token: int
    underlying: str
    kind: str
    expiry: str
    strike_paise: int | None
    right: str | None
    lot: int
    traded: bool
    bars: int
    volume: int
    high_paise: int
    low_paise: int
    last_paise: int
    trades: int


def rows(engine: Engine, session: date) -> Iterator[Row]:
    """Every contract that was alive on a session, by underlying; nothing if the date has none."""
    for number, und in enumerate(engine.unds):
        found = engine.totals(number, session)
        if found is None:
            continue
        columns = (found.bars, found.lots, found.high, found.low, found.last, found.trades)
        for row, bars, lots, high, low, last, trades in zip(
            found.sheet.rows.tolist(), *(column.tolist() for column in columns), strict=True
        ):
            c, lot = engine.columns, int(engine.columns.lot[row])
            kind = int(c.kind[row])
            yield Row(
                EXCHANGES[c.exchange[row]],
                int(c.token[row]),
                und.name,
                KINDS[kind],
                date.fromordinal(int(c.expiry[row])).isoformat() if kind != SPOT else "",
                int(c.strike[row]) or None,
                RIGHTS[c.right[row]],
                lot,
                bars > 0,
                bars,
                lots * lot,
                high,
                low,
                last,
                trades,
            )
