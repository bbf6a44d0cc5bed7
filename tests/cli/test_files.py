"""exchange take, the question about consent, and what a person is told of waiting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fnolake.cli.view import CONSENT

from .conftest import Terminal


def test_given_files_are_taken_and_a_refused_one_is_exit_4(terminal: Terminal) -> None:
    done = terminal("exchange", "take", "cm.csv", "page.csv")
    assert done.exit_code == 4
    assert done.stdout.splitlines() == ["cm.csv: NSE CM of 2026-11-20, 7 rows", "page.csv: a web page"]
    assert terminal.lake.asked == [("take", [Path("cm.csv"), Path("page.csv")])]
    assert terminal.lake.written
    assert terminal("exchange", "take", "cm.csv", "--format", "csv").stdout.splitlines()[1] == 'cm.csv,NSE CM of 2026-11-20,7,""'


def test_with_nothing_to_take_it_says_what_to_do(terminal: Terminal) -> None:
    done = terminal("exchange", "take")
    assert (done.exit_code, "drop/" in done.stdout) == (0, True)


def test_consent_is_one_sentence_that_says_what_it_saves() -> None:
    assert "71" in CONSENT
    assert "175" in CONSENT
    assert ". " not in CONSENT
    assert "\n" not in CONSENT


def test_no_wait_reaches_plan_and_sync(terminal: Terminal) -> None:
    terminal("plan", "--no-wait")
    terminal("sync")
    (_, planned), (_, synced) = (one for one in terminal.lake.asked if one[0] in {"plan", "sync"})
    assert (planned.wait, synced.wait) == (False, True)


def test_status_says_which_file_applies(terminal: Terminal) -> None:
    terminal.lake.status_value = replace(terminal.lake.status_value, extras={"exchange": "NSE 2026-11-20: a\nBSE 2026-11-20: b"})
    assert [line for line in terminal("status").stdout.splitlines() if "2026-11-20: " in line] == ["  NSE 2026-11-20: a", "  BSE 2026-11-20: b"]
