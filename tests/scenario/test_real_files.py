"""
Files that nobody on this project wrote, through the whole line: real processes, real sockets, a lake in a fresh folder.

The files are private and stay where they are: ../shared/real beside this repository. Without them these tests skip.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.model import Master
from fnolake.provider.shoonya.symbols import parse_master
from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
MASTERS = REAL / "masters"
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the private folder of real broker files, ../shared/real, is not beside this repository",
)

WHOLE = {
    # file: rows below the header, listings, out of scope by name (the 124 NSE series and 7 BSE groups as one sum)
    "NFO_20240308": (83_471, {"future": 558, "option": 82_897}, {"exchange_test": 16}),
    "NFO_20250106": (84_292, {"future": 668, "option": 83_606}, {"exchange_test": 18}),
    "BFO_20250106": (39_682, {"future": 678, "option": 39_004}, {}),
    "BFO_20260818": (41_048, {"future": 634, "option": 40_414}, {}),
    "NSE_20260818": (9_842, {"spot": 2_643}, {"series": 7_199}),
    "BSE_20260818": (12_694, {"spot": 5_039}, {"group": 7_655}),
    "CDS_20260818": (11_099, {}, {"CDS": 11_099}),
    "MCX_20260818": (15_269, {}, {"MCX": 15_269}),
}


def master(name: str) -> Master:
    exchange, stamp = name.split("_")
    body = (MASTERS / f"shoonya_{name}.txt.zip").read_bytes()
    return parse_master(exchange, body, datetime.strptime(stamp, "%Y%m%d").date())


@pytest.mark.parametrize("name", WHOLE)
def test_every_row_of_a_real_master_is_accounted_for(name: str) -> None:
    rows, kinds, scopes = WHOLE[name]
    read = master(name)
    out: dict[str, int] = {}
    for scope, count in read.out_of_scope.items():
        word = scope.partition("_")[0] if scope.startswith(("series_", "group_")) else scope
        out[word] = out.get(word, 0) + count
    assert read.rows == rows == read.listings.height + sum(read.out_of_scope.values()) + sum(f.count for f in read.findings)
    assert dict(read.listings["kind"].value_counts().iter_rows()) == kinds
    assert out == scopes
    assert read.findings == ()


def test_the_benchmark_counts_the_same_rows_without_the_parsers_help() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "real_masters.py")], capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line.split()[0].removeprefix("shoonya_"): line.split()[1:] for line in done.stdout.splitlines() if line.startswith("shoonya_")}
    assert {name: (int(words[0].replace(",", "")), words[4]) for name, words in lines.items()} == {
        name: (rows, "0") for name, (rows, _, _) in WHOLE.items()
    }


CHOSEN = ("RELIANCE", "FINNIFTY")
UNDERLYINGS = ("-u", CHOSEN[0], "-u", CHOSEN[1])


def rows_of(at: Desk, *words: str) -> pl.DataFrame:
    """What a command prints as csv."""
    return pl.read_csv(at.run(*words, "--format", "csv").stdout.encode(), try_parse_dates=True)


@pytest.mark.slow
def test_chosen_underlyings_of_a_real_master_are_synced_without_a_gap(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    file, day = "NFO_20250106", date(2025, 1, 6)
    at = desk(emulate("--masters", str(MASTERS / f"shoonya_{file}.txt.zip"), "--underlyings", ",".join(CHOSEN), "--limits", "off"))
    at.run("sync", *UNDERLYINGS)
    listed = master(file).listings.filter(pl.col("underlying").is_in(CHOSEN) & (pl.col("expiry") >= day))
    with Store.open(at.lake, write=False) as store:
        known = store.instruments(day).filter(pl.col("underlying").is_in(CHOSEN))
    assert known.filter(pl.col("kind") == "spot")["symbol"].sort().to_list() == ["FINNIFTY", "RELIANCE-EQ"]
    columns = ["token", "symbol", "expiry", "strike_paise", "right", "lot"]
    assert known.filter(pl.col("segment") == "FO").select(columns).sort("token").equals(listed.select(columns).sort("token"))
    for name in CHOSEN:
        assert rows_of(at, "bars", name, "--session", str(day)).height == 375
    covered = rows_of(at, "coverage", *UNDERLYINGS, "--session", str(day))
    assert covered.select(pl.sum("wanted", "covered")).row(0) == (listed.height + 2, listed.height + 2)
    assert rows_of(at, "gaps", *UNDERLYINGS).is_empty()
