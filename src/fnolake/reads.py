"""
What a lake tells: its contracts, bars, coverage and comparisons. The reading half of the facade; nothing is written or asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.config import Settings
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, Selection, ist_date
from fnolake.provider.clock import clock_of
from fnolake.query import coverage as coverage_of
from fnolake.query.interval import interval_of
from fnolake.query.pick import pick
from fnolake.store.store import Store
from fnolake.sync import repair
from fnolake.sync.status import need_a_session
from fnolake.sync.wanted import (
    Wanted,
    captured_selection,
    hopes_for_files,
    plan_sources,
    selected_contracts,
    status_rows,
    wanted_sessions,
    with_waiting,
)

if TYPE_CHECKING:
    import polars as pl


class LakeReads:
    """
    The reading half of a lake.

    Args:
        settings: Everything that is set.
        store: Open.
        environ: For ``env:`` references.
    """

    def __init__(self, settings: Settings, store: Store, environ: Mapping[str, str]) -> None:
        self.settings = settings
        self.store = store
        self._environ = environ
        self._calendar = Calendar.bundled(settings.calendar.additions, store.references.word())
        self._clock_value: Clock | None = None

    @property
    def path(self) -> Path:
        """The lake's folder."""
        return self.store.path

    @property
    def calendar(self) -> Calendar:
        """Sessions, with the exchange's word and the user's additions."""
        return self._calendar

    @property
    def clock(self) -> Clock:
        """The calendar and machine clock; asks the emulator once where ``clock`` is set."""
        if self._clock_value is None:
            self._clock_value = clock_of(self.settings.clock)
        return self._clock_value

    def instruments(
        self, underlying: str | Sequence[str] | None = None, kind: str | None = None, expiry: date | None = None, on: date | None = None
    ) -> pl.DataFrame:
        """
        Contracts as known now, or as they stood ``on`` a date: ``model.instrument_schema``, strikes in paise.

        In the place of ``provider_symbol`` there is a column for each provider (``shoonya_symbol``…; null: not listed there), and
        ``differs`` where a provider lists a contract with another lot, tick, expiry, strike, right, kind or underlying.
        """
        import polars as pl

        names = (underlying,) if isinstance(underlying, str) else tuple(underlying or ())
        if on is None:
            rows = selected_contracts(self.store, Selection(underlyings=names, kinds=(kind,) if kind else ()))
        else:
            rows = self.store.instruments(on, underlyings=names, kinds=(kind,) if kind else ())
        return self.store.with_symbols(rows if expiry is None else rows.filter(pl.col("expiry") == expiry), on)

    def instrument_history(self, symbol: str | int) -> pl.DataFrame:
        """What happened to a contract (a symbol, present or past, or an id), and which master said so: ``query.life.LIFE``."""
        from fnolake.query.life import life, meant

        return life(self.store, meant(self.store, str(symbol)), ist_date(self.clock.now()))

    def coverage(self, start: date | None = None, end: date | None = None, underlying: Sequence[str] = (), kind: Sequence[str] = ()) -> pl.DataFrame:
        """
        Counts by underlying, kind and session, see ``query.coverage.summary``.

        By default of the sessions and underlyings that were captured.
        """
        return coverage_of.summary(self._status_rows(start, end, underlying, kind))

    def gaps(self, start: date | None = None, end: date | None = None, underlying: Sequence[str] = (), kind: Sequence[str] = ()) -> pl.DataFrame:
        """
        What is not covered and why, see ``query.coverage.gaps``, and ``repair``: what was tried.

        Default as for :meth:`coverage`, and the last session while it waits for the exchange's file.
        """
        chosen, now = self._chosen(start, end, underlying, kind), self.clock.now()
        waits = hopes_for_files(self.store, self.settings.exchange, None)
        if start is None and end is None:
            chosen = with_waiting(self.store, chosen, self._calendar.last_finished(now), now, waits=waits)
        rows = status_rows(self.store, chosen, plan_sources(self.store, chosen, now, waits=waits))
        return repair.with_states(self.store, coverage_of.gaps(rows), now, self.settings.repair.tries)

    def repairs(self, underlying: Sequence[str] = (), kind: Sequence[str] = ()) -> pl.DataFrame:
        """What is not as the exchange says, or doubtful, and where asking again stands, see ``sync.repair.STATE_SCHEMA``."""
        return repair.shown(self.store, selected_contracts(self.store, Selection(tuple(underlying), tuple(kind))), self.clock.now(), self.settings.repair.tries)

    def _status_rows(self, start: date | None, end: date | None, underlying: Sequence[str], kind: Sequence[str]) -> pl.DataFrame:
        return status_rows(self.store, self._chosen(start, end, underlying, kind))

    def _chosen(self, start: date | None, end: date | None, underlying: Sequence[str], kind: Sequence[str]) -> Wanted:
        chosen = Selection(tuple(underlying), tuple(kind), start, end)
        if start is None and end is None:
            chosen = captured_selection(self.store, chosen)
            sessions = tuple(self.store.sessions())
        if start or end or not sessions:
            need_a_session(chosen, self._calendar, self.clock.now())
            sessions = wanted_sessions(chosen, self._calendar, self.clock.now())[0]
        return Wanted(selected_contracts(self.store, chosen), sessions)

    def bars(
        self, symbol: str, kind: str | None = None, expiry: date | str | None = None, start: date | None = None, end: date | None = None,
        phases: Sequence[str] = ("continuous",), interval: str = "1m", as_of: datetime | str | None = None,
    ) -> pl.DataFrame:
        """
        Bars in rupees and IST, ascending.

        Args:
            symbol: A contract, an NSE or Kite name, or an underlying (its spot series).
            kind: With an underlying: spot, future or option.
            expiry: With an underlying: a date, or ``near``: on each session the next to expire.
            start: First session, inclusive; everything that is there by default.
            end: Last session, inclusive.
            phases: Of the session: continuous, preopen, auction.
            interval: Whole minutes (5m), 1d, 1w or 1mo, from each session's open; made of minute bars.
            as_of: What was known at that instant (text is IST); names and verdicts are today's (``store.as_of``, docs/proof.md).

        Raises:
            QueryError: No such instrument or interval, or bars of ``as_of`` were replaced since and are kept nowhere.
        """
        from fnolake.query.bars import read_longer

        length = interval_of(interval)
        meant = pick(selected_contracts(self.store, Selection()), symbol, kind, expiry)["contract"].to_list()
        sessions = [day for day in self.store.sessions(meant) if (start is None or day >= start) and (end is None or day <= end)]
        return read_longer(self.store, meant, sessions, tuple(phases), interval=length, calendar=self._calendar, near=expiry == "near", as_of=as_of)

    def compare(
        self, start: date | None = None, end: date | None = None, underlying: Sequence[str] = (), kind: Sequence[str] = (),
        *, summary: bool = False,
    ) -> pl.DataFrame:
        """
        Differences between two providers' bars of the same contract-sessions, see ``query.compare.DIFFERENCES``.

        Of everything that was compared by default; ``summary``: one row a provider (``query.compare.SUMMARY``) instead.
        """
        from fnolake.query.compare import read

        chosen = selected_contracts(self.store, Selection(tuple(underlying), tuple(kind)))
        compared = read(self.store, chosen, start, end)
        return compared.summary if summary else compared.differences
