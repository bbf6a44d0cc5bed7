"""A chain at a minute, against truths worked out by hand."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.query.chains import MON, MONTH, STRIKES, TUE, WEEK, Market

from fnolake.errors import QueryError, UnknownInstrument
from fnolake.lake import open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import IST, Contract, utc_from_us
from fnolake.query.chain import ANALYTICS, CHAIN_COLUMNS, Chain, max_pain, read_chain
from fnolake.query.forward import Forward, forward_of, parity
from fnolake.query.greeks import greeks, implied_vol, price
from fnolake.store.store import Store

CALENDAR = Calendar.bundled()
RATE = 0.05
OI = {("CE", 100): 10, ("CE", 110): 20, ("CE", 120): 40, ("PE", 100): 50, ("PE", 110): 30, ("PE", 120): 5}
VOLUME = {("CE", 100): 1, ("CE", 110): 2, ("CE", 120): 5, ("PE", 100): 3, ("PE", 110): 4, ("PE", 120): 5}
PRICE = {("CE", 100): 14.0, ("CE", 110): 6.5, ("CE", 120): 2.0, ("PE", 100): 1.9, ("PE", 110): 4.35, ("PE", 120): 9.9}


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    with Store.open(tmp_path / "lake", write=True) as store:
        made = Market(store)
        made.list()
        yield made


def everything(market: Market, expiry: date, clock: str = "11:04") -> dict[str, list[tuple[str, float, int, int | None]]]:
    return {market.option(expiry, strike, right): [(clock, PRICE[right, strike], VOLUME[right, strike], oi)] for (right, strike), oi in OI.items()}


def ask(market: Market, at: datetime | date | str = "2026-11-17 11:05", expiry: date | str = "near", **how: object) -> Chain:
    return read_chain(market.store, CALENDAR, market.underlying, at, expiry, **{"rate": RATE, **how})


def one(chain: Chain, strike: float, right: str) -> dict[str, object]:
    return chain.rows.row(by_predicate=(pl.col("strike") == strike) & (pl.col("right") == right), named=True)


def test_the_whole_of_a_chain_by_hand(market: Market) -> None:
    market.trade(TUE, {**everything(market, MONTH), market.future(MONTH): [("11:04", 112.0, 65, 1)], "NIFTY": [("11:04", 500.0, 0, None)]})
    chain = ask(market)
    assert (chain.underlying, chain.venue, chain.expiry, chain.at) == ("NIFTY", "NSE", MONTH, datetime(2026, 11, 17, 11, 5, tzinfo=IST))
    assert tuple(chain.rows.columns) == CHAIN_COLUMNS
    assert chain.rows.select("strike", "right").rows() == [(float(strike), right) for strike in STRIKES for right in ("CE", "PE")]
    assert chain.forward == Forward(112.0, "future", 0)
    assert chain.atm == 110.0
    assert chain.pcr_oi == 85 / 70
    assert chain.pcr_volume == 12 / 8
    # holders get, at 100: 10·30 + 20·5 = 400; at 110: 10·10 + 10·5 = 150; at 120: 20·10 + 10·20 = 400
    assert chain.max_pain == 110.0
    assert chain.years == pytest.approx((6 * 86_400 + 4 * 3600 + 35 * 60) / (365 * 86_400), rel=1e-15)
    row = one(chain, 120, "PE")
    assert [row[name] for name in ("symbol", "last", "age", "volume", "oi", "oi_change")] == ["NIFTY23NOV26P120", 9.9, 0, 5, 5, None]
    assert price(112, 120, chain.years, row["iv"], RATE, call=False) == pytest.approx(9.9, abs=1e-9)
    assert row["vega"] == pytest.approx(float(greeks(112, 120, chain.years, row["iv"], RATE, call=False).vega))
    assert chain.missing == 0
    assert chain.oi_from is None


def test_a_bar_is_seen_when_it_has_ended_and_not_before(market: Market) -> None:
    call = market.option(MONTH, 110, "CE")
    market.trade(TUE, {call: [("09:10", 1.0, 100, 1), ("09:15", 5.0, 1, 10), ("11:04", 6.0, 2, None), ("11:05", 7.0, 4, 30), ("11:06", 8.0, 8, 40)]})
    seen = {at: one(ask(market, f"2026-11-17 {at}", max_age=None), 110, "CE") for at in ("09:16", "11:04", "11:05", "11:05:59", "11:06", "11:09")}
    assert [tuple(row[name] for name in ("last", "age", "volume", "oi")) for row in seen.values()] == [
        (5.0, 0, 1, 10), (5.0, 108, 1, 10), (6.0, 0, 3, 10), (6.0, 0, 3, 10), (7.0, 0, 7, 30), (8.0, 2, 15, 40),
    ]
    with pytest.raises(QueryError, match="no option of NIFTY 2026-11-23 has a bar that ended by 2026-11-17 09:15"):
        ask(market, "2026-11-17 09:15")


@settings(max_examples=15)
@given(st.integers(0, 400), st.lists(st.integers(0, 384), min_size=1, max_size=6, unique=True))
def test_nothing_after_the_instant_changes_a_chain(tmp_path_factory: pytest.TempPathFactory, at: int, minutes: list[int]) -> None:
    clock = datetime(2026, 11, 17, 9, 15, tzinfo=IST) + timedelta(minutes=at)
    seen = []
    for kept in (minutes, [minute for minute in minutes if minute < at]):
        with Store.open(tmp_path_factory.mktemp("lake"), write=True) as store:
            market = Market(store)
            market.list(expiries=(MONTH,), strikes=(110,))
            told = [(f"{9 + (15 + m) // 60:02d}:{(15 + m) % 60:02d}", 5.0 + m / 100, m + 1, m * 10) for m in sorted(kept)]
            market.trade(TUE, {market.option(MONTH, 110, "CE"): told, market.option(MONTH, 110, "PE"): [("09:15", 4.0, 1, 7)] if at else []})
            try:
                seen.append(ask(market, clock).rows.rows())
            except QueryError:
                seen.append([])
    assert seen[0] == seen[1]


def test_published_and_hot_bars_give_the_same_chain(market: Market) -> None:
    market.trade(MON, everything(market, WEEK, "15:20"))
    market.trade(TUE, everything(market, WEEK))
    hot = ask(market, expiry="next")
    market.store.publish(MON)
    market.store.publish(TUE)
    published = ask(market, expiry="next")
    assert published.rows.equals(hot.rows)
    assert published.summary() == hot.summary()
    assert hot.oi_from == "bars"
    assert set(hot.rows["oi_change"]) == {0}


def test_a_weekly_has_the_forward_of_parity_near_the_money_and_never_the_spot(market: Market) -> None:
    market.trade(TUE, {**everything(market, WEEK), "NIFTY": [("11:04", 500.0, 0, None)], market.future(MONTH): [("11:04", 300.0, 65, 1)]})
    chain = ask(market, expiry=WEEK)
    growth = math.exp(RATE * chain.years)
    assert chain.forward.source == "parity"
    # 100 + 12.1 g, 110 + 2.15 g and 120 - 7.9 g, with g a little over 1: the first is the middle one
    assert chain.forward.price == pytest.approx(100 + 12.1 * growth, abs=1e-9)
    both = [one(chain, 100, right)["iv"] for right in ("CE", "PE")]
    assert both[0] == pytest.approx(both[1], abs=1e-9)


def test_parity_takes_the_fresh_pairs_nearest_the_money() -> None:
    def table(rows: list[tuple[float, float | None, int, float | None, int]]) -> pl.DataFrame:
        flat = [(k, right, last, age) for k, c, a, p, b in rows for right, last, age in (("CE", c, a), ("PE", p, b))]
        return pl.DataFrame(flat, schema=["strike", "right", "last", "age"], orient="row")

    fresh = [(100.0 + n, 10.0 - n, 0, 5.0, 1) for n in range(3)]
    assert parity(table([*fresh, (90.0, 50.0, 9, 50.0, 9)]), 1.0, 15) == Forward(105.0, "parity", 1)
    assert parity(table([*fresh[:2], (90.0, 50.0, 9, 50.0, 9)]), 1.0, 15) == Forward(105.0, "parity", 9)
    assert parity(table([(90.0, 50.0, 16, 50.0, 0)]), 1.0, 15) == Forward()
    assert parity(table([(90.0, 50.0, 16, 50.0, 0)]), 1.0, None) == Forward(90.0, "parity", 16)
    assert parity(table([(90.0, None, 0, 50.0, 0)]), 1.0, 15) == Forward()
    wings = [(100.0 + 10 * n, 30.0, 0, 30.0 + 10 * n - 5, 0) for n in range(-9, 10)]
    wrong = [(k, c, a, p + 40 * (abs(k - 105) > 40), b) for k, c, a, p, b in wings]
    assert parity(table(wrong), 1.0, 15) == Forward(105.0, "parity", 0)
    assert forward_of((104.0, 15), table(wings), 1.0, 15) == Forward(104.0, "future", 15)
    assert forward_of((104.0, 16), table(wings), 1.0, 15) == Forward(105.0, "parity", 0)


@given(st.floats(500, 90_000), st.floats(1 / 365, 0.3), st.floats(0.05, 0.8), st.floats(0, 0.1))
def test_parity_finds_the_forward_that_made_the_prices(forward: float, years: float, vol: float, rate: float) -> None:
    strikes = [forward * (0.9 + 0.02 * n) for n in range(11)]
    rows = [(k, right, float(price(forward, k, years, vol, rate, call=right == "CE")), 0) for k in strikes for right in ("CE", "PE")]
    found = parity(pl.DataFrame(rows, schema=["strike", "right", "last", "age"], orient="row"), math.exp(rate * years), 15)
    assert found.price == pytest.approx(forward, rel=1e-10)


def test_an_old_price_is_shown_and_makes_no_volatility(market: Market) -> None:
    told = everything(market, MONTH)
    told[market.option(MONTH, 110, "CE")] = [("10:48", 6.5, 2, 20)]
    told[market.option(MONTH, 110, "PE")] = []
    told[market.option(MONTH, 100, "CE")] = [("11:04", 11.0, 2, 20)]
    market.trade(TUE, {**told, market.future(MONTH): [("10:49", 112.0, 65, 1)]})
    chain = ask(market)
    assert [one(chain, 110, "CE")[name] for name in ("last", "age", "iv", "iv_reason", "delta")] == [6.5, 16, None, "stale", None]
    assert [one(chain, 110, "PE")[name] for name in ("last", "age", "volume", "iv_reason")] == [None, None, 0, "no_price"]
    assert one(chain, 100, "CE")["iv_reason"] == "below_intrinsic"
    whole = ask(market, max_age=None)
    assert one(whole, 110, "CE")["iv_reason"] is None
    assert chain.rows["iv"].is_null().equals(chain.rows["iv_reason"].is_not_null())
    assert not chain.rows["iv"].is_nan().any()


def test_without_a_forward_there_is_no_volatility_and_no_money(market: Market) -> None:
    market.trade(TUE, {market.option(WEEK, 110, "CE"): [("11:04", 6.5, 2, 20)]})
    chain = ask(market, expiry=WEEK)
    assert (chain.forward, chain.atm) == (Forward(), None)
    assert one(chain, 110, "CE")["iv_reason"] == "no_forward"
    assert (chain.pcr_oi, chain.pcr_volume) == (0.0, 0.0)


def test_open_interest_is_compared_with_the_exchange_where_its_file_is_here(market: Market) -> None:
    symbols = [market.option(MONTH, strike, "CE") for strike in STRIKES]
    market.trade(MON, {symbols[0]: [("15:39", 1.0, 1, 7)]})
    market.exchange_says(MON, {symbols[0]: (1, 8), symbols[1]: (0, 33)})
    market.exchange_says(TUE, {symbols[0]: (5, 10), symbols[1]: (0, 33)})
    market.trade(TUE, {symbols[0]: [("11:04", 14.0, 5, 10)]})
    chain = ask(market)
    assert chain.oi_from == "exchange"
    assert [(row["oi"], row["oi_change"], row["volume"]) for row in (one(chain, strike, "CE") for strike in STRIKES)] == [
        (10, 2, 5), (33, 0, 0), (None, None, None),
    ]
    assert chain.missing == 4


def test_open_interest_of_a_session_that_is_not_the_one_before_is_not_compared_with(market: Market) -> None:
    market.trade(date(2026, 11, 13), everything(market, MONTH, "15:20"))
    market.trade(TUE, everything(market, MONTH))
    chain = ask(market)
    assert chain.oi_from is None
    assert chain.rows["oi_change"].null_count() == 6


@pytest.mark.parametrize(("venue", "expiry", "index", "end"), [
    ("NSE", date(2026, 7, 28), True, "15:30"), ("NSE", date(2026, 8, 4), True, "15:40"), ("BSE", date(2026, 11, 26), True, "15:40"),
    ("NSE", date(2026, 12, 8), True, "15:30"), ("NSE", date(2026, 12, 29), False, "15:45"), ("NSE", date(2027, 1, 25), False, "15:45"),
    ("NSE", date(2027, 1, 25), True, "15:30"), ("NSE", date(2026, 11, 24), True, "15:40"),
])
def test_the_last_instant_is_that_of_the_expiry_in_its_era(venue: str, expiry: date, index: bool, end: str) -> None:
    contract = Contract(1, venue, "FO", 1, "X", "NIFTY" if index else "TCS", "option", expiry, 10_000, "CE", 1, 5, "X", is_index=index)
    assert utc_from_us(CALENDAR.last_instant_us(contract)).astimezone(IST) == datetime.combine(expiry, datetime.strptime(end, "%H:%M").time(), IST)


def test_at_the_very_end_a_minute_is_left(market: Market) -> None:
    last = date(2026, 11, 23)
    market.trade(last, everything(market, MONTH, "15:39"))
    for at in ("2026-11-23 15:40", "2026-11-23 19:00", "2026-11-23", last):
        chain = ask(market, at)
        assert chain.at == datetime(2026, 11, 23, 15, 40, tzinfo=IST)
        assert chain.years == 60 / (365 * 86_400)
    assert ask(market, "2026-11-23 15:40").rows["age"].to_list() == [0] * 6


def test_instants_and_expiries_as_people_type_them(market: Market) -> None:
    market.trade(TUE, {**everything(market, MONTH), **everything(market, WEEK)})
    rows = ask(market, "2026-11-17 11:05").rows
    for at in ("11:05", "2026-11-17T11:05", "2026-11-17 05:35+00:00", datetime(2026, 11, 17, 11, 5), datetime(2026, 11, 17, 11, 5, tzinfo=IST)):
        assert ask(market, at).rows.equals(rows)
    assert ask(market, expiry="next").expiry == ask(market, expiry=WEEK).expiry == ask(market, expiry="2026-12-01").expiry == WEEK
    for at, expiry, said in (
        ("noon", "near", "noon is no instant: give one like 2026-11-20 11:05"), ("2026-11-20 11:05", "near", "nothing of 2026-11-20 is in this lake; the nearest session here is 2026-11-17"),
        ("11:05", "far", "NIFTY has no far expiry on 2026-11-17; there are 2026-11-23, 2026-12-01"), ("11:05", date(2027, 1, 5), "no options of 2027-01-05"),
        ("11:05", "soon", "soon is no expiry: give near, next, far or a date"),
    ):
        with pytest.raises(QueryError, match=said):
            ask(market, at, expiry)
    with pytest.raises(UnknownInstrument, match="did you mean NIFTY"):
        read_chain(market.store, CALENDAR, "NIFTTY", "11:05", rate=RATE)


def test_a_chain_of_bse_and_one_without_greeks(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lake", write=True) as store:
        sensex = Market(store, "SENSEX", "BSE")
        sensex.list(expiries=(date(2026, 11, 19),), futures=())
        sensex.trade(TUE, everything(sensex, date(2026, 11, 19)))
    with open_lake(tmp_path / "lake", environ={}) as lake:
        chain = lake.chain("SENSEX", at="2026-11-17 11:05", greeks=False)
        assert chain.venue == "BSE"
        assert tuple(chain.rows.columns) == CHAIN_COLUMNS[: -len(ANALYTICS)]
        assert lake.chain("SENSEX", at="11:05").rate == lake.settings.analytics.rate == 0.053
        assert lake.chain("SENSEX", at="11:05", rate=0.5).rate == 0.5


def test_wide_has_a_row_a_strike(market: Market) -> None:
    market.trade(TUE, everything(market, MONTH))
    chain = ask(market)
    wide = chain.wide()
    assert wide["strike"].to_list() == [100.0, 110.0, 120.0]
    assert wide["call_oi"].to_list() == [10, 20, 40]
    assert wide["put_last"].to_list() == [1.9, 4.35, 9.9]
    assert wide["call_iv"][1] == one(chain, 110, "CE")["iv"]
    assert wide.width == 5 + 2 * (len(CHAIN_COLUMNS) - 6)


@given(st.lists(st.tuples(st.integers(1, 40), st.sampled_from(["CE", "PE"]), st.integers(0, 10**9)), min_size=1, max_size=30))
def test_max_pain_is_where_holders_get_least(rows: list[tuple[int, str, int]]) -> None:
    table = pl.DataFrame([(float(k), right, oi) for k, right, oi in rows], schema=["strike", "right", "oi"], orient="row")
    paid = {at: sum(oi * max(at - k if right == "CE" else k - at, 0) for k, right, oi in rows) for at in sorted({k for k, _, _ in rows})}
    found = max_pain(table)
    assert (found is None) == (sum(oi for _, _, oi in rows) == 0)
    if found is not None:
        assert paid[int(found)] == min(paid.values())


def test_the_volatilities_of_a_whole_chain_are_those_that_made_its_prices(market: Market) -> None:
    years = ((MONTH - TUE).days * 86_400 + (15 * 60 + 40 - 11 * 60 - 5) * 60) / (365 * 86_400)
    ticks = {(k, right): round(float(price(112, k, years, 0.6, RATE, call=right == "CE")), 2) for k in STRIKES for right in ("CE", "PE")}
    market.trade(TUE, {
        market.future(MONTH): [("11:04", 112.0, 65, 1)], **{market.option(MONTH, k, right): [("11:04", paid, 1, 1)] for (k, right), paid in ticks.items()},
    })
    for row in ask(market).rows.rows(named=True):
        assert row["iv"] == pytest.approx(0.6, abs=0.005 / (row["vega"] * 100) * 1.01)
        assert row["iv"] == pytest.approx(float(implied_vol(row["last"], 112, row["strike"], years, RATE, row["right"] == "CE").vol), rel=1e-12)
