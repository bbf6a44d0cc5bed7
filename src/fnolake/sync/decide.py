"""
What one answer means for the sessions that were asked: verdicts, bars, and what must be asked because of it.

Sends nothing but the canary's questions. Invariant: each session of the request gets one attempt or is in a task that follows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime

import polars as pl

from fnolake.errors import SpanTimeout
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    BarRequest,
    Contract,
    Outcome,
    RequestRecord,
    Session,
    Verdict,
    ist_date,
)
from fnolake.normalize import normalize
from fnolake.provider.account import Asked
from fnolake.sync.ask import attempt_of, failure, is_no_more, request_of
from fnolake.sync.ex_dates import Since, nothing_known
from fnolake.sync.expired import RECYCLED, AfterExpiry
from fnolake.sync.pool import Task
from fnolake.verify import NOTHING, Actions, ExchangeRow, judge, refused_rows, unless_rebased, verdict_for_empty

PAUSE_AFTER_DOUBTS = 50
"""Doubtful contracts of a venue in a row after which that venue pauses at that provider (design, rule zero)."""
DOUBTFUL = frozenset({Outcome.UNAVAILABLE, Outcome.FAILED})
"""Outcomes that another provider is asked about."""

Sings = Callable[[str, date], Awaitable[bool]]
"""Whether a provider answers for a venue and session (rule zero)."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What one request came to, before it is durable. ``more`` must be asked because of it, ascending by session."""

    symbol: str
    record: RequestRecord
    attempts: tuple[Attempt, ...] = ()
    bars: tuple[pl.DataFrame, ...] = ()
    refused: pl.DataFrame | None = None
    more: tuple[Task, ...] = field(default=())

    @property
    def rows(self) -> int:
        """Bars that it brings."""
        return sum(frame.height for frame in self.bars)

    @property
    def doubted(self) -> tuple[date, ...]:
        """Sessions that another provider should be asked about."""
        return tuple(attempt.session for attempt in self.attempts if attempt.verdict.outcome in DOUBTFUL)


