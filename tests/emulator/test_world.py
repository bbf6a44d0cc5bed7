"""The emulated market: by key for ever, consistent bars, the exchange's totals equal to the minutes."""

import csv
import io
from datetime import date, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from fnolake.emulator.world import World
from fnolake.model import IST

DAY = date(2026, 11, 20)
DEMO = ("RELIANCE", "TCS", "NIFTY", "SENSEX", "M&M")


@pytest.fixture(scope="module")
def world():
    return World.build(DAY, underlyings=DEMO)


def named(world, symbol):
    return next(one for one in world.listings if one.symbol == symbol)


def clock(minutes):
    return [datetime.fromtimestamp(s, IST).strftime("%H:%M") for s in minutes.epoch_s.tolist()]


def same(one, other):
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in type(one).__slots__)


def sample(world, step=37):
    return [world.listings[i] for i in range(0, len(world.listings), step)]


def test_a_contract_session_is_the_same_in_every_world_that_lists_it(world):
    other = World.build(DAY - timedelta(days=1), underlyings=("NIFTY", "RELIANCE"))
    shared = [one for one in sample(other, 11) if world.find(one.exchange, one.token)]
    assert len(shared) > 50
    for listing in shared:
        assert world.find(listing.exchange, listing.token).symbol == listing.symbol
        for back in (0, 1, 3):
            day = DAY - timedelta(days=back)
            assert same(world.minutes(listing, day), other.minutes(listing, day)), listing.symbol


def test_another_seed_is_another_history(world):
    spot = named(world, "RELIANCE-EQ")
    other = World.build(DAY, underlyings=("RELIANCE",), seed=1)
    assert not np.array_equal(world.minutes(spot, DAY).close, other.minutes(spot, DAY).close)


def test_bars_are_consistent_on_tick_and_in_whole_lots(world):
    traded = 0
    for listing in sample(world, 17):
        m = world.minutes(listing, DAY)
        traded += bool(len(m))
        prices = np.stack([m.open, m.high, m.low, m.close])
        assert (prices > 0).all()
        assert (prices % listing.tick_paise == 0).all()
        assert (m.high >= prices.max(0)).all()
        assert (m.low <= prices.min(0)).all()
        assert (np.diff(m.epoch_s) > 0).all()
        assert (m.volume % listing.lot == 0).all()
        assert (m.oi % listing.lot == 0).all() or listing.kind == "spot"
        assert np.array_equal(np.cumsum(m.volume), m.cumulative)
        if listing.kind != "spot" or not listing.is_index:
            continuous = m.phase == 1
            assert (m.volume[continuous] > 0).all()
            assert ((m.vwap_paise >= m.low) & (m.vwap_paise <= m.high)).all()
    assert traded > 20


def test_the_closing_auction_changes_the_spot_day_and_not_the_derivatives(world):
    spot, future = world.minutes(named(world, "RELIANCE-EQ"), DAY), world.minutes(named(world, "RELIANCE23NOV26F"), DAY)
    assert (spot.phase == 0).sum() == (spot.phase == 2).sum() == 1
    assert (spot.phase == 1).sum() == 360
    assert clock(spot)[0] in ("09:10", "09:11")
    assert clock(spot)[-2] == "15:14"
    assert clock(spot)[-1] in ("15:28", "15:29")
    assert (future.phase == 1).sum() == 385
    assert clock(future)[-1] == "15:39"
    before = world.minutes(named(world, "RELIANCE-EQ"), date(2026, 7, 31))
    assert (before.phase == 1).sum() == 375
    assert clock(before)[0] == "09:07"
    assert clock(before)[-1] == "15:29"


def test_an_index_has_no_volume_and_india_vix_runs_with_the_derivatives(world):
    nifty, vix = world.minutes(named(world, "NIFTY INDEX"), DAY), world.minutes(named(world, "INDIA VIX"), DAY)
    assert nifty.volume.sum() == vix.volume.sum() == 0
    assert (nifty.phase == 1).sum() == 360
    assert len(vix) == 385
    assert 700 < vix.close.mean() < 4_000


@pytest.mark.parametrize("day", [date(2026, 11, 10), date(2026, 11, 21), date(2026, 11, 8), date(1999, 1, 1), date(2031, 1, 1)])
def test_dates_without_a_known_session_are_empty(world, day):
    assert len(world.minutes(named(world, "NIFTY INDEX"), day)) == 0
    assert world.bhavcopy("NSE", "FO", day) is None


