"""
Live prints of many contracts at 60 x speed: messages/s, lost ticks (must be 0) by count against the emulator's own record, minute bars made of
the ticks against the emulated market's (every one must be equal), lag (must be under 1 s) and CPU of the client (must be under one core). All in wall time; the emulator runs in another process.

    python benchmarks/live.py [--contracts 3000] [--minutes 30] [--cap 500] [--broker shoonya|firstock|both] [--busiest]

The client is the product's: sockets, frames, and the keeper of connections; the recorder behind it is not. Exit 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import time
from array import array
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from fnolake.emulator.config import DEMO_UNDERLYINGS
from fnolake.emulator.world import World
from fnolake.model import Contract
from fnolake.model.tick import FeedState, Tick
from fnolake.provider.account import Account
from fnolake.provider.base import SignInHelp
from fnolake.provider.budget import Budget
from fnolake.provider.clock import SystemClock
from fnolake.provider.firstock.client import FirstockClient
from fnolake.provider.firstock.signin import Credentials as FirstockCredentials
from fnolake.provider.firstock.signin import FirstockUrls
from fnolake.provider.http import Http
from fnolake.provider.shoonya.client import ShoonyaClient
from fnolake.provider.shoonya.signin import LEGACY, Credentials, ShoonyaUrls
from fnolake.provider.streams import Keeper
from fnolake.testing import Drawer

DAY = date(2026, 11, 20)
LAG_S, CORES = 1.0, 1.0
SOCKETS = {"shoonya": 1, "firstock": 3}


@dataclass
class Heard:
    """What arrived."""

    ticks: Counter[int] = field(default_factory=Counter)
    columns: list[array[int]] = field(default_factory=lambda: [array("q") for _ in range(6)])
    states: list[FeedState] = field(default_factory=list)

    def tick(self, tick: Tick) -> None:
        self.ticks[tick.contract] += 1
        for column, value in zip(self.columns, (tick.contract, tick.at_us, tick.received_us, tick.last_paise, tick.volume, tick.snapshot), strict=True):
            column.append(value)

    def table(self) -> pl.DataFrame:
        """Every tick, in order of arrival."""
        names = ("contract", "at_us", "received_us", "last", "volume", "snapshot")
        return pl.DataFrame({name: np.frombuffer(column, np.int64) for name, column in zip(names, self.columns, strict=True)})


def choose(world: World, count: int, *, busiest: bool) -> list[Contract]:
    """Traded contracts: the busiest, or every n-th from the busiest to the quietest."""
    busy = sorted((row for row in world.truth(DAY) if row.traded), key=lambda row: -row.bars)
    if len(busy) < count:
        sys.exit(f"only {len(busy)} contracts trade that day")
    taken = busy[:count] if busiest else [busy[n * len(busy) // count] for n in range(count)]
    found = [world.find(row.exchange, row.token, DAY) for row in taken]
    return [
        Contract(n, one.venue, "CM" if one.kind == "spot" else "FO", one.token, one.symbol, one.underlying, one.kind, one.expiry,
                 one.strike_paise, one.right, one.lot, one.tick_paise, one.symbol)
        for n, one in enumerate(found, 1) if one is not None
    ]


class Emulator:
    """The emulator in its own process."""

    def __init__(self, http: Http, *words: str) -> None:
        command = [sys.executable, "-m", "fnolake.emulator", "--port", "0", "--date", DAY.isoformat(), "--time", "09:14", "--rate", "0", "--demo"]
        self._process = subprocess.Popen([*command, "--limits", "off", *words], stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.url = json.loads(self._process.stdout.readline())["url"]
        self._http = http

    async def get(self, path: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads((await self._http.get(f"{self.url}/emulator/{path}")).body)
        return answer

    async def rate(self, rate: float) -> tuple[float, float]:
        """Set the clock's rate; an emulated epoch and the wall time at which it was."""
        await self._http.post(f"{self.url}/emulator/clock", json.dumps({"rate": rate}).encode())
        before = time.time()
        told = (await self.get("clock"))["epoch"]
        return told, (before + time.time()) / 2

    def cpu_s(self) -> float:
        """Seconds of CPU so far, as /proc tells them."""
        words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


