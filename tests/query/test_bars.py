from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import QueryError, UnknownSession
from fnolake.lake import open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    RawFile,
    Verdict,
    bar_schema,
    contract_symbol,
    listing_schema,
    quarantine_schema,
)
from fnolake.query.bars import BAR_COLUMNS, read, read_longer, rupees, scan
from fnolake.query.interval import MINUTE, interval_of
from fnolake.store.store import Store

MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
OLD, NEW = date(2026, 11, 24), date(2026, 11, 23)
NOW = datetime(2026, 11, 17, 13, 0, tzinfo=UTC)


def listing(token: int, kind: str, expiry: date | None = OLD, strike: int | None = None) -> dict[str, object]:
    right = "CE" if kind == "option" else None
    symbol = contract_symbol("TCS", kind, expiry, strike, right, is_index=False)
    return {
        "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": token, "symbol": symbol, "underlying": "TCS",
        "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right, "lot": 175, "tick_paise": 5,
        "provider_symbol": symbol, "is_index": False,
    }


def take(store: Store, day: date, *rows: dict[str, object]) -> None:
    master = Master("shoonya", "NFO", day, len(rows), pl.DataFrame(list(rows), schema=listing_schema()), payload_hash=str(day))
    store.take_master(master, RawFile("shoonya", "NFO", NOW, str(day).encode(), NOW, "0"))


def bars(row: dict[str, object], contract: int, session: date, phases: tuple[str, ...]) -> pl.DataFrame:
    start = datetime(session.year, session.month, session.day, 3, 45, tzinfo=UTC)
    same = {name: row[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right")}
    return pl.DataFrame([
        {
            "session": session, "ts": start + timedelta(minutes=n), "contract": contract, **same, "open_paise": 31_255, "high_paise": 31_300,
            "low_paise": 31_205, "close_paise": 31_260, "volume": 175, "oi": None, "vwap_paise": None, "phase": phase, "provider": "shoonya",
        } for n, phase in enumerate(phases)
    ], schema=bar_schema())


def commit(store: Store, table: pl.DataFrame) -> None:
    pairs = table.group_by("contract", "session").len().rows()
    attempts = tuple(Attempt(c, s, Verdict(Outcome.COMPLETE, bars=n), "shoonya", "main", NOW) for c, s, n in pairs)
    store.commit(Batch(attempts, table, pl.DataFrame(schema=quarantine_schema())))


def test_bars_come_in_rupees_and_ist_with_their_symbol(tmp_path: Path) -> None:
    spot, option = listing(1, "spot", None), listing(2, "option", OLD, 31_250)
    with Store.open(tmp_path / "lake", write=True) as store:
        take(store, MON, spot, option)
        commit(store, pl.concat([bars(spot, 1, MON, ("preopen", "continuous")), bars(option, 2, MON, ("continuous",))]))
        rows = read(store, [1, 2], [MON])
        assert tuple(rows.columns) == BAR_COLUMNS
        assert rows["symbol"].to_list() == ["TCS24NOV26C312.5", "TCS-EQ"]
        assert rows["ts"].dt.strftime("%H:%M").to_list() == ["09:15", "09:16"]
        assert rows.select("open", "close", "strike", "vwap").rows() == [(312.55, 312.6, 312.5, None), (312.55, 312.6, None, None)]
        assert read(store, None, [MON], ()).height == 3
        assert scan(store, [1], [MON]).collect()["phase"].to_list() == ["continuous"]
        assert read(store, [], [MON]).is_empty()


def test_a_symbol_is_that_of_its_session_when_an_expiry_has_moved(tmp_path: Path) -> None:
    before, after = listing(2, "future", OLD), listing(2, "future", NEW)
    with Store.open(tmp_path / "lake", write=True) as store:
        take(store, MON, before)
        take(store, TUE, after)
        commit(store, pl.concat([bars(before, 1, MON, ("continuous",)), bars(after, 1, TUE, ("continuous",))]))
        rows = read(store, [1], [MON, TUE]).sort("ts")
        assert rows["symbol"].to_list() == ["TCS24NOV26F", "TCS23NOV26F"]


def test_longer_bars_of_several_contracts_come_in_the_order_of_minutes(tmp_path: Path) -> None:
    near, far, option = listing(1, "future", OLD), listing(2, "future", date(2026, 12, 29)), listing(3, "option", OLD, 31_250)
    with Store.open(tmp_path / "lake", write=True) as store:
        take(store, MON, near, far, option)
        for day in (MON, TUE):
            commit(store, pl.concat([bars(row, n, day, ("continuous",) * 12) for n, row in enumerate((near, far, option), 1)]))
        store.publish(MON)  # one session is published, the other is hot
        asked = {"calendar": Calendar.bundled()}
        five = read_longer(store, None, [MON, TUE], interval=interval_of("5m"), **asked)
        assert tuple(five.columns) == BAR_COLUMNS
        assert five.select(pl.struct("kind", "expiry", "strike", "ts").rle_id().max() + 1).item() == five.height == 3 * 2 * 3
        assert five.select("symbol", "ts").rows() == read(store, None, [MON, TUE]).filter(
            pl.col("ts").dt.minute().is_in([15, 20, 25]),
        ).select("symbol", "ts").rows()
        assert five["volume"].to_list() == [875, 875, 350] * 6
        closest = read_longer(store, [1, 2], [MON, TUE], interval=interval_of("1d"), near=True, **asked)
        assert closest.select("symbol", "volume").rows() == [("TCS24NOV26F", 2100)] * 2
        assert read_longer(store, [1], [MON], interval=MINUTE, **asked).equals(read(store, [1], [MON]))
        assert read_longer(store, [], [], interval=interval_of("1w"), **asked).is_empty()


def test_hours_that_nobody_knows_are_said_and_nonsense_is_refused(tmp_path: Path) -> None:
    muhurat, spot = date(2026, 11, 8), listing(1, "spot", None)
    with Store.open(tmp_path / "lake", write=True) as store:
        take(store, MON, spot)
        commit(store, bars(spot, 1, muhurat, ("continuous",)))
        with pytest.raises(UnknownSession, match="2026-11-08"):
            read_longer(store, [1], [muhurat], interval=interval_of("5m"), calendar=Calendar.bundled())
    with open_lake(tmp_path / "lake", environ={}) as lake, pytest.raises(QueryError, match="no interval '5x': give whole minutes"):
        lake.bars("TCS", interval="5x")


@given(st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=50))
def test_rupees_are_the_nearest_floats(paise: list[int]) -> None:
    frame = pl.DataFrame({"paise": pl.Series(paise, dtype=pl.Int32)})
    assert frame.select(rupees(pl.col("paise")))["paise"].to_list() == [value / 100 for value in paise]
