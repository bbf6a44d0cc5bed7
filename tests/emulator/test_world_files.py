"""Masters of the emulated market as our reader sees them, real masters as a market, and the size of the whole."""

import json
import zipfile
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from fnolake.emulator.listings import bfo_symbol, is_monthly
from fnolake.emulator.lives import expiries
from fnolake.emulator.world import World
from fnolake.market.calendar import Calendar
from fnolake.provider.scope import in_scope
from fnolake.provider.shoonya.symbols import parse_master

DAY = date(2026, 11, 20)
REAL = Path(__file__).resolve().parents[2].parent / "shared" / "real" / "masters"


@pytest.fixture(scope="module")
def world():
    return World.build(DAY)


def test_the_whole_market_has_the_size_of_the_real_one(world):
    kinds = world.listings.columns.kind
    assert 33_000 < len(world.listings) < 38_000
    assert (kinds == 0).sum() == 217
    assert len({one.underlying for one in world.listings}) == 217


def test_about_two_in_five_contracts_trade(world):
    lines = world.bhavcopy("NSE", "FO", DAY).decode().splitlines()[1:]
    traded = np.mean([line.split(",")[24] != "0" for line in lines])
    assert 0.33 < traded < 0.47


@pytest.mark.parametrize("exchange", ["NSE", "NFO", "BSE", "BFO"])
def test_our_reader_takes_every_listing_of_a_master_back(world, exchange):
    master = parse_master(exchange, world.master(exchange), DAY)
    listings = [one for one in world.listings if one.exchange == exchange]
    shown = {one.token: one for one in listings if not (one.kind == "spot" and one.underlying in {"SENSEX", "BANKEX", "NIFTYFPI"})}
    read = {row["token"]: row for row in master.listings.iter_rows(named=True)}
    assert set(shown) <= set(read)
    for token, one in shown.items():
        row = read[token]
        assert (row["underlying"], row["kind"], row["expiry"], row["strike_paise"], row["right"], row["lot"]) == (
            one.underlying, one.kind, one.expiry, one.strike_paise, one.right, one.lot)
        assert row["is_index"] == one.is_index
        assert one.is_index or row["tick_paise"] == one.tick_paise


def test_every_underlying_in_scope_has_its_spot_but_the_one_the_broker_hides(world):
    masters = [parse_master(exchange, world.master(exchange), DAY) for exchange in ("NSE", "NFO", "BSE", "BFO")]
    findings = {f.name: f.detail for m in in_scope(masters) for f in m.findings}
    assert findings.get("underlying_without_spot") == "NIFTYFPI"


@pytest.mark.parametrize("exchange", ["CDS", "MCX", "NCX"])
def test_other_exchanges_have_small_masters(world, exchange):
    assert parse_master(exchange, world.master(exchange), DAY).rows >= 1


def test_an_unknown_exchange_has_no_master(world):
    assert world.master("XYZ") == b""


def test_expiries_follow_the_rules_and_move_off_holidays():
    calendar = Calendar.bundled()
    nifty = [e for e, _ in expiries("NIFTY", DAY, calendar)]
    assert nifty[:4] == [date(2026, 11, 23), date(2026, 12, 1), date(2026, 12, 8), date(2026, 12, 15)]
    assert date(2026, 12, 29) in nifty
    assert nifty[-1].year >= 2029
    assert [e for e, _ in expiries("RELIANCE", DAY, calendar)] == [date(2026, 11, 23), date(2026, 12, 29), date(2027, 1, 25)]
    assert [e for e, _ in expiries("SENSEX", DAY, calendar)][:2] == [date(2026, 11, 26), date(2026, 12, 3)]


def test_symbols_of_bse_tell_weeks_from_months():
    assert bfo_symbol("SENSEX", date(2026, 11, 26), 8_400_000, "PE") == "SENSEX26NOV84000PE"
    assert bfo_symbol("SENSEX", date(2026, 12, 3), 8_400_000, "PE") == "SENSEX26D0384000PE"
    assert bfo_symbol("SENSEX", date(2026, 11, 26), None, None) == "SENSEX26NOVFUT"
    assert is_monthly("NSE", date(2026, 11, 23))
    assert is_monthly("BSE", date(2024, 12, 31))


def test_the_holiday_list_is_the_calendars(world):
    listed = json.loads(world.holiday_master())
    assert "24-Nov-2026" in {row["tradingDate"] for row in listed["FO"]}
    assert len(listed["FO"]) == len(listed["CM"]) == 16


def real(name):
    path = REAL / name
    if not path.exists():
        pytest.skip(f"{name} is not here: real masters are private test inputs")
    with zipfile.ZipFile(path) as archive:
        return archive.read(archive.namelist()[0])


def test_a_real_master_becomes_a_market():
    body, day = real("shoonya_NFO_20250106.txt.zip"), date(2025, 1, 6)
    world = World.from_masters({"NFO": body}, day)
    assert len(world.listings) > 80_000
    assert world.master("NFO") == body
    one = next(o for o in world.search("NFO", "NIFTY30JAN25F") if o.underlying == "NIFTY")
    assert world.minutes(one, day).close.mean() == pytest.approx(2_400_000, rel=0.1)
    assert one.master_fields[0] == "NFO"
    assert len(one.master_fields) == 11


def test_real_cash_and_bse_masters_give_spots_of_what_has_derivatives():
    files = {name: real(f"shoonya_{name}_20260818.txt.zip") for name in ("NSE", "BSE", "BFO")}
    world = World.from_masters(files, date(2026, 8, 18), underlyings=("SENSEX", "RELIANCE"))
    spots = {(one.exchange, one.underlying) for one in world.listings if one.kind == "spot"}
    assert ("BSE", "SENSEX") in spots
    assert ("NSE", "INDIAVIX") in spots
    assert world.find("NSE", 2885).symbol == "RELIANCE-EQ"
    assert len(world.minutes(world.find("NSE", 2885), date(2026, 8, 18)))
    assert world.bhavcopy("BSE", "FO", date(2026, 8, 18)).count(b"\r\n") > 1_000
