"""
QuantConnect Lean: its data folder for the market india, minutes of trades and of open interest.

Layout as in LEAN's own ``Common/Util/LeanData.cs`` and ``Data/`` (https://github.com/QuantConnect/Lean, commit 2486390 of
2026-08-21): ``TYPE/india/minute/NAME/YYYYMMDD_trade.zip`` and in it a CSV without header: milliseconds since midnight, open,
high, low, close, volume. Prices of shares and options are times 10,000, those of futures and indices as they are; volume and
open interest of futures and options count lots.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from pathlib import Path

    from fnolake.export.folder import Folder
    from fnolake.export.work import Work

SCALE = 10_000
_OPEN_ENDED = (19_900_101, 20_501_231)
"""First and last date of a map file of a share that has had one name."""
_PRICES = ("open", "high", "low", "close")
_RIGHTS = {"CE": "call", "PE": "put"}


@dataclass(frozen=True, slots=True)
class Series:
    """Rows that Lean keeps in one file: a security type's folder and name, a day."""

    security: str
    name: str
    day: date

    @property
    def place(self) -> str:
        """Its folder."""
        return f"{self.security}/india/minute/{self.name}"

    def file(self, tick: str) -> str:
        """Its ZIP file, for trade or openinterest."""
        style = "_european" if "option" in self.security else ""
        return f"{self.place}/{self.day:%Y%m%d}_{tick}{style}.zip"

    def entry(self, tick: str, expiry: date | None, strike: float | None, right: str | None) -> str:
        """The name of a contract's CSV in it."""
        stem = f"{self.day:%Y%m%d}_{self.name}_minute_{tick}"
        if expiry is None:
            return f"{stem}.csv"
        if strike is None or right is None:
            return f"{stem}_{expiry:%Y%m}.csv"
        return f"{stem}_european_{_RIGHTS[right]}_{round(strike * SCALE)}_{expiry:%Y%m%d}.csv"


def export(work: Work, folder: Folder, by: str) -> None:
    """A ZIP file for each underlying, kind and session; a map file for each share."""
    del by
    shares: set[str] = set()
    for piece in work.by_day():
        day = date.fromisoformat(piece.name)
        rows = piece.read().join(work.on(day), on="symbol", how="left", maintain_order="left")
        for series, bars in _series(rows, day):
            kept = _one_a_month(work, series, bars)
            _put(folder, series, "trade", kept)
            _put(folder, series, "openinterest", kept.filter(pl.col("oi").is_not_null()))
            if series.security == "equity":
                shares.add(series.name)
    first, last = _OPEN_ENDED
    for name in sorted(shares):
        folder.lay(f"equity/india/map_files/{name}.csv", f"{first},{name}\n{last},{name}\n")


def _series(rows: pl.DataFrame, day: date) -> Iterator[tuple[Series, pl.DataFrame]]:
    for (underlying, kind, is_index), bars in rows.group_by("underlying", "kind", "is_index", maintain_order=True):
        security = {"spot": "index" if is_index else "equity", "future": "future", "option": "indexoption" if is_index else "option"}[str(kind)]
        yield Series(security, str(underlying).lower(), day), bars


def _one_a_month(work: Work, series: Series, bars: pl.DataFrame) -> pl.DataFrame:
    """Lean names a future by its month: of several in one month only the last stays."""
    if series.security != "future":
        return bars
    last = bars.filter(pl.col("expiry") == pl.col("expiry").max().over(pl.col("expiry").dt.truncate("1mo")))
    gone = sorted(set(bars["symbol"]) - set(last["symbol"]))
    if gone:
        work.left_out.append(f"{series.day} {', '.join(gone)}: Lean knows one future a month")
    return last


def _put(folder: Folder, series: Series, tick: str, bars: pl.DataFrame) -> None:
    if bars.height:
        folder.put(series.file(tick), bars.height, lambda path: _write(series, tick, bars, path), bars=bars.height if tick == "trade" else 0)


def _write(series: Series, tick: str, bars: pl.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for (_, expiry, strike, right), rows in bars.group_by("symbol", "expiry", "strike", "right", maintain_order=True):
            entry = zipfile.ZipInfo(series.entry(tick, expiry, strike, right), (series.day.year, series.day.month, series.day.day, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, _lines(series, tick, rows))


def _lines(series: Series, tick: str, rows: pl.DataFrame) -> str:
    midnight = pl.col("ts").dt.truncate("1d")
    time = (pl.col("ts") - midnight).dt.total_milliseconds()
    lots = pl.col("lot") if series.security not in {"equity", "index"} else pl.lit(1)
    if tick == "openinterest":
        return rows.select(time, _plain(pl.col("oi") / lots)).write_csv(include_header=False)
    scaled = series.security not in {"future", "index"}
    prices = [(pl.col(name) * SCALE).round().cast(pl.Int64) if scaled else _plain(pl.col(name)) for name in _PRICES]
    return rows.select(time, *prices, _plain(pl.col("volume") / lots).alias("lots")).write_csv(include_header=False)


def _plain(number: pl.Expr) -> pl.Expr:
    """A number as Lean writes it: no zeros behind the point, no point without digits."""
    return number.cast(pl.Float64).map_batches(lambda column: pl.Series(column.name, [_text(one) for one in column], pl.String), return_dtype=pl.String)


def _text(number: float) -> str:
    return str(int(number)) if number.is_integer() else repr(number)
