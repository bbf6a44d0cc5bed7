"""
RELIANCE and Nifty 50 of February and March 2024, as somebody fetched them from a broker, through the line: plan, page, normalize,
verify, store, published, query. Their five-minute bars are the witness of ours.

The files are private and stay where they are: ../shared/real beside this repository. Without them these tests skip.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest

from fnolake.errors import GapWarning
from fnolake.lake import Lake, open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import BarRequest, Master, Page, RawBars, RawFile, RequestRecord, Selection, listing_schema
from fnolake.provider.account import Asked
from fnolake.provider.budget import BudgetState
from fnolake.store.store import Store
from fnolake.sync.backfill import Backfill
from fnolake.sync.contracts import Contracts, MustFill, tasks
from fnolake.sync.wanted import plan_wanted, wanted
from fnolake.sync.writer import LineSettings

BARS = Path(__file__).resolve().parents[3] / "shared" / "real" / "bars"
pytestmark = [
    pytest.mark.skipif(not BARS.is_dir(), reason="the private folder of real broker files, ../shared/real, is not beside this repository"),
    pytest.mark.filterwarnings("ignore::fnolake.errors.GapWarning"),  # two sessions were not recorded whole: the first test says which
]

CALENDAR = Calendar.bundled()
KOLKATA = ZoneInfo("Asia/Kolkata")
FIRST, LAST = date(2024, 2, 1), date(2024, 3, 15)
MOCK = [date(2024, 2, 3), date(2024, 2, 17), date(2024, 2, 24)]
DRILL, LOST, HOLIDAY = date(2024, 3, 2), date(2024, 3, 7), date(2024, 3, 8)
NOW = datetime(2024, 3, 15, 13, 0, tzinfo=UTC)
WORDS = {"NIFTY": "Nifty_50", "RELIANCE-EQ": "RELIANCE"}
PRICES = {"into": "open", "inth": "high", "intl": "low", "intc": "close"}


def recorded(symbol: str, minutes: int) -> pl.DataFrame:
    """A file's rows, ascending: ts (IST), session (the stamp's date), open, high, low, close."""
    return pl.read_csv(BARS / f"shoonya_2024_{minutes}min_{WORDS[symbol]}__cut_20240201-20240315.csv.gz").select(
        ts=pl.col("time").str.to_datetime().dt.replace_time_zone("Asia/Kolkata"), session=pl.col("time").str.head(10).str.to_date(),
        **{name: pl.col(wire).cast(pl.Float64) for wire, name in PRICES.items()},
    ).sort("ts")


class Recorded:
    """A provider whose answers are the files' rows of the span that is asked, newest first; it never kept volume."""

    name = provider_name = "recorded"
    is_down = falters = False
    max_rows = 4000
    max_days = None
    budget = BudgetState(0, 200, 1.0)

    def __init__(self) -> None:
        self.rows = {symbol: recorded(symbol, 1) for symbol in WORDS}
        self.asked = 0

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[Recorded]:
        yield self

    def drain_sign_ins(self) -> list[RequestRecord]:
        return []

    async def sings(self, _venue: str, day: date) -> bool:
        return any(day in rows["session"] for rows in self.rows.values())

    async def ask_minutes(self, request: BarRequest, _may_leave: object) -> Asked:
        self.asked += 1
        rows = self.rows[request.contract.symbol].filter(
            pl.col("ts").dt.convert_time_zone("UTC").is_between(request.start, request.end, closed="left"),
        ).reverse()
        record = RequestRecord(f"r{self.asked}", self.name, "file", "minutes", "answered" if rows.height else "empty", NOW, 0.0)
        return Asked(Page(request, self.name, "file", NOW, "hash", raw(rows) if rows.height else None), None, record)


def raw(rows: pl.DataFrame) -> RawBars:
    size, prices = rows.height, {name: rows[name].to_numpy() for name in PRICES.values()}
    absent, none = np.full(size, -1, np.int64), np.zeros(size, np.int64)
    return RawBars(
        rows["ts"].dt.epoch("s").to_numpy(), **prices, volume=none, oi=absent, vwap=np.full(size, np.nan), cumulative=absent,
        wall_mismatch=np.zeros(size, np.bool_),
    )


def listings() -> pl.DataFrame:
    same = {"venue": "NSE", "segment": "CM", "kind": "spot", "expiry": None, "strike_paise": None, "right": None, "lot": 1, "tick_paise": 5}
    return pl.DataFrame([
        {**same, "token": 26000, "symbol": "NIFTY", "underlying": "NIFTY", "provider_symbol": "Nifty 50", "is_index": True},
        {**same, "token": 2885, "symbol": "RELIANCE-EQ", "underlying": "RELIANCE", "provider_symbol": "RELIANCE-EQ", "is_index": False},
    ], schema=listing_schema())


