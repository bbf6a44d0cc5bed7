"""
A new ledger from what lies beside the lost one: the catalog's copy of instruments and masters, the Delta tables, and the
reference files in ``raw/``.

Invariant: published sessions come back with the coverage and the contract ids they had. What was only in batches, and
the log of requests, is gone with the ledger; the daily backup has them.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl

from fnolake.errors import StoreError
from fnolake.store import certificates, compared, reference
from fnolake.store.bars import BARS
from fnolake.store.batches import INSERT_ATTEMPT
from fnolake.store.disk import file_hash
from fnolake.store.exchange import EXCHANGE_DAYS
from fnolake.store.instruments import GENERATION, INSERT, history_schema
from fnolake.store.ledger import Ledger, days, set_meta
from fnolake.store.listings import SYMBOL_SCHEMA
from fnolake.store.masters import CATALOG
from fnolake.store.publish import COVERAGE
from fnolake.store.schema import FILL_SYMBOLS
from fnolake.store.tables import TableSpec, head_files, scan_files

_COVERAGE = """
insert into coverage (session, contract, attempt, batch, outcome, proof, rank, reasons, bars, first_us, last_us, volume,
    provider, fetched_us)
select session, contract, attempt, 0, outcome, proof, rank, reasons, bars, first_us, last_us, volume, provider, fetched_us
from attempts where session = ?
"""


@dataclass(frozen=True, slots=True)
class RebuildReport:
    """
    What came back: counts of contracts, sessions, contract-sessions and reference files of the exchange.

    ``doubtful`` pairs are to be fetched again; ``damaged`` are files of ``raw/`` that can no longer be read.
    """

    contracts: int
    sessions: int
    contract_sessions: int
    doubtful: int
    reference_files: int = 0
    damaged: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """The report in a few sentences for a person."""
        text = [f"{self.contracts:,} contracts and {self.contract_sessions:,} contract-sessions of {self.sessions:,} sessions are back"]
        if self.doubtful:
            text.append(f"{self.doubtful:,} of them do not agree with their bars and will be fetched again")
        if self.reference_files:
            text.append(f"{self.reference_files:,} reference files of the exchange are back (holidays, symbol changes, corporate actions …)")
        text += [f"{name} can no longer be read and was left out" for name in self.damaged]
        return text


def rebuild(lake: Path, ledger: Ledger) -> RebuildReport:
    """
    Fill an empty ledger, in one transaction.

    Raises:
        StoreError: The ledger is not empty, or the catalog is gone.
    """
    if ledger.rows("select 1 from attempts limit 1") or ledger.rows("select 1 from instruments limit 1"):
        raise StoreError(f"{ledger.path} is not lost; move it away first if it is to be rebuilt")
    source = lake / CATALOG / "instruments.parquet"
    if not source.exists():
        raise StoreError(f"{source} is not there, so contract ids cannot be restored; put back a copy from {lake / 'backup'}")
    history = pl.read_parquet(source, glob=False)
    if "said_at" not in history.columns:
        history = history.with_columns(said_at=pl.lit(0, pl.Int64).cast(pl.Datetime("us", "UTC")))
    history = history.select(*history_schema(), "said_at")
    taken = pl.read_parquet(lake / CATALOG / "masters.parquet", glob=False)
    symbols = lake / CATALOG / "symbols.parquet"
    listed = pl.read_parquet(symbols, glob=False).select(*SYMBOL_SCHEMA) if symbols.exists() else pl.DataFrame(schema=SYMBOL_SCHEMA)
    covered, doubtful = _covered(lake)
    with ledger.transaction() as connection:
        connection.executemany(INSERT, _numbers(history).rows())
        connection.executemany("insert into masters values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _numbers(taken).rows())
        connection.executemany("insert into provider_symbols (contract, provider, symbol, since, gone) values (?, ?, ?, ?, ?)", _numbers(listed).rows())
        connection.execute(FILL_SYMBOLS)
        connection.executemany(INSERT_ATTEMPT, _numbers(covered).rows())
        for day in covered["session"].unique().to_list():
            connection.execute(_COVERAGE, (days(day),))
        connection.executemany("insert into published values (?, ?, ?, ?, ?, ?, ?, ?, ?)", _published(lake, covered))
        connection.executemany("insert into exchange_days values (?, ?, ?, ?, ?, ?, ?, ?, ?)", _exchange_days(lake))
        compared.restore(connection, lake / CATALOG, covered["attempt"])
        certificates.restore(connection, lake / CATALOG)
        back, damaged = reference.restore(lake, connection)
        set_meta(connection, GENERATION, secrets.token_hex(8))
    return RebuildReport(history["contract"].n_unique(), covered["session"].n_unique(), covered.height, doubtful, back, tuple(damaged))


def _covered(lake: Path) -> tuple[pl.DataFrame, int]:
    """Published coverage as attempts, and how many do not agree with the bars that are there (a crash between two commits)."""
    rows = _head(lake, COVERAGE).collect().sort("attempt")
    counted = _head(lake, BARS).group_by("contract", "session").agg(there=pl.len().cast(pl.Int64)).collect(engine="streaming")
    joined = rows.join(counted, on=["contract", "session"], how="left", maintain_order="left").with_columns(pl.col("there").fill_null(0))
    wrong = pl.col("bars") != pl.col("there")
    fixed = joined.with_columns(
        outcome=pl.when(wrong).then(pl.lit("partial")).otherwise("outcome"), rank=pl.when(wrong).then(50).otherwise("rank"),
        proof=pl.when(wrong).then(pl.lit("unverified")).otherwise("proof"),
        reasons=pl.when(wrong).then(pl.lit("rebuilt")).otherwise("reasons"), bars=pl.when(wrong).then("there").otherwise("bars"),
        batch=pl.lit(0, pl.Int64),
    )
    names = list(COVERAGE.schema)
    return fixed.select(*names[:3], "batch", *names[3:]), int(joined.select(wrong.sum()).item())


def _head(lake: Path, spec: TableSpec) -> pl.LazyFrame:
    return scan_files(lake / spec.name, spec, [path for path, _ in head_files(lake / spec.name)])


def _published(lake: Path, covered: pl.DataFrame) -> list[tuple[object, ...]]:
    """One row a session with its files; the versions are those of the tables now."""
    bars = {values["session"]: path for path, values in head_files(lake / BARS.name)}
    rows: list[tuple[object, ...]] = []
    for path, values in head_files(lake / COVERAGE.name):
        day = date.fromisoformat(values["session"])
        file = bars.get(values["session"], "")
        at = lake / BARS.name / file
        count = int(covered.filter(pl.col("session") == day)["bars"].sum())
        size, digest = (at.stat().st_size, file_hash(at)) if file else (0, "")
        rows.append((days(day), _version(lake / BARS.name) if file else -1, file, count, size, digest, _version(lake / COVERAGE.name), path, 0))
    return rows


def _version(root: Path) -> int:
    from deltalake import DeltaTable

    return DeltaTable(root).version()


def _exchange_days(lake: Path) -> list[tuple[object, ...]]:
    root = lake / EXCHANGE_DAYS.name
    return [
        (values["venue"], values["segment"], days(date.fromisoformat(values["session"])), _version(root), path,
         pl.scan_parquet(root / path, hive_partitioning=False, glob=False).select(pl.len()).collect().item(), "", "", "[]")
        for path, values in head_files(root)
    ]


def _numbers(table: pl.DataFrame) -> pl.DataFrame:
    """A table as the ledger writes it: dates as days, instants as microseconds, truth as 0 and 1."""
    return table.with_columns(
        pl.col(pl.Date).cast(pl.Int32), pl.col(pl.Datetime("us", "UTC")).cast(pl.Int64), pl.col(pl.Boolean).cast(pl.Int8),
    )
