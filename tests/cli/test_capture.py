"""Plan, sync and upkeep: what is typed reaches the lake, progress is on stderr, the exit code says how it ended."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any

import pytest

from fnolake.cli.desk import run_stoppable
from fnolake.model import Selection
from fnolake.sync.report import AccountReport, SyncReport

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal

FRIDAY = date(2026, 11, 20)


def test_sync_says_what_it_did_on_stdout_and_how_it_goes_on_stderr(terminal: Terminal) -> None:
    done = terminal("sync", "--session", "2026-11-20", "--underlying", "tcs", "--kind", "spot", "--max-minutes", "3")
    assert done.exit_code == 0
    assert terminal.lake.asked == [("sync", Selection(("TCS",), ("spot",), FRIDAY, FRIDAY, 3.0))]
    assert terminal.lake.written
    assert "2 contract-sessions and 770 bars by 2 requests" in done.stdout
    assert "2/2 contract-sessions, 770 bars" in done.stderr


@pytest.mark.parametrize(
    ("change", "code"),
    [({"gaps": 4}, 3), ({"gaps": 4, "interrupted": True}, 3), ({"gaps": 4, "stopped": "another program signs in"}, 5), ({}, 0)],
)
def test_the_exit_code_says_how_it_ended(terminal: Terminal, change: dict[str, Any], code: int) -> None:
    terminal.lake.report = replace(terminal.lake.report, **change)
    assert terminal("sync").exit_code == code


def test_a_notice_is_told_once(terminal: Terminal) -> None:
    terminal.lake.report = SyncReport(notices=("NSE is paused", "NSE is paused"), gaps=1, stopped="another program signs in")
    done = terminal("sync")
    assert (done.stdout + done.stderr).count("NSE is paused") == 1
    assert (done.stdout + done.stderr).count("another program") == 1


def test_a_report_is_one_object_for_machines(terminal: Terminal) -> None:
    assert json.loads(terminal("sync", "--format", "ndjson").stdout)["outcomes"] == {"complete": 2}


def test_plan_and_dry_run_fetch_nothing(terminal: Terminal) -> None:
    planned = terminal("plan", "--backfill")
    assert terminal("sync", "--dry-run", "--backfill").stdout == planned.stdout
    assert "in 1 requests" in planned.stdout
    assert [name for name, _ in terminal.lake.asked] == ["plan", "plan"]
    assert terminal.lake.asked[0][1].backfill
    assert not terminal.lake.written
    assert terminal("plan", "--format", "csv").stdout.splitlines()[1] == '7,TCS23NOV26F,2026-11-19 2026-11-20,770.0,2026-11-23,false,"",""'


def test_a_backfill_off_a_terminal_wants_a_yes(terminal: Terminal) -> None:
    refused = terminal("sync", "--backfill")
    assert (refused.exit_code, refused.stderr.count("\n")) == (2, 1)
    assert "--yes" in refused.stderr
    assert not terminal.lake.asked
    assert terminal("sync", "--backfill", "--yes").exit_code == 0
    assert [name for name, _ in terminal.lake.asked] == ["sync"]


def test_upkeep_passes_its_switches_on(terminal: Terminal) -> None:
    assert terminal("upkeep", "--check").stdout == "12 files are whole\n"
    assert terminal.lake.asked == [("upkeep", {"check": True, "rebuild_ledger": False, "dry_run": False})]


def test_a_dry_upkeep_opens_nothing_for_writing(terminal: Terminal) -> None:
    assert "nothing was changed" in terminal("upkeep", "--dry-run").stdout
    assert "nothing was taken" in terminal("instruments", "sync", "--dry-run").stderr
    assert not terminal.lake.written


def test_the_first_ctrl_c_asks_the_line_to_stop_and_is_told() -> None:
    said: list[str] = []

    async def line(stop: asyncio.Event) -> str:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        return "committed"

    assert run_stoppable(line, lambda: said.append("committing")) == ("committed", True)
    assert said == ["committing"]


def test_the_second_ctrl_c_cancels_and_cleans_up() -> None:
    from fnolake.cli.desk import Interrupted

    cleaned: list[bool] = []

    async def line(stop: asyncio.Event) -> None:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await stop.wait()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    with pytest.raises(Interrupted):
        run_stoppable(line, lambda: None)
    assert cleaned == [True]


def test_an_undisturbed_line_was_not_stopped() -> None:
    async def line(stop: asyncio.Event) -> int:
        return 7

    assert run_stoppable(line, lambda: None) == (7, False)


def test_ctrl_c_during_sync_reports_and_exits_130(terminal: Terminal) -> None:
    async def pressed(selection: Any, on_event: Any, stop: asyncio.Event, accounts: Any) -> SyncReport:
        os.kill(os.getpid(), signal.SIGINT)
        await stop.wait()
        return SyncReport(gaps=3, interrupted=True)

    terminal.lake.async_sync = pressed  # type: ignore[method-assign]
    done = terminal("sync")
    assert done.exit_code == 130
    assert "committing what is verified…" in done.stderr
    assert "3 are not" in done.stdout


def test_sync_asks_the_accounts_that_are_named(terminal: Terminal) -> None:
    assert terminal("sync", "--account", "demo", "--account", "second").exit_code == 0
    assert terminal.lake.accounts_asked == ["demo", "second"]


def test_a_sync_of_several_accounts_says_what_each_did(terminal: Terminal) -> None:
    both = AccountReport("demo", "shoonya", 200, 0, 200, 77_000), AccountReport("second", "firstock", 30, 2, 28, 9000, "signed out")
    terminal.lake.report = SyncReport(requests=230, accounts=both)
    said = terminal("sync").stdout
    assert "demo (shoonya): 200 requests, 200 contract-sessions, 77,000 bars" in said
    assert "second (firstock): 30 requests, 2 failed, 28 contract-sessions, 9,000 bars; signed out" in said
