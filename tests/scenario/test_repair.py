"""Faults of one evening are gone after the next: what was spoiled is asked again, replaced, and kept as a revision."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest

import fnolake
from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

FRI = date(2026, 11, 20)
FAULTS = ("missing_minute", "clip_high", "volume_shift", "false_no_data", "late_last_bar")


def seen(at: Desk) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Coverage and bars of Friday, and what was replaced."""
    with Store.open(at.lake, write=False) as store:
        bars = store.bars(None, [FRI]).select("contract", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume")
        return store.coverage([FRI]), bars.sort("contract", "ts").collect(), store.revisions([FRI])


@pytest.mark.slow
def test_what_one_evening_spoiled_the_next_one_mends_and_keeps_as_revisions(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    words = ("--underlyings", "TCS", "--limits", "off")
    clean = desk(emulate(*words), "clean")
    clean.run("sync")
    emulator = emulate(*words)
    at = desk(emulator, "spoiled")
    at.env["FNOLAKE_REPAIR__SECOND_DAY"] = "1"
    for n, fault in enumerate(FAULTS):
        emulator.post("/emulator/faults", {"fault": fault, "route": "TPSeries", "after": 5 + 11 * n, "count": 4})
    first = at.run("sync", expect=3)
    truth = seen(clean)[1]
    assert not seen(at)[1].equals(truth), first.stderr
    struck = {one["fault"]: one["struck"] for one in emulator.get("/emulator/faults")["faults"]}  # type: ignore[attr-defined]
    assert all(struck[fault] for fault in FAULTS), struck
    urllib.request.urlopen(urllib.request.Request(emulator.url + "/emulator/faults", method="DELETE"), timeout=10).close()
    emulator.post("/emulator/clock", {"advance": 86_400})
    done = at.run("sync")
    coverage, bars, revisions = seen(at)
    assert bars.equals(truth), done.stdout + done.stderr
    traded = coverage.filter(pl.col("bars") > 0)
    clean_proof = seen(clean)[0].filter(pl.col("bars") > 0)
    assert traded.select("contract", "proof").equals(clean_proof.select("contract", "proof"))
    assert traded.filter(pl.col("proof") == "mismatch").is_empty()
    with fnolake.open(at.lake) as lake:
        names = lake.instruments().select("contract", "kind")
        assert traded.join(names, on="contract").filter(pl.col("kind") == "option")["proof"].unique().to_list() == ["verified"]
    assert revisions.height > 0
    with Store.open(at.lake, write=False) as store:
        evening = store.attempts([FRI])["fetched_at"].min()
        assert evening is not None
        old = store.bars_as_of(None, [FRI], evening.replace(hour=18)).collect()  # type: ignore[union-attr]
        assert old.height < bars.height
