"""
AmiBroker: quotations for its ASCII importer, and the format definition that reads them.

Fields and commands are those of https://www.amibroker.com/guide/d_ascii.html (stored copy, in part, 2026-11-21) and of public programs
that write for it; AmiBroker itself, a Windows program, was not run. No header line; open interest 0 where not sent.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import polars as pl

from fnolake.export.parquet import write_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from fnolake.export.folder import Folder
    from fnolake.export.work import Work

FIELDS = ("Ticker", "Date_YMD", "Time", "Open", "High", "Low", "Close", "Volume", "OpenInt")
"""The importer's names, in the order of the columns; without Time for bars of a day and longer."""


def export(work: Work, folder: Folder, by: str) -> None:
    """``UNDERLYING/SYMBOL.txt`` for each contract or ``SELECTION/DATE.txt`` for each session; ``fnolake.format`` (``fnolake-eod.format`` without times)."""
    timed = not work.interval.period
    name = "fnolake.format" if timed else "fnolake-eod.format"
    write_pieces(work, folder, by, "txt", partial(_write, timed=timed))
    if folder.written:
        folder.lay(name, definition(timed=timed))


def definition(*, timed: bool) -> str:
    """The importer's commands for these files."""
    fields = [field for field in FIELDS if timed or field != "Time"]
    return "\r\n".join([f"$FORMAT {', '.join(fields)}", "$SEPARATOR ,", "$SKIPLINES 0", "$AUTOADD 1", "$CONT 1", ""])


def _write(bars: pl.DataFrame, path: Path, *, timed: bool) -> None:
    columns = {
        "Ticker": pl.col("symbol"), "Date_YMD": pl.col("ts").dt.strftime("%Y-%m-%d"), "Time": pl.col("ts").dt.strftime("%H:%M:%S"),
        "Open": pl.col("open"), "High": pl.col("high"), "Low": pl.col("low"), "Close": pl.col("close"), "Volume": pl.col("volume"),
        "OpenInt": pl.col("oi").fill_null(0),
    }
    chosen = [column.alias(name) for name, column in columns.items() if timed or name != "Time"]
    bars.select(chosen).write_csv(path, include_header=False, line_terminator="\r\n", float_precision=2)
