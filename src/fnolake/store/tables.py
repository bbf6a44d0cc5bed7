"""
Delta tables: one sorted Parquet file a partition, durable before the commit that names it.

The files are written here, a piece at a time, and named by one Delta transaction that replaces the partition whole; the
log is fsynced by us, for delta-rs syncs nothing. Invariant: a reader of the table sees the old partition or the new one.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import polars as pl

from fnolake.errors import CommitConflict, CommitUnknown
from fnolake.store.disk import file_hash, fsync_file, fsync_folder, make_folder

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

ROW_GROUP = 131_072
LOG = "_delta_log"


@dataclass(frozen=True, slots=True)
class TableSpec:
    """
    One Delta table.

    ``delta_encoded`` columns are written as differences, ``dictionary`` columns as dictionaries; ``bounds`` columns get
    their smallest and largest value into the Delta log.
    """

    name: str
    schema: Mapping[str, pl.DataType | type[pl.DataType]]
    partition: tuple[str, ...]
    delta_encoded: tuple[str, ...] = ()
    dictionary: tuple[str, ...] = ()
    bounds: tuple[str, ...] = ()

    @property
    def stored(self) -> list[str]:
        """Columns inside the files: a Delta file does not hold its partition's."""
        return [name for name in self.schema if name not in self.partition]


@dataclass(frozen=True, slots=True)
class NewFile:
    """A durable file that no transaction names yet; ``path`` is relative to its table."""

    path: str
    values: dict[str, str]
    rows: int
    bytes: int
    hash: str
    lows: dict[str, object] = field(default_factory=dict)
    highs: dict[str, object] = field(default_factory=dict)


def write_file(root: Path, spec: TableSpec, values: dict[str, str], pieces: Iterable[pl.DataFrame]) -> NewFile:
    """
    Write one partition's file from pieces that come in its order; memory is that of a piece and a row group.

    Args:
        root: Folder of the table.
        spec: The table.
        values: The partition's values as text.
        pieces: Tables with the columns of ``spec.stored`` at least.
    """
    folder = "/".join(f"{name}={quote(values[name], safe='-_. ')}" for name in spec.partition)
    relative = f"{folder}/part-{secrets.token_hex(8)}.zstd.parquet"
    path = root / relative
    make_folder(path.parent)
    try:
        rows, lows, highs = _stream(path, spec, pieces)
        fsync_file(path)
        fsync_folder(path.parent)
        return NewFile(relative, values, rows, path.stat().st_size, file_hash(path), lows, highs)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _stream(path: Path, spec: TableSpec, pieces: Iterable[pl.DataFrame]) -> tuple[int, dict[str, Any], dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = arrow_schema(spec, spec.stored)
    rows, rest = 0, schema.empty_table()
    lows: dict[str, Any] = {}
    highs: dict[str, Any] = {}
    with pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3, version="2.6", store_schema=False,
        use_dictionary=list(spec.dictionary), column_encoding=dict.fromkeys(spec.delta_encoded, "DELTA_BINARY_PACKED"),
    ) as writer:
        for piece in pieces:
            table = piece.select(spec.stored).to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema)
            rest = pa.concat_tables([rest, table])
            whole = rest.num_rows - rest.num_rows % ROW_GROUP
            if whole:
                writer.write_table(rest.slice(0, whole), row_group_size=ROW_GROUP)
                rest = rest.slice(whole).combine_chunks()
            rows += piece.height
            _widen(piece, spec.bounds, lows, highs)
        if rest.num_rows:
            writer.write_table(rest, row_group_size=ROW_GROUP)
    return rows, lows, highs


def _widen(piece: pl.DataFrame, names: Iterable[str], lows: dict[str, Any], highs: dict[str, Any]) -> None:
    if piece.height:
        for name in names:
            low: Any = piece[name].min()
            high: Any = piece[name].max()
            if low is None:
                continue
            lows[name] = min(lows.get(name, low), low)
            highs[name] = max(highs.get(name, high), high)


def arrow_schema(spec: TableSpec, names: Iterable[str]) -> pa.Schema:
    """Arrow schema of some of a table's columns, strings as plain utf8."""
    import pyarrow as pa

    empty = pl.DataFrame(schema={name: spec.schema[name] for name in names}).to_arrow(compat_level=pl.CompatLevel.oldest())
    return pa.schema([pa.field(f.name, pa.string() if pa.types.is_large_string(f.type) else f.type) for f in empty.schema])


