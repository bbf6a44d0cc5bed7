"""A real child process dies at each boundary of a write; what is reopened is the lake before or after, never between."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fnolake.store.store import Store

from .conftest import MON, TUE, batch, capture

HERE = Path(__file__).parents[2]
CHILD = """
import os, signal, sys
from datetime import timedelta
from pathlib import Path
from fnolake.store.store import Store
from tests.store.conftest import MON, NOW, batch, capture

boundary, how, step, lake = sys.argv[1:5]

def die(name):
    if name == boundary:
        os._exit(9) if how == "exit" else os.kill(os.getpid(), signal.SIGKILL)

with Store.open(Path(lake), write=True, grace_s=0.0, crash=die) as store:
    if step == "commit":
        store.commit(batch(capture(1, MON, count=5, price=20_000, at=NOW + timedelta(hours=1)), capture(2, MON)))
    else:
        store.publish(MON)
"""
OLD = [(1, 10_000)] * 3
NEW = [(1, 20_000)] * 5 + [(2, 10_000)] * 3


def die_in(lake: Path, step: str, boundary: str, how: str) -> None:
    done = subprocess.run([sys.executable, "-c", CHILD, boundary, how, step, str(lake)], cwd=HERE, check=False)
    assert done.returncode in {9, -signal.SIGKILL}


def seen(store: Store) -> list[tuple[int, int]]:
    rows = store.bars(None, [MON]).sort("contract", "ts").collect()
    return [(number, price // 10_000 * 10_000) for number, price in rows.select("contract", "open_paise").iter_rows()]


def agrees(store: Store) -> None:
    known = dict(store.coverage([MON]).select("contract", "bars").iter_rows())
    counted: dict[int, int] = {}
    for number, _ in seen(store):
        counted[number] = counted.get(number, 0) + 1
    assert counted == known


@pytest.mark.parametrize("how", ["exit", "kill"])
@pytest.mark.parametrize(("boundary", "after"), [("batch_written", OLD), ("batch_fsynced", OLD), ("ledger_committed", NEW)])
def test_a_commit_that_dies_is_whole_or_nothing(lake: Path, boundary: str, after: list[tuple[int, int]], how: str) -> None:
    with Store.open(lake, write=True) as store:
        store.commit(batch(capture(1, MON)))
    die_in(lake, "commit", boundary, how)
    with Store.open(lake, write=True) as store:
        assert seen(store) == after
        agrees(store)
        assert store.commit(batch(capture(3, TUE))).won == 1
        assert store.bars([3], [TUE]).collect().height == 3


@pytest.mark.parametrize("republished", [False, True])
@pytest.mark.parametrize("boundary", ["delta_committed", "version_recorded", "batches_dropped"])
def test_a_publish_that_dies_changes_nothing_that_is_read(lake: Path, boundary: str, republished: bool) -> None:
    with Store.open(lake, write=True, grace_s=0.0) as store:
        store.commit(batch(capture(1, MON)))
        if republished:
            store.publish(MON)
    with Store.open(lake, write=True, grace_s=0.0, crash=None) as store:
        store.commit(batch(capture(2, MON)))
        before = seen(store)
    die_in(lake, "publish", boundary, "kill")
    with Store.open(lake, write=True, grace_s=0.0) as store:
        assert seen(store) == before
        agrees(store)
        assert store.unpublished() == ([MON] if boundary == "delta_committed" else [])
        store.commit(batch(capture(4, MON)))
        store.publish(MON)
        agrees(store)
        assert {number for number, _ in seen(store)} == {1, 2, 4}
        store.upkeep()
        agrees(store)
        assert list((lake / "hot").iterdir()) == []
