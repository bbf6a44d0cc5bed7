"""Recorded minutes beside final ones: what is read, what is told as not heard, and every way in which a recording can be wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.query.lakes import FAR, MON, NEAR, NEXT, ask, commit, minutes, take_masters

from fnolake.minutes import absence_schema, live_schema
from fnolake.model import IST
from fnolake.query.live import FINDINGS, findings, score
from fnolake.store.journal import Journal, keep_findings, kept_findings
from fnolake.store.store import Store

OPEN = datetime(MON.year, MON.month, MON.day, 3, 45, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        yield opened


def record(store: Store, *bars: tuple[int, int, int, bool], away: tuple[tuple[int, int, int], ...] = ()) -> None:
    """A recording: (contract, minute, rupees, complete), and (contract, first minute, last minute) that was not heard."""
    journal = Journal(store.path, MON)
    rows = [(number, OPEN + timedelta(minutes=n), *[100 * price] * 4, 175, 1000, "continuous", whole) for number, n, price, whole in bars]
    journal.add_minutes(pl.DataFrame(rows, schema=live_schema(), orient="row"))
    spans = [(number, OPEN + timedelta(minutes=first), OPEN + timedelta(minutes=last), "continuous") for number, first, last in away]
    journal.add_absences(pl.DataFrame(spans, schema=absence_schema(), orient="row"))


def test_a_contract_session_is_read_from_one_place_and_what_was_not_heard_is_told(store: Store) -> None:
    commit(store, minutes(NEXT, MON, {0: 50.0}))
    record(store, (NEAR, 0, 40, True), (NEAR, 3, 43, False), (NEXT, 0, 99, True), away=((NEAR, 1, 3),))
    rows, gaps = ask(store, "TCS", "future", start=MON, end=MON, live=True, finished=lambda _day: False)
    assert rows.select("symbol", "close", "live", "complete").rows() == [
        ("TCS25JUL24F", 40.0, True, True), ("TCS25JUL24F", 43.0, True, False), ("TCS29AUG24F", 50.0, False, None),
    ]
    assert gaps.rows.select("symbol", "reason").rows() == [("TCS25JUL24F", "live: 3 min not heard")]
    _, early = ask(store, "TCS", "future", start="2024-07-08 09:15", end="2024-07-08 09:17", live=True, finished=lambda _day: False)
    assert early.rows["reason"].to_list() == ["live: 1 min not heard"]
    _, quiet = ask(store, "TCS", "future", start=MON, end=MON, finished=lambda _day: False)
    assert not quiet


def test_every_way_to_be_wrong_is_counted_and_named(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 40.0, 1: 41.0, 2: 42.0, 3: 43.0, 4: 44.0}), minutes(FAR, MON, {0: 60.0}))
    record(store, (NEAR, 0, 40, True), (NEAR, 1, 40, True), (NEAR, 3, 1, False), (NEAR, 7, 47, True), (NEXT, 0, 50, True), away=((NEAR, 3, 4),))
    told = score(store, MON)
    assert told.row(0, named=True) == {
        "session": MON, "symbol": "TCS25JUL24F", "minutes": 5, "equal": 1, "differs": 1, "missing": 1, "extra": 1, "incomplete": 1, "unheard": 1,
    }
    assert told.height == 1
    found = findings(store, MON)
    assert dict(found.schema) == FINDINGS
    at = [OPEN.astimezone(IST) + timedelta(minutes=n) for n in range(8)]
    assert found.select("ts", "field", "finding", "live", "final").rows() == [
        (at[1], "close", "live_differs", 40.0, 41.0), (at[1], "high", "live_differs", 40.0, 41.0), (at[1], "low", "live_differs", 40.0, 41.0),
        (at[1], "open", "live_differs", 40.0, 41.0), (at[2], "minute", "live_missing", 0.0, 1.0), (at[7], "minute", "live_extra", 1.0, 0.0),
    ]


def test_findings_are_kept_in_the_place_of_those_before(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 40.0}))
    record(store, (NEAR, 0, 39, True))
    keep_findings(store.path, MON, findings(store, MON))
    assert [one.height for one in kept_findings(store.path)] == [4]
    keep_findings(store.path, MON, findings(store, MON).clear())
    assert [one.height for one in kept_findings(store.path)] == [0]


def test_nothing_recorded_has_no_score_and_no_findings(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 40.0}))
    assert score(store, MON).is_empty()
    assert findings(store, MON).is_empty()
    assert kept_findings(store.path) == []
