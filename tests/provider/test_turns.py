"""A turn is leave to send one request at once: within the budget, past the breaker, and free when it is not used."""

from __future__ import annotations

import asyncio
import random

from fnolake.errors import ProviderFault
from fnolake.provider.account import Account
from fnolake.provider.breaker import OPENS_AFTER, PAUSES_S, REST_S
from fnolake.provider.budget import Budget
from tests.provider.fakes import FakeClock
from tests.provider.test_account import REQUEST, Scripted
from tests.provider.test_budget import most_in


def account_of(provider: Scripted, clock: FakeClock, windows: tuple[tuple[int, float], ...] = ((3, 1.0),)) -> Account:
    return Account("a", provider, Budget(windows, clock, None, "a"), clock, rng=random.Random(1), tries=1)


async def test_a_turn_that_is_not_used_costs_nothing() -> None:
    clock = FakeClock()
    account = account_of(Scripted(), clock)

    async def idle() -> None:
        for _ in range(100):
            async with account.ready():
                assert account.budget.used == 1

    begun = clock.at
    running = asyncio.ensure_future(idle())
    await clock.run(running)
    await running
    assert clock.at == begun
    assert account.budget.used == 0


async def test_turns_stay_within_the_budget_however_many_want_one() -> None:
    clock, sent = FakeClock(), []

    class Timed(Scripted):
        async def minutes(self, request):  # type: ignore[no-untyped-def]
            sent.append(clock.at)
            return await super().minutes(request)

    account = account_of(Timed(), clock)

    async def worker() -> None:
        for _ in range(10):
            async with account.ready() as turn:
                waited = clock.at
                await turn.ask_minutes(REQUEST)
                assert clock.at == waited

    async def everybody() -> None:
        await asyncio.gather(*(worker() for _ in range(6)))

    running = asyncio.ensure_future(everybody())
    await clock.run(running)
    await running
    assert len(sent) == 60
    assert most_in(sent, 1.0) <= 3
    assert sent[-1] - sent[0] < 60 / 3 * 1.05


async def test_a_turn_at_a_provider_that_is_down_comes_with_its_next_probe() -> None:
    clock = FakeClock()
    provider = Scripted(*[ProviderFault("502")] * (OPENS_AFTER + len(PAUSES_S)))
    account = account_of(provider, clock)

    async def until_answered() -> float:
        while True:
            before = clock.at
            async with account.ready() as turn:
                asked = await turn.ask_minutes(REQUEST)
            if asked.page is not None:
                return clock.at - before

    running = asyncio.ensure_future(until_answered())
    await clock.run(running)
    assert await running >= REST_S
    assert not account.is_down
    assert provider.asked == OPENS_AFTER + len(PAUSES_S) + 1


async def test_who_waits_for_a_probe_keeps_nobody_else_waiting() -> None:
    clock = FakeClock()
    account = account_of(Scripted(*[ProviderFault("502")] * (OPENS_AFTER + len(PAUSES_S))), clock)

    async def fail() -> None:
        while not account.is_down:
            await account.ask_minutes(REQUEST)

    running: asyncio.Task[None] = asyncio.ensure_future(fail())
    await clock.run(running)
    patient = asyncio.ensure_future(account.ready().__aenter__())
    for _ in range(10):
        await asyncio.sleep(0)
    down_at = clock.at
    asked = await account.ask_minutes(REQUEST)
    assert isinstance(asked.error, ProviderFault)
    assert clock.at == down_at
    patient.cancel()
    await asyncio.gather(patient, return_exceptions=True)
