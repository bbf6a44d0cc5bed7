"""
What each step of an unattended day does, by the stations of a sync. Decides nothing about when.

Invariant: every step may be done again after a crash in the middle of it; what was committed is not asked for again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Protocol

import polars as pl

from fnolake.config import Settings
from fnolake.errors import AuthError, ConfigError, SignInLost
from fnolake.market.calendar import Calendar
from fnolake.model import IST, Clock, Event, Notice, Selection
from fnolake.provider.account import Account
from fnolake.store.store import Store
from fnolake.sync.connect import connected, exchange_client, open_http
from fnolake.sync.day import WITHOUT_FILE, Rules, Step
from fnolake.sync.exchange_round import ExchangeRound
from fnolake.sync.open_evening import open_evening
from fnolake.sync.report import Kept, SyncReport
from fnolake.sync.sources import GIVE_UP
from fnolake.sync.wanted import hopes_for_files, selected_contracts

if TYPE_CHECKING:
    from fnolake.sync.certify import Certified

FILES = [("BSE", "FO"), ("NSE", "CM"), ("NSE", "FO")]
"""The end-of-day files that every session has."""
_TRIES = 5
"""A step that leaves gaps, or does not apply, is tried so often; then the day goes on and they are told."""


class WorkingLake(Protocol):
    """A lake that is open for writing, as far as a day needs it."""

    settings: Settings
    store: Store

    @property
    def calendar(self) -> Calendar:
        """Sessions, with the exchange's newest word."""

    @property
    def clock(self) -> Clock:
        """Both clocks."""

    async def async_sync(self, selection: Selection | None = None, on_event: Callable[[Event], None] = ..., stop: asyncio.Event | None = None) -> SyncReport:
        """Take what is missing."""

    def verify(self, start: date | None = None, end: date | None = None, underlying: Sequence[str] = (), *, dry_run: bool = False) -> tuple[Certified, ...]:
        """Sign off."""

    def upkeep(self, *, check: bool = False, rebuild_ledger: bool = False, dry_run: bool = False) -> Kept:
        """Publish, clean, back up."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Whether a step is done for good, and what to say of it: ``note`` in a line; ``level`` as in a notice."""

    done: bool
    note: str = ""
    level: str = "info"


