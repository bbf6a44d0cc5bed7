"""A session recorded from the socket: exact where it was heard, marked where it was not, and final after the evening's sync."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from tests.scenario.conftest import Desk, Emulator, started

from fnolake.lake import open_lake
from fnolake.query.live import provisional

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
        assert provisional(lake.store, None, [DAY]).filter(pl.col("contract").is_in(final["contract"].unique())).is_empty()
    return final, before


def compare(final: pl.DataFrame, live: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(complete live minutes that are not as they happened, minutes that happened and are in no live row), both without the auction."""
    final = final.filter(pl.col("phase") == "continuous")
    live = live.filter(pl.col("phase") == "continuous")
    claimed = live.filter("complete").select("contract", "ts", *VALUES)
    wrong = claimed.join(final.select("contract", "ts", *VALUES), on=["contract", "ts", *VALUES], how="anti")
    absent = final.join(live, on=["contract", "ts"], how="anti")
    return wrong, absent


def test_a_recorded_session_is_exact_and_is_replaced_by_the_sync(tmp_path: Path) -> None:
    with started("--date", str(DAY), "--time", "08:45", "--rate", "0", "--underlyings", "TCS,NIFTY", "--limits", "off", "--socket-cap", "500") as emulator:
        desk = morning(tmp_path, emulator)
        at(emulator, "09:05:00", 240)
        done = desk.run("live", "--format", "json")
        report = json.loads(done.stdout)
        assert report["ticks"] > 5_000
        assert report["outages"] == 0
        at(emulator, "18:30:00", 0)
        final, live = truth(desk)
        wrong, absent = compare(final, live)
        assert wrong.is_empty()
        assert live["complete"].mean() > 0.99
        assert absent.is_empty()
        score = json.loads(desk.run("live", "--score", "--session", str(DAY), "--format", "json").stdout)
        assert all(row["differs"] == row["extra"] == 0 for row in score)
        assert sum(row["equal"] for row in score) >= live.filter(pl.col("phase") != "auction").height * 0.99


@pytest.mark.slow
def test_killed_recorders_lose_only_what_they_mark(tmp_path: Path) -> None:
    with started("--date", str(DAY), "--time", "08:45", "--rate", "0", "--underlyings", "TCS,NIFTY", "--limits", "off", "--socket-cap", "500") as emulator:
        desk = morning(tmp_path, emulator)
        at(emulator, "09:05:00", 120)
        for _ in range(3):
            recorder = desk.start("live", env={"PYTHONUNBUFFERED": "1"})
            assert recorder.stderr is not None
            heard = (line for line in recorder.stderr if "ticks" in line)
            for _ in range(12):
                assert next(heard, None), "the recorder ended"
            recorder.kill()
            recorder.wait()
        desk.run("live", "--format", "json")
        at(emulator, "18:30:00", 0)
        final, live = truth(desk)
        wrong, absent = compare(final, live)
        assert wrong.is_empty()
        incomplete = live.filter(~pl.col("complete"))
        assert 0 < incomplete.height < live.height / 2
        known = live.select("contract", "ts").with_columns(seen=pl.lit(value=True))
        assert final.join(known, on=["contract", "ts"]).height > final.height / 2
        assert absent.height < final.height / 2