class Decider:
    """
    Decides answers of every provider of the pool, each by its own canary.

    Args:
        calendar: Hours of every session.
        canaries: By provider.
        exchange: The exchange's row for (contract, session), or None.
        now: The calendar clock.
        must_fill: Whether that contract's minutes of that session must all be there.
        stored: The lake's bars of (contract, session), None = none: what is asked again is held against them.
        on_pause: Told (provider, venue) once a venue is doubted too often there.
        late: Judges answers about contracts that have expired.
        actions: A stock's corporate actions since a session.
    """

    def __init__(
        self, calendar: Calendar, canaries: Mapping[str, Sings], *, exchange: Callable[[int, date], ExchangeRow | None],
        now: Callable[[], datetime], must_fill: Callable[[Contract, date], bool], on_pause: Callable[[str, str], None],
        late: AfterExpiry | None = None,
        stored: Callable[[int, date], pl.DataFrame | None] = lambda _contract, _session: None, actions: Since = nothing_known,
    ) -> None:
        self._calendar = calendar
        self._canaries = canaries
        self._exchange = exchange
        self._now = now
        self._must_fill = must_fill
        self._stored = stored
        self._actions = actions
        self._on_pause = on_pause
        self._late = late or AfterExpiry()
        self._doubts: dict[tuple[str, str], int] = {}

    async def decide(self, task: Task, asked: Asked, provider: str) -> Decided:
        """
        Verdicts of an answer.

        Cancel:
            Safe; nothing was decided.
        """
        if asked.page is None:
            return self._on_error(task, asked)
        if asked.page.is_empty:
            return await self._on_empty(task, asked, provider)
        return await self._on_rows(task, asked, provider)

    def _expired(self, contract: Contract) -> bool:
        return contract.expiry is not None and contract.expiry < ist_date(self._now())

    async def _refused(self, task: Task, asked: Asked, provider: str) -> Decided:
        """An expired contract of which the answer holds nothing: refused, if the provider is well."""
        said = {day: await self._refused_of(task, day, provider) for day in task.sessions}
        return Decided(task.contract.symbol, asked.record, tuple(attempt_of(task.contract, day, verdict, asked.record) for day, verdict in said.items()))

    async def _refused_of(self, task: Task, day: date, provider: str) -> Verdict:
        row = self._exchange(task.contract.contract, day)
        if row is not None and row.volume == 0:
            return Verdict(Outcome.UNTRADED)
        if await self._canaries[provider](task.contract.venue, day):
            return self._late.refusal(task.contract)
        return await self._empty(task, day, provider)

    async def _on_empty(self, task: Task, asked: Asked, provider: str) -> Decided:
        if self._expired(task.contract):
            return await self._refused(task, asked, provider)
        if len(task.sessions) > 1 and not task.again:
            return Decided(task.contract.symbol, asked.record, more=tuple(_alone(task, day) for day in task.sessions))
        attempts = [attempt_of(task.contract, day, await self._empty(task, day, provider), asked.record) for day in task.sessions]
        return Decided(task.contract.symbol, asked.record, tuple(attempts))

    async def _empty(self, task: Task, day: date, provider: str) -> Verdict:
        """What it means that the provider has nothing for a session (rule zero)."""
        contract, session = task.contract, self._session(task.contract, day)
        alive = await self._canaries[provider](contract.venue, day)
        row = self._exchange(contract.contract, day)
        verdict = verdict_for_empty(_request(task), session, canary_alive=alive, exchange_row=row, now=self._now())
        self._count_doubt(provider, contract.venue, doubtful="doubtful_empty" in verdict.reasons)
        return verdict

    def _count_doubt(self, provider: str, venue: str, *, doubtful: bool) -> None:
        key = (provider, venue)
        self._doubts[key] = self._doubts.get(key, 0) + 1 if doubtful else 0
        if self._doubts[key] >= PAUSE_AFTER_DOUBTS:
            self._on_pause(provider, venue)

    async def _on_rows(self, task: Task, asked: Asked, provider: str) -> Decided:
        assert asked.page is not None
        table = normalize(asked.page, self._calendar)
        sessions = [self._session(task.contract, day) for day in task.sessions]
        rows = {day: self._exchange(task.contract.contract, day) for day in task.sessions}
        filled = {day for day in task.sessions if self._must_fill(task.contract, day)}
        judged = judge(table, _request(task), sessions, self._now(), rows, must_fill=filled, actions=self._since(task))
        if self._expired(task.contract):
            judged = self._late.checked(task.contract, table, judged)
            if all(verdict.bars == 0 and verdict.outcome is not Outcome.QUARANTINED for _, verdict, _ in judged):
                return await self._refused(task, asked, provider)
        if task.again and task.contract.kind == "spot":
            judged = [await self._unmixed(task, *each) for each in judged]
        attempts: list[Attempt] = []
        bars: list[pl.DataFrame] = []
        more: list[Task] = []
        for day, verdict, kept in judged:
            oldest = day == task.sessions[0] and len(task.sessions) > 1
            if oldest and verdict.outcome is not Outcome.COMPLETE and RECYCLED not in verdict.reasons:
                more.append(_alone(task, day))
                continue
            said = await self._empty(task, day, provider) if verdict.bars == 0 and verdict.outcome is not Outcome.QUARANTINED else verdict
            attempts.append(attempt_of(task.contract, day, said, asked.record))
            if verdict.bars:
                bars.append(kept)
        if bars:
            self._count_doubt(provider, task.contract.venue, doubtful=False)
        return Decided(task.contract.symbol, asked.record, tuple(attempts), tuple(bars), refused_rows(table, judged), tuple(more))

    def _on_error(self, task: Task, asked: Asked) -> Decided:
        error = asked.error
        if isinstance(error, SpanTimeout) and len(task.sessions) > 1:
            middle = len(task.sessions) // 2
            halves = (_part(task, task.sessions[:middle]), _part(task, task.sessions[middle:]))
            return Decided(task.contract.symbol, asked.record, more=halves)
        assert error is not None
        if is_no_more(error) and self._expired(task.contract):
            verdict = self._late.refusal(task.contract, f"{type(error).__name__}: {str(error)[:300]}")
        else:
            verdict = failure(error)
        return Decided(task.contract.symbol, asked.record, tuple(attempt_of(task.contract, day, verdict, asked.record) for day in task.sessions))

    async def _unmixed(self, task: Task, day: date, verdict: Verdict, bars: pl.DataFrame) -> tuple[date, Verdict, pl.DataFrame]:
        """Cash history that was re-based since it was stored is not taken."""
        stored = await asyncio.to_thread(self._stored, task.contract.contract, day) if verdict.bars else None
        said = unless_rebased(verdict, bars, stored, self._since(task).get(day, NOTHING))
        return day, said, bars.head(said.bars)

    def _since(self, task: Task) -> dict[date, Actions]:
        if task.contract.kind != "spot":
            return {}
        return {day: self._actions(task.contract, day, ist_date(self._now())) for day in task.sessions}

    def _session(self, contract: Contract, day: date) -> Session:
        session = self._calendar.session_for(contract, day)
        assert session is not None, f"{contract.symbol}: {day} is no session, the plan asked for it"
        return session


def _alone(task: Task, day: date) -> Task:
    return replace(_part(task, (day,)), again=True)


def _part(task: Task, sessions: tuple[date, ...]) -> Task:
    return replace(task, sessions=sessions, rows=task.rows * len(sessions) / len(task.sessions))


def _request(task: Task) -> BarRequest:
    return request_of(task.contract, task.sessions[0], task.sessions[-1])
