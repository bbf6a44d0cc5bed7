"""The wire of the emulated broker: envelope, sign-in, TPSeries, masters. One fake market, one real server."""

import hashlib
import io
import json
import zipfile
from datetime import date, datetime, timedelta

import pytest

from fnolake.emulator.config import Demo, parse_limits
from fnolake.emulator.totp import fits, one_time_password
from fnolake.model import IST

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 9, 15, tzinfo=IST)
DEMO = Demo()


def at(hour, minute, day=DAY):
    return str(datetime(day.year, day.month, day.day, hour, minute, tzinfo=IST).timestamp())


async def test_a_series_is_a_bare_list_newest_first_with_every_value_as_text(serve):
    client = await serve()
    status, rows = await client.series(st=at(9, 15), et=at(9, 17))
    assert status == 200
    assert [row["time"] for row in rows] == ["20-11-2026 09:17:00", "20-11-2026 09:16:00", "20-11-2026 09:15:00"]
    assert rows[0] == {
        "stat": "Ok", "time": "20-11-2026 09:17:00", "ssboe": str(int(OPEN.timestamp()) + 120), "into": "1400.02",
        "inth": "1400.22", "intl": "1399.92", "intc": "1400.07", "intvwap": "1400.03", "intv": "500", "intoi": "10",
        "v": "1500", "oi": "10020",
    }
    assert list(rows[0])[:3] == ["stat", "time", "ssboe"]


async def test_without_a_start_the_series_is_today_and_only_ended_bars_are_there(serve):
    client = await serve()
    await client.control("POST", "clock", json={"set": "2026-11-20T09:20:30"})
    _, rows = await client.series()
    assert (rows[0]["time"], len(rows)) == ("20-11-2026 09:19:00", 5)


@pytest.mark.parametrize(("interval", "first", "last"), [
    ("2", "09:14:00", "15:38:00"), ("3", "09:15:00", "15:39:00"), ("5", "09:15:00", "15:35:00"),
    ("60", "09:15:00", "15:15:00"), ("240", "09:15:00", "13:15:00"),
])
async def test_intervals_are_anchored_at_the_open_but_for_two(serve, interval, first, last):
    client = await serve()
    await client.control("POST", "clock", json={"set": "2026-11-20T19:30:00"})
    _, rows = await client.series(st=at(9, 0), intrv=interval)
    assert (rows[-1]["time"][11:], rows[0]["time"][11:]) == (first, last)
    assert sum(int(row["intv"]) for row in rows) == 385 * 500 == int(rows[0]["v"])


@pytest.mark.parametrize("fields", [
    {"token": "99999"}, {"token": "52510"}, {"st": at(9, 15, date(2026, 11, 15)), "et": at(15, 0, date(2026, 11, 15))},
    {"token": "x"},
])
async def test_unknown_expired_and_closed_days_are_no_data(serve, fields):
    client = await serve()
    status, answer = await client.series(**fields)
    assert status == 200
    assert answer["emsg"] == 'Error Occurred : 5 "no data"'
    assert answer["request_time"].endswith("20-11-2026")


async def test_swapped_huge_and_daily_spans_time_out(serve):
    client = await serve()
    for fields in ({"st": at(15, 0), "et": at(9, 0)}, {"intrv": "D"}, {"st": "0"}):
        status, answer = await client.series(**fields)
        assert (status, answer["emsg"]) == (504, "Server Timeout :   ")


async def test_a_literal_ampersand_breaks_the_json_and_an_escape_does_not(serve):
    client = await serve()
    raw = 'jData={"uid":"FN0001","sym":"NFO:M&M24NOV26F","from":"0","to":"1795210089.5"}'
    status, body = await client.post("EODChartData", raw=raw)
    assert (status, json.loads(body)["emsg"]) == (400, "Invalid Input :  jData is not valid json object")
    _, body = await client.post("EODChartData", raw=raw.replace("M&M", "M\\u0026M"))
    days = [json.loads(day) for day in json.loads(body)]
    assert days[0]["time"] == "20-NOV-2026"
    assert days[0]["intv"] == "192500.00"
    assert '", "' in json.loads(body)[0]


async def test_oauth_hands_out_a_code_once_and_checks_the_sum(serve):
    client = await serve()
    status, location = await client.code()
    assert status == 302
    assert location.startswith("http://127.0.0.1:9/callback?code=")
    assert location.endswith("&state=s1")
    code = location.split("code=")[1].split("&")[0]
    status, answer = await client.gen_acs_tok(code)
    assert status == 200
    assert {"USERID", "access_token", "refresh_token", "actid", "susertoken"} <= set(answer)
    assert int(answer["expires_in"]) == int(answer["lastaccesstime"]) + 90 * 86_400
    _, again = await client.gen_acs_tok(code)
    assert again["emsg"] == "Invalid Input : INVALID_VERIFIER"
    _, location = await client.code()
    _, wrong = await client.gen_acs_tok(location.split("code=")[1].split("&")[0], secret="guess")
    assert wrong["stat"] == "Not_Ok"


