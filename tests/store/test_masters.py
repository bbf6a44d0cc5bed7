from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Outcome, instrument_schema
from fnolake.store.store import Store

from .conftest import MON, TUE, WED, batch, capture, failure, listing, master, raw

NEAR, FAR = date(2026, 11, 24), date(2026, 12, 29)
NOTHING = {"new": 0, "amended": 0, "delisted": 0, "identity_uncertain": 0, "differ": 0, "only_here": 0}


def take(store: Store, day: date, *rows: dict[str, object], exchange: str = "NFO") -> dict[str, int]:
    return store.take_master(master(list(rows), day, exchange), raw())


def ids(store: Store, on: date | None = None) -> dict[int, list[int]]:
    table = store.instruments(on).group_by("token", maintain_order=True).agg("contract")
    return dict(table.iter_rows())


def findings(store: Store) -> str:
    return "".join(store.masters()["findings"].to_list())


def test_ids_ascend_by_venue_segment_and_token(store: Store) -> None:
    rows = [listing(30), listing(10), listing(20, segment="CM"), listing(5, venue="BSE")]
    assert take(store, MON, *rows)["new"] == 4
    table = store.instruments()
    assert dict(table.schema) == instrument_schema()
    assert table["token"].to_list() == [5, 20, 10, 30]
    assert table["contract"].to_list() == [1, 2, 3, 4]
    assert table["valid_from"].null_count() == 4


def test_the_same_master_again_changes_nothing(store: Store) -> None:
    take(store, MON, listing(1), listing(2))
    before = store.instruments()
    assert take(store, TUE, listing(1), listing(2)) == NOTHING
    assert store.instruments().equals(before)
    assert store.masters_taken(TUE)
    assert not store.masters_taken(WED)


def test_a_listing_of_a_later_master_begins_then(store: Store) -> None:
    take(store, MON, listing(1))
    take(store, TUE, listing(1), listing(2))
    assert dict(store.instruments().select("token", "valid_from").iter_rows()) == {1: None, 2: TUE}
    assert ids(store, on=MON) == {1: [1]}


def test_a_token_whose_expiry_has_passed_is_another_contract(store: Store) -> None:
    later = date(2026, 11, 25)
    take(store, MON, listing(1), listing(2))
    assert take(store, later, listing(1, expiry=FAR), listing(2))["new"] == 1
    assert ids(store) == {1: [1, 3], 2: [2]}
    old, new = store.instruments().filter(pl.col("token") == 1).select("valid_from", "valid_to").rows()
    assert old == (None, NEAR)
    assert new == (later, None)


def test_an_expired_contract_still_listed_is_the_same(store: Store) -> None:
    take(store, MON, listing(1))
    assert take(store, date(2026, 11, 26), listing(1))["new"] == 0


@pytest.mark.parametrize("changed", [{"right": "PE"}, {"kind": "future", "right": None, "strike_paise": None}, {"underlying": "INFY"}])
def test_another_kind_right_or_underlying_is_another_contract(store: Store, changed: dict[str, object]) -> None:
    take(store, MON, listing(1))
    assert take(store, TUE, listing(1, **changed)) == NOTHING | {"new": 1}


def test_a_recorded_rename_keeps_the_contract(store: Store) -> None:
    take(store, MON, listing(1, underlying="ZOMATO", symbol="ZOMATO24NOV26C100"))
    store.record_rename("ZOMATO", "ETERNAL", TUE)
    done = take(store, TUE, listing(1, underlying="ETERNAL", symbol="ETERNAL24NOV26C100"))
    assert (done["new"], done["amended"]) == (0, 1)
    assert store.instruments(MON)["underlying"].to_list() == ["ZOMATO"]
    assert store.instruments(TUE)["underlying"].to_list() == ["ETERNAL"]


def test_a_lot_change_is_an_amendment_as_it_stood_on_each_day(store: Store) -> None:
    take(store, MON, listing(1))
    assert take(store, WED, listing(1, lot=200))["amended"] == 1
    assert [store.instruments(day)["lot"].item() for day in (MON, TUE, WED)] == [175, 175, 200]
    assert store.instruments().select("contract", "lot", "valid_from", "valid_to").rows() == [(1, 200, None, None)]


def test_an_expiry_that_moves_with_its_group_is_an_amendment(store: Store) -> None:
    moved = date(2026, 11, 23)
    take(store, MON, listing(1), listing(2), listing(3, expiry=FAR))
    done = take(store, TUE, listing(1, expiry=moved), listing(2, expiry=moved), listing(3, expiry=FAR))
    assert (done["new"], done["amended"]) == (0, 2)
    assert store.instruments(TUE)["expiry"].to_list() == [moved, moved, FAR]


@pytest.mark.parametrize(("first", "second"), [(date(2026, 11, 23), NEAR), (date(2026, 12, 3), date(2026, 12, 3))])
def test_an_expiry_that_moves_alone_or_far_is_another_contract(store: Store, first: date, second: date) -> None:
    take(store, MON, listing(1), listing(2))
    assert take(store, TUE, listing(1, expiry=first), listing(2, expiry=second))["amended"] == 0
    assert len(ids(store)[1]) == 2


