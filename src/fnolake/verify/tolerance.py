"""
How far minutes may be from the exchange's end-of-day row, by segment, kind and era: data, with the reason of each figure.

Nothing is verified by tolerance: *verified* is exact, what lies inside a tolerance is *unverified* by a name of its own
(``volume_near`` …), and what lies outside is a mismatch. Keys of sources are those of ``docs/proof.md``.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Tolerance:
    """
    One row of the table.

    ``volume`` is the share of the day's volume that may differ without being a mismatch; ``phases`` the share that phases
    which brokers leave out may explain, 0 = none; ``ticks`` and ``price`` (a share; the larger counts) are for high, low and
    last price; ``band`` is the share by which a print after the last minute may be away from it; ``oi`` the share by which
    the last broadcast open interest may differ from the cleared one.
    """

    segment: str
    kind: str
    since: date
    volume: float
    phases: float
    ticks: int
    price: float
    band: float
    oi: float
    source: str


_EVER = date(1990, 1, 1)
FUTURES_PREOPEN = date(2025, 12, 8)
CLOSING_AUCTION = date(2026, 8, 3)

TOLERANCES = (
    Tolerance(
        "FO", "option", _EVER, volume=0.005, phases=0.0, ticks=2, price=0.001, band=0.0, oi=0.02,
        source="no pre-open and no auction, so minutes make the day (H); 0.5 % is where calibration starts (market notes 6e, no figure is published)",
    ),
    Tolerance(
        "FO", "future", _EVER, volume=0.005, phases=0.0, ticks=2, price=0.001, band=0.0, oi=0.02,
        source="as options; trades of the calendar-spread book may be in the day's total (L)",
    ),
    Tolerance(
        "FO", "future", FUTURES_PREOPEN, volume=0.005, phases=0.05, ticks=2, price=0.001, band=0.0, oi=0.02,
        source="pre-open 09:00-09:15 of the near futures: NSE/FAOP/71092, NSE/FAOP/71640 (H); its share is our bound (L)",
    ),
    Tolerance(
        "CM", "spot", _EVER, volume=0.005, phases=0.10, ticks=2, price=0.001, band=0.005, oi=0.0,
        source="pre-open match 09:08-09:12 and post-close 15:40-16:00 are in the day's total (H); their share is our bound (L)",
    ),
    Tolerance(
        "CM", "spot", CLOSING_AUCTION, volume=0.005, phases=0.25, ticks=2, price=0.001, band=0.03, oi=0.0,
        source="closing auction of F&O stocks within 3 %: NSE/CMTR/74466 of 2026-05-29 (H); its share is our bound (L)",
    ),
)
"""By segment and kind, ascending by ``since``."""


@functools.lru_cache(maxsize=4096)
def tolerance(segment: str, kind: str, day: date) -> Tolerance:
    """The row in force on a session; a segment and kind that are not in the table are judged as options."""
    found = [one for one in TOLERANCES if (one.segment, one.kind) == (segment, kind) and one.since <= day]
    return found[-1] if found else TOLERANCES[0]
