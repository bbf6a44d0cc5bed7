"""The record of what the sockets sent: equal to what a client hears, honest about what a fault or the cap kept back."""

import asyncio
import json
from collections import Counter
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import WSMsgType

FUTURE, INDEX = "NFO|52509", "NSE|26000"
OVER = (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)


class Ear:
    """A raw socket of either broker that counts what it hears."""

    def __init__(self, ws, broker):
        self.ws, self.broker = ws, broker
        self.heard, self.frames = Counter(), 0

    async def subscribe(self, *contracts):
        text = {"t": "t", "k": "#".join(contracts)} if self.broker == "shoonya" else {
            "action": "subscribe", "tokens": "|".join(contracts).replace("NFO|", "NFO:").replace("NSE|", "NSE:")}
        await self.ws.send_str(json.dumps(text))

    async def hear(self, count):
        """Frames until that many instruments were told; whether the connection still stands."""
        while self.heard.total() < count:
            message = await asyncio.wait_for(self.ws.receive(), 5)
            if message.type in OVER:
                return False
            frame = json.loads(message.data)
            self.frames += 1
            shoonya = [f"{frame['e']}|{frame['tk']}"] if "tk" in frame else []
            self.heard.update(shoonya or [key.replace(":", "|") for key in frame if ":" in key])
        return True

    async def end(self):
        while (await asyncio.wait_for(self.ws.receive(), 5)).type not in OVER:
            pass


@asynccontextmanager
async def ear(client, broker):
    if broker == "shoonya":
        async with client.http.ws_connect(f"{client.url}/NorenWSAPI/") as ws:
            await ws.send_str(json.dumps({"t": "a", "uid": "FN0001", "actid": "FN0001", "accesstoken": client.token}))
            assert json.loads((await ws.receive()).data)["s"] == "OK"
            yield Ear(ws, broker)
    else:
        async with client.http.ws_connect(f"{client.url}/V2/ws", params={"userId": client.uid, "jKey": client.key}) as ws:
            assert json.loads((await ws.receive()).data)["status"] == "success"
            yield Ear(ws, broker)


@pytest.fixture(params=["shoonya", "firstock"])
async def signed(request, serve, serve_firstock):
    """A broker's name, a client signed in there, and the clock in the session."""
    settings = {"rate": 0, "limits": (), "socket_cap": 3}
    if request.param == "shoonya":
        client = await serve(**settings)
    else:
        client = await serve_firstock(firstock={"socket_cap": 3}, **settings)
    await client.control("POST", "clock", json={"set": "2026-11-20T11:05:00"})
    return request.param, client


async def minute(client):
    await client.control("POST", "clock", json={"advance": 60})


async def record(client, broker):
    """The newest connection of the record, its contracts by column."""
    told = await client.control("GET", "sent")
    line = told["connections"][-1]
    line["contracts"] = {name: dict(zip(told["columns"], row, strict=True)) for name, row in line["contracts"].items()}
    assert line["provider"] == broker
    return line


async def test_it_counts_what_the_client_hears(signed):
    broker, client = signed
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE, INDEX)
        assert await one.hear(2)
        await minute(client)
        assert await one.hear(10)
        line = await record(client, broker)
    assert {name: c["snapshots"] + c["prints"] for name, c in line["contracts"].items()} == one.heard
    assert {c["prints"] for c in line["contracts"].values()} == {4}
    assert line["contracts"][FUTURE]["last_at"] == 1795152900 + 60
    assert (line["user"], line["swallowed"], line["closed"], line["capped"]) == ("FN0001", 0, None, [])
    assert line["frames"] >= one.frames
    sums = (await client.control("GET", "sent", params={"contracts": "0"}))["providers"][broker]
    assert (sums["prints"], sums["snapshots"]) == (8, 2)


async def test_a_print_that_changes_neither_price_nor_volume_tells_nothing_but_of_an_index(signed):
    broker, client = signed
    client.emulator.state.world.minutes = still
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE, INDEX)
        await one.hear(2)
        await minute(client)
        assert await one.hear(10)
        counts = (await record(client, broker))["contracts"]
    assert [(counts[name]["prints"], counts[name]["told"]) for name in (FUTURE, INDEX)] == [(4, 0), (4, 4)]


