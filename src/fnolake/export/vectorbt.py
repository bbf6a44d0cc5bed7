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
    schema = arrow(_wide(None, field, symbols)).schema
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for bars in spool.by_day():
            writer.write_table(arrow(_wide(bars, field, symbols)))


def _wide(bars: pl.DataFrame | None, field: str, symbols: list[str]) -> pl.DataFrame:
    columns = dict.fromkeys(symbols, pl.Float64)
    if bars is None:
        return pl.DataFrame(schema={INDEX: pl.Datetime("us", "Asia/Kolkata"), **columns})
    wide = bars.pivot("symbol", index="ts", values=field).sort("ts").rename({"ts": INDEX})
    absent = [pl.lit(None, pl.Float64).alias(symbol) for symbol in symbols if symbol not in wide.columns]
    return wide.with_columns(*absent).select(INDEX, *(pl.col(symbol).cast(pl.Float64) for symbol in symbols))
