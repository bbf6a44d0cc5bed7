"""The command line on files: the emulated market written in each layout, imported into fresh lakes, comes back bar by bar."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.lake import open_lake

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "bars"
VALUES = ["ts", "underlying", "kind", "expiry", "strike", "right", "open", "high", "low", "close", "volume", "oi", "phase"]
PRICES = ["open", "high", "low", "close"]


def run(lake: Path, *words: str, expect: int = 0, clock: str = "") -> str:
    """The command line on a lake without an account; what it says on stdout, as from a pipe."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FNOLAKE_")}
    done = subprocess.run(
        [sys.executable, "-m", "fnolake", "--lake", str(lake), *words], capture_output=True, text=True, timeout=300, check=False,
        env={**environment, "NO_COLOR": "1", **({"FNOLAKE_CLOCK": clock} if clock else {})},
    )
    assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def bars_of(lake: Path) -> pl.DataFrame:
    """Every bar of the lake, spot, futures and options, in rupees."""
    with open_lake(lake, environ={}) as opened:
        kinds = [opened.bars("RELIANCE", kind=kind) for kind in ("spot", "future", "option")]
    return pl.concat(kinds, how="vertical_relaxed").select(VALUES).sort("kind", "expiry", "strike", "right", "ts")


def strike() -> pl.Expr:
    return pl.col("strike").cast(pl.Int64).cast(pl.String)


def named(future: pl.Expr, option: pl.Expr, spot: pl.Expr) -> pl.Expr:
    return pl.when(pl.col("kind") == "spot").then(spot).when(pl.col("kind") == "future").then(future).otherwise(option)


def write(bars: pl.DataFrame, preset: str, folder: Path) -> None:
    """Bars as a preset's files have them: one file, or one a contract where its symbol is the file's name."""
    folder.mkdir()
    name, day = pl.col("underlying"), pl.col("expiry").dt.strftime("%d%b%y").str.to_uppercase()
    month, plain = pl.col("expiry").dt.strftime("%y%b").str.to_uppercase(), pl.col("expiry").dt.strftime("%y%m%d")
    right, ts = pl.col("right"), pl.col("ts")
    oi = pl.col("oi").fill_null(0)
    if preset == "gdf":
        ticker = named(name + day + "FUT.NFO", name + day + strike() + right + ".NFO", name + ".NSE")
        bars.select(
            Ticker=ticker, Date=ts.dt.strftime("%d/%m/%Y"), Time=ts.dt.strftime("%H:%M:59"), Open="open", High="high", Low="low", Close="close",
            Volume="volume", **{"Open Interest": oi},
        ).write_csv(folder / "GFDLNFO_20112026.csv", float_precision=2)
    elif preset == "openalgo":
        bars.select(
            symbol=named(name + day + "FUT", name + day + strike() + right, name), exchange=pl.when(pl.col("kind") == "spot").then(pl.lit("NSE")).otherwise(pl.lit("NFO")),
            interval=pl.lit("1m"), date=ts.dt.strftime("%Y-%m-%d"), time=ts.dt.strftime("%H:%M:%S"), **{price: pl.col(price) for price in PRICES},
            volume="volume", oi=oi,
        ).write_csv(folder / "historify.csv")
    else:
        symbol = named(name + month + "FUT", name + (month if preset == "kite" else plain) + strike() + right, name)
        form = "%Y-%m-%d %H:%M:%S%:z" if preset == "kite" else "%Y-%m-%dT%H:%M:%S"
        rows = bars.select(symbol.alias("name"), ts.dt.strftime(form).alias("date" if preset == "kite" else "timestamp"), *PRICES, "volume", oi=oi)
        for (one,), part in rows.partition_by("name", as_dict=True, include_key=False).items():
            part.write_csv(folder / f"{one}.csv")


@pytest.mark.slow
def test_the_market_in_each_layout_comes_back_bar_by_bar(emulate: Callable[..., Emulator], desk: Callable[..., Desk], tmp_path: Path) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--time", "18:30")
    at = desk(emulator)
    at.run("sync")
    truth = bars_of(at.lake)
    files = sorted(str(one) for one in (at.lake / "raw").rglob("exchange-BhavCopy_NSE*"))
    assert truth["kind"].n_unique() == 3
    assert truth.height > 4_000
    for preset in ("gdf", "openalgo", "kite", "truedata"):
        write(truth, preset, tmp_path / preset)
        fresh = tmp_path / f"lake-{preset}"
        run(fresh, "init", "--yes")
        run(fresh, "exchange", "take", *files)
        words = ("import", str(tmp_path / preset), "--preset", preset)
        done = run(fresh, *words, "--format", "json", clock=emulator.url)
        assert sum(one["imported"] for one in json.loads(done)) == truth.height
        assert sum(one["mismatch"] for one in json.loads(done)) == 0
        assert bars_of(fresh).with_columns(pl.col("oi").fill_null(0)).equals(truth.with_columns(pl.col("oi").fill_null(0))), preset
    again = run(tmp_path / "lake-gdf", "import", str(tmp_path / "gdf"), "--preset", "gdf", clock=emulator.url)
    assert "0 of " in again
    assert "here already" in again
    run(tmp_path / "lake-gdf", "audit", str(tmp_path / "gdf"), "--preset", "gdf", clock=emulator.url)
    late = truth.filter(pl.col("ts").dt.time() < pl.time(15, 30), pl.col("kind") == "future", pl.col("expiry") == truth["expiry"].min())
    write(late.with_columns(volume=pl.col("volume") // 500), "gdf", tmp_path / "old")
    told = run(tmp_path / "lake-gdf", "audit", str(tmp_path / "old"), "--preset", "gdf", clock=emulator.url, expect=4)
    assert "15:30 to 15:40 missing since 2026-08-03" in told
    assert "are not the exchange's" in told


@pytest.mark.skipif(not REAL.is_dir(), reason="the private folder of real broker files, ../shared/real, is not beside this repository")
def test_real_files_are_scored_and_taken_but_for_their_mock_saturdays(tmp_path: Path) -> None:
    mapping = ("--map", "symbol_from=shoonya_2024_1min_(?P<symbol>.+?)__cut.*")
    nifty = str(REAL / "shoonya_2024_1min_Nifty_50__cut_20240201-20240315.csv.gz")
    told = run(tmp_path / "none", "audit", nifty, *mapping, expect=4)
    for words in ("95.2 of 100", "441 rows, 2024-02-03, 2024-02-17, 2024-02-24", "1 of 32 sessions, 2024-03-07"):
        assert words in told
    run(tmp_path / "lake", "init", "--yes")
    done = run(tmp_path / "lake", "import", nifty, *mapping, "--name", "old-algo", expect=3)
    assert "11,347 of 11,797 rows imported" in done
    assert "441 no session, 9 outside hours" in done
    assert len(run(tmp_path / "lake", "bars", "NIFTY", "--session", "2024-03-02").splitlines()) == 1 + 105


@pytest.mark.parametrize(("words", "said"), [
    (("import", "."), "say how the files are laid out"), (("import", ".", "--preset", "zerodha"), "no preset 'zerodha'"),
    (("import", "nothing", "--preset", "kite"), "no such file or folder"), (("audit", ".", "--map", "time"), "give KEY=VALUE"),
])
def test_what_is_typed_wrong_is_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    run(tmp_path / "lake", "init", "--yes")
    done = subprocess.run([sys.executable, "-m", "fnolake", "--lake", str(tmp_path / "lake"), *words], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("fnolake: ")
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
