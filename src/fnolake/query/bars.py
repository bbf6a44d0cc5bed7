"""
Bars as people and programs read them: rupees, IST, symbols. Reads the store, writes nothing.

Each row speaks as its contract stood on that session. Invariant: prices are exact paise divided by 100.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from fnolake.errors import ConfigError
from fnolake.market.calendar import Calendar
from fnolake.model import BAR_SORT, IST
from fnolake.query.anchors import anchors
from fnolake.query.interval import MINUTE, Interval
from fnolake.query.pick import near_only
from fnolake.query.resample import resample
from fnolake.query.rupees import rupees
from fnolake.store.store import Store

BAR_COLUMNS = (
    "ts", "session", "symbol", "underlying", "kind", "expiry", "strike", "right", "open", "high", "low", "close", "volume", "oi",
    "vwap", "phase",
)
"""ts Datetime(us, Asia/Kolkata), start of the bar; prices, vwap and strike Float64 rupees; volume, oi Int64 units."""

CONTINUOUS = ("continuous",)
PHASES = ("continuous", "preopen", "auction")
_RUPEES = ("open", "high", "low", "close", "vwap", "strike")
_PLACE = "place"
_PLACED_BY = BAR_SORT[:-1]
_NAMED_BY = ("contract", "underlying", "expiry", "strike_paise")


def read(
    store: Store, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str] = CONTINUOUS,
    *, near: bool = False, as_of: datetime | str | None = None,
) -> pl.DataFrame:
    """
    Minute bars of contracts on sessions.

    Args:
        store: The lake's store.
        contracts: Ids; None means all.
        sessions: Sessions, in any order.
        phases: Phases to keep; empty means all.
        near: Of each session only the nearest expiry.
        as_of: Only what was known then: an instant, or its text (IST without a zone).

    Returns:
        ``BAR_COLUMNS``, by underlying, kind, expiry, strike, right, contract, ts.

    Raises:
        ConfigError: ``as_of`` is no instant.
        NotCovered: Bars of then were replaced since and are kept nowhere.
    """
    rows = stored(store, contracts, sessions, phases, as_of)
    return in_order(store, near_only(rows) if near else rows, contracts)


def read_longer(
    store: Store, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str] = CONTINUOUS,
    *, interval: Interval, calendar: Calendar, near: bool = False, as_of: datetime | str | None = None,
) -> pl.DataFrame:
    """
    The same as ``read``, in bars of an interval (see ``query.resample``), each session by the calendar's hours.

    Raises:
        UnknownSession: The calendar does not know the hours of a session that is read.
    """
    if interval == MINUTE:
        return read(store, contracts, sessions, phases, near=near, as_of=as_of)
    rows = stored(store, contracts, sessions, phases, as_of)
    longer_rows = longer(store, near_only(rows) if near else rows, contracts, sessions, phases, interval=interval, calendar=calendar)
    return in_order(store, longer_rows, contracts)


def longer(
    store: Store, rows: pl.LazyFrame, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str],
    *, interval: Interval, calendar: Calendar,
) -> pl.LazyFrame:
    """
    Stored minutes of contracts on sessions as bars of an interval, see ``query.resample``.

    Raises:
        UnknownSession: The calendar does not know the hours of a session.
    """
    if interval == MINUTE:
        return rows
    named = store.instrument_history().select("contract", "venue", "underlying", "kind", "is_index")
    if contracts is not None:
        named = named.filter(pl.col("contract").is_in(list(contracts)))
    at = anchors(calendar, named.drop("contract").unique().rows(), sessions, phases or PHASES, interval)
    return resample(rows, interval, at)


def in_order(store: Store, rows: pl.LazyFrame, contracts: Sequence[int] | None, *, also: Sequence[str] = ()) -> pl.DataFrame:
    """
    What :func:`present` makes of stored bars, by ``BAR_SORT``.

    One number a bar says it all: a session's bars lie in order already, which costs a look (2 ms for 400,000), where sorting
    them by seven columns took 100 ms (2026-11-21).
    """
    shown = present(store, rows, contracts, also=[*also, _PLACE]).collect(engine="streaming")
    key = shown.select(key=pl.col(_PLACE).cast(pl.Int64) * 2**32 + pl.col("ts").dt.epoch("s") // 60)["key"]
    return (shown if key.is_sorted() else shown[key.arg_sort()]).drop(_PLACE)


def scan(
    store: Store, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str] = CONTINUOUS,
) -> pl.LazyFrame:
    """The same as ``read``, lazily and in no promised order; collect it within the store's grace."""
    return present(store, stored(store, contracts, sessions, phases), contracts)


def stored(
    store: Store, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str], as_of: datetime | str | None = None,
) -> pl.LazyFrame:
    """
    Stored bars of some phases (empty = all), in paise and UTC; ``as_of`` as for ``read``.

    Not ``is_in``: within a Parquet scan that cost three times as much (polars 2.1, 2026-11-21).
    """
    rows = store.bars(contracts, sessions) if as_of is None else store.bars_as_of(contracts, sessions, instant_of(as_of))
    return rows.filter(pl.any_horizontal(pl.col("phase") == each for each in phases)) if phases else rows


def instant_of(given: datetime | str) -> datetime:
    """
    An aware instant; text and instants without a zone are IST.

    Raises:
        ConfigError: It is none.
    """
    try:
        instant = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError as error:
        raise ConfigError(f"as of {given}: give an instant like 2026-11-21 08:00") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=IST)


def present(store: Store, rows: pl.LazyFrame, contracts: Sequence[int] | None = None, *, also: Sequence[str] = ()) -> pl.LazyFrame:
    """
    Stored bars in ``BAR_COLUMNS``, and columns that they have besides; their order is kept.

    ``_PLACE`` may be among these: where the bar's contract, as it stood, comes by ``BAR_SORT``.
    """
    names = store.instrument_history().select(*_PLACED_BY, "symbol")
    if contracts is not None:
        names = names.filter(pl.col("contract").is_in(list(contracts)))
    by: tuple[str, ...] = _NAMED_BY if names["contract"].is_duplicated().any() else ("contract",)
    names = names.unique(by, keep="last").sort(_PLACED_BY, nulls_last=False).with_row_index(_PLACE)
    named = rows.join(names.lazy().select(*by, "symbol", _PLACE), on=list(by), how="left", nulls_equal=True, maintain_order="left")
    return named.with_columns(
        *(rupees(pl.col(f"{name}_paise")).alias(name) for name in _RUPEES), ts=pl.col("ts").dt.convert_time_zone("Asia/Kolkata"),
    ).select(*BAR_COLUMNS, *also)
