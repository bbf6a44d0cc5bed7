"""
The straight line, run: ask, normalize, verify, store.

A fixed number of workers ask; one writer makes batches durable. Memory is bounded by workers x page size + the
batch limits. Invariant: every contract-session of a request ends in one attempt, whatever happens to the request.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

import polars as pl

from fnolake.errors import AuthError, SpanTimeout
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    BarRequest,
    Batch,
    BatchCommitted,
    Contract,
    Event,
    Finding,
    Notice,
    Outcome,
    PageDone,
    RequestRecord,
    Session,
    Verdict,
    bar_schema,
    ist_midnight_us,
    quarantine_schema,
    utc_from_us,
)
from fnolake.normalize import normalize
from fnolake.provider.account import Asked
from fnolake.verify import ExchangeRow, judge, refused_rows, verdict_for_empty

PAUSE_AFTER_DOUBTS = 50
"""Doubtful contracts of a venue in a row after which that venue pauses (design, rule zero)."""
_LOOSE_TABLES = 512


class Asks(Protocol):
    """An account that can be asked for minutes."""

    name: str

    @property
    def provider_name(self) -> str:
        """The provider's name, for records."""

    @property
    def is_down(self) -> bool:
        """Whether asking is of no use for now."""

    def drain_sign_ins(self) -> list[RequestRecord]:
        """Records of the renewals since the last call."""

    async def ask_minutes(self, request: BarRequest) -> Asked:
        """Ask once, with retries and budget; never raises for what the provider does."""


