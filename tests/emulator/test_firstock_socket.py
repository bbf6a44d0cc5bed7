"""The emulated Firstock socket: it signs in by its address, sends whole snapshots, then only what has changed."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest
from aiohttp import WSMsgType

FUTURE, INDEX = "NFO:52509", "NSE:26000"
SENTINEL = 9223372036854775808


class Socket:
    def __init__(self, ws):
        self.ws = ws

    async def send(self, action, tokens):
        await self.ws.send_str(json.dumps({"action": action, "tokens": tokens}))

    async def read(self):
        return json.loads((await asyncio.wait_for(self.ws.receive(), 5)).data)

    async def subscribed(self, tokens):
        await self.send("subscribe", tokens)
        return await self.read()


@asynccontextmanager
async def connected(client, **query):
    given = {"userId": client.uid, "jKey": client.key, "source": "developer-api"} | query
    async with client.http.ws_connect(f"{client.url}/V2/ws", params=given) as ws:
        socket = Socket(ws)
        socket.said = await socket.read()
        yield socket


@pytest.fixture
async def client(serve_firstock):
    client = await serve_firstock()
    await client.control("POST", "clock", json={"set": "2026-11-20T11:05:00"})
    return client


async def minute(client):
    await client.control("POST", "clock", json={"advance": 60})


async def test_the_address_signs_in_and_the_first_frame_says_so(client):
    async with connected(client) as socket:
        assert socket.said == {"status": "success", "message": "Authentication successful"}


@pytest.mark.parametrize("query", [{"jKey": "guess"}, {"userId": "FN0002"}, {"jKey": ""}])
async def test_who_is_not_signed_in_is_told_and_closed(client, query):
    async with connected(client, **query) as socket:
        assert socket.said == {"status": "failed", "message": "unauthenticated"}
        assert (await socket.ws.receive()).type == WSMsgType.CLOSE


async def test_the_fourth_socket_of_a_user_is_turned_away(client):
    async with connected(client), connected(client), connected(client) as third:
        async with connected(client) as fourth:
            assert fourth.said == {"status": "failed", "message": "Maximum sessions limit (3) reached"}
        other = client.other("FN0002")
        await other.login()
        async with connected(other) as socket:
            assert socket.said["status"] == "success"
        assert third.said["status"] == "success"
    async with connected(client) as socket:
        assert socket.said["status"] == "success"


async def test_a_subscription_is_answered_by_one_frame_of_snapshots_without_an_ack(client):
    async with connected(client) as socket:
        frame = await socket.subscribed(f"{FUTURE}|{INDEX}")
        future, index = frame[FUTURE], frame[INDEX]
    assert (future["i_last_traded_price"], future["i_open_price"], future["i_closing_price"]) == (140110, 140000, 139000)
    assert (future["c_exch_seg"], future["c_symbol"], future["i_open_interest"]) == ("NFO", "52509", 11100)
    assert (future["c_exch_feed_time"], future["i_feed_time"]) == ("20-Nov-2026 11:05:00", 1795152900)
    assert (future["i_seconds_since_boe"], future["c_net_change_indicator"]) == (1795152900 * 10**9, "43")
    assert len(future["best_buy"]) == 5
    assert set(future["best_sell"][4]) == {"price", "quantity", "orders"}
    assert (index["best_buy"], index["i_last_trade_time"]) == ([{}] * 5, 0)
    assert "i_volume_traded_today" not in index


async def test_later_frames_hold_several_contracts_and_only_what_changed(client):
    async with connected(client) as socket:
        await socket.subscribed(f"{FUTURE}|{INDEX}")
        await minute(client)
        frames = [await socket.read() for _ in range(4)]
    assert all(set(frame) == {FUTURE, INDEX} for frame in frames)
    assert [frame[FUTURE]["i_last_traded_price"] for frame in frames] == [140100, 140130, 140115, 140111]
    assert frames[-1][FUTURE]["i_volume_traded_today"] == 111 * 500 + 125
    assert not {"c_symbol", "i_closing_price", "i_open_price"} & set(frames[0][FUTURE])
    assert set(frames[0][FUTURE]["best_buy"][1]) == {"price"}


async def test_a_book_level_that_stands_is_an_empty_object(client):
    from fnolake.emulator.firstock_socket import delta

    before = {"best_buy": [{"price": 1, "quantity": 2}, {"price": 3, "quantity": 4}], "x": 1}
    now = {"best_buy": [{"price": 1, "quantity": 9}, {"price": 3, "quantity": 4}], "x": 1}
    assert delta(before, now) == {"best_buy": [{"quantity": 9}, {}]}


async def test_members_without_a_value_can_be_sent_as_sentinels_and_nulls(client):
    await client.control("POST", "firstock", json={"sentinels": True})
    async with connected(client) as socket:
        await socket.subscribed(FUTURE)
        await minute(client)
        frame = (await socket.read())[FUTURE]
    assert (frame["i_open_price"], frame["close_price"]) == (SENTINEL, None)
    assert frame["i_last_traded_price"] == 140100


async def test_unsubscribing_is_silent_and_nonsense_is_ignored(client):
    async with connected(client) as socket:
        await socket.subscribed(f"{FUTURE}|{INDEX}")
        await socket.ws.send_str("nonsense")
        await socket.send("subscribe", "NFO:1|MCX:2")
        await socket.send("unsubscribe", FUTURE)
        await socket.subscribed(INDEX)
        await minute(client)
        assert set(await socket.read()) == {INDEX}


@pytest.mark.parametrize("ending", ["logout", "revoke", "night", "second login"])
async def test_a_socket_closes_with_its_sign_in(client, ending):
    async with connected(client) as socket:
        if ending == "logout":
            await client.post("logout")
        elif ending == "revoke":
            await client.control("POST", "signins", json={"revoke": "FN0001", "provider": "firstock"})
        elif ending == "night":
            await client.control("POST", "clock", json={"set": "2026-11-21T03:00:00"})
        else:
            await client.login()
        assert (await asyncio.wait_for(socket.ws.receive(), 5)).type == WSMsgType.CLOSE


async def test_it_pings_and_drops_who_does_not_answer(serve_firstock):
    client = await serve_firstock(firstock={"ping_s": 0.1})
    given = {"userId": client.uid, "jKey": client.key}
    async with client.http.ws_connect(f"{client.url}/V2/ws", params=given, autoping=False) as ws:
        assert (await ws.receive()).type == WSMsgType.TEXT
        assert (await asyncio.wait_for(ws.receive(), 5)).type == WSMsgType.PING
        kinds = {(await asyncio.wait_for(ws.receive(), 5)).type for _ in range(2)}
        assert kinds & {WSMsgType.CLOSED, WSMsgType.CLOSE, WSMsgType.ERROR}


async def test_a_socket_can_be_dropped_go_silent_or_send_zeros(client):
    async with connected(client) as socket:
        await socket.subscribed(FUTURE)
        await client.control("POST", "faults", json={"fault": "zero_ticks", "provider": "firstock", "count": 1})
        await minute(client)
        assert [(await socket.read())[FUTURE]["i_last_traded_price"] for _ in range(4)][:2] == [0, 140130]
        await client.control("POST", "faults", json={"fault": "half_open_socket", "provider": "firstock"})
        await minute(client)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.ws.receive(), 0.2)
    await client.control("DELETE", "faults")
    async with connected(client) as socket:
        await socket.subscribed(FUTURE)
        await client.control("POST", "faults", json={"fault": "socket_drop", "provider": "firstock"})
        await minute(client)
        assert (await asyncio.wait_for(socket.ws.receive(), 5)).type in (WSMsgType.CLOSED, WSMsgType.ERROR, WSMsgType.CLOSE)


async def test_a_plain_get_is_no_socket(client):
    async with client.http.get(f"{client.url}/V2/ws") as answer:
        assert answer.status == 400
