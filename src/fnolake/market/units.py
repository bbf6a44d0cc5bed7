"""
Whether an end-of-day file counts volume in contracts or in units, proven by its own traded value. Pure.

Traded value is (strike + price) * units, so each traded row says which count fits its own day range. Invariant: a file
whose rows contradict the venue's documented unit is never taken.
"""

from __future__ import annotations

import polars as pl

from fnolake.errors import PayloadError
from fnolake.model.verdict import Finding

AGREE_SHARE = 0.9
"""Share of the deciding rows that must fit the documented unit."""
_SLACK = 0.005


def check_units(rows: pl.DataFrame, name: str, body: bytes, *, lots: bool) -> list[Finding]:
    """
    Test the unit of ``volume`` on every traded row.

    Args:
        rows: Typed rows of one file, ``volume`` as the file states it.
        name: What the file is, for the message.
        body: The file, attached to the error.
        lots: The venue documents contracts (else units).

    Returns:
        ``value_off_range`` for the rows whose value fits neither count; ``units_untested`` where no row can decide.

    Raises:
        PayloadError: Under 90 % of the deciding rows fit the documented unit.
    """
    fits = _fits(rows)
    tested = fits.height
    if not tested:
        return [Finding("units_untested", 1, f"{name}: no traded row")]
    wanted, other = ("contracts", "units") if lots else ("units", "contracts")
    good = int(fits[wanted].sum())
    if good < AGREE_SHARE * tested:
        swapped = int((fits[other] & ~fits[wanted]).sum())
        raise PayloadError(
            f"{name}: the traded value of {tested - good:,} of {tested:,} rows contradicts volume in {wanted} ({swapped:,} fit {other}); "
            "the exchange changed its units: the file was not taken, tell the project",
            provider="exchange", payload=body,
        )
    return [Finding("value_off_range", tested - good, f"{name}: traded value outside the day's range")] if good < tested else []


def _fits(rows: pl.DataFrame) -> pl.DataFrame:
    """For every traded row with a price range and a value: whether contracts and whether units explain it."""
    strike = pl.col("strike_paise").fill_null(0)
    low, high = (strike + pl.col(name) for name in ("low_paise", "high_paise"))

    def explained(units: pl.Expr) -> pl.Expr:
        paise = pl.col("value_rupees") * 100 / units
        return paise.is_between(low * (1 - _SLACK) - 1, high * (1 + _SLACK) + 1)

    traded = rows.filter((pl.col("volume") > 0) & (pl.col("value_rupees") > 0) & (pl.col("low_paise") > 0))
    lot = pl.max_horizontal(pl.col("lot"), pl.lit(1))
    return traded.select(contracts=explained(pl.col("volume").cast(pl.Float64) * lot), units=explained(pl.col("volume").cast(pl.Float64)))
