"""
A sheet's rows as the line takes them: symbol by symbol, labels turned into starts, lots into units. Pure.

Invariant: the rows of all series and those of no symbol are the rows of the sheet.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.model import RawBars
from fnolake.provider.files.reader import PRICES

ONE_MINUTE = frozenset({"", "1", "1m", "1min", "minute", "1minute", "one_minute"})
_FEW = 10
_MINUTE = 60


def starts(stamp_s: NDArray[np.int64], side: str, shift_s: int = 0) -> NDArray[np.int64]:
    """
    UTC seconds at which bars start, by their labels.

    Args:
        stamp_s: Labels, UTC seconds.
        side: ``start``: the label is in the minute itself. ``end``: it is its last second (09:15:59) or its end (09:16:00).
        shift_s: Added first, where the labels are in another zone than their layout says.
    """
    moved = stamp_s + shift_s
    return moved if side == "start" else -(-moved // _MINUTE) * _MINUTE - _MINUTE


def series(rows: pl.DataFrame) -> Iterator[tuple[str, str, pl.DataFrame]]:
    """Symbol, exchange and rows of each series of a sheet, in the file's order."""
    for part in rows.partition_by("symbol", "exchange", maintain_order=True):
        symbol, exchange = part.select("symbol", "exchange").row(0)
        yield symbol, exchange, part


def minutes_apart(rows: pl.DataFrame) -> int:
    """
    The interval of a sheet's bars in whole minutes, as far as its stamps tell: 1 where they are few.

    The greatest number of minutes that divides all steps within a symbol and a day.
    """
    steps = rows.drop_nulls("stamp_s").select(
        "symbol", minute=pl.col("stamp_s") // _MINUTE, day=(pl.col("stamp_s") + 19_800) // 86_400,
    ).unique().sort("symbol", "minute").select(pl.col("minute").diff().over("symbol", "day")).drop_nulls().to_series()
    if steps.len() < _FEW:
        return 1
    return int(np.gcd.reduce(steps.unique().to_numpy()))


def raw_bars(rows: pl.DataFrame, side: str, shift_s: int = 0, volume_per: int = 1, oi_per: int = 1) -> RawBars:
    """
    Rows of one series as a page holds them; rows without a readable stamp are counted as undecoded.

    Args:
        rows: Columns of ``reader.SHEET``.
        side: Of the labels, see :func:`starts`.
        shift_s: Of the labels.
        volume_per: Units of one number of volume: the lot, for files that count lots.
        oi_per: The same of open interest.
    """
    read = rows.drop_nulls("stamp_s")
    size = read.height
    volume, oi = read["volume"].to_numpy(), read["oi"].to_numpy()
    absent = np.full(size, -1, np.int64)
    return RawBars(
        starts(read["stamp_s"].to_numpy(), side, shift_s), **{name: read[name].to_numpy() for name in PRICES},
        volume=np.where(volume > 0, volume * volume_per, volume), oi=np.where(oi > 0, oi * oi_per, oi), vwap=np.full(size, np.nan),
        cumulative=absent, wall_mismatch=np.zeros(size, np.bool_), undecoded=rows.height - size,
    )
