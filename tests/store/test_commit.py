from __future__ import annotations

import errno
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import ConfigError, DiskFull, StoreError, StoreLocked
from fnolake.model import Outcome, Proof
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, attempt, bars, batch, capture, failure


def outcomes(store: Store) -> dict[tuple[int, object], str]:
    rows = store._ledger.rows("select contract, session, outcome from coverage")
    return {(row[0], row[1]): row[2] for row in rows}


def test_a_second_writer_is_told_who_writes(lake: Path, store: Store) -> None:
    with pytest.raises(StoreLocked, match="another process"):
        Store.open(lake, write=True)


def test_the_lock_ends_with_its_process(lake: Path) -> None:
    code = f"from pathlib import Path; from fnolake.store.store import Store; Store.open(Path({str(lake)!r}), write=True); import os; os._exit(9)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    Store.open(lake, write=True).close()


def test_a_folder_that_is_no_lake_cannot_be_read(lake: Path) -> None:
    with pytest.raises(ConfigError, match="fnolake init"):
        Store.open(lake, write=False)


def test_a_lake_before_its_first_sync_reads_as_empty(lake: Path) -> None:
    lake.mkdir()
    with Store.open(lake, write=False) as store:
        assert outcomes(store) == {}
    assert list(lake.iterdir()) == []


def test_a_reader_cannot_write(lake: Path) -> None:
    lake.mkdir()
    with Store.open(lake, write=False) as store, pytest.raises(StoreError, match="open it for writing"):
        store.commit(batch(capture(1, MON)))


def test_a_commit_records_every_attempt(store: Store) -> None:
    done = store.commit(batch(capture(1, MON), failure(2, MON)))
    assert (done.attempts, done.bars, done.won) == (2, 3, 2)
    assert sorted(outcomes(store).values()) == ["complete", "failed"]


def test_a_failed_refetch_never_unseats_a_capture(store: Store) -> None:
    store.commit(batch(capture(1, MON)))
    done = store.commit(batch(failure(1, MON, at=NOW + timedelta(hours=1))))
    assert done.won == 0
    assert list(outcomes(store).values()) == ["complete"]


@pytest.mark.parametrize(("minutes", "won"), [(1, 1), (0, 1), (-1, 0)])
def test_a_tie_goes_to_the_newer(store: Store, minutes: int, won: int) -> None:
    store.commit(batch(capture(1, MON)))
    assert store.commit(batch(capture(1, MON, at=NOW + timedelta(minutes=minutes)))).won == won


def test_verified_beats_complete(store: Store) -> None:
    store.commit(batch(capture(1, MON, proof=Proof.VERIFIED)))
    assert store.commit(batch(capture(1, MON, at=NOW + timedelta(hours=1)))).won == 0


def test_every_outcome_has_its_rank(store: Store) -> None:
    order = [Outcome.FAILED, Outcome.UNAVAILABLE, Outcome.QUARANTINED, Outcome.EMPTY_STATED, Outcome.PARTIAL, Outcome.COMPLETE]
    for outcome in order:
        assert store.commit(batch((attempt(1, MON, outcome, 0), None))).won == 1
    for outcome in order[:-1]:
        assert store.commit(batch((attempt(1, MON, outcome, 0), None))).won == 0


def test_a_batch_that_breaks_its_invariant_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="one attempt"):
        store.commit(batch(capture(1, MON), capture(1, MON)))
    with pytest.raises(ValueError, match="without an attempt"):
        store.commit(batch((attempt(1, MON), bars(2, MON))))
    with pytest.raises(ValueError, match="columns"):
        store.commit(batch((attempt(1, MON), bars(1, MON).with_columns(pl.col("volume").cast(pl.Int32)))))
    assert outcomes(store) == {}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_refuses_is_one_clear_line_and_nothing_is_recorded(lake: Path, code: int) -> None:
    def full(boundary: str) -> None:
        if boundary == "batch_written":
            raise OSError(code, "refused")

    with Store.open(lake, write=True, crash=full) as store:
        with pytest.raises(DiskFull, match="nothing was recorded"):
            store.commit(batch(capture(1, MON)))
        assert outcomes(store) == {}
        assert list((lake / "hot").iterdir()) == []


def test_after_a_full_disk_the_next_commit_works(lake: Path, store: Store) -> None:
    broken = [OSError(errno.ENOSPC, "full")]
    store._reached = lambda _: (_ for _ in ()).throw(broken.pop()) if broken else None
    with pytest.raises(DiskFull):
        store.commit(batch(capture(1, MON)))
    assert store.commit(batch(capture(1, TUE))).won == 1


def test_state_is_private_atomic_and_by_key(lake: Path, store: Store) -> None:
    assert store.state.load("budget/main") is None
    store.state.save("budget/main", b"1")
    store.state.save("Budget/main", b"2")
    store.state.save("budget/main", b"3")
    assert store.state.load("budget/main") == b"3"
    assert store.state.load("Budget/main") == b"2"
    assert {oct(file.stat().st_mode & 0o777) for file in (lake / "state").iterdir()} == {"0o600"}
    store.state.delete("budget/main")
    store.state.delete("budget/main")
    assert store.state.load("budget/main") is None
