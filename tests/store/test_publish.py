from __future__ import annotations

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq
import pytest

from fnolake.errors import StoreError
from fnolake.model import BAR_SORT, Outcome, bar_schema
from fnolake.store import publish as publishing
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, attempt, bars, batch, capture, failure

LATER = NOW + timedelta(hours=1)


def rows(store: Store, *days: object) -> list[tuple[object, ...]]:
    return store.bars(None, list(days) or [MON, TUE]).select("contract", "session", "ts", "open_paise").sort("contract", "ts").collect().rows()


def files(lake: Path, pattern: str) -> list[Path]:
    return sorted(path for path in lake.glob(pattern) if path.is_file())


def test_bars_are_read_from_the_batch_that_coverage_names(store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON)))
    store.commit(batch(capture(1, MON, count=5, price=20_000, at=LATER)))
    found = store.bars(None, [MON]).collect()
    assert dict(found.schema) == bar_schema()
    assert dict(found.group_by("contract").agg(pl.col("open_paise").min()).iter_rows()) == {1: 20_000, 2: 10_000}
    assert store.bars([1], [MON]).collect().height == 5
    assert store.bars([], [MON]).collect().is_empty()
    assert store.bars([1], []).collect().is_empty()
    assert store.bars([1], [TUE]).collect().is_empty()


def test_publishing_changes_nothing_that_is_read(lake: Path, store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON), capture(1, TUE), failure(3, MON)))
    before, known = rows(store), store.coverage().drop("batch")
    done = store.publish(MON)
    assert (done.rows, store.unpublished()) == (6, [TUE])
    store.publish(TUE)
    assert rows(store) == before
    assert store.coverage().drop("batch").equals(known)
    assert files(lake, "hot/*") == []
    assert dict(store.bars(None, [MON]).collect_schema()) == bar_schema()


def test_a_correction_is_laid_over_and_published_over(lake: Path, store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON)))
    store.publish(MON)
    store.commit(batch(capture(1, MON, count=2, price=20_000, at=LATER)))
    corrected = rows(store)
    assert [row[3] for row in corrected] == [20_000, 20_001, 10_000, 10_001, 10_002]
    assert store.publish(MON).rows == 5
    assert rows(store) == corrected
    assert store.bars([1], [MON]).collect().height == 2
    delta = pl.scan_delta(str(lake / "bars")).collect()
    assert delta.height == 5


def test_a_capture_that_is_replaced_by_no_bars_is_gone(store: Store) -> None:
    store.commit(batch((attempt(1, MON, Outcome.PARTIAL), bars(1, MON)), capture(2, MON)))
    store.publish(MON)
    store.commit(batch((attempt(1, MON, Outcome.COMPLETE, 0), None)))
    assert {row[0] for row in rows(store)} == {2}
    store.publish(MON)
    assert {row[0] for row in rows(store)} == {2}
    assert store.publish(MON).rows == 3


