"""The day as a state machine: total, never twice, resumable; and the days of November 2026 by hand."""

from datetime import date, datetime, time, timedelta
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.market.calendar import Calendar
from fnolake.model import IST
from fnolake.sync.day import EVENING, WITHOUT_FILE, Book, Rest, Rules, Step, first_book, next_step, rest

CALENDAR = Calendar.bundled()
FRIDAY, MONDAY, HOLIDAY, WEDNESDAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 24), date(2026, 11, 25)
UNTIL_FRIDAY = Book(FRIDAY)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), IST)


def done(book: Book, day: date, *kinds: str) -> Book:
    for kind in kinds:
        book = book.with_done(Step(kind, day, at(day, 0)))  # type: ignore[arg-type]
    return book


def walk(now: datetime, book: Book, until: datetime, calendar: Calendar = CALENDAR) -> list[Step]:
    """Every step in its order, each done at once, the clock jumping to the next."""
    seen = []
    while (step := next_step(now, book, calendar)).at <= until:
        now = max(now, step.at)
        if step.at <= now:
            seen.append(step)
            book = book.with_done(step).settled(calendar)
    return seen


def test_a_day_goes_through_its_states_in_order_with_the_hours_of_its_date() -> None:
    steps = walk(at(MONDAY, 0), UNTIL_FRIDAY, at(MONDAY, 23))
    assert [step.kind for step in steps] == ["pre-open", "live", *EVENING]
    assert [step.at for step in steps[:2]] == [at(MONDAY, 8, 30), at(MONDAY, 9)]
    assert steps[1].until == CALENDAR.trading_hours(MONDAY)[1] + timedelta(minutes=1)
    assert steps[2].at == CALENDAR.wanted_from(MONDAY)


@pytest.mark.parametrize(("day", "closes"), [(date(2026, 7, 31), (15, 30)), (date(2026, 8, 3), (15, 39))])
def test_live_ends_with_the_last_phase_of_its_date(day: date, closes: tuple[int, int]) -> None:
    step = next_step(at(day, 10), done(Book(day - timedelta(days=1)), day, "pre-open"), CALENDAR)
    assert step.kind == "live"
    assert step.until is not None
    assert at(day, *closes) <= step.until <= at(day, *closes) + timedelta(minutes=30)


def test_a_weekend_a_holiday_and_an_evening_after_its_work_wait_for_the_next_session() -> None:
    assert next_step(at(FRIDAY, 22), UNTIL_FRIDAY, CALENDAR).session == MONDAY
    book = Book(MONDAY)
    step = next_step(at(HOLIDAY, 11), book, CALENDAR)
    assert (step.kind, step.session, step.at.astimezone(IST)) == ("pre-open", WEDNESDAY, at(WEDNESDAY, 8, 30))
    assert rest(at(HOLIDAY, 11), step, book, CALENDAR) == "holiday"
    assert rest(at(MONDAY, 22), step, book, CALENDAR) == "done"
    assert rest(at(WEDNESDAY, 3), step, book, CALENDAR) == "asleep"
    assert rest(at(WEDNESDAY, 8, 45), next_step(at(WEDNESDAY, 8, 45), done(book, WEDNESDAY, "pre-open"), CALENDAR), book, CALENDAR) == "pre-open"


def test_after_a_sleep_of_days_the_earliest_session_is_finished_first() -> None:
    steps = walk(at(WEDNESDAY, 11), Book(date(2026, 11, 18)), at(WEDNESDAY, 12))
    assert [(step.session, step.kind) for step in steps] == [
        *((day, kind) for day in (date(2026, 11, 19), FRIDAY, MONDAY) for kind in EVENING), (WEDNESDAY, "pre-open"), (WEDNESDAY, "live"),
    ]


