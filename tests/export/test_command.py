"""The command, on a real lake: what it says, what it writes, how it ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from fnolake.cli.app import build_app
from fnolake.export.targets import TARGETS

Command = Callable[..., Result]


@pytest.fixture
def command(filled: tuple[Path, pl.DataFrame]) -> Command:
    def typed(*words: str) -> Result:
        return CliRunner(env={"FNOLAKE_LAKE": str(filled[0]), "NO_COLOR": "1"}).invoke(build_app(), ["export", *words])

    return typed


@pytest.mark.parametrize("words", [(), ("--list",)])
def test_it_lists_its_targets(command: Command, words: tuple[str, ...]) -> None:
    done = command(*words, "--format", "json")
    assert done.exit_code == 0
    assert [row["target"] for row in json.loads(done.stdout)] == list(TARGETS)


def test_it_says_where_it_wrote_how_much_and_what_is_covered(command: Command, tmp_path: Path) -> None:
    done = command("csv", "NIFTY", "--kind", "future", "--expiry", "near", "--session", "2026-11-16", "--into", str(tmp_path / "out"))
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"wrote 1 file, 40 bars, to {tmp_path / 'out'}", "the 1 contract-session of the selection is covered"]
    assert (tmp_path / "out" / "NIFTY" / "NIFTY23NOV26F.csv").is_file()


def test_gaps_end_with_their_own_code_and_a_dry_run_writes_nothing(command: Command, tmp_path: Path) -> None:
    done = command("parquet", "NIFTY", "-k", "future", "-o", str(tmp_path / "out"), "--dry-run", "--format", "json")
    assert done.exit_code == 3
    told = json.loads(done.stdout)
    assert (told["target"], told["files"], told["bars"], told["dry_run"]) == ("parquet", 2, 120, True)
    assert told["coverage"] == {"wanted": 4, "covered": 3, "by_status": {"missing": 1}}
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("words", "said"), [
    (("csv", "NIFTY"), "say what and where: fnolake export csv NIFTY --into FOLDER"), (("csv",), "fnolake export csv RELIANCE --into FOLDER"),
    (("cvs", "NIFTY", "--into", "x"), "did you mean csv?"), (("lean", "NIFTY", "--into", "x", "--by", "contract"), "lean is written by day"),
])
def test_mistakes_are_one_line_and_end_with_two(command: Command, words: tuple[str, ...], said: str) -> None:
    done = command(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