def still(listing, session):
    """A market in which nothing moves."""
    from tests.emulator.conftest import minutes

    bars = minutes(385)
    for name in ("open", "high", "low", "close", "vwap_paise"):
        getattr(bars, name)[:] = 140_000
    bars.volume[:] = bars.cumulative[:] = bars.oi[:] = 0
    return bars


async def test_a_half_open_connection_swallows_what_falls_due(signed):
    broker, client = signed
    await client.control("POST", "faults", json={"fault": "half_open_socket", "count": 1})
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE)
        await one.hear(1)
        await minute(client)
        await minute(client)
        async with ear(client, broker) as other:
            await other.subscribe(INDEX)
            await other.hear(1)
        lines = (await client.control("GET", "sent"))["connections"]
    assert [line["prints"] for line in lines] == [0, 0]
    assert (lines[0]["ended"], lines[0]["swallowed"], lines[0]["closed"]) == ("silent", 8, None)


async def test_a_dropped_connection_says_so(signed):
    broker, client = signed
    await client.control("POST", "faults", json={"fault": "socket_drop"})
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE)
        await one.hear(1)
        await minute(client)
        await one.end()
        line = await record(client, broker)
    assert (line["ended"], line["prints"]) == ("dropped", 0)
    assert line["swallowed"] >= 1


async def test_what_the_cap_drops_is_named(signed):
    broker, client = signed
    contracts = [f"NFO|{60_000 + n}" for n in range(5)]
    async with ear(client, broker) as one:
        await one.subscribe(*contracts)
        await one.hear(3)
        await one.subscribe(contracts[0])
        assert await one.hear(4)
        line = await record(client, broker)
    assert (line["capped"], list(line["contracts"]), one.heard[contracts[0]]) == (contracts[3:], contracts[:3], 2)


async def test_after_a_restart_of_the_provider_snapshots_show_where_the_market_stands(signed):
    broker, client = signed
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE)
        await one.hear(1)
        await client.control("POST", "providers", json={"kill": broker})
        await one.end()
    await minute(client)
    with pytest.raises((aiohttp.ClientError, ConnectionError)):
        async with ear(client, broker):
            pass
    await client.control("POST", "providers", json={"revive": broker})
    async with ear(client, broker) as two:
        await two.subscribe(FUTURE)
        message = json.loads((await asyncio.wait_for(two.ws.receive(), 5)).data)
        price = float(message["lp"]) if broker == "shoonya" else message["NFO:52509"]["i_last_traded_price"] / 100
        await minute(client)
        two.heard.clear()
        assert await two.hear(4)
    assert price == 1401.11
    lines = (await client.control("GET", "sent"))["connections"]
    assert next(line["ended"] for line in lines) == "killed"
    assert [line["prints"] for line in lines] == [0, 4]


async def test_it_starts_afresh_while_connections_go_on(signed):
    broker, client = signed
    async with ear(client, broker) as one:
        await one.subscribe(FUTURE)
        await one.hear(1)
        await minute(client)
        await one.hear(5)
        assert (await client.control("DELETE", "sent"))["providers"][broker]["prints"] == 0
        await minute(client)
        await one.hear(9)
        count = (await record(client, broker))["contracts"][FUTURE]
    assert (count["snapshots"], count["prints"]) == (0, 4)


async def test_a_print_shown_by_the_snapshot_is_not_sent_again(signed):
    broker, client = signed
    async with ear(client, broker) as one:
        await one.subscribe(INDEX)
        await one.hear(1)
        await client.control("POST", "clock", json={"advance": 40})
        await one.hear(3)
        await one.subscribe(FUTURE)
        await one.hear(4)
        await client.control("POST", "clock", json={"advance": 10})
        await one.hear(6)
        line = await record(client, broker)
    assert line["contracts"][FUTURE] | {"snapshots": 1, "prints": 1} == line["contracts"][FUTURE]
