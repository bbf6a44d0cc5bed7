"""Exports loaded by the real packages, every bar compared with what went in; and each package runs over them."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import polars as pl
import pytest
from tests.export.conftest import MON, TUE, of

from fnolake.errors import ConfigError
from fnolake.lake import Lake

OHLC = ("Open", "High", "Low", "Close")


def check_frame(frame: object, went_in: pl.DataFrame) -> None:
    """A pandas frame of one contract: instants in IST, exact prices, the names of the field."""
    assert str(frame.index.dtype.tz) == "Asia/Kolkata"
    assert frame.index.name == "Datetime"
    assert list(frame.columns)[-6:] == [*OHLC, "Volume", "OpenInterest"]
    assert [instant.to_pydatetime() for instant in frame.index] == went_in["ts"].to_list()
    for name in OHLC:
        assert frame[name].tolist() == [value / 100 for value in went_in[f"{name.lower()}_paise"]]
    assert frame["Volume"].tolist() == went_in["volume"].to_list()
    assert frame["OpenInterest"].isna().tolist() == went_in["oi"].is_null().to_list()
    assert frame["OpenInterest"].dropna().tolist() == went_in["oi"].drop_nulls().to_list()


def test_pandas_gets_its_frame(lake: Lake, truth: pl.DataFrame) -> None:
    pytest.importorskip("pandas")
    check_frame(lake.to_pandas("M&M23NOV26F"), of(truth, "M&M23NOV26F"))
    check_frame(lake.to_pandas("M&M", start="2026-11-17", end=TUE), of(truth, "M&M-EQ").filter(pl.col("session") == TUE))
    many = lake.to_pandas("NIFTY", kind="future", end=MON)
    assert many.columns[0] == "Symbol"
    for symbol, rows in many.groupby("Symbol"):
        check_frame(rows, of(truth, symbol).filter(pl.col("session") == MON))
    assert len(lake.to_pandas("NIFTY", start="2027-01-04")) == 0


def test_without_pandas_one_line_says_what_to_install(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ConfigError, match=r"pip install 'fnolake\[pandas\]'"):
        lake.to_pandas("NIFTY")


def test_without_nautilus_one_line_says_what_to_install(lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "nautilus_trader.persistence.catalog", None)
    with pytest.raises(ConfigError, match=r"pip install 'fnolake\[nautilus\]'"):
        lake.export("nautilus", tmp_path, "NIFTY")


def test_backtesting_runs_over_its_file(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    pytest.importorskip("backtesting")
    lake.export("backtesting", tmp_path, "NIFTY23NOV26F")
    path = tmp_path / "NIFTY" / "NIFTY23NOV26F.parquet"
    check_frame(pd.read_parquet(path), of(truth, "NIFTY23NOV26F"))
    code = """
        import sys, pandas as pd
        from backtesting import Backtest, Strategy
        from backtesting.lib import crossover
        from backtesting.test import SMA
        class Cross(Strategy):
            def init(self):
                self.fast, self.slow = self.I(SMA, self.data.Close, 3), self.I(SMA, self.data.Close, 8)
            def next(self):
                if crossover(self.fast, self.slow):
                    self.buy(size=1)
                elif crossover(self.slow, self.fast):
                    self.position.close()
        done = Backtest(pd.read_parquet(sys.argv[1]), Cross, cash=10_000_000, finalize_trades=True).run()
        trades = done._trades
        print(len(done._equity_curve), len(trades), all(trades.EntryPrice == trades.EntryPrice.round(2)), done["Start"])
    """
    bars, trades, exact, start = run(code, path).split(maxsplit=3)
    assert (int(bars), exact, start) == (80, "True", "2026-11-16 09:15:00+05:30")
    assert int(trades) > 0


def run(code: str, *paths: Path) -> str:
    """In a process of its own: what these packages warn of when they are imported is theirs; nothing is compiled for a few rows."""
    done = subprocess.run([sys.executable, "-c", dedent(code), *map(str, paths)], capture_output=True, text=True, check=False, timeout=240, env={**os.environ, "NUMBA_DISABLE_JIT": "1"})
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


@pytest.mark.slow
def test_vectorbt_runs_over_its_wide_frames(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    pd = pytest.importorskip("pandas")
    lake.export("vectorbt", tmp_path, "NIFTY", kind="future")
    folder = tmp_path / "NIFTY-future"
    for field in ("open", "high", "low", "close", "volume"):
        wide = pd.read_parquet(folder / f"{field}.parquet")
        assert str(wide.index.dtype.tz) == "Asia/Kolkata"
        assert wide.index.is_monotonic_increasing
        assert list(wide.columns) == ["NIFTY23NOV26F", "NIFTY29DEC26F"]
        for symbol in wide.columns:
            there, rows = wide[symbol].dropna(), of(truth, symbol)
            assert [instant.to_pydatetime() for instant in there.index] == rows["ts"].to_list()
            assert there.tolist() == (rows["volume"].cast(pl.Float64).to_list() if field == "volume" else [value / 100 for value in rows[f"{field}_paise"]])
    assert wide["NIFTY29DEC26F"].isna().sum() == 40
    if find_spec("vectorbt") is None:
        pytest.skip("vectorbt is not installed")
    code = """
        import sys
        from functools import partialmethod
        from plotly.graph_objs.layout import Template
        Template.__init__ = partialmethod(Template.__init__, skip_invalid=True)  # vectorbt 1.0 names chart kinds that plotly 7 dropped
        import pandas as pd
        import vectorbt as vbt
        close = pd.read_parquet(sys.argv[1]).ffill()
        fast, slow = close.rolling(3).mean(), close.rolling(8).mean()
        folio = vbt.Portfolio.from_signals(close, fast > slow, fast < slow, init_cash=1e7, freq="1min")
        print(folio.wrapper.shape, int(folio.trades.count().sum()), bool(folio.total_return().notna().all()))
    """
    shape, trades, whole = run(code, folder / "close.parquet").rsplit(maxsplit=2)
    assert (shape, whole) == ("(80, 2)", "True")
    assert int(trades) > 0
