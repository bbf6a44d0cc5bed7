"""Faults that hit one provider and not the other, limits per user, and a provider that dies and comes back."""

import asyncio
import json
import time

import aiohttp
import pytest

from fnolake.emulator.__main__ import config_of


@pytest.fixture
async def client(serve_firstock):
    return await serve_firstock(limits=())


async def script(client, **fault):
    answer = await client.control("POST", "faults", json=fault)
    assert "faults" in answer, answer


async def rows(client, **fields):
    return (await client.series(**fields))[1]["data"]


async def shoonya(client, **fields):
    """TPSeries of the same ten minutes at the other broker."""
    signed = client.emulator.state.signins.live("FN0001") or client.emulator.state.signins.open("FN0001")
    data = {"uid": "FN0001", "exch": "NFO", "token": "52509", "st": "1795146300", "et": "1795146840", **fields}
    body = f"jData={json.dumps(data)}".encode()
    headers = {"Authorization": f"Bearer {signed.access_token}"}
    async with client.http.post(f"{client.url}/NorenWClientAPI/TPSeries", data=body, headers=headers) as answer:
        return answer.status, await answer.json(content_type=None)


@pytest.mark.parametrize(("name", "status", "text"), [
    ("rate_rejection", 429, '"name":"RATE_LIMIT_EXCEEDED"'), ("sign_in_loss", 401, '"name":"INVALID_JKEY"'), ("empty_body", 200, ""),
    ("html_502", 502, "<html>"), ("timeout_504", 504, "<html>"), ("false_no_data", 200, '"data":[]'),
    ("address_refused", 403, "not whitelisted"), ("banned", 403, "blocked"), ("forbidden", 403, "<html>"),
])
async def test_an_answer_fault_of_firstock_leaves_shoonya_alone(client, name, status, text):
    await script(client, fault=name, provider="firstock")
    fields = {"exchange": "NFO", "tradingSymbol": "M&M24NOV26F", "startTime": "09:15:00 20-11-2026",
              "endTime": "09:24:00 20-11-2026", "interval": "1mi", "userId": client.uid, "jKey": client.key}
    got, _, body = await client.ask("timePriceSeries", **fields)
    assert (got, text in body.decode()) == (status, True)
    assert bool(body) == bool(text)
    assert (await shoonya(client))[0] == 200
    assert len((await shoonya(client))[1]) == 10


async def test_a_fault_of_shoonya_leaves_firstock_alone_and_one_without_a_provider_hits_both(client):
    await script(client, fault="forbidden", provider="shoonya")
    assert len(await rows(client)) == 10
    await client.control("DELETE", "faults")
    await script(client, fault="html_502", route="history")
    with pytest.raises(ValueError):
        await client.series()
    assert (await client.post("userDetails"))[0] == 200
    report = (await client.control("GET", "faults"))["faults"][0]
    assert (report["route"], report["provider"], report["struck"]) == ("history", "", 1)


async def test_shoonya_says_a_ban_too(client):
    await script(client, fault="banned", provider="shoonya")
    signed = client.emulator.state.signins.live("FN0001")
    body = b'jData={"uid":"FN0001"}&jKey=' + signed.susertoken.encode()
    async with client.http.post(f"{client.url}/NorenWClientTP/UserDetails", data=body) as answer:
        assert (answer.status, "User Blocked" in await answer.text()) == (403, True)


async def test_hangs_and_cut_bodies(client):
    await script(client, fault="cut_body", provider="firstock", count=1)
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.series()
    await script(client, fault="hang", provider="firstock", seconds=0.05, count=1)
    with pytest.raises(aiohttp.ClientError):
        await client.series()
    assert len(await rows(client)) == 10


