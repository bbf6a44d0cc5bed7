"""
What may be asked of a lake's folder without changing it. Each method is one line of work done by its own module.

Invariant: nothing here writes, and each answer is of one moment of the ledger.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.model.certificate import Certificate, Content, ExchangeFile, MasterFile
from fnolake.store import as_of, certificates, compared, exchange, fingerprint, known, late, listings, masters, repairs
from fnolake.store import bars as reading
from fnolake.store import instruments as telling
from fnolake.store import revisions as revising
from fnolake.store.exact import Exact, exact
from fnolake.store.instruments import InstrumentBook
from fnolake.store.ledger import Ledger, days, micros


class StoreReads:
    """
    The reading half of a store.

    Args:
        path: Folder of the lake.
        ledger: Its ledger.
    """

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self.path = path
        self._ledger = ledger
        self._book = InstrumentBook(ledger)

    def ledger_version(self) -> int:
        """The version of the ledger on disk."""
        return int(self._ledger.meta("ledger_version") or 0)

    def masters_taken(self, day: date, provider: str | None = None) -> bool:
        """Whether a master of that day is here, of that provider where one is named."""
        return bool(self._ledger.rows("select 1 from masters where day = ? and provider = coalesce(?, provider) limit 1", (days(day), provider)))

    def masters_after_close(self) -> date | None:
        """The last day whose masters were taken once more because the exchange's file lists what they did not."""
        return masters.after_close(self._ledger)

    def listed_by(self, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
        """
        Who can be asked for contracts (None = all): contract, provider; by contract, who has the say on it first.

        A contract that nobody lists any more is given with those that did.
        """
        return listings.listed_by(self._ledger, contracts)

    def renames(self) -> dict[str, str]:
        """Underlyings that were renamed since the lake began: old name → present name."""
        return telling.read_renames(self._ledger, date.max, date.max)

    def provider_symbols(self, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
        """Every provider's symbol of contracts (None = all), ``listings.SYMBOL_SCHEMA``, by contract."""
        return listings.symbols(self._ledger, contracts)

    def listing_differences(self) -> pl.DataFrame:
        """Where a provider's last master says something else than what is kept of a contract: ``listings.DIFFERENCE_SCHEMA``."""
        return listings.differences(self._ledger)

    def masters(self) -> pl.DataFrame:
        """Every master taken (``masters.MASTER_SCHEMA``), findings as JSON."""
        return masters.masters(self._ledger)

    def exchange_days(self) -> set[tuple[str, str, date]]:
        """(venue, segment, session) of the exchange's files that are here."""
        return exchange.here(self._ledger)

    def exchange_rows(self, sessions: date | Iterable[date], contracts: Sequence[int] | None = None) -> pl.DataFrame:
        """The exchange's rows of sessions by contract (None = all): ``exchange.MATCHED``, by session and contract."""
        chosen = [sessions] if isinstance(sessions, date) else list(sessions)
        return exchange.matched(self.path, self._ledger, self._book, chosen, contracts)

    def unlisted(self, session: date) -> pl.DataFrame:
        """Derivatives that the exchange's files of a session list and no master does, see ``exchange.unlisted``."""
        return exchange.unlisted(self.path, self._ledger, self._book, session)

    def due_again(self) -> list[date]:
        """Sessions whose exchange file came after something of them was captured, until they are judged again."""
        return late.due(self._ledger)

    def unproven(self) -> pl.DataFrame:
        """What was called complete or empty before its exchange file came, once the file is here: ``late.UNPROVEN``."""
        return late.unproven(self._ledger)

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

    def with_symbols(self, rows: pl.DataFrame, on: date | None = None) -> pl.DataFrame:
        """Instruments with a column ``PROVIDER_symbol`` a provider in the place of ``provider_symbol``, and what ``differs``, as of a date."""
        return listings.beside(self._ledger, rows, on)

    def instrument_history(self) -> pl.DataFrame:
        """Every revision of every contract (``instruments.history_schema``), by contract and revision."""
        return self._book.history()

    def said(self, contracts: Sequence[int] | None = None) -> pl.DataFrame:
        """When the master was taken that first said each revision (None = of every contract): ``instruments.SAID_SCHEMA``."""
        return telling.said(self._ledger, contracts)

    def missing(self, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        """Pairs (contract int64, session date) of the cross product that are not covered."""
        return known.missing(self._ledger, contracts, sessions)

    def coverage(self, sessions: Sequence[date] | None = None, contracts: Sequence[int] | None = None) -> pl.DataFrame:
        """The best we have of each contract-session asked for: ``known.COVERAGE_SCHEMA``, by session and contract."""
        return known.coverage(self._ledger, sessions, contracts)

    def outcomes(
        self, contracts: Sequence[int], at: datetime | None = None, span: tuple[date | None, date | None] = (None, None),
    ) -> pl.DataFrame:
        """What is known of contracts on the sessions of a span (first, last; of ``at``: by then), ``known.OUTCOMES``."""
        return known.outcomes(self._ledger, contracts, None if at is None else micros(at), span)

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

    def request_counts(self) -> list[tuple[str, str, str, int]]:
        """How many requests ended how: (provider, account, outcome, count), in that order."""
        return known.request_counts(self._ledger)

    def request_keys(self, provider: str) -> set[str]:
        """Keys of a provider's requests."""
        return known.request_keys(self._ledger, provider)

    def rank_of(self, contract: int, session: date) -> tuple[int, str] | None:
        """Rank and provider of the best we have of a contract-session; None if nothing was asked."""
        return known.rank_of(self._ledger, contract, session)

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

    def one_moment(self) -> AbstractContextManager[object]:
        """Inside it every answer is of the same moment of the ledger."""
        return self._ledger.reading()

    def exact_files(self) -> Exact:
        """The files that count now, for a reader that opens Parquet itself."""
        return exact(self.path, self._ledger)

    def counts(self) -> dict[str, int]:
        """Rows of the lake at a glance: contracts, contract_sessions, bars, published_bars, published_bytes, requests."""
        return known.counts(self._ledger)

    def certificates(self) -> pl.DataFrame:
        """Every certificate ever made: ``certificates.CERTIFICATES``, in order."""
        return certificates.history(self._ledger)

    def certificates_in_force(self, start: date = date.min, end: date = date.max) -> list[Certificate]:
        """The newest certificate of each session from start to end, inclusive, by session."""
        return certificates.newest(self._ledger, start, end)

    def held_against(self, session: date) -> tuple[tuple[ExchangeFile, ...], tuple[MasterFile, ...]]:
        """The exchange's files of a session that are here, and the masters by which its contracts are known."""
        return certificates.exchange_files(self.path, self._ledger, session), certificates.masters_in_force(self._ledger, session)

    def content_hash(self, session: date, contracts: Sequence[int] | None = None) -> Content:
        """The hash of a session's bars that does not depend on this lake's ids or files, see ``fingerprint``."""
        return fingerprint.content_hash(self.path, self._ledger, self._book, session, contracts)

    def revisions(self, sessions: Sequence[date] | None = None) -> pl.DataFrame:
        """Bars that a later fetch replaced (``revisions.REVISIONS``), by contract and ts; known once a session is published."""
        return revising.read(self.path, sessions)

    def unpublished(self) -> list[date]:
        """Sessions with something that is not published yet, ascending."""
        return known.unpublished(self._ledger)
