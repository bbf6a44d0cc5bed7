"""
From what was asked to what is read: the contracts that are meant, their sessions and how much of them is covered. Reads the store only.
"""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.errors import ConfigError
from fnolake.export.work import Choice, Coverage, Reader, Work
from fnolake.market.calendar import Calendar
from fnolake.model import Selection
from fnolake.query.coverage import COVERED
from fnolake.query.interval import interval_of
from fnolake.query.pick import pick
from fnolake.store.store import Store
from fnolake.sync.wanted import Wanted, selected_contracts, status_rows


def day_of(given: date | str | None) -> date | None:
    """
    A date, or its text.

    Raises:
        ConfigError: It is none.
    """
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    try:
        return date.fromisoformat(str(given))
    except ValueError as error:
        raise ConfigError(f"{given} is no date: give one like 2026-11-20") from error


def outside(lake: Path, folder: Path) -> Path:
    """
    The folder, absolute.

    Raises:
        ConfigError: It lies within the lake, or is a file.
    """
    path = folder.expanduser().absolute()
    if path.resolve().is_relative_to(lake.resolve()):
        raise ConfigError(f"{path} lies within the lake: give a folder outside of {lake}")
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file: give a folder")
    return path


def select(store: Store, calendar: Calendar, choice: Choice, read: Reader) -> Work:
    """
    The work that a choice means.

    Raises:
        QueryError: No such instrument or interval.
        ConfigError: The span is the wrong way round.
    """
    if choice.start and choice.end and choice.start > choice.end:
        raise ConfigError(f"start {choice.start} is after end {choice.end}: give the earlier date first")
    interval = interval_of(choice.interval)
    contracts = pick(selected_contracts(store, Selection()), choice.symbol, choice.kind, choice.expiry)
    meant = contracts["contract"].to_list()
    sessions = [day for day in store.sessions(meant) if (choice.start or date.min) <= day <= (choice.end or date.max)]
    listings = store.instrument_history().filter(pl.col("contract").is_in(meant))
    asked = _asked(calendar, choice, sessions)
    return Work(choice, interval, read, sessions, listings, calendar, coverage(store, contracts, asked, near=choice.expiry == "near"))


def _asked(calendar: Calendar, choice: Choice, sessions: list[date]) -> tuple[date, ...]:
    """Sessions that a choice speaks of: those of the dates that it names, open ends reaching as far as there are bars."""
    if not sessions:
        return ()
    return tuple(sorted({*sessions, *calendar.sessions(choice.start or sessions[0], min(choice.end or sessions[-1], sessions[-1]))}))


def coverage(store: Store, contracts: pl.DataFrame, sessions: tuple[date, ...], *, near: bool = False) -> Coverage:
    """How many contract-sessions are covered; ``near``: of each session only the next to expire."""
    if not sessions:
        return Coverage()
    rows = status_rows(store, Wanted(contracts, sessions))
    if near:
        rows = rows.filter(pl.col("expiry") == pl.col("expiry").min().over("session"))
    lacking = rows.filter(~pl.col("status").is_in(COVERED))["status"].value_counts().sort("status")
    return Coverage(rows.height, rows.height - int(lacking["count"].sum()), dict(lacking.iter_rows()))
