"""The emulated Firstock over REST: its envelopes, sign-ins, history, quotes, chains and masters."""

import ast
import asyncio
import csv
import io
import json
from datetime import date

import pytest

from fnolake.emulator.broker_rows import rows_of
from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.firstock_masters import symbol_of
from fnolake.emulator.firstock_settings import FirstockSettings, settings_of
from fnolake.emulator.server import build_world
from fnolake.emulator.world import World

DAY = date(2026, 11, 20)


@pytest.fixture
async def client(serve_firstock):
    return await serve_firstock()


@pytest.fixture(scope="module")
def market():
    return build_world(EmulatorConfig(day=DAY, underlyings=("M&M", "NIFTY", "SENSEX")))


async def test_a_login_gives_a_key_of_64_hex_digits(client):
    status, answer = await client.login()
    assert (status, answer["status"], answer["message"]) == (200, "success", "Login successful")
    assert len(bytes.fromhex(answer["data"]["susertoken"])) == 32
    assert answer["data"]["actid"] == "FN0001"


@pytest.mark.parametrize("spelling", [str, str.lower, str.upper])
async def test_body_keys_are_read_in_any_case(client, spelling):
    fields = {spelling(key): value for key, value in client.credentials().items()}
    status, _, _ = await client.ask("login", **fields)
    assert status == 200


@pytest.mark.parametrize(("changed", "name", "field"), [
    ({"password": "demo-password"}, "INVALID_PASSWORD", "password"), ({"TOTP": "000000"}, "INVALID_CREDENTIALS", "TOTP"),
    ({"vendorCode": "FN0001_U"}, "INVALID_CREDENTIALS", "vendorCode"), ({"apiKey": "0" * 32}, "INVALID_CREDENTIALS", "apiKey"),
    ({"userId": "FN9999"}, "INVALID_USERID", "userId"),
])
async def test_wrong_credentials_are_401_and_say_what_was_wrong(client, changed, name, field):
    status, answer = await client.login(**changed)
    assert (status, answer["status"], answer["code"], answer["name"]) == (401, "failed", "401", name)
    assert answer["error"]["field"] == field


async def test_a_refused_login_can_leak_an_upstream_error(client):
    await client.control("POST", "firstock", json={"login_words": "leaked"})
    assert "invalid character" in (await client.login(TOTP="000000"))[1]["error"]["message"]


async def test_an_empty_interval_or_vendor_code_is_the_documented_body_to_the_letter(client):
    given = {"userId": client.uid, "jKey": client.key, "exchange": "NSE", "tradingSymbol": "NIFTY", "interval": "",
             "startTime": "09:15:00 23-04-2025", "endTime": "15:29:00 23-04-2025"}
    assert await client.ask("timePriceSeries", **given) == (
        400, "application/json",
        b'{"status":"failed","code":"400","name":"MISSING_FIELD","error":{"field":"interval","message":"interval cannot be empty"}}',
    )
    assert await client.ask("login", **client.credentials(vendorCode="")) == (
        400, "application/json",
        b'{"status":"failed","code":"400","name":"MISSING_FIELD","error":{"field":"vendorCode","message":"vendorCode cannot be empty"}}',
    )


@pytest.mark.parametrize(("changed", "field"), [
    ({"exchange": ""}, "exchange"), ({"symbol": ""}, "tradingSymbol"), ({"start": ""}, "startTime"), ({"end": ""}, "endTime"),
    ({"interval": "1h"}, "interval"), ({"exchange": "BSE_INDEX"}, "exchange"), ({"symbol": "NOSUCH24NOV26F"}, "tradingSymbol"),
    ({"symbol": "M&M27OCT26F"}, "tradingSymbol"), ({"start": "20-11-2026 09:15:00"}, "startTime"),
    ({"end": "2026-11-20T09:24:00"}, "endTime"), ({"end": "09:15:00 20-11-2026"}, "startTime"),
])
async def test_a_field_that_cannot_be_used_is_named(client, changed, field):
    status, answer = await client.series(**changed)
    assert (status, answer["name"], answer["error"]["field"]) == (400, "BAD_REQUEST", field)