def test_contracts_do_not_trade_before_they_are_listed_or_after_they_expire(world):
    weekly = named(world, "NIFTY01DEC26C26000")
    assert len(world.minutes(weekly, DAY))
    assert len(world.minutes(weekly, date(2026, 9, 1))) == 0
    assert len(world.minutes(named(world, "NIFTY23NOV26F"), date(2026, 11, 25))) == 0


def rows(body):
    return list(csv.DictReader(io.StringIO(body.decode())))


@pytest.mark.parametrize(("venue", "units"), [("NSE", False), ("BSE", True)])
def test_the_bhavcopy_is_the_total_of_the_minutes(world, venue, units):
    exchange = {"NSE": "NFO", "BSE": "BFO"}[venue]
    table = rows(world.bhavcopy(venue, "FO", DAY))
    assert len(table) == sum(one.exchange == exchange for one in world.listed_on(DAY))
    for row in table[::7]:
        listing = world.find(exchange, int(row["FinInstrmId"]))
        m = world.minutes(listing, DAY)
        factor = 1 if units else listing.lot
        assert int(row["TtlTradgVol"]) * factor == m.volume.sum(), listing.symbol
        assert int(row["TtlNbOfTxsExctd"]) == m.trades.sum()
        if len(m):
            paise = [round(float(row[name]) * 100) for name in ("OpnPric", "HghPric", "LwPric", "LastPric")]
            assert paise == [m.open[0], m.high.max(), m.low.min(), m.close[-1]]
            assert int(row["OpnIntrst"]) == m.oi[-1]
            worth = ((m.vwap_paise + (listing.strike_paise or 0)) * m.volume).sum() / 100
            assert float(row["TtlTrfVal"]) == pytest.approx(worth)


def test_open_interest_stands_still_while_nothing_trades(world):
    days = world.calendar.sessions(DAY - timedelta(days=20), DAY)
    tables = [{r["FinInstrmId"]: r for r in rows(world.bhavcopy("NSE", "FO", day))} for day in days]
    for before, after in pairwise(tables):
        for token, row in list(after.items())[::5]:
            change = int(row["ChngInOpnIntrst"])
            if token in before:
                assert int(row["OpnIntrst"]) - change == int(before[token]["OpnIntrst"])
            if row["TtlTradgVol"] == "0":
                assert change == 0


def test_the_cash_bhavcopy_lists_stocks_and_no_index(world):
    table = rows(world.bhavcopy("NSE", "CM", DAY))
    assert {row["TckrSymb"] for row in table} == {"RELIANCE", "TCS", "M&M"}
    spot = world.minutes(named(world, "M&M-EQ"), DAY)
    row = next(row for row in table if row["TckrSymb"] == "M&M")
    assert int(row["TtlTradgVol"]) == spot.volume.sum()
    assert row["SctySrs"] == "EQ"


def test_puts_and_calls_agree_with_the_future(world):
    future = world.minutes(named(world, "NIFTY23NOV26F"), DAY)
    call, put = (world.minutes(named(world, f"NIFTY23NOV26{right}26000"), DAY) for right in "CP")
    at = {one: dict(zip(m.epoch_s.tolist(), m.close.tolist(), strict=True)) for one, m in (("c", call), ("p", put), ("f", future))}
    apart = [abs(at["c"][s] - at["p"][s] + 2_600_000 - at["f"][s]) for s in at["c"].keys() & at["p"].keys() & at["f"].keys()]
    assert len(apart) > 300
    assert np.median(apart) < 600


def test_quotes_follow_the_minutes(world):
    listing = named(world, "RELIANCE23NOV26F")
    m = world.minutes(listing, DAY)
    quote = world.quote(listing, datetime(2026, 11, 20, 18, 30, tzinfo=IST))
    assert (quote.lp, quote.o, quote.h, quote.l, quote.v) == (m.close[-1], m.open[0], m.high.max(), m.low.min(), m.volume.sum())
    early = world.quote(listing, datetime(2026, 11, 20, 8, 0, tzinfo=IST))
    assert early.lp == early.c == quote.c
    assert early.v == 0
    assert quote.bid < quote.lp < quote.ask


def test_find_and_search(world):
    assert world.find("NSE", 2885).symbol == "RELIANCE-EQ"
    assert world.find("NSE", 1) is None
    assert world.find("MCX", 1) is None
    assert world.find("BSE", 1).underlying == "SENSEX"
    assert [one.symbol for one in world.search("NFO", "m&m 23nov26f")] == ["M&M23NOV26F"]
    assert world.search("NSE", "") == []


def test_an_unknown_underlying_is_named():
    with pytest.raises(ValueError, match="NOSUCH"):
        World.build(DAY, underlyings=("NOSUCH",))
