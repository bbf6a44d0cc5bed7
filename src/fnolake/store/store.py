"""
The facade of the store: what the rest of fnolake may ask of a lake's folder.

Each method is one line of work done by its own module. Invariant: at most one Store of a lake is open for writing, and
every method that writes leaves the lake as it was or as it should be, never between.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import polars as pl

from fnolake.errors import StoreError
from fnolake.model import Attempt, Batch, Master, RawFile, RequestRecord, StatePort
from fnolake.store import as_of, batches, compared, exchange, known, late, listings, masters, repairs
from fnolake.store import bars as reading
from fnolake.store import publish as publishing
from fnolake.store import rebuild as rebuilding
from fnolake.store import revisions as revising
from fnolake.store import upkeep as keeping
from fnolake.store.batches import CommitResult
from fnolake.store.disk import disk_guard
from fnolake.store.exchange import ExchangeDayLike
from fnolake.store.instruments import InstrumentBook
from fnolake.store.ledger import Ledger, days
from fnolake.store.lock import WriterLock
from fnolake.store.publish import PublishResult
from fnolake.store.rebuild import RebuildReport
from fnolake.store.reference import ReferenceShelf
from fnolake.store.state import StateFolder
from fnolake.store.upkeep import UpkeepReport

GRACE_S = 600.0
"""How long files that nobody names any more stay for readers under way, in seconds."""


def _nothing(_boundary: str) -> None:
    return


class Store:
    """
    An open lake. Use ``Store.open``; methods may be called from any thread.

    Attributes:
        path: Folder of the lake.
        state: The state drawer (``model.StatePort``).
    """

    def __init__(self, path: Path, lock: WriterLock | None, ledger: Ledger, reached: Callable[[str], None], grace_s: float) -> None:
        self.path = path
        self.state: StatePort = StateFolder(path / "state")
        self._lock = lock
        self._ledger = ledger
        self._reached = reached
        self._grace_s = grace_s
        self._book = InstrumentBook(ledger)
        self._writing = threading.RLock()
        self._closed = False
        self._lost = lock is not None and (path / reading.BARS.name).exists()

    @classmethod
    def open(
        cls, path: Path, *, write: bool, crash: Callable[[str], None] | None = None, grace_s: float = GRACE_S,
    ) -> Store:
        """
        Open a lake.

        Args:
            path: Folder of the lake; made when ``write`` and not there.
            write: Take the writer lock.
            crash: For tests: called with the name of each boundary of a write as it is reached.
            grace_s: How long replaced files stay for readers under way.

        Raises:
            StoreLocked: Another process writes this lake.
            ConfigError: There is no such lake to read.
            DiskFull: The folder cannot be written.
        """
        lock = WriterLock(path) if write else None
        try:
            ledger = Ledger(path, write=write)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return cls(path, lock, ledger, crash or _nothing, grace_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the ledger and let the next writer in; nothing happens the second time."""
        if self._closed:
            return
        self._closed = True
        try:
            if self._lock is not None:
                with contextlib.suppress(StoreError), disk_guard(self.path):
                    masters.write_catalog(self.path, self._ledger, self._book)
        finally:
            self._ledger.close()
            if self._lock is not None:
                self._lock.release()

    def _writable(self) -> None:
        if self._lock is None:
            raise StoreError(f"{self.path} is open for reading; open it for writing")
        if self._lost:
            if not self._ledger.rows("select 1 from batches union all select 1 from published limit 1"):
                raise StoreError(f"the ledger of {self.path} is lost; run `fnolake upkeep --rebuild-ledger` before anything is written")
            self._lost = False

    def commit(self, batch: Batch) -> CommitResult:
        """
        Make a batch durable: its files first, then one transaction that names them.

        Raises:
            ValueError: The batch breaks its invariant.
            DiskFull: Nothing was recorded.
        """
        self._writable()
        batches.check_batch(batch)
        with self._writing, disk_guard(self.path):
            number = self._next_batch()
            files = batches.write_files(self.path, number, batch, self._reached)
            with self._ledger.transaction() as connection:
                won = batches.record_batch(connection, number, batch, files, _now_us())
            self._reached("ledger_committed")
        return CommitResult(number, len(batch.attempts), batch.bars.height, won)

    def _next_batch(self) -> int:
        found = self._ledger.rows("select coalesce(max(batch), 0) + 1 from batches")[0][0]
        assert isinstance(found, int)
        return found

    def record_requests(self, requests: Sequence[RequestRecord]) -> None:
        """Record requests that bring no bars (masters, sign-ins, exchange files)."""
        self._writable()
        with self._ledger.transaction() as connection:
            batches.record_requests(connection, requests)

    def take_master(self, master: Master, raw: RawFile) -> dict[str, int]:
        """
        Keep a master's file and diff its listings with what is known (design section 4, Identity).

        Returns:
            How many listings are ``new``, ``amended``, ``delisted``, ``identity_uncertain``; how many ``differ`` from
            what another provider says, and how many only this one lists (``only_here``).
        """
        self._writable()
        with self._writing, disk_guard(self.path):
            return masters.take_master(self.path, self._ledger, self._book, master, raw, _now_us())

    def masters_taken(self, day: date, provider: str | None = None) -> bool:
        """Whether a master of that day is here, of that provider where one is named."""
        return bool(self._ledger.rows("select 1 from masters where day = ? and provider = coalesce(?, provider) limit 1", (days(day), provider)))

    def listed_by(self, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
        """
        Who can be asked for contracts (None = all): contract, provider; by contract, who has the say on it first.

        A contract that nobody lists any more is given with those that did.
        """
        return listings.listed_by(self._ledger, contracts)

    def provider_symbols(self, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
        """Every provider's symbol of contracts (None = all), ``listings.SYMBOL_SCHEMA``, by contract."""
        return listings.symbols(self._ledger, contracts)

    def listing_differences(self) -> pl.DataFrame:
        """Where a provider's last master says something else than what is kept of a contract: ``listings.DIFFERENCE_SCHEMA``."""
        return listings.differences(self._ledger)

    def masters(self) -> pl.DataFrame:
        """Every master taken (``masters.MASTER_SCHEMA``), findings as JSON."""
        return masters.masters(self._ledger)

    def record_rename(self, old: str, new: str, since: date) -> None:
        """Record that an underlying is called ``new`` since that date, so that its contracts stay what they are."""
        self._writable()
        with self._ledger.transaction() as connection:
            connection.execute(
                "insert into renames values (?, ?, ?) on conflict (old, new) do update set since = excluded.since", (old, new, days(since)),
            )

    def take_exchange_day(self, day: ExchangeDayLike, raw: RawFile) -> dict[str, int]:
        """
        Keep an exchange's end-of-day file and its rows; the same day again replaces it.

        Returns:
            How many ``rows`` it has and how many ``traded``.
        """
        self._writable()
        with self._writing, disk_guard(self.path):
            return exchange.take(self.path, self._ledger, day, raw)

    @property
    def references(self) -> ReferenceShelf:
        """The exchange's reference files: symbol changes, securities, corporate actions, holidays, lots."""
        return ReferenceShelf(self.path, self._ledger, self._writable)

    def exchange_days(self) -> set[tuple[str, str, date]]:
        """(venue, segment, session) of the exchange's files that are here."""
        return exchange.here(self._ledger)

    def exchange_rows(self, sessions: date | Iterable[date]) -> pl.DataFrame:
        """The exchange's rows of one or more sessions by contract: ``exchange.MATCHED``, by session and contract."""
        chosen = [sessions] if isinstance(sessions, date) else list(sessions)
        return exchange.matched(self.path, self._ledger, self._book, chosen)

    def due_again(self) -> list[date]:
        """Sessions whose exchange file came after something of them was captured, until they are judged again."""
        return late.due(self._ledger)

    def unproven(self) -> pl.DataFrame:
        """What was called complete or empty before its exchange file came, once the file is here: ``late.UNPROVEN``."""
        return late.unproven(self._ledger)

    def judged_again(self, sessions: Iterable[date], attempts: Sequence[Attempt]) -> None:
        """
        Record new verdicts on what is stored, whatever their rank; the bars stay where they are unless the verdict has none.

        Args:
            sessions: They are due no more.
            attempts: Each with its request's provenance.
        """
        self._writable()
        with self._writing, self._ledger.transaction() as connection:
            late.record(connection, sessions, attempts, _now_us())

    def exchange_scan(self, sessions: Sequence[date]) -> pl.LazyFrame:
        """The exchange's rows of sessions as published, contracts that no master names included (``exchange.EXCHANGE_DAYS``)."""
        return exchange.scan(self.path, self._ledger, sessions)

    def instruments(self, on: date | None = None, *, underlyings: Sequence[str] = (), kinds: Sequence[str] = ()) -> pl.DataFrame:
        """
        One row a contract, ``model.instrument_schema``, by contract.

        With ``on``, what was listed on that date as it stood then; without, every contract ever known: its latest
        attributes, with the dates of its whole life.
        """
        return self._book.on(on, underlyings, kinds)

    def with_symbols(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Instruments with a column ``PROVIDER_symbol`` a provider in the place of ``provider_symbol``, and what ``differs``."""
        return listings.beside(self._ledger, rows)

    def instrument_history(self) -> pl.DataFrame:
        """Every revision of every contract (``instruments.history_schema``), by contract and revision."""
        return self._book.history()

    def missing(self, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        """Pairs (contract int64, session date) of the cross product that are not covered."""
        return known.missing(self._ledger, contracts, sessions)

    def coverage(self, sessions: Sequence[date] | None = None, contracts: Sequence[int] | None = None) -> pl.DataFrame:
        """The best we have of each contract-session asked for: ``known.COVERAGE_SCHEMA``, by session and contract."""
        return known.coverage(self._ledger, sessions, contracts)

    def sessions(self, contracts: Sequence[int] | None = None) -> list[date]:
        """Sessions of which anything is known, ascending; of some contracts only those with bars."""
        return known.sessions(self._ledger, contracts)

    def captured(self, since: date) -> list[int]:
        """Contracts of which anything is known on or after a session, ascending."""
        return known.captured(self._ledger, since)

    def mean_rows(self) -> pl.DataFrame:
        """Mean bars of a complete session so far: contract int64, mean_rows float64."""
        return known.mean_rows(self._ledger)

    def attempts(self, sessions: Sequence[date] | None = None, contracts: Sequence[int] | None = None) -> pl.DataFrame:
        """Every try, won or not: ``known.ATTEMPT_SCHEMA``, in order of commit."""
        return known.attempts(self._ledger, sessions, contracts)

    def refusals(self) -> pl.DataFrame:
        """On how many dates an expired contract was refused, and on which last: contract, days, last."""
        return known.refusals(self._ledger)

    def requests(self) -> pl.DataFrame:
        """Every request recorded: ``known.REQUEST_SCHEMA``, in order of start."""
        return known.requests(self._ledger)

    def comparisons(self, sessions: Sequence[date] | None = None) -> pl.DataFrame:
        """What two providers were compared for (None = every session): ``compared.COMPARISONS``, by session and contract."""
        return compared.comparisons(self._ledger, sessions)

    def differences(self, sessions: Sequence[date] | None = None) -> pl.DataFrame:
        """The differences that these comparisons found: ``compared.DIFFERENCES``, in their order, by ts and field."""
        return compared.differences(self._ledger, sessions)

    def not_elsewhere(self, sessions: Sequence[date]) -> pl.DataFrame:
        """Pairs (contract, session) that a provider other than the kept one said to have no more."""
        return compared.given_up(self._ledger, sessions)

    def open_findings(self, since: date, near_since: date) -> tuple[pl.DataFrame, pl.DataFrame]:
        """What is not as the exchange says or not there (``repairs.OPEN``), and every try at it (``repairs.TRIES``)."""
        return repairs.read(self._ledger, since, near_since)

    def publish(self, session: date) -> PublishResult:
        """
        Write a session to the Delta tables ``bars`` and ``coverage`` and name that version in the ledger.

        Raises:
            StoreError: Two bars of one minute, or the Delta table was changed or could not be completed.
            DiskFull: Nothing was recorded.
        """
        self._writable()
        with self._writing, disk_guard(self.path):
            masters.write_catalog(self.path, self._ledger, self._book)
            return publishing.publish(self.path, self._ledger, session, self._reached, self._grace_s)

    def bars(self, contracts: Sequence[int] | None, sessions: Sequence[date]) -> pl.LazyFrame:
        """
        Stored bars (``model.bar_schema``) of contracts (None = all) on sessions, as of this moment; order is not promised.

        The files it names stay readable for the grace, whatever a writer does meanwhile.
        """
        return reading.read(self.path, self._ledger, self._book, contracts, sessions)

    def bars_as_of(self, contracts: Sequence[int] | None, sessions: Sequence[date], instant: datetime) -> pl.LazyFrame:
        """
        Stored bars as they were known at an aware instant, see ``store.as_of``.

        Raises:
            NotCovered: Bars of then were replaced since and are kept nowhere.
        """
        return as_of.read(self.path, self._ledger, self._book, contracts, sessions, instant)

    def upkeep(self, now: datetime | None = None, *, check: bool = False) -> UpkeepReport:
        """
        Put the lake in order: garbage, replaced files past the grace, checkpoints, the day's backup; with ``check``, hashes.

        Args:
            now: Calendar instant; None is the machine's.
            check: Read every file again; ``UpkeepReport.corrupt`` has those that differ.
        """
        self._writable()
        with self._writing, disk_guard(self.path):
            masters.write_catalog(self.path, self._ledger, self._book)
            return keeping.upkeep(self.path, self._ledger, now or datetime.now(UTC), self._grace_s, check=check)

    def rebuild_ledger(self) -> RebuildReport:
        """
        Fill the new, empty ledger of a lake whose ledger was lost, from the Delta tables and the catalog.

        Raises:
            StoreError: The ledger is not empty, or the catalog is gone too.
        """
        if self._lock is None:
            raise StoreError(f"{self.path} is open for reading; open it for writing")
        with self._writing, disk_guard(self.path):
            return rebuilding.rebuild(self.path, self._ledger)

    @property
    def is_lost(self) -> bool:
        """Whether bars are published here and the ledger knows no contract: it was lost or its making was cut short."""
        return (self.path / "bars" / "_delta_log").is_dir() and not known.counts(self._ledger)["contracts"]

    def counts(self) -> dict[str, int]:
        """Rows of the lake at a glance: contracts, contract_sessions, bars, published_bars, published_bytes, requests."""
        return known.counts(self._ledger)

    def revisions(self, sessions: Sequence[date] | None = None) -> pl.DataFrame:
        """Bars that a later fetch replaced (``revisions.REVISIONS``), by contract and ts; known once a session is published."""
        return revising.read(self.path, sessions)

    def unpublished(self) -> list[date]:
        """Sessions with something that is not published yet, ascending."""
        return known.unpublished(self._ledger)


def _now_us() -> int:
    return time.time_ns() // 1000
