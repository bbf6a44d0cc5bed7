"""``fnolake bars`` over a real small lake: a warning is a line on stderr, strict is exit 3, data is data."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from tests.query.lakes import MON, NEAR, TUE, WED, commit, minutes, option, take_masters
from typer.testing import CliRunner

from fnolake.cli.app import build_app
from fnolake.store.store import Store


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "lake", write=True) as store:
        take_masters(store)
        commit(store, minutes(NEAR, MON, {0: 4000, 2: 4010}), minutes(NEAR, WED, {0: 4020}), minutes(option(4000, "CE"), MON, {0: 55.5}))
    return tmp_path / "lake"


def run(lake: Path, *words: str) -> tuple[int, list[dict[str, str]], str]:
    done = CliRunner(env={"FNOLAKE_LAKE": str(lake), "NO_COLOR": "1"}).invoke(build_app(), ["bars", *words, "--format", "csv"])
    return done.exit_code, list(csv.DictReader(io.StringIO(done.stdout))), done.stderr


def test_a_gap_is_one_line_on_stderr_and_the_rows_come(lake: Path) -> None:
    code, rows, said = run(lake, "TCS", "--kind", "future", "--expiry", "near")
    assert (code, [row["close"] for row in rows]) == (0, ["4000.0", "4010.0", "4020.0"])
    assert said.splitlines() == [f"fnolake: 1 of 3 contract-sessions are not covered: TCS25JUL24F {TUE} (missing); `fnolake gaps` says why, `fnolake sync` fetches what is still served"]


def test_strict_exits_3_without_rows(lake: Path) -> None:
    code, rows, said = run(lake, "TCS25JUL24F", "--strict")
    assert (code, rows) == (3, [])
    assert said.startswith("fnolake: 1 of 3 contract-sessions are not covered")


def test_options_are_chosen_by_strike_right_and_moneyness(lake: Path) -> None:
    for words in (("--strike", "4000", "--right", "CE"), ("--expiry", "near", "--moneyness", "ATM", "--right", "c"), ("--strike", "4000", "--expiry", "2024-07-25")):
        rows = run(lake, "TCS", *words, "--session", "2024-07-08")[1]
        assert [(row["symbol"], row["close"]) for row in rows] == [("TCS25JUL24C4000", "55.5")]


def test_instants_fill_and_phases_are_typed(lake: Path) -> None:
    rows = run(lake, "TCS25JUL24F", "--from", "2024-07-08 09:16", "--to", "2024-07-08 09:19", "--fill", "forward", "--phase", "continuous")[1]
    assert [(row["ts"][11:16], row["close"], row["filled"]) for row in rows] == [("09:16", "4000.0", "true"), ("09:17", "4010.0", "false"), ("09:18", "4010.0", "true")]


@pytest.mark.parametrize(("words", "says"), [
    (("TCS", "--source", "exchange"), "1d, 1w or 1mo"), (("TCS", "--adjust", "splits"), "no corporate actions"), (("TCS", "--strike", "3"), "no strike 3"),
    (("TCS", "--session", "2024-07-08", "--to", "2024-07-09"), "--session is one session"), (("TCS", "--from", "soon"), "no date or time"),
    (("TCS", "--source", "broker"), "see `fnolake bars --help`"),
])
def test_mistakes_are_one_line_and_exit_2(lake: Path, words: tuple[str, ...], says: str) -> None:
    code, rows, said = run(lake, *words)
    assert (code, rows) == (2, [])
    assert says in said
    assert len(said.strip().splitlines()) == 1


def test_recorded_minutes_are_shown_as_such(lake: Path) -> None:
    rows = run(lake, "TCS25JUL24F", "--live")[1]
    assert [(row["live"], row["complete"]) for row in rows] == [("false", "")] * 3
