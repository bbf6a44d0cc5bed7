"""
Where the SQL views come from: exact Parquet files for bars, exchange days and revisions, tables of the ledger for the rest.

Makes views in a DuckDB connection, asks nothing. Invariant: everything that is made in one call is of one moment of the
ledger, and prices leave as the Float64 nearest to paise / 100.
"""
# ruff: noqa: S608 - what is put into statements here are names of this file's own and quoted paths of the lake

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import polars.selectors as cs

from fnolake.model import bar_schema
from fnolake.query.rupees import in_rupees
from fnolake.query.views import VIEWS, listed
from fnolake.store.bars import BARS, Moment
from fnolake.store.exact import Exact
from fnolake.store.exchange import EXCHANGE_DAYS
from fnolake.store.revisions import REVISIONS
from fnolake.store.store import Store
from fnolake.store.tables import TableSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

Frames = Mapping[str, Callable[[], pl.DataFrame]]
_BY_NAME = ("contract", "underlying", "expiry", "strike_paise")
_SAME = "n.contract = s.contract and n.underlying = s.underlying"
_EXACTLY = f"{_SAME} and n.expiry is not distinct from s.expiry and n.strike_paise is not distinct from s.strike_paise"
_HIVE = {"session": "DATE", "venue": "VARCHAR", "segment": "VARCHAR"}
_FILE = "file of the row"
_CALLED = {"settle_paise": "settlement", "value_rupees": "value"}


def make_views(connection: DuckDBPyConnection, store: Store, given: Frames, names: Iterable[str]) -> list[Path]:
    """
    Make some of the views.

    Args:
        connection: Open, and still allowed to look at files.
        store: The lake's store.
        given: Tables that stations above can make, by view.
        names: Of the views.

    Returns:
        The files that the views read.
    """
    frames = {**_ledger_frames(store), **given}
    wanted = set(names)
    with store.one_moment():
        for name in wanted & set(frames):
            connection.register(name, _shown(frames[name]()).to_arrow(compat_level=pl.CompatLevel.oldest()))
        at = store.exact_files()
        if "bars" in wanted:
            _make_bars(connection, store.path, at.bars, store.instrument_history())
    for spec, files in ((EXCHANGE_DAYS, at.exchange_days), (REVISIONS, at.revisions)):
        if spec.name in wanted:
            rows = _nothing(connection, spec)
            if files:  # a column that is younger than the files is null in their rows
                rows = f"(from {rows} union all by name from {_files(store.path / spec.name, spec, files)})"
            connection.execute(f"create view {spec.name} as select {_in_rupees(spec.schema)} from {rows}")
    return _paths(store.path, at, wanted)


def _paths(lake: Path, at: Exact, wanted: set[str]) -> list[Path]:
    below = {
        BARS.name: [*(f"{BARS.name}/{file}" for file in at.bars.published), *at.bars.files],
        EXCHANGE_DAYS.name: [f"{EXCHANGE_DAYS.name}/{file}" for file in at.exchange_days],
        REVISIONS.name: [f"{REVISIONS.name}/{file}" for file in at.revisions],
    }
    return [lake / file for name, files in below.items() if name in wanted for file in files]


def _ledger_frames(store: Store) -> dict[str, Callable[[], pl.DataFrame]]:
    return {
        "instrument_history": store.instrument_history, "attempts": store.attempts, "requests": store.requests,
        "masters": store.masters, "certificates": store.certificates, "comparisons": store.comparisons,
        "views": lambda: pl.DataFrame(listed(), schema=[name for name, _type, _meaning in VIEWS["views"].columns], orient="row"),
    }


