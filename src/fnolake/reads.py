"""
What a lake tells: its contracts, bars, coverage and comparisons. The reading half of the facade; nothing is written or asked.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.config import Settings
from fnolake.errors import ConfigError, GapWarning
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, Day, Names, Selection, day_of, ist_date
from fnolake.provider.clock import clock_of
from fnolake.provider.files.layout import layout_of
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

    from fnolake.query.chain import Chain
    from fnolake.query.continuous import Series
    from fnolake.query.gaps import Gaps
    from fnolake.sync.audits import Audit


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

    def instruments(self, underlying: Names = (), kind: str | None = None, expiry: Day = None, on: Day = None) -> pl.DataFrame:
        """
        Contracts as known now, or as they stood ``on`` a date: ``model.instrument_schema`` with ``strike`` and ``tick`` in rupees.

        In the place of ``provider_symbol`` there is a column for each provider (``shoonya_symbol``…; null: not listed there), and
        ``differs`` where a provider lists a contract with another lot, tick, expiry, strike, right, kind or underlying.
        """
        import polars as pl

        from fnolake.query.rupees import in_rupees

        chosen, day, ends = Selection.of(underlying=underlying, kind=kind or ()), day_of(on), day_of(expiry)
        if day is None:
            rows = selected_contracts(self.store, chosen)
        else:
            rows = self.store.instruments(day, underlyings=chosen.underlyings, kinds=chosen.kinds)
        return in_rupees(self.store.with_symbols(rows if ends is None else rows.filter(pl.col("expiry") == ends), day))

    def instrument_history(self, symbol: str | int) -> pl.DataFrame:
        """What happened to a contract (a symbol, present or past, or an id), and which master said so: ``query.life.LIFE``."""
        from fnolake.query.life import life, meant

        return life(self.store, meant(self.store, str(symbol)), ist_date(self.clock.now()))

    def coverage(self, start: Day = None, end: Day = None, underlying: Names = (), kind: Names = ()) -> pl.DataFrame:
        """
        Counts by underlying, kind and session, see ``query.coverage.summary``.

        By default of the sessions and underlyings that were captured.
        """
        return coverage_of.summary(self._status_rows(start, end, underlying, kind))

    def gaps(self, start: Day = None, end: Day = None, underlying: Names = (), kind: Names = ()) -> pl.DataFrame:
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

    def repairs(self, underlying: Names = (), kind: Names = ()) -> pl.DataFrame:
        """What is not as the exchange says, or doubtful, and where asking again stands, see ``sync.repair.STATE_SCHEMA``."""
        return repair.shown(self.store, selected_contracts(self.store, Selection.of(underlying=underlying, kind=kind)), self.clock.now(), self.settings.repair.tries)

    def _status_rows(self, start: Day, end: Day, underlying: Names, kind: Names) -> pl.DataFrame:
        return status_rows(self.store, self._chosen(start, end, underlying, kind))

    def _chosen(self, start: Day, end: Day, underlying: Names, kind: Names) -> Wanted:
        chosen = Selection.of(underlying=underlying, kind=kind, start=start, end=end)
        if start is None and end is None:
            chosen = captured_selection(self.store, chosen)
            sessions = tuple(self.store.sessions())
        if start or end or not sessions:
            need_a_session(chosen, self._calendar, self.clock.now())
            sessions = wanted_sessions(chosen, self._calendar, self.clock.now())[0]
        return Wanted(selected_contracts(self.store, chosen), sessions)

    def bars(
        self, symbol: str, kind: str | None = None, expiry: date | str | None = None, start: date | str | None = None,
        end: date | str | None = None, phases: Sequence[str] = ("continuous",), interval: str = "1m", as_of: datetime | str | None = None,
        *, strike: float | str | None = None, right: str | None = None, moneyness: str | None = None, source: str = "minutes",
        strict: bool = False, fill: str | None = None, adjust: str | None = None, live: bool = False,
    ) -> pl.DataFrame:
        """
        Bars in rupees and IST, ascending by contract and time: ``query.bars.BAR_COLUMNS`` (docs/bars.md).

        Args:
            symbol: A contract, an NSE or Kite name, or an underlying (its spot series).
            kind: With an underlying: spot, future or option.
            expiry: With an underlying: a date (or its text), or ``near``, ``next``, ``far``: on each session the first, second or
                third to expire of that kind, so a range may return several contracts, unadjusted.
            start: First session, inclusive, or the instant from which bars begin; everything that is there by default.
            end: Last session, inclusive, or the instant before which bars begin. Text is ISO; without a zone it is IST.
            phases: Of the session: continuous, preopen, auction; none is all.
            interval: Whole minutes (5m), 1d, 1w or 1mo, from each session's open.
            as_of: What was known at that instant (text is IST); names and verdicts are today's (``store.as_of``, docs/proof.md).
            strike: Of options, in rupees.
            right: Of options: CE or PE.
            moneyness: Of options: ``ATM``, ``ATM+2`` (two listed strikes above), ``OTM3``, ``ITM1``, resolved on each session by
                the price at its open of the same-expiry future, else the parity forward, else the spot (``query.moneyness``).
            source: Of 1d, 1w and 1mo: ``minutes``, or ``exchange`` for its end-of-day rows (``query.exchange_bars.DAY_COLUMNS``).
            strict: Raise where something is not covered, instead of warning.
            fill: ``forward`` adds the quiet bars of covered sessions, marked in a column ``filled`` (``query.fill``).
            live: With provisional minutes of what was recorded and has no final bars yet, marked in columns ``live`` and
                ``complete`` (false: a connection was away in that minute; docs/live.md).
            adjust: ``splits`` divides a stock's spot prices by the splits and bonuses since, in a column ``factor`` (``query.adjust``).

        Raises:
            NotCovered: ``strict``, and something is missing; or bars of ``as_of`` were replaced since and are kept nowhere.
            QueryError: No such instrument or interval, or words that exclude each other.

        Warns:
            GapWarning: Something is missing; once, with its count and the first of it.
        """
        from fnolake.query.ask import Ask, answer
        from fnolake.query.bars import instant_of
        from fnolake.query.select import choice_of
        from fnolake.query.when import when

        choice = choice_of(symbol, kind, expiry, strike, right, moneyness)
        instant = None if as_of is None else instant_of(as_of)
        ask = Ask(choice, when(start, end), tuple(phases), interval_of(interval), instant, source, fill, adjust, live)
        rows, gaps = answer(self.store, self._calendar, ask, self._is_due)
        _tell(gaps, strict=strict)
        return rows

    def scan(
        self, symbol: str, kind: str | None = None, expiry: date | str | None = None, start: date | str | None = None,
        end: date | str | None = None, phases: Sequence[str] = ("continuous",), as_of: datetime | str | None = None,
        *, strike: float | str | None = None, right: str | None = None, moneyness: str | None = None, strict: bool = False,
    ) -> pl.LazyFrame:
        """
        The minutes of :meth:`bars` lazily, in no promised order: what is not used is not read.

        Collect it within ten minutes: files that a writer replaces meanwhile stay so long. Arguments, errors and warnings are
        those of :meth:`bars`; gaps are told at once.
        """
        from fnolake.query.ask import Ask, scan
        from fnolake.query.bars import instant_of
        from fnolake.query.select import choice_of
        from fnolake.query.when import when

        choice = choice_of(symbol, kind, expiry, strike, right, moneyness)
        ask = Ask(choice, when(start, end), tuple(phases), as_of=None if as_of is None else instant_of(as_of))
        rows, gaps = scan(self.store, self._calendar, ask, self._is_due)
        _tell(gaps, strict=strict)
        return rows

    def live_score(self, session: date | str) -> pl.DataFrame:
        """How the recorded minutes of a session compare with the final ones: ``query.live.SCORE``, the worst first."""
        from fnolake.query.live import score

        return score(self.store, day_of(session) or date.min)

    def live_findings(self) -> pl.DataFrame:
        """Where recorded minutes were not what they were in the end, kept as each session was signed off: ``query.live.FINDINGS``."""
        import polars as pl

        from fnolake.query.live import FINDINGS
        from fnolake.store.journal import kept_findings

        return pl.concat([pl.DataFrame(schema=FINDINGS), *kept_findings(self.path)])

    def _is_due(self, day: date) -> bool:
        """Whether a session is wanted by now; where the emulator that keeps the time is gone, what the lake knows of is."""
        try:
            now = self.clock.now()
        except ConfigError:
            return day in self.store.sessions()
        return self._calendar.status(day) != "open" or self._calendar.wanted_from(day) <= now

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
        self, underlying: str, roll: str = "expiry", adjust: str | None = None, which: str = "near", start: Day = None,
        end: Day = None, interval: str = "1m", phases: Sequence[str] = ("continuous",), *, strict: bool = False,
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
        self, underlying: str, roll: str = "expiry", which: str = "near", start: Day = None, end: Day = None, *, strict: bool = False,
    ) -> pl.DataFrame:
        """The rolls of :meth:`continuous` asked in the same way, with the prices of both contracts: ``query.continuous.ROLLS``."""
        return self._series(underlying, roll, which, start, end, strict=strict).rolls

    def _series(self, underlying: str, roll: str, which: str, start: Day, end: Day, *, strict: bool) -> Series:
        from fnolake.query.continuous import Ask, series
        from fnolake.query.futures import Futures
        from fnolake.query.roll import rule_of

        ask = Ask(underlying.strip().upper(), rule_of(roll), which, day_of(start), day_of(end), strict)
        ids = pick(selected_contracts(self.store, Selection()), ask.underlying, "future")["contract"].to_list()
        return series(self.store, self._calendar, Futures(self.store.instrument_history(), ids, self._calendar), ask, lambda: self._calendar.last_finished(self.clock.now()))

    def audit(self, path: Path, preset: str | None = None, mapping: Mapping[str, str] | None = None) -> Audit:
        """
        Score files of minute bars against the calendar and the exchange's files that are here, without taking them.

        Args:
            path: A file or a folder.
            preset: openalgo, kite, gdf or truedata.
            mapping: As for :meth:`fnolake.lake.Lake.import_files`.

        Raises:
            ConfigError: No such file, preset or mapping.
        """
        from fnolake.sync.audits import audit

        return audit(path, layout_of(preset, mapping), self._calendar, self.store, self.clock.now())

    def sql(self, query: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pl.DataFrame:
        """
        The answer to one SQL query (DuckDB) over views of this lake: bars, instruments, coverage, gaps …, docs/sql.md lists them.

        Rupees and IST, read only, of one moment. ``bars`` holds every phase, a symbol, and what :meth:`bars` gives.

        Args:
            query: One statement, as in ``select * from bars where symbol = ? and session >= ?``.
            params: Values of its ``?`` or ``$1``, or by name of its ``$name``.

        Raises:
            QueryError: It cannot be answered as asked; one line that says why.
        """
        from fnolake.query.sql import ask
        from fnolake.query.view_sources import contract_sessions

        return ask(self.store, {
            "instruments": self.instruments, "coverage": self.coverage, "gaps": self.gaps, "differences": self.compare,
            "live_findings": self.live_findings,
            "contract_sessions": lambda: contract_sessions(self._status_rows(None, None, (), ()), self.store.coverage()),
        }, query, params)

    def compare(
        self, start: Day = None, end: Day = None, underlying: Names = (), kind: Names = (),
        *, summary: bool = False,
    ) -> pl.DataFrame:
        """
        Differences between two providers' bars of the same contract-sessions, see ``query.compare.DIFFERENCES``.

        Of everything that was compared by default; ``summary``: one row a provider (``query.compare.SUMMARY``) instead.
        """
        from fnolake.query.compare import read

        chosen = selected_contracts(self.store, Selection.of(underlying=underlying, kind=kind))
        compared = read(self.store, chosen, day_of(start), day_of(end))
        return compared.summary if summary else compared.differences


def _tell(gaps: Gaps, *, strict: bool) -> None:
    """
    Say what is missing, on the line that asked.

    Raises:
        NotCovered: It is missing and that is not allowed.
    """
    if not gaps:
        return
    if strict:
        raise gaps.error()
    warnings.warn(gaps.message, GapWarning, stacklevel=3)
