"""
Who says what was listed and traded on a session: the exchange's file, the master, or a file that is still to come. Pure.

Invariant: every (venue, session) of derivatives has exactly one source, and only an option that does not expire on its
session ever waits.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import groupby

from fnolake.model.session import IST

GIVE_UP = time(9, 0)
"""IST of the next day: the files come from about 17:00 to 20:00 or in the night (market.md 6a); then the master must do."""
FILE, WAITS, MASTER = "exchange's file", "waits for the exchange's file", "master"


@dataclass(frozen=True, slots=True)
class Source:
    """One venue's derivatives on one session; ``until`` is when waiting ends (IST)."""

    venue: str
    session: date
    kind: str
    until: datetime | None = None


def sources_of(
    venues: Iterable[str], sessions: Iterable[date], here: frozenset[tuple[str, str, date]], now: datetime, *, waits: bool,
) -> tuple[Source, ...]:
    """
    The source of every venue and session, by venue and session.

    Args:
        venues: Whose derivatives are wanted.
        sessions: Wanted.
        here: (venue, segment, session) of the exchange's files that are here.
        now: Aware.
        waits: A file may still come and is worth waiting for.
    """
    days, found = sorted(sessions), []
    for venue in sorted(venues):
        for day in days:
            until = datetime.combine(day + timedelta(days=1), GIVE_UP, IST)
            if (venue, "FO", day) in here:
                found.append(Source(venue, day, FILE))
            elif waits and now < until:
                found.append(Source(venue, day, WAITS, until))
            else:
                found.append(Source(venue, day, MASTER))
    return tuple(found)


def waiting(sources: Iterable[Source]) -> frozenset[tuple[str, date]]:
    """(venue, session) that wait for their file."""
    return frozenset((one.venue, one.session) for one in sources if one.kind == WAITS)


def source_lines(sources: Iterable[Source]) -> list[str]:
    """One sentence for each run of sessions of a venue with the same source."""
    lines = []
    for (venue, kind), run in groupby(sorted(sources, key=lambda one: (one.venue, one.session)), key=lambda one: (one.venue, one.kind)):
        days = list(run)
        span = f"{days[0].session}" if len(days) == 1 else f"{days[0].session} to {days[-1].session} ({len(days)} sessions)"
        if kind == WAITS:
            until = days[-1].until
            assert until is not None
            lines.append(f"{venue} {span}: options that do not expire that day wait for the exchange's file, until {until:%d %b %H:%M} IST (--no-wait asks now)")
        else:
            said = "listed and traded by the exchange's file" if kind == FILE else "listed by the master, no exchange file is here"
            lines.append(f"{venue} {span}: {said}")
    return lines
