"""What an underlying was worth at a session's end: from the exchange's files, else from the bars that are here. Reads the store."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from fnolake.store.store import Store
from fnolake.sync.freshness import MONEY_SCHEMA

AT_ONCE = 10
_KEY = ("venue", "underlying", "session")


def money(store: Store, sessions: Sequence[date]) -> pl.DataFrame:
    """
    The last price of the near future (else of the spot series) of every underlying on each session, where it is known.

    The exchange's files are read some sessions at a time.

    Returns:
        venue, underlying, session, price_paise; one row each.
    """
    known = store.instruments(kinds=("spot", "future")).select("contract", "venue", "underlying", "expiry")
    days = list(sessions)
    parts = [_some(store, known, days[first : first + AT_ONCE]) for first in range(0, len(days) if known.height else 0, AT_ONCE)]
    return pl.concat(parts) if parts else pl.DataFrame(schema=MONEY_SCHEMA)


def _some(store: Store, known: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    stated = store.exchange_rows(sessions).select("contract", "session", price_paise="last_paise").filter(pl.col("price_paise") > 0)
    found = _near(stated, known)
    asked = found.select(_KEY).with_columns(known=pl.lit(value=True))
    every = known.select("venue", "underlying").unique().join(pl.DataFrame({"session": sessions}, schema={"session": pl.Date}), how="cross")
    lacking = every.join(asked, on=_KEY, how="anti")
    if lacking.is_empty():
        return found
    ours = known.join(lacking.select("venue", "underlying").unique(), on=["venue", "underlying"])["contract"].to_list()
    bars = (
        store.bars(ours, sorted(set(lacking["session"]))).group_by("contract", "session")
        .agg(price_paise=pl.col("close_paise").sort_by("ts").last().cast(pl.Int64)).collect()
    )
    return pl.concat([found, _near(bars, known).join(found, on=_KEY, how="anti")])


def _near(prices: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """One price an underlying and session: of the future that expires next, else of the spot series."""
    return (
        prices.join(known, on="contract").sort("expiry", "contract", nulls_last=True)
        .unique(_KEY, keep="first", maintain_order=True).select(list(MONEY_SCHEMA))
    )
