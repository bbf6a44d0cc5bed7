"""Errors are one line and an exit code; help is quick; nothing heavy is imported before it is needed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from fnolake import __version__, errors
from fnolake.cli.app import build_app

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.ConfigError("mend it"), 2), (errors.StoreLocked("another sync is running"), 2), (errors.NotCovered("a gap", []), 3),
        (errors.CorruptFile("a.parquet", "1", "2"), 4), (errors.AddressNotAllowed("register the address"), 5), (errors.StoreError("odd"), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_is_one_line_on_stderr_and_its_exit_code(terminal: Terminal, error: BaseException, code: int) -> None:
    terminal.lake.fails = error
    done = terminal("gaps")
    assert done.exit_code == code
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert str(error) in done.stderr


def test_debug_shows_the_error_itself(terminal: Terminal) -> None:
    terminal.lake.fails = errors.StoreError("odd")
    assert isinstance(terminal("--debug", "gaps").exception, errors.StoreError)


def test_programming_mistakes_are_not_hidden(terminal: Terminal) -> None:
    terminal.lake.fails = ZeroDivisionError("ours")
    assert isinstance(terminal("gaps").exception, ZeroDivisionError)


def test_wrong_usage_is_exit_2(terminal: Terminal) -> None:
    assert terminal("gaps", "--from", "tomorrow").exit_code == 2
    assert "2026-11-20" in terminal("gaps", "--from", "tomorrow").stderr
    assert terminal("gaps", "--session", "2026-11-20", "--to", "2026-11-20").exit_code == 2
    assert terminal("gaps", "--from", "2026-11-20", "--to", "2026-11-19").exit_code == 2
    assert terminal("frobnicate").exit_code == 2
    assert terminal("gaps", "--format", "xml").exit_code == 2


@pytest.mark.parametrize(
    "words", [["frobnicate"], ["bars"], ["bars", "TCS", "--kind", "fruit"], ["sync", "--max-minutes", "x"], ["--frob"], ["coverage", "extra"]],
)
def test_wrong_usage_is_one_line_that_names_the_help(terminal: Terminal, words: list[str]) -> None:
    done = terminal(*words)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.rstrip().endswith("--help`")
    assert not done.stdout


def test_a_folder_that_is_no_lake_is_left_alone(terminal: Terminal) -> None:
    terminal.folder = terminal.folder / "photos"
    terminal.folder.mkdir()
    for words in (["upkeep"], ["sync"], ["plan"], ["instruments", "sync"]):
        assert terminal(*words).exit_code == 2
    assert not list(terminal.folder.iterdir())
    assert "fnolake init" in terminal().stdout


def test_a_lake_that_is_not_there_says_what_to_type(terminal: Terminal) -> None:
    terminal.folder = terminal.folder / "none"
    bare = terminal()
    assert bare.exit_code == 0
    assert "fnolake init" in bare.stdout
    asked = terminal("gaps")
    assert asked.exit_code == 2
    assert "fnolake init" in asked.stderr


def test_every_command_and_option_has_help() -> None:
    root = typer.main.get_command(build_app())
    waiting = [("fnolake", root)]
    commands = set()
    while waiting:
        name, command = waiting.pop()
        commands.add(name)
        assert command.help, name
        waiting += [(f"{name} {word}", one) for word, one in getattr(command, "commands", {}).items()]
    assert {
        "fnolake status", "fnolake init", "fnolake account add", "fnolake account list", "fnolake account remove", "fnolake login",
        "fnolake logout", "fnolake doctor", "fnolake instruments sync", "fnolake plan", "fnolake sync", "fnolake coverage",
        "fnolake gaps", "fnolake bars SYMBOL".removesuffix(" SYMBOL"), "fnolake upkeep", "fnolake emulator",
    } <= commands


def test_help_and_version_import_nothing_heavy() -> None:
    code = (
        "import sys\nfrom fnolake.cli.app import build_app\n"
        "try:\n    build_app()(['--help'], prog_name='fnolake')\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "heavy = {'polars', 'numpy', 'pyarrow', 'deltalake', 'aiohttp', 'msgspec', 'rich', 'asyncio', 'sqlite3'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_the_module_runs_as_the_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "fnolake", "--lake", str(tmp_path / "none"), "--version"], check=True, capture_output=True, text=True, timeout=60,
    )
    assert done.stdout == f"fnolake {__version__}\n"


def test_the_emulator_gets_the_words_that_follow(terminal: Terminal) -> None:
    done = terminal("emulator", "--limits", "nonsense")
    assert done.exit_code == 2
    assert isinstance(done.exception, SystemExit)