async def test_the_page_returns_only_to_this_machine(serve):
    client = await serve()
    url = f"{client.url}/OAuthlogin/authorize/oauth?client_id=FN0001_U&redirect_uri=https://example.com/"
    async with client.http.get(url) as page:
        assert page.status == 400


@pytest.mark.parametrize(("changed", "status", "emsg"), [
    ({"factor2": "000000"}, 200, "Invalid Input : Invalid OTP"),
    ({"pwd": "no"}, 200, "Invalid Input : Wrong Password"),
    ({"vc": "no"}, 400, "Invalid Input :  Invalid Vendor code"),
])
async def test_a_refused_sign_in_says_why_in_the_brokers_words(serve, changed, status, emsg):
    client = await serve()
    got, answer = await client.quick_auth(**changed)
    assert (got, answer["emsg"], "request_time" in answer) == (status, emsg, status == 200)


async def test_a_one_time_password_of_the_emulated_time_is_taken_too(serve):
    client = await serve(rate=0)
    otp = one_time_password(DEMO.totp_secret, datetime(2026, 11, 20, 18, 30, tzinfo=IST).timestamp())
    assert (await client.quick_auth(factor2=otp))[1]["stat"] == "Ok"


async def test_a_new_sign_in_ends_the_older_one_whatever_the_generation(serve):
    client = await serve()
    old = client.token
    await client.quick_auth()
    new, client.token = client.token, old
    for bearer in (True, False):
        status, body = await client.post("UserDetails", bearer=bearer)
        assert (status, json.loads(body)["emsg"]) == (401, "Session Expired :  Invalid Session Key")
    client.token = new
    assert json.loads((await client.post("UserDetails", bearer=False))[1])["uid"] == DEMO.uid
    assert json.loads((await client.post("Logout"))[1])["stat"] == "Ok"
    assert json.loads((await client.post("UserDetails"))[1])["stat"] == "Not_Ok"


async def test_search_quotes_chain_and_index_list(serve):
    client = await serve()
    _, body = await client.post("SearchScrip", exch="NFO", stext="M%26M+24NOV26")
    found = json.loads(body)["values"]
    assert found[0] | {"token": "52509", "tsym": "M&M24NOV26F", "exch": "NFO"} == found[0]
    status, body = await client.post("SearchScrip", exch="NFO", stext="NOTHING")
    assert (status, json.loads(body)["emsg"]) == (404, "No Data :   ")
    _, body = await client.post("GetQuotes", exch="NFO", token="52509")
    assert json.loads(body) | {"lp": "1400.00", "c": "1390.00", "v": "5", "oi": "7", "bp1": "1399.90"} == json.loads(body)
    _, body = await client.post("GetQuotes", exch="NSE", token="26000")
    assert not {"v", "oi", "bp1"} & set(json.loads(body))
    _, body = await client.post("GetOptionChain", exch="NFO", tsym="M%26M24NOV26F", strprc="3080.0", cnt="2")
    chain = json.loads(body)["values"]
    assert [row["strprc"] for row in chain[::2]] == ["3060.00", "3080.00", "3100.00", "3120.00"]
    assert len(chain) == 8
    _, body = await client.post("GetIndexList", exch="NSE")
    assert json.loads(body)["values"] == [{"idxname": "Nifty 50", "token": "26000"}]


async def test_masters_bhavcopies_and_holidays_are_files(serve):
    client = await serve()
    async with client.http.get(f"{client.url}/NFO_symbols.txt.zip") as answer:
        archive = zipfile.ZipFile(io.BytesIO(await answer.read()))
    assert archive.read("NFO_symbols.txt").startswith(b"Exchange,Token")
    browser = {"User-Agent": "Mozilla/5.0"}
    name = "BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv"
    async with client.http.get(f"{client.url}/content/fo/{name}.zip", headers=browser) as answer:
        assert zipfile.ZipFile(io.BytesIO(await answer.read())).namelist() == [name]
    async with client.http.get(f"{client.url}/content/fo/{name}.zip") as answer:
        assert answer.status == 403
    async with client.http.get(f"{client.url}/content/fo/{name.replace('1120', '1119')}.zip", headers=browser) as answer:
        assert answer.status == 404
    missing = "download/BhavCopy/Equity/BhavCopy_BSE_CM_0_0_0_20261119_F_0000.CSV"
    async with client.http.get(f"{client.url}/{missing}", headers=browser) as answer:
        assert (answer.status, answer.content_type) == (200, "text/html")
    async with client.http.get(f"{client.url}/api/holiday-master?type=trading") as answer:
        assert await answer.json(content_type=None) == {"FO": []}


