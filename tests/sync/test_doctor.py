"""Each check of the doctor fails when it should, warns when it should, and says how it is mended."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fnolake.config import Settings, load
from fnolake.market.calendar import Calendar
from fnolake.provider.clock import SystemClock
from fnolake.provider.http import Http
from fnolake.store.store import Store
from fnolake.sync import checkup
from fnolake.sync.checkup import lake_checks
from fnolake.sync.doctor import clock_check
from fnolake.sync.status import Check

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


class Room(NamedTuple):
    total: int
    used: int
    free: int


def looked(path: Path, now: datetime = NOW, settings: Settings | None = None) -> dict[str, Check]:
    with Store.open(path, write=False) as store:
        return {check.name: check for check in lake_checks(settings or load(path, {}), store, Calendar.bundled(), now)}


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    with Store.open(tmp_path, write=True) as store:
        store.state.save("sign-in-shoonya-demo", b"{}")
    return tmp_path


def test_every_check_that_is_not_well_says_how_it_is_mended(lake: Path) -> None:
    found = looked(lake)
    assert {name for name, check in found.items() if check.level == "fail"} == {"masters"}
    assert {name for name, check in found.items() if check.level == "warn"} == {"calendar ahead", "certificate", "exchange files"}
    assert all(check.mend for check in found.values() if check.level != "ok")
    assert all("\n" not in check.detail + check.mend for check in found.values())


def test_a_full_disk_is_wrong(lake: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkup.shutil, "disk_usage", lambda _path: Room(10, 9, 1 << 30))
    check = looked(lake)["disk"]
    assert check.level == "fail"
    assert check.mend.startswith("free 2 GB")


@pytest.mark.skipif(sys.platform == "win32", reason="modes are of POSIX")
def test_a_sign_in_that_others_can_read_is_wrong(lake: Path) -> None:
    assert looked(lake)["private files"].level == "ok"
    (lake / "state" / "sign-in-shoonya-demo").chmod(0o644)
    check = looked(lake)["private files"]
    assert check.level == "fail"
    assert "chmod 600" in check.mend


def test_who_writes_is_named(lake: Path) -> None:
    import os

    assert looked(lake)["writer"].detail == "nobody writes this lake now"
    with Store.open(lake, write=True):
        assert f"process {os.getpid()}" in looked(lake)["writer"].detail
    assert looked(lake)["writer"].detail == "nobody writes this lake now"


def test_dates_ahead_that_are_not_known_are_counted(lake: Path) -> None:
    check = looked(lake)["calendar ahead"]
    assert check.warn
    assert "until 2026-12-31" in check.detail
    assert looked(lake, NOW - timedelta(days=100))["calendar ahead"].level == "ok"
    assert looked(lake, NOW)["calendar"].level == "ok"


def test_a_log_is_shown(lake: Path) -> None:
    settings = load(lake, {"FNOLAKE_LOG__FILE": "fnolake.log"})
    assert looked(lake, settings=settings)["log"].detail == "fnolake.log, level info"


def test_who_is_told_is_counted(lake: Path) -> None:
    assert looked(lake)["alerts"].detail == "nobody is told; see [alerts]"
    settings = load(lake, {"FNOLAKE_ALERTS__TO": "env:A,env:B"})
    assert looked(lake, settings=settings)["alerts"].detail.startswith("2 addresses are told")


class Shifted(SystemClock):
    def __init__(self, by_s: float) -> None:
        self.by_s = by_s

    def wall(self) -> float:
        return super().wall() + self.by_s


@pytest.mark.parametrize(("by_s", "level", "words"), [(0, "ok", "in step"), (12, "warn", "s ahead"), (-12, "warn", "s behind"), (90, "fail", "s ahead"), (-90, "fail", "behind")])
async def test_a_clock_that_is_off_is_said(by_s: float, level: str, words: str) -> None:
    async with TestServer(web.Application()) as server, Http() as http:
        check = await clock_check(http, "shoonya", str(server.make_url("")).rstrip("/"), Shifted(by_s))
    assert check.level == level
    assert words in check.detail


async def test_a_provider_that_does_not_answer_is_wrong() -> None:
    async with Http() as http:
        check = await clock_check(http, "shoonya", "http://127.0.0.1:9", SystemClock())
    assert check.level == "fail"
    assert check.mend


def test_levels_follow_from_what_is_wrong() -> None:
    check = Check("x", ok=True, detail="")
    assert [one.level for one in (check, replace(check, warn=True), replace(check, ok=False), replace(check, ok=False, warn=True))] == ["ok", "warn", "fail", "fail"]
