"""What a diff of a master changes, and writing it down. The deciding is in ``diff``."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, field
from datetime import date

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

    def update(self, statement: str, values: list[tuple[object, ...]]) -> None:
        """Add a statement, run for each of ``values``; nothing happens without any."""
        if values:
            self.updates.append((statement, values))

    def certain(self, rows: pl.DataFrame, doubtful: pl.DataFrame) -> pl.DataFrame:
        """Rows without those that contradict what is known of the days around them; these are named and change nothing."""
        if doubtful.is_empty():
            return rows
        example = ", ".join(doubtful["symbol"].head(3).to_list())
        self.findings.append(Finding("history_uncertain", doubtful.height, f"not as known masters around it say: {example}"))
        return rows.join(doubtful, on=KEY, how="anti")

    def insert(
        self, day: date, rows: pl.DataFrame, number: pl.Expr, revision: pl.Expr, since: pl.Expr, end: pl.Expr, last: pl.Expr | None = None,
    ) -> None:
        """Add revisions: id, number, first and last valid day; first seen in the master of ``day``, and last unless ``last`` says otherwise."""
        seen = pl.lit(day)
        table = rows.select(
            number.alias("_number"), revision.alias("_revision"), *KEY, "symbol", "underlying", "kind", "expiry", "strike_paise", "right",
            "lot", "tick_paise", "provider_symbol", pl.col("is_index").cast(pl.Int8), since.alias("_since"), end.alias("_end"),
            seen.alias("_first"), (seen if last is None else last).alias("_last"),
        )
        self.inserts += table.with_columns(pl.col(pl.Date).cast(pl.Int32)).rows()


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
