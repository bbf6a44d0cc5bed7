"""
The point-in-time master in the ledger: reading it, and taking a provider's master into it.

Rows are revisions of a contract, each valid over inclusive dates (null = unknown, open). Invariant: an id, once given,
means the same listing for ever; older masters taken later insert history and renumber nothing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from fnolake.model import Finding, Master, instrument_schema
from fnolake.store.identity import ATTRIBUTES, KEY, classify
from fnolake.store.ledger import Ledger, days, set_meta

TRUST_GAP = timedelta(days=7)
"""A contract first seen within so many days of the last master may have been listed on the day after that one."""

SHRUNK = 0.5
"""A master with a smaller share of what should be in it closes nothing."""

_COLUMNS = (
    "contract, revision, venue, segment, token, symbol, underlying, kind, expiry, strike_paise, option_right, lot, "
    "tick_paise, provider_symbol, is_index, valid_from, valid_to, first_seen, last_seen"
)
_SELECT = "select " + _COLUMNS + " from instruments order by contract, revision"  # noqa: S608
INSERT = "insert into instruments (" + _COLUMNS + ") values (" + ", ".join("?" * 19) + ")"  # noqa: S608
GENERATION = "instruments_generation"


def history_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Columns of the history: ``instrument_schema`` with revision, first_seen and last_seen (dates of masters)."""
    given = instrument_schema()
    return {"contract": given.pop("contract"), "revision": pl.Int64, **given, "first_seen": pl.Date, "last_seen": pl.Date}


