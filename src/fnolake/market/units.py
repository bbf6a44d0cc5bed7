"""
Whether an end-of-day file counts volume in contracts or in units, proven by its own traded value. Pure.

Traded value is (strike + price) * units, so each traded row says which count fits its own day range. Invariant: a file
whose rows contradict the documented unit is never taken. Closing prices are not looked at: BSE's are wrong on expiry days.
"""

from __future__ import annotations

import polars as pl

from fnolake.errors import PayloadError
from fnolake.model.verdict import Finding

AGREE_SHARE = 0.9
"""Share of the deciding rows that must fit the documented unit."""
OFF_BY = 2.0
"""A median ratio beyond this factor from 1 is another unit: the smallest lots are 5, ranges of a day are far below 2."""
LAKH = 100_000.0
_SLACK = 0.005


def check_units(rows: pl.DataFrame, name: str, body: bytes, *, lots: bool, value_step_rupees: float = 0.0) -> list[Finding]:
    """
    Test the unit of ``volume`` on every traded row.

    Args:
        rows: Typed rows of one file, ``volume`` as the file states it.
        name: What the file is, for the message.
        body: The file, attached to the error.
        lots: The venue documents contracts (else units).
        value_step_rupees: The smallest step in which the file states value: a row may be off by one.

    Returns:
        ``value_off_range`` for the rows whose value fits neither count; ``units_untested`` where no row can decide.

    Raises:
        PayloadError: The median ratio of value to (volume * price) is far from 1, or under 90 % of the deciding rows fit
            the documented unit.
    """
    fits = _fits(rows, step_paise=value_step_rupees * 100)
    tested = fits.height
    if not tested:
        return [Finding("units_untested", 1, f"{name}: no traded row")]
    wanted, other = ("contracts", "units") if lots else ("units", "contracts")
    good, ratio = int(fits[wanted].sum()), median_ratio(rows, lots=lots)
    if good < AGREE_SHARE * tested or not 1 / OFF_BY < ratio < OFF_BY:
        swapped = int((fits[other] & ~fits[wanted]).sum())
        raise PayloadError(
            f"{name}: the traded value of {tested - good:,} of {tested:,} rows contradicts volume in {wanted} ({swapped:,} fit {other}): "
            f"the median ratio of value to volume * price is {ratio:.4g} where 1 is expected; the file was not taken, tell the project",
            provider="exchange", payload=body,
        )
    return [Finding("value_off_range", tested - good, f"{name}: traded value outside the day's range")] if good < tested else []


def median_ratio(rows: pl.DataFrame, *, lots: bool) -> float:
    """The median over traded rows of value / (units * (strike + middle of the day's range)); 0 without such a row."""
    strike = pl.col("strike_paise").fill_null(0)
    middle = strike + (pl.col("low_paise") + pl.col("high_paise")) / 2
    ratio = pl.col("value_rupees") * 100 / (_units(lots=lots) * middle)
    found = _traded(rows).select(ratio.median()).item()
    return float(found or 0.0)


def _traded(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter((pl.col("volume") > 0) & (pl.col("value_rupees") > 0) & (pl.col("low_paise") > 0))


def _units(*, lots: bool) -> pl.Expr:
    lot = pl.max_horizontal(pl.col("lot"), pl.lit(1)) if lots else pl.lit(1)
    return pl.col("volume").cast(pl.Float64) * lot


def _fits(rows: pl.DataFrame, *, step_paise: float) -> pl.DataFrame:
    """For every traded row that can decide: whether contracts and whether units explain its value."""
    strike = pl.col("strike_paise").fill_null(0)
    low, high = (strike + pl.col(name) for name in ("low_paise", "high_paise"))
    value = pl.col("value_rupees") * 100

    def explained(units: pl.Expr) -> pl.Expr:
        return value.is_between(units * (low * (1 - _SLACK) - 1) - step_paise, units * (high * (1 + _SLACK) + 1) + step_paise)

    decides = value > 4 * step_paise
    return _traded(rows).filter(decides).select(contracts=explained(_units(lots=True)), units=explained(_units(lots=False)))
