"""A session recorded from the socket: exact where it was heard, marked where it was not, and final after the evening's sync."""

from __future__ import annotations

import json
import signal
import subprocess
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.scenario.conftest import Desk, Emulator, started

from fnolake.errors import GapWarning
from fnolake.lake import open_lake
from fnolake.query.live import provisional
from fnolake.store.journal import absences

DAY = date(2026, 11, 20)
VALUES = ["open_paise", "high_paise", "low_paise", "close_paise", "volume"]


def morning(tmp_path: Path, emulator: Emulator) -> Desk:
    """A lake signed in, with masters, in the pre-open of the session."""
    desk = Desk(tmp_path / "lake", emulator.url, {"FNOLAKE_LIVE__STRIKES": "5", "FNOLAKE_LIVE__SILENCE_S": "2"})
    desk.sign_in()
    desk.run("instruments", "sync")
    return desk


def at(emulator: Emulator, instant: str, rate: float | None = None) -> None:
    emulator.post("/emulator/clock", {"set": f"{DAY}T{instant}+05:30", **({} if rate is None else {"rate": rate})})


def truth(desk: Desk) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(final bars, provisional bars) after the evening's sync, of contracts that were recorded."""
    with open_lake(desk.lake, environ=desk.environment()) as lake:
        before = provisional(lake.store, None, [DAY])
    desk.run("sync", "--session", str(DAY))
    with open_lake(desk.lake, environ=desk.environment()) as lake:
        final = lake.store.bars(before["contract"].unique().to_list(), [DAY]).collect()
        assert provisional(lake.store, None, [DAY]).filter(pl.col("contract").is_in(final["contract"].unique().to_list())).is_empty()
    return final, before


