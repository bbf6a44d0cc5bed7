"""Quiet minutes are added, marked, and nothing else: against a person's own way of filling."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import QueryError
from fnolake.model import Outcome
from fnolake.query.bars import BAR_COLUMNS
from fnolake.query.fill import filled_forward
from fnolake.query.interval import interval_of
from fnolake.store.store import Store

from .lakes import CALENDAR, MON, NEAR, TUE, WED, ask, commit, minutes, take_masters

DRILL = date(2024, 3, 2)
"""Two windows: 09:15-10:00 and 11:30-12:30."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        yield opened


def clocks(rows: pl.DataFrame) -> list[str]:
    return rows["ts"].dt.convert_time_zone("Asia/Kolkata").dt.strftime("%d %H:%M").to_list()


def test_a_quiet_minute_has_the_last_close_no_volume_and_the_open_interest(store: Store) -> None:
    first, second = minutes(NEAR, MON, {370: 4000}), minutes(NEAR, MON, {372: 4010}, oi=1175)
    commit(store, pl.concat([first, second]))
    rows = ask(store, "TCS25JUL24F", fill="forward")[0]
    assert tuple(rows.columns) == (*BAR_COLUMNS, "filled")
    assert clocks(rows) == ["08 15:25", "08 15:26", "08 15:27", "08 15:28", "08 15:29"]
    assert rows.select("open", "high", "low", "close", "volume", "oi", "vwap", "filled").rows() == [
        (4000, 4000, 4000, 4000, 175, 1000, 4000, False), (4000, 4000, 4000, 4000, 0, 1000, None, True), (4010, 4010, 4010, 4010, 175, 1175, 4010, False),
        (4010, 4010, 4010, 4010, 0, 1175, None, True), (4010, 4010, 4010, 4010, 0, 1175, None, True),
    ]
    assert rows["symbol"].unique().to_list() == ["TCS25JUL24F"]
    assert rows["phase"].unique().to_list() == ["continuous"]


def test_nothing_is_filled_across_sessions_or_in_a_gap(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {373: 4000}), minutes(NEAR, WED, {374: 4010}))
    commit(store, minutes(NEAR, TUE, {370: 4005}), outcome=Outcome.PARTIAL)
    rows, gaps = ask(store, "TCS25JUL24F", fill="forward")
    assert clocks(rows) == ["08 15:28", "08 15:29", "09 15:25", "10 15:29"]
    assert rows["filled"].to_list() == [False, True, False, False]
    assert gaps.rows["session"].to_list() == [TUE]


def test_longer_bars_are_filled_after_they_are_made_so_that_traded_ones_stay(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 4000, 12: 4010, 374: 4020}))
    rows = ask(store, "TCS25JUL24F", fill="forward", interval="5m")[0]
    assert rows.height == 75
    assert rows.filter(~pl.col("filled")).drop("filled").equals(ask(store, "TCS25JUL24F", interval="5m")[0])
    assert rows.row(2, named=True)["open"] == 4010  # not the 4000 that stood before its first trade
    assert ask(store, "TCS25JUL24F", fill="forward", interval="1d")[0]["filled"].to_list() == [False]


def test_an_instant_cuts_what_was_filled_from_before_it(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 4000, 300: 4010}))
    rows = ask(store, "TCS25JUL24F", fill="forward", start="2024-07-08 11:00", end="2024-07-08 11:02")[0]
    assert rows.select(pl.col("ts").dt.strftime("%H:%M"), "close", "filled").rows() == [("11:00", 4000, True), ("11:01", 4000, True)]


def test_another_way_to_fill_is_refused(store: Store) -> None:
    with pytest.raises(QueryError, match="give forward"):
        ask(store, "TCS", fill="linear")


def by_hand(prices: dict[int, float], windows: list[tuple[int, int]], step: int) -> list[tuple[int, float, bool]]:
    """(minute of the day, close, filled) as a person fills bars of prices by minute."""
    found: list[tuple[int, float, bool]] = []
    for start, end in windows:
        for label in range(start, end, step):
            inside = [prices[m] for m in range(label, min(label + step, end)) if m in prices]
            if inside:
                found.append((label, inside[-1], False))
            elif found:
                found.append((label, found[-1][1], True))
    return found


@given(
    st.dictionaries(st.integers(0, 104), st.integers(1, 9000), min_size=1, max_size=12), st.sampled_from([1, 2, 5, 7, 15, 60]), st.booleans(),
)
def test_filled_bars_are_those_of_a_person(places: dict[int, int], step: int, covered: bool) -> None:
    windows = [(555, 600), (690, 750)]
    mask = [minute for start, end in windows for minute in range(start, end)]
    prices = {mask[place]: float(price) for place, price in places.items()}
    real = [one for one in by_hand(prices, windows, step) if not one[2]]
    rows = minutes(NEAR, DRILL, {label - 555: close for label, close, _ in real}).sample(fraction=1, shuffle=True, seed=2)
    pairs = pl.DataFrame({"contract": [NEAR] if covered else [], "session": [DRILL] if covered else []}, schema={"contract": pl.Int64, "session": pl.Date})
    made = filled_forward(rows, pairs, CALENDAR, frozenset(), interval_of(f"{step}m"))
    midnight = datetime(2024, 3, 1, 18, 30, tzinfo=UTC)
    got = [((ts - midnight) // timedelta(minutes=1), close / 100, filled) for ts, close, filled in made.select("ts", "close_paise", "filled").iter_rows()]
    assert got == (by_hand(prices, windows, step) if covered else real)
    assert made.filter("filled")["volume"].sum() == 0
    assert made.filter(~pl.col("filled")).drop("filled").equals(rows.sort("ts"))
