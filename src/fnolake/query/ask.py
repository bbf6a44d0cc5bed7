"""
One question to a lake and its answer: selection, span, gaps, length, fill and adjustment in their order. Reads the store.

Adds no logic of its own. Invariant: whatever is asked, what is missing of it is told beside the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.query.adjust import Factors, check_adjust, factors_of
from fnolake.query.bars import CONTINUOUS, PHASES, in_order, longer, present, stored
from fnolake.query.coverage import COVERED
from fnolake.query.exchange_bars import check_source, exchange_bars, exchange_days, file_gaps, files_here
from fnolake.query.fill import check_fill, filled_forward
from fnolake.query.gaps import Gaps, gaps_of, unnamed
from fnolake.query.interval import MINUTE, Interval, interval_of
from fnolake.query.live import provisional, unheard
from fnolake.query.periods import Named, joined
from fnolake.query.select import Choice, Meant, contracts_of, resolve
from fnolake.query.when import EVER, When
from fnolake.store.journal import recorded
from fnolake.store.store import Store

DAY = interval_of("1d")
Finished = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Ask:
    """What is asked of a lake: see ``Lake.bars``."""

    choice: Choice
    span: When = EVER
    phases: tuple[str, ...] = CONTINUOUS
    interval: Interval = MINUTE
    as_of: datetime | None = None
    source: str = "minutes"
    fill: str | None = None
    adjust: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """Contracts on sessions with bars, what is known of them and what is missing."""

    meant: Meant
    sessions: list[date]
    known: pl.DataFrame
    gaps: Gaps
    live: pl.DataFrame | None = None

    @property
    def ids(self) -> list[int]:
        """The contracts that are meant."""
        return self.meant.contracts["contract"].to_list()

    @property
    def names(self) -> list[Named]:
        """Whose hours they have."""
        return self.meant.contracts.select("venue", "underlying", "kind", "is_index").unique().rows()


def answer(store: Store, calendar: Calendar, ask: Ask, finished: Finished) -> tuple[pl.DataFrame, Gaps]:
    """
    Bars in rupees and IST, and what is missing of them.

    Args:
        store: The lake's.
        calendar: The sessions.
        ask: What is asked.
        finished: Whether a session is wanted by now.

    Returns:
        ``query.bars.BAR_COLUMNS`` by underlying, kind, expiry, strike, right, ts (of the exchange: ``DAY_COLUMNS``), with
        ``filled`` where fill, ``factor`` where an adjustment, and ``live`` and ``complete`` where live bars were asked for.
    """
    _check(ask)
    contracts = _contracts(store, ask)
    if ask.source == "exchange":
        return _from_exchange(store, calendar, ask, contracts, finished)
    found = _find(store, calendar, ask, contracts, finished)
    factors = _factors(store, ask, contracts)
    weekly = factors is not None and ask.interval.period not in {"", "day"}
    rows = _cut(_rows(store, calendar, ask, found, DAY if weekly else ask.interval), ask.span if not weekly else EVER)
    also = ["filled"] if ask.fill else []
    frame = in_order(store, rows, found.ids, also=["contract", *also])
    if found.live is not None:
        frame = _marked(frame, found.live)
    if factors is None:
        return frame.drop("contract"), found.gaps
    frame = factors.apply(frame)
    if weekly:
        frame = joined(frame, ask.interval, calendar, found.names)
        frame = _cut(frame.lazy(), ask.span).collect()
    unknown = factors.unknown(found.meant.contracts, frame["session"].unique().sort().to_list())
    return frame.drop("contract"), _with(found.gaps, unknown)


def scan(store: Store, calendar: Calendar, ask: Ask, finished: Finished) -> tuple[pl.LazyFrame, Gaps]:
    """Minutes of a question lazily, ``query.bars.BAR_COLUMNS`` in no promised order, and what is missing of them."""
    found = find(store, calendar, ask, finished)
    return present(store, _cut(_stored(store, ask, found), ask.span), found.ids), found.gaps


def find(store: Store, calendar: Calendar, ask: Ask, finished: Finished) -> Found:
    """What a question about minutes is about, before any bar is read."""
    return _find(store, calendar, ask, _contracts(store, ask), finished)


def _check(ask: Ask) -> None:
    check_source(ask.source, ask.interval, ask.span)
    check_fill(ask.fill)
    unknown = [phase for phase in ask.phases if phase not in PHASES]
    if unknown:
        raise QueryError(f"no phase {unknown[0]!r}: give {', '.join(PHASES)}")
    if ask.source == "exchange" and (ask.fill or ask.as_of):
        raise QueryError("the exchange's days are neither filled nor known by instant: leave out fill and as_of, or ask for source minutes")


def _contracts(store: Store, ask: Ask) -> pl.DataFrame:
    """What a choice can mean; the exchange's files may have expiries and strikes that no master names."""
    instruments = store.instruments(None)
    choice = ask.choice
    if ask.source == "exchange" and choice.kind in {"future", "option"} and choice.money is None:
        wide = contracts_of(instruments, Choice(choice.symbol, choice.kind))
    else:
        wide = contracts_of(instruments, choice)
    check_adjust(ask.adjust, wide)
    return wide


