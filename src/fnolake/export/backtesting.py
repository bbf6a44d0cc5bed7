"""backtesting.py: a Parquet file a contract that ``pandas.read_parquet`` gives as the frame that ``Backtest`` takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from fnolake.export.pandasfile import FIELDS, INDEX, write
from fnolake.export.parquet import write_pieces

if TYPE_CHECKING:
    from pathlib import Path

    from fnolake.export.folder import Folder
    from fnolake.export.work import Work


def export(work: Work, folder: Folder, by: str) -> None:
    """``UNDERLYING/SYMBOL.parquet``: Datetime (index, IST), Open High Low Close Volume, OpenInterest (float, NaN where not sent)."""
    write_pieces(work, folder, by, "parquet", _write)


def frame_of(bars: pl.DataFrame) -> pl.DataFrame:
    """Bars of one contract under the names of the field; the index first."""
    return bars.select(pl.col("ts").alias(INDEX), *(pl.col(ours).alias(theirs) for ours, theirs in FIELDS.items()), OpenInterest=pl.col("oi").cast(pl.Float64))


def _write(bars: pl.DataFrame, path: Path) -> None:
    write(frame_of(bars), path)