def fill(store: Store) -> None:
    """What a sync does with an account: plan, ask, normalize, verify, commit, publish."""
    store.take_master(Master("recorded", "NSE", FIRST, 2, listings(), payload_hash="m"), RawFile("recorded", "NSE", NOW, b"m", NOW, "0"))
    chosen = wanted(store, Selection(start=FIRST, end=LAST), CALENDAR, NOW)
    plan, account = plan_wanted(store, chosen, CALENDAR, NOW), Recorded()
    must_fill = MustFill(chosen.contracts)
    line = Backfill(
        [account], store.commit, CALENDAR, {"recorded": account.sings}, exchange=lambda _contract, _day: None, now=lambda: NOW,
        must_fill=must_fill, on_event=lambda _event: None, settings=LineSettings(workers=2),
    )
    asyncio.run(line.run(tasks(plan.rows, Contracts(chosen.contracts)), asyncio.Event()))
    for day in store.unpublished():
        store.publish(day)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("real") / "lake"
    with Store.open(folder, write=True) as store:
        fill(store)
    with open_lake(folder, environ={}) as opened:
        yield opened


def quarantine(lake: Lake) -> pl.DataFrame:
    """Refused rows, with the symbol and the IST stamp."""
    rows = pl.concat([pl.read_parquet(path) for path in sorted((lake.path / "refused").glob("*.parquet"))])
    names = lake.instruments().select("contract", "symbol")
    return rows.join(names, on="contract").with_columns(ts=pl.col("ts").dt.convert_time_zone("Asia/Kolkata"))


def clocks(rows: pl.DataFrame) -> list[str]:
    return rows["ts"].dt.strftime("%H:%M").to_list()


@pytest.mark.parametrize(("name", "symbol"), [("NIFTY", "NIFTY"), ("RELIANCE", "RELIANCE-EQ")])
def test_every_minute_of_the_hours_is_there_as_it_was_recorded(lake: Lake, name: str, symbol: str) -> None:
    with pytest.warns(GapWarning, match=rf"^2 of 32 contract-sessions .*{FIRST} \(partial: mask_not_met\).*{LOST} \(failed: doubtful_empty\)"):
        bars = lake.bars(name)
    windows = [(day, w) for day in CALENDAR.sessions(FIRST, LAST) for w in _session(day)]
    inside = pl.any_horizontal(
        pl.col("ts").is_between(_at(day, start), _at(day, end), closed="left") for day, (start, end) in windows
    )
    columns = ["ts", "session", *PRICES.values()]
    assert bars.select(columns).equals(recorded(symbol, 1).filter(inside).select(columns))


def _session(day: date) -> list[tuple[int, int]]:
    session = CALENDAR.session("NSE", "CM", day)
    assert session is not None
    return [(window.start, window.end) for window in session.continuous]


def _at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=KOLKATA)


@pytest.mark.parametrize("name", ["NIFTY", "RELIANCE"])
def test_the_special_session_is_accepted_with_its_own_two_windows(lake: Lake, name: str) -> None:
    drill = lake.bars(name, start=DRILL, end=DRILL)
    expected = [f"{m // 60:02d}:{m % 60:02d}" for start, end in ((555, 600), (690, 750)) for m in range(start, end)]
    assert clocks(drill) == expected
    assert lake.coverage(start=DRILL, end=DRILL, underlying=[name])["complete"].to_list() == [1]
    five = lake.bars(name, start=DRILL, end=DRILL, interval="5m")
    assert clocks(five) == expected[::5]
    assert clocks(lake.bars(name, start=DRILL, end=DRILL, interval="30m")) == ["09:15", "09:45", "11:30", "12:00"]


def test_a_trading_day_without_data_is_a_gap_and_a_holiday_is_none(lake: Lake) -> None:
    assert (CALENDAR.status(LOST), CALENDAR.status(HOLIDAY)) == ("open", "closed")
    left = lake.gaps(start=FIRST, end=LAST).select("symbol", "session", "status", "reasons").sort("session", "symbol")
    assert left.rows() == [
        (symbol, day, status, reason)
        for day, status, reason in ((FIRST, "partial", "mask_not_met"), (LOST, "failed", "doubtful_empty"))  # recorded from 09:42; not at all
        for symbol in ("NIFTY", "RELIANCE-EQ")
    ]
    assert HOLIDAY not in lake.coverage(start=FIRST, end=LAST)["session"]
    assert lake.bars("NIFTY", start=LOST, end=HOLIDAY, interval="1d").is_empty()


def test_mock_saturdays_are_quarantined_with_their_finding(lake: Lake) -> None:
    refused = quarantine(lake).filter(pl.col("session").is_in(MOCK))
    unreal = pl.concat([recorded(symbol, 1).with_columns(symbol=pl.lit(symbol)) for symbol in WORDS]).filter(pl.col("session").is_in(MOCK))
    columns = ["symbol", "ts", *PRICES.values()]
    assert refused["reason"].unique().to_list() == ["no_session"]
    assert unreal.height == 868
    assert refused.select(columns).sort("symbol", "ts").equals(unreal.select(columns).sort("symbol", "ts"))
    for name in ("NIFTY", "RELIANCE"):
        assert not set(MOCK) & set(lake.bars(name, phases=())["session"])