def test_a_failure_alone_rewrites_no_bars(lake: Path, store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    first = store.publish(MON)
    store.commit(batch(failure(2, MON)))
    assert store.unpublished() == [MON]
    assert store.publish(MON).version == first.version
    assert len(files(lake, "bars/session=*/*")) == 1
    assert pl.scan_delta(str(lake / "coverage")).collect()["outcome"].to_list() == ["complete", "failed"]


def test_a_session_without_bars_publishes_its_coverage(store: Store) -> None:
    store.commit(batch(failure(1, MON)))
    assert store.publish(MON).rows == 0
    assert store.unpublished() == []
    assert rows(store) == []


def test_the_file_is_sorted_and_in_few_row_groups(lake: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publishing, "PIECE_ROWS", 7)
    monkeypatch.setattr(publishing, "ROWS_A_FILE", 7)
    names = ["TCS", "INFY", "M&M", "SBIN"]
    store.commit(batch(*((attempt(n, MON), bars(n, MON, underlying=names[n % 4])) for n in range(1, 20))))
    store.publish(MON)
    file = pl.read_parquet(files(lake, "bars/session=*/*")[0], hive_partitioning=False)
    assert file.equals(file.sort(BAR_SORT))
    assert file.height == 57
    assert pq.ParquetFile(files(lake, "bars/session=*/*")[0]).num_row_groups == 1
    assert {c.physical_type for c in [pq.ParquetFile(files(lake, "bars/session=*/*")[0]).schema.column(n) for n in range(8, 12)]} == {"INT32"}


def test_two_bars_of_one_minute_are_never_published(lake: Path, store: Store) -> None:
    twice = pl.concat([bars(1, MON), bars(1, MON)])
    store.commit(batch((attempt(1, MON, count=6), twice)))
    with pytest.raises(StoreError, match="twice"):
        store.publish(MON)
    assert files(lake, "bars/session=*/*") == []
    assert store.unpublished() == [MON]


def test_a_reader_that_began_before_a_publish_reads_on(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=60.0) as store:
        store.commit(batch(capture(1, MON)))
        with Store.open(lake, write=False) as reader:
            scan = reader.bars(None, [MON])
            store.publish(MON)
            store.commit(batch(capture(1, MON, price=20_000, at=LATER)))
            store.publish(MON)
            assert scan.collect()["open_paise"].min() == 10_000
            assert reader.bars(None, [MON]).collect()["open_paise"].min() == 20_000
        assert len(files(lake, "hot/*")) == 2


def test_a_lake_whose_path_has_an_equals_sign_is_read(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a=b", write=True) as store:
        store.commit(batch(capture(1, MON)))
        store.publish(MON)
        assert store.bars([1], [MON]).collect()["session"].to_list() == [MON] * 3


def test_readers_in_another_process_never_see_half(lake: Path, store: Store) -> None:
    store._grace_s = 60.0
    code = (
        "import sys; from pathlib import Path; from datetime import date; from fnolake.store.store import Store\n"
        f"store = Store.open(Path({str(lake)!r}), write=False)\nprint('ready', flush=True)\nseen = set()\n"
        "for _ in range(2000):\n    n = store.bars(None, [date(2026, 11, 16)]).collect().height\n    seen.add(n)\n    if n == 36: break\n"
        "print(sorted(seen))"
    )
    store.commit(batch(*(capture(n, MON) for n in range(1, 4))))
    reader = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert reader.stdout is not None
    assert reader.stdout.readline() == "ready\n"
    for first in range(4, 13, 3):
        store.commit(batch(*(capture(n, MON) for n in range(first, first + 3))))
        store.publish(MON)
    said, _ = reader.communicate(timeout=120)
    assert reader.returncode == 0
    assert set(eval(said)) <= {9, 18, 27, 36}


def test_replaced_bars_are_kept_with_both_provenances(store: Store) -> None:
    store.commit(batch(capture(1, MON), capture(2, MON)))
    store.publish(MON)
    assert store.revisions().is_empty()
    changed = bars(1, MON).with_columns(open_paise=pl.Series([10_000, 10_001, 10_004], dtype=pl.Int32))
    store.commit(batch((attempt(1, MON, at=LATER), changed)))
    store.publish(MON)
    rows = store.revisions([MON])
    assert rows.select("contract", "open_paise", "was_attempt", "by_attempt").rows() == [(1, 10_002, 1, 3)]
    assert store.revisions([TUE]).is_empty()
    store.commit(batch(capture(1, MON, price=20_000, at=LATER)))
    store.commit(batch(capture(1, MON, price=30_000, at=LATER)))
    store.publish(MON)
    found = {(was, by): count for was, by, count in store.revisions([MON]).group_by("was_attempt", "by_attempt").len().iter_rows()}
    assert found == {(1, 3): 1, (3, 5): 3, (4, 5): 3}
