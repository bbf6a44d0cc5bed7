"""
The straight line, run: ask, normalize, verify, store, with every account of the pool at once.

Each account has workers that ask; one writer makes batches durable. Memory is bounded by workers x page size + the
batch limits. Invariant: every request ends in one record, whatever happens to it, and what an account leaves behind
when it fails is done by the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol

import polars as pl

from fnolake.errors import AuthError
from fnolake.market.calendar import Calendar
from fnolake.model import AccountSeen, BarRequest, Batch, Contract, Event, Notice, RequestRecord
from fnolake.provider.account import Asked
from fnolake.provider.budget import BudgetState
from fnolake.sync.ask import cancel_when, request_of
from fnolake.sync.decide import Decided, Decider, Sings
from fnolake.sync.ex_dates import Since, nothing_known
from fnolake.sync.expired import AfterExpiry
from fnolake.sync.given_up import interrupted
from fnolake.sync.pool import Member, Pool, State, Task
from fnolake.sync.writer import LineSettings, Served, Tally, Writer
from fnolake.verify import ExchangeRow

SEEN_EVERY_S = 1.0
"""How often the accounts are told of."""


class Turns(Protocol):
    """Leave to ask once."""

    async def ask_minutes(self, request: BarRequest, may_leave: Callable[[], bool]) -> Asked:
        """Ask once, with retries and budget, while nobody else can; never raises for what the provider does."""


class Asks(Protocol):
    """An account that can be asked for minutes."""

    name: str

    @property
    def provider_name(self) -> str:
        """The provider's name, for records."""

    @property
    def max_rows(self) -> int:
        """Rows that one request should expect at most."""

    @property
    def max_days(self) -> int | None:
        """Calendar days that one request may span."""

    @property
    def is_down(self) -> bool:
        """Whether asking is of no use for now."""

    @property
    def falters(self) -> bool:
        """Whether asking waits for a probe."""

    @property
    def budget(self) -> BudgetState:
        """What is used and allowed now."""

    def drain_sign_ins(self) -> list[RequestRecord]:
        """Records of the renewals since the last call."""

    def ready(self) -> AbstractAsyncContextManager[Turns]:
        """Wait until a request would be sent at once."""


@dataclass(frozen=True, slots=True)
class Seat:
    """An account at work: who is asked, and how the pool sees it."""

    account: Asks
    member: Member

    @classmethod
    def of(cls, account: Asks) -> Seat:
        """A seat for an account that has not failed yet."""
        return cls(account, Member(account.name, account.provider_name, account.max_rows, account.max_days))