def compare(desk: Desk, final: pl.DataFrame, live: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Of continuous trading: complete live minutes that are not as they happened, and minutes that happened, until the last recorded one,
    and are neither in a live row nor known as not heard.
    """
    final = final.filter(pl.col("phase") == "continuous", pl.col("ts") < live["ts"].max())
    live = live.filter(pl.col("phase") == "continuous", pl.col("ts") < live["ts"].max())
    claimed = live.filter("complete").select("contract", "ts", *VALUES)
    wrong = claimed.join(final.select("contract", "ts", *VALUES), on=["contract", "ts", *VALUES], how="anti")
    away = absences(desk.lake / "live" / DAY.isoformat()).with_columns(ts=pl.datetime_ranges("first", "last", "1m")).explode("ts")
    absent = final.join(live, on=["contract", "ts"], how="anti").join(away, on=["contract", "ts"], how="anti")
    return wrong, absent


def held_against_the_evening(desk: Desk) -> pl.DataFrame:
    """
    After the evening's sync: complete minutes are exact, absent ones are known, and every recorded contract is final and verified by the
    exchange's file, but for indices, which are in none. Gives back what was recorded.
    """
    final, live = truth(desk)
    wrong, absent = compare(desk, final, live)
    assert wrong.is_empty()
    assert absent.is_empty()
    with open_lake(desk.lake, environ=desk.environment()) as lake:
        facts = lake.store.instruments(DAY).select("contract", "kind", "is_index")
        rows = lake.store.coverage([DAY]).join(live, on="contract", how="semi").join(facts, on="contract")
    assert rows.height == live["contract"].n_unique()
    assert rows.filter(pl.col("proof") != "verified", ~(pl.col("is_index") & (pl.col("kind") == "spot"))).is_empty()
    return live


def recorder(desk: Desk) -> tuple[subprocess.Popen[str], Iterator[str]]:
    """A started recorder and its lines about ticks, one a minute of the session."""
    process = desk.start("live", "--format", "json", env={"PYTHONUNBUFFERED": "1"})
    assert process.stderr is not None
    return process, (line for line in process.stderr if "ticks" in line)


def hear(lines: Iterator[str], count: int) -> None:
    for _ in range(count):
        assert next(lines, None), "the recorder ended"


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Ctrl-C, and what the recorder says at the end."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    return json.loads(out)


def test_what_is_heard_is_exact_and_is_replaced_by_the_sync(tmp_path: Path) -> None:
    with started("--date", str(DAY), "--time", "08:45", "--rate", "0", "--underlyings", "TCS,NIFTY", "--limits", "off", "--socket-cap", "500") as emulator:
        desk = morning(tmp_path, emulator)
        at(emulator, "09:05:00", 120)
        process, lines = recorder(desk)
        hear(lines, 45)
        with open_lake(desk.lake, environ=desk.environment()) as lake, warnings.catch_warnings(action="ignore", category=GapWarning):
            seen = lake.bars("NIFTY", kind="future", expiry="near", start=DAY, live=True)
        assert seen["live"].all()
        assert seen.height > 5
        report = end(process)
        assert report["ticks"] > 1_000
        assert report["outages"] == 0
        at(emulator, "18:30:00", 0)
        live = held_against_the_evening(desk)
        assert live["complete"].mean() > 0.9
        score = json.loads(desk.run("live", "--score", "--session", str(DAY), "--format", "json").stdout)
        assert all(row["differs"] == row["extra"] == 0 for row in score)
        assert sum(row["equal"] for row in score) == live.filter("complete", pl.col("phase") != "auction").height
        assert (desk.lake / "live" / str(DAY) / "findings.parquet").exists()
        found = json.loads(desk.run("sql", "select finding, count(*) as n from live_findings group by all", "--format", "json").stdout)
        assert {row["finding"] for row in found} <= {"live_missing"}


def test_ten_killed_recorders_lose_only_what_they_mark(tmp_path: Path) -> None:
    with started("--date", str(DAY), "--time", "08:45", "--rate", "0", "--underlyings", "TCS", "--limits", "off", "--socket-cap", "500") as emulator:
        desk = morning(tmp_path, emulator)
        at(emulator, "09:05:00", 120)
        for _ in range(10):
            process, lines = recorder(desk)
            hear(lines, 6)
            process.kill()
            process.communicate()
        process, lines = recorder(desk)
        hear(lines, 6)
        with open_lake(desk.lake, environ=desk.environment()) as lake, pytest.warns(GapWarning, match="min not heard"):
            assert lake.bars("TCS", kind="future", expiry="near", start=DAY, live=True).height > 10
        end(process)
        at(emulator, "18:30:00", 0)
        live = held_against_the_evening(desk)
        assert 0 < live.filter(~pl.col("complete")).height < live.filter("complete").height
        score = json.loads(desk.run("live", "--score", "--session", str(DAY), "--format", "json").stdout)
        assert sum(row["unheard"] for row in score) > 0
        assert all(row["differs"] == row["extra"] == 0 for row in score)


def test_dropped_and_silent_sockets_and_a_broker_that_restarts_cost_only_what_is_marked(tmp_path: Path) -> None:
    with started("--date", str(DAY), "--time", "08:45", "--rate", "0", "--underlyings", "TCS", "--limits", "off", "--socket-cap", "500") as emulator:
        desk = morning(tmp_path, emulator)
        at(emulator, "09:05:00", 60)
        process, lines = recorder(desk)
        hear(lines, 12)
        for _ in range(4):
            emulator.post("/emulator/faults", {"fault": "socket_drop", "count": 1})
            hear(lines, 3)
        emulator.post("/emulator/faults", {"fault": "half_open_socket", "count": 1})
        hear(lines, 10)
        emulator.post("/emulator/providers", {"kill": "shoonya"})
        hear(lines, 4)
        emulator.post("/emulator/providers", {"revive": "shoonya"})
        hear(lines, 15)
        report = end(process)
        assert report["outages"] >= 6
        at(emulator, "18:30:00", 0)
        live = held_against_the_evening(desk)
        assert 0 < live.filter(~pl.col("complete")).height < live.filter("complete").height
