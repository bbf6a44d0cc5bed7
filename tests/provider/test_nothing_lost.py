"""What the keeper hears against the emulator's record of what was sent, contract by contract, through drops and a restart."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime, time

import pytest

from fnolake.model import IST
from fnolake.provider.account import Account
from fnolake.provider.firstock.client import FirstockClient
from fnolake.provider.shoonya.client import ShoonyaClient
from fnolake.provider.streams import LOST
from tests.provider.test_streams import DAY, Bench, cap_of, truth


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with cap_of(100) as made:
        yield made


def heard(bench: Bench) -> Counter[int]:
    return Counter(tick.contract for tick in bench.seen.ticks)


def sent(bench: Bench) -> Counter[int]:
    """Snapshots and telling prints that left on connections of any time, by our contract."""
    record = bench.emulator.state.sent.shown(contracts=True)
    number = {f"{one.exchange}|{one.token}": n for n, one in bench.listings.items()}
    found: Counter[int] = Counter()
    for provider in record["providers"].values():
        for name, row in provider["contracts"].items():
            count = dict(zip(record["columns"], row, strict=True))
            found[number[name]] += count["snapshots"] + count["told"]
    return +found


def afresh(bench: Bench) -> None:
    bench.emulator.state.sent.forget()
    bench.seen.ticks.clear()


async def everybody(bench: Bench) -> None:
    """Until every contract delivers, by the last word of each connection."""
    def delivering() -> int:
        return sum({one.connection: one.contracts for one in bench.seen.states}.values())

    await bench.seen.until(lambda: delivering() == len(bench.listings))


async def passed(bench: Bench, minutes: int) -> None:
    """Let minutes pass, one by one, and hear each out: until the day's volumes of what traded are those of that instant."""
    for _ in range(minutes):
        before = bench.emulator.state.clock.now()
        bench.advance(60)
        now = bench.emulator.state.clock.now()
        due = {(n, truth(bench, n, now)) for n in bench.listings if truth(bench, n, now) != truth(bench, n, before)}
        await bench.seen.until(lambda due=due: due <= bench.seen.volumes().items())


async def signed(bench: Bench, broker: str) -> tuple[Account, ShoonyaClient | FirstockClient]:
    return await (bench.shoonya() if broker == "shoonya" else bench.firstock())


@pytest.mark.parametrize("broker", ["shoonya", "firstock"])
async def test_every_print_that_was_sent_is_heard(bench: Bench, broker: str) -> None:
    async with bench.keeping(await signed(bench, broker)) as keeper:
        keeper.want(bench.contracts)
        await everybody(bench)
        await passed(bench, 20)
        await bench.seen.until(lambda: heard(bench) == sent(bench))
        assert heard(bench).total() > 20 * len(bench.contracts)
    assert all(line["swallowed"] == 0 for line in bench.emulator.state.sent.shown(contracts=False)["connections"])


@pytest.mark.parametrize("broker", ["shoonya", "firstock"])
async def test_a_drop_every_minute_costs_nothing_of_the_minutes_between(bench: Bench, broker: str) -> None:
    async with bench.keeping(await signed(bench, broker)) as keeper:
        keeper.want(bench.contracts)
        await everybody(bench)
        for dropped in range(1, 6):
            bench.emulator.state.faults.add({"fault": "socket_drop", "count": 1})
            bench.advance(60)
            await bench.seen.until(lambda n=dropped: [s.state for s in bench.seen.states].count(LOST) >= n)
            await everybody(bench)
            afresh(bench)
            await passed(bench, 1)
            await bench.seen.until(lambda: heard(bench) == sent(bench))
            assert set(heard(bench)) <= set(bench.listings)


@pytest.mark.parametrize("broker", ["shoonya", "firstock"])
async def test_after_a_restart_of_the_provider_the_snapshots_are_where_the_market_stands(bench: Bench, broker: str) -> None:
    async with bench.keeping(await signed(bench, broker)) as keeper:
        keeper.want(bench.contracts)
        await everybody(bench)
        bench.emulator.state.down[broker].set()
        await bench.seen.until(lambda: [s.state for s in bench.seen.states].count(LOST) >= 2)
        bench.seen.ticks.clear()
        bench.advance(180)
        assert not bench.seen.ticks
        bench.emulator.state.down[broker].clear()
        await everybody(bench)
        at = datetime.combine(DAY, time(10, 3), IST)
        assert bench.seen.volumes() == {n: truth(bench, n, at) for n in bench.listings}
        afresh(bench)
        await passed(bench, 2)
        await bench.seen.until(lambda: heard(bench) == sent(bench))