def contract_sessions(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """
    What is covered beside the attempt that says so.

    Args:
        rows: One row a listed contract-session, see ``query.coverage.statuses``.
        known: The ledger's coverage, see ``store.coverage``.
    """
    have = known.select("contract", "session", "first_ts", "last_ts", "volume", "provider", "fetched_at", "attempt")
    named = rows.rename({"volume": "exchange_volume"}).join(have, on=["contract", "session"], how="left")
    return named.select(name for name, _type, _meaning in VIEWS["contract_sessions"].columns)


def _shown(frame: pl.DataFrame) -> pl.DataFrame:
    """The same rows in rupees and IST."""
    return in_rupees(frame).with_columns(cs.datetime(time_zone="*").dt.convert_time_zone("Asia/Kolkata"))


def _make_bars(connection: DuckDBPyConnection, lake: Path, at: Moment, history: pl.DataFrame) -> None:
    names = history.select(*_BY_NAME, "symbol").unique(_BY_NAME, keep="last", maintain_order=True)
    symbols = names.group_by("contract", "underlying").agg(pl.col("symbol").n_unique())
    several = symbols.filter(pl.col("symbol") > 1)["contract"]
    renamed = names.filter(pl.col("contract").is_in(several.implode()))
    plain = names.filter(~pl.col("contract").is_in(several.implode())).unique(_BY_NAME[:2], keep="last")
    for name, table in (("hot", at.hot), ("names", plain), ("renamed", renamed)):
        _keep(connection, name, table)
    _create_stored(connection, lake, at)
    select = f"select {_in_rupees(bar_schema(), 's')}, n.symbol from lake.stored s left join"
    parts = [f"{select} lake.names n on {_SAME}"]
    if renamed.height:
        inside = "s.contract {} (select contract from lake.renamed)"
        parts = [f"{parts[0]} where {inside.format('not in')}", f"{select} lake.renamed n on {_EXACTLY} where {inside.format('in')}"]
    ordered = ", ".join(f'"{name}"' for name, _type, _meaning in VIEWS["bars"].columns)
    connection.execute(f"create view bars as select {ordered} from ({' union all '.join(parts)})")


def _create_stored(connection: DuckDBPyConnection, lake: Path, at: Moment) -> None:
    """``lake.stored``: bars as they are stored, each contract-session from where its truth is (as ``store.bars.scan`` says)."""
    columns = ", ".join(f'p."{name}"' for name in bar_schema())
    warm = {f"session={day.isoformat()}" for day in at.hot["session"].unique()}
    mixed = [file for file in at.published if file.split("/", 1)[0] in warm]
    alone = [file for file in at.published if file.split("/", 1)[0] not in warm]
    parts = []
    if alone:
        parts.append(f"select {columns} from {_files(lake / BARS.name, BARS, alone)} p")
    if mixed:
        parts.append(f"select {columns} from {_files(lake / BARS.name, BARS, mixed)} p anti join lake.hot h using (contract, session)")
    if at.files:
        rows = f"read_parquet({_list(lake / file for file in at.files)}, hive_partitioning = false)"
        winners = "(select batch, contract, session from lake.hot where bars > 0)"
        parts.append(f"select {columns} from {rows} p semi join {winners} h using (batch, contract, session)")
    if not parts:
        parts.append(f"select {columns} from {_nothing(connection, BARS)} p")
    connection.execute(f"create view lake.stored as {' union all '.join(parts)}")


def _keep(connection: DuckDBPyConnection, name: str, table: pl.DataFrame) -> None:
    """A small table inside DuckDB, which then knows its size and bounds."""
    connection.register("arriving", table.to_arrow(compat_level=pl.CompatLevel.oldest()))
    connection.execute(f"create table lake.{name} as from arriving")
    connection.unregister("arriving")


def _nothing(connection: DuckDBPyConnection, spec: TableSpec) -> str:
    _keep(connection, f"no_{spec.name}", pl.DataFrame(schema=dict(spec.schema)))
    return f"lake.no_{spec.name}"


def _files(root: Path, spec: TableSpec, files: Sequence[str]) -> str:
    """Exactly these files of a table; partition columns come from the paths, which prunes files by them."""
    paths = _list(root / file for file in files) + ("" if spec is BARS else ", union_by_name = true")
    if "=" not in str(root):
        types = ", ".join(f"'{name}': {_HIVE[name]}" for name in spec.partition)
        return f"read_parquet({paths}, hive_partitioning = true, hive_types = {{{types}}})"
    values = ", ".join(
        f"cast(regexp_extract(\"{_FILE}\", '.*/{name}=([^/]*)/', 1) as {_HIVE[name]}) as \"{name}\"" for name in spec.partition
    )
    return f"(select *, {values} from read_parquet({paths}, hive_partitioning = false, filename = '{_FILE}'))"


def _list(paths: Iterable[Path]) -> str:
    return "[" + ", ".join(literal(str(path)) for path in paths) + "]"


def literal(text: str) -> str:
    """Text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def _in_rupees(schema: Iterable[str], of: str = "") -> str:
    """A select list: paise divided by 100, which DuckDB does as Python does, and the other columns as they are."""
    dot = f"{of}." if of else ""
    return ", ".join(
        f'{dot}"{name}"{" / 100" * name.endswith("_paise")} as "{_CALLED.get(name, name.removesuffix("_paise"))}"' for name in schema
    )