class InstrumentBook:
    """Reads the instruments of a ledger; keeps the last table while nobody has changed it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept: tuple[str | None, pl.DataFrame] | None = None

    def history(self) -> pl.DataFrame:
        """Every revision of every contract, by contract and revision."""
        with self._ledger.reading():
            generation = self._ledger.meta(GENERATION)
            if self._kept is None or self._kept[0] != generation:
                self._kept = (generation, self._ledger.frame(_SELECT, history_schema()))
            return self._kept[1]

    def on(self, day: date | None, underlyings: Sequence[str], kinds: Sequence[str]) -> pl.DataFrame:
        """
        One row a contract, ``model.instrument_schema``, by contract.

        With a day, what was in force on it; without one, each contract's latest attributes with the dates of its whole life.
        """
        rows = self.history()
        rows = _latest(rows) if day is None else _in_force(rows, day)
        if underlyings:
            rows = rows.filter(pl.col("underlying").is_in(list(underlyings)))
        if kinds:
            rows = rows.filter(pl.col("kind").is_in(list(kinds)))
        return rows.select(*instrument_schema())


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    if not rows["contract"].is_duplicated().any():
        return rows
    return rows.with_columns(pl.col("valid_from").first().over("contract")).unique("contract", keep="last", maintain_order=True)


def _in_force(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    return rows.filter(
        (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day))
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= day))
        & (pl.col("expiry").is_null() | (pl.col("expiry") >= day))
    )


@dataclass(slots=True)
class Changes:
    """What a master changes: rows to insert and statements to run, in order."""

    inserts: list[tuple[object, ...]] = field(default_factory=list)
    updates: list[tuple[str, list[tuple[object, ...]]]] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)


class Diff:
    """
    One master against the history.

    Args:
        history: ``InstrumentBook.history`` of the whole ledger.
        master: Listings unique by ``KEY``.
        renames: Old name of an underlying → new name.
    """

    def __init__(self, history: pl.DataFrame, master: Master, renames: dict[str, str]) -> None:
        self._day = master.day
        self._segments = master.listings.select("venue", "segment").unique()
        self._known = history.join(self._segments, on=["venue", "segment"], how="semi")
        self._next_id = (history["contract"].max() or 0) + 1  # type: ignore[operator]
        self._renames = renames
        self._listings = master.listings.unique(KEY, keep="first").sort(*KEY).with_columns(seen=pl.lit(self._day))
        self._earlier = self._known.filter(pl.col("first_seen") < self._day)["last_seen"].max()
        self.changes = Changes(counts={"new": 0, "amended": 0, "delisted": 0, "identity_uncertain": 0})

    def run(self) -> Changes:
        """Decide every listing and every contract that is no longer listed."""
        before = self._known.filter(pl.col("first_seen") <= self._day).sort("first_seen", "revision").unique(KEY, keep="last")
        after = self._known.filter(pl.col("first_seen") > self._day).sort("first_seen", "revision").unique(KEY, keep="first")
        rest = self._against_earlier(before, after)
        rest = self._against_later(rest, after)
        self._add_new(rest, before, after)
        if after.is_empty():
            self._close_vanished(before)
        return self.changes

    def _against_earlier(self, before: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """Settle listings that an earlier row explains; return the others."""
        if before.is_empty():
            return self._listings
        pairs = self._judge(self._listings.join(_old(before, self._renames), on=KEY))
        kept = pairs.filter(pl.col("fate") == "same")
        self._update("update instruments set last_seen = ?, provider_symbol = ? where contract = ? and revision = ?",
                     [(days(self._day), row[0], row[1], row[2]) for row in kept.filter(pl.col("old_last_seen") < self._day)
                      .select("provider_symbol", "old_contract", "old_revision").iter_rows()])
        closed = kept.filter(pl.col("old_valid_to") < self._day)
        if after.is_empty():
            self._update("update instruments set valid_to = null where contract = ? and revision = ?",
                         closed.select("old_contract", "old_revision").rows())
        moved = pairs.filter(pl.col("fate") == "amended")
        later = set(after.select(*KEY).iter_rows())
        for row in moved.iter_rows(named=True):
            self._amend(row, has_later=tuple(row[name] for name in KEY) in later)
        return self._listings.join(pairs.filter(pl.col("fate").is_in(["same", "amended"])), on=KEY, how="anti")

    def _amend(self, row: dict[str, object], *, has_later: bool) -> None:
        """Add a revision from this master's day on; a second master of one day rewrites its own."""
        if has_later:
            self.changes.findings.append(Finding("history_uncertain", detail=f"{row['symbol']}: changed between two known masters"))
            return
        self.changes.counts["amended"] += 1
        number, revision = row["old_contract"], row["old_revision"]
        assert isinstance(revision, int)
        if row["old_first_seen"] == self._day:
            self._update("delete from instruments where contract = ? and revision = ?", [(number, revision)])
            since = row["old_valid_from"]
        else:
            self._update("update instruments set valid_to = ? where contract = ? and revision = ?",
                         [(days(self._day - timedelta(days=1)), number, revision)])
            since, revision = self._day, revision + 1
        self._insert(row, number, revision, since, None)

    def _against_later(self, rest: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """Settle listings that a row first seen later continues (an older master taken late); return the others."""
        if after.is_empty():
            return rest
        later = after.select(*KEY, *(pl.col(name) for name in (*ATTRIBUTES, "contract", "revision", "valid_from", "first_seen")))
        paired = later.join(_old(rest, self._renames), on=KEY).with_columns(seen=pl.col("first_seen"))
        pairs = self._judge(paired).filter(pl.col("fate").is_in(["same", "amended"]))
        since = self._since_unknown()
        for row in pairs.iter_rows(named=True):
            if row["fate"] == "same":
                self._update("update instruments set first_seen = ?, valid_from = ? where contract = ? and revision = ?",
                             [(days(self._day), since and days(since), row["contract"], row["revision"])])
            else:
                self._prepend(row, since)
        self._tighten(after.join(pairs, on=KEY, how="anti"), _old(rest, {}))
        return rest.join(pairs, on=KEY, how="anti")

    def _tighten(self, unlisted: pl.DataFrame, replaced: pl.DataFrame) -> None:
        """Contracts of unknown beginning that this older master does not list began after it, and after what had their token."""
        rows = unlisted.filter(pl.col("valid_from").is_null() & (pl.col("revision") == 1)).join(
            replaced.select(*KEY, "old_expiry"), on=KEY, how="left",
        )
        self._update("update instruments set valid_from = ? where contract = ? and revision = ?", [
            (days(min(max(self._day, expiry or self._day) + timedelta(days=1), first)), number, revision)
            for number, revision, expiry, first in rows.select("contract", "revision", "old_expiry", "first_seen").iter_rows()
        ])

    def _prepend(self, row: dict[str, object], since: date | None) -> None:
        """Insert the revision that an older master shows before the first known one."""
        starts = row["valid_from"] or row["first_seen"]
        revision = row["revision"]
        assert isinstance(starts, date)
        assert isinstance(revision, int)
        self.changes.counts["amended"] += 1
        self._update("update instruments set valid_from = ? where contract = ? and revision = ?",
                     [(days(starts), row["contract"], revision)])
        old = {name: row[f"old_{name}"] for name in (*ATTRIBUTES, "provider_symbol")}
        self._insert({**row, **old}, row["contract"], revision - 1, since, starts - timedelta(days=1))

    def _add_new(self, rest: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame) -> None:
        """Give ids, ascending by key, to listings that no known row explains; close what they replace."""
        ends = after.select(*KEY, ends=pl.col("first_seen") - pl.duration(days=1))
        old = before.select(*KEY, old_contract="contract", old_revision="revision", old_expiry="expiry", old_to="valid_to")
        rows = rest.join(ends, on=KEY, how="left").join(old, on=KEY, how="left").sort(*KEY)
        self.changes.counts["new"] += rows.height
        since = self._since()
        yesterday = self._day - timedelta(days=1)
        for row in rows.iter_rows(named=True):
            start = since
            if row["old_contract"] is not None:
                last = min(day for day in (row["old_expiry"], row["old_to"], yesterday) if day is not None)
                self._update("update instruments set valid_to = ? where contract = ? and revision = ?",
                             [(days(last), row["old_contract"], row["old_revision"])])
                start = max(since or self._day, last + timedelta(days=1))
            end = None if row["ends"] is None else min(row["ends"], row["expiry"] or row["ends"])
            self._insert(row, self._next_id, 1, start, end)
            self._next_id += 1

    def _close_vanished(self, before: pl.DataFrame) -> None:
        """End contracts that should still be listed and are not; a master that shrank by half ends nothing."""
        alive = before.filter(
            (pl.col("expiry").is_null() | (pl.col("expiry") >= self._day)) & pl.col("valid_to").is_null()
            & (pl.col("last_seen") < self._day)
        )
        gone = alive.join(self._listings, on=KEY, how="anti")
        if gone.height > alive.height * SHRUNK and gone.height > 1:
            self.changes.findings.append(Finding("master_shrunk", gone.height, "most of the last master is missing: nothing was ended"))
            return
        self.changes.counts["delisted"] += gone.height
        end = days(self._day - timedelta(days=1))
        self._update("update instruments set valid_to = ? where contract = ? and revision = ?",
                     [(end, *pair) for pair in gone.select("contract", "revision").iter_rows()])

    def _judge(self, pairs: pl.DataFrame) -> pl.DataFrame:
        judged = classify(pairs)
        doubtful = judged.filter(pl.col("fate") == "uncertain")
        if doubtful.height:
            self.changes.counts["identity_uncertain"] += doubtful.height
            example = ", ".join(doubtful["symbol"].head(3).to_list())
            self.changes.findings.append(Finding("identity_uncertain", doubtful.height, f"taken as new listings: {example}"))
        return judged

    def _since_unknown(self) -> date | None:
        """First valid day of what an older master shows: unknown where there is no master before it."""
        return None if self._earlier is None else self._day

    def _since(self) -> date | None:
        """First valid day of a listing seen first in this master."""
        if self._earlier is None:
            return None
        assert isinstance(self._earlier, date)
        if self._earlier >= self._day:
            return self._day
        return self._earlier + timedelta(days=1) if self._day - self._earlier <= TRUST_GAP else self._day

    def _update(self, statement: str, values: list[tuple[object, ...]]) -> None:
        if values:
            self.changes.updates.append((statement, values))

    def _insert(self, row: dict[str, object], number: object, revision: int, since: object, end: date | None) -> None:
        expiry = row["expiry"]
        self.changes.inserts.append((
            number, revision, row["venue"], row["segment"], row["token"], row["symbol"], row["underlying"], row["kind"],
            days(expiry) if isinstance(expiry, date) else None, row["strike_paise"], row["right"], row["lot"], row["tick_paise"],
            row["provider_symbol"], int(bool(row["is_index"])), days(since) if isinstance(since, date) else None,
            days(end) if end is not None else None, days(self._day), days(self._day),
        ))


def _old(rows: pl.DataFrame, renames: dict[str, str]) -> pl.DataFrame:
    """Rows as the earlier side of a pair, underlyings under their present names."""
    names = [name for name in rows.columns if name not in (*KEY, "seen")]
    old = rows.select(*KEY, *(pl.col(name).alias(f"old_{name}") for name in names))
    return old.with_columns(pl.col("old_underlying").replace(renames)) if renames else old


def apply_changes(connection: sqlite3.Connection, changes: Changes, provider: str, generation: str) -> None:
    """Run a diff's statements inside the caller's transaction."""
    for statement, values in changes.updates:
        connection.executemany(statement, values)
    connection.executemany(INSERT, changes.inserts)
    connection.executemany(
        "insert into provider_symbols values (?, ?, ?) on conflict (contract, provider) do update set symbol = excluded.symbol",
        [(row[0], provider, row[13]) for row in changes.inserts],
    )
    set_meta(connection, GENERATION, generation)


def read_renames(ledger: Ledger, day: date) -> dict[str, str]:
    """
    Old name → present name of renames in force on ``day``, chains followed.

    Only those after the first master count: of an older one every master knows the new name already, and the exchange gives
    old names to others again.
    """
    asked = "select old, new from renames where since <= ? and since > (select coalesce(min(day), 0) from masters) order by since"
    direct = {str(old): str(new) for old, new in ledger.rows(asked, (days(day),))}
    found = {}
    for old in direct:
        new, seen = old, {old}
        while new in direct and direct[new] not in seen:
            new = direct[new]
            seen.add(new)
        found[old] = new
    return found