async def test_a_bhavcopy_appears_in_the_evening(serve):
    client = await serve(rate=0)
    url = f"{client.url}/content/fo/BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv.zip"
    for moment, status in (("17:29", 404), ("17:30", 200)):
        await client.control("POST", "clock", json={"set": f"2026-11-20T{moment}:00"})
        async with client.http.get(url, headers={"User-Agent": "Mozilla/5.0"}) as answer:
            assert answer.status == status


async def test_limits_count_every_arrival_and_reject_in_the_brokers_words(serve):
    client = await serve(limits=parse_limits("3/s,200/min"))
    texts = [(await client.series())[1] for _ in range(3)]
    assert texts[-1]["emsg"] == "Invalid Input :  Order Recieved 4 in a current second exceeds Limit 3 for user"
    asked = await client.control("GET", "asked", params={"route": "TPSeries"})
    assert (asked["rejections"], asked["max_in_second"], asked["routes"]["TPSeries"]) == (1, 4, 3)


async def test_what_was_asked_is_counted_and_repeats_show(serve):
    client = await serve(limits=())
    await client.series(st=at(9, 15), et=at(9, 16))
    assert (await client.control("GET", "asked"))["repeated"] == 0
    await client.series(st=at(9, 15), et=at(9, 16))
    asked = await client.control("GET", "asked", params={"route": "TPSeries"})
    assert asked["repeated"] == 1
    assert asked["log"][0] | {"contract": "NFO|52509", "outcome": "rows:2", "interval": "1"} == asked["log"][0]
    assert (await client.control("DELETE", "asked"))["routes"] == {}


@pytest.mark.parametrize("text", ["", "10", "0/s", "5/h", "x/s"])
def test_limits_that_make_no_sense_are_refused(text):
    with pytest.raises(ValueError, match="limits"):
        parse_limits(text)


def test_limits_have_names():
    assert parse_limits("official") == ((20, 1.0), (200, 60.0))
    assert parse_limits("half") == ((10, 1.0), (100, 60.0))
    assert parse_limits("off") == ()
    assert parse_limits("5/s") == ((5, 1.0),)


async def test_the_clock_is_shown_set_advanced_and_run_at_a_rate(serve):
    client = await serve(rate=0)
    assert (await client.control("GET", "clock"))["now"] == "2026-11-20T18:30:00+05:30"
    moved = await client.control("POST", "clock", json={"set": "2026-11-20T11:05:00", "advance": 90})
    assert moved["now"] == "2026-11-20T11:06:30+05:30"
    assert (await client.control("POST", "clock", json={"rate": 2}))["rate"] == 2
    assert "error" in await client.control("POST", "clock", json={"jump": 1})


async def test_at_night_the_broker_says_no_data_whatever_is_asked(serve):
    client = await serve(rate=0)
    for moment, kind in (("00:30", dict), ("06:59", dict), ("07:00", list)):
        await client.control("POST", "clock", json={"set": f"2026-11-21T{moment}:00"})
        assert isinstance((await client.series(st=at(9, 15), et=at(9, 20)))[1], kind)


async def test_history_older_than_the_horizon_is_not_served(serve):
    client = await serve(history_days=7)
    old = DAY - timedelta(days=9)
    assert (await client.series(st=at(9, 15, old), et=at(15, 0, old)))[1]["stat"] == "Not_Ok"


def test_one_time_passwords_are_those_of_the_standard_and_of_pyotp():
    pyotp = pytest.importorskip("pyotp")
    standard = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    assert [one_time_password(standard, s) for s in (59, 1111111109, 20000000000)] == ["287082", "081804", "353130"]
    assert one_time_password(standard, 1795210089.5) == pyotp.TOTP(standard).at(1795210089)
    assert fits(standard, "287082", 1111111109, 88)
    assert not fits(standard, "287082", 1111111109)


async def test_a_pool_of_users_has_a_sign_in_and_limits_each(serve):
    client = await serve(limits=parse_limits("2/s"))
    first = client.token
    appkey = hashlib.sha256(b"FN0002|demo-secret").hexdigest()
    assert (await client.quick_auth(uid="FN0002", vc="FN0002_U", appkey=appkey))[1]["stat"] == "Ok"
    assert (await client.quick_auth(uid="FN0009", vc="FN0009_U"))[1]["stat"] == "Not_Ok"
    status, _ = await client.post("UserDetails", uid="FN0002")
    client.token = first
    assert (status, (await client.post("UserDetails"))[0]) == (200, 200)
    assert (await client.post("UserDetails"))[0] == 400
