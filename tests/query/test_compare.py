"""What two providers said, in rupees and IST, and each provider's summary."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.store.conftest import MON, NOW, TUE, attempt, bars, batch, capture, listing, master, raw

import fnolake
from fnolake.model import IST, Compared
from fnolake.query.compare import DIFFERENCES, SUMMARY, read
from fnolake.store.store import Store
from fnolake.verify import compare

MINUTE = datetime(2026, 11, 16, 9, 16, tzinfo=IST)


def look(store: Store, contract: int, theirs: pl.DataFrame, session: date = MON, kept: str = "first") -> None:
    """Record that the second provider said ``theirs`` where the first said three plain bars."""
    said = replace(attempt(contract, session, at=NOW + timedelta(hours=1)), provider="firstock")
    comparison = compare(bars(contract, session), theirs)
    made = batch((said, theirs if kept == "second" else None))
    store.commit(replace(made, compared=(Compared(contract, session, "shoonya", 1, comparison, kept, "wider_range"),)))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True, grace_s=0.0) as opened:
        yield opened


@pytest.fixture
def compared(store: Store) -> Store:
    """Contract 1 has a clipped high and less volume, 2 lacks a minute at the first, 3 agrees, on Monday; 1 agrees on Tuesday."""
    store.take_master(master([listing(1), listing(2, underlying="INFY"), listing(3)], MON), raw())
    store.commit(batch(*(capture(number, MON) for number in (1, 2, 3)), capture(1, TUE)))
    second_bar = pl.int_range(pl.len()) == 1
    clipped = bars(1, MON).with_columns(
        high_paise=pl.when(second_bar).then(10_002).otherwise("high_paise").cast(pl.Int32), volume=pl.col("volume") - second_bar.cast(pl.Int64),
    )
    look(store, 1, clipped)
    look(store, 2, bars(2, MON, count=4), kept="second")
    look(store, 3, bars(3, MON))
    look(store, 1, bars(1, TUE), TUE)
    return store


def rows(store: Store, start: date | None = None, end: date | None = None) -> pl.DataFrame:
    return read(store, store.instruments(None), start, end).differences


def test_a_difference_is_in_rupees_and_ist_with_who_said_what(compared: Store) -> None:
    high = rows(compared).filter(pl.col("field") == "high")
    assert dict(high.schema) == DIFFERENCES
    assert high.rows() == [
        ("TCS24NOV26C1", MON, MINUTE, "high", "clipped_high", "shoonya", 100.06, "firstock", 100.02, -0.04, "shoonya", "wider_range"),
    ]


def test_volume_is_units_and_a_missing_minute_is_null(compared: Store) -> None:
    assert rows(compared).filter(pl.col("field") == "volume").select("first", "second", "size").rows() == [(200.0, 199.0, -1.0)]
    assert rows(compared).filter(pl.col("field") == "minute").select("first", "second", "size", "kept").rows() == [(None, 1.0, None, "firstock")]


def test_each_provider_has_its_own_faults_in_the_summary(compared: Store) -> None:
    summary = read(compared, compared.instruments(None), None, None).summary
    assert dict(summary.schema) == SUMMARY
    assert summary.rows() == [("firstock", 4, 2, 1, 0, 1, 0, 1, 0), ("shoonya", 4, 2, 3, 1, 0, 0, 1, 0)]


def test_sessions_and_contracts_narrow_it(compared: Store) -> None:
    assert rows(compared, TUE).is_empty()
    assert rows(compared, None, MON).height == 3
    only = read(compared, compared.instruments(None).filter(pl.col("underlying") == "INFY"), None, None)
    assert only.differences["field"].to_list() == ["minute"]
    assert only.summary["compared"].to_list() == [1, 1]


def test_nothing_compared_is_no_rows(store: Store) -> None:
    found = read(store, store.instruments(None), None, None)
    assert (found.differences.height, found.summary.height) == (0, 0)


def test_a_lake_answers_the_same(compared: Store) -> None:
    path: Path = compared.path
    compared.close()
    with fnolake.open(path) as lake:
        assert lake.compare(underlying=["INFY"])["field"].to_list() == ["minute"]
        assert lake.compare(start=TUE, summary=True)["agreed"].to_list() == [1, 1]
