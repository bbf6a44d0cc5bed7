"""
Parquet that pandas reads back as a frame with an index of instants in IST; pandas itself is not needed to write it.

https://pandas.pydata.org/docs/development/developer.html#storing-pandas-dataframe-objects-in-apache-parquet-format (2026-11-21).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl

FIELDS = {"open": "Open", "high": "High", "low": "Low", "close": "Close", "volume": "Volume"}
"""Our columns and what Python's backtesting tools call them."""
INDEX = "Datetime"


def arrow(frame: pl.DataFrame) -> Any:  # noqa: ANN401 - pyarrow ships no types
    """A pyarrow table whose first column, the instants, is the index that pandas will make."""
    table = frame.to_arrow()
    columns = [_column(name, kind) for name, kind in frame.schema.items()]
    about = {
        "index_columns": [frame.columns[0]], "columns": columns, "pandas_version": "2.2.0", "creator": {"library": "fnolake", "version": "1"},
        "column_indexes": [{"name": None, "field_name": None, "pandas_type": "unicode", "numpy_type": "object", "metadata": {"encoding": "UTF-8"}}],
    }
    return table.replace_schema_metadata({"pandas": json.dumps(about)})


def write(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame whose first column is the index."""
    import pyarrow.parquet as pq

    pq.write_table(arrow(frame), path, compression="zstd")


def _column(name: str, kind: pl.DataType) -> dict[str, object]:
    plain = {"name": name, "field_name": name, "metadata": None}
    if isinstance(kind, pl.Datetime):
        return {**plain, "pandas_type": "datetimetz", "numpy_type": "datetime64[us]", "metadata": {"timezone": kind.time_zone}}
    word = "float64" if kind == pl.Float64 else "int64"
    return {**plain, "pandas_type": word, "numpy_type": word}
