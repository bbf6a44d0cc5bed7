"""The keeper of live connections, with both brokers' real clients against the emulator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time

import pytest

from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.server import RunningEmulator, start
from fnolake.emulator.world import Listing
from fnolake.model import IST, Contract
from fnolake.model.tick import FeedState, Tick
from fnolake.provider.account import Account
from fnolake.provider.base import SignInHelp
from fnolake.provider.budget import Budget
from fnolake.provider.firstock.client import FirstockClient
from fnolake.provider.firstock.signin import Credentials as FirstockCredentials
from fnolake.provider.firstock.signin import FirstockUrls
from fnolake.provider.http import Http
from fnolake.provider.shoonya.client import ShoonyaClient
from fnolake.provider.shoonya.signin import LEGACY, Credentials, ShoonyaUrls
from fnolake.provider.streams import LOST, OPEN, OUT, Keeper, Patience
from fnolake.testing import Drawer, StillClock

DAY = date(2026, 11, 20)
FIRSTOCK = FirstockCredentials("FN0001", "demo-password", "JBSWY3DPEHPK3PXP", "FN0001_API", "0123456789abcdef0123456789abcdef")
QUICK = Patience(answer_s=0.3, first_s=0.01, last_s=0.05)


@dataclass
class Seen:
    """What the keeper said, and a way to wait for it."""

    ticks: list[Tick] = field(default_factory=list)
    states: list[FeedState] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tick(self, tick: Tick) -> None:
        self.ticks.append(tick)
        self.news.set()

    def state(self, state: FeedState) -> None:
        self.states.append(state)
        self.news.set()

    async def until(self, holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(30):
            while not holds():
                self.news.clear()
                await self.news.wait()

    def volumes(self) -> dict[int, int]:
        return {tick.contract: tick.volume for tick in self.ticks}


@dataclass
class Bench:
    """A running emulator, its contracts, and a keeper on it."""

    emulator: RunningEmulator
    http: Http
    contracts: list[Contract]
    listings: dict[int, Listing]
    seen: Seen = field(default_factory=Seen)

    async def shoonya(self, uid: str = "FN0001") -> tuple[Account, ShoonyaClient]:
        signs = Credentials(uid, password="demo-password", totp_secret="JBSWY3DPEHPK3PXP", api_secret="demo-secret")
        client = ShoonyaClient(self.http, ShoonyaUrls.of(LEGACY, self.emulator.url), uid, signs, Drawer(), _Wall())
        await client.login(SignInHelp())
        return Account(uid, client, Budget(((1000, 1.0),), _Wall(), None, "x"), _Wall()), client

    async def firstock(self) -> tuple[Account, FirstockClient]:
        client = FirstockClient(self.http, FirstockUrls.of(self.emulator.url), "second", FIRSTOCK, Drawer(), _Wall())
        await client.login(SignInHelp())
        return Account("second", client, Budget(((1000, 1.0),), _Wall(), None, "x"), _Wall()), client

    def advance(self, seconds: float) -> None:
        self.emulator.state.clock.advance(seconds)

    @asynccontextmanager
    async def keeping(self, *accounts: tuple[Account, ShoonyaClient | FirstockClient]) -> AsyncIterator[Keeper]:
        keeper = Keeper(accounts, _Wall(), self.seen.tick, self.seen.state, patience=QUICK)
        stop = asyncio.Event()
        running = asyncio.ensure_future(keeper.run(stop))
        try:
            yield keeper
        finally:
            stop.set()
            await running


class _Wall(StillClock):
    """The emulated evening does not matter here; one-time passwords need the machine's time."""

    def wall(self) -> float:
        return datetime.now().timestamp()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with cap_of(100) as made:
        yield made


@asynccontextmanager
async def cap_of(socket_cap: int) -> AsyncIterator[Bench]:
    config = EmulatorConfig(day=DAY, time=time(10, 0), rate=0, limits=(), underlyings=("TCS",), socket_cap=socket_cap)
    async with start(config) as emulator, Http() as http:
        listings = [one for one in emulator.state.world.in_master(DAY) if one.underlying == "TCS"]
        traded = [one for one in listings if len(emulator.state.world.minutes(one, DAY)) > 100][:10]
        contracts = [
            Contract(n, {"N": "NSE", "B": "BSE"}[one.exchange[0]], "CM" if one.kind == "spot" else "FO", one.token, one.symbol, "TCS", one.kind,
                     one.expiry, one.strike_paise, one.right, one.lot, one.tick_paise, one.symbol)
            for n, one in enumerate(traded, 1)
        ]
        yield Bench(emulator, http, contracts, dict(enumerate(traded, 1)))


def truth(bench: Bench, contract: int, at: datetime) -> int:
    """The day's volume that the emulator has sent by an instant."""
    from fnolake.emulator.ticks import Tape

    tick = Tape(bench.emulator.state.world.minutes(bench.listings[contract], DAY)).last_at(at.timestamp())
    return tick.volume if tick else 0


