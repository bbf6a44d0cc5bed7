"""
The forward of an expiry at an instant: its future where one is listed and trades, else put-call parity. Pure.

Spot is never used: it stands still from 15:15 to the closing auction while derivatives trade on (market facts, 2026-08-03),
and carry and dividends are in the forward already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import polars as pl

FRESH: Final = 1
"""Minutes: parity takes only pairs whose legs are this young, if there are enough of them."""
ENOUGH: Final = 3
PAIRS: Final = 7


@dataclass(frozen=True, slots=True)
class Forward:
    """
    What a unit costs at the expiry, as the market has it at an instant.

    Attributes:
        price: Rupees per unit; None where it cannot be told.
        source: ``future`` or ``parity``; None without a price.
        age: Whole minutes since the end of the oldest bar it is made of.
    """

    price: float | None = None
    source: str | None = None
    age: int | None = None


def forward_of(future: tuple[float, int] | None, options: pl.DataFrame, growth: float, max_age: int | None) -> Forward:
    """
    The forward by the best that is there.

    Args:
        future: Last price in rupees and age in minutes of the same expiry's future; None where none is listed or trades.
        options: strike, right, last (rupees, null = none), age (minutes), one row an option.
        growth: exp(rate * years): what a rupee is at the expiry.
        max_age: Older prices are not used, in minutes; None uses all.
    """
    if future is not None and _young(future[1], max_age):
        return Forward(future[0], "future", future[1])
    return parity(options, growth, max_age)


def parity(options: pl.DataFrame, growth: float, max_age: int | None) -> Forward:
    """
    ``strike + (call - put) * growth``, the median over the pairs nearest the money: where call and put differ least.

    Of pairs whose legs both traded in the last minute or two, if there are three, else of all that are young enough.
    """
    last = options.filter(pl.col("last").is_not_null()).select("strike", "right", "last", "age")
    calls, puts = (last.filter(pl.col("right") == right).drop("right") for right in ("CE", "PE"))
    pairs = calls.join(puts, on="strike", suffix="_put").select(
        "strike", apart=pl.col("last") - pl.col("last_put"), age=pl.max_horizontal("age", "age_put"),
    )
    if max_age is not None:
        pairs = pairs.filter(pl.col("age") <= max_age)
    fresh = pairs.filter(pl.col("age") <= FRESH)
    near = (fresh if fresh.height >= ENOUGH else pairs).sort(pl.col("apart").abs(), "strike").head(PAIRS)
    if near.is_empty():
        return Forward()
    implied = near["strike"].to_numpy() + near["apart"].to_numpy() * growth
    return Forward(float(np.median(implied)), "parity", int(np.max(near["age"].to_numpy())))


def _young(age: int, max_age: int | None) -> bool:
    return max_age is None or age <= max_age
