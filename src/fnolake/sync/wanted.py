"""
What is wanted, from a selection: sessions, contracts and the facts that the plan needs. Reads the store, writes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from fnolake.errors import ConfigError, UnknownInstrument
from fnolake.market.calendar import Calendar
from fnolake.model import Selection, ist_date
from fnolake.query.coverage import ExchangeSaid, alive, pairs, statuses
from fnolake.store.store import Store
from fnolake.sync.plan import PlanFacts

HORIZON_DAYS = 300
"""About ten months, what Shoonya was seen to keep (protocols/shoonya.md, 2026-01-14)."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Selected contracts (``model.instrument_schema``, one row each) and open, finished sessions, ascending."""

    contracts: pl.DataFrame
    sessions: tuple[date, ...]
    unknown: tuple[date, ...] = ()


def wanted_sessions(selection: Selection, calendar: Calendar, now: datetime) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """
    The finished sessions of a selection and the dates whose hours nobody knows.

    Raises:
        ConfigError: The span is the wrong way round, or nothing of it is finished.
    """
    finished = calendar.last_finished(now)
    first = ist_date(now) - timedelta(days=HORIZON_DAYS) if selection.backfill else selection.end or finished
    start = selection.start or first
    end = selection.end or (finished if selection.start is None or selection.start <= finished else selection.start)
    if start > end:
        raise ConfigError(f"--from {start} is after --to {end}; give the earlier date first")
    sessions = tuple(day for day in calendar.sessions(start, min(end, finished)))
    unknown = tuple(calendar.unknown(start, min(end, finished)))
    if not sessions and not unknown:
        raise ConfigError(f"no finished session from {start} to {end}; the last one is {finished}")
    return sessions, unknown


def wanted(store: Store, selection: Selection, calendar: Calendar, now: datetime) -> Wanted:
    """
    Contracts and sessions of a selection.

    Raises:
        ConfigError: No finished session in the selection.
        UnknownInstrument: An underlying that no master named.
    """
    sessions, unknown = wanted_sessions(selection, calendar, now)
    return Wanted(selected_contracts(store, selection), sessions, unknown)


def selected_contracts(store: Store, selection: Selection) -> pl.DataFrame:
    """The latest row of every selected contract."""
    rows = store.instruments(None).sort("valid_from", nulls_last=False).unique("contract", keep="last").sort("contract")
    if rows.height:
        _known_underlyings(rows, selection.underlyings)
    if selection.underlyings:
        rows = rows.filter(pl.col("underlying").is_in(selection.underlyings))
    return rows.filter(pl.col("kind").is_in(selection.kinds)) if selection.kinds else rows


def _known_underlyings(rows: pl.DataFrame, names: Iterable[str]) -> None:
    known = rows["underlying"].unique().to_list()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "see `fnolake instruments`"
            raise UnknownInstrument(f"no underlying {name} in this lake; {hint}")


def exchange_said(store: Store, sessions: Iterable[date]) -> ExchangeSaid:
    """What the exchange's files of these sessions say, matched to contracts."""
    days = tuple(sessions)
    here = frozenset(key for key in store.exchange_days() if key[2] in set(days))
    if not here:
        return ExchangeSaid()
    rows = store.exchange_rows(days)
    return ExchangeSaid(rows.select("contract", "session", "volume", "trades"), here)


def plan_facts(store: Store, chosen: Wanted, calendar: Calendar, now: datetime) -> PlanFacts:
    """Everything that planning must know, read once."""
    missing = store.missing(chosen.contracts, list(chosen.sessions))
    return PlanFacts(
        contracts=chosen.contracts,
        missing=alive(missing, chosen.contracts),
        sessions=chosen.sessions,
        today=ist_date(now),
        exchange=exchange_said(store, chosen.sessions),
        mean_rows=store.mean_rows(),
        minutes=session_minutes(calendar, chosen.sessions),
        horizon_days=HORIZON_DAYS,
    )


def session_minutes(calendar: Calendar, sessions: Iterable[date]) -> dict[tuple[str, date], int]:
    """Continuous minutes of each session by segment, for the expected rows."""
    found = {}
    for day in sessions:
        for segment in ("CM", "FO"):
            session = calendar.session("NSE", segment, day, closing_auction=segment == "CM")
            if session is not None:
                found[segment, day] = session.minutes
    return found


def status_rows(store: Store, chosen: Wanted) -> pl.DataFrame:
    """``query.coverage.statuses`` of the wanted contracts and sessions."""
    known = store.coverage(list(chosen.sessions))
    return statuses(chosen.contracts, chosen.sessions, known, exchange_said(store, chosen.sessions))


def still_missing(store: Store, chosen: Wanted) -> int:
    """How many listed contract-sessions are not covered."""
    from fnolake.query.coverage import gaps

    return gaps(status_rows(store, chosen)).height


__all__ = [
    "HORIZON_DAYS", "Wanted", "exchange_said", "pairs", "plan_facts", "selected_contracts", "session_minutes",
    "status_rows", "still_missing", "wanted", "wanted_sessions",
]
