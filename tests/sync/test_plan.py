from datetime import date, timedelta

import polars as pl
import pytest

from fnolake.model import instrument_schema
from fnolake.query.coverage import ExchangeSaid
from fnolake.sync.fates import PlanFacts
from fnolake.sync.plan import make_plan
from fnolake.sync.status import AccountStatus, longest_span, widest

WEEK = tuple(date(2026, 11, 16) + timedelta(days=n) for n in range(5))
NEAR = date(2026, 11, 23)


def contract(number: int, kind: str = "option", expiry: date | None = NEAR, venue: str = "NSE") -> dict[str, object]:
    return {
        "contract": number, "venue": venue, "segment": "CM" if kind == "spot" else "FO", "token": number,
        "symbol": f"C{number}", "underlying": "TCS", "kind": kind, "expiry": None if kind == "spot" else expiry,
        "strike_paise": 100 if kind == "option" else None, "right": "CE" if kind == "option" else None, "lot": 1,
        "tick_paise": 5, "provider_symbol": f"C{number}", "is_index": False, "valid_from": None, "valid_to": None,
    }


def facts(contracts: list[dict[str, object]], pairs: list[tuple[int, date]], **more: object) -> PlanFacts:
    return PlanFacts(
        pl.DataFrame(contracts, schema=instrument_schema()),
        pl.DataFrame(pairs, schema={"contract": pl.Int64, "session": pl.Date}, orient="row"),
        WEEK, today=date(2026, 11, 20), **more,
    )


