"""
The exchange's reference files in the lake: each kept as fetched, and what the calendar and identity need of it in the ledger.

Invariant: the newest file of a kind that speaks of a date decides; older ones stay in ``raw/`` and in the table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from fnolake.errors import PayloadError
from fnolake.market.exchange_file import read_reference_file
from fnolake.market.facts import ExchangeWord
from fnolake.market.reference import SCHEMAS, read_corporate_actions
from fnolake.market.unpack import plain
from fnolake.model import Finding, RawFile, payload_hash
from fnolake.model.session import utc_from_us
from fnolake.store.disk import disk_guard
from fnolake.store.ledger import Ledger, days, from_days
from fnolake.store.masters import RAW, keep_raw

_RECORD = """
insert into reference_files values (?, ?, ?, ?, ?, ?, ?, ?) on conflict (kind, day) do update set file = excluded.file,
    payload_hash = excluded.payload_hash, file_rows = excluded.file_rows, findings = excluded.findings,
    content = excluded.content, taken_us = excluded.taken_us
"""
_RENAME = "insert into renames values (?, ?, ?) on conflict (old, new) do update set since = excluded.since"


class ReferenceLike(Protocol):
    """What ``market.reference`` reads from a file."""

    @property
    def kind(self) -> str:
        """One of ``market.reference.KINDS``."""

    @property
    def rows(self) -> pl.DataFrame:
        """``market.reference.SCHEMAS[kind]``."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reader noticed."""


class ReferenceShelf:
    """
    The reference files of one lake.

    Args:
        lake: Its folder.
        ledger: Open.
        writable: Raises where the lake may not be written.
    """

    def __init__(self, lake: Path, ledger: Ledger, writable: Callable[[], None]) -> None:
        self._lake = lake
        self._ledger = ledger
        self._writable = writable

    def take(self, file: ReferenceLike, raw: RawFile, day: date) -> int:
        """
        Keep a file and what it says; the same kind of the same day again replaces it. Symbol changes become renames.

        Args:
            file: As read.
            raw: As fetched.
            day: The date it speaks of, or on which it was taken.

        Returns:
            How many rows it has.
        """
        self._writable()
        taken_us = round(raw.fetched_at.timestamp() * 1_000_000)
        with disk_guard(self._lake):
            kept = keep_raw(self._lake, raw, day)
            with self._ledger.transaction() as connection:
                _record(connection, file, day, kept, raw.payload_hash, taken_us)
        return file.rows.height

    def here(self) -> set[tuple[str, date]]:
        """(kind, day) of the files that are here."""
        return {(str(kind), from_days(int(str(day)))) for kind, day in self._rows("select kind, day from reference_files")}

    def asked(self, route: str) -> datetime | None:
        """When a file was last asked for, whatever came of it; None when never."""
        found = self._rows("select max(started_us) from requests where provider = 'exchange' and route = ?", route)[0][0]
        return None if found is None else utc_from_us(int(str(found)))

    def word(self) -> ExchangeWord:
        """What the holiday masters and the security files say, for the calendar."""
        holidays: dict[date, tuple[str, bool]] = {}
        auctions: list[tuple[date, frozenset[str]]] = []
        for kind, day, content in self._rows("select kind, day, content from reference_files order by day"):
            said = json.loads(str(content)) if content else []
            if kind == "holidays":
                holidays |= {date.fromisoformat(iso): (str(words), bool(special)) for iso, words, special in said}
            elif kind == "securities":
                auctions.append((from_days(int(str(day))), frozenset(said)))
        return ExchangeWord(holidays, tuple(auctions))

    def corporate_actions(self) -> pl.DataFrame:
        """Every corporate action of the files that are here, ``SCHEMAS["corporate_actions"]``, by ex-date; read from ``raw/``."""
        parts = [pl.DataFrame(schema=SCHEMAS["corporate_actions"])]
        for (file,) in self._rows("select file from reference_files where kind = 'corporate_actions' order by day"):
            body = (self._lake / str(file)).read_bytes()
            parts.append(read_corporate_actions(plain(body), body).rows)
        return pl.concat(parts).unique(maintain_order=True).sort("ex_date", "symbol", "kind")

    def _rows(self, statement: str, *values: object) -> list[tuple[object, ...]]:
        return self._ledger.rows(statement, values)


def restore(lake: Path, connection: sqlite3.Connection) -> tuple[int, list[str]]:
    """
    Record every reference file of ``raw/`` again, by its folder's date, in the order in which they were written.

    Returns:
        How many are back, and those (below the lake) that can no longer be read.
    """
    found = [path for folder in sorted((lake / RAW).glob("????-??-??")) for path in folder.glob("exchange-*")]
    back, damaged = set(), []
    for path in sorted(found, key=lambda one: (one.parent.name, one.stat().st_mtime_ns, one.name)):
        day, body, kept = date.fromisoformat(path.parent.name), path.read_bytes(), path.relative_to(lake).as_posix()
        try:
            file = read_reference_file(body, day=day)
        except PayloadError:
            damaged.append(kept)
            continue
        if file is not None:
            _record(connection, file, day, kept, payload_hash(body), path.stat().st_mtime_ns // 1000)
            back.add((file.kind, day))
    return len(back), damaged


def _record(connection: sqlite3.Connection, file: ReferenceLike, day: date, kept: str, digest: str, taken_us: int) -> None:
    findings = json.dumps([[f.name, f.count, f.detail] for f in file.findings], ensure_ascii=False)
    connection.execute(_RECORD, (file.kind, days(day), kept, digest, file.rows.height, findings, _content(file), taken_us))
    if file.kind == "symbol_changes":
        _rename(connection, file.rows)


def _content(file: ReferenceLike) -> str:
    """What of a file the ledger keeps, as JSON: closed dates, or the symbols that take part in the closing auction."""
    if file.kind == "holidays":
        segment = "FO" if (file.rows["segment"] == "FO").any() else "CM"
        chosen = file.rows.filter(pl.col("segment") == segment).sort("day")
        return json.dumps([[day.isoformat(), words, special] for day, words, special in chosen.select("day", "description", "special").iter_rows()])
    if file.kind == "securities":
        chosen = file.rows.filter("closing_auction", pl.col("series") == "EQ")
        return json.dumps(sorted(chosen["symbol"].unique().to_list()))
    return ""


def _rename(connection: sqlite3.Connection, rows: pl.DataFrame) -> None:
    connection.executemany(_RENAME, [(old, new, days(since)) for old, new, since in rows.select("old", "new", "since").iter_rows()])