@pytest.mark.parametrize(("name", "check"), [
    ("malformed_row", lambda found: sum(row["open"] == "n/a" for row in found) == 1),
    ("zero_row", lambda found: sum(row["close"] == 0 for row in found) == 1),
    ("missing_minute", lambda found: len(found) == 9),
    ("duplicate", lambda found: len(found) == 11 and len({row["epochTime"] for row in found}) == 10),
    ("wrong_zone", lambda found: found[0]["time"] == "2026-11-20T03:45:00"),
    ("late_last_bar", lambda found: found[-1]["time"] == "2026-11-20T09:23:00"),
    ("clip_high", lambda found: sum(row["high"] == max(row["open"], row["close"]) for row in found) == 1),
])
async def test_a_row_fault_spoils_firstocks_rows_only(client, name, check):
    clean, other = await rows(client), (await shoonya(client))[1]
    await script(client, fault=name, provider="firstock")
    assert check(await rows(client))
    assert (await shoonya(client))[1] == other
    await client.control("DELETE", "faults")
    assert await rows(client) == clean


async def test_shoonyas_high_can_be_clipped_as_well(client):
    await script(client, fault="clip_high", provider="shoonya", token="NFO|52509")
    found = (await shoonya(client))[1]
    assert sum(float(row["inth"]) == max(float(row["into"]), float(row["intc"])) for row in found) == 1
    assert all(row["high"] > max(row["open"], row["close"]) for row in await rows(client))


async def test_a_shifted_volume_is_told_a_minute_later_and_the_sum_stays(serve_firstock):
    from fnolake.emulator.config import EmulatorConfig
    from fnolake.emulator.server import build_world

    world = build_world(EmulatorConfig(underlyings=("RELIANCE",)))
    future = min((o for o in world.listings if o.kind == "future"), key=lambda o: o.expiry)
    client = await serve_firstock(world=world, limits=())
    span = {"symbol": future.symbol, "end": "15:39:00 20-11-2026"}
    clean, told = await rows(client, **span), {"token": str(future.token), "et": "1795170000"}
    other = (await shoonya(client, **told))[1]
    await script(client, fault="volume_shift")
    spoiled, also = await rows(client, **span), (await shoonya(client, **told))[1]
    moved = [new["volume"] - old["volume"] for new, old in zip(spoiled, clean, strict=True)]
    at = next(n for n, change in enumerate(moved) if change)
    assert moved[at] < 0
    assert [n for n, change in enumerate(moved) if change] == [at, at + 1]
    assert (sum(moved), moved[at] % future.lot) == (0, 0)
    assert [int(n["intv"]) - int(o["intv"]) for n, o in zip(also[::-1], other[::-1], strict=True)] == moved
    for one, after in zip(also[1:], also, strict=False):
        assert int(after["v"]) - int(one["v"]) == int(after["intv"])


async def test_limits_are_per_user_and_kind_and_a_429_may_be_plain_text(serve_firstock):
    client = await serve_firstock(firstock={"history": "3/s", "quotes": "1/s", "other": "10/s"})
    started = time.monotonic()
    statuses = [(await client.series())[0] for _ in range(4)]
    assert time.monotonic() - started < 1
    assert statuses == [200, 200, 200, 429]
    quotes = [(await client.post("getQuote", exchange="NSE", tradingSymbol="NIFTY"))[0] for _ in range(2)]
    assert quotes == [200, 429]
    second = client.other("FN0002")
    await second.login()
    assert (await second.series())[0] == 200
    await client.control("POST", "firstock", json={"too_many": "text"})
    status, kind, body = await client.ask("timePriceSeries", userId=client.uid, jKey=client.key)
    assert (status, kind, b"rate limit" in body) == (429, "text/plain", True)
    users = {(one["user"], one["kind"]): one for one in (await client.control("GET", "asked"))["users"]
             if one["provider"] == "firstock"}
    assert users["FN0001", "history"]["rejections"] == 2
    assert users["FN0002", "history"] | {"max_in_second": 1, "rejections": 0} == users["FN0002", "history"]


