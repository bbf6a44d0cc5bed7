from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from fnolake.market.calendar import Calendar
from fnolake.market.expiry import Expiries
from fnolake.provider.shoonya.symbols import parse_master

EXPIRIES = Expiries.bundled(Calendar.bundled())
MASTERS = Path(__file__).resolve().parents[3] / "shared" / "real" / "masters"
DECIDED = date(2025, 5, 26)
"""SEBI moved every expiry from 1 September 2025 on: a master from before that day names the old dates."""


def month(underlying: str, year: int, number: int, *, venue: str = "NSE", is_index: bool = True) -> date | None:
    expiry = EXPIRIES.monthly(venue, underlying, year, number, is_index=is_index)
    return expiry.day if expiry else None


# Dates from circulars and press, never from the rules.
@pytest.mark.parametrize(("underlying", "is_index", "year", "number", "expected"), [
    ("RELIANCE", False, 2025, 8, date(2025, 8, 28)), ("RELIANCE", False, 2025, 9, date(2025, 9, 30)), ("TCS", False, 2025, 10, date(2025, 10, 28)),
    ("NIFTY", True, 2026, 3, date(2026, 3, 30)), ("NIFTY", True, 2026, 11, date(2026, 11, 23)), ("NIFTY", True, 2026, 1, date(2026, 1, 27)),
    ("BANKNIFTY", True, 2023, 9, date(2023, 9, 28)), ("BANKNIFTY", True, 2024, 3, date(2024, 3, 27)), ("BANKNIFTY", True, 2025, 1, date(2025, 1, 30)),
])
def test_months_at_nse(underlying: str, is_index: bool, year: int, number: int, expected: date) -> None:
    assert month(underlying, year, number, is_index=is_index) == expected


@pytest.mark.parametrize(("year", "number", "expected"), [
    (2026, 3, date(2026, 3, 25)), (2026, 5, date(2026, 5, 27)), (2026, 4, date(2026, 4, 30)), (2026, 11, date(2026, 11, 26)), (2025, 12, date(2025, 12, 24)),
])
def test_months_of_sensex(year: int, number: int, expected: date) -> None:
    assert month("SENSEX", year, number, venue="BSE") == expected


@pytest.mark.parametrize(("venue", "underlying", "day"), [
    ("NSE", "NIFTY", date(2025, 9, 2)), ("NSE", "NIFTY", date(2025, 9, 9)), ("NSE", "NIFTY", date(2025, 10, 20)), ("NSE", "NIFTY", date(2026, 3, 2)),
    ("NSE", "NIFTY", date(2026, 4, 13)), ("NSE", "NIFTY", date(2026, 10, 19)), ("NSE", "NIFTY", date(2026, 11, 9)), ("NSE", "NIFTY", date(2026, 1, 6)),
    ("BSE", "SENSEX", date(2025, 10, 1)), ("BSE", "SENSEX", date(2026, 1, 14)), ("BSE", "SENSEX", date(2026, 8, 13)), ("NSE", "BANKNIFTY", date(2024, 11, 13)),
])
def test_weeks_move_to_the_previous_trading_day_and_never_to_a_muhurat_evening(venue: str, underlying: str, day: date) -> None:
    assert [each.day for each in EXPIRIES.weekly(venue, underlying, day, day)] == [day]


def test_a_month_has_no_weekly_in_the_week_of_its_monthly() -> None:
    weeks = EXPIRIES.weekly("NSE", "BANKNIFTY", date(2023, 9, 1), date(2023, 9, 30))
    assert [each.day for each in weeks] == [date(2023, 9, 6), date(2023, 9, 13), date(2023, 9, 20)]


def test_discontinued_weeklies_are_gone() -> None:
    assert EXPIRIES.weekly("NSE", "BANKNIFTY", date(2024, 11, 14), date(2026, 11, 20)) == []
    assert EXPIRIES.weekly("BSE", "BANKEX", date(2024, 11, 19), date(2026, 11, 20)) == []


