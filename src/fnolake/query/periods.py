"""
Days to weeks and months, of rows in rupees: what is made of whole days and not of minutes. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model.session import utc_from_us
from fnolake.query.anchors import any_contract, first_session
from fnolake.query.interval import Interval

OPENS: dict[str, pl.DataType | type[pl.DataType]] = {"underlying": pl.String, "kind": pl.String, "session": pl.Date, "ts": pl.Datetime("us", "UTC")}
Named = tuple[str, str, str, bool]
"""venue, underlying, kind, is_index."""


def opens(calendar: Calendar, names: Sequence[Named], sessions: Sequence[date]) -> pl.DataFrame:
    """
    When the continuous session begins: :data:`OPENS`, unique by underlying, kind and session.

    Raises:
        UnknownSession: The hours of a session are not known.
    """
    found = [
        (underlying, kind, day, utc_from_us(session.open_us))
        for venue, underlying, kind, is_index in names for day in sessions
        if (session := calendar.session_for(any_contract(venue, underlying, kind, is_index=is_index), day)) is not None
    ]
    return pl.DataFrame(found, schema=OPENS, orient="row").unique(["underlying", "kind", "session"], keep="first")


def joined(days: pl.DataFrame, interval: Interval, calendar: Calendar, names: Sequence[Named]) -> pl.DataFrame:
    """
    Rows of days as rows of their weeks or months.

    Args:
        days: One row a ``contract`` (of any type) and ``session``, with ``ts`` and numbers.
        interval: A period.
        calendar: For the first session of each period.
        names: Of the contracts.

    Returns:
        The same columns, one row a contract and period: open the first, high and low the extremes, volume the sum, vwap
        weighed by volume (null if a traded day has none), ``session`` the period's first session, ``ts`` its open, and of
        everything else the last that is not null.
    """
    first = {day: first_session(calendar, interval, day) for day in days["session"].unique()}
    table = pl.DataFrame(list(first.items()), schema={"session": pl.Date, "period": pl.Date}, orient="row")
    rows = days.join(table, on="session", how="left").sort("contract", "session")
    made = {"open": pl.col("open").drop_nulls().first(), "high": pl.col("high").max(), "low": pl.col("low").min(), "volume": pl.col("volume").sum()}
    if "vwap" in days.columns:
        made["vwap"] = _weighed()
    last = {name: pl.col(name).drop_nulls().last() for name in days.columns if name not in {*made, "contract", "session", "ts"}}
    grouped = rows.group_by("contract", "period", maintain_order=True).agg(**made, **last).rename({"period": "session"})
    starts = opens(calendar, names, sorted(set(first.values()))).with_columns(pl.col("ts").cast(days.schema["ts"]))
    return grouped.join(starts, on=["underlying", "kind", "session"], how="left", maintain_order="left").select(days.columns)


def _weighed() -> pl.Expr:
    volume, vwap = pl.col("volume"), pl.col("vwap")
    whole = (volume.filter(vwap.is_not_null()).sum() == volume.sum()) & (volume.sum() > 0)
    return pl.when(whole).then((volume * vwap).sum() / volume.sum())
