"""Emulated days run by the daemon: each state told, a certificate for each session, and ``kill -9`` in every state resumes."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.scenario import week
from tests.scenario.test_kill import agrees, asked, digest
from tests.scenario.week import LONGEST_S, ahead_of, at, running, set_clock, states

from fnolake.store.store import Store
from fnolake.sync.day import EVENING

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

FRIDAY, MONDAY, WEDNESDAY = date(2026, 11, 20), date(2026, 11, 23), date(2026, 11, 25)
"""A weekend lies between the first two, a holiday between the last two; Monday is an expiry day of everything monthly."""
def told(process: subprocess.Popen[str], emulator: Emulator, until: datetime) -> Iterator[str]:
    """Its lines, the emulator's clock set to what each waits for, until one waits for more than ``until``."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line.rstrip("\n")
        ahead = ahead_of(line)
        if ahead is not None and ahead > until:
            return
        if ahead is not None:
            set_clock(emulator, ahead)


def certified(desk: Desk) -> dict[date, int]:
    """Exit code of each certificate in force."""
    with Store.open(desk.lake, write=False) as store:
        return {one.session: one.exit_code for one in store.certificates_in_force()}


@pytest.mark.slow
def test_days_with_a_weekend_a_holiday_an_expiry_and_a_morning_without_login(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(FRIDAY))
    here = desk(emulator)
    lines = []
    without_password = {name: value for name, value in here.environment().items() if name == "FN_PASSWORD"}
    with running(here, **dict.fromkeys(without_password, "")) as process:
        for line in told(process, emulator, at(WEDNESDAY, 23)):
            lines.append(line)
            if line.endswith("pre-open of 2026-11-23 at Mon 23 Nov 08:30"):
                assert f"(process {process.pid}" in here.run("status").stdout
                assert f"being run by another process (process {process.pid})" in here.run("run", expect=2).stderr
                assert "is signed in" in here.run("login", "demo").stderr
            elif "pre-open of 2026-11-25 at" in line:
                emulator.post("/emulator/signins", {"revoke": "FN0001"})
            elif "needs login" in line:
                here.run("login", "demo")
                set_clock(emulator, at(WEDNESDAY, 9, 40))
        process.send_signal(signal.SIGTERM)
        assert process.wait(LONGEST_S) == 0
    assert certified(here) == dict.fromkeys((FRIDAY, MONDAY, WEDNESDAY), 0)
    assert states(lines, FRIDAY) == [*EVENING]
    assert states(lines, MONDAY) == ["pre-open", "live", *EVENING]
    assert states(lines, WEDNESDAY) == ["pre-open", "needs login for pre-open", "live", *EVENING]
    assert [line for line in lines if "login needed" in line]
    assert "gaps" not in "".join(line for line in lines if "warning" in line)
    assert "not running" in here.run("status").stdout
    agrees(here.lake)


@pytest.mark.slow
@pytest.mark.parametrize(("first", "until", "sessions", "said"), [
    (date(2026, 1, 30), at(date(2026, 2, 2), 3), [date(2026, 1, 30), date(2026, 2, 1)], "live of 2026-02-01 until Sun 01 Feb 15:31"),
    (date(2026, 11, 6), at(date(2026, 11, 9), 3), [date(2026, 11, 6)], "the exchange has no file of it: taken as no session"),
], ids=["the budget's Sunday", "a Muhurat Sunday whose hours nobody told"])
def test_a_special_session_is_run_and_an_unknown_day_looked_at(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], first: date, until: datetime, sessions: list[date], said: str
) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(first))
    here = desk(emulator)
    with running(here) as process:
        lines = list(told(process, emulator, until))
    assert any(said in line for line in lines), lines
    assert certified(here) == dict.fromkeys(sessions, 0)


@pytest.mark.slow
def test_a_week_is_kept_by_the_daemon_alone_with_the_recorder_on(tmp_path: Path) -> None:
    """The evening of Muhurat trading is recorded here, ``scripts/week`` records every session."""
    kept = week.run(tmp_path, "TCS", {week.SPECIAL}, 60)
    assert not kept.wrong(), kept.lines
    assert kept.score["equal"].sum() > 1_000
    assert kept.score["session"].unique().to_list() == [week.SPECIAL]


STATES = (
    "done; pre-open of 2026-11-23", "pre-open of 2026-11-23", "pre-open; live of 2026-11-23", "live of 2026-11-23", "after close; masters of 2026-11-23",
    "masters of 2026-11-23", "exchange file of 2026-11-23", "exchange file of 2026-11-23 again", "sync of 2026-11-23", "verify of 2026-11-23",
    "repair of 2026-11-23", "upkeep of 2026-11-23", "done; pre-open of 2026-11-25",
)


@pytest.mark.slow
def test_a_kill_in_each_state_is_resumed(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(FRIDAY))
    rough = desk(emulator, "rough")
    rough.run("sync", "--session", str(FRIDAY))
    lines: list[str] = []
    for state in STATES:
        with running(rough) as process:
            assert killed(process, emulator, state, lines), f"never in {state}: {lines[-5:]}"
    assert certified(rough) == {FRIDAY: 0, MONDAY: 0}
    finished = [line[18:] for line in lines if re.search(r"(verify|upkeep) of 2026-11-20$", line)]
    assert finished == ["verify of 2026-11-20", "upkeep of 2026-11-20"], "a step that was done came again"
    calm = desk(emulator, "calm")
    calm.run("sync", "--from", str(FRIDAY), "--to", str(MONDAY))
    assert digest(rough.lake) == digest(calm.lake)
    agrees(rough.lake)
    emulator.post("/emulator/signins", {"revoke": "FN0001"})
    for _ in range(2):
        with running(rough, FN_PASSWORD="") as process:
            assert killed(process, emulator, "needs login for pre-open of 2026-11-25", lines, WEDNESDAY)
    rough.run("login", "demo")
    with running(rough, FN_PASSWORD="") as process:
        assert killed(process, emulator, "live of 2026-11-25", lines, WEDNESDAY)


def killed(process: subprocess.Popen[str], emulator: Emulator, state: str, lines: list[str], last: date = MONDAY) -> bool:
    """Kill the daemon in that state (in the sync and in the pre-open once it asks); False if it never came to it."""
    for line in told(process, emulator, at(last, 23)):
        lines.append(line)
        if re.fullmatch(rf"{re.escape(state)}( at .*| until .*)?", line[18:].split(": ")[0]):
            before = asked(emulator)
            while state.startswith("sync") and asked(emulator) < before + 5:
                assert process.poll() is None
            process.kill()
            return process.wait() == -signal.SIGKILL
    return False
