"""
Where bars begin: at the starts of each session's windows, in its era, from the calendar. Pure.

Minutes are counted from midnight IST. Almost all sessions begin alike; those that do not are rows of a small table.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import Contract, Session
from fnolake.query.interval import Interval

ODD: dict[str, pl.DataType | type[pl.DataType]] = {
    "first": pl.Date, "venue": pl.String, "underlying": pl.String, "kind": pl.String, "phase": pl.String,
    "start": pl.Int64, "since": pl.Int64, "until": pl.Int64,
}
"""
A session of some contracts: in a phase, bars of the minutes from ``since`` to before ``until`` are counted from ``start``.
"""

_DAY_MINUTES = 1440
_Starts = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Anchors:
    """
    Where the bars of some sessions begin.

    ``usual``: by phase, the minute that most sessions begin at; ``odd`` (:data:`ODD`): those that begin elsewhere or
    more than once; ``first``: by session, the first session of its period (the session itself within one).
    """

    usual: dict[str, int]
    odd: pl.DataFrame
    first: dict[date, date]


def anchors(
    calendar: Calendar, names: Iterable[tuple[str, str, str, bool]], sessions: Sequence[date], phases: Sequence[str], interval: Interval,
    since: Mapping[date, date] | None = None,
) -> Anchors:
    """
    Look up where bars begin.

    Args:
        calendar: The sessions' hours.
        names: (venue, underlying, kind, is_index) of the contracts, each once.
        sessions: Those that are read.
        phases: Those that are read.
        interval: Of the bars that are made.
        since: By session, the session before which its bar must not begin, so that a week or month may be cut there.

    Raises:
        UnknownSession: The hours of a session are not known.
    """
    first = {day: first_session(calendar, interval, day) for day in sessions}
    first |= {day: max(first[day], begins) for day, begins in (since or {}).items() if day in first}
    found: dict[tuple[date, str, str, str, str], _Starts] = {}
    for venue, underlying, kind, is_index in names:
        contract = any_contract(venue, underlying, kind, is_index=is_index)
        for day in set(first.values()):
            session = calendar.session_for(contract, day)
            for phase in phases if session else ():
                found[day, venue, underlying, kind, phase] = _starts(session, phase, interval)
    usual = {phase: _most_common(starts for (*_, at), starts in found.items() if at == phase) for phase in phases}
    rows = [
        (*key, start, since, until)
        for key, starts in found.items() if starts and starts != (usual[key[-1]],)
        for start, since, until in zip(starts, (0, *starts[1:]), (*starts[1:], _DAY_MINUTES), strict=True)
    ]
    return Anchors(usual, pl.DataFrame(rows, schema=ODD, orient="row"), first)


def first_session(calendar: Calendar, interval: Interval, day: date) -> date:
    """The first session of the period that a session is in."""
    start = interval.first_day(day)
    return day if start == day else min([*calendar.sessions(start, day), day])


def any_contract(venue: str, underlying: str, kind: str, *, is_index: bool, expiry: date | None = None) -> Contract:
    """A contract of that name; where a session begins is the same for all of them, where it ends for all of an expiry."""
    segment = "CM" if kind == "spot" else "FO"
    return Contract(0, venue, segment, 0, "", underlying, kind, expiry, None, None, 0, 0, "", is_index)


def _starts(session: Session | None, phase: str, interval: Interval) -> _Starts:
    """Starts of a phase's windows; of a bar as long as the session or longer only the first counts."""
    starts = tuple(window.start for window in session.windows if window.phase == phase) if session else ()
    return starts[:1] if interval.period else starts


def _most_common(starts: Iterable[_Starts]) -> int:
    counted = Counter(one[0] for one in starts if len(one) == 1)
    return counted.most_common(1)[0][0] if counted else 0
