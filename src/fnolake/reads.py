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
from fnolake.sync.wanted import Wanted, captured_selection, selected_contracts, status_rows, wanted_sessions

if TYPE_CHECKING:
    import polars as pl

    from fnolake.query.chain import Chain
    from fnolake.query.continuous import Series


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
        """What is not covered and why, see ``query.coverage.gaps``, and ``repair``: what was tried. Default as for :meth:`coverage`."""
        return repair.with_states(self.store, coverage_of.gaps(self._status_rows(start, end, underlying, kind)), self.clock.now(), self.settings.repair.tries)

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

    def chain(
        self, underlying: str, at: datetime | date | str, expiry: date | str = "near", *, greeks: bool = True, rate: float | None = None,
        max_age: int | None = 15,
    ) -> Chain:
        """
        The option chain of an underlying as it stood at a minute, see ``query.chain.Chain`` and docs/chain.md.

        Args:
            underlying: NIFTY, SENSEX, RELIANCE …
            at: An instant (text and instants without a zone are IST); a date is its close; ``"11:05"`` is of the last session here.
            expiry: ``near``, ``next``, ``far`` (of those that were listed on that session, weeklies included) or a date.
            greeks: With implied volatilities and greeks.
            rate: Per year, as a fraction; by default ``[analytics] rate``.
            max_age: Minutes; of a last price older than that no volatility is made. None: of all.

        Raises:
            UnknownInstrument: No such underlying, or it has no options.
            QueryError: No such expiry or instant, or no option had a bar by then.
        """
        from fnolake.query.chain import read_chain

        rate = self.settings.analytics.rate if rate is None else rate
        return read_chain(self.store, self._calendar, underlying, at, expiry, greeks=greeks, rate=rate, max_age=max_age)

    def continuous(
        self, underlying: str, roll: str = "expiry", adjust: str | None = None, which: str = "near", start: date | None = None,
        end: date | None = None, interval: str = "1m", phases: Sequence[str] = ("continuous",), *, strict: bool = False,
    ) -> pl.DataFrame:
        """
        One series of an underlying's futures, in rupees and IST, ascending (docs/continuous.md).

        Args:
            underlying: Its name.
            roll: ``expiry``; ``days:3``: the last session held is the third before expiry; ``volume`` or ``oi``: once more
                of a later contract was traded (is open) on the session before.
            adjust: None: the contracts' own prices; ``difference`` or ``ratio``: backward, the last contract keeps its prices.
            which: ``near``: the front contract; ``next``: the one after it.
            start: First session, inclusive.
            end: Last session, inclusive.
            interval: As for :meth:`bars`; no bar holds two contracts.
            phases: Of the session.
            strict: Raise where a gap would be warned of.

        Raises:
            NotCovered: ``strict``, and a held contract-session is missing.
            QueryError: No such underlying, roll, adjustment or interval.
        """
        from fnolake.query import continuous

        move, length = continuous.adjustment_of(adjust), interval_of(interval)
        made = self._series(underlying, roll, which, start, end, strict=strict)
        return continuous.bars(self.store, self._calendar, made, adjust=move, interval=length, phases=phases)

    def rolls(
        self, underlying: str, roll: str = "expiry", which: str = "near", start: date | None = None, end: date | None = None, *, strict: bool = False,
    ) -> pl.DataFrame:
        """The rolls of :meth:`continuous` asked in the same way, with the prices of both contracts: ``query.continuous.ROLLS``."""
        return self._series(underlying, roll, which, start, end, strict=strict).rolls

    def _series(self, underlying: str, roll: str, which: str, start: date | None, end: date | None, *, strict: bool) -> Series:
        from fnolake.query.continuous import Ask, series
        from fnolake.query.futures import Futures
        from fnolake.query.roll import rule_of

        ask = Ask(underlying.strip().upper(), rule_of(roll), which, start, end, strict)
        ids = pick(selected_contracts(self.store, Selection()), ask.underlying, "future")["contract"].to_list()
        return series(self.store, self._calendar, Futures(self.store.instrument_history(), ids, self._calendar), ask, lambda: self._calendar.last_finished(self.clock.now()))

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