@pytest.mark.parametrize("broker", ["shoonya", "firstock"])
async def test_every_contract_answers_and_prints_follow_the_clock(bench: Bench, broker: str) -> None:
    account = await (bench.shoonya() if broker == "shoonya" else bench.firstock())
    async with bench.keeping(account) as keeper:
        keeper.want(bench.contracts)
        await bench.seen.until(lambda: {t.contract for t in bench.seen.ticks if t.snapshot} == set(bench.listings))
        bench.advance(120)
        at = datetime.combine(DAY, time(10, 2), IST)
        await bench.seen.until(lambda: bench.seen.volumes() == {n: truth(bench, n, at) for n in bench.listings})
        assert keeper.unserved == []
    assert all(tick.last_paise > 0 for tick in bench.seen.ticks)


async def test_a_silent_cap_is_found_out_and_the_rest_moves_to_another_account() -> None:
    async with cap_of(4) as bench, bench.keeping(await bench.shoonya(), await bench.shoonya("FN0002")) as keeper:
        keeper.want(bench.contracts[:6])
        await bench.seen.until(lambda: {t.contract for t in bench.seen.ticks} == set(range(1, 7)) and not keeper.unserved)
        keeper.want(bench.contracts[:10])
        await bench.seen.until(lambda: len(keeper.unserved) == 2 and len({t.contract for t in bench.seen.ticks}) == 8)


async def test_a_dropped_connection_is_opened_again_and_subscribed_again(bench: Bench) -> None:
    async with bench.keeping(await bench.shoonya()) as keeper:
        keeper.want(bench.contracts)
        await bench.seen.until(lambda: len({t.contract for t in bench.seen.ticks}) == len(bench.contracts))
        bench.emulator.state.faults.add({"fault": "socket_drop", "count": 1})
        bench.seen.ticks.clear()
        bench.advance(60)
        await bench.seen.until(lambda: any(s.state == LOST for s in bench.seen.states))
        await bench.seen.until(lambda: {t.contract for t in bench.seen.ticks if t.snapshot} == set(bench.listings))


async def test_a_lost_sign_in_is_renewed_once_and_a_second_loss_stops(bench: Bench) -> None:
    account, client = await bench.shoonya()
    async with bench.keeping((account, client)) as keeper:
        keeper.want(bench.contracts[:3])
        await bench.seen.until(lambda: len(bench.seen.ticks) >= 3)
        bench.emulator.state.signins.end("FN0001")
        await bench.seen.until(lambda: [s.state for s in bench.seen.states].count(OPEN) >= 3)
        bench.emulator.state.signins.end("FN0001")
        await bench.seen.until(lambda: any(s.state == OUT for s in bench.seen.states))
    assert "another program" in bench.seen.states[-1].reason


async def test_what_is_not_wanted_any_more_is_not_streamed(bench: Bench) -> None:
    async with bench.keeping(await bench.firstock()) as keeper:
        keeper.want(bench.contracts[:4])
        await bench.seen.until(lambda: len({t.contract for t in bench.seen.ticks}) == 4)
        keeper.want(bench.contracts[2:6])
        await bench.seen.until(lambda: len({t.contract for t in bench.seen.ticks}) == 6)
        bench.seen.ticks.clear()
        bench.advance(60)
        await bench.seen.until(lambda: {3, 4, 5, 6} <= {t.contract for t in bench.seen.ticks})
        assert {t.contract for t in bench.seen.ticks} == {3, 4, 5, 6}


async def test_a_half_open_connection_is_found_and_replaced(bench: Bench) -> None:
    account, client = await bench.shoonya()
    client.feed_facts = replace(client.feed_facts, beat_s=0.05, silence_s=0.2)
    bench.emulator.state.faults.add({"fault": "half_open_socket", "count": 1})
    async with bench.keeping((account, client)) as keeper:
        keeper.want(bench.contracts[:3])
        await bench.seen.until(lambda: len(bench.seen.ticks) >= 3)
        bench.advance(60)
        await bench.seen.until(lambda: any("silent" in s.reason for s in bench.seen.states))
        bench.seen.ticks.clear()
        await bench.seen.until(lambda: {t.contract for t in bench.seen.ticks if t.snapshot} == {1, 2, 3})


async def test_an_unreachable_socket_is_tried_again(bench: Bench) -> None:
    account, client = await bench.shoonya()
    client._urls = ShoonyaUrls(client._urls.rest, "ws://127.0.0.1:9/", client._urls.authorize, client._urls.masters, LEGACY)
    async with bench.keeping((account, client)) as keeper:
        keeper.want(bench.contracts[:1])
        await bench.seen.until(lambda: [s.state for s in bench.seen.states].count(LOST) >= 3)
        client._urls = ShoonyaUrls.of(LEGACY, bench.emulator.url)
        await bench.seen.until(lambda: bool(bench.seen.ticks))

