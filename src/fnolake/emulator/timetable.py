"""
Which of many contracts print when, on one date: a grid of minutes, so that an instant costs what it prints. Pure.

Invariant: what :meth:`Timetable.between` gives for adjoining spans is every print of every contract once, in time order.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from fnolake.emulator.ticks import PRINTS, STEP_S, Tape, Tick, prints
from fnolake.model import IST

K = TypeVar("K")
NEVER = float("inf")
_MINUTES = 1440
_NONE = -1


class Timetable(Generic[K]):
    """
    The prints of a date.

    Args:
        day: The date.
    """

    def __init__(self, day: date) -> None:
        self.day = day
        self._midnight = int(datetime.combine(day, time(), IST).timestamp())
        self._grid: NDArray[np.int16] = np.full((16, _MINUTES), _NONE, np.int16)
        self._counts = np.zeros(_MINUTES, np.int32)
        self._slots: dict[K, int] = {}
        self._at: list[tuple[K, Tape] | None] = []
        self._free: list[int] = []
        self._made: tuple[int, list[list[tuple[K, Tick]]]] = (-1, [])

    def add(self, key: K, tape: Tape) -> None:
        """Let a contract print; one that is there already gets this tape."""
        self.remove(key)
        slot = self._free.pop() if self._free else len(self._at)
        if slot == len(self._at):
            self._at.append(None)
        if slot == len(self._grid):
            self._grid = np.concatenate([self._grid, np.full_like(self._grid, _NONE)])
        self._at[slot], self._slots[key] = (key, tape), slot
        minutes = (tape.table[:, 0] - self._midnight) // 60
        self._grid[slot, minutes] = np.arange(len(minutes))
        self._counts[minutes] += 1
        self._made = (-1, [])

    def remove(self, key: K) -> None:
        """Let a contract print no more; one that does not is left alone."""
        slot = self._slots.pop(key, None)
        if slot is None:
            return
        self._counts -= self._grid[slot] != _NONE
        self._grid[slot], self._at[slot] = _NONE, None
        self._free.append(slot)
        self._made = (-1, [])

    def next_after(self, epoch_s: float) -> float:
        """When the next print comes; infinity if none does on this date."""
        first = max(int((epoch_s - self._midnight) // 60), 0)
        for minute in np.flatnonzero(self._counts[first:])[:2].tolist():
            start = self._midnight + 60 * (first + minute)
            for at in range(start, start + PRINTS * STEP_S, STEP_S):
                if at > epoch_s:
                    return at
        return NEVER

    def between(self, after_s: float, until_s: float) -> Iterator[tuple[int, list[tuple[K, Tick]]]]:
        """Instants in (after_s, until_s] at which something prints, each with its prints."""
        first, last = max(int((after_s - self._midnight) // 60), 0), min(int((until_s - self._midnight) // 60), _MINUTES - 1)
        for minute in range(first, last + 1):
            if not self._counts[minute]:
                continue
            for n in range(PRINTS):
                at = self._midnight + 60 * minute + n * STEP_S
                if after_s < at <= until_s:
                    yield at, self._of(minute)[n]

    def _of(self, minute: int) -> list[list[tuple[K, Tick]]]:
        """The four lists of a minute's prints; made once, as long as nothing changes."""
        if self._made[0] != minute:
            slots = np.flatnonzero(self._grid[:, minute] != _NONE).tolist()
            who = [held for slot in slots if (held := self._at[slot])]
            rows = np.stack([tape.table[row] for (_, tape), row in zip(who, self._grid[slots, minute].tolist(), strict=True)])
            keys = [key for key, _ in who]
            self._made = minute, [list(zip(keys, made, strict=True)) for made in prints(rows)]
        return self._made[1]
