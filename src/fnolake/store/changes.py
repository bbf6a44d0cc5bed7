"""What a diff of a master changes, and writing it down. The deciding is in ``diff``."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field

import polars as pl

from fnolake.model import Finding
from fnolake.store.identity import KEY
from fnolake.store.instruments import GENERATION, INSERT
from fnolake.store.ledger import set_meta
from fnolake.store.listings import DIFFERENCE_SCHEMA, Standing, write_differences, write_symbols


@dataclass(slots=True)
class Changes:
    """
    What a master changes: statements to run and rows to insert, in this order; who lists what;
    revisions (contract, revision) that this master was the first to say; differences before and after.
    """

    inserts: list[tuple[object, ...]] = field(default_factory=list)
    updates: list[tuple[str, list[tuple[object, ...]]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    listed: list[pl.DataFrame] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    said: list[tuple[object, ...]] = field(default_factory=list)
    differed: list[pl.DataFrame] = field(default_factory=list)
    differ: list[pl.DataFrame] = field(default_factory=list)


def old_side(rows: pl.DataFrame, renames: dict[str, str]) -> pl.DataFrame:
    """Rows as the earlier side of a pair, underlyings under their present names."""
    names = [name for name in rows.columns if name not in (*KEY, "seen")]
    old = rows.select(*KEY, *(pl.col(name).alias(f"old_{name}") for name in names))
    return old.with_columns(pl.col("old_underlying").replace(renames)) if renames else old


def apply_changes(connection: sqlite3.Connection, changes: Changes, now: Standing, said_us: int, generation: str) -> None:
    """
    Run a diff's statements inside the caller's transaction.

    ``said_us`` is when the master was taken: what it says first is stored with it.
    """
    for statement, values in changes.updates:
        connection.executemany(statement, values)
    connection.executemany(INSERT, ((*row, said_us) for row in changes.inserts))
    connection.executemany("update instruments set said_us = ? where contract = ? and revision = ?", ((said_us, *pair) for pair in changes.said))
    if changes.listed or changes.gone:
        empty = pl.DataFrame(schema={"contract": pl.Int64, "symbol": pl.String})
        write_symbols(connection, now, pl.concat([empty, *changes.listed]), changes.gone)
    none = pl.DataFrame(schema=DIFFERENCE_SCHEMA)
    write_differences(connection, pl.concat([none, *changes.differed]), pl.concat([none, *changes.differ]))
    set_meta(connection, GENERATION, generation)