@dataclass(frozen=True, slots=True)
class Task:
    """One request of the plan: a contract and the sessions it must decide, ascending."""

    contract: Contract
    sessions: tuple[date, ...]
    again: bool = False


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line runs. ``batch_rows`` and ``batch_s``: a batch closes on whichever comes first."""

    workers: int = 12
    batch_rows: int = 250_000
    batch_s: float = 10.0


@dataclass
class Tally:
    """What a run did, counted by contract-session outcome."""

    outcomes: dict[str, int] = field(default_factory=dict)
    bars: int = 0
    requests: int = 0
    failed_requests: int = 0
    stopped: str = ""

    def add(self, attempts: list[Attempt]) -> None:
        """Count what was decided."""
        for attempt in attempts:
            name = attempt.verdict.outcome.value
            self.outcomes[name] = self.outcomes.get(name, 0) + 1
            self.bars += attempt.verdict.bars


@dataclass
class _Open:
    """The batch that is being filled."""

    attempts: list[Attempt] = field(default_factory=list)
    bars: list[pl.DataFrame] = field(default_factory=list)
    refused: list[pl.DataFrame] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
    rows: int = 0

    def add(self, bars: list[pl.DataFrame]) -> None:
        """Take bars in; small tables are joined now and then, for each weighs kilobytes however few its rows."""
        self.bars += bars
        self.rows += sum(frame.height for frame in bars)
        if len(self.bars) >= _LOOSE_TABLES:
            self.bars = [pl.concat(self.bars, rechunk=True)]

    def close(self) -> Batch:
        """The batch as a value."""
        bars = pl.concat(self.bars) if self.bars else pl.DataFrame(schema=bar_schema())
        refused = pl.concat(self.refused) if self.refused else pl.DataFrame(schema=quarantine_schema())
        return Batch(tuple(self.attempts), bars, refused, tuple(self.requests))


@dataclass(frozen=True, slots=True)
class _Decided:
    """What one request came to, before it is durable."""

    symbol: str
    record: RequestRecord
    attempts: list[Attempt]
    bars: list[pl.DataFrame]
    refused: pl.DataFrame | None


class Backfill:
    """
    Runs tasks through the line.

    Args:
        account: Who is asked.
        commit: Makes a batch durable; blocking, called in a thread, one call at a time.
        calendar: Hours of every session.
        canary: Says whether a venue is answering for a session (rule zero).
        exchange: The exchange's row for (contract, session), or None.
        now: The calendar clock.
        must_fill: Whether that contract's minutes of that session must all be there.
    """

    def __init__(
        self,
        account: Asks,
        commit: Callable[[Batch], object],
        calendar: Calendar,
        canary: Callable[[str, date], Awaitable[bool]],
        *,
        exchange: Callable[[int, date], ExchangeRow | None],
        now: Callable[[], datetime],
        must_fill: Callable[[Contract, date], bool],
        on_event: Callable[[Event], None],
        settings: LineSettings | None = None,
    ) -> None:
        self._account = account
        self._commit = commit
        self._calendar = calendar
        self._canary = canary
        self._exchange = exchange
        self._now = now
        self._must_fill = must_fill
        self._emit = on_event
        self._settings = settings or LineSettings()
        self._doubts: dict[str, int] = {}
        self._paused: set[str] = set()
        self._dropped: list[_Decided] = []
        self.tally = Tally()

    async def run(self, tasks: Iterator[Task], stop: asyncio.Event) -> Tally:
        """
        Run until the tasks or the user's patience end.

        Args:
            tasks: In the order to ask.
            stop: Once set, requests in flight are dropped, what is verified is committed, and the run returns.

        Raises:
            StoreError: A batch could not be made durable; nothing of it was recorded.

        Cancel:
            Like ``stop``, but the open batch is dropped as well; a commit under way is waited for.
        """
        queue: asyncio.Queue[_Decided | None] = asyncio.Queue(maxsize=2 * self._settings.workers)
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._write(queue))
                workers = [group.create_task(self._work(tasks, queue, stop)) for _ in range(self._settings.workers)]
                watch = group.create_task(_cancel_when(stop, workers))
                await asyncio.wait(workers)
                watch.cancel()
                for dropped in self._dropped:
                    await queue.put(dropped)
                await queue.put(None)
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        return self.tally

    async def _work(self, tasks: Iterator[Task], queue: asyncio.Queue[_Decided | None], stop: asyncio.Event) -> None:
        for task in tasks:
            left = [task]
            while left and not stop.is_set():
                now = left.pop()
                if now.contract.venue in self._paused:
                    break
                decided, more = await self._step(now)
                left.extend(more)
                try:
                    await queue.put(decided)
                except asyncio.CancelledError:
                    self._dropped.append(decided)
                    raise
                if self._account.is_down and not self.tally.stopped:
                    self.tally.stopped = f"{self._account.name}: the provider does not answer; what was fetched is kept, run the command again later"
                if self.tally.stopped:
                    stop.set()
            if stop.is_set():
                return

    async def _step(self, task: Task) -> tuple[_Decided, list[Task]]:
        """Ask for one task and decide it; also what must be asked because of the answer."""
        request, record = self._request(task), None
        try:
            asked = await self._account.ask_minutes(request)
            record = asked.record
            if asked.page is None:
                return self._on_error(task, asked)
            if asked.page.is_empty:
                return await self._on_empty(task, request, asked)
            return await self._on_rows(task, request, asked)
        except asyncio.CancelledError:
            self._dropped.append(_Decided(task.contract.symbol, record or self._interrupted(task), [], [], None))
            raise

    def _request(self, task: Task) -> BarRequest:
        """The span from midnight before the first session to midnight after the last: ask wide, cut locally."""
        day_us = 86_400_000_000
        return BarRequest(
            task.contract, utc_from_us(ist_midnight_us(task.sessions[0])),
            utc_from_us(ist_midnight_us(task.sessions[-1]) + day_us),
        )

    def _on_error(self, task: Task, asked: Asked) -> tuple[_Decided, list[Task]]:
        error = asked.error
        if isinstance(error, SpanTimeout) and len(task.sessions) > 1:
            middle = len(task.sessions) // 2
            halves = [Task(task.contract, task.sessions[middle:], task.again), Task(task.contract, task.sessions[:middle], task.again)]
            return _Decided(task.contract.symbol, asked.record, [], [], None), halves
        if isinstance(error, AuthError):
            self.tally.stopped = str(error)
        reason = type(error).__name__
        outcome = Outcome.UNAVAILABLE if reason in {"UnknownSymbol", "SpanUnavailable"} else Outcome.FAILED
        verdict = Verdict(outcome, (reason,), (Finding(reason, detail=str(error)[:300]),))
        attempts = [self._attempt(task, day, verdict, asked.record) for day in task.sessions]
        return _Decided(task.contract.symbol, asked.record, attempts, [], None), []

    async def _on_empty(self, task: Task, request: BarRequest, asked: Asked) -> tuple[_Decided, list[Task]]:
        if len(task.sessions) > 1 and not task.again:
            return _Decided(task.contract.symbol, asked.record, [], [], None), [Task(task.contract, (d,), again=True) for d in reversed(task.sessions)]
        attempts = [self._attempt(task, day, await self._empty(task.contract, day, request), asked.record) for day in task.sessions]
        return _Decided(task.contract.symbol, asked.record, attempts, [], None), []

    async def _empty(self, contract: Contract, day: date, request: BarRequest) -> Verdict:
        """What it means that the provider has nothing for a session (rule zero)."""
        session = self._session(contract, day)
        alive = await self._canary(contract.venue, day)
        verdict = verdict_for_empty(request, session, canary_alive=alive, exchange_row=self._exchange(contract.contract, day), now=self._now())
        self._count_doubt(contract.venue, doubtful="doubtful_empty" in verdict.reasons)
        return verdict

    def _count_doubt(self, venue: str, *, doubtful: bool) -> None:
        self._doubts[venue] = self._doubts.get(venue, 0) + 1 if doubtful else 0
        if self._doubts[venue] >= PAUSE_AFTER_DOUBTS and venue not in self._paused:
            self._paused.add(venue)
            self._emit(Notice("warning", f'{venue} answers only "no data": paused, nothing was recorded as empty; run sync again later'))

    async def _on_rows(self, task: Task, request: BarRequest, asked: Asked) -> tuple[_Decided, list[Task]]:
        assert asked.page is not None
        table = normalize(asked.page, self._calendar)
        sessions = [self._session(task.contract, day) for day in task.sessions]
        rows = {day: self._exchange(task.contract.contract, day) for day in task.sessions}
        filled = {day for day in task.sessions if self._must_fill(task.contract, day)}
        judged = judge(table, request, sessions, self._now(), rows, must_fill=filled)
        attempts: list[Attempt] = []
        bars: list[pl.DataFrame] = []
        more: list[Task] = []
        for day, verdict, kept in judged:
            oldest = day == task.sessions[0] and len(task.sessions) > 1
            if oldest and verdict.outcome is not Outcome.COMPLETE:
                more.append(Task(task.contract, (day,), again=True))
                continue
            said = await self._empty(task.contract, day, request) if verdict.bars == 0 and verdict.outcome is not Outcome.QUARANTINED else verdict
            attempts.append(self._attempt(task, day, said, asked.record))
            if verdict.bars:
                bars.append(kept)
        if bars:
            self._count_doubt(task.contract.venue, doubtful=False)
        return _Decided(task.contract.symbol, asked.record, attempts, bars, refused_rows(table, judged)), more

    def _session(self, contract: Contract, day: date) -> Session:
        session = self._calendar.session_for(contract, day)
        assert session is not None, f"{contract.symbol}: {day} is no session, the plan asked for it"
        return session

    def _interrupted(self, task: Task) -> RequestRecord:
        return interrupted(self._account.provider_name, self._account.name, "minutes", self._now(), task.contract.symbol)

    def _attempt(self, task: Task, day: date, verdict: Verdict, record: RequestRecord) -> Attempt:
        return Attempt(
            task.contract.contract, day, verdict, record.provider, record.account, record.started_at,
            record.payload_hash, record.key,
        )

    async def _write(self, queue: asyncio.Queue[_Decided | None]) -> None:
        """Gather what is decided into batches and make them durable, one at a time; None ends it."""
        loop = asyncio.get_running_loop()
        going = True
        while going:
            batch, closes = _Open(), loop.time() + self._settings.batch_s
            try:
                async with asyncio.timeout_at(closes):
                    while batch.rows < self._settings.batch_rows and going:
                        decided = await queue.get()
                        going = decided is not None
                        if decided is not None:
                            self._take(batch, decided)
            except TimeoutError:
                going = True
            await self._close(batch)

    def _take(self, batch: _Open, decided: _Decided) -> None:
        batch.attempts.extend(decided.attempts)
        batch.add(decided.bars)
        batch.requests += [decided.record, *self._account.drain_sign_ins()]
        if decided.refused is not None and decided.refused.height:
            batch.refused.append(decided.refused)
        self.tally.requests += 1
        self.tally.failed_requests += decided.record.outcome == "failed"
        self.tally.add(decided.attempts)
        rows = sum(a.verdict.bars for a in decided.attempts)
        self._emit(PageDone(decided.symbol, decided.record.account, decided.record.outcome, len(decided.attempts), rows))

    async def _close(self, batch: _Open) -> None:
        if not batch.requests:
            return
        work = asyncio.ensure_future(asyncio.to_thread(self._commit, batch.close()))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            with contextlib.suppress(Exception):
                await work
            raise
        self._emit(BatchCommitted(len(batch.attempts), batch.rows))


def interrupted(provider: str, account: str, route: str, now: datetime, detail: str) -> RequestRecord:
    """The outcome of a request that was given up while it waited or was in flight."""
    return RequestRecord(uuid.uuid4().hex, provider, account, route, "failed", now, 0.0, error="Interrupted", detail=detail)


async def _cancel_when(stop: asyncio.Event, workers: list[asyncio.Task[None]]) -> None:
    await stop.wait()
    for worker in workers:
        worker.cancel()