def replace_partition(root: Path, spec: TableSpec, new: NewFile) -> int:
    """
    Name a durable file as the whole of its partition, in one Delta transaction, and fsync the log.

    Returns:
        The table's version after it.

    Raises:
        CommitConflict: Another program changed the table meanwhile; nothing was applied.
        CommitUnknown: The log could not be written to its end; look at the table before doing anything.
    """
    from deltalake import PostCommitHookProperties
    from deltalake.exceptions import CommitFailedError
    from deltalake.transaction import AddAction

    table = _open(root, spec)
    stamp = int((root / new.path).stat().st_mtime * 1000)
    action = AddAction(new.path, new.bytes, new.values, stamp, True, _stats(new))
    quiet = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
    try:
        table.create_write_transaction(
            [action], "overwrite", arrow_schema(spec, spec.schema), list(spec.partition),
            [(name, "=", new.values[name]) for name in spec.partition], post_commithook_properties=quiet,
        )
    except CommitFailedError as error:
        raise CommitConflict(f"{root}: another program changed this table: {error}; run again") from error
    table.update_incremental()
    version = table.version()
    try:
        fsync_file(root / LOG / f"{version:020d}.json")
        fsync_folder(root / LOG)
    except OSError as error:
        raise CommitUnknown(f"{root}: version {version} may not be durable: {error}; run `fnolake upkeep --check`") from error
    return version


def _open(root: Path, spec: TableSpec) -> DeltaTable:
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(root)):
        make_folder(root)
        DeltaTable.create(root, arrow_schema(spec, spec.schema), partition_by=list(spec.partition), name=spec.name)
        fsync_file(root / LOG / f"{0:020d}.json")
        fsync_folder(root / LOG)
        fsync_folder(root)
    table = DeltaTable(root)
    _widen_schema(table, root, spec)
    return table


def _widen_schema(table: DeltaTable, root: Path, spec: TableSpec) -> None:
    """Add the columns that a table of an older fnolake lacks; their values in its files are null."""
    from deltalake import Schema

    known = {column.name for column in table.schema().fields}
    lacking = [name for name in spec.schema if name not in known]
    if not lacking:
        return
    table.alter.add_columns(list(Schema.from_arrow(arrow_schema(spec, lacking)).fields))
    fsync_file(root / LOG / f"{table.version():020d}.json")
    fsync_folder(root / LOG)


def _stats(new: NewFile) -> str:
    def text(value: object) -> object:
        return value if isinstance(value, (int, str)) else value.isoformat()  # type: ignore[attr-defined]

    return json.dumps({
        "numRecords": new.rows, "minValues": {name: text(value) for name, value in new.lows.items()},
        "maxValues": {name: text(value) for name, value in new.highs.items()}, "nullCount": dict.fromkeys(new.lows, 0),
    })


def scan_files(root: Path, spec: TableSpec, files: Iterable[str]) -> pl.LazyFrame:
    """
    Exactly these files of a table as one scan, in the columns of its schema; partition columns come from the paths.

    A column that is younger than a file is null in its rows.
    """
    files = list(files)
    if not files:
        return pl.LazyFrame(schema=dict(spec.schema))
    partition = {name: spec.schema[name] for name in spec.partition}
    if "=" in str(root):
        return pl.concat(_scan_one(root / file, file, spec) for file in files).select(*spec.schema)
    stored: dict[str, Any] = {name: spec.schema[name] for name in spec.stored}
    return pl.scan_parquet(
        [root / file for file in files], schema=stored, missing_columns="insert", hive_partitioning=True, hive_schema=partition, glob=False,
    ).select(*spec.schema)


def _scan_one(path: Path, file: str, spec: TableSpec) -> pl.LazyFrame:
    """One file with its partition's values as columns, for lakes whose own path has an equals sign (hive parsing stops there)."""
    given = dict(part.split("=", 1) for part in file.split("/")[:-1])
    stored: dict[str, Any] = {name: spec.schema[name] for name in spec.stored}
    return pl.scan_parquet(path, schema=stored, missing_columns="insert", hive_partitioning=False, glob=False).with_columns(
        pl.lit(unquote(given[name])).str.strptime(pl.Date, "%Y-%m-%d").alias(name) if dtype == pl.Date
        else pl.lit(unquote(given[name])).cast(dtype).alias(name) for name, dtype in ((name, spec.schema[name]) for name in spec.partition)
    )


def head_files(root: Path) -> list[tuple[str, dict[str, str]]]:
    """Files and partition values of a table's newest version; empty where there is no table."""
    from deltalake import DeltaTable

    if not DeltaTable.is_deltatable(str(root)):
        return []
    table = DeltaTable(root)
    actions = pl.DataFrame(table.get_add_actions(flatten=True))
    names = [name for name in actions.columns if name.startswith("partition.")]
    return [
        (row["path"], {name.removeprefix("partition."): str(row[name]) for name in names}) for row in actions.iter_rows(named=True)
    ]
