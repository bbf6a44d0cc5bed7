"""Bars as they were known at an instant, wherever they are by now."""

from datetime import timedelta

import polars as pl
import pytest
from tests.store.conftest import MON, NOW, attempt, bars, batch, capture, failure

from fnolake.errors import ConfigError, NotCovered
from fnolake.model import Outcome, Proof
from fnolake.query.bars import instant_of, read
from fnolake.store.store import Store

BEFORE, BETWEEN, AFTER = NOW - timedelta(hours=1), NOW + timedelta(hours=12), NOW + timedelta(days=2)
NEXT = NOW + timedelta(days=1)


def opens(store: Store, at: object) -> list[int]:
    return store.bars_as_of([1], [MON], at).sort("ts").collect()["open_paise"].to_list()  # type: ignore[arg-type]


@pytest.mark.parametrize("published", [(False, False), (True, False), (False, True), (True, True)])
def test_each_capture_is_read_from_when_it_was_made(store: Store, published: tuple[bool, bool]) -> None:
    for at, price, publish in ((NOW, 10_000, published[0]), (NEXT, 20_000, published[1])):
        store.commit(batch(capture(1, MON, price=price, at=at), capture(2, MON, at=NOW)))
        if publish:
            store.publish(MON)
            store.upkeep(NEXT)
    assert opens(store, BEFORE) == []
    assert opens(store, BETWEEN) == [10_000, 10_001, 10_002]
    assert opens(store, AFTER) == [20_000, 20_001, 20_002]
    assert store.bars_as_of(None, [MON], BETWEEN).collect().height == 6


def test_a_minute_that_came_later_was_not_known_before(store: Store) -> None:
    whole = bars(1, MON, count=5)
    lacking = whole.filter(pl.col("ts") != whole["ts"][2])
    store.commit(batch((attempt(1, MON, count=4, outcome=Outcome.PARTIAL), lacking)))
    store.publish(MON)
    store.commit(batch((attempt(1, MON, count=5, at=NEXT), whole)))
    store.publish(MON)
    store.upkeep(NEXT)
    assert store.bars_as_of([1], [MON], BETWEEN).sort("ts").collect().equals(lacking)
    assert store.bars_as_of([1], [MON], AFTER).collect().height == 5


def test_only_what_differs_of_a_corrected_bar_is_kept_and_the_rest_is_put_together(store: Store) -> None:
    first, second, third = (bars(1, MON).with_columns(open_paise=pl.Series(values, dtype=pl.Int32)) for values in ([1, 2, 3], [1, 9, 3], [1, 9, 7]))
    for step, table in enumerate((first, second, third)):
        store.commit(batch((attempt(1, MON, at=NOW + timedelta(days=step)), table)))
        store.publish(MON)
        store.upkeep(NEXT)
    assert store.revisions().height == 2
    assert [opens(store, NOW + timedelta(days=step, hours=1)) for step in range(3)] == [[1, 2, 3], [1, 9, 3], [1, 9, 7]]


def test_what_failed_or_lost_was_never_known(store: Store) -> None:
    store.commit(batch(capture(1, MON, proof=Proof.VERIFIED)))
    store.commit(batch(capture(1, MON, price=20_000, at=NEXT, outcome=Outcome.PARTIAL)))
    store.commit(batch(failure(1, MON, at=NEXT)))
    assert opens(store, BETWEEN) == opens(store, AFTER) == [10_000, 10_001, 10_002]


def test_what_is_kept_nowhere_is_an_error(store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    store.commit(batch(capture(1, MON, price=20_000, at=NEXT)))
    for file in (store.path / "hot").iterdir():
        if bars_in(file)["open_paise"][0] == 10_000:
            file.unlink()
    with pytest.raises(NotCovered) as caught:
        store.bars_as_of([1], [MON], BETWEEN)
    assert caught.value.missing == [(1, MON)]
    assert opens(store, AFTER) == [20_000, 20_001, 20_002]


def bars_in(path: object) -> pl.DataFrame:
    return pl.read_parquet(path)  # type: ignore[arg-type]


def test_an_instant_without_a_zone_is_in_ist_and_nonsense_is_refused(store: Store) -> None:
    assert instant_of("2026-11-21 08:00").isoformat() == "2026-11-21T08:00:00+05:30"
    assert instant_of(NOW) == NOW
    with pytest.raises(ConfigError):
        instant_of("yesterday")
    store.commit(batch(capture(1, MON)))
    assert read(store, [1], [MON], as_of="2026-11-20 18:29").is_empty()
    assert read(store, [1], [MON], as_of="2026-11-20 18:31").height == 3
