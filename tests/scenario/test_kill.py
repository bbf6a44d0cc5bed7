"""Twenty times ``kill -9`` in the middle of a sync, and the lake is the one of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import random
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

KILLS_WHILE_ASKING, KILLS_WHILE_PUBLISHING = 16, 4
"""Twenty, at random counts of what the kill waits for: requests that the emulator saw, or files of the published tier."""
SESSIONS = ("--from", "2026-11-16", "--to", "2026-11-20")
SMALL_BATCHES = {"FNOLAKE_SYNC__BATCH_S": "0.2", "FNOLAKE_SYNC__BATCH_ROWS": "3000"}


def digest(lake: Path) -> tuple[str, int]:
    """A hash of all bars, hot and published, sorted by identity that holds across lakes; and how many there are."""
    with Store.open(lake, write=False) as store:
        sessions = store.coverage(None)["session"].unique().sort().to_list()
        bars = store.bars(None, sessions).collect()
        tokens = store.instruments(None).select("contract", "token", "segment").unique("contract")
    rows = bars.join(tokens, on="contract").drop("contract").sort("venue", "segment", "token", "ts")
    assert rows.select("venue", "segment", "token", "ts").is_duplicated().sum() == 0
    return hashlib.sha256(rows.write_csv().encode()).hexdigest(), rows.height


def coverage(lake: Path) -> pl.DataFrame:
    with Store.open(lake, write=False) as store:
        return store.coverage(None).select("contract", "session", "outcome", "bars").sort("contract", "session")


def agrees(lake: Path) -> None:
    """Coverage counts exactly the bars that are read."""
    with Store.open(lake, write=False) as store:
        known = store.coverage(None)
        bars = store.bars(None, known["session"].unique().to_list()).collect()
    counted = bars.group_by("contract", "session").len().select("contract", "session", bars=pl.col("len").cast(pl.Int64))
    said = known.filter(pl.col("bars") > 0).select("contract", "session", "bars")
    assert counted.sort("contract", "session").equals(said.sort("contract", "session"))


def asked(emulator: Emulator) -> int:
    """Series asked of the emulator so far."""
    return int(json.loads(json.dumps(emulator.get("/emulator/asked?log=0")))["routes"].get("TPSeries", 0))


def published(lake: Path) -> int:
    """Files in the published tier."""
    return sum(1 for tier in ("bars", "coverage") for path in (lake / tier).rglob("*") if path.is_file())


def kill_once(running: subprocess.Popen[str], due: Callable[[], bool]) -> bool:
    """Kill the process as soon as ``due`` says so; False if it ended before."""
    while running.poll() is None:
        if due():
            running.kill()
            break
    running.communicate()
    return running.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE,TCS,INFY", "--limits", "off")
    calm = desk(emulator, "calm")
    calm.run("sync", *SESSIONS, expect=0)
    requests = asked(emulator)
    rough = desk(emulator, "rough")
    rng = random.Random(20261120)
    for _ in range(KILLS_WHILE_ASKING):
        enough = asked(emulator) + rng.randint(1, requests // (2 * KILLS_WHILE_ASKING))
        assert kill_once(rough.start("sync", *SESSIONS, env=SMALL_BATCHES), lambda: asked(emulator) >= enough)  # noqa: B023
    for _ in range(KILLS_WHILE_PUBLISHING):
        files = published(rough.lake) + rng.randint(1, 4)
        assert kill_once(rough.start("sync", *SESSIONS, env=SMALL_BATCHES), lambda: published(rough.lake) >= files)  # noqa: B023
    rough.run("sync", *SESSIONS, expect=0)
    assert digest(rough.lake) == digest(calm.lake)
    assert digest(rough.lake)[1] > 0
    agrees(rough.lake)
    assert coverage(rough.lake).equals(coverage(calm.lake))


@pytest.mark.slow
def test_a_lost_ledger_is_rebuilt_from_what_is_published(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = desk(emulate("--underlyings", "TCS", "--limits", "off"))
    at.run("sync", *SESSIONS)
    before, bars = coverage(at.lake), digest(at.lake)
    for file in at.lake.glob("ledger.sqlite*"):
        file.unlink()
    at.run("upkeep", "--rebuild-ledger")
    assert coverage(at.lake).equals(before)
    assert digest(at.lake) == bars
    assert "Nothing to do" in at.run("sync", *SESSIONS).stdout


@pytest.mark.slow
def test_a_second_sync_has_nothing_to_do(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,NIFTY", "--limits", "off")
    at = desk(emulator)
    at.run("sync", "--session", "2026-11-20")
    first = asked(emulator)
    assert first > 0
    assert "Nothing to do" in at.run("sync", "--session", "2026-11-20").stdout
    assert asked(emulator) == first
    assert "symbol" not in at.run("gaps", "--session", "2026-11-20", "--format", "ndjson").stdout
