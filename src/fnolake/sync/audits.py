"""
Files scored against the calendar and the exchange's files, without taking them: the line without its last step.

Nothing is written. Invariant: each series of each file has one row, and a file that cannot be read has one, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.errors import UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import Contract, Session
from fnolake.normalize import normalize
from fnolake.provider.files.layout import Layout
from fnolake.provider.files.reader import files_in
from fnolake.store.store import Store
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.sync.filed import Filed, Line, page_of, read_filed, stand_in
from fnolake.sync.identities import Found, Identities
from fnolake.verify import ExchangeRow, judge
from fnolake.verify.audit import Evidence, Fault, faults, score

AUDIT: dict[str, pl.DataType | type[pl.DataType]] = {
    "score": pl.Float64, "file": pl.String, "symbol": pl.String, "rows": pl.Int64, "sessions": pl.Int64, "first": pl.Date, "last": pl.Date,
    "compared": pl.Int64, "reasons": pl.List(pl.String),
}
"""One row a series: points of 100, sessions with rows, sessions held against the exchange's files, what cost points, the dearest first."""
_PROVIDER = "audit"


@dataclass(frozen=True, slots=True)
class Audit:
    """
    What files are worth.

    Attributes:
        score: Of all series, weighted by rows.
        series: ``AUDIT``, the worst first.
        compared: Sessions of series that an exchange file could be held against.
    """

    score: float
    series: pl.DataFrame
    compared: int

    @property
    def is_clean(self) -> bool:
        """Whether nothing cost a point."""
        return bool((self.series["score"] == 100.0).all())


def audit(path: Path, layout: Layout, calendar: Calendar, store: Store | None, now: datetime) -> Audit:
    """
    Score a file, or the files of a folder.

    Raises:
        ConfigError: There is none.
    """
    auditor = _Auditor(layout, calendar, store, now)
    rows = [row for one in files_in(path) for filed in read_filed(one, layout, calendar) for row in auditor.rows_of(filed)]
    table = pl.DataFrame(rows, schema=AUDIT, orient="row").sort("score", "file", "symbol")
    weights = table["rows"].clip(1)
    total = float((table["score"] * weights).sum()) / float(weights.sum()) if table.height else 0.0
    shown = min(round(total, 1), 99.9 if (table["score"] < 100.0).any() else 100.0)
    return Audit(shown, table, int(table["compared"].sum()))


class _Auditor:
    def __init__(self, layout: Layout, calendar: Calendar, store: Store | None, now: datetime) -> None:
        self._layout = layout
        self._calendar = calendar
        self._store = store
        self._now = now
        self._identities = Identities(store, now) if store else None
        self._here = sorted({day for _, _, day in store.exchange_days()}) if store else []
        self._books: dict[date, ExchangeBook] = {}

    def rows_of(self, filed: Filed) -> Iterator[tuple[object, ...]]:
        """Rows of ``AUDIT``."""
        if filed.refused:
            yield 0.0, filed.name, "", 0, 0, None, None, 0, [filed.refused]
            return
        found = self._identities.find([line.wanted for line in filed.lines]) if self._identities else Found()
        unlisted = ExchangeBook(found.rows) if found.rows is not None else None
        for number, line in enumerate(filed.lines):
            contract = found.contracts.get(line.wanted.text) or stand_in(line.wanted, -1_000_000 - number)
            seen = self._seen(filed, line, contract, unlisted)
            said = faults(seen)
            yield _row(filed.name, line, seen, said)
        for reason, count in sorted(filed.left.items()):
            yield 0.0, filed.name, reason.replace("_", " "), count, 0, None, None, 0, [f"{count:,} rows: {reason.replace('_', ' ')}"]

    def _seen(self, filed: Filed, line: Line, contract: Contract, unlisted: ExchangeBook | None) -> Evidence:
        clock = filed.clock
        page = page_of(
            filed, line, contract, self._layout, _PROVIDER, self._now, clock.side if clock else self._layout.label, clock.shift_s if clock else 0,
        )
        table = normalize(page, self._calendar)
        sessions = self._sessions(contract, line.wanted.sessions)
        exchange = {one.date: row for one in sessions if (row := self._row(contract, one.date, unlisted))}
        with_rows = [one for one in sessions if one.date in table.spans or table.findings.get(one.date)]
        verdicts = {day: verdict for day, verdict, _ in judge(table, page.request, with_rows, self._now, exchange, must_fill=contract.kind == "spot")}
        return Evidence(contract, table, line.rows.height, verdicts, sessions, exchange, _of_file(filed, self._layout))

    def _sessions(self, contract: Contract, days: Sequence[date]) -> list[Session]:
        """Sessions from the first to the last that has rows, the contract's life over at its expiry."""
        traded = [day for day in days if (contract.expiry is None or day <= contract.expiry) and self._session(contract, day)]
        if not traded:
            return []
        return [session for day in self._calendar.sessions(traded[0], traded[-1]) if (session := self._session(contract, day))]

    def _session(self, contract: Contract, day: date) -> Session | None:
        try:
            return self._calendar.session_for(contract, day)
        except UnknownSession:
            return None

    def _row(self, contract: Contract, day: date, unlisted: ExchangeBook | None) -> ExchangeRow | None:
        if self._store is None or day not in self._here:
            return None
        if contract.contract < 0:
            return unlisted.row(contract.contract, day) if unlisted else None
        if day not in self._books:
            self._books[day] = ExchangeBook(self._store.exchange_rows(day))
        return self._books[day].row(contract.contract, day)


def _of_file(filed: Filed, layout: Layout) -> list[tuple[str, int, str, str]]:
    """Faults that all series of a file share."""
    found = []
    if filed.interval > 1:
        found.append(("not_one_minute", filed.interval, "minutes apart", ""))
    clock = filed.clock
    if clock and clock.shift_s:
        found.append(("wrong_zone", filed.rows, "rows", f"{clock.zone}, {clock.shift_s / 3600:+.1f} hours make them fit"))
    if clock and clock.side_told and clock.side != layout.label:
        found.append(("wrong_side", max(clock.votes), "sessions", f"labels are the {clock.side}s of minutes"))
    return found


def _row(name: str, line: Line, seen: Evidence, said: Sequence[Fault]) -> tuple[object, ...]:
    days = sorted(seen.table.spans)
    first, last = (days[0], days[-1]) if days else (None, None)
    compared = sum(day in seen.exchange for day in days)
    return score(said), name, line.wanted.text, line.rows.height, len(days), first, last, compared, [one.text for one in said]