async def test_only_known_addresses_are_answered_but_masters_are_public(client):
    await client.control("POST", "firstock", json={"addresses": ["203.0.113.7"]})
    for call in (client.login(), client.series()):
        status, answer = await call
        assert (status, answer["name"], answer["error"]["message"]) == (403, "FORBIDDEN", "IP address is not whitelisted")
    assert (await client.symbols("NFO"))[0] == 200
    await client.control("POST", "firstock", json={"addresses": ["127.0.0.1"]})
    assert (await client.series())[0] == 200


@pytest.mark.parametrize("killed", ["firstock", "shoonya"])
async def test_a_killed_provider_resets_connections_until_it_is_revived(client, killed):
    given = {"userId": client.uid, "jKey": client.key}
    async with client.http.ws_connect(f"{client.url}/V2/ws", params=given) as ws:
        await ws.receive()
        assert await client.control("POST", "providers", json={"kill": killed}) == {
            name: "down" if name == killed else "up" for name in ("shoonya", "firstock")}
        dead, alive = (client.series, shoonya) if killed == "firstock" else (shoonya, client.series)
        with pytest.raises(aiohttp.ClientConnectionError):
            await dead(*([client] if dead is shoonya else []))
        assert (await alive(*([client] if alive is shoonya else [])))[0] == 200
        if killed == "firstock":
            assert (await asyncio.wait_for(ws.receive(), 5)).type != aiohttp.WSMsgType.TEXT
            with pytest.raises(aiohttp.ClientConnectionError):
                await client.symbols("NFO")
    await client.control("POST", "providers", json={"revive": killed})
    assert [(await client.series())[0], (await shoonya(client))[0]] == [200, 200]


async def test_a_revoked_sign_in_is_lost_at_the_named_provider_only(client):
    answer = await client.control("POST", "signins", json={"revoke": "FN0001", "provider": "firstock"})
    assert answer == {"ended": 1, "shoonya": {"FN0001": 1}, "firstock": {}}
    assert (await client.series())[1]["name"] == "INVALID_JKEY"
    assert (await shoonya(client))[0] == 200
    await client.login()
    assert (await client.series())[0] == 200
    assert (await client.control("POST", "signins", json={"revoke": "FN0001"}))["ended"] == 2


async def test_masters_can_fail_at_one_provider(client):
    await script(client, fault="html_502", provider="firstock", route="symbols", count=1)
    assert [(await client.symbols("NFO"))[0] for _ in range(2)] == [502, 200]
    async with client.http.get(f"{client.url}/NFO_symbols.txt.zip") as answer:
        assert answer.status == 200


@pytest.mark.parametrize(("name", "sent"), [
    ("faults", {"fault": "hang", "provider": "zerodha"}), ("providers", {"kill": "zerodha"}), ("providers", {}),
    ("signins", {"revoke": "FN9999"}), ("firstock", {"empty": "nothing"}), ("firstock", {"colour": "red"}), ("clock", ["x"]),
])
async def test_a_control_request_that_makes_no_sense_is_refused_in_words(client, name, sent):
    assert (await client.control("POST", name, json=sent))["error"]


async def test_the_log_tells_who_asked_what_of_whom(client):
    await client.series()
    await client.series()
    asked = await client.control("GET", "asked", params={"route": "timePriceSeries"})
    assert asked["log"][0] | {
        "provider": "firstock", "user": "FN0001", "contract": "NFO|52509", "symbol": "M&M24NOV26F", "interval": "1mi",
        "outcome": "rows:10"} == asked["log"][0]
    assert asked["repeated"] == 1
    known = (await client.control("GET", "faults"))["known"]
    assert {"clip_high", "volume_shift", "missing_minute"} <= set(known["row"])


def test_limits_named_for_both_brokers_reach_firstock():
    assert config_of(["--limits", "off"]).firstock.history == ()
    assert config_of(["--limits", "half"]).firstock.other == ((5, 1.0),)
    assert config_of(["--limits", "10/s"]).firstock.history == ((3, 1.0),)
    assert config_of(["--limits", "off", "--firstock", "history=2/s", "empty=404"]).firstock.history == ((2, 1.0),)
