"""Real accounts with official limits on one queue, on a clock that moves by itself: each within its own, both at full pace."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

from tests.provider.fakes import FakeClock
from tests.provider.test_account import Scripted
from tests.provider.test_budget import most_in
from tests.sync.test_backfill import CALENDAR, FRI, NOW, OPTION, rows

from fnolake.model import BarRequest, Batch, Page, ist_date
from fnolake.provider.account import Account
from fnolake.provider.budget import Budget
from fnolake.sync.backfill import Backfill
from fnolake.sync.pool import Task
from fnolake.sync.writer import LineSettings, Tally

SHOONYA, FIRSTOCK = ((20, 1.0), (200, 60.0)), ((3, 1.0),)
MINUTES = 3


class Served(Scripted):
    """A provider that answers after 0.05 s and notes when it was asked."""

    def __init__(self, name: str, clock: FakeClock) -> None:
        super().__init__()
        self.name, self.clock = name, clock
        self.stamps: list[float] = []

    async def minutes(self, request: BarRequest) -> Page:
        self.stamps.append(self.clock.at)
        await self.clock.sleep(0.05)
        return Page(request, self.name, self.name, NOW, "hash", rows(ist_date(request.start), bars=1))


async def pooled(*limits: tuple[tuple[int, float], ...]) -> tuple[list[Served], Tally]:
    """What accounts with these limits ask in some minutes of work without end."""
    clock, stop = FakeClock(), asyncio.Event()
    providers = [Served(f"p{number}", clock) for number, _ in enumerate(limits)]
    accounts = [
        Account(one.name, one, Budget(windows, clock, None, one.name), clock, rng=random.Random(1))
        for one, windows in zip(providers, limits, strict=True)
    ]
    committed: list[Batch] = []

    async def sings(_venue: str, _day: object) -> bool:
        return True

    line = Backfill(
        accounts, committed.append, CALENDAR, {one.name: sings for one in providers}, exchange=lambda _c, _d: None, now=lambda: NOW,
        must_fill=lambda _c, _d: False, on_event=lambda _event: None, settings=LineSettings(workers=4),
    )
    endless = (Task(replace(OPTION, contract=number), (FRI,)) for number in range(100_000))
    running = asyncio.ensure_future(line.run(endless, stop))
    await clock.run(running, until=clock.at + 60.0 * MINUTES)
    stop.set()
    return providers, await running


async def test_two_accounts_ask_nearly_the_sum_and_neither_more_than_its_own() -> None:
    (alone,), _ = await pooled(SHOONYA)
    both, tally = await pooled(SHOONYA, FIRSTOCK)
    assert all(most_in(one.stamps, 60.0) <= 200 for one in (alone, both[0]))
    assert most_in(both[0].stamps, 1.0) <= 20
    assert most_in(both[1].stamps, 1.0) <= 3
    total = sum(len(one.stamps) for one in both)
    assert total >= 1.8 * len(alone.stamps)
    assert tally.requests == total
