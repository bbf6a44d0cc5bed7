"""A derivatives master served without its cash master is still a whole market, as a user would want to capture it."""

from datetime import date

import pytest

from fnolake.emulator.world import World
from fnolake.provider.scope import in_scope
from fnolake.provider.shoonya.symbols import parse_master

DAY = date(2025, 1, 6)
ROWS = """Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,
NFO,38585,500,RELIANCE,RELIANCE30JAN25F,30-JAN-2025,FUTSTK,XX,-0.01,0.05,
NFO,35005,75,NIFTY,NIFTY30JAN25F,30-JAN-2025,FUTIDX,XX,-0.01,0.05,
NFO,35006,75,NIFTY,NIFTY30JAN25C24000,30-JAN-2025,OPTIDX,CE,24000,0.05,
NFO,35007,75,NIFTY,NIFTY27DEC29P24000,27-DEC-2029,OPTIDX,PE,24000,0.05,
NFO,38601,300,NOSUCHFIRM,NOSUCHFIRM30JAN25F,30-JAN-2025,FUTSTK,XX,-0.01,0.05,
"""


def world(**chosen):
    return World.from_masters({"NFO": ROWS.encode()}, DAY, **chosen)


def test_every_underlying_has_a_spot_that_trades_and_our_reader_finds_it():
    market = world()
    spots = {one.underlying: one for one in market.listings if one.kind == "spot"}
    assert {name: one.token for name, one in spots.items() if name != "NOSUCHFIRM"} == {
        "RELIANCE": 2885, "NIFTY": 26000, "INDIAVIX": 26017}
    assert all(len(market.minutes(one, DAY)) >= 375 for one in spots.values())
    masters = in_scope([parse_master(name, market.master(name), DAY) for name in ("NSE", "NFO")])
    assert set(masters[0].listings["underlying"]) == set(spots)
    assert [finding for one in masters for finding in one.findings] == []


def test_what_stands_in_the_master_is_listed_by_its_day():
    assert len(world().listed_on(DAY)) == len(world().listings)


def test_a_chosen_underlying_has_the_token_it_has_in_the_whole_market():
    whole, one = ({o.symbol: o.token for o in market.listings} for market in (world(), world(underlyings=("NOSUCHFIRM",))))
    assert set(one) == {"NOSUCHFIRM30JAN25F", "NOSUCHFIRM-EQ", "INDIA VIX"}
    assert one.items() <= whole.items()


def test_an_underlying_that_the_masters_lack_is_said():
    with pytest.raises(ValueError, match="no derivatives of SENSEX"):
        world(underlyings=("NIFTY", "SENSEX"))
