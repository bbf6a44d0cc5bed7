"""
A user's own files through the line: raw rows, normalize, verify, ledger and store, as a broker's answers go.

They are marked ``import:NAME``, and a tie of rank never lets them take the place of a broker's bars (``store.schema``).
Invariant: every row of every file ends in one outcome, counted in its report, and the same file again changes nothing.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.errors import ConfigError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import (
    IMPORT,
    Attempt,
    Batch,
    Contract,
    Event,
    Finding,
    Notice,
    Outcome,
    Page,
    Proof,
    RequestRecord,
    Session,
    Verdict,
    bar_schema,
    quarantine_schema,
)
from fnolake.normalize import Normalized, normalize
from fnolake.provider.files.layout import Layout
from fnolake.provider.files.reader import files_in
from fnolake.store.store import Store
from fnolake.sync.again import prove_again
from fnolake.sync.contracts import MustFill
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.sync.filed import Filed, Line, page_of, read_filed
from fnolake.sync.identities import Found, Identities
from fnolake.verify import ExchangeRow, judge, refused_rows
from fnolake.verify.against import PHASES

IMPORTED, NOT_BETTER, HERE_ALREADY, DUPLICATE, UNDECODED, UNTRADED = "imported", "not_better", "here_already", "duplicate", "unreadable", "untraded"
NOT_PROVEN = "not_proven"
"""Why a file's contract-session is no more than partial: not every minute must be there, and no exchange file says that all is."""
BATCH_ROWS = 250_000
SAID_EVERY = 25
"""Files after which the user is told of progress."""
BOOKS = 128
"""Sessions whose exchange rows are kept in memory: 2 MB each."""


@dataclass(slots=True)
class FileReport:
    """
    What became of one file.

    Attributes:
        file: Its name.
        rows: How many it has.
        outcomes: Every row once, by outcome: imported, not_better (what is stored is at least as good), here_already, duplicate, untraded,
            unreadable, unknown_symbol, … or the reason of its quarantine.
        sessions: Contract-sessions that took coverage.
        proofs: Of those, by verified, near, mismatch, unverified.
        unknown: What to do about symbols that are no contract here: how many symbols, and one of them, by advice.
        refused: Why nothing of it was taken; empty: it was.
    """

    file: str
    rows: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    sessions: int = 0
    proofs: Counter[str] = field(default_factory=Counter)
    unknown: dict[str, tuple[int, str]] = field(default_factory=dict)
    refused: str = ""


@dataclass(frozen=True, slots=True)
class _Judged:
    """One contract-session, decided."""

    attempt: Attempt
    bars: pl.DataFrame
    wins: bool


