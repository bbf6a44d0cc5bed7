"""Comparisons: recorded with the second attempt or not at all, decide coverage instead of rank, and outlive the ledger."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Attempt, Batch, Compared, Outcome
from fnolake.store.store import Store
from fnolake.verify import compare

from .conftest import MON, NOW, TUE, attempt, bars, batch, capture, failure, listing, master, raw
from .test_old_ledger import VERSION_1

LATER = NOW + timedelta(hours=1)


def second(contract: int, session: date = MON, *, price: int = 10_000, kept: str = "first", why: str = "first_stays", first_attempt: int = 1) -> Batch:
    theirs = bars(contract, session, price=price, provider="firstock")
    comparison = compare(bars(contract, session), theirs)
    said = replace(attempt(contract, session, at=LATER), provider="firstock", account="other")
    made = batch((said, theirs if kept == "second" else None))
    return replace(made, compared=(Compared(contract, session, "shoonya", first_attempt, comparison, kept, why),))


def prices(store: Store, session: date = MON) -> list[int]:
    return store.bars(None, [session]).sort("contract", "ts").collect()["open_paise"].to_list()


def test_an_agreement_is_recorded_with_both_attempts_and_moves_nothing(store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    store.publish(MON)
    assert store.commit(second(1, why="agreed")).won == 0
    assert store.comparisons().drop("comparison", "compared_at").rows() == [(1, MON, "shoonya", 1, "firstock", 2, True, "[]", "first", "agreed")]
    assert store.differences().is_empty()
    assert store.attempts()["provider"].to_list() == ["shoonya", "firstock"]
    assert store.coverage()["provider"].to_list() == ["shoonya"]
    assert store.unpublished() == []


def test_a_loser_is_recorded_and_its_differences_are_rows(store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    store.commit(second(1, price=10_100))
    assert prices(store) == [10_000, 10_001, 10_002]
    assert store.comparisons()["agreed"].to_list() == [False]
    assert store.differences([MON]).filter(pl.col("field") == "open").select("first", "second", "size").rows() == [
        (10_000, 10_100, 100), (10_001, 10_101, 100), (10_002, 10_102, 100),
    ]
    assert store.differences([TUE]).is_empty()


@pytest.mark.parametrize("published", [False, True])
def test_a_winner_takes_coverage_and_what_it_replaced_is_a_revision(store: Store, published: bool) -> None:
    store.commit(batch(capture(1, MON)))
    if published:
        store.publish(MON)
    assert store.commit(second(1, price=10_100, kept="second", why="wider_range")).won == 1
    assert store.unpublished() == [MON]
    store.publish(MON)
    assert prices(store) == [10_100, 10_101, 10_102]
    assert store.revisions().select("open_paise", "provider", "by_provider").rows() == [
        (price, "shoonya", "firstock") for price in (10_000, 10_001, 10_002)
    ]


def test_the_rule_decides_where_clocks_would_have_it_otherwise(store: Store) -> None:
    store.commit(batch(capture(1, MON, at=LATER + timedelta(days=1))))
    store.commit(second(1, price=10_100, kept="second", why="more_minutes"))
    assert store.coverage()["provider"].to_list() == ["firstock"]


def test_a_loser_is_never_taken_for_the_source_of_replaced_bars(store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    store.publish(MON)
    store.commit(second(1, price=10_100))
    store.commit(batch(capture(1, MON, price=10_200, at=LATER + timedelta(hours=1))))
    store.publish(MON)
    assert store.revisions().select("was_attempt", "by_attempt").unique().rows() == [(1, 3)]


def test_attempts_beside_a_comparison_compete_by_rank_as_ever(store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON)))
    both = second(1, price=10_100)
    store.commit(replace(both, attempts=(*both.attempts, failure(2, MON, at=LATER)[0])))
    assert store.coverage().select("contract", "outcome", "provider").rows() == [(1, "complete", "shoonya"), (2, "complete", "shoonya")]
    assert store.attempts().height == 4
    assert store.comparisons()["second_attempt"].to_list() == store.attempts().filter(pl.col("provider") == "firstock")["attempt"].to_list()


def test_a_comparison_without_its_attempt_is_refused(store: Store) -> None:
    lone = second(1)
    with pytest.raises(ValueError, match="each comparison"):
        store.commit(replace(lone, attempts=()))
    with pytest.raises(ValueError, match="each comparison"):
        store.commit(replace(lone, compared=lone.compared * 2))
    assert store.comparisons().is_empty()


def test_a_crash_before_the_transaction_leaves_no_comparison(lake: Path) -> None:
    def die(boundary: str) -> None:
        if boundary == "batch_fsynced":
            raise RuntimeError(boundary)

    with Store.open(lake, write=True) as store:
        store.commit(batch(capture(1, MON)))
    with Store.open(lake, write=True, crash=die) as store, pytest.raises(RuntimeError):
        store.commit(second(1, price=10_100, kept="second", why="wider_range"))
    with Store.open(lake, write=False) as store:
        assert store.comparisons().is_empty()
        assert prices(store) == [10_000, 10_001, 10_002]


def test_who_has_it_no_more_is_known(store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON)))
    gone: Attempt = replace(failure(1, MON, Outcome.UNAVAILABLE, at=LATER)[0], provider="firstock")
    store.commit(batch((gone, None)))
    assert store.not_elsewhere([MON]).rows() == [(1, MON)]
    assert store.not_elsewhere([]).is_empty()


def test_comparisons_outlive_the_ledger(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=0.0) as store:
        store.take_master(master([listing(1), listing(2)], MON), raw())
        store.commit(batch(capture(1, MON), capture(2, MON)))
        store.commit(second(1, price=10_100, kept="second", why="wider_range"))
        store.commit(second(2, price=10_100, first_attempt=2))
        store.publish(MON)
        was, rows = store.comparisons(), store.differences()
    for file in lake.glob("ledger.sqlite*"):
        file.unlink()
    with Store.open(lake, write=True, grace_s=0.0) as store:
        store.rebuild_ledger()
        lost = store.comparisons()
        assert lost.drop("first_attempt", "second_attempt").equals(was.drop("first_attempt", "second_attempt"))
        assert lost.select("first_attempt", "second_attempt").rows() == [(None, 3), (2, None)]
        assert store.differences().equals(rows)


def test_a_ledger_of_before_is_read_as_it_is_and_brought_up_when_written(lake: Path) -> None:
    with Store.open(lake, write=True) as store:
        store.commit(batch(capture(1, MON)))
    old = sqlite3.connect(lake / "ledger.sqlite")
    old.executescript(VERSION_1)
    old.close()
    with Store.open(lake, write=False) as store:
        assert store.comparisons().is_empty()
        assert store.differences([MON]).is_empty()
    with Store.open(lake, write=True) as store:
        store.commit(second(1))
        assert store.comparisons().height == 1
