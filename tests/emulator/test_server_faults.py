"""Every scripted fault does on the wire what its name says, and nothing by chance."""

import asyncio
import json
from datetime import date, datetime

import aiohttp
import pytest

from fnolake.emulator.faults import ANSWER_FAULTS, ROW_FAULTS, SOCKET_FAULTS, Ask, Faults
from fnolake.model import IST

FRIDAY = date(2026, 11, 20)


def at(hour, minute, day=FRIDAY):
    return str(datetime(day.year, day.month, day.day, hour, minute, tzinfo=IST).timestamp())


FIRST, LAST = at(9, 15), at(9, 24)


@pytest.fixture
async def client(serve):
    return await serve(limits=(), rate=0)


async def script(client, **fault):
    answer = await client.control("POST", "faults", json=fault)
    assert "faults" in answer, answer


async def series(client, first=FIRST, last=LAST, **fields):
    return await client.series(st=first, et=last, **fields)


@pytest.mark.parametrize(("name", "status", "text"), [
    ("rate rejection", 400, "exceeds Limit 20 for user"), ("sign-in loss", 401, "Session Expired :  Invalid Session Key"),
    ("empty body", 200, ""), ("html 502", 502, "<html>"), ("timeout_504", 504, "Server Timeout"),
    ("false no data", 200, "no data"), ("address refused", 400, "Invalid IP"),
])
async def test_an_answer_fault_replaces_the_answer(client, name, status, text):
    await script(client, fault=name, count=1)
    got, body = await client.post("TPSeries", exch="NFO", token="52509", st=at(9, 15))
    assert (got, text in body.decode()) == (status, True)
    assert bool(body) == bool(text)
    if name != "sign-in loss":
        assert (await series(client))[0] == 200


async def test_a_lost_sign_in_stays_lost_until_somebody_signs_in(client):
    await script(client, fault="sign_in_loss", count=1)
    for _ in range(2):
        assert (await series(client))[1]["stat"] == "Not_Ok"
    await client.quick_auth()
    assert len((await series(client))[1]) == 10


async def test_a_cut_body_promises_more_than_it_sends(client):
    await script(client, fault="cut_body")
    with pytest.raises(aiohttp.ClientPayloadError):
        await series(client)


async def test_a_hang_says_nothing_and_then_drops(client):
    await script(client, fault="hang", count=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(series(client), 0.2)
    await script(client, fault="hang", seconds=0.05)
    with pytest.raises(aiohttp.ClientError):
        await series(client)


async def test_a_fault_can_be_bound_to_route_token_session_span_and_count(client):
    await script(client, fault="timeout_504", route="TPSeries", days=3)
    assert (await series(client))[0] == 200
    assert (await series(client, first=at(9, 15, date(2026, 11, 18))))[0] == 504
    await client.control("DELETE", "faults")
    await script(client, fault="timeout_504", token="NFO|60000", after=1, count=1)
    assert (await series(client))[0] == 200
    assert [(await series(client, token="60000"))[0] for _ in range(3)] == [200, 504, 200]
    await client.control("DELETE", "faults")
    await script(client, fault="false_no_data", session="2026-11-19")
    assert isinstance((await series(client))[1], list)
    assert isinstance((await series(client, first=at(9, 15, date(2026, 11, 19))))[1], dict)
    assert (await client.control("GET", "faults"))["faults"][0]["struck"] == 1


@pytest.mark.parametrize(("name", "check"), [
    ("malformed_row", lambda rows: sum(r["into"] == "n/a" for r in rows) == 1 and len(rows) == 10),
    ("zero_row", lambda rows: sum(r["intc"] == "0.00" for r in rows) == 1),
    ("missing_minute", lambda rows: len(rows) == 9 and rows[0]["time"].endswith("09:24:00")),
    ("duplicate", lambda rows: len(rows) == 11 and len({r["time"] for r in rows}) == 10),
    ("wrong_zone", lambda rows: rows[-1]["time"] == "20-11-2026 03:45:00" and len(rows) == 10),
    ("late_last_bar", lambda rows: rows[0]["time"] == "20-11-2026 09:23:00"),
])
async def test_a_row_fault_spoils_rows(client, name, check):
    clean = (await series(client))[1]
    await script(client, fault=name, count=1)
    assert check((await series(client))[1])
    assert (await series(client))[1] == clean


async def test_a_row_fault_of_a_session_leaves_the_others_alone(client):
    await script(client, fault="missing_minute", session="2026-11-19")
    _, rows = await series(client, first=at(9, 15, date(2026, 11, 19)))
    assert sum(r["time"].startswith("19-11-2026") for r in rows) == 384
    assert sum(r["time"].startswith("20-11-2026") for r in rows) == 10


async def test_a_mock_saturday_has_rows_on_a_saturday(client):
    await client.control("POST", "clock", json={"set": "2026-11-21T18:30:00"})
    await script(client, fault="mock_saturday")
    saturday = date(2026, 11, 21)
    _, rows = await series(client, first=at(0, 0, saturday), last=at(18, 0, saturday))
    assert {r["time"][:10] for r in rows} == {"21-11-2026"}
    assert (len(rows), rows[-1]["time"][11:]) == (60, "09:15:00")


async def test_a_recycled_token_tells_of_another_contract_before_its_day(client):
    await script(client, fault="recycled_token", before="2026-11-20", from_token="60003")
    _, rows = await series(client, first=at(9, 15, date(2026, 11, 19)))
    assert len(rows) == 395


def test_a_share_is_drawn_by_seed_and_question_not_by_order():
    asks = [Ask("TPSeries", f"NFO|{n}") for n in range(2000)]

    def struck(seed, order):
        faults = Faults(seed, ({"fault": "false_no_data", "share": 0.02},))
        return {ask.contract for ask in order if faults.strike(ANSWER_FAULTS, ask)}

    first = struck(1, asks)
    assert 20 <= len(first) <= 60
    assert struck(1, asks[::-1]) == first
    assert struck(2, asks) != first


def test_a_struck_question_gets_through_when_asked_again():
    faults = Faults(1, ({"fault": "false_no_data", "share": 0.5},))
    ask = Ask("TPSeries", "NFO|1")
    assert len({bool(faults.strike(ANSWER_FAULTS, ask)) for _ in range(20)}) == 2


@pytest.mark.parametrize("bad", [{}, {"fault": "no such"}, {"fault": "hang", "session": "soon"}])
async def test_an_unreadable_script_is_refused_in_words(client, bad):
    assert "error" in await client.control("POST", "faults", json=bad)


def test_names_do_not_overlap():
    assert len({*ANSWER_FAULTS, *ROW_FAULTS, *SOCKET_FAULTS}) == len(ANSWER_FAULTS + ROW_FAULTS + SOCKET_FAULTS)


async def test_public_files_can_fail_too(client):
    await script(client, fault="html_502", route="masters", count=1)
    async with client.http.get(f"{client.url}/NSE_symbols.txt.zip") as answer:
        assert answer.status == 502
    async with client.http.get(f"{client.url}/NSE_symbols.txt.zip") as answer:
        assert answer.status == 200


async def test_the_log_names_the_fault(client):
    await script(client, fault="false_no_data", count=1)
    await series(client)
    log = (await client.control("GET", "asked", params={"route": "TPSeries"}))["log"]
    assert log[0]["outcome"] == "false_no_data"
    assert json.dumps(log)
