"""Corporate actions by contract and session: which are between, what their factors come to, under which name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from fractions import Fraction

import polars as pl
import pytest

from fnolake.model import Contract
from fnolake.sync.ex_dates import ExDates

STOCK = Contract(1, "NSE", "CM", 1, "ZOMATO-EQ", "ZOMATO", "spot", None, None, None, 1, 5, "")
MON, TUE, WED, THU, FRI = (date(2026, 11, day) for day in range(16, 21))
ROWS = [
    ("ETERNAL", TUE, "bonus", 2.0), ("ZOMATO", WED, "dividend", None), ("ETERNAL", THU, "split", 5.0), ("ETERNAL", FRI, "demerger", None),
    ("OTHER", TUE, "split", 10.0),
]


@pytest.fixture
def known() -> ExDates:
    rows = pl.DataFrame(ROWS, schema={"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "factor": pl.Float64}, orient="row")
    return ExDates(rows, {"ZOMATO": "ETERNAL"})


@pytest.mark.parametrize(("session", "until", "factors", "unsized"), [
    (MON, MON, set(), ""),
    (MON, TUE, {Fraction(2)}, ""),
    (TUE, WED, set(), ""),
    (MON, THU, {Fraction(2), Fraction(5), Fraction(10)}, ""),
    (TUE, THU, {Fraction(5)}, ""),
    (WED, FRI, {Fraction(5)}, "demerger of 20 Nov 2026"),
])
def test_what_is_after_the_session_and_up_to_the_asking_counts(known: ExDates, session: date, until: date, factors: set[Fraction], unsized: str) -> None:
    found = known.since(STOCK, session, until)
    assert (set(found.factors), found.unsized, found.told) == (factors, unsized, True)


def test_two_of_one_span_are_named_together(known: ExDates) -> None:
    found = known.since(replace(STOCK, underlying="ETERNAL"), MON, THU)
    assert found.factors[Fraction(10)] == "bonus of 17 Nov 2026 and the split of 19 Nov 2026"


@pytest.mark.parametrize("other", [
    replace(STOCK, underlying="NOBODY"), replace(STOCK, kind="future", segment="FO", expiry=FRI), replace(STOCK, is_index=True),
])
def test_of_others_nothing_is_known(known: ExDates, other: Contract) -> None:
    assert known.since(other, MON, FRI).words == ""


def test_without_a_list_nothing_is_told() -> None:
    empty = pl.DataFrame(schema={"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "factor": pl.Float64})
    assert not ExDates(empty, {}).since(STOCK, MON, FRI).told
