"""
From what was asked to what is read: the contracts that are meant, their sessions and how much of them is covered. Reads the store only.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from fnolake.errors import ConfigError
from fnolake.export.work import Choice, Coverage, Reader, Work
from fnolake.market.calendar import Calendar
from fnolake.query.ask import Ask, Finished, find
from fnolake.query.gaps import Gaps
from fnolake.query.interval import interval_of
from fnolake.query.select import choice_of
from fnolake.query.when import when
from fnolake.store.store import Store


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


def select(store: Store, calendar: Calendar, choice: Choice, read: Reader, finished: Finished) -> Work:
    """
    The work that a choice means.

    Raises:
        QueryError: No such instrument or interval, or words that exclude each other.
        ConfigError: The span is the wrong way round.
    """
    interval = interval_of(choice.interval)
    meant = choice_of(choice.symbol, choice.kind, choice.expiry, choice.strike, choice.right, choice.moneyness)
    found = find(store, calendar, Ask(meant, when(choice.start, choice.end)), finished)
    listings = store.instrument_history().filter(pl.col("contract").is_in(found.ids))
    return Work(choice, interval, read, found.sessions, listings, calendar, coverage(found.gaps))


def coverage(gaps: Gaps) -> Coverage:
    """How many contract-sessions are covered, and what the others are."""
    lacking = gaps.rows["reason"].str.split(":").list.first().value_counts(name="count").sort("reason")
    return Coverage(gaps.wanted, gaps.wanted - gaps.rows.height, dict(lacking.iter_rows()))
