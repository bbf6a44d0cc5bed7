"""CSV: ``query.bars.BAR_COLUMNS`` with a header, rupees, instants of IST with their offset; missing values are empty."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.export.parquet import write_pieces

if TYPE_CHECKING:
    import polars as pl

    from fnolake.export.folder import Folder
    from fnolake.export.work import Work

INSTANT = "%Y-%m-%dT%H:%M:%S%:z"


def export(work: Work, folder: Folder, by: str) -> None:
    """``UNDERLYING/SYMBOL.csv`` for each contract, or ``SELECTION/DATE.csv`` for each session."""
    write_pieces(work, folder, by, "csv", _write)


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_csv(path, datetime_format=INSTANT)
