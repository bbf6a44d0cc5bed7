"""
SQL over a lake: one reading statement by DuckDB over ``query.views``, in a database of its own that knows nothing else.

The query's text is not trusted: it reaches the files of the views and no others, cannot write, load, attach or configure
anything, and its memory, threads and spilling are bounded. Invariant: an answer is of one moment of the ledger.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from fnolake.errors import QueryError
from fnolake.query.view_sources import Frames, literal, make_views
from fnolake.query.views import VIEWS
from fnolake.store.store import Store

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY = "1GB"
"""Of DuckDB; what is larger spills."""
SPILL = "10GB"
THREADS = 4
_LOOK_UP_S = 0.05

_READS = ("SELECT", "EXPLAIN", "MULTI")
_CATALOGS = {"show", "describe", "information_schema", "query", "query_table", "sqlite_master"}
_CATALOG_PREFIXES = ("duckdb_", "pragma_", "pg_")
_HUGE = pl.Decimal(38, 0)
_ONLY_READS = "a query reads the lake's views and nothing else: no files, settings, extensions, and nothing that writes"
_WHERE = "; `fnolake sql --views` lists the columns"


def ask(store: Store, given: Frames, query: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pl.DataFrame:
    """
    The answer to one query.

    Args:
        store: The lake's store.
        given: Views that stations above make, see ``view_sources.make_views``.
        query: One statement: SELECT, WITH, FROM, VALUES, PIVOT, DESCRIBE, SUMMARIZE, SHOW or EXPLAIN.
        params: Values of ``?`` and ``$1``, or by name of ``$name``.

    Returns:
        The rows; instants are Datetime(us, Asia/Kolkata), sums of whole numbers Int64 where they fit.

    Raises:
        QueryError: It cannot be answered as asked; nothing was changed.
        KeyboardInterrupt: Ctrl-C ended it.
    """
    import duckdb

    with tempfile.TemporaryDirectory(prefix="fnolake-sql-") as spill, contextlib.closing(_open(spill)) as connection:
        try:
            _check(connection, query)
            _lock(connection, make_views(connection, store, given, _named(query)))
            connection.execute("begin transaction read only")
            return _interruptible(connection, lambda: _plain(pl.DataFrame(connection.sql(query, params=params).to_arrow_table())))
        except duckdb.Error as error:
            raise QueryError(_told(error, query)) from error
        except pl.exceptions.PolarsError as error:
            raise QueryError(f"a column of the answer has a type that polars does not know (an interval?): cast it, as in x::varchar ({_first_line(error)})") from error


def _open(spill: str) -> DuckDBPyConnection:
    import duckdb

    connection = duckdb.connect(":memory:", config={
        "threads": min(THREADS, os.cpu_count() or 1), "memory_limit": MEMORY, "temp_directory": spill, "max_temp_directory_size": SPILL,
        "autoinstall_known_extensions": False, "autoload_known_extensions": False, "allow_community_extensions": False,
        "allow_persistent_secrets": False, "python_enable_replacements": False,
    })
    connection.execute("set TimeZone = 'Asia/Kolkata'")
    connection.execute("create schema lake")
    return connection


def _interruptible(connection: DuckDBPyConnection, work: Callable[[], pl.DataFrame]) -> pl.DataFrame:
    """
    Wait for a query in a thread of its own.

    DuckDB asks for signals only between tasks of the thread that called it, and a task may be the whole query; so this thread
    hears Ctrl-C and tells it. It looks up often, for where a signal reaches another thread (or on Windows) a blocked wait does
    not end; and it tells DuckDB until it has ended, for told before the query has begun it forgets.
    """
    with ThreadPoolExecutor(1, "fnolake-sql") as alone:
        answer = alone.submit(work)
        try:
            while not answer.done():
                wait([answer], timeout=_LOOK_UP_S)
            return answer.result()
        finally:
            while not answer.done():
                connection.interrupt()
                wait([answer], timeout=_LOOK_UP_S)


def _check(connection: DuckDBPyConnection, query: str) -> None:
    """
    Let only one reading statement pass.

    DuckDB runs a COPY inside EXPLAIN ANALYZE, and takes ``WITH x AS (COPY …)`` for a SELECT (2.0); both may overwrite the very files
    that may be read, so the word is refused.
    """
    statements = connection.extract_statements(query)
    if not statements:
        raise QueryError(f"the query is empty: give one, as in FROM bars LIMIT 5{_WHERE}")
    if len(statements) > 1:
        raise QueryError(f"{len(statements)} statements were given: give one at a time")
    if statements[0].type.name not in _READS:
        raise QueryError(f"{_ONLY_READS}; it begins with SELECT, WITH or FROM")
    if re.search(r"\bcopy\b", query, re.IGNORECASE):
        raise QueryError(f"{_ONLY_READS}; the word copy may stand in it only as a parameter's value")


def _lock(connection: DuckDBPyConnection, files: Iterable[Path]) -> None:
    """From here on only these files can be opened, and no setting changes."""
    connection.execute(f"set allowed_paths = [{', '.join(literal(str(file)) for file in files)}]")
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _named(query: str) -> list[str]:
    """The views that a query may mean: those whose name is in its text, all where it looks at the catalog."""
    words = set(re.findall(r"\w+", query.lower()))
    if words & _CATALOGS or query.lower().split()[:1] == ["desc"] or any(word.startswith(_CATALOG_PREFIXES) for word in words):
        return list(VIEWS)
    return [name for name in VIEWS if name in words]


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """DuckDB's sums of whole numbers (38 digits) as Int64, where they fit."""
    huge = [name for name, dtype in frame.schema.items() if dtype == _HUGE]
    small = [name for name in huge if frame[name].cast(pl.Int64, strict=False).null_count() == frame[name].null_count()]
    return frame.with_columns(pl.col(small).cast(pl.Int64))


