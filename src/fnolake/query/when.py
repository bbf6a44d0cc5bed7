"""
From what a user types as start and end to sessions and instants. Pure.

A date is a whole session, inclusive; an instant is half-open; both in IST unless they say otherwise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from fnolake.errors import ConfigError
from fnolake.model import IST

Given = date | str | None
"""A date, an instant (a datetime is a date), the ISO text of one, or None."""
_DATE_LENGTH = 10


@dataclass(frozen=True, slots=True)
class When:
    """
    A stretch of time, open where None.

    ``first`` and ``last`` are sessions, inclusive. ``since`` and ``until`` are aware instants: only bars that begin in
    [since, until) are meant.
    """

    first: date | None = None
    last: date | None = None
    since: datetime | None = None
    until: datetime | None = None

    def of(self, sessions: Sequence[date]) -> list[date]:
        """The sessions that lie in it, in their order."""
        return [day for day in sessions if (self.first is None or day >= self.first) and (self.last is None or day <= self.last)]

    @property
    def has_instants(self) -> bool:
        """Whether it begins or ends within a session."""
        return self.since is not None or self.until is not None


EVER = When()
"""Everything that is there."""


def when(start: Given, end: Given) -> When:
    """
    What was given as start and end.

    Args:
        start: A first session, or the instant from which bars begin.
        end: A last session, or the instant before which bars begin.

    Raises:
        ConfigError: One of them is neither, or start lies after end.
    """
    begins, ends = _read(start), _read(end)
    since, until = _instant(begins), _instant(ends)
    last = (until - timedelta(microseconds=1)).date() if until else ends
    found = When(since.date() if since else begins, last, since and since.astimezone(UTC), until and until.astimezone(UTC))
    backwards = found.first and found.last and found.first > found.last
    if backwards or (since and until and since >= until):
        raise ConfigError(f"start {start} lies after end {end}; give the earlier first")
    return found


def _read(given: Given) -> date | None:
    if not isinstance(given, str):
        return given
    text = given.strip()
    try:
        return date.fromisoformat(text) if len(text) <= _DATE_LENGTH else datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(f"no date or time: {given!r}; give a session like 2026-11-20, or an instant like '2026-11-20 09:30' (IST)") from error


def _instant(given: date | None) -> datetime | None:
    """An instant in IST; None for a date."""
    if not isinstance(given, datetime):
        return None
    return given.astimezone(IST) if given.tzinfo else given.replace(tzinfo=IST)
