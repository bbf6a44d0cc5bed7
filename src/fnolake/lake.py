"""
The facade: a lake as an object. Composition root, where clock, randomness, environment and network enter.

Adds no logic of its own: each method is one call into a station. Invariant: what a method says it writes is written by
``store`` and by nobody else.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import date, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack

from fnolake.config import Settings, load
from fnolake.errors import ConfigError, FnolakeError, SignInLost, StoreError
from fnolake.files import ignore
from fnolake.market.calendar import Calendar
from fnolake.model import Chosen, Day, Event, LiveSeen, Names, Notice, Selection, ist_date
from fnolake.people import LakePeople
from fnolake.provider.clock import SystemClock
from fnolake.provider.files.layout import layout_of
from fnolake.store.store import Store
from fnolake.sync.doctor import examine
from fnolake.sync.evening import Evening
from fnolake.sync.open_evening import open_evening
from fnolake.sync.outlook import outlook, warned
from fnolake.sync.plan import Plan
from fnolake.sync.report import Kept, SyncReport
from fnolake.sync.sample import count_looks
from fnolake.sync.status import (
    Check,
    Status,
    lake_status,
    longest_span,
    need_a_session,
    per_minute,
)
from fnolake.sync.wanted import (
    captured_selection,
    from_start,
    hopes_for_files,
    plan_wanted,
    wanted,
)
from fnolake.watch.logs import Log, Teller, open_log
from fnolake.watch.metrics import each_minute, figures, prometheus_text, write_metrics
from fnolake.watch.secrets import LakeRedactor

if TYPE_CHECKING:
    import polars as pl

    from fnolake.sync.audits import Audit
    from fnolake.sync.certify import Certified
    from fnolake.sync.live import LiveReport


def open_lake(
    path: Path | str, *, write: bool = False, lost: bool = False, settings: Settings | None = None, environ: Mapping[str, str] | None = None,
    overrides: Mapping[str, object] | None = None,
) -> Lake:
    """
    Open a lake; use it as a context manager.

    Args:
        path: Its folder.
        write: Take the writer lock (one writer a lake).
        lost: Open a lake whose ledger is lost, to rebuild it.
        settings: Instead of ``lake.toml`` and the environment.
        environ: Instead of the process's environment.
        overrides: Settings by dotted key that go before ``lake.toml`` and the environment, for example ``{"log.level": "debug"}``.

    Raises:
        ConfigError: A setting is wrong, or there is no lake to read.
        StoreLocked: Another process writes this lake.
        StoreError: The ledger is lost, and this is not to rebuild it.
    """
    folder = Path(path).expanduser().absolute()
    variables = os.environ if environ is None else environ
    chosen = settings or load(folder, variables, overrides)
    store = Store.open(folder, write=write)
    if store.is_lost and not lost:
        store.close()
        raise StoreError(f"{folder}: the ledger is lost, the bars are there; run `fnolake upkeep --rebuild-ledger`")
    try:
        return Lake(chosen, store, variables)
    except ConfigError:
        store.close()
        raise


def audit_files(path: Path, preset: str | None = None, mapping: Mapping[str, str] | None = None) -> Audit:
    """:meth:`Lake.audit` without a lake: against the bundled calendar only."""
    from fnolake.sync.audits import audit

    return audit(path, layout_of(preset, mapping), Calendar.bundled(), None, SystemClock().now())


class Lake(LakePeople):
    """
    An open lake. Sessions given as start and end are inclusive; tables that come out are polars.

    The ``async_`` methods are coroutines for a program with a loop of its own; their twins block.
    """

    def __init__(self, settings: Settings, store: Store, environ: Mapping[str, str]) -> None:
        super().__init__(settings, store, environ)
        redactor = LakeRedactor(settings, environ, self.path / "state") if settings.log.file else None
        self._log = open_log(settings.log, self.path, redactor, self._log_now) if redactor else Log()
        self._live: LiveSeen | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._log.ended(error)
        self.close()

    def close(self) -> None:
        """Close the store; the next writer may come in."""
        self.store.close()

    # -- what is there -------------------------------------------------------------------------------------------

    def status(self, selection: Selection | None = None) -> Status:
        """The lake at a glance, by default of the underlyings that were captured; asks no provider."""
        chosen = selection or captured_selection(self.store, Selection())
        return lake_status(
            self.store, self.path, self.accounts(), self._calendar, self.clock.now(), chosen, self.settings.freshness, waits=self._waits(selection),
        )

    def metrics(self) -> str:
        """Figures of the lake in Prometheus's text format (docs/watching.md); asks no provider."""
        return prometheus_text(figures(self.store, self.status(), self.clock.now(), self._live))

    def write_metrics(self) -> Path | None:
        """
        Replace the file of ``metrics.file`` by :meth:`metrics`; returns it, None where none is set.

        Raises:
            ConfigError: It cannot be written.
        """
        path = self.settings.metrics.file
        if path is not None:
            write_metrics(path, self.metrics())
        return path

    def verify(
        self, start: Day = None, end: Day = None, underlying: Names = (), *, dry_run: bool = False
    ) -> tuple[Certified, ...]:
        """
        Sign off finished sessions, by default the last: one certificate each, recorded unless ``dry_run``; see ``sync.certify``.

        Raises:
            ConfigError: Nothing finished in the dates, or nothing captured.
            StoreError: The lake is open for reading and this is no dry run.
        """
        from fnolake.sync.certify import certify

        return certify(self.store, self._calendar, Selection.of(underlying=underlying, start=start, end=end), self.clock.now(), dry_run=dry_run)

    # -- what would be done, and doing it ---------------------------------------------------------------------------

    def plan(self, selection: Selection | None = None, **chosen: Unpack[Chosen]) -> Plan:
        """
        What :meth:`sync` would ask with what is known now; nothing is fetched.

        Raises:
            ConfigError: No contract is known yet, or nothing finished is in the selection.
        """
        now, selection = self.clock.now(), _one(selection, chosen)
        need_a_session(selection, self._calendar, now)
        rule = self.settings.freshness
        pairs = wanted(self.store, from_start(selection, self.settings.sync.start), self._calendar, now, rule)
        if self.store.instruments(None).is_empty():
            raise ConfigError("no contract is known yet; run `fnolake instruments sync`, or `fnolake sync`, which does it first")
        made = plan_wanted(
            self.store, pairs, self._calendar, now, per_minute(self.accounts()), rule, tries=self.settings.repair.tries,
            waits=self._waits(selection), max_days=longest_span(self.accounts()),
        )
        providers = {account.provider for account in self.settings.accounts.values()}
        looks = count_looks(self.store, pairs, made.rows, self.settings.compare.sample, providers, ist_date(now))
        return warned(self.store, replace(made, second_look=looks), pairs, self._calendar, now, rule)

    def at_risk(self, start: Day = None, end: Day = None, underlying: Names = (), kind: Names = ()) -> pl.DataFrame:
        """What will be lost at which deadline at the present rate, see ``sync.risk.at_risk``. Default as for :meth:`coverage`."""
        chosen, now = self._chosen(start, end, underlying, kind), self.clock.now()
        accounts = self.accounts()
        return outlook(self.store, chosen, self._calendar, now, per_minute(accounts), self.settings.freshness, longest_span(accounts))

    async def async_sync(
        self, selection: Selection | None = None, on_event: Callable[[Event], None] = ignore, stop: asyncio.Event | None = None,
        accounts: Sequence[str] = (), **chosen: Unpack[Chosen],
    ) -> SyncReport:
        """
        Take what the selection wants and the lake does not have: masters, exchange files, bars; verify and publish.

        Args:
            selection: The last finished session of everything by default.
            chosen: The selection in words: ``underlying=["TCS"], kind="future", start="2026-11-16"`` … (``model.Selection``).
            on_event: Told of progress.
            stop: Once set, what is verified is committed and the sync returns.
            accounts: Ask only these; all that are usable by default.

        Raises:
            ConfigError: No account, or nothing finished in the selection.
            ProviderError: No contract is known and no master can be had.
            StoreError: Something could not be made durable.

        Cancel:
            Safe; what was committed stays.
        """
        selection = _one(selection, chosen)
        need_a_session(selection, self._calendar, self.clock.now())
        telling = self._telling(on_event)
        try:
            async with self._evening(telling, accounts) as evening:
                report = await evening.run(from_start(selection, self.settings.sync.start), stop or asyncio.Event())
            self._log.say("warning" if report.stopped else "info", "sync_ended", **report.figures)
        except FnolakeError:
            await self._tell_of(telling)
            raise
        finally:
            self._note_metrics(telling)
        await self._tell_of(telling, report)
        return report

    def _evening(self, on_event: Callable[[Event], None], accounts: Sequence[str] = ()) -> AbstractAsyncContextManager[Evening]:
        waits, telling = self._waits(None), self._telling(on_event)
        return open_evening(self.settings, self.store, self.clock, self._calendar, self._environ, telling, accounts, hopes=waits)

    def _telling(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """The listener, with the log beside it; a recording's state is kept for the metrics."""
        return on_event if isinstance(on_event, Teller) else Teller(self._log, on_event, self._keep_live)

    def _keep_live(self, event: Event) -> None:
        self._live = event if isinstance(event, LiveSeen) else self._live

    def _note(self, what: str, **fields: object) -> None:
        self._log.say("info", what, **fields)

    def _log_now(self) -> datetime:
        """The calendar; the machine's where the emulator that keeps it does not answer, which must not silence the log."""
        try:
            return self.clock.now()
        except ConfigError:
            return SystemClock().now()

    def _note_metrics(self, on_event: Callable[[Event], None]) -> None:
        """Write the metrics file; that it cannot be written is told and stops nothing."""
        try:
            self.write_metrics()
        except FnolakeError as error:
            on_event(Notice("warning", str(error)))

    def _waits(self, selection: Selection | None) -> bool:
        return hopes_for_files(self.store, self.settings.exchange, selection)

    def sync(self, selection: Selection | None = None, on_event: Callable[[Event], None] = ignore, **chosen: Unpack[Chosen]) -> SyncReport:
        """Blocking twin of :meth:`async_sync`: ``lake.sync(underlying=["TCS"], start="2026-11-16")``."""
        return asyncio.run(self.async_sync(selection, on_event, **chosen))

    async def async_live(
        self, on_event: Callable[[Event], None] = ignore, stop: asyncio.Event | None = None, accounts: Sequence[str] = (),
        underlyings: Sequence[str] = (),
    ) -> LiveReport:
        """
        Record today's session until its end or ``stop``, see ``sync.live``; the lake need not be open for writing.

        Args:
            on_event: Told of progress.
            stop: Once set, what was heard is kept and the recording ends.
            accounts: Stream by these only.
            underlyings: Only these; all by default.

        Raises:
            ConfigError: No session today, no contract known, or no account that can stream.
            StoreLocked: Another process records into this lake.
        """
        from fnolake.sync.open_live import open_recorder

        opened = open_recorder(self.settings, self.store, self.clock, self._calendar, self._environ, self._telling(on_event), accounts, underlyings)
        async with opened as recorder:
            return await recorder.run(stop or asyncio.Event())

    async def async_take_masters(self, on_event: Callable[[Event], None] = ignore) -> list[dict[str, object]]:
        """Take today's masters now; one row a master: exchange, rows, listings, out_of_scope, findings and changes."""
        async with self._evening(on_event) as evening:
            return await evening.take_masters(again=True)

    async def async_run(self, stop: asyncio.Event | None = None, on_event: Callable[[Event], None] = ignore) -> None:
        """
        Run the lake's days unattended until ``stop``, see ``sync.daemon``; open for reading, it writes through a lake of its own.

        Raises:
            StoreLocked: Another process runs this lake.
            ConfigError: No account is set up.
        """
        from fnolake.sync.daemon import Daemon

        telling = self._telling(on_event)
        writer = partial(open_lake, self.path, write=True, settings=self.settings, environ=self._environ)

        async def live(_session: date, ends: asyncio.Event) -> None:
            with open_lake(self.path, settings=self.settings, environ=self._environ) as lake:
                report = await lake.async_live(telling, ends)
            if report.stopped:
                raise SignInLost(report.stopped)

        async with each_minute(lambda: self._note_metrics(telling), self.clock, active=self.settings.metrics.file is not None):
            await Daemon(self, writer, self._environ, telling, live).run(stop or asyncio.Event())

    async def async_doctor(self) -> list[Check]:
        """Look at everything a sync needs and say how to mend what is wrong."""
        return await examine(self.settings, self.store, self._calendar, self.clock, self._environ)

    # -- looking after it ---------------------------------------------------------------------------------------------

    def upkeep(self, *, check: bool = False, rebuild_ledger: bool = False, dry_run: bool = False) -> Kept:
        """
        Publish what is finished, clean, back up.

        Args:
            check: Read every file again and compare its hash.
            rebuild_ledger: First fill a lost ledger from what is published.
            dry_run: Only say which sessions would be published; the lake need not be open for writing.
        """
        finished = self._calendar.last_finished(self.clock.now())
        if dry_run:
            return Kept(tuple(f"would publish {day}" for day in self.store.unpublished() if day <= finished))
        lines = self.store.rebuild_ledger().lines if rebuild_ledger else []
        for day in self.store.unpublished():
            if day <= finished:
                self.store.publish(day)
                lines.append(f"published {day}")
        report = self.store.upkeep(self.clock.now(), check=check)
        return Kept(tuple(lines + report.lines), tuple(str(error) for error in report.corrupt))


def _one(selection: Selection | None, chosen: Chosen) -> Selection:
    """
    The selection that is meant.

    Raises:
        ConfigError: It is given twice, or a date is none.
    """
    if selection is not None and chosen:
        raise ConfigError("give a Selection, or underlying, kind, start and end, not both")
    return selection or Selection.of(**chosen)