async def accounts(http: Http, url: str, broker: str, users: int) -> list[tuple[Account, ShoonyaClient | FirstockClient]]:
    """That many users of a broker, signed in."""
    clock, made = SystemClock(), []
    for number in range(1, users + 1):
        uid, client = f"FN{number:04}", None
        if broker == "shoonya":
            legacy = Credentials(uid, password="demo-password", totp_secret="JBSWY3DPEHPK3PXP", api_secret="demo-secret")
            client = ShoonyaClient(http, ShoonyaUrls.of(LEGACY, url), uid, legacy, Drawer(), clock)
        else:
            signs = FirstockCredentials(uid, "demo-password", "JBSWY3DPEHPK3PXP", f"{uid}_API", "0123456789abcdef0123456789abcdef")
            client = FirstockClient(http, FirstockUrls.of(url), uid, signs, Drawer(), clock)
        await client.login(SignInHelp())
        made.append((Account(uid, client, Budget(((1000, 1.0),), clock, None, uid), clock), client))
    return made


@asynccontextmanager
async def keeping(keeper: Keeper) -> AsyncIterator[None]:
    stop = asyncio.Event()
    running = asyncio.ensure_future(keeper.run(stop))
    try:
        yield
    finally:
        stop.set()
        await running


def sent_by(record: dict[str, Any], contracts: list[Contract]) -> dict[int, int]:
    """Snapshots and prints that told something, by our number of the contract."""
    snapshots, told = record["columns"].index("snapshots"), record["columns"].index("told")
    total: Counter[str] = Counter()
    for provider in record["providers"].values():
        for name, row in provider["contracts"].items():
            total[name] += row[snapshots] + row[told]
    return {one.contract: total["{}|{}".format(*exchange(one))] for one in contracts}


