"""When a contract trades on a date, as indices into its underlying's grid of minutes. Facts come from the calendar."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np

from fnolake.emulator.hashing import Floats, Integers
from fnolake.errors import UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import Contract, Session, ist_midnight_us

_MATCH_CHANGED = date(2026, 9, 7)


@dataclass(frozen=True)
class Hours:
    """
    A contract's minutes: ``[first, last)`` of a grid that holds the derivatives' minutes of that date and venue.

    ``preopen`` and ``auction`` are minutes of the day of the one print they end in, -1 without one. ``weights`` sum to 1
    over the grid; ``left`` is the part of the day (in days) that remains at each minute.
    """

    grid: Integers
    first: int
    last: int
    preopen: int
    auction: int
    midnight_s: int

    @cached_property
    def weights(self) -> Floats:
        """How the day's trading spreads over the grid: busiest at both ends."""
        n = np.arange(len(self.grid))
        shape = 1 + 2.2 * np.exp(-n / 25) + 1.2 * np.exp((n - len(n)) / 30)
        return np.asarray(shape / shape.sum())

    @cached_property
    def left(self) -> Floats:
        """Days left at each minute's end, never zero."""
        n = np.arange(len(self.grid))
        return np.asarray(0.65 * (len(n) - 1 - n) / len(n) + 0.002)


class HoursBook:
    """Hours by contract class and date, kept."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self._kept: dict[tuple[object, ...], Hours | None] = {}
        self._grids: dict[tuple[str, date], Hours | None] = {}

    def of(self, venue: str, kind: str, underlying: str, day: date, *, expires: bool, is_index: bool) -> Hours | None:
        """The hours of a contract; None if the date is closed or its hours are unknown."""
        key = (venue, kind, underlying, day, expires and is_index)
        if key not in self._kept:
            self._kept[key] = self._find(venue, kind, underlying, day, expires=expires and is_index, is_index=is_index)
        return self._kept[key]

    def grid(self, venue: str, day: date) -> Hours | None:
        """All minutes of the venue's derivatives that day."""
        key = (venue, day)
        if key not in self._grids:
            session = _known(lambda: self._calendar.session(venue, "FO", day))
            self._grids[key] = None if session is None else _whole(session)
        return self._grids[key]

    def _find(
        self, venue: str, kind: str, underlying: str, day: date, *, expires: bool, is_index: bool
    ) -> Hours | None:
        whole = self.grid(venue, day)
        contract = Contract(
            0,
            venue,
            "CM" if kind == "spot" else "FO",
            0,
            "",
            underlying,
            kind,
            day if expires else None,
            None,
            None,
            1,
            1,
            "",
            is_index,
        )
        session = _known(lambda: self._calendar.session_for(contract, day))
        if whole is None or session is None:
            return None
        base = ist_midnight_us(day)
        first = int(whole.grid.searchsorted((session.open_us - base) // 60_000_000))
        last = int(whole.grid.searchsorted((session.close_us - base) // 60_000_000))
        return Hours(whole.grid, first, last, _preopen(session, kind, underlying), _auction(session), base // 1_000_000)


def _known(look: Callable[[], Session | None]) -> Session | None:
    try:
        return look()
    except UnknownSession:
        return None


def _whole(session: Session) -> Hours:
    base = ist_midnight_us(session.date)
    grid = (np.array(session.minute_starts_us(), np.int64) - base) // 60_000_000
    return Hours(grid, 0, len(grid), -1, -1, base // 1_000_000)


def _preopen(session: Session, kind: str, underlying: str) -> int:
    """The minute in which the pre-open match is printed."""
    window = next((w for w in session.windows if w.phase == "preopen"), None)
    if window is None or kind == "option" or underlying == "INDIAVIX":
        return -1
    return window.start + (10 if session.date >= _MATCH_CHANGED else 7)


def _auction(session: Session) -> int:
    """The minute of the closing auction's one print, at random within its last minutes."""
    window = next((w for w in session.windows if w.phase == "auction"), None)
    if window is None:
        return -1
    return window.start + (13 if window.end - window.start >= 20 else 8) + session.date.toordinal() % 2
