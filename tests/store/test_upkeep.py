from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import StoreError
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, WED, batch, capture, failure, listing, master, raw
from .test_exchange import day, row


def fill(store: Store) -> None:
    store.take_master(master([listing(n) for n in range(1, 5)], MON), raw())
    store.take_exchange_day(day(MON, row(1), row(2)), raw("fo.csv"))
    store.commit(batch(capture(1, MON), capture(2, MON), failure(3, MON), capture(1, TUE)))
    store.publish(MON)
    store.publish(TUE)


def lose(lake: Path) -> None:
    for file in lake.glob("ledger.sqlite*"):
        file.unlink()


def test_garbage_of_a_crash_goes_and_nothing_else(lake: Path, store: Store) -> None:
    fill(store)
    store.commit(batch(capture(1, WED)))
    (lake / "hot" / "000000009-dead.parquet").write_bytes(b"x" * 100)
    (lake / "bars" / "session=2026-11-16" / "part-dead.parquet").write_bytes(b"x")
    before = store.bars(None, [MON, TUE, WED]).collect().sort("contract", "ts")
    done = store.upkeep(NOW)
    assert (done.removed, done.freed_bytes) == (2, 101)
    assert store.bars(None, [MON, TUE, WED]).collect().sort("contract", "ts").equals(before)
    assert store.upkeep(NOW).removed == 0


def test_replaced_files_stay_for_the_grace(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=3600.0) as store:
        fill(store)
        store.commit(batch(capture(1, MON, price=20_000, at=NOW + timedelta(hours=1))))
        store.publish(MON)
        assert store.upkeep(NOW).removed == 0
        assert len(list((lake / "hot").iterdir())) == 2
    with Store.open(lake, write=True, grace_s=0.0) as store:
        done = store.upkeep(NOW)
        assert (done.dropped_batches, done.removed) == (2, 2)
        assert store.bars([1], [MON]).collect()["open_paise"].min() == 20_000


def test_the_ledger_is_copied_once_a_day_and_a_week_is_kept(lake: Path, store: Store) -> None:
    fill(store)
    made = [store.upkeep(NOW + timedelta(days=n)).backup for n in range(9)]
    assert made[0] == "backup/ledger-2026-11-20.sqlite"
    assert store.upkeep(NOW + timedelta(days=8)).backup == ""
    assert len(list((lake / "backup").iterdir())) == 7


def test_checkpoints_do_not_change_what_delta_says(lake: Path, store: Store) -> None:
    fill(store)
    assert set(store.upkeep(NOW).checkpoints) == {"bars", "coverage", "exchange_days"}
    assert store.upkeep(NOW).checkpoints == ()
    store.commit(batch(capture(2, TUE)))
    store.publish(TUE)
    assert pl.scan_delta(str(lake / "bars")).collect().height == 12


def test_a_changed_byte_is_found(lake: Path, store: Store) -> None:
    fill(store)
    store.commit(batch(capture(1, WED)))
    assert (store.upkeep(NOW, check=True).checked, store.upkeep(NOW, check=True).corrupt) == (3, [])
    file = next((lake / "bars" / "session=2026-11-16").glob("*.parquet"))
    body = bytearray(file.read_bytes())
    body[40] ^= 1
    file.write_bytes(body)
    found = store.upkeep(NOW, check=True).corrupt
    assert [error.path for error in found] == [str(file)]
    assert "hash" in str(found[0])


def test_a_lost_ledger_comes_back_with_ids_coverage_and_bars(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=0.0) as store:
        fill(store)
        known, instruments = store.coverage(), store.instruments()
        bars = store.bars(None, [MON, TUE]).collect().sort("contract", "ts")
        exchange = store.exchange_rows([MON])
    lose(lake)
    for _ in range(2):
        with Store.open(lake, write=True) as store, pytest.raises(StoreError, match="rebuild-ledger"):
            store.commit(batch(capture(1, WED)))
    with Store.open(lake, write=True, grace_s=0.0) as store:
        done = store.rebuild_ledger()
        assert (done.contracts, done.sessions, done.contract_sessions, done.doubtful) == (4, 2, 4, 0)
        assert store.coverage().equals(known)
        assert store.instruments().equals(instruments)
        assert store.bars(None, [MON, TUE]).collect().sort("contract", "ts").equals(bars)
        assert store.exchange_rows([MON]).equals(exchange)
        assert store.masters_taken(MON)
        assert store.unpublished() == []
        assert store.missing(store.instruments(), [MON]).rows() == [(3, MON), (4, MON)]
        store.commit(batch(capture(1, WED)))
        store.publish(WED)
        assert store.take_master(master([listing(n) for n in range(1, 6)], TUE), raw())["new"] == 1
        assert store.instruments()["contract"].to_list() == [1, 2, 3, 4, 5]
        with pytest.raises(StoreError, match="not lost"):
            store.rebuild_ledger()


def test_coverage_that_does_not_agree_with_its_bars_is_fetched_again(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=0.0) as store:
        fill(store)
        kept = {path: path.read_bytes() for path in (lake / "coverage").rglob("*") if path.is_file()}
        store.commit(batch(capture(1, MON, count=9, at=NOW + timedelta(hours=1))))
        store.publish(MON)
    for path in list((lake / "coverage").rglob("*.*")):
        if path.is_file() and path not in kept:
            path.unlink()
    lose(lake)
    with Store.open(lake, write=True) as store:
        assert store.rebuild_ledger().doubtful == 1
        assert store.coverage([MON], [1]).select("outcome", "bars", "reasons").rows() == [("partial", 9, "rebuilt")]


def test_counts_are_of_the_lake(store: Store) -> None:
    fill(store)
    counts = store.counts()
    assert (counts["contracts"], counts["contract_sessions"], counts["bars"], counts["published_bars"]) == (4, 4, 9, 9)
    assert date(2026, 11, 16) == MON