async def run(given: argparse.Namespace) -> int:
    world = World.build(DAY, underlyings=DEMO_UNDERLYINGS)
    contracts = choose(world, given.contracts, busiest=given.busiest)
    brokers = ("shoonya", "firstock") if given.broker == "both" else (given.broker,)
    users = {name: -(-given.contracts // (given.cap * SOCKETS[name] * len(brokers))) for name in brokers}
    async with Http() as http:
        emulator = Emulator(http, "--users", str(max(users.values())), "--socket-cap", str(given.cap), "--firstock", f"socket_cap={given.cap}")
        try:
            signed = [one for name in brokers for one in await accounts(http, emulator.url, name, users[name])]
            return await measure(given, emulator, world, contracts, signed)
        finally:
            emulator.end()


async def settled(emulator: Emulator, heard: Heard) -> None:
    """Until nothing more is answered: what was asked twice on a busy machine would else be answered in the middle of a minute."""
    before = -1
    for _ in range(120):
        snapshots = sum(provider["snapshots"] for provider in (await emulator.get("sent?contracts=0"))["providers"].values())
        if snapshots == before == heard.ticks.total():
            return
        before = snapshots
        await asyncio.sleep(1)


async def measure(given: argparse.Namespace, emulator: Emulator, world: World, contracts: list[Contract], signed: list[Any]) -> int:
    heard = Heard()
    keeper = Keeper(signed, SystemClock(), heard.tick, heard.states.append)
    async with keeping(keeper):
        keeper.want(contracts)
        before = time.monotonic()
        for _ in range(1200):
            if len(heard.ticks) == len(contracts) and not keeper.unserved:
                break
            await asyncio.sleep(0.1)
        await settled(emulator, heard)
        print(f"{len(heard.ticks):,} of {len(contracts):,} contracts answered on "
              f"{len({(s.account, s.provider, s.connection) for s in heard.states})} connections in {time.monotonic() - before:.1f} s; load {os.getloadavg()[0]:.1f}")
        epoch, wall = await emulator.rate(given.rate)
        cpu, served, start = time.process_time(), emulator.cpu_s(), time.monotonic()
        await asyncio.sleep(given.minutes * 60 / given.rate)
        cpu, served, took = time.process_time() - cpu, emulator.cpu_s() - served, time.monotonic() - start
        until, _ = await emulator.rate(0)
        await asyncio.sleep(2)
        record = await emulator.get("sent")
    over = report(given, heard, record, contracts, (epoch, wall), (cpu, served, took))
    equal, wrong = bars(heard.table(), world, contracts, int(until) // 60 * 60)
    print(f"minute bars equal to the market's: {equal:,}, wrong or absent: {wrong} (limit 0)")
    return int(over or wrong > 0)


def bars(ticks: pl.DataFrame, world: World, contracts: list[Contract], until_s: int) -> tuple[int, int]:
    """How many of the market's minutes that had ended the ticks give back exactly, and how many they do not; both without the pre-open."""
    names = ["contract", "minute", "open", "high", "low", "close", "volume"]
    grown = pl.col("volume").diff().over("contract").fill_null(0).clip(0)
    made = (
        ticks.with_columns(grown=grown, minute=pl.col("at_us") // 60_000_000 * 60).filter(pl.col("snapshot") == 0)
        .group_by("contract", "minute", maintain_order=True)
        .agg(open=pl.first("last"), high=pl.max("last"), low=pl.min("last"), close=pl.last("last"), volume=pl.sum("grown"))
    )
    true = []
    for one in contracts:
        listing = world.find(*exchange(one), DAY)
        assert listing is not None
        m = world.minutes(listing, DAY)
        true.append(pl.DataFrame([np.full(len(m), one.contract), m.epoch_s, m.open, m.high, m.low, m.close, m.volume, m.phase], schema=[*names, "phase"]))
    ended = pl.concat(true).filter(pl.col("minute") < until_s, pl.col("phase") > 0)
    equal = ended.join(made, on=names, how="semi").height
    for minute, count in ended.join(made, on=names, how="anti").group_by("minute").len().sort("minute").rows():
        print(f"  {count} not equal at {time.strftime('%H:%M', time.gmtime(minute + 19_800))}")
    return equal, ended.height - equal


def exchange(one: Contract) -> tuple[str, int]:
    """The broker's name of where it is, and its token."""
    return {("NSE", "CM"): "NSE", ("NSE", "FO"): "NFO", ("BSE", "CM"): "BSE", ("BSE", "FO"): "BFO"}[one.venue, one.segment], one.token


def report(
    given: argparse.Namespace, heard: Heard, record: dict[str, Any], contracts: list[Contract], zero: tuple[float, float], spent: tuple[float, float, float],
) -> int:
    """Print what was measured; 1 if a limit is broken."""
    cpu, served, took = spent
    sent = sent_by(record, contracts)
    lost = sum(max(sent[n] - heard.ticks[n], 0) for n in sent)
    more = sum(max(heard.ticks[n] - sent[n], 0) for n in sent)
    received, at = heard.table().filter(pl.col("snapshot") == 0).select("received_us", "at_us").to_numpy().T
    lag = received / 1e6 - (zero[1] + (at / 1e6 - zero[0]) / given.rate)
    seconds = np.bincount((received - received.min()) // 1_000_000)
    frames = sum(line["frames"] for line in record["connections"])
    swallowed = sum(line["swallowed"] for line in record["connections"])
    capped = sum(len(line["capped"]) for line in record["connections"])
    ended = Counter(s.state for s in heard.states if s.state != "open")
    print(f"{given.minutes} emulated minutes at {given.rate:g} x, cap {given.cap}, {given.broker}: {len(received):,} ticks, {len(received) / took:,.0f}/s, "
          f"peak {seconds.max():,}/s; {frames:,} frames")
    print(f"lost {lost} (limit 0), more than sent {more}, kept back by faults {swallowed}, beyond the cap {capped}, connections lost {dict(ended)}")
    print(f"lag {np.median(lag) * 1000:.0f} ms median, {np.quantile(lag, 0.99) * 1000:.0f} ms p99, {lag.max() * 1000:.0f} ms worst (limit {LAG_S * 1000:.0f})")
    print(f"CPU {cpu / took:.2f} cores client (limit {CORES:g}), {served / took:.2f} cores emulator; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    return int(bool(lost or more) or lag.max() > LAG_S or cpu / took > CORES)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=3000)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--cap", type=int, default=500)
    parser.add_argument("--rate", type=float, default=60)
    parser.add_argument("--broker", choices=("shoonya", "firstock", "both"), default="shoonya")
    parser.add_argument("--busiest", action="store_true")
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    raise SystemExit(main())