@dataclass(frozen=True, slots=True)
class Work:
    """
    One step on one lake.

    Args:
        lake: Open for writing.
        environ: For ``env:`` references.
        step: What is due.
        now: Calendar instant at which it began.
        tries: How often it was tried before.
        without_file: Whether the evening went on without the exchange's file.
        rules: Times of the day.
        tell: Told of progress.
        stop: Once set, what is verified is committed and the step ends.
    """

    lake: WorkingLake
    environ: Mapping[str, str]
    step: Step
    now: datetime
    tries: int
    without_file: bool
    rules: Rules
    tell: Callable[[Event], None]
    stop: asyncio.Event

    async def run(self) -> Outcome:
        """
        Do it.

        Raises:
            AuthError: No account can be used until somebody signs in.
            FnolakeError: It failed; nothing but what was committed has changed.
        """
        kinds: dict[str, Callable[[], Awaitable[Outcome]]] = {
            "pre-open": self._pre_open, "masters": self._masters, "exchange file": self._files, "sync": self._sync, "verify": self._verify,
            "repair": self._repair, "upkeep": self._upkeep, "check": self._check,
        }
        return await kinds[self.step.kind]()

    async def _pre_open(self) -> Outcome:
        who = await self._signed_in()
        outcome = await self._masters()
        return replace(outcome, note=f"{', '.join(who)} signed in; {outcome.note}")

    async def _signed_in(self) -> list[str]:
        """Who is signed in, those who can sign in by themselves renewed; a cheap question to each proves it."""
        lake = self.lake
        async with connected(lake.settings, lake.store.state, lake.clock, lake.calendar, self.environ) as found:
            reasons: dict[str, AuthError | None] = {one.name: await _proven(one) for one in found.accounts}
            records = [record for one in found.accounts for record in one.drain_sign_ins()]
        await asyncio.to_thread(lake.store.record_requests, records)
        refused = {name: why for name, why in reasons.items() if why is not None}
        for name, why in refused.items():
            self.tell(Notice("warning", f"{name}: {why}"))
        if len(refused) == len(reasons):
            raise next(iter(refused.values()))
        return [name for name in reasons if name not in refused]

    async def _masters(self) -> Outcome:
        lake = self.lake
        async with open_evening(lake.settings, lake.store, lake.clock, lake.calendar, self.environ, self.tell) as evening:
            rows = await evening.take_masters()
        listings = sum(int(str(row["listings"])) for row in rows)
        return Outcome(True, f"{len(rows)} masters, {listings:,} contracts" if rows else "the masters of today are here")

    async def _files(self) -> Outcome:
        day = self.step.session
        missing = await self._take_files(self._needed())
        if not missing:
            return Outcome(True, "the files are here")
        lake = self.lake
        if not hopes_for_files(lake.store, lake.settings.exchange, None):
            return Outcome(True, "no file: [exchange] consent is not given and there is no drop folder", "warning")
        names = ", ".join(f"{venue} {segment}" for venue, segment in missing)
        if self.now >= _ist(day, self.rules.file_until):
            return Outcome(True, WITHOUT_FILE, "warning")
        return Outcome(False, f"not there yet: {names}")

    def _needed(self) -> list[tuple[str, str]]:
        """(venue, segment) of the end-of-day files in which our contracts stand."""
        known = selected_contracts(self.lake.store, Selection())
        return sorted(known.filter(~(pl.col("is_index") & (pl.col("kind") == "spot"))).select("venue", "segment").unique().iter_rows())

    async def _take_files(self, needed: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Ask for the session's files that are not here; those that still are not."""
        lake, day = self.lake, self.step.session
        async with open_http(lake.settings) as http:
            taker = ExchangeRound(lake.store, exchange_client(lake.settings, http, lake.clock), lake.calendar, lake.clock, self.tell)
            await asyncio.to_thread(taker.take_dropped)
            await taker.take_references(day, self.stop)
            await taker.take_days([day], needed, self.stop)
        here = lake.store.exchange_days()
        return [(venue, segment) for venue, segment in needed if (venue, segment, day) not in here]

    async def _sync(self) -> Outcome:
        await self._signed_in()
        report = await self.lake.async_sync(self._selection(), self.tell, self.stop)
        if report.interrupted:
            return Outcome(False, "stopped")
        if report.stopped:
            return Outcome(False, report.stopped, "warning")
        said = f"{report.bars:,} bars by {report.requests:,} requests, {report.verified:,} of {report.listed:,} contract-sessions verified"
        if not report.gaps:
            return Outcome(True, said)
        left = f"{said}, {report.gaps:,} gaps"
        return Outcome(not report.requests or self.tries + 1 >= _TRIES, left, "info" if self.without_file else "warning")

    def _selection(self) -> Selection:
        """The last finished session with what else a sync of the evening looks after; an earlier session alone."""
        day, lake = self.step.session, self.lake
        return Selection() if day == lake.calendar.last_finished(self.now) else Selection(start=day, end=day)

    async def _verify(self) -> Outcome:
        day = self.step.session
        try:
            made = await asyncio.to_thread(self.lake.verify, day, day)
        except ConfigError as error:
            return Outcome(self.tries + 1 >= _TRIES, f"no certificate: {error}", "error")
        certificate = made[-1].certificate
        return Outcome(True, certificate.line, "warning" if certificate.exit_code else "info")

    async def _repair(self) -> Outcome:
        late = self.without_file and bool(await self._take_files(self._needed()))
        done = await self._sync()
        if not done.done or self.stop.is_set():
            return done
        if late and self.now < _ist(self.step.session + timedelta(days=1), GIVE_UP):
            return Outcome(False, "the exchange's file is still not there")
        signed = await asyncio.to_thread(self.lake.verify, self.step.session, self.step.session, dry_run=True)
        before = self.lake.store.certificates_in_force(self.step.session, self.step.session)
        if before and before[-1].content == signed[-1].certificate.content and before[-1].counts == signed[-1].certificate.counts:
            return Outcome(True, "nothing to repair")
        return await self._verify()

    async def _upkeep(self) -> Outcome:
        kept = await asyncio.to_thread(self.lake.upkeep)
        if kept.corrupt:
            return Outcome(True, f"{len(kept.corrupt)} files differ from their hash: run `fnolake upkeep --check`", "error")
        return Outcome(True, "; ".join(kept.lines[:3]))

    async def _check(self) -> Outcome:
        """Whether an unknown day has traded, by the exchange's files."""
        missing = await self._take_files(FILES)
        day = self.step.session
        if len(missing) == len(FILES):
            return Outcome(True, f"{day}: the exchange has no file of it: taken as no session", "warning")
        return Outcome(True, f"{day} has traded: add its hours to the [calendar] additions file, then run `fnolake sync --session {day}`", "warning")


async def _proven(account: Account) -> AuthError | None:
    """None where a sign-in works, if need be a renewed one."""
    mark = account.sign_in_mark
    try:
        async with account.turn():
            await account.provider.check()
    except SignInLost as lost:
        return await account.renew_after(mark, lost)
    except AuthError as refused:
        return refused
    return None


def _ist(day: date, at: time) -> datetime:
    return datetime.combine(day, at, IST)