def test_an_unknown_day_is_looked_at_in_the_evening_and_no_more() -> None:
    muhurat = date(2026, 11, 8)
    assert CALENDAR.status(muhurat) == "unknown"
    book = Book(date(2026, 11, 7))
    step = next_step(at(muhurat, 10), book, CALENDAR)
    assert (step.kind, step.session, step.at) == ("check", muhurat, at(muhurat, 21, 30))
    assert rest(at(muhurat, 10), step, book, CALENDAR) == "unknown day"
    assert next_step(at(muhurat, 22), book.with_done(step).settled(CALENDAR), CALENDAR).session == date(2026, 11, 9)


def test_a_step_that_failed_waits_longer_each_time_and_holds_up_only_its_session() -> None:
    now = at(WEDNESDAY, 11)
    book = done(Book(FRIDAY), MONDAY, "masters", "exchange file")
    pauses = []
    for _ in range(9):
        step = next_step(now, book, CALENDAR)
        assert (step.session, step.kind) == (MONDAY, "sync")
        book = book.with_failure(step, now, "the provider does not answer")
        entry = book.of(MONDAY, "sync")
        assert entry is not None
        assert entry.again is not None
        pauses.append((entry.again - now).total_seconds() / 60)
        assert next_step(now, book, CALENDAR).session == WEDNESDAY
        now = entry.again
    assert pauses == [1, 2, 5, 10, 20, 30, 60, 60, 60]
    waiting = book.at_once()
    assert next_step(now, waiting, CALENDAR).session == MONDAY


def test_without_its_file_a_session_is_repaired_in_the_morning() -> None:
    book = done(Book(FRIDAY), MONDAY, "masters").with_done(Step("exchange file", MONDAY, at(MONDAY, 16)), WITHOUT_FILE)
    assert next_step(at(MONDAY, 21), book, CALENDAR).kind == "sync"
    book = done(book, MONDAY, "sync", "verify")
    step = next_step(at(MONDAY, 21), book, CALENDAR)
    assert (step.kind, step.at) == ("repair", datetime.combine(HOLIDAY, Rules().second_try, IST))


def test_the_first_day_begins_with_the_last_finished_session() -> None:
    now = at(date(2026, 11, 22), 12)
    assert next_step(now, first_book(now, CALENDAR), CALENDAR).session == FRIDAY
    assert next_step(now, first_book(now, CALENDAR), CALENDAR).kind == "masters"


instants = st.datetimes(datetime(2024, 1, 1), datetime(2027, 3, 1)).map(lambda naive: naive.replace(tzinfo=IST))


@settings(max_examples=60, deadline=None)
@given(instants, st.integers(0, 12), st.lists(st.sampled_from(["done", "failed", "slept", "restarted"]), max_size=25), st.integers(0, 72))
def test_every_instant_has_one_next_step_and_none_comes_twice(now: datetime, behind: int, what: list[str], hours: int) -> None:
    book = Book(now.date() - timedelta(days=behind + 1))
    finished: set[tuple[date, str]] = set()
    for happened in what:
        step = next_step(now, book, CALENDAR)
        assert step == next_step(now, book, CALENDAR)
        assert (step.session, step.kind) not in finished
        assert CALENDAR.status(step.session) == ("unknown" if step.kind == "check" else "open")
        assert step.until is None or now < step.until
        assert rest(now, step, book, CALENDAR) in get_args(Rest)
        if happened == "slept":
            now += timedelta(hours=hours)
        elif step.at > now:
            now = step.at
        elif happened == "done":
            book = book.with_done(step).settled(CALENDAR)
            finished.add((step.session, step.kind))
        elif happened == "failed":
            book = book.with_failure(step, now, "why")


@settings(max_examples=30, deadline=None)
@given(instants, st.integers(0, 60))
def test_whatever_is_forgotten_between_two_steps_the_rest_is_the_same(now: datetime, cut: int) -> None:
    book = Book(now.date() - timedelta(days=4))
    steps = walk(now, book, now + timedelta(days=6))
    for number, step in enumerate(steps[:cut]):
        book = book.with_done(step).settled(CALENDAR)
        rests = walk(max(now, step.at), Book(book.through, book.entries), now + timedelta(days=6))
        assert [(one.session, one.kind) for one in rests] == [(one.session, one.kind) for one in steps[number + 1:]]
