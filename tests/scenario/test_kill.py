"""Twenty times ``kill -9`` in the middle of a sync, and the lake is the one of an undisturbed run."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

KILLS = 20
SESSIONS = ("--from", "2026-11-18", "--to", "2026-11-20")
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


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_double_nothing(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE,TCS,INFY", "--limits", "off")
    calm = desk(emulator, "calm")
    calm.run("sync", *SESSIONS, expect=0)
    rough = desk(emulator, "rough")
    rng = random.Random(20261120)
    killed = 0
    for _ in range(KILLS):
        running = rough.start("sync", *SESSIONS, env=SMALL_BATCHES)
        try:
            running.communicate(timeout=rng.uniform(0.8, 2.6))
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            killed += 1
    assert killed >= KILLS // 2, "the syncs ended before they could be killed: make the job larger"
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


def asked(emulator: Emulator) -> int:
    return int(json.loads(json.dumps(emulator.get("/emulator/asked")))["routes"].get("TPSeries", 0))


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
