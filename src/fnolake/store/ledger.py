"""
The ledger database: one SQLite file, one connection, transactions that are whole or not at all.

What the tables mean is in ``schema``; statements about one subject live with that subject. Invariant: whatever is
written through ``transaction`` is on the disk when it returns (WAL, synchronous FULL).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from fnolake.errors import ConfigError, StoreError
from fnolake.store.disk import disk_guard
from fnolake.store.schema import LEDGER_VERSION, OLD_READER, TABLES, UPGRADES

LEDGER_FILE = "ledger.sqlite"
_EPOCH = date(1970, 1, 1).toordinal()
_BUSY_S = 30.0


def days(day: date) -> int:
    """A date as days since 1970-01-01."""
    return day.toordinal() - _EPOCH


def from_days(number: int) -> date:
    """The date of days since 1970-01-01."""
    return date.fromordinal(number + _EPOCH)


def micros(instant: datetime) -> int:
    """An aware instant as UTC microseconds since the epoch."""
    return round((instant.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000)


class Ledger:
    """
    The open ledger.

    Args:
        lake: Folder of the lake.
        write: Open for writing (the caller holds the writer lock). A reader of a lake without a ledger sees an empty one.

    Raises:
        ConfigError: A reader was given a folder that is not there.
        StoreError: The file was written by a newer fnolake.
    """

    def __init__(self, lake: Path, *, write: bool) -> None:
        self.path = lake / LEDGER_FILE
        self.write = write
        self._mutex = threading.RLock()
        if not write and not lake.is_dir():
            raise ConfigError(f"no lake at {lake}; make one with `fnolake init`")
        self.is_new = not self.path.exists()
        with disk_guard(lake):
            self._connection = self._connect()
            self._check_version()

    def _connect(self) -> sqlite3.Connection:
        at = self.path if self.write or not self.is_new else Path(":memory:")
        connection = sqlite3.connect(at, timeout=_BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute("pragma cache_size = -65536")
        if self.write:
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
        if self.write or self.is_new:
            self._create(connection)
        if not self.write:
            _lay_over(connection)
            connection.execute("pragma query_only = on")
        return connection

    def _create(self, connection: sqlite3.Connection) -> None:
        connection.execute("begin immediate")
        for statement in TABLES:
            connection.execute(statement)
        connection.execute(
            "insert into meta (name, value) values ('ledger_version', ?) on conflict (name) do nothing", (str(LEDGER_VERSION),),
        )
        for version in range(_version(connection) + 1, LEDGER_VERSION + 1):
            for statement in UPGRADES[version]:
                connection.execute(statement)
            set_meta(connection, "ledger_version", str(version))
        connection.execute("commit")

    def _check_version(self) -> None:
        found = int(self.meta("ledger_version") or 0)
        if found > LEDGER_VERSION:
            self.close()
            raise StoreError(f"{self.path} is of a newer fnolake (ledger {found}, known {LEDGER_VERSION}); upgrade fnolake")

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """
        One durable unit of writing: committed as a whole on leaving, undone on any error.

        Raises:
            DiskFull: Nothing was recorded.
        """
        with self._mutex, disk_guard(self.path.parent):
            self._connection.execute("begin immediate")
            try:
                yield self._connection
                self._connection.execute("commit")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("rollback")
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Several reads of one moment: nothing that another process commits meanwhile is seen."""
        with self._mutex:
            inside = self._connection.in_transaction
            if not inside:
                self._connection.execute("begin")
            try:
                yield self._connection
            finally:
                if not inside:
                    self._connection.execute("commit")

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[tuple[object, ...]]:
        """All rows of one query."""
        with self._mutex:
            return self._connection.execute(statement, values).fetchall()

    def frame(self, statement: str, schema: dict[str, pl.DataType | type[pl.DataType]], values: Sequence[object] = ()) -> pl.DataFrame:
        """One query as a table; ``schema`` names and types its columns in order (Date from days, Datetime from microseconds)."""
        return frame_of(self.rows(statement, values), schema)

    def meta(self, name: str) -> str | None:
        """A value of the meta table, None where it is not there."""
        found = self.rows("select value from meta where name = ?", (name,))
        return str(found[0][0]) if found else None

    def backup(self, target: Path) -> None:
        """Copy the ledger as it stands to a new SQLite file."""
        with self._mutex, contextlib.closing(sqlite3.connect(target)) as copy:
            self._connection.backup(copy)

    def close(self) -> None:
        """Close the database; later use is an error."""
        with self._mutex:
            self._connection.close()


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("select value from meta where name = 'ledger_version'").fetchone()[0])


def _lay_over(connection: sqlite3.Connection) -> None:
    """Let a reader see a ledger of an earlier version as this one, changing nothing of it."""
    for version in range(_version(connection) + 1, LEDGER_VERSION + 1):
        for statement in OLD_READER[version]:
            connection.execute(statement)


def frame_of(rows: Iterable[tuple[object, ...]], schema: dict[str, pl.DataType | type[pl.DataType]]) -> pl.DataFrame:
    """Ledger rows as a table: integers become dates, instants and booleans where ``schema`` says so."""
    raw = {name: _raw(dtype) for name, dtype in schema.items()}
    columns = list(zip(*rows, strict=True)) or [()] * len(schema)
    series = [pl.Series(name, values, dtype=raw[name], strict=True) for name, values in zip(schema, columns, strict=True)]
    return pl.DataFrame(series).cast(schema)  # type: ignore[arg-type]


def _raw(dtype: pl.DataType | type[pl.DataType]) -> type[pl.DataType]:
    if dtype == pl.Date:
        return pl.Int32
    if dtype == pl.String:
        return pl.String
    return pl.Float64 if dtype == pl.Float64 else pl.Int64


def set_meta(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Write a value of the meta table inside a transaction."""
    connection.execute(
        "insert into meta (name, value) values (?, ?) on conflict (name) do update set value = excluded.value", (name, value),
    )
