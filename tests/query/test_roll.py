"""Decisions of a continuous future, pure: they never look ahead, never go back, and measure both contracts at one minute."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import QueryError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.query.roll import Listed, Measured, RollRule, hold, measure, rule_of

NEAR, NEXT, FAR = Listed(date(2026, 8, 25), 1), Listed(date(2026, 9, 29), 2), Listed(date(2026, 10, 27), 3)
CALENDAR = Calendar.bundled()
SESSIONS = CALENDAR.sessions(date(2026, 8, 17), date(2026, 8, 28))
AT = datetime(2026, 8, 25, 9, 0, tzinfo=UTC)
VOLUME, EXPIRY = RollRule("volume"), RollRule("expiry")


def stays(days):
    return lambda session, expiry: days == 0 or CALENDAR.reaches(session, expiry, days)


def held(rule, totals=None, listed=(NEAR, NEXT, FAR), **more):
    found = hold(rule, dict.fromkeys(SESSIONS, listed), stays(rule.days), totals or {}, **more)
    return {one.session: one for one in found}


def first_of(found, contract):
    return min(day for day, one in found.items() if one.listed and one.listed.contract == contract)


def test_rules_are_read_as_people_write_them():
    assert rule_of(" Volume ") == VOLUME
    assert rule_of("days:3") == RollRule("expiry", 3)
    assert rule_of("days:0") == rule_of("expiry") == EXPIRY
    assert [rule_of(word).word for word in ("expiry", "days:12", "oi")] == ["expiry", "days:12", "oi"]
    for wrong in ("days:", "3d", "days:-1", ""):
        with pytest.raises(QueryError, match=r"give expiry, days:N"):
            rule_of(wrong)


def test_by_expiry_a_contract_is_held_to_its_last_session():
    found = held(EXPIRY)
    assert first_of(found, 2) == date(2026, 8, 26)
    assert [one.reason for one in found.values() if one.reason] == ["expiry"]


@pytest.mark.parametrize(("days", "first"), [(1, "2026-08-25"), (2, "2026-08-24"), (3, "2026-08-21"), (5, "2026-08-19")])
def test_days_are_sessions_by_the_calendar(days, first):
    found = held(RollRule("expiry", days))
    assert first_of(found, 2) == date.fromisoformat(first)
    assert found[first_of(found, 2)].reason == f"days:{days}"


def test_days_without_a_later_contract_keep_the_last_one():
    assert {one.listed for one in held(RollRule("expiry", 3), listed=(NEXT, FAR)).values()} == {NEXT}
    alone = held(RollRule("expiry", 3), listed=(NEAR,))
    assert alone[date(2026, 8, 25)].listed == NEAR
    assert alone[date(2026, 8, 26)].listed is None


def test_more_of_a_later_contract_counts_from_the_next_session_on():
    totals = {(day, one.contract): 100 for day in SESSIONS for one in (NEAR, NEXT, FAR)}
    assert first_of(held(VOLUME, totals), 2) == date(2026, 8, 26), "equals do not roll"
    totals[date(2026, 8, 19), 2] = 101
    found = held(VOLUME, totals)
    roll = found[date(2026, 8, 20)]
    assert first_of(found, 2) == roll.session
    assert (roll.reason, roll.from_total, roll.to_total) == ("volume", 100, 101)
    assert found[SESSIONS[-1]].listed == NEXT, "the first contract is not held again, though it is traded as much"


def test_the_most_of_several_later_contracts_is_taken_and_the_nearer_of_equals():
    totals = {(day, 1): 5 for day in SESSIONS} | {(SESSIONS[0], 2): 6, (SESSIONS[0], 3): 7}
    assert first_of(held(VOLUME, totals), 3) == SESSIONS[1]
    totals[SESSIONS[0], 2] = 7
    assert first_of(held(VOLUME, totals), 2) == SESSIONS[1]


def test_a_total_that_is_not_known_decides_nothing_and_is_said():
    totals = {(SESSIONS[0], 2): 10} | {(day, one.contract): 1 for day in SESSIONS[1:] for one in (NEAR, NEXT, FAR)}
    found = held(VOLUME, totals)
    assert found[SESSIONS[1]].listed == NEAR
    assert [day for day, one in found.items() if one.undecided] == [SESSIONS[1]]


def test_the_second_contract_rolls_with_the_first():
    found = held(RollRule("expiry", 3), second=True)
    assert first_of(found, 3) == date(2026, 8, 21)
    assert {one.listed for one in held(EXPIRY, listed=(NEAR,), second=True).values()} == {None}


def test_an_expiry_counts_as_it_stood_on_the_session():
    moved = Listed(date(2026, 8, 24), 1)
    listed = {day: ((NEAR if day < date(2026, 8, 20) else moved), NEXT) for day in SESSIONS}
    found = {one.session: one for one in hold(RollRule("expiry", 3), listed, stays(3), {})}
    assert first_of(found, 2) == date(2026, 8, 20), "three sessions before the new expiry, known that morning"
    back = {day: ((NEAR if day < date(2026, 8, 24) else Listed(date(2026, 8, 31), 1)), NEXT) for day in SESSIONS}
    found = {one.session: one for one in hold(RollRule("expiry", 3), back, stays(3), {})}
    assert {one.listed.contract for day, one in found.items() if day >= date(2026, 8, 21)} == {2}, "it is not held again"


totals = st.fixed_dictionaries({(day, contract): st.none() | st.integers(0, 4) for day in SESSIONS for contract in (1, 2, 3)})
rules = st.sampled_from([VOLUME, RollRule("oi"), EXPIRY, RollRule("expiry", 2), RollRule("expiry", 7)])


@given(rules, totals, totals, st.integers(0, len(SESSIONS) - 1))
def test_what_comes_later_changes_nothing(rule, given_totals, other, place):
    """The totals of a session and all later ones have no say on what is held on it."""
    cut = SESSIONS[place]
    mixed = {key: (given_totals if key[0] < cut else other)[key] for key in given_totals}
    before, after = (held(rule, {key: value for key, value in each.items() if value is not None}) for each in (given_totals, mixed))
    assert [before[day] for day in SESSIONS[: place + 1]] == [after[day] for day in SESSIONS[: place + 1]]


@given(rules, totals)
def test_contracts_follow_each_other_and_none_is_held_after_its_expiry(rule, given_totals):
    found = held(rule, {key: value for key, value in given_totals.items() if value is not None})
    numbers = [one.listed.contract for one in found.values() if one.listed]
    assert numbers == sorted(numbers)
    assert all(day <= one.listed.expiry for day, one in found.items() if one.listed)
    assert all(bool(one.reason) == (numbers[n] != numbers[n - 1]) for n, one in enumerate(found.values()) if n)


def minutes(*pairs):
    return {AT + timedelta(minutes=n): price for n, price in pairs}


def test_prices_are_of_the_last_minute_in_which_both_traded():
    assert measure(minutes((0, 10), (1, 11), (3, 13)), minutes((0, 20), (1, 21), (2, 22))) == Measured("minute", AT + timedelta(minutes=1), 11, 21)
    assert measure(minutes((0, 10), (3, 13)), minutes((1, 21), (2, 22))) == Measured("last", AT + timedelta(minutes=3), 13, 22)
    assert measure({}, minutes((0, 1))) is None
    assert measure(minutes((0, 1)), {}) is None


def test_sessions_to_an_expiry_are_counted_where_the_calendar_knows_enough():
    eve = date(2026, 12, 31)
    assert CALENDAR.reaches(eve, date(2027, 1, 25), 3), "seventeen weekdays hold three sessions whatever is closed"
    assert not CALENDAR.reaches(eve, date(2027, 1, 4), 3)
    with pytest.raises(UnknownSession, match=r"2027-01-01.*count 3 sessions up to 2027-01-07"):
        CALENDAR.reaches(eve, date(2027, 1, 7), 3)
    assert CALENDAR.reaches(eve, date(2027, 1, 7), 3, {date(2027, 1, day) for day in (4, 5, 6)})


def test_a_contract_that_was_passed_over_is_not_held_when_the_one_after_it_is_gone():
    totals = {(SESSIONS[0], 1): 1, (SESSIONS[0], 3): 2}
    listed = {day: (NEAR, NEXT, FAR) if day < SESSIONS[4] else (NEAR, NEXT) for day in SESSIONS}
    assert [one.listed for one in hold(VOLUME, listed, stays(0), totals)][3:5] == [FAR, None]
