"""The exchange's own days, beside and never among bars made of minutes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import QueryError
from fnolake.query.exchange_bars import DAY_COLUMNS
from fnolake.store.store import Store

from .lakes import (
    FAR,
    FRI,
    JUL,
    MON,
    NEAR,
    NEXT,
    SPOT,
    THU,
    TUE,
    WED,
    ask,
    commit,
    listing,
    minutes,
    option,
    published,
    take_day,
    take_masters,
)

BY = {"source": "exchange", "interval": "1d"}
PRICES = ("open", "high", "low", "close", "last", "settlement", "volume", "oi")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        yield opened


def prices(given: tuple[int, int, int, int, int, int], volume: int, oi: int | None) -> dict[str, object]:
    names = ("open_paise", "high_paise", "low_paise", "close_paise", "last_paise", "settle_paise")
    return {**dict(zip(names, given, strict=True)), "volume": volume, "oi": oi}


@pytest.fixture
def future(store: Store) -> Store:
    """The near future on three of five days; on Thursday it did not trade."""
    take_day(store, MON, published(NEAR, **prices((10_000, 10_500, 9_900, 10_200, 10_210, 10_205), 1750, 350)))
    take_day(store, TUE, published(NEAR, **prices((10_300, 10_900, 10_250, 10_800, 10_790, 10_795), 3500, 700)))
    take_day(store, THU, published(NEAR, **prices((0, 0, 0, 10_650, 0, 10_655), 0, 525)))
    return store


def test_a_day_is_the_files_row_in_rupees_at_the_sessions_open(future: Store) -> None:
    commit(future, minutes(NEAR, MON, {0: 1, 1: 2}))  # minutes of the same session say something else
    rows, gaps = ask(future, "TCS", "future", "near", MON, TUE, **BY)
    assert tuple(rows.columns) == DAY_COLUMNS
    assert rows.select(pl.col("ts").dt.strftime("%d %H:%M"), *PRICES).rows() == [
        ("08 09:15", 100.0, 105.0, 99.0, 102.0, 102.1, 102.05, 1750, 350), ("09 09:15", 103.0, 109.0, 102.5, 108.0, 107.9, 107.95, 3500, 700),
    ]
    assert rows["symbol"].to_list() == ["TCS25JUL24F"] * 2
    assert not gaps


def test_a_day_without_trades_has_the_official_prices_alone(future: Store) -> None:
    rows = ask(future, "TCS25JUL24F", start=THU, end=THU, **BY)[0]
    assert rows.select(*PRICES).rows() == [(None, None, None, 106.5, None, 106.55, 0, 525)]


def test_a_week_is_made_of_the_exchanges_days(future: Store) -> None:
    rows, gaps = ask(future, "TCS25JUL24F", source="exchange", interval="1w", end=FRI)
    assert rows.select("ts", "session").rows()[0][1] == MON
    assert rows["ts"].dt.strftime("%d %H:%M").to_list() == ["08 09:15"]
    assert rows.select(*PRICES).rows() == [(100.0, 109.0, 99.0, 106.5, 107.9, 106.55, 5250, 525)]
    assert gaps.spans == (("TCS25JUL24F", WED, WED, "no end-of-day file"), ("TCS25JUL24F", FRI, FRI, "no end-of-day file"))
    month = ask(future, "TCS25JUL24F", source="exchange", interval="1mo")[0]
    assert month["session"].to_list() == [date(2024, 7, 1)]
    assert month["volume"].to_list() == [5250]


def test_contracts_that_no_master_names_are_read_from_the_files(store: Store) -> None:
    june, day = listing(88, "future", date(2024, 6, 27)), date(2024, 6, 26)
    take_day(store, day, published(june, **prices((1000,) * 6, 175, 1)), published(NEAR, **prices((2000,) * 6, 350, 2)))
    assert ask(store, "TCS", "future", "near", **BY)[0].select("symbol", "close").rows() == [("TCS27JUN24F", 10.0)]
    assert ask(store, "TCS", "future", "next", **BY)[0].select("symbol", "close").rows() == [("TCS25JUL24F", 20.0)]
    assert ask(store, "TCS", "future", date(2024, 6, 27), **BY)[0]["volume"].to_list() == [175]
    assert ask(store, "TCS", "future", **BY)[0]["symbol"].to_list() == ["TCS27JUN24F", "TCS25JUL24F"]


def test_options_are_picked_by_strike_right_and_moneyness(store: Store) -> None:
    take_day(store, MON, *(published(option(strike, right)) for strike in (3950, 4000) for right in ("CE", "PE")))
    commit(store, minutes(NEAR, MON, {0: 3960}))
    assert ask(store, "TCS", strike=4000, expiry=JUL, **BY)[0]["symbol"].to_list() == ["TCS25JUL24C4000", "TCS25JUL24P4000"]
    assert ask(store, "TCS", expiry="near", right="CE", **BY)[0]["strike"].to_list() == [3950, 4000]
    assert ask(store, "TCS", expiry="near", moneyness="ATM", right="PE", **BY)[0]["symbol"].to_list() == ["TCS25JUL24P3950"]


def test_a_spot_series_is_its_row_of_the_cash_file(store: Store) -> None:
    take_day(store, MON, published(SPOT, **prices((400_000, 401_000, 399_000, 400_500, 400_500, 400_500), 99, None)))
    assert ask(store, "TCS", **BY)[0].select("symbol", *PRICES).rows() == [("TCS-EQ", 4000, 4010, 3990, 4005, 4005, 4005, 99, None)]


@pytest.mark.parametrize(("words", "says"), [
    ({"interval": "5m"}, "1d, 1w or 1mo"), ({"interval": "1d", "start": "2024-07-08 10:00"}, "whole days"), ({"interval": "1d", "fill": "forward"}, "neither filled"),
    ({"interval": "1d", "source": "nse"}, "minutes or exchange"), ({"interval": "1d"}, "no end-of-day file of NSE CM is in this lake"),
])
def test_what_the_exchange_does_not_publish_is_one_clear_error(store: Store, words: dict[str, str], says: str) -> None:
    with pytest.raises(QueryError, match=says):
        ask(store, "TCS", **{"source": "exchange", **words})  # type: ignore[arg-type]


def test_no_file_lists_an_index(store: Store) -> None:
    take_masters(store, [{**listing(26_000, "spot"), "underlying": "NIFTY", "symbol": "NIFTY", "is_index": True}], TUE)
    with pytest.raises(QueryError, match="hold no index"):
        ask(store, "NIFTY", **BY)


def test_longer_than_a_day_keeps_contracts_apart(store: Store) -> None:
    for day in (MON, TUE):
        take_day(store, day, published(NEAR), published(NEXT), published(FAR))
    rows = ask(store, "TCS", "future", source="exchange", interval="1w")[0]
    assert rows.select("symbol", "volume").rows() == [("TCS25JUL24F", 350), ("TCS29AUG24F", 350), ("TCS26SEP24F", 350)]
