"""
Comparisons of two providers' captures: recorded in the transaction of the second's attempt, read by session.

A copy is kept in ``catalog/``, so that what the witnesses said survives the loss of the ledger. Invariant: comparisons
are only added, and each has the rows of its differences beside it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from fnolake.model import FIRST, Compared, difference_schema
from fnolake.store.disk import make_folder, write_table
from fnolake.store.ledger import Ledger, days, set_meta

COMPARISONS: dict[str, pl.DataType | type[pl.DataType]] = {
    "comparison": pl.Int64, "contract": pl.Int64, "session": pl.Date, "first_provider": pl.String, "first_attempt": pl.Int64,
    "second_provider": pl.String, "second_attempt": pl.Int64, "agreed": pl.Boolean, "findings": pl.String, "kept": pl.String,
    "why": pl.String, "compared_at": pl.Datetime("us", "UTC"),
}
"""Attempts are null where they were lost with a ledger; ``findings`` is JSON as in attempts; ``kept`` is first or second."""

DIFFERENCES: dict[str, pl.DataType | type[pl.DataType]] = {"comparison": pl.Int64, **difference_schema()}
"""``model.difference_schema`` with the comparison that it belongs to."""

SINCE = 2
"""The version of the ledger that has these tables."""
_COPIED = "catalog_comparison"
_EVER = (-(1 << 30), 1 << 30)
_INSERT = "insert into comparisons values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_INSERT_DIFFERENCE = "insert into differences values (?, ?, ?, ?, ?, ?, ?)"
_READ = "select * from comparisons where session between ? and ? order by session, contract, comparison"
_READ_DIFFERENCES = (
    "select d.* from differences d join comparisons c on c.comparison = d.comparison where c.session between ? and ? "
    "order by c.session, c.contract, d.comparison, d.ts_us, d.field"
)
_GIVEN_UP = """
select distinct a.contract, a.session from attempts a join coverage c on c.session = a.session and c.contract = a.contract
where a.outcome = 'unavailable' and a.provider <> c.provider and a.session between ? and ?
"""


def is_lost(compared: Compared) -> bool:
    """Whether the second witness was recorded only: the first stays."""
    return compared.kept == FIRST


def record(connection: sqlite3.Connection, attempts: dict[tuple[int, date], tuple[int, str]], compared: Iterable[Compared], now_us: int) -> None:
    """
    Record comparisons in the transaction of their second attempts.

    Args:
        connection: In the caller's transaction.
        attempts: Number and provider of the second witness by (contract, session).
        compared: One each.
        now_us: When.
    """
    first = connection.execute("select coalesce(max(comparison), 0) + 1 from comparisons").fetchone()[0]
    for number, each in enumerate(compared, first):
        attempt, provider = attempts[each.contract, each.session]
        findings = json.dumps([[f.name, f.count, f.detail, f.refused] for f in each.comparison.findings], ensure_ascii=False)
        connection.execute(_INSERT, (
            number, each.contract, days(each.session), each.first_provider, each.first_attempt, provider, attempt,
            int(each.comparison.agreed), findings, each.kept, each.why, now_us,
        ))
        rows = each.comparison.rows.with_columns(pl.col("ts").dt.epoch("us"))
        connection.executemany(_INSERT_DIFFERENCE, ((number, *row) for row in rows.iter_rows()))


def comparisons(ledger: Ledger, sessions: Sequence[date] | None = None) -> pl.DataFrame:
    """Comparisons of sessions (None = all), ``COMPARISONS``, by session, contract and time."""
    return _of_sessions(ledger, _READ, COMPARISONS, sessions, "session")


def differences(ledger: Ledger, sessions: Sequence[date] | None = None) -> pl.DataFrame:
    """Differences of the same comparisons, ``DIFFERENCES``, in the same order, then by ts and field."""
    rows = _of_sessions(ledger, _READ_DIFFERENCES, DIFFERENCES, sessions, None)
    if sessions is None:
        return rows
    return rows.filter(pl.col("comparison").is_in(comparisons(ledger, sessions)["comparison"].implode()))


def given_up(ledger: Ledger, sessions: Sequence[date]) -> pl.DataFrame:
    """Pairs (contract, session) of which another provider than the one that is kept said that it has them no more."""
    return _of_sessions(ledger, _GIVEN_UP, {"contract": pl.Int64, "session": pl.Date}, sessions, "session")


def _of_sessions(
    ledger: Ledger, statement: str, schema: dict[str, pl.DataType | type[pl.DataType]], sessions: Sequence[date] | None, by: str | None,
) -> pl.DataFrame:
    if int(ledger.meta("ledger_version") or 0) < SINCE or (sessions is not None and not sessions):
        return pl.DataFrame(schema=schema)
    bounds = _EVER if sessions is None else (days(min(sessions)), days(max(sessions)))
    rows = ledger.frame(statement, schema, bounds)
    return rows if sessions is None or by is None else rows.filter(pl.col(by).is_in(list(sessions)))


def write_copy(folder: Path, ledger: Ledger) -> None:
    """Copy both tables into ``folder``, each file replaced whole, unless the copy is as they are."""
    newest = str(ledger.rows("select coalesce(max(comparison), 0) from comparisons")[0][0])
    if newest == (ledger.meta(_COPIED) or "0"):
        return
    make_folder(folder)
    for name, table in (("comparisons", comparisons(ledger)), ("differences", differences(ledger))):
        write_table(folder / f"{name}.parquet", table)
    with ledger.transaction() as connection:
        set_meta(connection, _COPIED, newest)


def restore(connection: sqlite3.Connection, folder: Path, attempts: pl.Series) -> None:
    """
    Fill both tables of a new ledger from their copy; nothing happens when there is none.

    Args:
        connection: In the caller's transaction.
        folder: Where the copy is.
        attempts: Numbers of the attempts that came back; others are given anew, so they may not be named any more.
    """
    if not (folder / "comparisons.parquet").exists():
        return
    known = [pl.when(pl.col(name).is_in(attempts.implode())).then(pl.col(name)).alias(name) for name in ("first_attempt", "second_attempt")]
    table = pl.read_parquet(folder / "comparisons.parquet", glob=False).select(*COMPARISONS).with_columns(
        *known, pl.col("session").cast(pl.Int32), pl.col("agreed").cast(pl.Int8), pl.col("compared_at").dt.epoch("us"),
    )
    rows = pl.read_parquet(folder / "differences.parquet", glob=False).select(*DIFFERENCES).with_columns(pl.col("ts").dt.epoch("us"))
    whole = rows.join(table, on="comparison", how="semi")
    connection.executemany(_INSERT, table.iter_rows())
    connection.executemany(_INSERT_DIFFERENCE, whole.iter_rows())