def _factors(store: Store, ask: Ask, contracts: pl.DataFrame) -> Factors | None:
    if ask.adjust is None:
        return None
    until = ask.as_of.date() if ask.as_of else max([*store.sessions()[-1:], *(day for *_, day in store.exchange_days())], default=date.max)
    return factors_of(store, contracts, until)


def _find(store: Store, calendar: Calendar, ask: Ask, contracts: pl.DataFrame, finished: Finished) -> Found:
    lake_days = sorted({*store.sessions(), *(recorded(store.path) if ask.live else ())})
    meant = Meant(contracts)
    if ask.choice.moves:
        days = _days(calendar, ask.span, lake_days, lake_days)
        meant = resolve(store, calendar, ask.choice, contracts, days, lambda ids, some: stored(store, ids, some, (), ask.as_of))
    known = store.outcomes(meant.contracts["contract"].to_list(), ask.as_of, (ask.span.first, ask.span.last))
    if meant.pairs is not None:
        known = known.join(meant.pairs, on=["contract", "session"], how="semi")
    days = _days(calendar, ask.span, known["session"].unique().sort().to_list() or lake_days, lake_days)
    pairs = None if meant.pairs is None else meant.pairs.filter(pl.col("session").is_in(days))
    lost = meant.lost.filter(pl.col("session").is_in(days))
    gaps = gaps_of(store, meant.contracts, days, known, only=pairs, lost=lost, finished=finished)
    with_bars = known if ask.as_of else known.filter(pl.col("bars") > 0)
    sessions = with_bars["session"].unique().sort().to_list() if ask.as_of is None else ask.span.of(lake_days)
    live = provisional(store, meant.contracts["contract"].to_list(), ask.span.of(recorded(store.path)), ask.phases) if ask.live else None
    if live is not None:
        sessions = sorted({*sessions, *live["session"].unique().to_list()})
        gaps = _with(gaps, _unheard(store, ask, meant, live))
    return Found(Meant(meant.contracts, pairs, lost), sessions, known, gaps, live)


def _days(calendar: Calendar, span: When, known: Sequence[date], lake_days: Sequence[date]) -> list[date]:
    """Sessions of a span: an open start is where what is known begins, an open end where the lake's knowledge ends."""
    if not lake_days and (span.first is None or span.last is None):
        return []
    first = span.first or min(known)
    last = span.last or max(lake_days[-1], first)
    return sorted({*calendar.sessions(first, last), *span.of(known)}) if first <= last else []