async def test_a_key_is_needed_and_has_to_be_the_users_own(client):
    async def refusal(**changed):
        status, answer = await client.series(**changed)
        return status, answer["name"], answer["error"]["message"]

    assert await refusal(jKey="") == (401, "INVALID_JKEY", "JKey is required")
    assert await refusal(jKey="guess") == (401, "INVALID_JKEY", "jKey parameter is invalid")
    assert await refusal(userId="FN0002") == (401, "INVALID_USERID", "userId parameter is invalid")
    await client.control("POST", "firstock", json={"lost": "403"})
    assert (await refusal(jKey="guess"))[:2] == (403, "INVALID_JKEY")


async def test_what_is_no_json_object_is_refused(client):
    assert (await client.ask("timePriceSeries", raw="jData={}"))[0] == 400
    assert (await client.ask("timePriceSeries", raw="[1]"))[0] == 400


async def test_history_is_ascending_with_numbers_and_an_inclusive_end(client):
    status, answer = await client.series()
    assert (status, answer["message"]) == (200, "Successfully fetched charts data")
    assert answer["data"][0] == {
        "time": "2026-11-20T09:15:00", "epochTime": 1795146300, "open": 1400, "high": 1400.2, "low": 1399.9,
        "close": 1400.05, "volume": 500, "oi": 10000,
    }
    assert [row["time"][11:16] for row in answer["data"]] == [f"09:{minute}" for minute in range(15, 25)]
    assert isinstance(answer["data"][0]["open"], int)


async def test_the_sdk_can_read_every_answer_as_a_python_literal(client):
    given = {"userId": client.uid, "jKey": client.key, "exchange": "NFO", "tradingSymbol": "M&M24NOV26F"}
    for route in ("userDetails", "indexList", "getQuote", "getQuote/ltp", "securityInfo", "timePriceSeries"):
        _, _, body = await client.ask(route, **given)
        assert ast.literal_eval(body.decode()) == json.loads(body)


async def test_ends_orders_and_ways_to_say_nothing_are_switchable(client):
    await client.control("POST", "firstock", json={"end": "exclusive", "order": "descending"})
    rows = (await client.series())[1]["data"]
    assert [row["time"][11:16] for row in (rows[0], rows[-1])] == ["09:23", "09:15"]
    sunday = {"start": "09:15:00 15-11-2026", "end": "15:29:00 15-11-2026"}
    said = {}
    for how in ("list", "null", "missing", "404", "failed"):
        await client.control("POST", "firstock", json={"empty": how})
        said[how] = await client.series(**sunday)
    assert [said[how][1]["data"] for how in ("list", "null")] == [[], None]
    assert "data" not in said["missing"][1]
    assert (said["404"][0], said["404"][1]["name"]) == (404, "RESOURCE_NOT_FOUND")
    assert (said["failed"][0], said["failed"][1]["status"]) == (200, "failed")


async def test_wider_intervals_and_days_come_from_the_same_minutes(client):
    end = "15:39:00 20-11-2026"
    minutes = (await client.series(end=end))[1]["data"]
    five = (await client.series(end=end, interval="5mi"))[1]["data"]
    day = (await client.series(start="00:00:00 19-11-2026", end=end, interval="1d"))[1]["data"]
    assert sum(row["volume"] for row in five) == sum(row["volume"] for row in minutes) == day[-1]["volume"]
    assert max(row["high"] for row in minutes) == day[-1]["high"]
    assert [row["time"] for row in day] == ["00:00:00 19-11-2026", "00:00:00 20-11-2026"]


async def test_a_bar_is_served_when_its_minute_has_ended(client):
    await client.control("POST", "clock", json={"set": "2026-11-20T09:20:30"})
    assert (await client.series())[1]["data"][-1]["time"] == "2026-11-20T09:19:00"