class Backfill:
    """
    Runs tasks through the line.

    Args:
        accounts: Who is asked; all at once, each within its own budget.
        commit: Makes a batch durable; blocking, called in a thread, one call at a time.
        calendar: Hours of every session.
        canaries: By provider: whether a venue is answering for a session (rule zero).
        exchange: The exchange's row for (contract, session), or None.
        now: The calendar clock.
        must_fill: Whether that contract's minutes of that session must all be there.
        on_event: Told of progress.
        settings: Workers an account, batch limits.
        late: Judges answers about contracts that have expired.
        stored: The lake's bars of (contract, session), None = none.
        actions: A stock's corporate actions since a session.
    """

    def __init__(
        self, accounts: Sequence[Asks], commit: Callable[[Batch], object], calendar: Calendar, canaries: dict[str, Sings],
        *, exchange: Callable[[int, date], ExchangeRow | None], now: Callable[[], datetime],
        must_fill: Callable[[Contract, date], bool], on_event: Callable[[Event], None], settings: LineSettings | None = None,
        late: AfterExpiry | None = None,
        stored: Callable[[int, date], pl.DataFrame | None] = lambda _contract, _session: None, actions: Since = nothing_known,
    ) -> None:
        self._seats = [Seat.of(account) for account in accounts]
        self._now = now
        self._emit = on_event
        self._settings = settings or LineSettings()
        self._dropped: list[Decided] = []
        self._pool = Pool(iter(()), ())
        self.tally = Tally()
        self._decider = Decider(
            calendar, canaries, exchange=exchange, now=now, must_fill=must_fill, on_pause=self._pause, late=late, stored=stored, actions=actions,
        )
        self._writer = Writer(commit, self._sign_ins, on_event, self._settings, self.tally)

    async def run(self, tasks: Iterator[Task], stop: asyncio.Event) -> Tally:
        """
        Run until the tasks, the accounts or the user's patience end.

        Args:
            tasks: In the order to ask.
            stop: Once set, requests in flight are dropped, what is verified is committed, and the run returns.

        Raises:
            StoreError: A batch could not be made durable; nothing of it was recorded.

        Cancel:
            Like ``stop``, but the open batch is dropped as well; a commit under way is waited for.
        """
        self._pool = Pool(tasks, [seat.member for seat in self._seats])
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._writer.run())
                workers = [group.create_task(self._work(seat, stop)) for seat in self._seats for _ in range(self._settings.workers)]
                watches = [group.create_task(cancel_when(event, workers)) for event in (stop, self._pool.over)]
                watches.append(group.create_task(self._show()))
                await asyncio.wait(workers)
                for watch in watches:
                    watch.cancel()
                for dropped in self._dropped:
                    await self._writer.put(dropped)
                await self._writer.put(None)
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        self._seen()
        for seat in self._seats:
            self.tally.accounts.setdefault(seat.member.name, Served()).reason = seat.member.reason
        return self.tally

    async def _work(self, seat: Seat, stop: asyncio.Event) -> None:
        """Ask for one task after the other, each taken only when it can be sent at once."""
        while not stop.is_set() and await self._pool.wait_for(seat.member):
            async with seat.account.ready() as turn:
                task = self._pool.take(seat.member)
                if task is None:
                    continue
                decided = await self._serve(seat, turn, task)
                try:
                    await self._writer.put(decided)
                except asyncio.CancelledError:
                    self._dropped.append(decided)
                    raise
                self._pool.landed(*decided.more)
            if not self._pool.working:
                self.tally.stopped = self.tally.stopped or no_account_left([one.member for one in self._seats])
                stop.set()

    async def _serve(self, seat: Seat, turn: Turns, task: Task) -> Decided:
        """Ask for one task and decide it, or give it back if the account cannot go on."""
        record = None
        try:
            asked = await turn.ask_minutes(request_of(task.contract, task.sessions[0], task.sessions[-1]), lambda: self._pool.others(seat.member, task))
            record = asked.record
            if self._lost(seat, asked) and self._pool.others(seat.member, task):
                back = replace(task, tried=task.tried | {seat.member.name})
                return Decided(task.contract.symbol, record, more=(back,))
            decided = await self._decider.decide(task, asked, seat.member.provider)
        except asyncio.CancelledError:
            given_up = interrupted(seat.member.provider, seat.member.name, "minutes", self._now(), task.contract.symbol)
            self._dropped.append(Decided(task.contract.symbol, record or given_up))
            raise
        other = self._pool.second_opinion(task, seat.member.provider, decided.doubted)
        return replace(decided, more=(*decided.more, other)) if other else decided

    def _lost(self, seat: Seat, asked: Asked) -> bool:
        """Whether the answer is lost by the account, not by the contract; the pool and the user are told once."""
        error, member = asked.error, seat.member
        if isinstance(error, AuthError):
            news, lost = self._pool.lose(member, str(error), for_good=True), True
        elif error is not None and (seat.account.is_down or (seat.account.falters and self._pool.others(member))):
            news, lost = self._pool.lose(member, f"{member.name}: the provider does not answer", for_good=False), True
        else:
            if error is None and self._pool.regain(member):
                self._emit(Notice("info", f"{member.name}: {member.provider} answers again"))
            return False
        if news:
            self._seen()
            if self._pool.working:
                self._emit(Notice("warning", f"{member.said}; the other accounts take over its work"))
        return lost

    def _pause(self, provider: str, venue: str) -> None:
        if self._pool.pause(provider, venue):
            self._emit(Notice("warning", f'{venue} answers only "no data" at {provider}: paused, nothing was recorded as empty; run sync again later'))

    def _sign_ins(self) -> Iterable[RequestRecord]:
        return [record for seat in self._seats for record in seat.account.drain_sign_ins()]

    async def _show(self) -> None:
        while True:
            self._seen()
            await asyncio.sleep(SEEN_EVERY_S)

    def _seen(self) -> None:
        for seat in self._seats:
            budget, member = seat.account.budget, seat.member
            state = "waiting" if member.state is State.WORKING and budget.spent else str(member.state)
            limits = (budget.used, budget.allowance, budget.seconds) if budget.limited else (0, 0, 60.0)
            self._emit(AccountSeen(member.name, member.provider, state, member.reason, *limits))


def no_account_left(members: Sequence[Member]) -> str:
    """Why a run stopped early, in one line that names every account."""
    if len(members) > 1:
        return f"no account is left, what was fetched is kept: {'; '.join(member.said for member in members)}"
    member = members[0]
    return f"{member.reason}; what was fetched is kept, run the command again later" if member.state is State.DOWN else member.reason
