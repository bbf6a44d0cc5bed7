"""The generated market through the wire: what the routes, the socket and the files say of it agrees."""

import asyncio
import csv
import io
import json
import zipfile
from datetime import date, datetime

import pytest

from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.server import build_world
from fnolake.model import IST

DAY = date(2026, 11, 20)
BROWSER = {"User-Agent": "Mozilla/5.0"}


def at(hour, minute):
    return str(datetime(DAY.year, DAY.month, DAY.day, hour, minute, tzinfo=IST).timestamp())


@pytest.fixture(scope="module")
def market():
    return build_world(EmulatorConfig(underlyings=("RELIANCE", "NIFTY", "SENSEX")))


@pytest.fixture
async def client(serve, market):
    return await serve(world=market, limits=(), rate=0)


def near_future(market, underlying="RELIANCE"):
    live = [o for o in market.listings if o.underlying == underlying and o.kind == "future" and o.expiry >= DAY]
    return min(live, key=lambda o: o.expiry)


async def bhavcopy(client, path):
    async with client.http.get(f"{client.url}/{path}", headers=BROWSER) as answer:
        body = await answer.read()
    if body.startswith(b"PK"):
        archive = zipfile.ZipFile(io.BytesIO(body))
        body = archive.read(archive.namelist()[0])
    return list(csv.DictReader(body.decode().splitlines()))


async def test_minutes_quote_daily_bar_and_bhavcopy_tell_the_same(client, market):
    future = near_future(market)
    _, rows = await client.series(exch="NFO", token=str(future.token), st=at(9, 0))
    quote = json.loads((await client.post("GetQuotes", exch="NFO", token=str(future.token)))[1])
    daily = json.loads((await client.post("EODChartData", sym=f"NFO:{future.symbol}", **{"from": at(0, 0)}))[1])
    volume = sum(int(row["intv"]) for row in rows)
    assert volume == int(rows[0]["v"]) == int(quote["v"]) == float(json.loads(daily[0])["intv"])
    assert max(float(r["inth"]) for r in rows) == float(quote["h"])
    assert (rows[0]["intc"], rows[0]["oi"]) == (quote["lp"], quote["oi"])
    table = await bhavcopy(client, "content/fo/BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv.zip")
    row = next(r for r in table if r["FinInstrmId"] == str(future.token))
    assert int(row["TtlTradgVol"]) in (volume, volume // future.lot)
    assert float(row["LastPric"]) == float(quote["lp"])


@pytest.mark.parametrize("path", [
    "content/fo/BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv.zip",
    "content/cm/BhavCopy_NSE_CM_0_0_0_20261120_F_0000.csv.zip",
    "download/Bhavcopy/Derivative/BhavCopy_BSE_FO_0_0_0_20261120_F_0000.CSV",
])
async def test_every_exchange_file_is_there_in_the_evening(client, path):
    assert (await bhavcopy(client, path))[0]["TradDt"] == "2026-11-20"


async def test_a_file_without_rows_is_still_a_file(client):
    url = f"{client.url}/download/BhavCopy/Equity/BhavCopy_BSE_CM_0_0_0_20261120_F_0000.CSV"
    async with client.http.get(url, headers=BROWSER) as answer:
        assert (await answer.read()).startswith(b"TradDt,BizDt")


async def test_every_master_lists_what_the_broker_serves(client, market):
    for exchange in ("NSE", "NFO", "BSE", "BFO", "CDS", "MCX", "NCX"):
        async with client.http.get(f"{client.url}/{exchange}_symbols.txt.zip") as answer:
            archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
        lines = archive.read(f"{exchange}_symbols.txt").decode().splitlines()
        assert lines[0].startswith("Exchange,Token,LotSize")
        if exchange == "NFO":
            assert f"NFO,{near_future(market).token}," in "\n".join(lines)


async def test_indices_are_listed_searched_and_served_without_volume(client):
    names = json.loads((await client.post("GetIndexList", exch="NSE"))[1])["values"]
    assert {"idxname": "Nifty 50", "token": "26000"} in names
    _, rows = await client.series(exch="NSE", token="26000", st=at(9, 15))
    assert {(r["intv"], r["v"], r["oi"], r["intvwap"]) for r in rows} == {("0", "0", "0", "0.00")}
    _, rows = await client.series(exch="BSE", token="1", st=at(9, 15))
    assert len(rows) > 300
    daily = json.loads((await client.post("EODChartData", sym="NSE:Nifty 50", **{"from": at(0, 0)}))[1])
    assert len(daily) == 1


async def test_a_chain_is_found_around_a_strike(client, market):
    future = near_future(market)
    body = (await client.post("GetOptionChain", exch="NFO", tsym=future.symbol, strprc="1400", cnt="4"))[1]
    chain = json.loads(body)["values"]
    assert len(chain) == 16
    assert {row["optt"] for row in chain} == {"CE", "PE"}


async def test_the_socket_ticks_the_minutes_that_the_series_then_tells(client, market):
    future = near_future(market, "NIFTY")
    await client.control("POST", "clock", json={"set": "2026-11-20T11:04:59"})
    async with client.http.ws_connect(f"{client.url}/NorenWSAPI/") as ws:
        await ws.send_json({"t": "a", "uid": "FN0001", "actid": "FN0001", "accesstoken": client.token})
        await ws.send_json({"t": "t", "k": f"NFO|{future.token}"})
        assert [(await asyncio.wait_for(ws.receive_json(), 5))["t"] for _ in range(2)] == ["ak", "tk"]
        await client.control("POST", "clock", json={"advance": 60})
        frames = [await asyncio.wait_for(ws.receive_json(), 5) for _ in range(4)]
    prices = [float(frame["lp"]) for frame in frames if "lp" in frame]
    await client.control("POST", "clock", json={"advance": 60})
    _, rows = await client.series(exch="NFO", token=str(future.token), st=at(11, 5), et=at(11, 5))
    bar = rows[0]
    assert (max(prices), min(prices)) == (float(bar["inth"]), float(bar["intl"]))
    assert prices[-1] == float(bar["intc"])
    assert [frame["v"] for frame in frames if "v" in frame][-1] == bar["v"]