def _told(error: Exception, query: str) -> str:
    """What is wrong, in one line."""
    import duckdb

    said = _first_line(error)
    match error:
        case duckdb.CatalogException() if found := re.search(r"Table with name (\S+) does not exist", said):
            said = f"no view {found[1]}: there are {', '.join(VIEWS)}"
        case duckdb.BinderException() if found := re.search(r'(?:Referenced column|not have a column named) "([^"]+)"', said):
            said = f"no column {found[1]} there{_near(found[1], query)}"
        case duckdb.PermissionException() | duckdb.TransactionException():
            said = _ONLY_READS
        case duckdb.OutOfMemoryException():
            said = f"the query needs more than {MEMORY} of memory and {SPILL} of disk: ask for fewer sessions or columns at a time"
        case duckdb.IOException():
            said = f"a file of the lake could not be read ({said}): run it again, or `fnolake upkeep --check`"
        case duckdb.ParserException() if re.search(r"(?<![.\"\w])right\b(?!\s+(?:outer\s+)?join)", query, re.IGNORECASE):
            said += '; right is a word of SQL: write it as "right"'
    return f"{said}{_WHERE}"


def _first_line(error: Exception) -> str:
    """The error's words without DuckDB's kind of error and picture of the place; with the line where there are several."""
    text, _, place = str(error).partition("\n\nLINE ")
    line = place.partition(":")[0]
    told = re.sub(r"^[\w ]+ Error: ", "", " ".join(text.split())).rstrip(".!")
    return f"{told} (line {line})" if line.isdigit() and int(line) > 1 else told


def _near(name: str, query: str) -> str:
    """Columns of the query's views that are spelled like it."""
    columns = dict.fromkeys(column for view in _named(query) for column, _type, _meaning in VIEWS[view].columns)
    found = difflib.get_close_matches(name.lower(), columns, n=4, cutoff=0.5)
    return f"; near it: {', '.join(found)}" if found else ""
