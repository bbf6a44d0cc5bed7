"""
How contracts stand at an instant: their last finished bar, the session's volume so far, open interest now and before.

Reads the store, writes nothing. Invariant: nothing that had not happened by the instant is seen. A bar is labelled by its
start and known at its end, so at 11:05 the bar of 11:04 is the newest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import MINUTE_US, ist_midnight_us, utc_from_us
from fnolake.store.store import Store

DAY_US: Final = 86_400_000_000
STANDING: Final[dict[str, type[pl.DataType]]] = {"contract": pl.Int64, "last_paise": pl.Int64, "ended_us": pl.Int64, "volume": pl.Int64, "oi": pl.Int64}
"""Last close in paise; when that bar ended (UTC microseconds); units traded so far; the last open interest that was said."""
BEFORE: Final[dict[str, type[pl.DataType]]] = {"contract": pl.Int64, "oi_before": pl.Int64}
_PRICE_BASE: Final = 2**32
_OI_BASE: Final = 2**44


def standing(store: Store, contracts: Sequence[int], session: date, until_us: int) -> pl.DataFrame:
    """
    Contracts with a bar in the session's continuous phase that ended by ``until_us`` (UTC microseconds): ``STANDING``.

    Contracts without one have no row; the order is not promised.
    """
    midnight = ist_midnight_us(session)
    minute = (pl.col("ts").dt.epoch("us") - midnight) // MINUTE_US
    rows = store.bars(contracts, [session]).filter(
        pl.col("phase") == "continuous", pl.col("ts") <= utc_from_us(until_us - MINUTE_US),
    )
    last = rows.group_by("contract").agg(
        price=(minute * _PRICE_BASE + pl.col("close_paise")).max(), said=(minute * _OI_BASE + pl.col("oi")).max(), volume=pl.col("volume").sum(),
    )
    return last.select(
        "contract", last_paise=pl.col("price") % _PRICE_BASE,
        ended_us=midnight + (pl.col("price") // _PRICE_BASE + 1) * MINUTE_US, volume="volume", oi=pl.col("said") % _OI_BASE,
    ).collect()


def session_before(store: Store, calendar: Calendar, session: date) -> date | None:
    """The session before; None where nobody knows which that is."""
    since = session - timedelta(days=14)
    yesterday = session - timedelta(days=1)
    known = {*calendar.sessions(since, yesterday), *(day for day in store.sessions() if since <= day < session)}
    if not known:
        return None
    return None if set(calendar.unknown(max(known), yesterday)) - known else max(known)


def exchange_said(store: Store, options: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """
    The exchange's rows of options of one venue, underlying and expiry, as they are listed now: contract, session, volume, oi.

    A row is theirs if strike and right agree and, where the file has tokens, the token too; after an adjustment none does.
    """
    first = options.row(0, named=True)
    rows = store.exchange_scan(sessions).filter(
        (pl.col("underlying") == first["underlying"]) & (pl.col("expiry") == first["expiry"])
        & (pl.col("kind") == "option") & (pl.col("venue") == first["venue"]),
    ).select("session", "strike_paise", "right", "volume", "oi", said="token").collect()
    own = options.select("contract", "token", "strike_paise", "right")
    found = own.join(rows, on=["strike_paise", "right"]).filter(pl.col("said").is_null() | (pl.col("said") == pl.col("token")))
    return found.select("contract", "session", "volume", "oi")


def oi_before(store: Store, options: pl.DataFrame, before: date | None, said: pl.DataFrame) -> tuple[pl.DataFrame, str | None]:
    """
    Open interest at the close of the session before (``BEFORE``), and who says so.

    Args:
        store: The lake's store.
        options: As for :func:`exchange_said`.
        before: The session before, None where it is not known.
        said: What the exchange said of it.

    Returns:
        ``exchange`` where its file is here, else ``bars``: the last that a bar of that session had; None without either.
    """
    if before is None:
        return pl.DataFrame(schema=BEFORE), None
    if (options["venue"][0], "FO", before) in store.exchange_days():
        return said.filter(pl.col("session") == before).select("contract", oi_before="oi"), "exchange"
    rows = standing(store, options["contract"].to_list(), before, ist_midnight_us(before) + DAY_US)
    return rows.select("contract", oi_before="oi"), "bars" if rows.height else None
