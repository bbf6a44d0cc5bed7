"""
Files of providers and exchanges in the lake: kept exactly as fetched, by date; masters diffed into the ledger.

A copy of the instruments, symbols and masters tables is kept beside the ledger (``catalog/``), so that ids survive its loss.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from datetime import date
from pathlib import Path

import polars as pl

from fnolake.model import Master, RawFile
from fnolake.store import certificates, compared
from fnolake.store.changes import apply_changes
from fnolake.store.diff import Diff
from fnolake.store.disk import make_folder, write_atomic, write_table
from fnolake.store.instruments import GENERATION, InstrumentBook, read_renames, said
from fnolake.store.ledger import Ledger, days, set_meta
from fnolake.store.listings import standing, symbols

RAW, CATALOG = "raw", "catalog"
_COPIED = "catalog_generation"
_AFTER_CLOSE = "masters_after_close"
MASTER_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "provider": pl.String, "exchange": pl.String, "day": pl.Date, "payload_hash": pl.String, "file": pl.String,
    "rows": pl.Int64, "listings": pl.Int64, "out_of_scope": pl.String, "findings": pl.String, "counts": pl.String,
    "taken_at": pl.Datetime("us", "UTC"),
}


def keep_raw(lake: Path, raw: RawFile, day: date) -> str:
    """
    Keep a file as it was fetched under ``raw/DAY/``; a different one of the same name gets its hash into the name.

    Returns:
        Its path below the lake.
    """
    folder = make_folder(lake / RAW / day.isoformat())
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{raw.provider}-{Path(raw.name).name}")
    path = folder / name
    if path.exists() and path.read_bytes() != raw.body:
        mark = hashlib.blake2b(raw.body, digest_size=6).hexdigest()
        stem, dot, ending = name.partition(".")
        path = folder / f"{stem}-{mark}{dot}{ending}"
    if not path.exists():
        write_atomic(path, raw.body)
    return path.relative_to(lake).as_posix()


def take_master(lake: Path, ledger: Ledger, book: InstrumentBook, master: Master, raw: RawFile, now_us: int) -> dict[str, int]:
    """
    Keep a master's file, diff its listings and record both.

    Returns:
        How many listings are new, amended, delisted and identity_uncertain; how many ``differ`` from what another
        provider says of the contract, and how many are listed ``only_here`` (0 while there is no other provider).
    """
    file = keep_raw(lake, raw, master.day)
    key = (master.provider, master.exchange, days(master.day), master.payload_hash or raw.payload_hash)
    with ledger.transaction() as connection:
        now = standing(ledger, master)
        changes = Diff(book.history(), master, read_renames(ledger, master.day, master.day), read_renames(ledger, date.max, master.day), now).run()
        apply_changes(connection, changes, now, _taken_before(ledger, key) or now_us, secrets.token_hex(8))
        findings = [[f.name, f.count, f.detail] for f in (*master.findings, *changes.findings)]
        connection.execute(
            "insert into masters values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (provider, exchange, day, payload_hash) do nothing",
            (*key, file, master.rows, master.listings.height, json.dumps(master.out_of_scope), json.dumps(findings, ensure_ascii=False),
             json.dumps(changes.counts), now_us),
        )
    return changes.counts


def _taken_before(ledger: Ledger, key: tuple[object, ...]) -> int | None:
    """When the very same file was taken, None if it was not."""
    found = ledger.rows("select taken_us from masters where provider = ? and exchange = ? and day = ? and payload_hash = ?", key)
    return int(str(found[0][0])) if found else None


def after_close(ledger: Ledger) -> date | None:
    """The last day whose masters were taken once more after its close."""
    found = ledger.meta(_AFTER_CLOSE)
    return date.fromisoformat(found) if found else None


def note_after_close(ledger: Ledger, day: date) -> None:
    """Record that a day's masters were taken once more."""
    with ledger.transaction() as connection:
        set_meta(connection, _AFTER_CLOSE, day.isoformat())


def masters(ledger: Ledger) -> pl.DataFrame:
    """Every master taken: ``MASTER_SCHEMA``, in order of taking."""
    return ledger.frame("select * from masters order by taken_us, exchange", MASTER_SCHEMA)


def _with_said(ledger: Ledger, book: InstrumentBook) -> pl.DataFrame:
    with ledger.reading():
        return book.history().join(said(ledger), on=["contract", "revision"], how="left", maintain_order="left")


def write_catalog(lake: Path, ledger: Ledger, book: InstrumentBook) -> None:
    """Copy instruments, symbols, masters, comparisons and certificates beside the ledger; a copy that is as they are stays."""
    compared.write_copy(lake / CATALOG, ledger)
    certificates.write_copy(lake / CATALOG, ledger)
    generation = ledger.meta(GENERATION)
    if generation is None or ledger.meta(_COPIED) == generation:
        return
    folder = make_folder(lake / CATALOG)
    for name, table in (("instruments", _with_said(ledger, book)), ("masters", masters(ledger)), ("symbols", symbols(ledger))):
        write_table(folder / f"{name}.parquet", table)
    with ledger.transaction() as connection:
        set_meta(connection, _COPIED, generation)
