"""Where a contract's bars lie in its session's file: a reader that goes straight to them finds what looking through the file finds."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import combinations
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Attempt, Outcome, Verdict
from fnolake.store import bars as reading
from fnolake.store import places
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, attempt, bars, batch, capture, listing, master, raw

SIZES = {1: 3, 2: 1, 3: 20, 4: 7}


@pytest.fixture
def filled(store: Store) -> Store:
    """Two published sessions: four contracts on the first, three on the second."""
    store.commit(batch(*(capture(contract, MON, size, price=1_000 * contract) for contract, size in SIZES.items())))
    store.commit(batch(*(capture(contract, TUE, size, price=500 * contract) for contract, size in SIZES.items() if contract != 2)))
    for day in (MON, TUE):
        store.publish(day)
    return store


def moment_of(store: Store, contracts: list[int]) -> reading.Moment:
    return reading.moment(store._ledger, [MON, TUE], contracts)


def assert_same(store: Store) -> None:
    """Every choice of contracts is read as it is filtered out of everything."""
    everything = store.bars(None, [MON, TUE]).sort("session", "contract", "ts").collect()
    for chosen in (list(each) for size in range(1, 5) for each in combinations(SIZES, size)):
        found = store.bars(chosen, [MON, TUE]).sort("session", "contract", "ts").collect()
        assert found.equals(everything.filter(pl.col("contract").is_in(chosen)))


def test_a_reader_goes_straight_to_the_bars(filled: Store) -> None:
    at = moment_of(filled, [3])
    assert (at.published, [*at.pieces.values()]) == ([], [[(4, 20)], [(3, 20)]])
    assert_same(filled)


def test_a_session_without_bars_of_a_contract_is_not_opened(filled: Store) -> None:
    assert [*moment_of(filled, [2]).pieces.values()] == [[(3, 1)]]
    assert moment_of(filled, [9]).pieces == {}
    assert filled.bars([9], [MON, TUE]).collect().is_empty()


def test_what_was_fetched_again_lies_elsewhere_until_it_is_published(filled: Store) -> None:
    filled.commit(batch(capture(3, MON, 5, at=NOW + timedelta(hours=1))))
    assert [*moment_of(filled, [3]).pieces.values()] == [[(3, 20)]]
    assert_same(filled)
    filled.publish(MON)
    assert [*moment_of(filled, [4]).pieces.values()] == [[(9, 7)], [(23, 7)]]
    assert_same(filled)


def test_upkeep_finds_places_that_nobody_wrote_down(filled: Store) -> None:
    with filled._ledger.transaction() as connection:
        connection.execute("update coverage set place = null")
    assert len(moment_of(filled, [1]).published) == 2
    assert_same(filled)
    filled.upkeep(NOW)
    assert moment_of(filled, [1]).published == []
    assert_same(filled)


def test_a_rebuilt_ledger_knows_the_places(filled: Store, lake: Path) -> None:
    filled.take_master(master([listing(1)], MON), raw())
    filled.close()
    for path in lake.glob("ledger.sqlite*"):
        path.unlink()
    with Store.open(lake, write=True) as store:
        store.rebuild_ledger()
        assert [*moment_of(store, [3]).pieces.values()] == [[(4, 20)], [(3, 20)]]
        assert_same(store)


def test_another_count_of_bars_makes_a_place_void(filled: Store) -> None:
    filled.judged_again([], [Attempt(3, MON, Verdict(Outcome.COMPLETE, bars=19), "shoonya", "main", NOW)])
    at = moment_of(filled, [3])
    assert (len(at.published), len(at.pieces)) == (1, 1)
    assert_same(filled)


def test_a_contract_that_lies_in_two_parts_is_looked_for(store: Store) -> None:
    parts = [bars(1, MON, 2), bars(1, MON, 4)[2:].with_columns(expiry=pl.lit(date(2026, 12, 29))), bars(2, MON, 3)]
    store.commit(batch((attempt(1, MON, count=4), pl.concat(parts[:2])), (attempt(2, MON), parts[2])))
    store.publish(MON)
    assert store.bars([1], [MON]).collect().height == 4
    assert len(moment_of(store, [1]).published) == 1
    assert len(moment_of(store, [2]).pieces) == 1


def test_near_pieces_are_one_and_many_are_none() -> None:
    far = places.GAP + 1
    assert places._merged([(0, 10), (10, 5), (15 + places.GAP, 1)]) == [(0, 16 + places.GAP)]
    assert places._merged([(10 + far, 5), (0, 10)]) == [(0, 10), (10 + far, 5)]
    assert places._merged([(0, 10), (None, 5)]) is None
    apart = [(number * (far + 1), 1) for number in range(places.PIECES + 1)]
    assert places._merged(apart[:-1]) == apart[:-1]
    assert places._merged(apart) is None