class Import:
    """
    One import.

    Args:
        store: Open; written to unless ``dry_run``.
        calendar: Hours of every session.
        layout: How the files are laid out.
        provider: The name that their bars carry, ``import:NAME``.
        now: Aware.
        on_event: Told of each file.
        dry_run: Only say what would come of it.
    """

    def __init__(
        self, store: Store, calendar: Calendar, layout: Layout, provider: str, now: datetime, on_event: Callable[[Event], None], *, dry_run: bool
    ) -> None:
        self._store = store
        self._calendar = calendar
        self._layout = layout
        self._provider = provider
        self._now = now
        self._emit = on_event
        self._dry_run = dry_run
        self._identities = Identities(store, now)
        self._must_fill = MustFill(self._identities.table)
        self._keys = store.request_keys(provider)
        self._books: dict[date, ExchangeBook] = {}
        self._batch = _Batch()

    def run(self, path: Path) -> list[FileReport]:
        """
        Take a file, or the files of a folder.

        Raises:
            ConfigError: There is none.
            StoreError: Something could not be made durable; what was committed before stays.
        """
        reports = []
        files = files_in(path)
        for number, one in enumerate(files, start=1):
            if number % SAID_EVERY == 0:
                self._emit(Notice("info", f"file {number:,} of {len(files):,}: {one.name}"))
            reports += [self._take(filed) for filed in read_filed(one, self._layout, self._calendar)]
        self._flush()
        if not self._dry_run:
            self._finish()
        return reports

    def _finish(self) -> None:
        """Prove what a later file of the exchange is about, and publish sessions that are over."""
        if line := prove_again(self._store, self._calendar):
            self._emit(Notice("info", line))
        last = self._calendar.last_finished(self._now)
        for day in self._store.unpublished():
            if day <= last:
                self._store.publish(day)

    def _take(self, filed: Filed) -> FileReport:
        report = FileReport(filed.name, filed.rows, Counter(filed.left), refused=filed.refused or unfit(filed, self._layout))
        if report.refused:
            report.outcomes = Counter({"refused": filed.rows}) if filed.rows else Counter()
            return report
        found = self._identities.find([line.wanted for line in filed.lines])
        if found.listed and not self._dry_run:
            found = self._identities.list_new(found)
            self._must_fill = MustFill(self._identities.table)
            self._books.clear()
        elif found.listed:
            self._must_fill = MustFill(_with_listed(self._identities.table, found))
        unlisted = ExchangeBook(found.rows) if found.rows is not None else None
        for line in filed.lines:
            contract = found.contracts.get(line.wanted.text)
            if contract is None:
                _note_unknown(report, line, found)
            else:
                self._series(filed, line, contract, unlisted, report)
        return report

    def _row(self, contract: Contract, day: date, unlisted: ExchangeBook | None) -> ExchangeRow | None:
        """What the exchange says of a contract-session; of contracts that are in no ledger yet, by the book of those."""
        if contract.contract < 0:
            return unlisted.row(contract.contract, day) if unlisted else None
        if day not in self._books:
            if len(self._books) >= BOOKS:
                self._books.pop(next(iter(self._books)))
            self._books[day] = ExchangeBook(self._store.exchange_rows(day))
        return self._books[day].row(contract.contract, day)

    def _series(self, filed: Filed, line: Line, contract: Contract, unlisted: ExchangeBook | None, report: FileReport) -> None:
        page = page_of(filed, line, contract, self._layout, self._provider, self._now, self._layout.label)
        assert page.rows is not None
        sessions = [session for day in line.wanted.sessions if (session := self._session(contract, day))]
        rows = {session.date: self._row(contract, session.date, unlisted) for session in sessions}
        key = _key(page, self._provider, rows)
        if key in self._keys:
            report.outcomes[HERE_ALREADY] += len(page.rows) + page.rows.undecoded
            return
        self._keys.add(key)
        table = normalize(page, self._calendar)
        filled = {session.date for session in sessions if self._must_fill(contract, session.date)}
        judged = [
            (day, _proven(verdict, known=rows[day] is not None or day in filled), bars)
            for day, verdict, bars in judge(table, page.request, sessions, self._now, rows, must_fill=filled)
        ]
        refused = refused_rows(table, judged)
        record = RequestRecord(key, self._provider, filed.name, "import", "answered", self._now, 0.0, wire_bytes=page.wire_bytes, payload_hash=page.payload_hash)
        decided = [self._decided(contract, day, verdict, bars, record) for day, verdict, bars in judged if day in table.spans or table.findings.get(day)]
        _count(report, page, table, refused, decided)
        self._keep(decided, refused, record)

    def _decided(self, contract: Contract, day: date, verdict: Verdict, bars: pl.DataFrame, record: RequestRecord) -> _Judged:
        attempt = Attempt(contract.contract, day, verdict, self._provider, record.account, self._now, record.payload_hash, record.key)
        return _Judged(attempt, bars, self._wins(attempt))

    def _wins(self, attempt: Attempt) -> bool:
        """Whether it takes coverage: better than what is there, or as good as an earlier import."""
        key = (attempt.contract, attempt.session)
        there = self._batch.ranks.get(key) or self._store.rank_of(*key)
        return there is None or attempt.verdict.rank > there[0] or (attempt.verdict.rank == there[0] and there[1].startswith(IMPORT))

    def _session(self, contract: Contract, day: date) -> Session | None:
        """The session of a contract's day; None where its rows are refused one by one."""
        if contract.expiry is not None and day > contract.expiry:
            return None
        try:
            return self._calendar.session_for(contract, day)
        except UnknownSession:
            return None

    def _keep(self, decided: Sequence[_Judged], refused: pl.DataFrame, record: RequestRecord) -> None:
        if self._batch.holds(decided):
            self._flush()
        self._batch.add(decided, refused, record)
        if self._batch.rows >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._batch.requests and not self._dry_run:
            self._store.commit(self._batch.close())
        self._batch = _Batch(ranks=self._batch.ranks if self._dry_run else {})


@dataclass(slots=True)
class _Batch:
    """What is committed together; ``ranks`` is the rank and provider of each contract-session in it."""

    ranks: dict[tuple[int, date], tuple[int, str]] = field(default_factory=dict)
    pairs: set[tuple[int, date]] = field(default_factory=set)
    attempts: list[Attempt] = field(default_factory=list)
    bars: list[pl.DataFrame] = field(default_factory=list)
    refused: list[pl.DataFrame] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
    rows: int = 0

    def holds(self, decided: Sequence[_Judged]) -> bool:
        """Whether one of these contract-sessions is in it already."""
        return any((one.attempt.contract, one.attempt.session) in self.pairs for one in decided)

    def add(self, decided: Sequence[_Judged], refused: pl.DataFrame, record: RequestRecord) -> None:
        """Take them in; of an attempt that does not win only its record."""
        self.requests.append(record)
        for one in decided:
            self.attempts.append(one.attempt)
            self.pairs.add((one.attempt.contract, one.attempt.session))
            if one.wins:
                self.ranks[one.attempt.contract, one.attempt.session] = (one.attempt.verdict.rank, one.attempt.provider)
                self.bars.append(one.bars)
                self.rows += one.bars.height
        if refused.height:
            self.refused.append(refused)

    def close(self) -> Batch:
        """The batch as a value."""
        bars = pl.concat([pl.DataFrame(schema=bar_schema()), *self.bars])
        refused = pl.concat([pl.DataFrame(schema=quarantine_schema()), *self.refused])
        return Batch(tuple(self.attempts), bars, refused, tuple(self.requests))


