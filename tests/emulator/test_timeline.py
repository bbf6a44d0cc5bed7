"""The emulated market over months: what lives when, one history for ever, masters and files of the clock's day."""

import csv
import io
import zipfile
from collections import Counter
from datetime import date, datetime, timedelta

import numpy as np
import pytest

from fnolake.emulator.__main__ import config_of
from fnolake.emulator.faults import HISTORY, ROW_FAULTS, Ask, Faults, RandomFaults
from fnolake.emulator.listings import EXCHANGES
from fnolake.emulator.lives import expiries, lives
from fnolake.emulator.world import World
from fnolake.market.calendar import Calendar
from fnolake.model import IST

FIRST, LAST = date(2026, 7, 1), date(2026, 11, 20)
NAMES = ("TCS", "FINNIFTY", "SENSEX")


@pytest.fixture(scope="module")
def calendar():
    return Calendar.bundled()


@pytest.fixture(scope="module")
def world():
    return World.build(LAST, underlyings=NAMES, since=FIRST)


def rows(text):
    return list(csv.DictReader(io.StringIO(text.decode())))


def tokens(listings):
    return {(one.exchange, one.token) for one in listings}


def test_weeklies_and_monthlies_expire_by_the_rules_and_before_holidays(calendar):
    nifty = [life.expiry for life in lives("NIFTY", FIRST, LAST, calendar)]
    for moved in (date(2026, 10, 19), date(2026, 11, 9), date(2026, 11, 23)):
        assert moved in nifty
    assert {e.weekday() for e in nifty if e < date(2026, 10, 1)} == {1}
    stock = [life.expiry for life in lives("TCS", FIRST, date(2026, 8, 25), calendar)]
    assert stock == [date(2026, 7, 28), date(2026, 8, 25), date(2026, 9, 29), date(2026, 10, 27)]


def test_three_monthlies_live_on_every_session(calendar):
    for day in calendar.sessions(FIRST, LAST):
        assert len(expiries("TCS", day, calendar)) == 3
        assert 6 <= sum(e <= day + timedelta(days=100) for e, _ in expiries("NIFTY", day, calendar)) <= 8


def test_an_expiry_has_one_first_day_whenever_it_is_asked(calendar):
    first = {life.expiry: life.listed for life in lives("TCS", FIRST, LAST, calendar)}
    for day in calendar.sessions(FIRST, LAST):
        assert all(first[expiry] == listed for expiry, listed in expiries("TCS", day, calendar))


def test_a_world_that_grew_day_by_day_is_the_one_built_at_once():
    grown = World.build(date(2026, 7, 30), underlyings=("TCS",))
    for day in (date(2026, 7, 31), date(2026, 8, 3), date(2026, 8, 26)):
        grown = grown.reaching(day)
    whole = World.build(date(2026, 9, 10), underlyings=("TCS",), since=date(2026, 7, 30))
    for day in (date(2026, 7, 30), date(2026, 8, 3), date(2026, 8, 26)):
        assert grown.bhavcopy("NSE", "FO", day) == whole.bhavcopy("NSE", "FO", day)
        assert grown.master("NFO", day) == whole.master("NFO", day)


def test_every_file_lists_exactly_what_lives(world, calendar):
    for day in calendar.sessions(date(2026, 7, 27), date(2026, 8, 7)):
        listed = {int(row["FinInstrmId"]): row["XpryDt"] for row in rows(world.bhavcopy("NSE", "FO", day))}
        alive = {one.token: str(one.expiry) for one in world.listed_on(day) if one.exchange == "NFO"}
        assert listed == alive
        in_master = {token for exchange, token in tokens(world.in_master(day)) if exchange == "NFO"}
        assert in_master == set(alive)


def test_strikes_that_come_in_the_day_are_in_the_next_mornings_master(world, calendar):
    came = 0
    for day in calendar.sessions(date(2026, 8, 3), date(2026, 9, 15)):
        morning, evening = tokens(world.in_master(day, morning=True)), tokens(world.in_master(day))
        assert morning <= evening
        later = evening - morning
        came += len(later)
        new = {row["FinInstrmId"] for row in rows(world.bhavcopy("NSE", "FO", day))}
        assert {str(token) for exchange, token in later if exchange == "NFO"} <= new
        assert later <= tokens(world.in_master(day + timedelta(days=1), morning=True)) | {
            key for key in later if world.find(*key).expiry == day
        }
    assert came > 10


def test_hours_are_those_of_the_date(world):
    spot = world.find("NSE", 11536)
    assert len(world.minutes(spot, date(2026, 7, 31))) == 376
    assert len(world.minutes(spot, date(2026, 8, 3))) == 362
    near = next(one for one in world.listings if one.underlying == "TCS" and one.kind == "future" and one.expiry == date(2026, 8, 25))
    inside = [np.count_nonzero(world.minutes(near, day).phase == 1) for day in (date(2026, 7, 31), date(2026, 8, 3))]
    assert inside == [375, 385]


def test_tokens_are_never_given_twice(world):
    columns = world.listings.columns
    assert len(np.unique(np.stack([columns.exchange, columns.token]), axis=1).T) == len(columns)