def test_an_expiry_that_moves_alone_is_named_uncertain(store: Store) -> None:
    take(store, MON, listing(1), listing(2))
    assert take(store, TUE, listing(1, expiry=date(2026, 11, 23)), listing(2))["identity_uncertain"] == 1
    assert "identity_uncertain" in findings(store)


@pytest.mark.parametrize("adjust", [lambda paise: paise // 2, lambda paise: paise - 150, lambda paise: round(paise / 3 / 5) * 5])
def test_strikes_that_move_by_one_factor_or_amount_are_amendments(store: Store, adjust: object) -> None:
    tokens = range(100, 120)
    take(store, MON, *(listing(token) for token in tokens))
    done = take(store, TUE, *(listing(token, strike_paise=adjust(token * 100)) for token in tokens))
    assert (done["new"], done["amended"]) == (0, 20)


def test_one_strike_that_moves_alone_is_another_contract(store: Store) -> None:
    take(store, MON, listing(100), listing(101), listing(102))
    done = take(store, TUE, listing(100), listing(101, strike_paise=10_150), listing(102))
    assert (done["new"], done["amended"], done["identity_uncertain"]) == (1, 0, 1)


def test_a_contract_that_is_no_longer_listed_ends_and_may_come_back(store: Store) -> None:
    take(store, MON, listing(1), listing(2), listing(3))
    assert take(store, TUE, listing(1), listing(2))["delisted"] == 1
    assert ids(store, on=TUE) == {1: [1], 2: [2]}
    take(store, WED, listing(1), listing(2), listing(3))
    assert ids(store, on=WED) == {1: [1], 2: [2], 3: [3]}


def test_half_a_master_ends_nothing(store: Store) -> None:
    take(store, MON, *(listing(token) for token in range(10)))
    assert take(store, TUE, listing(1))["delisted"] == 0
    assert "master_shrunk" in findings(store)


def test_an_older_master_taken_later_inserts_history_and_renumbers_nothing(store: Store) -> None:
    take(store, WED, listing(1, lot=200), listing(2), listing(3))
    take(store, MON, listing(1), listing(2), listing(4))
    assert ids(store) == {1: [1], 2: [2], 3: [3], 4: [4]}
    assert [store.instruments(day).filter(pl.col("token") == 1)["lot"].item() for day in (MON, WED)] == [175, 200]
    assert ids(store, on=MON) == {1: [1], 2: [2], 4: [4]}
    assert 3 in ids(store, on=WED)


def test_an_older_master_shows_what_a_recycled_token_was(store: Store) -> None:
    take(store, WED, listing(1, expiry=FAR))
    take(store, date(2026, 10, 20), listing(1, expiry=date(2026, 10, 27)))
    assert ids(store, on=date(2026, 10, 20)) == {1: [2]}
    assert ids(store, on=WED) == {1: [1]}


def test_a_master_of_one_exchange_says_nothing_of_another(store: Store) -> None:
    take(store, MON, listing(1))
    take(store, TUE, listing(1, segment="CM", kind="spot", expiry=None, strike_paise=None, right=None), exchange="NSE")
    assert len(store.instruments(TUE)) == 2


def test_raw_files_stay_as_fetched(lake: Path, store: Store) -> None:
    store.take_master(master([listing(1)], MON), raw(body=b"one"))
    store.take_master(master([listing(1), listing(2)], MON), raw(body=b"two"))
    kept = sorted((lake / "raw" / "2026-11-16").iterdir())
    assert sorted(path.read_bytes() for path in kept) == [b"one", b"two"]


def test_missing_is_the_cross_product_minus_what_is_covered(store: Store) -> None:
    take(store, MON, listing(1), listing(2), listing(3))
    store.commit(batch(capture(1, MON), failure(2, MON), failure(3, TUE, Outcome.EMPTY_STATED)))
    left = store.missing(store.instruments(), [MON, TUE])
    assert dict(left.schema) == {"contract": pl.Int64, "session": pl.Date}
    assert left.rows() == [(2, MON), (3, MON), (1, TUE), (2, TUE)]
    assert store.missing(store.instruments(), []).is_empty()


def test_coverage_attempts_and_means_are_tables(store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(1, TUE, count=5), failure(2, MON, reasons=("doubtful_empty", "late"))))
    store.commit(batch(failure(1, MON)))
    assert store.coverage([MON]).select("contract", "outcome", "bars", "reasons").rows() == [(1, "complete", 3, ""), (2, "failed", 0, "doubtful_empty,late")]
    assert store.coverage([]).is_empty()
    assert store.coverage(None, [1]).height == 2
    assert store.attempts([MON], [1])["outcome"].to_list() == ["complete", "failed"]
    assert store.mean_rows().rows() == [(1, 4.0)]
    assert store.unpublished() == [MON, TUE]
