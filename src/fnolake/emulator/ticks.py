"""
Ticks of a contract, made from its minutes: four prints a minute that give that minute's bar back. Pure.

At seconds 0, 15, 30 and 45 of a traded minute come its open, one extreme, the other, and its close (a rising
minute shows its low first). The day's volume grows by quarters, so the last print's ``v`` is the bar's cumulative.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from fnolake.emulator.hashing import Integers

if TYPE_CHECKING:
    from fnolake.emulator.world import Minutes

STEP_S = 15
PRINTS = 4


class Tick(NamedTuple):
    """One print: prices in paise, ``volume`` the day's so far, ``at`` in epoch seconds."""

    at: int
    last: int
    open: int
    high: int
    low: int
    volume: int
    oi: int
    average: int


class Tape:
    """
    A contract-session's prints, found by time without making the others.

    ``table`` has a row for each traded minute, ascending: what :func:`prints` makes its prints of.
    """

    def __init__(self, minutes: Minutes) -> None:
        m = minutes
        high, low = np.maximum.accumulate(m.high), np.minimum.accumulate(m.low)
        self.table: Integers = np.stack([
            m.epoch_s, m.open, m.high, m.low, m.close, np.append(m.open[:1], high[:-1]), np.append(m.open[:1], low[:-1]),
            m.volume, m.cumulative, m.oi, m.vwap_paise, np.full(len(m.epoch_s), m.open[0] if len(m.open) else 0),
        ], axis=1).astype(np.int64)

    def last_at(self, epoch_s: float) -> Tick | None:
        """The newest print at or before an instant; None before the first."""
        row = int(np.searchsorted(self.table[:, 0], epoch_s, "right")) - 1
        if row < 0:
            return None
        return prints(self.table[row:row + 1])[min(int(epoch_s - self.table[row, 0]) // STEP_S, PRINTS - 1)][0]


def prints(rows: Integers) -> list[list[Tick]]:
    """
    The four prints of minutes, all first ones, all second ones and so on, each in the order of the rows.

    Args:
        rows: Of tapes' tables, of any contracts.
    """
    at, opened, high, low, close, high_before, low_before, traded, cumulative, oi, average, day_open = rows.T
    rising = close >= opened
    path = (opened, np.where(rising, low, high), np.where(rising, high, low), close)
    made, top, bottom = [], high_before, low_before
    for n, last in enumerate(path):
        top, bottom = np.maximum(top, last), np.minimum(bottom, last)
        volume = cumulative - traded + traded * (n + 1) // PRINTS
        columns = (at + n * STEP_S, last, day_open, top, bottom, volume, oi, average)
        made.append([Tick(*values) for values in np.stack(columns, axis=1).tolist()])
    return made
