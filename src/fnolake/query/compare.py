"""
What two providers said of the same contract-sessions, for people and programs: differences in rupees and IST, and a
summary a provider. Reads the store, writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.model import FIRST, SECOND
from fnolake.store.store import Store
from fnolake.verify.witnesses import is_clipped

DIFFERENCES: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String, "session": pl.Date, "ts": pl.Datetime("us", "Asia/Kolkata"), "field": pl.String, "finding": pl.String,
    "first_provider": pl.String, "first": pl.Float64, "second_provider": pl.String, "second": pl.Float64, "size": pl.Float64,
    "kept": pl.String, "why": pl.String,
}
"""
Prices are rupees, volume and oi units, a minute 1 where its bar is and null where it is missing; ``size`` is second minus
first; ``kept`` is the provider whose bars the lake shows, ``why`` the rule's word.
"""

SUMMARY: dict[str, pl.DataType | type[pl.DataType]] = {
    "provider": pl.String, "compared": pl.Int64, "agreed": pl.Int64, "kept": pl.Int64, "missing_minutes": pl.Int64,
    "clipped_extremes": pl.Int64, "price_differs": pl.Int64, "volume_differs": pl.Int64, "oi_differs": pl.Int64,
}
"""
The first three count contract-sessions, the others minutes and fields; missing and clipped ones are the provider's own,
the last three are differences in which nobody can be told to be wrong. A shifted volume counts as one that differs.
"""

_UNITS = ("volume", "oi", "minute")


@dataclass(frozen=True, slots=True)
class Compared:
    """``differences`` (``DIFFERENCES``) by symbol, session, ts, field; ``summary`` (``SUMMARY``) by provider."""

    differences: pl.DataFrame
    summary: pl.DataFrame


def read(store: Store, contracts: pl.DataFrame, start: date | None, end: date | None) -> Compared:
    """
    Everything that was compared of some contracts.

    Args:
        store: The lake's store.
        contracts: At least contract and symbol, one row a contract.
        start: First session, inclusive; None = from the beginning.
        end: Last session, inclusive; None = to the end.
    """
    comparisons = store.comparisons().join(contracts.select("contract", "symbol"), on="contract").filter(
        pl.col("session") >= (start or date.min), pl.col("session") <= (end or date.max),
    )
    sessions = comparisons["session"].unique().to_list()
    rows = store.differences(sessions).join(comparisons, on="comparison")
    return Compared(_differences(rows), _summary(comparisons, rows))


def _differences(rows: pl.DataFrame) -> pl.DataFrame:
    scale = pl.when(pl.col("field").is_in(_UNITS)).then(1).otherwise(100)
    return rows.with_columns(
        *(pl.col(name) / scale for name in ("first", "second", "size")), ts=pl.col("ts").dt.convert_time_zone("Asia/Kolkata"),
        kept=pl.when(pl.col("kept") == FIRST).then("first_provider").otherwise("second_provider"),
    ).select(pl.col(name).cast(kind) for name, kind in DIFFERENCES.items()).sort("symbol", "session", "ts", "field")


def _summary(comparisons: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    parts = [part for side in (FIRST, SECOND) for part in _of_side(comparisons, rows, side)]
    counts = [pl.col(name).sum().cast(pl.Int64) for name in SUMMARY if name != "provider"]
    return pl.concat(parts, how="diagonal").group_by("provider").agg(counts).select(*SUMMARY).sort("provider")


def _of_side(comparisons: pl.DataFrame, rows: pl.DataFrame, side: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Comparisons, and differences, as seen by the provider of one side."""
    provider = pl.col(f"{side}_provider").alias("provider")
    missing = (pl.col("finding") == "missing_minute") & pl.col(side).is_null()
    return (
        comparisons.select(provider, pl.lit(1).alias("compared"), "agreed", kept=pl.col("kept") == side),
        rows.select(
            provider, missing_minutes=missing, clipped_extremes=is_clipped(side), price_differs=pl.col("finding") == "price_differs",
            volume_differs=pl.col("field") == "volume", oi_differs=pl.col("field") == "oi",
        ),
    )
