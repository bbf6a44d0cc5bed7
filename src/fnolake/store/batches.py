"""
The hot tier: batches as Parquet files, each made durable before the one transaction that names it.

A batch's file carries its number in a column, so that many files are read as one table and only rows that coverage
names are kept. Invariant: a file that the ledger does not name is garbage, whatever is in it.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fnolake.errors import CorruptFile
from fnolake.model import Attempt, Batch, RequestRecord, bar_schema, quarantine_schema
from fnolake.store import compared
from fnolake.store.disk import file_hash, fsync_file, fsync_folder, make_folder
from fnolake.store.ledger import days, micros
from fnolake.store.schema import TAKE_COVERAGE, UPSERT_COVERAGE

HOT, REFUSED = "hot", "refused"
_ROW_GROUP = 32_768
INSERT_ATTEMPT = "insert into attempts values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_REQUEST = "insert into requests values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (request_key) do nothing"


@dataclass(frozen=True, slots=True)
class CommitResult:
    """What a commit recorded: ``won`` of the attempts took coverage, the others were not better than what was there."""

    batch: int
    attempts: int
    bars: int
    won: int


@dataclass(frozen=True, slots=True)
class BatchFiles:
    """Files of one batch below the lake (empty text = none) and their hashes."""

    bars: str = ""
    bars_hash: str = ""
    refused: str = ""
    refused_hash: str = ""


def write_files(lake: Path, number: int, batch: Batch, reached: Callable[[str], None]) -> BatchFiles:
    """
    Write and fsync a batch's files under names that nothing else has.

    Raises:
        OSError: They could not be written; what was begun is removed.
    """
    name = f"{number:09d}-{secrets.token_hex(4)}.parquet"
    tables = {HOT: _ordered(batch.bars, number), REFUSED: batch.refused}
    paths = {folder: lake / folder / name for folder, table in tables.items() if table.height}
    try:
        for folder, path in paths.items():
            make_folder(path.parent)
            tables[folder].write_parquet(path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)
        reached("batch_written")
        for path in paths.values():
            fsync_file(path)
            fsync_folder(path.parent)
        reached("batch_fsynced")
        found = {folder: (f"{folder}/{name}", file_hash(path)) for folder, path in paths.items()}
    except Exception:
        remove_files(paths.values())
        raise
    return BatchFiles(*found.get(HOT, ("", "")), *found.get(REFUSED, ("", "")))


def _ordered(bars: pl.DataFrame, number: int) -> pl.DataFrame:
    """A batch's rows with its number, so that a reader of one session or underlying can leave most of the file alone."""
    return bars.select(*bar_schema(), pl.lit(number, pl.Int64).alias("batch")).sort("session", "underlying", "kind", "expiry")


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files that nothing names; a failure leaves garbage that upkeep removes."""
    for path in paths:
        try:
            path.unlink(missing_ok=True)
        except OSError:
            continue


def record_batch(connection: sqlite3.Connection, number: int, batch: Batch, files: BatchFiles, now_us: int) -> int:
    """
    Record a batch whose files are durable: requests, attempts, coverage, batch, all in the caller's transaction.

    Returns:
        How many attempts took coverage.
    """
    record_requests(connection, batch.requests)
    plain, winners, losers = _by_fate(batch)
    connection.execute(
        "insert into batches values (?, ?, ?, ?, ?, ?, ?, ?, null)",
        (number, files.bars, batch.bars.height, files.refused, batch.refused.height, files.bars_hash, files.refused_hash, now_us),
    )
    first = connection.execute("select coalesce(max(attempt), 0) + 1 from attempts").fetchone()[0]
    ordered = [*plain, *winners, *losers]
    connection.executemany(INSERT_ATTEMPT, (attempt_row(first + at, number, each) for at, each in enumerate(ordered)))
    decided = first + len(plain)
    won = connection.execute(UPSERT_COVERAGE, (first, decided)).rowcount
    taken = connection.execute(TAKE_COVERAGE, (decided, decided + len(winners))).rowcount
    compared.record(connection, {(e.contract, e.session): (first + at, e.provider) for at, e in enumerate(ordered)}, batch.compared, now_us)
    touched = {(days(attempt.session),) for attempt in (*plain, *winners)}
    connection.executemany("insert into dirty values (?) on conflict (session) do nothing", touched)
    return max(int(won), 0) + max(int(taken), 0)


def _by_fate(batch: Batch) -> tuple[list[Attempt], list[Attempt], list[Attempt]]:
    """Attempts that compete by rank, second witnesses that are kept, and those that are recorded only."""
    fates = {(each.contract, each.session): 2 if compared.is_lost(each) else 1 for each in batch.compared}
    found: tuple[list[Attempt], list[Attempt], list[Attempt]] = ([], [], [])
    for attempt in batch.attempts:
        found[fates.get((attempt.contract, attempt.session), 0)].append(attempt)
    return found


def record_requests(connection: sqlite3.Connection, requests: Sequence[RequestRecord]) -> None:
    """Record requests; one that is there already stays as it is."""
    connection.executemany(_REQUEST, (
        (
            r.key, r.provider, r.account, r.route, r.outcome, micros(r.started_at), r.elapsed_s, r.tries, r.error, r.detail,
            r.wire_bytes, r.payload_hash,
        ) for r in requests
    ))


def attempt_row(number: int, batch: int, attempt: Attempt) -> tuple[object, ...]:
    """The row that :data:`INSERT_ATTEMPT` takes."""
    said = attempt.verdict
    findings = json.dumps([[f.name, f.count, f.detail, f.refused] for f in said.findings], ensure_ascii=False) if said.findings else "[]"
    return (
        number, attempt.contract, days(attempt.session), batch, said.outcome.value, said.proof.value, said.rank,
        ",".join(said.reasons), ",".join(said.proof_reasons), findings, said.bars, said.first_us, said.last_us, said.volume,
        attempt.provider, attempt.account, attempt.payload_hash, attempt.request_key, micros(attempt.fetched_at),
    )


def check_batch(batch: Batch) -> None:
    """
    Refuse a batch that breaks its invariant before anything is written.

    Raises:
        ValueError: Two attempts of one contract-session, bars or comparisons that belong to no attempt, or other columns.
    """
    named = {(attempt.contract, attempt.session) for attempt in batch.attempts}
    if len(named) < len(batch.attempts):
        raise ValueError("a batch holds one attempt a contract-session; close the batch before the second one")
    for table, schema in ((batch.bars, bar_schema()), (batch.refused, quarantine_schema())):
        if dict(table.schema) != schema:
            raise ValueError(f"a batch's tables have the model's columns, found {table.schema}")
    if len({(each.contract, each.session) for each in batch.compared} & named) < len(batch.compared):
        raise ValueError("a batch holds the attempt of each comparison, once")
    stray = set(batch.bars.select("contract", "session").unique().iter_rows()) - named
    if stray:
        raise ValueError(f"bars without an attempt: {sorted(stray)[:3]}")


def hot_rows(lake: Path, files: Sequence[str], named: pl.DataFrame, keep: pl.Expr | None = None) -> pl.LazyFrame:
    """
    Bars of hot files that coverage names.

    Args:
        lake: Folder of the lake.
        files: Files of the batches that ``named`` names.
        named: batch, contract, session of the winners.
        keep: Applied to the files' rows first.
    """
    if not files:
        return pl.LazyFrame(schema=bar_schema())
    rows = pl.scan_parquet([lake / file for file in files], hive_partitioning=False, glob=False)
    if keep is not None:
        rows = rows.filter(keep)
    return rows.join(named.lazy(), on=["batch", "contract", "session"], how="semi").select(*bar_schema())


def check_hash(path: Path, recorded: str) -> None:
    """
    Compare a file with its recorded hash.

    Raises:
        CorruptFile: It is missing or differs.
    """
    found = file_hash(path) if path.exists() else "missing"
    if found != recorded:
        raise CorruptFile(str(path), recorded, found)