async def test_a_slow_answer_takes_its_span_s_time(client):
    await client.control("POST", "firstock", json={"slow_s_per_day": 200})
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.series(start="00:00:00 20-11-2026", end="23:59:00 20-11-2026"), 0.2)
    await client.control("POST", "firstock", json={"slow_s_per_day": 0.01})
    assert (await client.series())[0] == 200


async def test_both_brokers_tell_the_same_minutes(serve_firstock, market):
    client = await serve_firstock(world=market)
    state = client.emulator.state
    for listing in (o for o in market.listings if o.kind != "option" or o.token % 97 == 0):
        first, last = 1795046400.0, 1795180000.0
        theirs = [json.loads(row) for row in rows_of(state, f"{listing.exchange}|{listing.token}", "1", first, last)]
        _, answer = await client.series(symbol_of(listing), listing.exchange, "05:30:00 19-11-2026", "18:00:00 20-11-2026")
        names = (("into", "open"), ("inth", "high"), ("intl", "low"), ("intc", "close"), ("intv", "volume"), ("oi", "oi"))
        assert [
            (int(row["ssboe"]), *(round(float(row[one]) * 100) for one, _ in names)) for row in theirs[::-1]
        ] == [(row["epochTime"], *(round(row[one] * 100) for _, one in names)) for row in answer["data"]]


async def test_an_index_has_neither_volume_nor_interest(serve_firstock, market):
    client = await serve_firstock(world=market)
    for exchange, symbol in (("NSE", "NIFTY"), ("BSE", "SENSEX"), ("NSE", "INDIAVIX")):
        rows = (await client.series(symbol, exchange, end="15:39:00 20-11-2026"))[1]["data"]
        assert len(rows) >= 360
        assert {(row["volume"], row["oi"]) for row in rows} == {(0, 0)}


async def test_recorded_rows_are_served_here_too(serve_firstock, tmp_path):
    (tmp_path / "NFO_52509_x.csv").write_text(
        "time,into,inth,intl,intc,intvwap,intv,v,intoi,oi\n20-11-2026 09:15:02,1.00,2.50,0.95,2.00,1.5,50,50,0,700\n")
    client = await serve_firstock(rows=tmp_path)
    assert (await client.series())[1]["data"] == [
        {"time": "2026-11-20T09:15:02", "epochTime": 1795146302, "open": 1, "high": 2.5, "low": 0.95, "close": 2,
         "volume": 50, "oi": 700}]


async def test_quotes_are_texts_in_rupees_and_the_pages_shape_can_be_had(client):
    status, answer = await client.post("getQuote", exchange="NFO", tradingSymbol="M&M24NOV26F")
    data = answer["data"]
    assert status == 200
    assert (data["lastTradedPrice"], data["dayClosePrice"], data["token"], data["volume"]) == ("1400.00", "1390.00", "52509", "5")
    assert {"bestBuyPrice5", "bestSellQuantity5", "bestSellOrder1", "multipler"} <= set(data)
    await client.control("POST", "firstock", json={"quote": "page"})
    _, answer = await client.post("getQuote/ltp", exchange="NSE", tradingSymbol="NIFTY")
    assert answer["data"][0]["lastTradedPrice"] == "140000"


async def test_several_quotes_come_in_one_answer_and_a_bad_one_says_so(client):
    asked = [{"exchange": "NSE", "tradingSymbol": "Nifty 50"}, {"exchange": "NFO", "tradingSymbol": "NOSUCH"}]
    for route in ("getMultiQuotes", "getMultiQuotes/ltp"):
        _, answer = await client.post(route, data=asked)
        good, bad = answer["data"]
        assert (good["identifier"], good["lastTradedPrice"]) == ("NSE:Nifty 50", "1400.00")
        assert bad == {"status": "error", "error": "invalid tradingSymbol: NOSUCH", "identifier": "NFO:NOSUCH"}
    assert good["token"] == 26000
    assert (await client.post("getMultiQuotes"))[0] == 400