def test_what_is_listed_on_an_evening() -> None:
    stock = EXPIRIES.upcoming("NSE", "RELIANCE", date(2026, 11, 20), is_index=False)
    assert [(each.day, each.confirmed) for each in stock] == [
        (date(2026, 11, 23), True), (date(2026, 12, 29), True), (date(2027, 1, 26), False),
    ]
    index = EXPIRIES.upcoming("NSE", "NIFTY", date(2026, 11, 20), is_index=True, months=2, weeks=2)
    assert [(each.day, each.cycle) for each in index] == [
        (date(2026, 11, 23), "monthly"), (date(2026, 12, 1), "weekly"), (date(2026, 12, 8), "weekly"), (date(2026, 12, 29), "monthly"),
    ]


def test_a_master_is_checked_and_the_unknown_is_let_pass() -> None:
    off = EXPIRIES.check("NSE", "RELIANCE", date(2026, 11, 26), is_index=False)
    assert off is not None
    assert off.name == "expiry_off_rule"
    assert EXPIRIES.check("NSE", "RELIANCE", date(2026, 11, 23), is_index=False) is None
    assert EXPIRIES.check("NSE", "NIFTY", date(2026, 12, 8), is_index=True) is None
    assert EXPIRIES.check("NSE", "NIFTY", date(2027, 3, 30), is_index=True) is None
    assert EXPIRIES.check("BSE", "SENSEX50", date(2026, 11, 26), is_index=True) is None


def test_every_rule_has_a_source() -> None:
    import tomllib

    import fnolake.market.expiry as module

    rows = tomllib.loads((Path(module.__file__).parent / "data" / "expiries.toml").read_text())["expiry"]
    assert rows
    assert all(row["source"].strip() for row in rows)


REAL = {
    # master: pairs of underlying and expiry, those off today's rules, stocks whose third month is not listed
    "NFO_20240308": (588, {("NIFTY", date(2025, 12, 24)), ("NIFTY", date(2026, 6, 25))}, 0),
    "NFO_20250106": (686, {
        ("BANKNIFTY", date(2025, 9, 25)), ("BANKNIFTY", date(2025, 12, 24)), ("NIFTY", date(2025, 9, 25)), ("NIFTY", date(2025, 12, 24)),
        ("NIFTY", date(2026, 6, 25)),
    }, 16),  # stocks that leave the derivatives after February 2025
    "BFO_20250106": (689, {("SENSEX", date(2025, 9, 30)), ("SENSEX", date(2025, 12, 30)), ("SENSEX", date(2026, 6, 30))}, 0),
    "BFO_20260818": (650, set(), 0),
}


@pytest.mark.skipif(not MASTERS.is_dir(), reason="the private folder of real broker files, ../shared/real, is not beside this repository")
@pytest.mark.parametrize("name", REAL)
def test_the_rules_name_the_expiries_of_real_masters_but_those_that_were_moved_later(name: str) -> None:
    exchange, stamp = name.split("_")
    day = datetime.strptime(stamp, "%Y%m%d").date()
    listed = parse_master(exchange, (MASTERS / f"shoonya_{name}.txt.zip").read_bytes(), day).listings
    by_name = listed.group_by("venue", "underlying", "is_index").agg(pl.col("expiry").unique()).rows()
    pairs = [(venue, underlying, expiry, index) for venue, underlying, index, expiries in by_name for expiry in expiries]
    off = {(underlying, expiry) for venue, underlying, expiry, index in pairs if EXPIRIES.check(venue, underlying, expiry, is_index=index)}
    absent = [
        (underlying, expected.day) for venue, underlying, index, expiries in by_name
        for expected in EXPIRIES.upcoming(venue, underlying, day, is_index=index) if expected.day not in expiries
    ]
    assert (len(pairs), off, len(absent)) == REAL[name]
    assert all(day < DECIDED and expiry >= date(2025, 9, 1) for _, expiry in off)
    assert {expiry for _, expiry in absent} <= {date(2025, 3, 27)}