def _stored(store: Store, ask: Ask, found: Found) -> pl.LazyFrame:
    rows = stored(store, found.ids, found.sessions, ask.phases, ask.as_of)
    if found.live is not None:
        rows = pl.concat([rows, found.live.lazy().drop("complete")])
    return rows if found.meant.pairs is None else rows.join(found.meant.pairs.lazy(), on=["contract", "session"], how="semi")


def _rows(store: Store, calendar: Calendar, ask: Ask, found: Found, interval: Interval) -> pl.LazyFrame:
    """Bars of the interval in paise, filled where that was asked for."""
    rows = longer(store, _stored(store, ask, found), found.ids, found.sessions, ask.phases, interval=interval, calendar=calendar)
    if ask.fill is None:
        return rows
    covered = found.known.filter(pl.col("outcome").is_in(COVERED))
    indices = frozenset(found.meant.contracts.filter("is_index")["underlying"])
    return filled_forward(rows.collect(engine="streaming"), covered, calendar, indices, interval).lazy()


def _unheard(store: Store, ask: Ask, meant: Meant, live: pl.DataFrame) -> pl.DataFrame:
    """What the recorder missed of the provisional minutes that are read, as gaps."""
    pairs = live.select("contract", "session").unique()
    if meant.pairs is not None:
        pairs = pairs.join(meant.pairs, on=["contract", "session"], how="semi")
    away = unheard(store, pairs, ask.phases, ask.span.since, ask.span.until).join(meant.contracts.select("contract", "symbol"), on="contract")
    return away.select("contract", "symbol", "session", reason=pl.format("live: {} min not heard", "minutes"))


def _cut(rows: pl.LazyFrame, span: When) -> pl.LazyFrame:
    """Bars that begin in the span."""
    if span.since is not None:
        rows = rows.filter(pl.col("ts") >= span.since)
    return rows if span.until is None else rows.filter(pl.col("ts") < span.until)


def _from_exchange(store: Store, calendar: Calendar, ask: Ask, contracts: pl.DataFrame, finished: Finished) -> tuple[pl.DataFrame, Gaps]:
    files = files_here(store, contracts)
    days = _days(calendar, ask.span, files, files)
    only, lost = None, None
    if ask.choice.money is not None:
        meant = resolve(store, calendar, ask.choice, contracts, days, lambda ids, some: stored(store, ids, some, ()))
        contracts, only, lost = meant.contracts, meant.pairs, meant.lost
    label = contracts["symbol"][0] if contracts.height == 1 else f"{ask.choice.symbol} {ask.choice.kind or ''}".strip()
    gaps = file_gaps(store, contracts, label, days, finished)
    if lost is not None:
        gaps = _with(gaps, unnamed(lost))
    names = contracts.select("venue", "underlying", "kind", "is_index").unique().rows()
    rows = exchange_days(store, ask.choice, contracts, ask.span.of(files), only)
    factors = _factors(store, ask, contracts)
    if factors is not None:
        rows = factors.apply(rows)
        gaps = _with(gaps, factors.unknown(contracts, rows["session"].unique().sort().to_list()))
    return exchange_bars(rows, ask.interval, calendar, names), gaps


def _marked(frame: pl.DataFrame, live: pl.DataFrame) -> pl.DataFrame:
    """``live``: of a contract-session that is provisional; ``complete``: null unless it is a live minute."""
    pairs = live.select("contract", "session", live=pl.lit(value=True)).unique()
    minutes = live.select("contract", pl.col("ts").dt.convert_time_zone("Asia/Kolkata"), "complete")
    return (
        frame.join(pairs, on=["contract", "session"], how="left", maintain_order="left").with_columns(pl.col("live").fill_null(value=False))
        .join(minutes, on=["contract", "ts"], how="left", maintain_order="left")
    )


def _with(gaps: Gaps, more: pl.DataFrame) -> Gaps:
    return gaps if more.is_empty() else replace(gaps, rows=pl.concat([gaps.rows, more]).sort("session", "symbol"))