@pytest.mark.parametrize("name", ["NIFTY", "RELIANCE"])
def test_days_and_weeks_come_from_the_minutes(lake: Lake, name: str) -> None:
    minutes, days, weeks = lake.bars(name), lake.bars(name, interval="1d"), lake.bars(name, interval="1w")
    assert days["session"].to_list() == [day for day in CALENDAR.sessions(FIRST, LAST) if day != LOST]
    assert set(clocks(days)) == {"09:15"}
    by_hand = minutes.group_by("session", maintain_order=True).agg(
        pl.first("open"), pl.max("high"), pl.min("low"), pl.last("close"),
    )
    assert days.select("session", "open", "high", "low", "close").equals(by_hand)
    assert weeks["session"].to_list() == [date(2024, 1, 29), *(date(2024, month, day) for month, day in ((2, 5), (2, 12), (2, 19), (2, 26), (3, 4), (3, 11)))]
    assert weeks.filter(pl.col("session") == date(2024, 2, 26))["close"].item() == minutes.filter(pl.col("session") == DRILL)["close"][-1]


OHLC = list(PRICES.values())
EQUAL, CARRIED, END, BEGINNING, OUTSIDE, UNEXPLAINED = (
    "equal", "rows after the close carried in", "the same, next rows not recorded", "before their record begins", "outside the hours", "unexplained",
)


def compared(ours: pl.DataFrame, symbol: str) -> pl.DataFrame:
    """Every five-minute bar of either side on dates that are sessions, with the cause why they differ; no tolerance."""
    theirs, minutes = recorded(symbol, 5), recorded(symbol, 1)
    folded = folded_into(theirs, minutes)
    both = ours.select("ts", "session", *OHLC).join(theirs, on=["ts", "session"], how="full", coalesce=True, suffix="_theirs").join(
        folded, on="ts", how="left",
    ).filter(~pl.col("session").is_in(MOCK)).sort("ts")

    def same(left: str, right: str) -> pl.Expr:
        return pl.all_horizontal(pl.col(f"{name}{left}") == pl.col(f"{name}{right}") for name in OHLC).fill_null(value=False)

    last_of_window = pl.col("ts").is_in([_at(day, end - 5) for day in CALENDAR.sessions(FIRST, LAST) for _, end in _session(day)])
    contains = (pl.col("open") == pl.col("open_theirs")) & (pl.col("high") <= pl.col("high_theirs")) & (pl.col("low") >= pl.col("low_theirs"))
    return both.with_columns(
        cause=pl.when(same("", "_theirs")).then(pl.lit(EQUAL))
        .when(pl.col("open").is_null()).then(pl.lit(OUTSIDE))
        .when(pl.col("ts") < theirs["ts"].min()).then(pl.lit(BEGINNING))
        .when(last_of_window & same("_theirs", "_folded")).then(pl.lit(CARRIED))
        .when(pl.col("ts").eq(theirs["ts"].max()) & contains).then(pl.lit(END))
        .otherwise(pl.lit(UNEXPLAINED)),
    )


def folded_into(theirs: pl.DataFrame, minutes: pl.DataFrame) -> pl.DataFrame:
    """Their minute rows, each in the last of their five-minute bars that had begun: how they seem to have made them."""
    begun = minutes.join_asof(theirs.select("ts", begin="ts"), on="ts").filter(pl.col("begin").is_not_null())
    return begun.group_by(ts="begin", maintain_order=True).agg(
        open_folded=pl.first("open"), high_folded=pl.max("high"), low_folded=pl.min("low"), close_folded=pl.last("close"),
    )


EXPECTED = {
    ("NIFTY", EQUAL): 2245, ("NIFTY", CARRIED): 17, ("NIFTY", END): 1, ("NIFTY", BEGINNING): 3, ("NIFTY", OUTSIDE): 2,
    ("RELIANCE-EQ", EQUAL): 2245, ("RELIANCE-EQ", CARRIED): 17, ("RELIANCE-EQ", END): 1, ("RELIANCE-EQ", BEGINNING): 3,
}
"""The table of docs/resample.md."""


def test_our_five_minute_bars_are_theirs_but_for_what_is_explained(lake: Lake) -> None:
    found = pl.concat([
        compared(lake.bars(name, interval="5m"), symbol).with_columns(symbol=pl.lit(symbol))
        for name, symbol in (("NIFTY", "NIFTY"), ("RELIANCE", "RELIANCE-EQ"))
    ])
    counts = found.group_by("symbol", "cause").len().sort("symbol", "len", descending=[False, True])
    shown = "\n".join(f"{symbol:12} {cause:36} {count:6}" for symbol, cause, count in counts.iter_rows())
    unexplained = found.filter(pl.col("cause") == UNEXPLAINED)
    assert unexplained.is_empty(), f"{shown}\n{unexplained}"
    for symbol in WORDS:
        both = found.filter(pl.col("symbol") == symbol, pl.col("open").is_not_null(), pl.col("open_theirs").is_not_null())
        share = (both["cause"] == EQUAL).sum() / both.height
        assert share > 0.99, f"{symbol}: {share:.3%} of {both.height} bars that both have\n{shown}"
    assert {(symbol, cause): count for symbol, cause, count in counts.iter_rows()} == EXPECTED, shown
