"""What will be lost: against a brute-force simulation of the evenings."""

from datetime import date, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.sync.plan import in_order
from fnolake.sync.risk import RISK_SCHEMA, Evenings, at_risk, risk_line

TODAY = date(2026, 11, 16)
KINDS = ("spot", "future", "option")
SCHEMA = {"contract": pl.Int64, "kind": pl.String, "deadline": pl.Date, "sessions": pl.List(pl.Date), "expired": pl.Boolean, "first": pl.Date}

asked = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 6), st.integers(1, 3)), max_size=25)
budgets = st.builds(
    lambda days, per_minute, minutes, tonight, load: Evenings(
        TODAY, [TODAY + timedelta(days=day) for day in sorted(days)], per_minute, minutes, min(tonight, minutes), load),
    st.sets(st.integers(1, 7)), st.integers(1, 4), st.integers(1, 3), st.integers(0, 3), st.integers(0, 3),
)


def table(requests: list[tuple[str, int, int]]) -> pl.DataFrame:
    rows = [
        (nth, kind, TODAY + timedelta(days=away), [TODAY - timedelta(days=n + 1) for n in range(count)], False, TODAY)
        for nth, (kind, away, count) in enumerate(requests)
    ]
    return in_order(pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def simulated(requests: pl.DataFrame, evenings: Evenings) -> dict[date, int]:
    """Contract-sessions lost by deadline, evening by evening."""
    left = list(requests.select("deadline", "sessions").iter_rows())
    for day in [evenings.today, *evenings.days]:
        minutes = evenings.minutes_today if day == evenings.today else evenings.minutes
        room = int(evenings.per_minute * minutes) - (0 if day == evenings.today else evenings.load)
        alive = [one for one in left if one[0] >= day]
        dead = [one for one in left if one[0] < day]
        left = dead + alive[max(room, 0):]
    lost: dict[date, int] = {}
    for deadline, sessions in left:
        lost[deadline] = lost.get(deadline, 0) + len(sessions)
    return lost


@settings(deadline=None, max_examples=60)
@given(asked, budgets)
def test_it_loses_what_a_simulation_of_the_evenings_loses(requests: list[tuple[str, int, int]], evenings: Evenings) -> None:
    rows = table(requests)
    found = dict(at_risk(rows, evenings).filter(pl.col("lost") > 0).select("deadline", "lost").iter_rows())
    assert found == simulated(rows, evenings)


@settings(deadline=None, max_examples=60)
@given(asked, budgets)
def test_every_contract_session_is_counted_once_and_losses_are_split_by_kind(requests: list[tuple[str, int, int]], evenings: Evenings) -> None:
    risk = at_risk(table(requests), evenings)
    assert risk.schema == pl.Schema(RISK_SCHEMA)
    assert risk["contract_sessions"].sum() == sum(count for _, _, count in requests)
    assert (risk["lost"] == risk["lost_spot"] + risk["lost_future"] + risk["lost_option"]).all()
    assert (risk["lost"] <= risk["contract_sessions"]).all()


@settings(deadline=None, max_examples=60)
@given(asked, budgets)
def test_more_minutes_never_lose_more(requests: list[tuple[str, int, int]], evenings: Evenings) -> None:
    rows = table(requests)
    more = Evenings(evenings.today, evenings.days, evenings.per_minute, evenings.minutes + 1, evenings.minutes_today + 1, evenings.load)
    assert at_risk(rows, more)["lost"].sum() <= at_risk(rows, evenings)["lost"].sum()


def test_the_least_valuable_of_a_deadline_is_lost_first() -> None:
    rows = table([("option", 0, 1), ("spot", 0, 1), ("future", 0, 1)])
    risk = at_risk(rows, Evenings(TODAY, [], 1, 2, 2))
    assert risk.row(0, named=True) == {
        "deadline": TODAY, "contract_sessions": 3, "contracts": 3, "requests": 3, "minutes_needed": 3.0, "evenings": 1, "minutes_left": 2.0,
        "lost_requests": 1, "lost": 1, "lost_spot": 0, "lost_future": 0, "lost_option": 1,
    }
    assert "will not fit" in risk_line(risk, TODAY)


def test_without_limits_nothing_is_lost_and_what_expires_today_is_said() -> None:
    risk = at_risk(table([("option", 0, 2)]), Evenings(TODAY, [], 0, 1, 1))
    assert risk["lost"].sum() == 0
    assert risk_line(risk, TODAY) == "2 contract-sessions of 1 contracts are not captured and lost after today: 1 requests"
    assert risk_line(at_risk(table([("option", 3, 2)]), Evenings(TODAY, [], 9, 1, 1)), TODAY) == ""


def test_what_has_expired_already_has_no_deadline_to_miss() -> None:
    rows = table([("option", 0, 1)]).with_columns(expired=pl.lit(value=True))
    assert at_risk(rows, Evenings(TODAY, [], 1, 0, 0)).is_empty()