def test_recycled_tokens_are_one_contracts_at_a_time_and_history_is_by_token():
    world = World.build(LAST, underlyings=("TCS",), since=FIRST, recycle=True)
    c = world.listings.columns
    twice = [key for key, n in Counter(zip(c.exchange.tolist(), c.token.tolist(), strict=True)).items() if n > 1]
    assert len(twice) > 20
    compared = 0
    for exchange, token in twice:
        july, november = (world.find(EXCHANGES[exchange], token, day) for day in (FIRST, LAST))
        if (july.expiry, november.expiry) != (date(2026, 7, 28), date(2026, 11, 23)) or july.expiry >= november.listed:
            continue
        former = world.minutes(november, date(2026, 7, 27))
        assert np.array_equal(former.epoch_s, world.minutes(july, date(2026, 7, 27)).epoch_s)
        compared += len(former.epoch_s) > 0
    assert compared


def test_the_truth_is_what_the_minutes_and_the_file_say(world):
    day = date(2026, 8, 3)
    truth = {(one.exchange, one.token): one for one in world.truth(day)}
    assert set(truth) == tokens(world.listed_on(day))
    for row in rows(world.bhavcopy("NSE", "FO", day)):
        one = truth["NFO", int(row["FinInstrmId"])]
        assert one.volume == int(row["TtlTradgVol"]) * one.lot
        assert one.traded == (one.volume > 0)
    for key in list(truth)[::29]:
        m = world.minutes(world.find(*key), day)
        assert (len(m), int(m.volume.sum())) == (truth[key].bars, truth[key].volume)
        assert not len(m) or int(m.close[-1]) == truth[key].last_paise


def drawn(seed, rate=0.02, count=20_000):
    faults = Faults(1, (), RandomFaults(rate, seed))
    met = []
    for n in range(count):
        ask = Ask("TPSeries", f"NFO|{n}", LAST, LAST)
        gate, at_rows = faults.strike(("hang",) * 2, ask), faults.strike_all(ROW_FAULTS, ask)
        assert (gate is not None) + len(at_rows) <= 1
        met.append(gate.name if gate else at_rows[0].name if at_rows else "")
    return met, faults


def test_random_faults_are_a_share_one_a_request_and_the_same_again():
    met, faults = drawn(7)
    assert met == drawn(7)[0] != drawn(8)[0]
    struck = Counter(filter(None, met))
    assert 300 < struck.total() < 500
    assert {"hang", "false_no_data", "missing_minute", "recycled_token", "mock_saturday", "cut_body"} <= set(struck)
    assert {row["fault"]: row["struck"] for row in faults.report()} == struck
    assert all(row["route"] in HISTORY for row in faults.report())
    assert not any(drawn(7, rate=0.0)[0])


def test_a_file_meets_only_what_can_happen_to_a_file():
    faults = RandomFaults(1.0, 3)
    assert {faults.at_the_gate(Ask("bhavcopy", f"NSE FO {n}")).name for n in range(99)} == {"html_502", "empty_body", "hang", "cut_body"}


async def test_the_served_masters_are_the_clocks_day(serve):
    client = await serve(world=World.build(date(2026, 8, 25), underlyings=("TCS",)), limits=(), rate=0)

    async def listed(instant):
        await client.control("POST", "clock", json={"set": instant})
        async with client.http.get(f"{client.url}/NFO_symbols.txt.zip") as answer:
            packed = await answer.read()
        text = zipfile.ZipFile(io.BytesIO(packed)).read("NFO_symbols.txt").decode()
        return {row["Expiry"] for row in csv.DictReader(io.StringIO(text)) if row["Symbol"] == "TCS"}

    assert await listed("2026-08-25T18:30:00") == {"25-AUG-2026", "29-SEP-2026", "27-OCT-2026"}
    assert await listed("2026-08-26T07:30:00") == {"25-AUG-2026", "29-SEP-2026", "27-OCT-2026"}
    assert await listed("2026-08-26T08:30:00") == {"29-SEP-2026", "27-OCT-2026", "23-NOV-2026"}


async def test_an_expired_contract_is_served_only_by_switch(serve):
    expired = date(2026, 8, 25)
    for served in (False, True):
        world = World.build(expired, underlyings=("TCS",))
        near = next(one for one in world.listings if one.kind == "future")
        client = await serve(world=world, limits=(), rate=0, serve_expired=served)
        await client.control("POST", "clock", json={"set": "2026-08-27T18:30:00"})
        span = {"st": str(datetime(2026, 8, 25, tzinfo=IST).timestamp()), "et": str(datetime(2026, 8, 26, tzinfo=IST).timestamp())}
        _, answer = await client.series(str(near.token), near.exchange, **span)
        assert isinstance(answer, list) is served


async def test_the_truth_is_served_for_sessions_that_have_been(serve):
    client = await serve(world=World.build(date(2026, 8, 3), underlyings=("TCS",)), limits=(), rate=0, day=date(2026, 8, 3))
    said = await client.control("GET", "truth?session=2026-08-03")
    table = [dict(zip(said["columns"], row, strict=True)) for row in said["rows"]]
    assert sum(row["traded"] for row in table) > 20
    assert {row["kind"] for row in table} == {"spot", "future", "option"}
    assert "not come yet" in (await client.control("GET", "truth?session=2026-08-04"))["error"]


def test_the_switches_are_settings():
    config = config_of(["--fault-rate", "0.02", "--fault-seed", "7", "--recycle-tokens", "--serve-expired"])
    assert (config.fault_rate, config.fault_seed, config.recycle_tokens, config.serve_expired) == (0.02, 7, True, True)
