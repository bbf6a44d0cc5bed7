"""
Days, weeks and months as the exchange published them, never mixed with minutes. Reads the store.

The exchange's row has what minutes cannot tell: the official close, the settlement price, the last price, and sessions that
nobody captured. Invariant: every number is the file's, in rupees and units; nothing of it is made from minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date

import polars as pl

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.model import contract_symbol
from fnolake.query.gaps import GAPS, Gaps
from fnolake.query.interval import Interval
from fnolake.query.periods import Named, joined, opens
from fnolake.query.rupees import rupees
from fnolake.query.select import Choice
from fnolake.query.when import When
from fnolake.store.store import Store

SOURCES = ("minutes", "exchange")
DAY_COLUMNS = (
    "ts", "session", "symbol", "underlying", "kind", "expiry", "strike", "right", "open", "high", "low", "close", "last",
    "settlement", "volume", "oi",
)
"""
As ``query.bars.BAR_COLUMNS``, with the official ``close``, the price of the ``last`` trade and the ``settlement``; prices of
trades are null where nothing was traded.
"""
_TRADED = ("open", "high", "low", "last")
_PAISE = {**{name: f"{name}_paise" for name in (*_TRADED, "close")}, "settlement": "settle_paise", "strike": "strike_paise"}
_ORDER = ("underlying", "kind", "expiry", "strike", "right", "contract", "ts")
_NAMES = ("underlying", "kind", "expiry", "strike_paise", "right")


def check_source(source: str, interval: Interval, span: When) -> None:
    """
    Refuse what the exchange does not publish.

    Raises:
        QueryError: No such source, minutes of the exchange, or a part of its days.
    """
    if source not in SOURCES:
        raise QueryError(f"no source {source!r}: give minutes or exchange")
    if source == "exchange" and not interval.period:
        raise QueryError("the exchange publishes days: with source exchange ask for the interval 1d, 1w or 1mo")
    if source == "exchange" and span.has_instants:
        raise QueryError("the exchange publishes whole days: with source exchange give start and end as dates")


def exchange_days(store: Store, choice: Choice, contracts: pl.DataFrame, sessions: Sequence[date], only: pl.DataFrame | None) -> pl.DataFrame:
    """
    The exchange's rows of a choice: ``DAY_COLUMNS`` without ts, and ``contract``; see :func:`exchange_bars`.

    Derivatives of an underlying are picked from the files themselves, so those that no master names are there too.
    """
    named = only is not None or choice.kind is None or choice.kind == "spot" or choice.symbol not in contracts["underlying"].to_list()
    rows = _of_contracts(store, contracts, sessions, only) if named else _of_files(store, choice, contracts, sessions)
    traded = pl.col("volume") > 0
    prices = {name: rupees(pl.col(paise)) for name, paise in _PAISE.items()}
    return rows.with_columns(**{**prices, **{name: pl.when(traded).then(prices[name]) for name in _TRADED}}).select("contract", *DAY_COLUMNS[1:])


def exchange_bars(days: pl.DataFrame, interval: Interval, calendar: Calendar, names: Sequence[Named]) -> pl.DataFrame:
    """
    Days labelled by the session's open, or joined to weeks and months.

    Args:
        days: From :func:`exchange_days`, adjusted or not.
        interval: A day, week or month.
        calendar: For the opens.
        names: Of the contracts.

    Returns:
        ``DAY_COLUMNS`` and what ``days`` has besides; of weeks and months open the first, high and low the extremes, volume the
        sum, close, last, settlement and oi the last. By underlying, kind, expiry, strike, right, ts.
    """
    starts = opens(calendar, names, days["session"].unique().sort().to_list())
    timed = days.join(starts, on=["underlying", "kind", "session"], how="left").with_columns(pl.col("ts").dt.convert_time_zone("Asia/Kolkata"))
    made = timed if interval.period == "day" else joined(timed, interval, calendar, names)
    also = [name for name in made.columns if name not in {*DAY_COLUMNS, "contract"}]
    return made.sort(_ORDER, nulls_last=False).select(*DAY_COLUMNS, *also)


def files_here(store: Store, contracts: pl.DataFrame) -> list[date]:
    """
    Sessions of which the files of contracts are here, ascending.

    Raises:
        QueryError: Contracts that no file lists, or no file at all.
    """
    if contracts.filter(pl.col("kind") != "spot").is_empty() and contracts["is_index"].all():
        raise QueryError("the exchange's end-of-day files hold no index; ask for source minutes, or for its near future")
    places = set(contracts.select("venue", "segment").unique().iter_rows())
    days = sorted({day for venue, segment, day in store.exchange_days() if (venue, segment) in places})
    if not days:
        names = ", ".join(f"{venue} {segment}" for venue, segment in sorted(places))
        raise QueryError(f"no end-of-day file of {names} is in this lake: `fnolake exchange take FILE` reads one, and `fnolake sync` fetches them with your consent")
    return days


def file_gaps(store: Store, contracts: pl.DataFrame, label: str, sessions: Sequence[date], finished: Callable[[date], bool]) -> Gaps:
    """Sessions of which no file is here: ``gaps.GAPS``, one row each."""
    here = set(files_here(store, contracts))
    rows = [(None, label, day, "no end-of-day file") for day in sessions if day not in here and finished(day)]
    mend = "`fnolake exchange take FILE` reads the exchange's file, `fnolake sync` fetches it with your consent"
    return Gaps(pl.DataFrame(rows, schema=GAPS, orient="row"), len(sessions), tuple(sessions), mend)


def _of_contracts(store: Store, contracts: pl.DataFrame, sessions: Sequence[date], only: pl.DataFrame | None) -> pl.DataFrame:
    """Rows of contracts that are known, named as they stood on each session."""
    rows = store.exchange_rows(sessions, contracts["contract"].to_list())
    if only is not None:
        rows = rows.join(only, on=["contract", "session"], how="semi")
    names = store.instrument_history().select("contract", "symbol", *_NAMES, "valid_from", "valid_to")
    stood = (pl.col("valid_from").is_null() | (pl.col("valid_from") <= pl.col("session"))) & (
        pl.col("valid_to").is_null() | (pl.col("valid_to") >= pl.col("session"))
    )
    return rows.join(names, on="contract").filter(stood).unique(["contract", "session"], keep="last", maintain_order=True)


def _of_files(store: Store, choice: Choice, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """Rows of an underlying's derivatives as the files name them; the symbol is their identity."""
    places, is_index = contracts["venue"].unique().to_list(), contracts["is_index"][0]
    keep = (pl.col("underlying") == choice.symbol) & (pl.col("kind") == choice.kind) & pl.col("venue").is_in(places)
    rows = store.exchange_scan(sessions).filter(keep & (pl.col("expiry") >= pl.col("session"))).collect()
    if choice.rank:
        rows = rows.filter(pl.col("expiry").rank("dense").over("session", "venue") == choice.rank)
    given = {"expiry": choice.expiry, "strike_paise": choice.strike_paise, "right": choice.right}
    for name, value in given.items():
        rows = rows if value is None else rows.filter(pl.col(name) == value)
    listed = rows.select(_NAMES).unique()
    symbols = [contract_symbol(*one, is_index=is_index) for one in listed.iter_rows()]
    named = rows.join(listed.with_columns(symbol=pl.Series(symbols, dtype=pl.String)), on=_NAMES, nulls_equal=True)
    return named.with_columns(contract="symbol")
