"""The command gives what Python gives, shows its rolls, and says what is missing on stderr."""

import io
from datetime import date

import polars as pl
import pytest
from tests.query.test_continuous import AUG, EXPIRED, OCT, SEP, SESSIONS, build, one
from typer.testing import CliRunner

from fnolake.cli.app import build_app


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    tables = [
        one(token, expiry, day, [base + 100 * n] * 3)
        for n, day in enumerate(SESSIONS) for token, expiry, base in ((1, AUG, 100_000), (2, SEP, 101_050), (3, OCT, 102_000)) if day <= expiry
    ]
    with build(tmp_path_factory.mktemp("cli"), *tables) as opened:
        yield opened


def run(lake, *words):
    return CliRunner().invoke(build_app(), ["--lake", str(lake.path), "continuous", *words])


def test_rows_are_those_of_python(lake):
    done = run(lake, "TCS", "--adjust", "ratio", "--interval", "1d", "--from", "2026-08-21", "--format", "csv")
    got = pl.read_csv(io.StringIO(done.stdout))
    expected = lake.continuous("TCS", adjust="ratio", interval="1d", start=date(2026, 8, 21))
    assert done.stderr == ""
    assert got.select("symbol", "close", "volume").rows() == expected.select("symbol", "close", "volume").rows()
    table = pl.read_ndjson(io.StringIO(run(lake, "TCS", "--roll", "days:3", "--rolls", "--format", "ndjson").stdout))
    assert table.select("session", "gap", "to_contract").rows() == [("2026-08-21", 10.5, 2)]
    assert lake.rolls("TCS", roll="days:3")["session"].to_list() == [date(2026, 8, 21)]


def test_a_table_ends_with_its_rolls(lake):
    done = run(lake, "TCS", "--format", "table", "-i", "1d")
    assert done.stdout.splitlines()[-1] == (
        "roll 2026-08-26 (expiry): TCS25AUG26F to TCS29SEP26F, 1,003.00 to 1,013.50 at 25 Aug 09:17, gap +10.50"
    )
    shown = run(lake, "TCS", "--rolls", "--format", "table").stdout
    assert "1.010469" in shown
    assert run(lake, "TCS", "--rolls", "--to", "2026-08-21", "--format", "table").stdout.strip() == "No roll in these sessions."


def test_a_gap_is_one_line_on_stderr_and_strict_is_exit_3(tmp_path):
    with build(tmp_path, *(one(1, AUG, day, [100_000]) for day in SESSIONS[: EXPIRED + 1] if day != SESSIONS[1])) as lake:
        done = run(lake, "TCS", "--format", "table")
        assert done.exit_code == 0
        assert done.stderr == "fnolake: TCS: 2026-08-21: TCS25AUG26F not covered (`fnolake gaps --underlying TCS` says why)\n"
        assert run(lake, "TCS", "--strict").exit_code == 3
        assert run(lake, "TCS", "--roll", "x").exit_code == 2