async def test_facts_searches_and_lists(client):
    info = (await client.post("securityInfo", exchange="NFO", tradingSymbol="M&M24NOV26C3000"))[1]["data"]
    assert (info["token"], info["lotSize"], info["instrumentName"], info["tickSize"]) == ("60000", "500", "OPTSTK", "0.10")
    found = (await client.post("searchScrips", stext="m&m24 c30"))[1]["data"]
    assert found[0] == {
        "token": "60000", "exchange": "NFO", "companyName": "M&M", "representationName": "M&M NOV 3000 CE",
        "instrumentName": "Options", "tradingSymbol": "M&M NOV 3000 CE"}
    assert (await client.post("searchScrips", stext=""))[1]["error"]["message"] == "stext is required"
    assert (await client.post("indexList"))[1]["data"] == [
        {"exchange": "NSE", "token": "26000", "tradingSymbol": "NIFTY", "symbol": "NIFTY", "idxname": "Nifty 50"}]
    details = (await client.post("userDetails"))[1]
    assert "message" not in details
    assert details["data"]["requestTime"] == "18:30:00 20-11-2026"


async def test_expiries_and_chains(serve_firstock, market):
    client = await serve_firstock(world=market)
    expiries = (await client.post("getExpiry", exchange="NSE", tradingSymbol="NIFTY"))[1]["data"]["expiryDates"]
    assert expiries[0] == "23NOV2026"
    chain = {"exchange": "NFO", "symbol": "NIFTY", "expiry": "23NOV26", "count": "5", "strikePrice": "26050"}
    status, answer = await client.post("optionChain", **chain)
    assert (status, len(answer["data"])) == (200, 20)
    assert {(row["parentToken"], row["optionType"]) for row in answer["data"]} == {("26000", "CE"), ("26000", "PE")}
    assert answer["data"][0]["tradingSymbol"].startswith("NIFTY23NOV26C")
    assert [(await client.post("optionChain", **chain | bad))[1]["error"]["field"] for bad in (
        {"symbol": ""}, {"count": "31"}, {"expiry": "23NOV2026"}, {"expiry": "17NOV26"})] == ["symbol", "count", "expiry", "symbol"]
    assert (await client.post("getExpiry", exchange="NSE", tradingSymbol=""))[1]["error"]["message"] == "Trading symbol is required"
    bank = (await client.post("getExpiry", exchange="NSE", tradingSymbol="M&M"))[1]["data"]["expiryDates"]
    assert bank[0] == "23NOV2026"


async def test_masters_hold_the_same_contracts_as_the_other_brokers(serve_firstock, market):
    client = await serve_firstock(world=market)
    tables = {}
    for name in ("NSE", "BSE", "NFO", "BFO", "Indices"):
        status, text = await client.symbols(name)
        assert status == 200
        tables[name] = list(csv.DictReader(io.StringIO(text)))
    for exchange in ("NFO", "BFO"):
        theirs = {(str(o.token), str(o.lot)) for o in market.listings if o.exchange == exchange}
        assert {(row["Token"], row["LotSize"]) for row in tables[exchange]} == theirs
    spots = {row["TradingSymbol"]: row for row in tables["NSE"] + tables["BSE"]}
    assert (spots["NIFTY"]["Token"], spots["NIFTY"]["ISIN"], spots["NIFTY"]["TickSize"]) == ("26000", "", "0")
    assert {"SENSEX", "INDIAVIX", "M&M-EQ", "011NSETEST-EQ"} <= set(spots)
    assert len(spots["M&M-EQ"]["ISIN"]) == 12
    near = next(row for row in tables["NFO"] if row["TradingSymbol"] == "M&M23NOV26F")
    assert (near["Expiry"], near["Instrument"], near["OptionType"], near["StrikePrice"]) == ("23-NOV-2026", "FUTSTK", "XX", "-0.01")
    assert any(row["TradingSymbol"].startswith("SENSEX26NOV26P") for row in tables["BFO"])
    assert {row["Exchange"] for row in tables["Indices"]} == {"NFO", "BFO"}
    assert set(tables["Indices"][0]) == set(tables["NFO"][0]) - {"CompanyName", "FreezeQty"}


