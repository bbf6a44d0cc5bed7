"""What waits for which day: never past its deadline, once a week, evenly, and as the plan says."""

from collections import Counter
from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.config.settings import FreshnessSettings
from fnolake.model import instrument_schema
from fnolake.query.coverage import alive
from fnolake.sync.fates import PlanFacts
from fnolake.sync.freshness import MONEY_SCHEMA, Fresh, dated, fresh, turns, weekday_of
from fnolake.sync.plan import Plan, make_plan

MONDAY = date(2026, 9, 14)
DAYS = [MONDAY + timedelta(days=n) for n in range(56) if (MONDAY + timedelta(days=n)).weekday() < 5]
WEEKLY = FreshnessSettings(rest="weekly")
NO_MONEY = pl.DataFrame(schema=MONEY_SCHEMA)


def chain(expiry: date, count: int = 60, first: int = 1) -> pl.DataFrame:
    rows = [{
        "contract": first + nth, "venue": "NSE", "segment": "FO", "token": 40_000 + 3 * (first + nth), "symbol": f"C{first + nth}",
        "underlying": "TCS", "kind": "option", "expiry": expiry, "strike_paise": (nth + 1) * 10_000, "right": "CE", "lot": 1, "tick_paise": 5,
        "provider_symbol": "", "is_index": False,
    } for nth in range(count)]
    return pl.DataFrame(rows, schema=instrument_schema())


def money(price: int, days: list[date] = DAYS) -> pl.DataFrame:
    return pl.DataFrame([("NSE", "TCS", day, price) for day in days], schema=MONEY_SCHEMA, orient="row")


def on(as_of: date, contracts: pl.DataFrame, rule: FreshnessSettings = WEEKLY, prices: pl.DataFrame | None = None, days: list[date] = DAYS) -> Fresh:
    return fresh(rule, contracts, money(300_000, days) if prices is None else prices, days, as_of)


@settings(deadline=None, max_examples=60)
@given(st.sets(st.sampled_from(DAYS[:25]), min_size=5), st.integers(0, 40), st.integers(1, 40))
def test_nothing_is_due_before_its_session_nor_after_its_deadline(open_days: set[date], expires: int, horizon: int) -> None:
    days = sorted(open_days)
    contracts = chain(MONDAY + timedelta(days=expires))
    wanted = alive(contracts.select("contract").join(pl.DataFrame({"session": days}), how="cross"), contracts)
    found = dated(wanted, contracts, on(days[-1], contracts, days=days), horizon)
    assert found.height == wanted.height
    assert (found["due"] >= found["session"]).all()
    assert found.filter(pl.col("due") > MONDAY + timedelta(days=expires)).is_empty()
    assert found.filter((pl.col("due") - pl.col("session")).dt.total_days() > horizon).is_empty()
    assert found.filter(~pl.col("weekly") & (pl.col("due") != pl.col("session"))).is_empty()


def test_a_turn_comes_once_in_every_week_and_a_holiday_moves_it() -> None:
    open_days = [day for day in DAYS[:10] if day != MONDAY + timedelta(days=2)]
    table = turns(open_days)
    wednesdays = table.filter(pl.col("weekday") == 2)
    assert wednesdays["due"].unique().sort().to_list() == [MONDAY + timedelta(days=3), MONDAY + timedelta(days=9), MONDAY + timedelta(days=10), MONDAY + timedelta(days=11)]
    assert wednesdays.filter(pl.col("session") <= MONDAY + timedelta(days=3))["due"].n_unique() == 1


def test_the_weekdays_share_the_load() -> None:
    tokens = pl.DataFrame({"token": range(35_000, 70_000)})
    counted = Counter(weekday_of(tokens).to_list())
    assert set(counted) == set(range(5))
    assert max(counted.values()) < 1.1 * min(counted.values())


def test_strikes_near_the_money_are_daily_and_so_are_all_where_it_is_not_known() -> None:
    contracts = chain(DAYS[-1])
    rule = FreshnessSettings(rest="weekly", near_strikes=3)
    wanted = contracts.select("contract", session=pl.lit(MONDAY))
    daily = dated(wanted, contracts, on(MONDAY, contracts, rule, money(305_000)), 300).filter(~pl.col("weekly"))["contract"].to_list()
    assert daily == [28, 29, 30, 31, 32, 33]
    assert not dated(wanted, contracts, on(MONDAY, contracts, rule, NO_MONEY), 300)["weekly"].any()


def evening(contracts: pl.DataFrame, held: set[tuple[int, date]], today: date, rule: FreshnessSettings) -> Plan:
    """One evening of a lake that syncs every day, and what it then holds."""
    behind = [day for day in DAYS if today - timedelta(days=13) <= day <= today]
    rows = [(number, day) for number in contracts["contract"] for day in behind if (number, day) not in held]
    missing = pl.DataFrame(rows, schema={"contract": pl.Int64, "session": pl.Date}, orient="row")
    made = make_plan(PlanFacts(
        contracts, alive(missing, contracts), tuple(behind), today, fresh=on(today, contracts, rule), since=today,
    ))
    held |= {(number, day) for number, days in made.rows.select("contract", "sessions").iter_rows() for day in days}
    return made


def test_four_weeks_of_evenings_take_what_the_plan_says_and_lose_nothing() -> None:
    far, soon = chain(DAYS[-1] + timedelta(days=30)), chain(DAYS[16], 50, 100)
    contracts = pl.concat([far, soon])
    held: set[tuple[int, date]] = set()
    plans = [evening(contracts, held, day, WEEKLY) for day in DAYS[:25]]
    second_week = sum(plan.requests for plan in plans[5:10])
    said = plans[9].saving
    assert said is not None
    near = 5 * 2 * 20
    assert second_week == said.weekly + near
    assert said.daily == 5 * 110 - near
    lost = [(number, day) for number in soon["contract"] for day in DAYS[:17] if (number, day) not in held]
    assert not lost
    assert {(number, day) for number in far["contract"] for day in DAYS[:20]} <= held


def test_the_plan_counts_what_waits_by_day() -> None:
    contracts = chain(DAYS[-1])
    plan = evening(contracts, set(), MONDAY, WEEKLY)
    assert plan.contract_sessions + plan.later == 60
    assert plan.not_due == plan.later > 0
    assert set(plan.waits) <= set(DAYS[1:5])
    assert any("wait for their day" in line for line in plan.lines)
    assert any("at most" in line for line in plan.lines)


def test_by_default_nothing_waits() -> None:
    contracts = chain(DAYS[-1])
    assert evening(contracts, set(), MONDAY, FreshnessSettings()).later == 0
