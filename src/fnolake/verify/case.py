"""
One contract-session with everything that is known about it, and its volume against the provider's own day total. Pure.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnolake.model import Contract, Finding, Session, Window
from fnolake.normalize import CONTINUOUS, DAY_MINUTES, Facts, phase_table
from fnolake.verify.rebased import NOTHING, Actions

VOLUME_TOLERANCE = 0.005
"""Share of the exchange's volume by which the minutes may differ. No figure is published; 0.5 % is where we start."""

_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class ExchangeRow:
    """
    What the exchange's end-of-day file says of one contract-session.

    Prices are paise, None (or 0, in untraded rows) where the file has none; ``volume`` and ``oi`` are units.
    """

    open: int | None
    high: int | None
    low: int | None
    close: int | None
    last: int | None
    volume: int
    oi: int | None = None
    trades: int | None = None


@dataclass(frozen=True, slots=True)
class Flow:
    """
    Volume against the provider's cumulative volume.

    ``known`` is false where it sends none. ``holes`` is the volume that fell into minutes without a bar, ``early``
    what was traded before the first continuous minute, ``drift`` what else differs (absolute). ``excused`` counts
    minutes without a bar in which, by the cumulative, nothing was traded.
    """

    known: bool = False
    holes: int = 0
    early: int = 0
    drift: int = 0
    excused: int = 0
    total: int = 0
    wrapped: bool = False

    @property
    def agrees(self) -> bool:
        """No volume is missing and the rest differs by less than the tolerance."""
        return self.known and self.holes == 0 and self.drift <= self.total * VOLUME_TOLERANCE


@dataclass(frozen=True, slots=True)
class Case:
    """One contract-session with everything that is known about it."""

    facts: Facts
    first: int
    end: int
    contract: Contract
    session: Session
    row: ExchangeRow | None
    must_fill: bool
    findings: tuple[Finding, ...]
    actions: Actions = NOTHING

    def column(self, name: str) -> NDArray[np.int64]:
        """A column of the session's rows."""
        values: NDArray[np.int64] = getattr(self.facts, name)[self.first:self.end]
        return values


def missing_minutes(case: Case) -> int:
    """Continuous minutes of the session without a bar."""
    return case.session.minutes - int(np.count_nonzero(case.column("phase") == CONTINUOUS))


@functools.lru_cache(maxsize=256)
def minutes_before(windows: tuple[Window, ...]) -> NDArray[np.int64]:
    """For each minute of a day, how many continuous minutes of the session come before it."""
    inside = (phase_table(windows) == CONTINUOUS).astype(np.int64)
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(inside)))[:DAY_MINUTES]


def volume_flow(case: Case) -> Flow:
    """
    Compare the bars' volume with the provider's cumulative, bar by bar.

    A difference after skipped minutes is volume we do not have; before the first continuous minute it is the pre-open;
    anywhere else it is drift. A total that passed 32 bits and started again is followed.
    """
    cumulative, volume = case.column("cumulative"), case.column("volume")
    if cumulative[-1] <= 0 or (cumulative < 0).any():
        return Flow()
    steps = np.diff(cumulative, prepend=0)
    wrapped = bool((steps < -_WRAP // 2).any())
    if wrapped:
        steps = np.where(steps < -_WRAP // 2, steps + _WRAP, steps)
    before = minutes_before(case.session.windows)[case.column("minute")]
    reached = before + (case.column("phase") == CONTINUOUS)
    skipped = np.diff(reached, prepend=0) - (reached - before)
    excess = steps - volume
    if not excess.any():
        return Flow(known=True, excused=int(skipped.sum()), total=int(steps.sum()), wrapped=wrapped)
    holes = (excess > 0) & (skipped > 0)
    early = (excess > 0) & ~holes & (before == 0) & any(w.phase == "preopen" for w in case.session.windows)
    return Flow(
        known=True, holes=int(excess[holes].sum()), early=int(excess[early].sum()),
        drift=int(np.abs(excess[~holes & ~early]).sum()), excused=int(skipped[excess == 0].sum()),
        total=int(steps.sum()), wrapped=wrapped,
    )
