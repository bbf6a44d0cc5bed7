"""The emulated socket: sign-in, acks, prints that follow the emulated clock, the silent cap, and its faults."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType

FUTURE, INDEX = "NFO|52509", "NSE|26000"


class Socket:
    def __init__(self, ws):
        self.ws = ws

    async def send(self, **frame):
        await self.ws.send_str(json.dumps(frame))

    async def read(self):
        return json.loads((await asyncio.wait_for(self.ws.receive(), 5)).data)

    async def ask(self, **frame):
        await self.send(**frame)
        return await self.read()


@asynccontextmanager
async def connected(client, path="NorenWSAPI/", kind="a", field="accesstoken", token=None):
    async with client.http.ws_connect(f"{client.url}/{path}") as ws:
        socket = Socket(ws)
        socket.ack = await socket.ask(t=kind, uid="FN0001", actid="FN0001", source="API",
                                      **{field: token or client.token})
        yield socket


@pytest.fixture
async def client(serve):
    client = await serve(rate=0, limits=())
    await client.control("POST", "clock", json={"set": "2026-11-20T11:05:00"})
    return client


@pytest.mark.parametrize(("path", "kind", "field", "ack"), [
    ("NorenWSAPI/", "a", "accesstoken", "ak"), ("NorenWSTP/", "c", "susertoken", "ck"),
])
async def test_both_generations_sign_in(client, path, kind, field, ack):
    async with connected(client, path, kind, field) as socket:
        assert socket.ack == {"t": ack, "uid": "FN0001", "s": "OK"}


async def test_a_wrong_token_is_refused_and_closed_with_1008(client):
    async with connected(client, token="guess") as socket:
        assert socket.ack["s"] == "NOT_OK"
        assert (await socket.ws.receive()).type == WSMsgType.CLOSE
        assert socket.ws.close_code == 1008


async def test_a_subscription_is_acked_with_a_snapshot_and_then_prints_follow_the_clock(client):
    async with connected(client) as socket:
        ack = await socket.ask(t="t", k=f"{FUTURE}#{INDEX}")
        assert ack | {"t": "tk", "e": "NFO", "tk": "52509", "ts": "M&M24NOV26F", "ls": "500"} == ack
        assert (ack["o"], ack["lp"], ack["oi"]) == ("1400.00", "1401.10", "11100")
        index = await socket.read()
        assert not {"v", "bp1", "oi"} & set(index)
        await client.control("POST", "clock", json={"advance": 60})
        frames = [await socket.read() for _ in range(8)]
    future = [f for f in frames if f["tk"] == "52509"]
    assert [f["lp"] for f in future] == ["1401.00", "1401.30", "1401.15", "1401.11"]
    assert future[-1]["v"] == str(111 * 500 + 125)
    assert {f["t"] for f in frames} == {"tf"}


async def test_the_prints_of_a_minute_give_its_bar_back(client):
    async with connected(client) as socket:
        await socket.ask(t="t", k=FUTURE)
        await client.control("POST", "clock", json={"advance": 59.5})
        prices = [float((await socket.read())["lp"]) for _ in range(3)]
    assert (max([1401.10, *prices]), min([1401.10, *prices])) == (1401.30, 1401.00)


async def test_depth_unsubscribe_heartbeat_and_nonsense(client):
    async with connected(client) as socket:
        ack = await socket.ask(t="d", k=FUTURE)
        assert ack["t"] == "dk"
        assert {"bp5", "sp5"} <= set(ack)
        assert await socket.ask(t="ud", k=FUTURE) == {"t": "udk", "k": FUTURE}
        await socket.ws.send_str("nonsense")
        assert await socket.ask(t="h") == {"t": "h"}
        await client.control("POST", "clock", json={"advance": 60})
        assert await socket.ask(t="h") == {"t": "h"}


async def test_tokens_beyond_the_cap_are_dropped_without_a_word(serve):
    client = await serve(socket_cap=2, rate=0)
    async with connected(client) as socket:
        await socket.send(t="t", k="NFO|60000#NFO|60001#NFO|60002")
        assert [(await socket.read())["tk"] for _ in range(2)] == ["60000", "60001"]
        assert (await socket.ask(t="h"))["t"] == "h"
    asked = await client.control("GET", "asked", params={"route": "subscribe"})
    assert [e["outcome"] for e in asked["log"]] == ["ok", "ok", "capped"]


async def test_a_long_jump_sends_only_where_the_market_then_stands(client):
    async with connected(client) as socket:
        await socket.ask(t="t", k=FUTURE)
        await client.control("POST", "clock", json={"advance": 7200})
        frames = [await socket.read() for _ in range(4)]
        assert (await socket.ask(t="h"))["t"] == "h"
    assert frames[-1]["lp"] == "1402.30"


async def test_a_new_sign_in_closes_the_old_ones_socket(client):
    async with connected(client) as socket:
        await client.quick_auth()
        assert (await asyncio.wait_for(socket.ws.receive(), 5)).type == WSMsgType.CLOSE
        assert socket.ws.close_code == 1008


async def test_the_socket_closes_when_the_emulator_ends(client):
    async with connected(client) as socket:
        client.emulator.state.closing.set()
        assert (await asyncio.wait_for(socket.ws.receive(), 5)).type == WSMsgType.CLOSE


async def test_a_dropped_socket_ends_without_a_close(client):
    await client.control("POST", "faults", json={"fault": "socket drop", "after": 2})
    async with connected(client) as socket:
        await socket.ask(t="t", k=FUTURE)
        await client.control("POST", "clock", json={"advance": 60})
        assert [(await socket.read())["t"] for _ in range(2)] == ["tf", "tf"]
        assert (await asyncio.wait_for(socket.ws.receive(), 5)).type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)
        assert socket.ws.close_code != 1000


async def test_a_half_open_socket_stays_open_and_silent(client):
    await client.control("POST", "faults", json={"fault": "half_open_socket", "after": 1, "count": 1})
    async with connected(client) as socket:
        await socket.ask(t="t", k=FUTURE)
        await client.control("POST", "clock", json={"advance": 60})
        assert (await socket.read())["t"] == "tf"
        await socket.send(t="h")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.ws.receive(), 0.2)
        assert not socket.ws.closed


async def test_zero_ticks_carry_no_price(client):
    await client.control("POST", "faults", json={"fault": "zero ticks", "token": "52509", "count": 1})
    async with connected(client) as socket:
        await socket.ask(t="t", k=FUTURE)
        await client.control("POST", "clock", json={"advance": 60})
        assert [(await socket.read())["lp"] for _ in range(2)] == ["0.00", "1401.30"]
