"""
Where a contract's bars lie in its session's published file: the number of its first row there, kept in coverage.

Published files are sorted, so a contract's bars follow each other, and a reader may go straight to them. Invariant: a place
is written in the transaction that names the file it points into; where there is none, the file is looked through.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.store.ledger import Ledger, days

PAIRS = 20_000
"""More contract-sessions than these are not looked up one by one."""

PIECES, GAP = 16, 8_192
"""A file is read in at most so many pieces; pieces with fewer rows between them are read as one."""

_RESET = "update coverage set place = null where session = ? and place is not null"
_WRITE = "update coverage set place = ? where session = ? and contract = ? and batch = 0 and bars = ?"
_OPEN = """
select session, bars_file from published p where bars_file <> '' and not exists (
    select 1 from coverage c where c.session = p.session and c.place is not null) order by session
"""

Runs = list[tuple[int, int, int]]
"""(first row, contract, rows) of every contract whose rows of a file follow each other."""

Piece = tuple[int, int]
"""First row and how many."""


def runs(file: Path) -> Runs:
    """Where the contracts of a published file lie."""
    contracts = pl.read_parquet(file, columns=["contract"], hive_partitioning=False)["contract"]
    found = contracts.rle().struct.unnest().with_columns(first=pl.col("len").cum_sum() - pl.col("len"))
    return found.filter(pl.col("value").is_unique()).select("first", "value", "len").rows()


def record(connection: sqlite3.Connection, session: date, found: Runs) -> None:
    """Say where the contracts of a session are, in the transaction that names its file."""
    day = days(session)
    connection.execute(_RESET, (day,))
    connection.executemany(_WRITE, ((first, day, contract, rows) for first, contract, rows in found))


def fill(bars: Path, ledger: Ledger) -> int:
    """
    Find the places of published sessions that have none: written by an earlier fnolake, or rebuilt.

    Args:
        bars: Folder of the bars table.
        ledger: Open for writing.

    Returns:
        How many sessions.
    """
    epoch = date(1970, 1, 1).toordinal()
    wanted = [(date.fromordinal(epoch + int(str(day))), str(file)) for day, file in ledger.rows(_OPEN)]
    for session, file in wanted:
        if (bars / file).exists():
            found = runs(bars / file)
            with ledger.transaction() as connection:
                record(connection, session, found)
    return len(wanted)


def pieces(ledger: Ledger, contracts: Sequence[int], sessions: Sequence[date]) -> dict[int, list[Piece] | None]:
    """
    Which rows of each session's published file hold contracts, in the caller's moment of the ledger.

    Returns:
        By session, in days since 1970: pieces in order, or None where the file is to be looked through. A session that
        is not named has none of their bars. A piece may hold rows of other contracts.
    """
    if len(contracts) * len(sessions) > PAIRS:
        return {days(day): None for day in sessions}
    marks = ", ".join("?" * len(sessions)), ", ".join("?" * len(contracts))
    rows = ledger.rows(
        f"select session, place, bars from coverage where session in ({marks[0]}) and contract in ({marks[1]}) and batch = 0 and bars > 0",  # noqa: S608 - marks only
        (*(days(day) for day in sessions), *contracts),
    )
    by_session: dict[int, list[tuple[int | None, int]]] = {}
    for session, place, bars in rows:
        by_session.setdefault(int(str(session)), []).append((place, int(str(bars))))  # type: ignore[arg-type]
    return {session: _merged(found) for session, found in by_session.items()}


def _merged(found: list[tuple[int | None, int]]) -> list[Piece] | None:
    if any(place is None for place, _ in found):
        return None
    table = np.array(sorted(found), dtype=np.int64)
    first, last = table[:, 0], table[:, 0] + table[:, 1]
    cuts = np.flatnonzero(first[1:] - last[:-1] > GAP) + 1
    starts, ends = first[[0, *cuts]], last[[*(cuts - 1), -1]]
    return [*zip(starts.tolist(), (ends - starts).tolist(), strict=True)] if len(starts) <= PIECES else None
