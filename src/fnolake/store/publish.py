"""
Publishing a session: hot and published rows sorted into one file of the Delta table, its coverage beside it.

Streamed a few expiries at a time, so that memory does not grow with the session. Invariant: until the ledger names
the new version, readers see exactly what they saw; then batches that nobody names go after a grace.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from fnolake.errors import StoreError
from fnolake.model import BAR_SORT
from fnolake.store.bars import BARS, Moment, moment, scan
from fnolake.store.batches import remove_files
from fnolake.store.known import ATTEMPT_SCHEMA
from fnolake.store.ledger import Ledger, days
from fnolake.store.revisions import Replaced
from fnolake.store.tables import NewFile, TableSpec, replace_partition, write_file

PIECE_ROWS = 50_000
"""Rows sorted at once, unless one expiry has more; more where many small files would be read again and again."""

ROWS_A_FILE, MOST_ROWS = 500, 250_000
_PIECE_BY = ["underlying", "kind", "expiry"]

COVERAGE = TableSpec("coverage", {k: v for k, v in ATTEMPT_SCHEMA.items() if k != "batch"}, ("session",))
_COVERAGE_ROWS = """
select a.attempt, a.contract, a.session, c.outcome, c.proof, c.rank, c.reasons, a.proof_reasons, a.findings, c.bars,
    c.first_us, c.last_us, c.volume, a.provider, a.account, a.payload_hash, a.request_key, a.fetched_us
from coverage c join attempts a on a.attempt = c.attempt where c.session = ? order by c.contract
"""
_RETIRE = """
update batches set retired_us = ? where retired_us is null
    and not exists (select 1 from coverage where coverage.batch = batches.batch and coverage.batch > 0)
"""


@dataclass(frozen=True, slots=True)
class PublishResult:
    """What publishing a session wrote; ``rows`` and ``bytes`` are the session's, ``version`` the bars table's."""

    session: date
    version: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class _Written:
    """A file and the version that names it; version -1 and no file where a session has no bars."""

    version: int
    file: str
    rows: int
    bytes: int
    hash: str


def publish(lake: Path, ledger: Ledger, session: date, reached: Callable[[str], None], grace_s: float) -> PublishResult:
    """
    Publish a session as the ledger knows it now. The caller is the only writer.

    Raises:
        StoreError: A (contract, ts) would be there twice; nothing was published.
        DiskFull: Nothing was recorded.
        CommitConflict, CommitUnknown: From the Delta table.
    """
    bars = _publish_bars(lake, ledger, session)
    covered = _named(lake, COVERAGE, write_file(
        lake / COVERAGE.name, COVERAGE, {"session": session.isoformat()},
        [ledger.frame(_COVERAGE_ROWS, dict(COVERAGE.schema), (days(session),))],
    ))
    reached("delta_committed")
    _record(ledger, session, bars, covered)
    reached("version_recorded")
    drop_retired(lake, ledger, grace_s)
    reached("batches_dropped")
    return PublishResult(session, bars.version, bars.rows, bars.bytes)


def _publish_bars(lake: Path, ledger: Ledger, session: date) -> _Written:
    """Write and name the session's bars, unless the published ones are what they should be."""
    at = moment(ledger, [session])
    old = ledger.rows("select bars_version, bars_file, bar_rows, bytes, file_hash from published where session = ?", (days(session),))
    if not at.files and not (at.published and _has_any(lake, at)):
        return _Written(*old[0]) if old else _Written(-1, "", 0, 0, "")  # type: ignore[arg-type]
    replaced = Replaced(lake, ledger, session, at)
    size = min(MOST_ROWS, max(PIECE_ROWS, ROWS_A_FILE * len(at.files)))
    new = write_file(lake / BARS.name, BARS, {"session": session.isoformat()}, replaced.watch(pieces(scan(lake, at), size)))
    replaced.keep()
    return _named(lake, BARS, new)


def _has_any(lake: Path, at: Moment) -> bool:
    """Whether the published file holds rows of pairs that the ledger now places elsewhere."""
    if at.hot.is_empty():
        return False
    published = scan(lake, Moment(at.hot.clear(), [], at.published)).select("contract").unique()
    return published.join(at.hot.lazy().select("contract"), on="contract", how="semi").limit(1).collect().height > 0


def _named(lake: Path, spec: TableSpec, new: NewFile) -> _Written:
    version = replace_partition(lake / spec.name, spec, new)
    return _Written(version, new.path, new.rows, new.bytes, new.hash)


def pieces(rows: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """
    Rows in stored order, some expiries at a time: ``size`` rows, or one expiry of one underlying.

    Raises:
        StoreError: A (contract, ts) is there twice.
    """
    counts = rows.group_by(_PIECE_BY).len().collect(engine="streaming").sort(_PIECE_BY, nulls_last=False)
    ends = counts["len"].to_list()
    first = total = 0
    for place, count in enumerate(ends):
        if total and total + count > size:
            yield _sorted(rows, counts[first:place])
            first, total = place, 0
        total += count
    if total:
        yield _sorted(rows, counts[first:])


def _sorted(rows: pl.LazyFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """The rows of some groups (``_PIECE_BY``), sorted."""
    inside = pl.col("underlying").is_between(pl.lit(groups["underlying"][0]), pl.lit(groups["underlying"][-1]))
    wanted = rows.filter(inside).join(groups.select(_PIECE_BY).lazy(), on=_PIECE_BY, how="semi", nulls_equal=True)
    piece = wanted.collect(engine="streaming").sort(BAR_SORT, nulls_last=False)
    twice = piece.filter((pl.col("contract") == pl.col("contract").shift()) & (pl.col("ts") == pl.col("ts").shift()))
    if twice.height:
        raise StoreError(f"contract {twice['contract'][0]} has the minute {twice['ts'][0]} twice; run `fnolake upkeep --check`")
    return piece


def _record(ledger: Ledger, session: date, bars: _Written, covered: _Written) -> None:
    """Name the new version, point the session's coverage at it and retire batches, in one transaction."""
    day, now_us = days(session), time.time_ns() // 1000
    with ledger.transaction() as connection:
        connection.execute(
            """
            insert into published values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (session) do update set
                bars_version = excluded.bars_version, bars_file = excluded.bars_file, bar_rows = excluded.bar_rows,
                bytes = excluded.bytes, file_hash = excluded.file_hash, coverage_version = excluded.coverage_version,
                coverage_file = excluded.coverage_file, published_us = excluded.published_us
            """,
            (day, bars.version, bars.file, bars.rows, bars.bytes, bars.hash, covered.version, covered.file, now_us),
        )
        connection.execute("update coverage set batch = 0 where session = ? and batch > 0", (day,))
        connection.execute("delete from dirty where session = ?", (day,))
        connection.execute(_RETIRE, (now_us,))


def drop_retired(lake: Path, ledger: Ledger, grace_s: float) -> int:
    """
    Remove files of batches that coverage has not named for longer than the grace; their rows in the ledger stay.

    Returns:
        How many batches were dropped.
    """
    until = time.time_ns() // 1000 - round(grace_s * 1_000_000)
    old = ledger.rows("select batch, file from batches where retired_us <= ? and file <> ''", (until,))
    if not old:
        return 0
    with ledger.transaction() as connection:
        connection.executemany("update batches set file = '' where batch = ?", [(row[0],) for row in old])
    remove_files(lake / str(row[1]) for row in old)
    return len(old)
