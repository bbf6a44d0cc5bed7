"""
Gathers what is decided into batches and makes them durable, one at a time; counts what came of it.

Invariant: a batch holds one attempt a contract-session; a second one (another provider was asked too) waits for the next.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date
from functools import partial

import polars as pl

from fnolake.model import (
    RANK,
    Attempt,
    Batch,
    BatchCommitted,
    Event,
    Outcome,
    PageDone,
    RequestRecord,
    bar_schema,
    quarantine_schema,
)
from fnolake.sync.ask import to_the_end
from fnolake.sync.decide import Decided

_LOOSE_TABLES = 512
"""Tables of an open batch before they are joined: thousands of small ones weigh more than their rows."""


@dataclass(frozen=True, slots=True)
class LineSettings:
    """How the line runs: ``workers`` an account; a batch closes on ``batch_rows`` or ``batch_s``, whichever comes first."""

    workers: int = 12
    batch_rows: int = 250_000
    batch_s: float = 10.0


@dataclass
class Served:
    """What one account did in a run; ``reason`` says why it could not go on."""

    requests: int = 0
    failed_requests: int = 0
    sessions: int = 0
    bars: int = 0
    reason: str = ""


@dataclass
class Tally:
    """What a run did, counted by contract-session outcome; one that two providers were asked for counts once, by the better."""

    outcomes: dict[str, int] = field(default_factory=dict)
    bars: int = 0
    requests: int = 0
    failed_requests: int = 0
    stopped: str = ""
    accounts: dict[str, Served] = field(default_factory=dict)
    asked_again: dict[tuple[int, date], Outcome] = field(default_factory=dict)

    def add(self, decided: Decided) -> int:
        """Count what was decided; returns how many contract-sessions are new."""
        record, served = decided.record, self.accounts.setdefault(decided.record.account, Served())
        served.requests += 1
        served.failed_requests += record.outcome == "failed"
        self.requests += 1
        self.failed_requests += record.outcome == "failed"
        again = {day for task in decided.more for day in task.sessions}
        new = sum(self._count(attempt, again=attempt.session in again) for attempt in decided.attempts)
        bars = sum(attempt.verdict.bars for attempt in decided.attempts)
        served.sessions += len(decided.attempts)
        served.bars += bars
        self.bars += bars
        return new

    def add_looks(self, record: RequestRecord) -> None:
        """Count a request that was made to compare, not to decide."""
        served = self.accounts.setdefault(record.account, Served())
        for one in (self, served):
            one.requests += 1
            one.failed_requests += record.outcome == "failed"

    def _count(self, attempt: Attempt, *, again: bool) -> bool:
        outcome, key = attempt.verdict.outcome, (attempt.contract, attempt.session)
        before = self.asked_again.pop(key, None)
        if before is not None:
            self._move(before, -1)
            outcome = max(outcome, before, key=RANK.__getitem__)
        self._move(outcome, 1)
        if again:
            self.asked_again[key] = outcome
        return before is None

    def _move(self, outcome: Outcome, by: int) -> None:
        count = self.outcomes.pop(outcome.value, 0) + by
        if count:
            self.outcomes[outcome.value] = count


@dataclass
class _Open:
    """The batch that is being filled."""

    pairs: set[tuple[int, date]] = field(default_factory=set)
    attempts: list[Attempt] = field(default_factory=list)
    bars: list[pl.DataFrame] = field(default_factory=list)
    refused: list[pl.DataFrame] = field(default_factory=list)
    requests: list[RequestRecord] = field(default_factory=list)
    rows: int = 0

    def add(self, decided: Decided) -> bool:
        """
        Take it in, unless one of its contract-sessions is here already.

        Small tables are joined now and then, for each weighs kilobytes however few its rows.
        """
        pairs = {(attempt.contract, attempt.session) for attempt in decided.attempts}
        if pairs & self.pairs:
            return False
        self.pairs |= pairs
        self.attempts.extend(decided.attempts)
        self.bars.extend(decided.bars)
        if len(self.bars) >= _LOOSE_TABLES:
            self.bars = [pl.concat(self.bars, rechunk=True)]
        self.requests.append(decided.record)
        self.rows += decided.rows
        if decided.refused is not None and decided.refused.height:
            self.refused.append(decided.refused)
        return True

    def hold(self, decided: Decided) -> None:
        """Count the rows of an answer that waits for the next batch."""
        self.rows += decided.rows

    def close(self) -> Batch:
        """The batch as a value."""
        bars = pl.concat(self.bars) if self.bars else pl.DataFrame(schema=bar_schema())
        refused = pl.concat(self.refused) if self.refused else pl.DataFrame(schema=quarantine_schema())
        return Batch(tuple(self.attempts), bars, refused, tuple(self.requests))


class Writer:
    """
    Takes what workers decided; :meth:`run` makes it durable.

    Args:
        commit: Makes a batch durable; blocking, called in a thread, one call at a time.
        sign_ins: Records of renewals since the last call, of every account.
        on_event: Told of each answer and batch.
        settings: Batch limits; twice the workers may wait.
        tally: Where everything is counted.
    """

    def __init__(
        self, commit: Callable[[Batch], object], sign_ins: Callable[[], Iterable[RequestRecord]], on_event: Callable[[Event], None],
        settings: LineSettings, tally: Tally,
    ) -> None:
        self._commit = commit
        self._sign_ins = sign_ins
        self._emit = on_event
        self._settings = settings
        self._tally = tally
        self._queue: asyncio.Queue[Decided | None] = asyncio.Queue(maxsize=2 * settings.workers)
        self._held: list[Decided] = []

    async def put(self, decided: Decided | None) -> None:
        """
        Hand over an answer, or None to end.

        Cancel:
            Safe; it was not taken.
        """
        await self._queue.put(decided)

    async def run(self) -> None:
        """
        Until None comes.

        Raises:
            StoreError: A batch could not be made durable; nothing of it was recorded.

        Cancel:
            The open batch is dropped; a commit under way is waited for.
        """
        loop = asyncio.get_running_loop()
        going = True
        while going or self._held:
            batch, closes = self._next_batch(), loop.time() + self._settings.batch_s
            try:
                async with asyncio.timeout_at(closes):
                    while going and batch.rows < self._settings.batch_rows:
                        decided = await self._queue.get()
                        going = decided is not None
                        if decided is not None:
                            self._take(batch, decided)
            except TimeoutError:
                going = True
            batch.requests.extend(self._sign_ins())
            await self._close(batch)

    def _next_batch(self) -> _Open:
        """A batch that begins with what the last one could not hold."""
        batch = _Open()
        self._held = [decided for decided in self._held if not batch.add(decided)]
        return batch

    def _take(self, batch: _Open, decided: Decided) -> None:
        if not batch.add(decided):
            self._held.append(decided)
            batch.hold(decided)
        new = self._tally.add(decided)
        self._emit(PageDone(decided.symbol, decided.record.account, decided.record.outcome, new, decided.rows))

    async def _close(self, batch: _Open) -> None:
        if not batch.requests:
            return
        await to_the_end(partial(self._commit, batch.close()))
        self._emit(BatchCommitted(len(batch.attempts), sum(frame.height for frame in batch.bars)))
