"""Paise, as they are stored, as the rupees that people read. Pure."""

from __future__ import annotations

import polars as pl


def rupees(paise: pl.Expr) -> pl.Expr:
    """
    Paise as the nearest Float64 of rupees: what Python makes of ``1408.1``.

    Polars divides by a number as it multiplies by 1/100, which is one last bit off for every seventh price; rounding mends it.
    """
    return (paise / 100).round(2)


def in_rupees(frame: pl.DataFrame) -> pl.DataFrame:
    """The same frame with every column of paise as rupees, under its name without ``_paise``."""
    paise = [name for name in frame.columns if name.endswith("_paise")]
    return frame.with_columns(rupees(pl.col(paise))).rename({name: name.removesuffix("_paise") for name in paise})
