"""Which sessions and contracts are known, without reading all of coverage."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from fnolake.model import Attempt, Batch, Outcome, Verdict, bar_schema, quarantine_schema
from fnolake.store.store import Store

MON, TUE, WED = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def empty(contract: int, day: date) -> Attempt:
    return Attempt(contract, day, Verdict(Outcome.EMPTY_STATED), "shoonya", "a", NOW)


def test_a_lake_that_knows_nothing_has_no_session(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lake", write=True) as store:
        assert store.sessions() == []
        assert store.sessions([1]) == []
        assert store.captured(MON) == []


def test_sessions_ascend_and_those_of_a_contract_have_bars(tmp_path: Path) -> None:
    batch = Batch(
        (empty(1, WED), empty(2, MON), empty(1, TUE)), pl.DataFrame(schema=bar_schema()), pl.DataFrame(schema=quarantine_schema()),
    )
    with Store.open(tmp_path / "lake", write=True) as store:
        store.commit(batch)
        assert store.sessions() == [MON, TUE, WED]
        assert store.sessions([1]) == []
        assert store.captured(TUE) == [1]
        assert store.captured(MON) == [1, 2]