async def test_masters_are_got_only_and_futures_may_be_called_fut(client):
    assert (await client.symbols("NFO", "HEAD"))[0] == 404
    assert (await client.symbols("MCX"))[0] == 404
    await client.control("POST", "firstock", json={"futures": "FUT"})
    assert ",24-NOV-2026,FUTSTK,FUT,-0.01," in (await client.symbols("NFO"))[1]


async def test_a_logout_ends_the_key_and_so_does_the_night(client):
    assert await client.post("logout") == (200, {"status": "success", "message": "Successfully logged out"})
    assert (await client.series())[0] == 401
    await client.login()
    await client.control("POST", "clock", json={"set": "2026-11-21T02:59:00"})
    assert (await client.series())[0] == 200
    await client.control("POST", "clock", json={"set": "2026-11-21T03:00:00"})
    assert (await client.series())[0] == 401


async def test_a_second_login_ends_the_first_unless_told_otherwise(client):
    first = client.key
    await client.login()
    assert (await client.series(jKey=first))[0] == 401
    await client.control("POST", "firstock", json={"second_login": "keeps"})
    first = client.key
    await client.login()
    assert [(await client.series(jKey=key))[0] for key in (first, client.key)] == [200, 200]


async def test_a_sign_in_here_is_not_one_at_the_other_broker(client):
    other = client.other("FN0002")
    await other.login()
    assert (await client.control("GET", "signins")) == {"shoonya": {"FN0001": 1}, "firstock": {"FN0001": 1, "FN0002": 1}}
    assert (await other.series())[0] == 200


async def test_a_whole_market_of_real_masters_is_served_too(serve_firstock):
    rows = """Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,
NFO,38585,500,RELIANCE,RELIANCE30JAN25F,30-JAN-2025,FUTSTK,XX,-0.01,0.05,
NFO,35005,75,NIFTY,NIFTY30JAN25F,30-JAN-2025,FUTIDX,XX,-0.01,0.05,
NFO,35006,75,NIFTY,NIFTY30JAN25C24000,30-JAN-2025,OPTIDX,CE,24000,0.05,
"""
    client = await serve_firstock(world=World.from_masters({"NFO": rows.encode()}, date(2025, 1, 6)))
    _, text = await client.symbols("NFO")
    assert {row["TradingSymbol"]: row["Token"] for row in csv.DictReader(io.StringIO(text))} == {
        "RELIANCE30JAN25F": "38585", "NIFTY30JAN25F": "35005", "NIFTY30JAN25C24000": "35006"}
    _, answer = await client.series("NIFTY30JAN25F", "NFO", "09:00:00 06-01-2025", "15:40:00 06-01-2025")
    assert len(answer["data"]) == 375
    assert len((await client.series("RELIANCE-EQ", "NSE", "09:00:00 06-01-2025", "15:40:00 06-01-2025"))[1]["data"]) >= 375


def test_settings_are_read_from_words_and_a_wrong_one_is_said():
    chosen = settings_of(["empty=null", "history=1/s", "ends_at=04:30", "sentinels=on", "addresses=10.0.0.1"], FirstockSettings())
    assert (chosen.empty, chosen.history, str(chosen.ends_at), chosen.sentinels) == ("null", ((1, 1.0),), "04:30:00", True)
    assert chosen.addresses == ("10.0.0.1",)
    assert FirstockSettings().limited("half").other == ((5, 1.0),)
    assert FirstockSettings().limited("off").history == ()
    for wrong in (["empty=nothing"], ["colour=red"], ["history=lots"], ["sentinels=perhaps"], ["sockets=x"]):
        with pytest.raises(ValueError):
            settings_of(wrong, FirstockSettings())
    assert json.dumps(chosen.shown())