def said(rows: list[tuple[int, date, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"contract": pl.Int64, "session": pl.Date, "volume": pl.Int64, "trades": pl.Int64}, orient="row")


def test_adjacent_sessions_of_one_contract_become_one_request() -> None:
    plan = make_plan(facts([contract(1)], [(1, d) for d in WEEK]))
    assert plan.requests == 1
    assert plan.contract_sessions == 5
    assert plan.rows["sessions"][0].to_list() == list(WEEK)


def test_a_covered_session_in_between_splits_the_span() -> None:
    plan = make_plan(facts([contract(1)], [(1, d) for d in WEEK if d.day != 18]))
    assert plan.rows.select("first", "last").rows() == [(WEEK[0], WEEK[1]), (WEEK[3], WEEK[4])]


def test_a_span_is_cut_by_expected_rows_not_by_days() -> None:
    plan = make_plan(facts([contract(1, "future")], [(1, d) for d in WEEK], max_rows=800))
    assert plan.rows["sessions"].list.len().to_list() == [2, 2, 1]


def test_what_the_exchange_says_did_not_trade_costs_no_request() -> None:
    day = WEEK[4]
    plan = make_plan(facts(
        [contract(1), contract(2), contract(3)], [(1, day), (2, day), (3, day)],
        exchange=ExchangeSaid(said([(1, day, 0, 0), (2, day, 50, 3)]), frozenset({("NSE", "FO", day)})),
    ))
    assert plan.rows["contract"].to_list() == [2]
    assert plan.rows["expected_rows"].to_list() == [3.0]
    assert (plan.untraded, plan.unlisted) == (1, 1)


def test_a_spot_that_the_cash_file_does_not_list_is_still_asked() -> None:
    plan = make_plan(facts([contract(1, "spot")], [(1, WEEK[4])], exchange=ExchangeSaid(days=frozenset({("NSE", "CM", WEEK[4])}))))
    assert plan.requests == 1


def test_the_earliest_deadline_goes_first_then_the_most_valuable_kind() -> None:
    later = date(2026, 12, 29)
    plan = make_plan(facts(
        [contract(1, "option", later), contract(2, "spot"), contract(3, "future"), contract(4, "option")],
        [(n, WEEK[0]) for n in (1, 2, 3, 4)],
    ))
    assert plan.rows["contract"].to_list() == [3, 4, 1, 2]


def test_minutes_beyond_the_providers_horizon_are_counted_as_gone() -> None:
    plan = make_plan(facts([contract(1)], [(1, WEEK[0]), (1, WEEK[4])], horizon_days=2))
    assert plan.gone == 1
    assert plan.requests == 1
    assert any("cannot be saved" in line for line in plan.lines)


def test_nothing_missing_is_said_in_one_line() -> None:
    plan = make_plan(facts([contract(1)], []))
    assert plan.requests == plan.contracts == plan.contract_sessions == plan.bytes == 0
    assert "Nothing to fetch" in plan.lines[0]


def test_the_mean_so_far_replaces_the_guess_by_kind() -> None:
    mean = pl.DataFrame({"contract": [1], "mean_rows": [300.0]})
    plan = make_plan(facts([contract(1)], [(1, WEEK[0])], mean_rows=mean))
    assert plan.rows["expected_rows"].to_list() == [300.0]


def refused(*rows: tuple[int, int, date]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema={"contract": pl.Int64, "days": pl.Int64, "last": pl.Date}, orient="row")


def test_an_expired_contract_is_asked_by_its_archived_token_after_what_expires_today() -> None:
    today = WEEK[4]
    plan = make_plan(facts([contract(1, expiry=WEEK[1]), contract(2, expiry=today)], [(1, WEEK[0]), (1, WEEK[1]), (2, today)]))
    assert plan.rows.select("contract", "expired").rows() == [(2, False), (1, True)]
    assert (plan.asked_late, plan.gone) == (1, 0)
    assert any("archived token" in line for line in plan.lines)


def test_an_expired_contract_that_was_refused_on_three_days_is_gone() -> None:
    late = [(1, WEEK[0]), (1, WEEK[1])]
    plan = make_plan(facts([contract(1, expiry=WEEK[1])], late, refusals=refused((1, 3, WEEK[3]))))
    assert (plan.requests, plan.gone) == (0, 2)
    assert make_plan(facts([contract(1, expiry=WEEK[1])], late, refusals=refused((1, 2, WEEK[3])))).requests == 1


def test_an_expired_contract_is_asked_once_a_day() -> None:
    plan = make_plan(facts([contract(1, expiry=WEEK[1])], [(1, WEEK[1])], refusals=refused((1, 1, WEEK[4]))))
    assert (plan.requests, plan.gone) == (0, 0)
    assert plan.waits == {date(2026, 11, 21): 1}


def test_an_expired_contract_whose_token_is_anothers_now_is_gone() -> None:
    plan = make_plan(facts([contract(1, expiry=WEEK[1])], [(1, WEEK[1])], reused=pl.Series([1])))
    assert (plan.requests, plan.gone) == (0, 1)


def test_a_session_in_between_that_did_not_trade_does_not_split_the_span() -> None:
    days = [WEEK[0], WEEK[1], WEEK[2]]
    plan = make_plan(facts(
        [contract(1)], [(1, day) for day in days],
        exchange=ExchangeSaid(said([(1, WEEK[0], 5, 1), (1, WEEK[1], 0, 0), (1, WEEK[2], 5, 1)]), frozenset({("NSE", "FO", day) for day in days})),
    ))
    assert plan.rows["sessions"].to_list() == [[WEEK[0], WEEK[2]]]
    assert plan.untraded == 1


def test_a_provider_that_takes_one_day_a_request_is_planned_so() -> None:
    pairs = [(1, d) for d in WEEK] + [(2, WEEK[0]), (2, WEEK[4])]
    plan = make_plan(facts([contract(1), contract(2)], pairs, max_days=1))
    assert plan.rows.sort("contract", "first")["sessions"].to_list() == [[day] for day in WEEK] + [[WEEK[0]], [WEEK[4]]]
    assert make_plan(facts([contract(1), contract(2)], pairs)).requests == 3
    two = make_plan(facts([contract(1)], pairs[:5], max_days=2)).rows["sessions"].to_list()
    assert two == [list(WEEK[0:2]), list(WEEK[2:4]), [WEEK[4]]]


@pytest.mark.parametrize(("spans", "most"), [([], None), ([1], 1), ([1, 5], 5), ([1, None], None), ([None], None)])
def test_the_widest_span_of_all_accounts_is_planned_with(spans: list[int | None], most: int | None) -> None:
    assert widest(spans) == most
    accounts = [AccountStatus(f"a{n}", "p", "", signed_in=True, max_days=days) for n, days in enumerate(spans)]
    assert longest_span([*accounts, AccountStatus("out", "p", "", signed_in=not accounts)]) == most
