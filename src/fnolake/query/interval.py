"""
Bar lengths as people write them: ``5m``, ``1d``. Pure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from fnolake.errors import QueryError

_MINUTES = re.compile(r"^([1-9]\d{0,3})m$")
_DAY_MINUTES = 1440


@dataclass(frozen=True, slots=True)
class Interval:
    """A length of bars: whole ``minutes`` within a session, or (minutes 0) a ``period``: day, week or month of sessions."""

    minutes: int
    period: str = ""

    def first_day(self, day: date) -> date:
        """The first calendar date of the period that a session is in (a week begins on Monday); the session itself within one."""
        if self.period == "week":
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self.period == "month" else day


MINUTE = Interval(1)
_PERIODS = {"1d": Interval(0, "day"), "1w": Interval(0, "week"), "1mo": Interval(0, "month")}


def interval_of(text: str) -> Interval:
    """
    What was typed.

    Raises:
        QueryError: It is no length of bars; the message names those that are.
    """
    word = text.strip()
    if word in _PERIODS:
        return _PERIODS[word]
    match = _MINUTES.match(word)
    if match is None or int(match[1]) > _DAY_MINUTES:
        raise QueryError(f"no interval {text!r}: give whole minutes (1m, 5m, 15m, 60m, up to {_DAY_MINUTES}m), 1d, 1w or 1mo")
    return Interval(int(match[1]))
