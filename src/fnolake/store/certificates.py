"""
Certificates in the ledger: only ever added; the newest of a session is in force, the others are its history.

A copy is kept in ``catalog/``, written with every certificate, so that they survive the loss of the ledger. Also what a
certificate names from the ledger: the exchange's files with their hashes, and the masters in force.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath

import polars as pl

from fnolake.model import Certificate, ExchangeFile, MasterFile
from fnolake.store.disk import make_folder, write_table
from fnolake.store.ledger import Ledger, days, from_days, micros, set_meta

CERTIFICATES: dict[str, pl.DataType | type[pl.DataType]] = {
    "certificate": pl.Int64, "session": pl.Date, "made_at": pl.Datetime("us", "UTC"), "hash": pl.String, "body": pl.String,
}
"""``body`` is the certificate's JSON (``model.Certificate.to_json``)."""

FILE = "certificates.parquet"
_COPIED = "catalog_certificate"
_INSERT = "insert into certificates values (?, ?, ?, ?, ?)"
_ALL = "select certificate, session, made_us, hash, body from certificates order by certificate"
_NEWEST = (
    "select body from certificates where certificate in "
    "(select max(certificate) from certificates where session between ? and ? group by session) order by session"
)
_FILES = "select venue, segment, raw, day_rows, payload_hash from exchange_days where session = ? order by venue desc, segment desc"
_TAKEN = "select min(started_us) from requests where payload_hash = ? and outcome = 'answered'"
_MASTERS = (
    "select provider, exchange, day, master_rows, payload_hash from masters where listings > 0 order by provider, exchange, day, taken_us"
)


def record(folder: Path, ledger: Ledger, certificate: Certificate) -> int:
    """
    Add a certificate and renew the copy in ``folder``.

    Returns:
        Its number.
    """
    with ledger.transaction() as connection:
        number = int(connection.execute("select coalesce(max(certificate), 0) + 1 from certificates").fetchone()[0])
        body = json.dumps(certificate.to_json(), ensure_ascii=False, sort_keys=True)
        connection.execute(_INSERT, (number, days(certificate.session), micros(certificate.made_at), certificate.hash, body))
    write_copy(folder, ledger)
    return number


def history(ledger: Ledger) -> pl.DataFrame:
    """Every certificate, ``CERTIFICATES``, in the order they were made."""
    return ledger.frame(_ALL, CERTIFICATES)


def newest(ledger: Ledger, start: date, end: date) -> list[Certificate]:
    """The certificates in force of sessions from start to end, inclusive, by session."""
    return [Certificate.from_json(json.loads(str(body))) for (body,) in ledger.rows(_NEWEST, (days(start), days(end)))]


def write_copy(folder: Path, ledger: Ledger) -> None:
    """Copy the table into ``folder``, replaced whole, unless the copy is as it is."""
    newest_number = str(ledger.rows("select coalesce(max(certificate), 0) from certificates")[0][0])
    if newest_number == (ledger.meta(_COPIED) or "0"):
        return
    write_table(make_folder(folder) / FILE, history(ledger))
    with ledger.transaction() as connection:
        set_meta(connection, _COPIED, newest_number)


def restore(connection: sqlite3.Connection, folder: Path) -> None:
    """Fill the table of a new ledger from its copy; nothing happens when there is none."""
    if (folder / FILE).exists():
        rows = pl.read_parquet(folder / FILE, glob=False).select(*CERTIFICATES)
        numbers = rows.with_columns(pl.col("session").cast(pl.Int32), pl.col("made_at").dt.epoch("us"))
        connection.executemany(_INSERT, numbers.iter_rows())


def exchange_files(lake: Path, ledger: Ledger, session: date) -> tuple[ExchangeFile, ...]:
    """The exchange's files of a session that are here; ``taken_at`` is None for a file that no request brought."""
    found = []
    for venue, segment, raw, rows, digest in ledger.rows(_FILES, (days(session),)):
        taken = ledger.rows(_TAKEN, (digest,))[0][0] if digest else None
        found.append(ExchangeFile(
            str(venue), str(segment), PurePosixPath(str(raw)).name.removeprefix("exchange-"), int(str(rows)), _sha256(lake, str(raw)),
            datetime.fromtimestamp(int(str(taken)) / 1_000_000, tz=UTC) if taken is not None else None,
        ))
    return tuple(found)


def masters_in_force(ledger: Ledger, session: date) -> tuple[MasterFile, ...]:
    """Of each provider and exchange with contracts of ours the last master up to the session, else the first after it."""
    chosen: dict[tuple[str, str], MasterFile] = {}
    for provider, exchange, day, rows, digest in ledger.rows(_MASTERS):
        one = MasterFile(str(provider), str(exchange), from_days(int(str(day))), int(str(rows)), str(digest))
        if one.day <= session or (one.provider, one.exchange) not in chosen:
            chosen[one.provider, one.exchange] = one
    return tuple(chosen.values())


def _sha256(lake: Path, raw: str) -> str:
    """Of the file as it is kept; empty where it is not known or gone."""
    path = lake / raw
    if not raw or not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
