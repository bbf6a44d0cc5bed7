"""What happens to contracts in their lives: shown from its day on, in masters, files and trades alike."""

import csv
import io
from datetime import date

import pytest

from fnolake.emulator.events import Event
from fnolake.emulator.world import World

SINCE, UNTIL = date(2026, 8, 10), date(2026, 9, 11)
SCRIPTS = [
    {"event": "lot", "underlying": "INFY", "from_expiry": "2026-09-29", "lot": 350},
    {"event": "expiry_moved", "underlying": "TCS", "expiry": "2026-09-29", "to": "2026-09-28", "on": "2026-08-20"},
    {"event": "dividend", "underlying": "INDIANB", "on": "2026-08-21", "paise": 1825},
    {"event": "rename", "underlying": "SBIN", "to": "STATEBK", "on": "2026-08-24"},
    {"event": "demerger", "underlying": "VEDL", "on": "2026-09-02", "paise": 8000},
]


@pytest.fixture(scope="module")
def world():
    names = ("TCS", "INFY", "INDIANB", "SBIN", "VEDL")
    return World.build(UNTIL, underlyings=names, since=SINCE, events=[Event.of(one) for one in SCRIPTS])


def alive(world, day, name, kind=None):
    return {one.token: one for one in world.in_master(day) if one.underlying == name and kind in (None, one.kind)}


def rows(world, day):
    table = csv.DictReader(io.StringIO(world.bhavcopy("NSE", "FO", day).decode()))
    return {int(row["FinInstrmId"]): row for row in table}


def test_a_lot_is_revised_from_an_expiry_on(world):
    lots = {one.expiry: one.lot for one in alive(world, SINCE, "INFY").values() if one.expiry}
    assert lots[date(2026, 8, 25)] == 400
    assert lots[date(2026, 9, 29)] == lots[date(2026, 10, 27)] == 350


def test_an_expiry_moves_for_all_its_contracts_and_keeps_their_tokens(world):
    before, after = (alive(world, day, "TCS") for day in (date(2026, 8, 19), date(2026, 8, 20)))
    moved = [token for token, one in before.items() if one.expiry == date(2026, 9, 29)]
    assert len(moved) > 20
    assert {after[token].expiry for token in moved} == {date(2026, 9, 28)}
    assert {rows(world, date(2026, 8, 20))[token]["XpryDt"] for token in moved} == {"2026-09-28"}


def test_a_special_dividend_moves_every_strike_and_the_price(world):
    eve, ex = date(2026, 8, 20), date(2026, 8, 21)
    before, after = (alive(world, day, "INDIANB", "option") for day in (eve, ex))
    assert {before[token].strike_paise - after[token].strike_paise for token in before} == {1825}
    assert len(before) > 50
    file = rows(world, ex)
    assert all(float(file[token]["StrkPric"]) * 100 == after[token].strike_paise for token in before)


def test_a_rename_changes_the_symbol_of_live_contracts(world):
    before, after = alive(world, date(2026, 8, 21), "SBIN"), alive(world, date(2026, 8, 24), "STATEBK")
    assert set(before) <= set(after)
    assert all(after[token].symbol.startswith("STATEBK") for token in before)
    assert not alive(world, date(2026, 8, 24), "SBIN")


def test_a_demerger_ends_every_contract_and_lists_the_same_symbols_anew(world):
    eve, ex = date(2026, 9, 1), date(2026, 9, 2)
    old, new = (alive(world, day, "VEDL", "option") for day in (eve, ex))
    assert {one.ends for one in old.values()} == {eve}
    assert {rows(world, eve)[token]["FininstrmActlXpryDt"] for token in old} == {str(eve)}
    assert not set(old) & set(new)
    again = {one.symbol for one in new.values()}
    assert len({one.symbol for one in old.values()} & again) > 30
    assert not any(len(world.minutes(one, ex)) for one in old.values())


def test_trades_and_totals_agree_across_every_event(world):
    for day in world.calendar.sessions(date(2026, 8, 19), date(2026, 9, 3)):
        truth = {(one.exchange, one.token): one for one in world.truth(day)}
        listed = {(one.exchange, one.token) for one in world.listed_on(day)}
        assert set(truth) == listed
        for key in list(truth)[::23]:
            m = world.minutes(world.find(*key, day), day)
            assert int(m.volume.sum()) == truth[key].volume


def test_a_world_that_grows_into_an_event_shows_it():
    events = [Event.of(SCRIPTS[1])]
    grown = World.build(date(2026, 8, 18), underlyings=("TCS",), events=events).reaching(date(2026, 8, 20))
    assert date(2026, 9, 28) in {one.expiry for one in grown.in_master(date(2026, 8, 20))}
    assert date(2026, 9, 29) in {one.expiry for one in grown.in_master(date(2026, 8, 18))}


@pytest.mark.parametrize("script", [
    {"event": "split"}, {"event": "lot", "underlying": "TCS"}, {"event": "rename", "underlying": "TCS", "to": "X"},
    {"event": "expiry_moved", "underlying": "TCS", "expiry": "2026-09-29", "to": "soon", "on": "2026-08-20"},
])
def test_an_event_that_is_none_is_refused(script):
    with pytest.raises(ValueError):
        Event.of(script)
