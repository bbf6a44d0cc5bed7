"""
Ticks of a contract, made from its minutes: four prints a minute that give that minute's bar back. Pure.

At seconds 0, 15, 30 and 45 of a traded minute come its open, one extreme, the other, and its close (a rising
minute shows its low first). The day's volume grows by quarters, so the last print's ``v`` is the bar's cumulative.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fnolake.emulator.world import Minutes

STEP_S = 15
PRINTS = 4


@dataclass(frozen=True, slots=True)
class Tick:
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
    """A contract-session's prints, found by time without making the others."""

    def __init__(self, minutes: Minutes) -> None:
        self._m = minutes
        self._high = np.maximum.accumulate(minutes.high)
        self._low = np.minimum.accumulate(minutes.low)

    def last_at(self, epoch_s: float) -> Tick | None:
        """The newest print at or before an instant; None before the first."""
        row = int(np.searchsorted(self._m.epoch_s, epoch_s, "right")) - 1
        if row < 0:
            return None
        return self._tick(row, min(int(epoch_s - self._m.epoch_s[row]) // STEP_S, PRINTS - 1))

    def between(self, after_s: float, until_s: float) -> Iterator[Tick]:
        """Prints in (after_s, until_s], in time order."""
        first = max(int(np.searchsorted(self._m.epoch_s, after_s - 60, "left")), 0)
        for row in range(first, int(np.searchsorted(self._m.epoch_s, until_s, "right"))):
            for n in range(PRINTS):
                if after_s < int(self._m.epoch_s[row]) + n * STEP_S <= until_s:
                    yield self._tick(row, n)

    def next_after(self, epoch_s: float) -> float:
        """When the next print comes; infinity if none does."""
        tick = next(self.between(epoch_s, epoch_s + 60), None)
        if tick is not None:
            return tick.at
        row = int(np.searchsorted(self._m.epoch_s, epoch_s, "right"))
        return float(self._m.epoch_s[row]) if row < len(self._m.epoch_s) else float("inf")

    def _tick(self, row: int, n: int) -> Tick:
        m = self._m
        opened, close = int(m.open[row]), int(m.close[row])
        high, low = int(m.high[row]), int(m.low[row])
        path = (opened, low, high, close) if close >= opened else (opened, high, low, close)
        seen = path[: n + 1]
        day_high, day_low = (int(self._high[row - 1]), int(self._low[row - 1])) if row else (opened, opened)
        traded = int(m.volume[row])
        return Tick(
            int(m.epoch_s[row]) + n * STEP_S, path[n], int(m.open[0]), max(day_high, *seen, opened),
            min(day_low, *seen, opened), int(m.cumulative[row]) - traded + traded * (n + 1) // PRINTS,
            int(m.oi[row]), int(m.vwap_paise[row]),
        )
