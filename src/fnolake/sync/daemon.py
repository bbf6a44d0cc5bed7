"""
The unattended day: does what ``day`` says is due, waits by the calendar clock for what is not, and notes each step durably.

Judges nothing itself. Invariants: one daemon a lake, by a lock of its own; the writer's lock is held only while a step
works; after ``kill -9`` anywhere the next run goes on with the step that was under way.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import msgspec

from fnolake.config import Settings
from fnolake.errors import AuthError, ConfigError, FnolakeError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, DayChanged, Delivery, Event, Notice, ist_date
from fnolake.provider.clock import emulated_clock
from fnolake.store.lock import DAEMON_LOCK, WriterLock
from fnolake.store.store import Store
from fnolake.sync.day import WITHOUT_FILE, Book, Rules, Step, first_book, next_step, rest
from fnolake.sync.doing import Doing, hour, note_doing
from fnolake.sync.status import AccountStatus
from fnolake.sync.steps import Outcome, Work, WorkingLake

BOOK = "daemon-book"
"""Where the book lies in the state drawer."""
SLICE_S, EMULATED_SLICE_S = 5.0, 0.1
"""Machine seconds between two looks at the calendar clock: a machine that slept, or an emulator that jumped, is noticed so soon."""
_LOCK_TRIES = 5
_NEAR = timedelta(minutes=1)

Live = Callable[[date, asyncio.Event], Awaitable[object]]
"""Records a session until the event is set."""


class WatchedLake(Protocol):
    """A lake that is open for reading, as far as the daemon looks at it."""

    settings: Settings
    store: Store

    @property
    def path(self) -> Path:
        """Its folder."""

    @property
    def calendar(self) -> Calendar:
        """Sessions."""

    @property
    def clock(self) -> Clock:
        """Both clocks."""

    def accounts(self) -> tuple[AccountStatus, ...]:
        """Who is signed in now, by the drawer."""

    async def async_ask_people(self, stop: asyncio.Event, on_event: Callable[[Event], None], refused: str) -> tuple[str, ...]:
        """Send links to whom it takes to sign in, say who could not by himself and why, and listen for answers."""

    async def async_alert(self) -> tuple[Delivery, ...]:
        """Tell people what there is to tell."""


class Daemon:
    """
    Runs the days of one lake.

    Args:
        lake: Open for reading.
        open_writer: The same lake, open for writing; called for each step that works.
        environ: For ``env:`` references.
        on_event: Told of every change of state (``DayChanged``), of what a step says (``Notice``) and of its progress.
        live: The recorder; without one the minutes are taken after the close only.
        rules: Times of the day.
    """

    def __init__(
        self, lake: WatchedLake, open_writer: Callable[[], AbstractContextManager[WorkingLake]], environ: Mapping[str, str],
        on_event: Callable[[Event], None], live: Live | None = None, rules: Rules | None = None,
    ) -> None:
        self._lake = lake
        self._open_writer = open_writer
        self._environ = environ
        self._tell = on_event
        self._live = live
        self._rules = rules or Rules()
        self._calendar = lake.calendar
        self._clock = lake.clock
        self._state = lake.store.state
        self._book = Book(date.min)
        self._told: tuple[object, ...] = ()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Run until ``stop``.

        Raises:
            StoreLocked: Another daemon runs this lake.
            ConfigError: No account is set up.
            StoreError: What was done could not be noted.

        Cancel:
            Safe; what was committed stays, and the step under way is done again by the next run.
        """
        if not self._lake.settings.accounts:
            raise ConfigError("no account yet; run `fnolake account add`, then `fnolake login`")
        lock = await self._lock()
        try:
            await self._look()
            self._book = self._read_book()
            while not stop.is_set():
                step = next_step(self._now, self._book, self._calendar, self._rules)
                await (self._wait(step, stop) if step.at > self._now else self._do(step, stop))
            self._change("stopped", None, None, "stopped; the next run goes on from here")
        finally:
            lock.release()

    async def _lock(self) -> WriterLock:
        """The daemon's lock; a status that looks at it for a moment is waited for."""
        for left in range(_LOCK_TRIES, 0, -1):
            try:
                return WriterLock(self._lake.path, DAEMON_LOCK, "being run")
            except FnolakeError:
                if left == 1:
                    raise
            await self._clock.sleep(0.05)
        raise AssertionError("the last try returns or raises")

    @property
    def _now(self) -> datetime:
        return self._clock.now()

    async def _look(self) -> None:
        """Ask the emulator what time it is, where it has the calendar; one that does not answer is believed to run on."""
        if self._lake.settings.clock:
            with contextlib.suppress(ConfigError):
                self._clock = await emulated_clock(self._lake.settings.clock)

    def _read_book(self) -> Book:
        saved = self._state.load(BOOK)
        if saved is None:
            return first_book(self._now, self._calendar)
        try:
            return msgspec.json.decode(saved, type=Book)
        except msgspec.DecodeError:
            self._tell(Notice("warning", "what the daemon had noted cannot be read: it begins with the last finished session"))
            return first_book(self._now, self._calendar)

    def _note(self, book: Book) -> None:
        self._book = book.settled(self._calendar)
        self._state.save(BOOK, msgspec.json.encode(self._book))

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def _wait(self, step: Step, stop: asyncio.Event) -> None:
        """Until the step is due; a sign-in made meanwhile ends the pauses of what failed."""
        before = self._signed_in()
        while self._now < step.at and not stop.is_set():
            state = rest(self._now, step, self._book, self._calendar)
            self._change(state, step.session, step.at, _rest_text(state, step, self._book))
            await self._slice(stop, step.at)
            if state == "retry" and self._signed_in() - before:
                self._note(self._book.at_once())
                return

    async def _slice(self, stop: asyncio.Event, until: datetime) -> None:
        """Wait a little on the machine's clock, then look at the calendar's."""
        longest = EMULATED_SLICE_S if self._lake.settings.clock else min(SLICE_S, max((until - self._now).total_seconds(), 0.01))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest):
                await stop.wait()
        await self._look()

    def _signed_in(self) -> frozenset[str]:
        return frozenset(one.name for one in self._lake.accounts() if one.signed_in)

    async def _wait_for_login(self, step: Step, refused: AuthError, stop: asyncio.Event) -> None:
        """Until somebody signs in; each new morning tries once by itself."""
        before = self._signed_in()
        morning = next_step(self._now, Book(ist_date(self._now)), self._calendar, self._rules).at
        self._tell(Notice("error", f"login needed: {refused}"))
        self._change("needs login", step.session, morning, f"needs login for {step.kind} of {step.session}: run `fnolake login`")
        enough = asyncio.Event()
        asking = asyncio.ensure_future(self._lake.async_ask_people(enough, self._tell, str(refused)))
        try:
            while self._now < morning and not stop.is_set():
                await self._slice(stop, morning)
                if self._signed_in() - before:
                    self._tell(Notice("info", f"{', '.join(sorted(self._signed_in() - before))} signed in: the day goes on"))
                    break
        finally:
            enough.set()
            for error in await asyncio.gather(asking, return_exceptions=True):
                if isinstance(error, Exception):
                    self._tell(Notice("warning", f"nobody could be asked to sign in: {error}"))
        self._book = self._book.at_once()

    # -- working -------------------------------------------------------------------------------------------------------

    async def _do(self, step: Step, stop: asyncio.Event) -> None:
        """One step; its outcome is noted before the next begins."""
        ends = f" until {hour(step.until)}" + ("" if self._live else ", not recorded") if step.kind == "live" else ""
        self._change(step.kind, step.session, step.until if step.kind == "live" else None, f"{step.kind} of {step.session}{ends}")
        try:
            outcome = await (self._watch(step, stop) if step.kind == "live" else self._work(step, stop))
        except AuthError as refused:
            await self._wait_for_login(step, refused, stop)
            return
        except (FnolakeError, OSError) as error:
            outcome = Outcome(False, f"{error}", "warning")
        await self._look()
        if step.kind == "verify" and outcome.done:
            await self._lake.async_alert()
        if outcome.note:
            self._tell(Notice(outcome.level, f"{step.kind} of {step.session}: {outcome.note}"))
        if outcome.done:
            self._note(self._book.with_done(step, outcome.note if outcome.note == WITHOUT_FILE else ""))
        elif not stop.is_set():
            self._note(self._book.with_failure(step, self._now, outcome.note[:300]))

    async def _work(self, step: Step, stop: asyncio.Event) -> Outcome:
        entry, file = self._book.of(step.session, step.kind), self._book.of(step.session, "exchange file")
        with self._open_writer() as lake:
            work = Work(
                lake, self._environ, step, self._now, entry.tries if entry else 0, bool(file and file.note == WITHOUT_FILE), self._rules,
                self._tell, stop,
            )
            outcome = await work.run()
            self._calendar = lake.calendar
        return outcome

    async def _watch(self, step: Step, stop: asyncio.Event) -> Outcome:
        """The session while it trades: the recorder until the close, if there is one."""
        assert step.until is not None
        ends = asyncio.Event()
        recorder = asyncio.ensure_future(self._live(step.session, ends)) if self._live else None
        try:
            while self._now < step.until and not stop.is_set() and not self._broke_off(recorder, step.until):
                await self._slice(stop, step.until)
        except asyncio.CancelledError:
            if recorder is not None:
                recorder.cancel()
            raise
        finally:
            ends.set()
            if recorder is not None:
                await recorder
        if self._now < step.until:
            return Outcome(False, "" if stop.is_set() else "the recorder ended before the close", "warning")
        return Outcome(True, "" if recorder else "no recorder here: the minutes are taken after the close")

    def _broke_off(self, recorder: asyncio.Future[object] | None, until: datetime) -> bool:
        """Whether a recorder has ended, but for the last minute: its own clock may be a little ahead of ours."""
        return recorder is not None and recorder.done() and (until - self._now > _NEAR or recorder.exception() is not None)

    def _change(self, state: str, session: date | None, until: datetime | None, text: str) -> None:
        """Tell a change of state, once, and leave it where other terminals look."""
        if self._told == (state, session, until, text):
            return
        self._told = (state, session, until, text)
        now = self._now
        process = 0 if state == "stopped" else os.getpid()
        note_doing(self._state, Doing(process, state, session, now, until, text))
        self._tell(DayChanged(state, session, now, until, text))


def _rest_text(state: str, step: Step, book: Book) -> str:
    """A wait in a line: what for, and until when."""
    if state == "retry":
        entry = book.of(step.session, step.kind)
        why = f": {entry.note}" if entry and entry.note else ""
        return f"{step.kind} of {step.session} again at {hour(step.at)}{why}"
    if step.kind == "check":
        return f"{state}; {step.session} is looked at at {hour(step.at)}: nobody told whether, or when, it trades"
    return f"{state}; {step.kind} of {step.session} at {hour(step.at)}"
