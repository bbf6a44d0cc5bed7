"""The emulated reference files are read by the product's readers and agree with the emulated market."""

from datetime import date

import polars as pl
import pytest

from fnolake.emulator import reference_files
from fnolake.emulator.events import Event
from fnolake.emulator.world import World
from fnolake.market.exchange_file import read_exchange_file
from fnolake.market.reference import ReferenceFile

DAY = date(2026, 11, 20)


@pytest.fixture(scope="module")
def world() -> World:
    return World.build(DAY, underlyings=("RELIANCE", "TCS", "NIFTY", "SENSEX"))


def read(body: bytes) -> ReferenceFile:
    found = read_exchange_file(body, day=DAY)
    assert isinstance(found, ReferenceFile)
    assert found.findings == ()
    return found


def test_every_stock_closes_by_auction_as_its_hours_say(world: World) -> None:
    assert read(reference_files.securities(world, DAY)).rows.sort("symbol").select("symbol", "closing_auction").rows() == [("RELIANCE", True), ("TCS", True)]


def test_lots_are_those_of_the_contracts(world: World) -> None:
    lots = read(reference_files.market_lots(world)).rows
    future = next(one for one in world.listed_on(DAY) if one.underlying == "RELIANCE" and one.kind == "future")
    assert future.expiry is not None
    assert lots.filter(symbol="RELIANCE", month=future.expiry.replace(day=1))["lot"].to_list() == [future.lot]


def test_actions_only_pay_dividends(world: World) -> None:
    rows = read(reference_files.corporate_actions(world, date(2025, 11, 20), DAY)).rows
    assert rows["kind"].unique().to_list() == ["dividend"]
    assert rows["factor"].null_count() == rows.height
    assert 4 <= rows.filter(pl.col("symbol") == "TCS").height <= 5


def test_symbol_changes_are_real_ones(world: World) -> None:
    assert read(reference_files.symbol_changes(world)).rows.filter(new="ETERNAL")["old"].to_list() == ["ZOMATO"]


@pytest.fixture(scope="module")
def eventful() -> World:
    scripts = [
        {"event": "rename", "underlying": "SBIN", "to": "STATEBK", "on": "2026-11-19"},
        {"event": "rename", "underlying": "TCS", "to": "TATACS", "on": "2026-11-24"},
        {"event": "dividend", "underlying": "SBIN", "on": "2026-11-18", "paise": 1825},
        {"event": "demerger", "underlying": "VEDL", "on": "2026-11-23", "paise": 8000},
    ]
    return World.build(DAY, underlyings=("SBIN", "TCS", "VEDL"), since=date(2026, 11, 16), events=[Event.of(one) for one in scripts])


def test_a_scripted_rename_is_told_from_its_day_on(eventful: World) -> None:
    rows = read(reference_files.symbol_changes(eventful)).rows
    assert rows.filter(old="SBIN").select("new", "since").rows() == [("STATEBK", date(2026, 11, 19))]
    assert rows.filter(old="TCS").is_empty()
    assert set(read(reference_files.securities(eventful, DAY)).rows["symbol"]) == {"STATEBK", "TCS", "VEDL"}
    assert set(read(reference_files.securities(eventful, date(2026, 11, 18))).rows["symbol"]) == {"SBIN", "TCS", "VEDL"}
    assert {"STATEBK", "VEDL"} <= set(read(reference_files.market_lots(eventful)).rows["symbol"])


def test_scripted_actions_stand_beside_the_dividends(eventful: World) -> None:
    rows = read(reference_files.corporate_actions(eventful, date(2026, 11, 1), date(2026, 12, 20))).rows.filter(pl.col("kind") != "dividend")
    assert rows.select("symbol", "ex_date", "kind", "amount_rupees").rows() == [
        ("STATEBK", date(2026, 11, 18), "special_dividend", 18.25), ("VEDL", date(2026, 11, 23), "demerger", None),
    ]
    early = read(reference_files.corporate_actions(eventful, date(2026, 11, 1), date(2026, 11, 20))).rows
    assert early.filter(kind="demerger").is_empty()
