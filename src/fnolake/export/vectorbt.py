"""vectorbt: five wide Parquet files, a row an instant and a column a contract; where a contract has no bar there is NaN, filled by nobody."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import polars as pl

from fnolake.export.folder import fit
from fnolake.export.pandasfile import FIELDS, INDEX, arrow

if TYPE_CHECKING:
    from pathlib import Path

    from fnolake.export.folder import Folder
    from fnolake.export.work import Spool, Work


def export(work: Work, folder: Folder, by: str) -> None:
    """``SELECTION/open.parquet`` … ``volume.parquet``; a row group a session, so that memory holds one."""
    del by
    with nullcontext() if folder.dry_run else folder.scratch() as scratch:
        spool = work.spool(scratch)
        if not spool.counts:
            return
        for field in FIELDS:
            name = f"{fit(work.choice.label)}/{field}{work.choice.suffix}.parquet"
            rows = sum(spool.counts.values())
            folder.put(name, rows, lambda path, field=field: _write(spool, field, path), bars=rows if field == "close" else 0)  # type: ignore[misc]


def _write(spool: Spool, field: str, path: Path) -> None:
    import pyarrow.parquet as pq

    symbols = list(spool.counts)
    schema = arrow(pl.DataFrame(schema={INDEX: pl.Datetime("us", "Asia/Kolkata"), **dict.fromkeys(symbols, pl.Float64)})).schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for bars in spool.by_day():
            writer.write_table(arrow(_wide(bars, field, symbols)))


def _wide(bars: pl.DataFrame, field: str, symbols: list[str]) -> pl.DataFrame:
    """A row an instant, a column a symbol. Laid out by number: a pivot of a thousand columns takes seconds."""
    import numpy as np

    instants = bars["ts"].unique().sort()
    columns = bars["symbol"].replace_strict(symbols, range(len(symbols)), return_dtype=pl.Int64)
    grid = np.full((len(symbols), len(instants)), np.nan)
    grid[columns.to_numpy(), instants.search_sorted(bars["ts"]).to_numpy()] = bars[field].cast(pl.Float64).to_numpy()
    return pl.DataFrame([instants.alias(INDEX), *(pl.Series(symbol, row) for symbol, row in zip(symbols, grid, strict=True))])
