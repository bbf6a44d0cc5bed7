"""Splits and bonuses on read: counted by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import QueryError
from fnolake.market.exchange_file import read_exchange_file
from fnolake.market.reference import ReferenceFile
from fnolake.model import RawFile
from fnolake.query.adjust import FACTORS, Factors
from fnolake.store.store import Store

from .lakes import FRI, MON, SPOT, THU, TUE, WED, ask, commit, minutes, published, take_day, take_masters

HEAD = '"SYMBOL","COMPANY NAME","SERIES","PURPOSE","FACE VALUE","EX-DATE","RECORD DATE","BOOK CLOSURE START DATE","BOOK CLOSURE END DATE"'
LONG_AGO = ("OTHER", "Bonus 1:1", date(2024, 1, 2))
BONUS, SPLIT = "Bonus 1:1", "Face Value Split (Sub-Division) - From Rs 10/- Per Share To Rs 2/- Per Share"


def take_actions(store: Store, *actions: tuple[str, str, date]) -> None:
    lines = [f'"{symbol}","A Company","EQ","{purpose}","10","{day:%d-%b-%Y}","{day:%d-%b-%Y}","-","-"' for symbol, purpose, day in actions]
    body = "\n".join([HEAD, *lines, ""]).encode()
    file = read_exchange_file(body, day=MON)
    assert isinstance(file, ReferenceFile)
    store.references.take(file, RawFile("exchange", "CF-CA-equities.csv", None, body, datetime(2024, 7, 8, 12, tzinfo=UTC), str(len(body))), MON)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        commit(opened, *(minutes(SPOT, day, {0: price}, volume=100) for day, price in ((MON, 1000), (TUE, 1100), (WED, 550), (THU, 560), (FRI, 112))))
        yield opened


def test_prices_before_an_ex_date_are_divided_and_volumes_multiplied(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, WED), ("TCS", SPLIT, FRI), ("TCS", "Interim Dividend - Rs 40 Per Share Special Dividend - Rs 66 Per Share", THU))
    rows = ask(store, "TCS", adjust="splits", interval="1d")[0]
    assert rows.select("open", "high", "low", "close", "vwap", "volume", "factor").rows() == [
        (100, 100, 100, 100, 100, 1000, 10), (110, 110, 110, 110, 110, 1000, 10), (110, 110, 110, 110, 110, 500, 5),
        (112, 112, 112, 112, 112, 500, 5), (112, 112, 112, 112, 112, 100, 1),
    ]
    minute = ask(store, "TCS", adjust="splits")[0]
    assert minute.select("close", "volume", "factor").rows() == rows.select("close", "volume", "factor").rows()
    assert ask(store, "TCS", interval="1d")[0]["close"].to_list() == [1000, 1100, 550, 560, 112]


def test_a_week_over_an_ex_date_is_made_of_adjusted_days(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, WED), ("TCS", SPLIT, FRI))
    rows = ask(store, "TCS", adjust="splits", interval="1w")[0]
    # volumes 1000, 1000, 500, 500, 100 at 100, 110, 110, 112, 112
    assert rows.select("session", "open", "high", "low", "close", "volume").rows() == [(MON, 100, 112, 100, 112, 3100)]
    assert rows["vwap"].item() == pytest.approx((1000 * 100 + 1000 * 110 + 500 * 110 + 600 * 112) / 3100)
    assert rows["ts"].dt.strftime("%d %H:%M").to_list() == ["08 09:15"]


def test_a_week_without_actions_is_the_plain_week(store: Store) -> None:
    take_actions(store, LONG_AGO)
    plain, adjusted = ask(store, "TCS", interval="1w")[0], ask(store, "TCS", adjust="splits", interval="1w")[0]
    assert adjusted.drop("factor", "vwap").equals(plain.drop("vwap"))
    assert abs(adjusted["vwap"].item() - plain["vwap"].item()) <= 0.005  # the plain one is rounded to a paisa


def test_the_exchanges_days_are_adjusted_the_same_way(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, TUE))
    for day in (MON, TUE):
        take_day(store, day, published(SPOT, close_paise=80_000, settle_paise=80_000, last_paise=80_200, volume=7))
    rows = ask(store, "TCS", adjust="splits", source="exchange", interval="1d")[0]
    assert rows.select("close", "last", "settlement", "volume", "factor").rows() == [(400, 401, 400, 14, 2), (800, 802, 800, 7, 1)]


def test_an_action_that_lies_ahead_does_not_count_yet(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, FRI + timedelta(days=3)))
    assert ask(store, "TCS", adjust="splits")[0]["factor"].unique().to_list() == [1.0]


def test_actions_of_then_are_those_that_had_happened_then(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, WED))
    then = datetime(2024, 7, 13, 12, tzinfo=UTC)
    assert ask(store, "TCS", adjust="splits", start=MON, end=MON, as_of=then)[0]["factor"].to_list() == [2.0]


def test_the_same_action_in_two_files_counts_once_and_two_on_a_day_both(store: Store) -> None:
    take_actions(store, LONG_AGO, ("TCS", BONUS, WED), ("TCS", f"{BONUS}/{SPLIT}", WED))
    assert ask(store, "TCS", adjust="splits", start=MON, end=MON)[0]["factor"].to_list() == [10.0]


def test_sessions_before_the_list_begins_are_told(store: Store) -> None:
    take_actions(store, ("TCS", BONUS, WED))
    gaps = ask(store, "TCS", adjust="splits")[1]
    assert gaps.spans == (("TCS-EQ", MON, TUE, f"corporate actions here begin {WED}"),)


def test_without_a_list_the_error_says_how_to_get_it(store: Store) -> None:
    with pytest.raises(QueryError, match=r"CF-CA-equities.*drop/.*fnolake exchange take FILE"):
        ask(store, "TCS", adjust="splits")


@pytest.mark.parametrize(("words", "says"), [({"kind": "future", "adjust": "splits"}, "only spot series"), ({"adjust": "all"}, "give splits")])
def test_derivatives_and_other_words_are_refused(store: Store, words: dict[str, str], says: str) -> None:
    take_actions(store, LONG_AGO)
    with pytest.raises(QueryError, match=says):
        ask(store, "TCS", **words)  # type: ignore[arg-type]


@given(st.lists(st.tuples(st.integers(0, 40), st.sampled_from([1.5, 2.0, 5.0, 10.0, 0.1])), max_size=5, unique_by=lambda one: one[0]), st.lists(st.integers(0, 40), min_size=1, max_size=9, unique=True))
def test_the_factor_of_a_session_is_the_product_of_later_ones(actions: list[tuple[int, float]], places: list[int]) -> None:
    days = [MON + timedelta(days=n) for n in range(41)]
    table = pl.DataFrame([("TCS", days[n], factor) for n, factor in actions], schema=FACTORS, orient="row")
    bars = pl.DataFrame({"underlying": "TCS", "session": [days[n] for n in places], "open": 30.0, "volume": 900})
    made = Factors(table, MON).apply(bars)
    expected = [math.prod(factor for at, factor in actions if at > place) for place in places]
    assert made["factor"].to_list() == pytest.approx(expected)
    assert made["open"].to_list() == pytest.approx([30 / one for one in expected])
    assert made["volume"].to_list() == pytest.approx([900 * one for one in expected], abs=0.5)