def provider_name(name: str) -> str:
    """
    How bars of an import are marked.

    Raises:
        ConfigError: The name is no short word.
    """
    plain = name.removeprefix(IMPORT).strip().lower()
    if not plain or len(plain) > 40 or not all(one.isalnum() or one in "._-" for one in plain):
        raise ConfigError(f"--name {name}: give a short word of letters, digits, dots and dashes, for example gdf-2024")
    return IMPORT + plain


def unfit(filed: Filed, layout: Layout) -> str:
    """Why a file's bars are not what its layout says; empty: they are, or nothing tells."""
    if filed.interval > 1:
        return f"its rows are {filed.interval} minutes apart: only one-minute bars are imported"
    clock = filed.clock
    if clock is None or not layout.checked:
        return ""
    if clock.shift_s:
        zone = "--map zone=UTC" if clock.zone == "UTC" and layout.zone != "UTC" else f"another --map zone= than {layout.zone}"
        return (
            f"only {clock.inside:.0%} of its rows fall into the session hours as {layout.zone}, and nearly all when moved by"
            f" {clock.shift_s / 3600:+.1f} hours ({clock.zone}): give {zone}, or --map check=off"
        )
    if clock.side_told and clock.side != layout.label:
        return f"its labels are the {clock.side}s of minutes, not the {layout.label}s ({max(clock.votes)} sessions say so): give --map label={clock.side}, or --map check=off"
    return ""


def _with_listed(table: pl.DataFrame, found: Found) -> pl.DataFrame:
    if not found.listed:
        return table
    names = ("contract", "venue", "underlying", "kind", "expiry")
    rows = pl.DataFrame([[getattr(one, name) for name in names] for one in found.listed], schema=list(names), orient="row", infer_schema_length=None)
    return pl.concat([table.select(names), rows.cast({name: table.schema[name] for name in names})])


def _key(page: Page, provider: str, rows: object) -> str:
    """What makes an import the same: whose, of which contract, which rows, and what the exchange was known to say of them."""
    assert page.rows is not None
    said = hashlib.blake2b(f"{provider}|{page.request.contract.venue}|{page.request.contract.token}|{page.request.contract.contract}|{rows}".encode(), digest_size=16)
    for values in (page.rows.epoch_s, page.rows.open, page.rows.high, page.rows.low, page.rows.close, page.rows.volume, page.rows.oi):
        said.update(values.tobytes())
    return f"import-{said.hexdigest()}"


def _proven(verdict: Verdict, *, known: bool) -> Verdict:
    """Not complete by assumption: a file may be cut anywhere, and nobody was asked."""
    if verdict.outcome is not Outcome.COMPLETE or known:
        return verdict
    return Verdict(
        Outcome.PARTIAL, (NOT_PROVEN,), (*verdict.findings, Finding(NOT_PROVEN, detail="take the exchange's file and import again")), verdict.bars,
        verdict.first_us, verdict.last_us, verdict.volume, verdict.proof, verdict.proof_reasons,
    )


def proof_word(verdict: Verdict) -> str:
    """verified, near, mismatch or unverified."""
    if verdict.proof is Proof.UNVERIFIED and any(reason.endswith("_near") or reason == PHASES for reason in verdict.proof_reasons):
        return "near"
    return verdict.proof.value


def _note_unknown(report: FileReport, line: Line, found: Found) -> None:
    reason, advice = found.unknown[line.wanted.text]
    report.outcomes[reason] += line.rows.height
    count, example = report.unknown.get(advice, (0, line.wanted.text))
    report.unknown[advice] = (count + 1, example)


def _count(report: FileReport, page: Page, table: Normalized, refused: pl.DataFrame, decided: Sequence[_Judged]) -> None:
    """Every row of a series into one outcome."""
    assert page.rows is not None
    counts = Counter(dict(refused["reason"].value_counts().iter_rows()))
    for one in decided:
        counts[IMPORTED if one.wins else NOT_BETTER] += one.bars.height
        if one.wins and one.bars.height:
            report.sessions += 1
            report.proofs[proof_word(one.attempt.verdict)] += 1
        if one.attempt.verdict.outcome is Outcome.UNTRADED:
            first, end = table.spans.get(one.attempt.session, (0, 0))
            counts[UNTRADED] += end - first
    counts[DUPLICATE] += sum(finding.count for some in table.findings.values() for finding in some if finding.name == DUPLICATE)
    counts[UNDECODED] += table.undecoded
    report.outcomes += counts
