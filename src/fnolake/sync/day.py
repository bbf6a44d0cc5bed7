"""
The day of an unattended lake as a state machine read from the calendar: which step is due, or when the next one is.

Pure: what was done comes in as a :class:`Book`, what now is as an instant. Invariants: every instant has exactly one next
step; a step that was noted done never comes again; a session's evening is finished before that of a later one begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Literal

from fnolake.errors import UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import IST, ist_date

Kind = Literal["pre-open", "live", "masters", "exchange file", "sync", "verify", "repair", "upkeep", "check"]
Rest = Literal["asleep", "holiday", "unknown day", "pre-open", "after close", "retry", "done"]

EVENING: tuple[Kind, ...] = ("masters", "exchange file", "sync", "verify", "repair", "upkeep")
"""What makes a session final, in this order."""
WITHOUT_FILE = "went on without it"
"""Note of an exchange file that did not come in its evening."""
_AHEAD = 400
"""Days in which a session, or a day of which nobody knows, must come."""
_PAUSES = (1, 2, 5, 10, 20, 30, 60)
_PAUSES_OF = {"pre-open": (1, 2, 5), "live": (0.25, 1), "exchange file": (15,)}
"""Minutes to the next try, of what cannot wait for long; a file that is not there yet has not failed."""


@dataclass(frozen=True, slots=True)
class Rules:
    """
    Times of the day, IST where they are times.

    Args:
        before_open: Pre-open work (sign-ins, masters) begins this long before the first phase.
        after_close: The recorder listens this long after the last phase, for what comes late.
        file_from: The exchange's files come from then on.
        file_until: In the evening of the session the exchange's file is waited for until then; then the sync goes on without it.
        second_try: In the morning after such an evening the file is asked for again from then on.
        check: When an unknown day is looked at.
    """

    before_open: timedelta = timedelta(minutes=30)
    after_close: timedelta = timedelta(minutes=1)
    file_from: time = time(17, 0)
    file_until: time = time(20, 30)
    second_try: time = time(7, 0)
    check: time = time(21, 30)


@dataclass(frozen=True, slots=True)
class Step:
    """What is to be done for a session from ``at`` (aware) on; ``until`` is when it is over, done or not."""

    kind: Kind
    session: date
    at: datetime
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """What is noted of one step: done, or tried so often and to be tried again ``again`` (aware); ``note`` says what came of it."""

    session: date
    kind: str
    done: bool
    tries: int = 0
    again: datetime | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """
    What was done. Sessions up to and including ``through`` are finished and no more spoken of.

    Args:
        through: The last day that needs nothing more.
        entries: Of later days, one a step.
    """

    through: date
    entries: tuple[Entry, ...] = ()

    def of(self, session: date, kind: str) -> Entry | None:
        """What is noted of a step."""
        return next((one for one in self.entries if (one.session, one.kind) == (session, kind)), None)

    def is_done(self, session: date, kind: str) -> bool:
        """Whether a step is done for good."""
        found = self.of(session, kind)
        return session <= self.through or (found is not None and found.done)

    def with_done(self, step: Step, note: str = "") -> Book:
        """The book with a step noted done."""
        before = self.of(step.session, step.kind)
        return self._with(Entry(step.session, step.kind, True, before.tries if before else 0, None, note))

    def with_failure(self, step: Step, now: datetime, note: str) -> Book:
        """The book with a try noted that failed; the pause to the next one grows from a minute to an hour."""
        before = self.of(step.session, step.kind)
        tries = (before.tries if before else 0) + 1
        pauses = _PAUSES_OF.get(step.kind, _PAUSES)
        pause = timedelta(minutes=pauses[min(tries, len(pauses)) - 1])
        return self._with(Entry(step.session, step.kind, False, tries, now + pause, note))

    def at_once(self) -> Book:
        """The book without pauses: what kept the steps from being done is gone."""
        return replace(self, entries=tuple(replace(one, again=None) for one in self.entries))

    def settled(self, calendar: Calendar) -> Book:
        """The book without what is finished: ``through`` moved on over every day that needs nothing more."""
        through = self.through
        last = max((one.session for one in self.entries), default=through)
        while through < last and self._is_over(through + timedelta(days=1), calendar):
            through += timedelta(days=1)
        return Book(through, tuple(one for one in self.entries if one.session > through))

    def _is_over(self, day: date, calendar: Calendar) -> bool:
        status = calendar.status(day)
        return status == "closed" or self.is_done(day, "upkeep" if status == "open" else "check")

    def _with(self, entry: Entry) -> Book:
        others = tuple(one for one in self.entries if (one.session, one.kind) != (entry.session, entry.kind))
        return replace(self, entries=(*others, entry))


def first_book(now: datetime, calendar: Calendar) -> Book:
    """
    The book of a lake that has none: the last finished session is still to be done.

    Raises:
        UnknownSession: The calendar knows no session in the year before.
    """
    return Book(calendar.last_finished(now) - timedelta(days=1))


def next_step(now: datetime, book: Book, calendar: Calendar, rules: Rules | None = None) -> Step:
    """
    The step that is due at ``now`` (``step.at <= now``), else the one that is due first.

    Args:
        now: Aware.
        book: What was done.
        calendar: Sessions, holidays, and days of which nobody knows.
        rules: Times of the day.

    Returns:
        Of what is due, the earliest session's; a session whose step waits for another try holds up only itself.

    Raises:
        UnknownSession: No day to come within a year (never with a calendar whose unknown years are unknown).
    """
    chosen = rules or Rules()
    today = ist_date(now)
    waiting: list[Step] = []
    for day in _days(min(book.through, today) + timedelta(days=1), today):
        step = _of_day(day, now, book, calendar, chosen)
        if step is not None and step.at <= now:
            return step
        waiting += [step] if step else []
    for day in _days(max(book.through, today) + timedelta(days=1), today + timedelta(days=_AHEAD)):
        step = _of_day(day, now, book, calendar, chosen)
        if step is not None:
            waiting.append(step)
            break
    if not waiting:
        raise UnknownSession(f"the calendar knows no day to come after {today}; add its facts to the [calendar] additions file")
    return min(waiting, key=lambda one: (one.at, one.session))


def rest(now: datetime, step: Step, book: Book, calendar: Calendar) -> Rest:
    """What the time until ``step`` is due is called."""
    today = ist_date(now)
    entry = book.of(step.session, step.kind)
    if entry is not None and entry.tries and step.session <= today:
        return "retry"
    status = calendar.status(today)
    if status != "open":
        return "holiday" if status == "closed" else "unknown day"
    if step.session > today:
        return "done"
    if step.kind == "pre-open":
        return "asleep"
    return "pre-open" if step.kind == "live" else "after close"


def _of_day(day: date, now: datetime, book: Book, calendar: Calendar, rules: Rules) -> Step | None:
    """The first step of a day that is neither done nor over, due when its pause is over."""
    for step in _steps(day, book, calendar, rules):
        if book.is_done(day, step.kind) or (step.until is not None and now >= step.until):
            continue
        entry = book.of(day, step.kind)
        again = entry.again if entry else None
        return replace(step, at=max(step.at, again)) if again else step
    return None


def _steps(day: date, book: Book, calendar: Calendar, rules: Rules) -> Iterator[Step]:
    """Everything that a day asks for, in its order."""
    status = calendar.status(day)
    if status == "unknown":
        yield Step("check", day, datetime.combine(day, rules.check, IST))
    if status != "open":
        return
    opens, closes = calendar.trading_hours(day)
    yield Step("pre-open", day, opens - rules.before_open, closes)
    yield Step("live", day, opens, closes + rules.after_close)
    due = calendar.wanted_from(day)
    without = book.of(day, "exchange file")
    late = without is not None and without.note == WITHOUT_FILE
    second = datetime.combine(day + timedelta(days=1), rules.second_try, IST)
    for kind in EVENING:
        if kind == "exchange file":
            due = max(due, datetime.combine(day, rules.file_from, IST))
        elif kind == "repair" and late:
            due = max(due, second)
        yield Step(kind, day, due)


def _days(start: date, end: date) -> Iterator[date]:
    return (start + timedelta(days=n) for n in range((end - start).days + 1))
