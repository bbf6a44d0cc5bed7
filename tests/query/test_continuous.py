"""Continuous futures: hand-made lakes whose truth is on paper, and three months of the market model."""

from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from tests.model_lake import fill
from tests.provider.fakes import FakeClock
from tests.query.test_bars import bars as flat_bars
from tests.query.test_bars import commit, listing, take
from tests.store.conftest import raw
from tests.store.test_exchange import day as exchange_day
from tests.store.test_exchange import row as exchange_row

from fnolake.emulator.world import World
from fnolake.errors import GapWarning, NotCovered, QueryError, UnknownInstrument
from fnolake.lake import open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import IST
from fnolake.query.bars import BAR_COLUMNS
from fnolake.query.continuous import ROLLS
from fnolake.store.store import Store

AUG, SEP, OCT = date(2026, 8, 25), date(2026, 9, 29), date(2026, 10, 27)
SESSIONS = Calendar.bundled().sessions(date(2026, 8, 20), date(2026, 8, 28))
EXPIRED = SESSIONS.index(AUG)
PRICES = ["open", "high", "low", "close", "vwap"]


def one(token, expiry, session, prices, volume=175, oi=None, at=0):
    """Bars of a TCS future: a close a minute from 09:15 + ``at``; open, high and low 10, 40 and -50 paise from it."""
    rows = flat_bars(listing(token, "future", expiry), token, session, ("continuous",) * len(prices))
    close = pl.Series(prices, dtype=pl.Int32)
    return rows.with_columns(
        ts=pl.col("ts") + timedelta(minutes=at), close_paise=close, open_paise=close + 10, high_paise=close + 40, low_paise=close - 50,
        volume=pl.lit(volume, pl.Int64), oi=pl.lit(oi, pl.Int64), vwap_paise=close,
    )


def build(path, *tables, since=SESSIONS[0], expiries=(AUG, SEP, OCT)):
    with Store.open(path / "lake", write=True) as store:
        take(store, since, *(listing(n, "future", expiry) for n, expiry in enumerate(expiries, 1)))
        commit(store, pl.concat(tables))
    return open_lake(path / "lake", environ={})


@pytest.fixture
def lake(tmp_path):
    """Three contracts on seven sessions; August closes at 1000.00 + n and September at 1010.50 + n on the n-th, in every minute."""
    tables = [
        one(token, expiry, day, [base + 100 * n] * 3)
        for n, day in enumerate(SESSIONS) for token, expiry, base in ((1, AUG, 100_000), (2, SEP, 101_050), (3, OCT, 102_000)) if day <= expiry
    ]
    with build(tmp_path, *tables) as opened:
        yield opened


def test_by_expiry_the_contracts_own_bars_follow_each_other(lake):
    got = lake.continuous("tcs")
    raw = pl.concat([lake.bars("TCS25AUG26F", end=AUG), lake.bars("TCS29SEP26F", start=SESSIONS[EXPIRED + 1])])
    assert_frame_equal(got, raw)
    assert tuple(got.columns) == BAR_COLUMNS


def test_the_roll_table_says_when_at_which_prices_and_why(lake):
    rolls = lake.rolls("TCS")
    assert dict(rolls.schema) == ROLLS
    assert rolls.rows(named=True) == [{
        "session": date(2026, 8, 26), "from_symbol": "TCS25AUG26F", "to_symbol": "TCS29SEP26F", "reason": "expiry",
        "measured_at": datetime(2026, 8, 25, 9, 17, tzinfo=IST), "from_price": 1003.0, "to_price": 1013.5, "gap": 10.5, "ratio": 1013.5 / 1003.0,
        "measured": "minute", "offset": 10.5, "factor": 1013.5 / 1003.0, "from_total": None, "to_total": None, "from_expiry": AUG,
        "to_expiry": SEP, "from_contract": 1, "to_contract": 2,
    }]


def test_differences_are_added_and_ratios_multiply_before_the_roll_only(lake):
    raw, moved, scaled = (lake.continuous("TCS", adjust=adjust) for adjust in (None, "difference", "ratio"))
    before = raw["session"] <= AUG
    for got in (moved, scaled):
        assert_frame_equal(got.filter(~before), raw.filter(~before))
        assert_frame_equal(got.drop(PRICES), raw.drop(PRICES))
    assert moved.filter(before)["close"].to_list() == [day for n in range(4) for day in [1010.5 + n] * 3]
    assert moved.filter(before)["low"].to_list() == [day for n in range(4) for day in [1010.0 + n] * 3]
    assert scaled.filter(before)["close"].to_list() == pytest.approx([day for n in range(4) for day in [(1000 + n) * 1013.5 / 1003.0] * 3], rel=1e-14)
    seam = lake.rolls("TCS")["measured_at"][0]
    assert moved.filter(ts=seam)["close"].item() == pytest.approx(lake.bars("TCS29SEP26F").filter(ts=seam)["close"].item())


def test_later_rolls_move_what_is_before_all_of_them(tmp_path):
    days = Calendar.bundled().sessions(AUG, date(2026, 9, 30))
    prices = {1: 100_000, 2: 110_000, 3: 132_000}
    tables = [one(token, (AUG, SEP, OCT)[token - 1], day, [price]) for day in days for token, price in prices.items() if day <= (AUG, SEP, OCT)[token - 1]]
    with build(tmp_path, *tables, since=AUG) as lake:
        rolls = lake.rolls("TCS")
        assert rolls.select("gap", "offset").rows() == [(100.0, 320.0), (220.0, 220.0)]
        assert rolls["factor"].to_list() == pytest.approx([1.32, 1.2])
        assert set(lake.continuous("TCS", adjust="difference")["close"]) == {1320.0}
        assert lake.continuous("TCS", adjust="ratio")["close"].to_list() == pytest.approx([1320.0] * len(days))
        until = lake.continuous("TCS", adjust="difference", end=SEP)
        assert set(until["close"]) == {1100.0}, "the last contract that was asked for keeps its prices"
        assert lake.rolls("TCS", start=SEP)["session"].to_list() == [date(2026, 9, 30)]


def test_the_second_contract_is_a_series_of_its_own(lake):
    assert lake.continuous("TCS", which="next")["symbol"].unique(maintain_order=True).to_list() == ["TCS29SEP26F", "TCS27OCT26F"]
    assert lake.rolls("TCS", which="next")["gap"].to_list() == [9.5]


@pytest.mark.parametrize("rule", ["volume", "oi"])
def test_totals_of_the_session_before_decide_and_do_not_turn_back(tmp_path, rule):
    more = {SESSIONS[1]: (900, 800), SESSIONS[2]: (700, 701), SESSIONS[3]: (999, 1)}
    tables = [
        one(token, expiry, day, [100_000 + token] * 2, **{rule: total} | ({} if rule == "oi" else {"oi": 5}))
        for day in SESSIONS for token, expiry, total in zip((1, 2), (AUG, SEP), more.get(day, (500, 400)), strict=True) if day <= expiry
    ]
    with build(tmp_path, *tables, expiries=(AUG, SEP)) as lake:
        roll = lake.rolls("TCS", roll=rule).row(0, named=True)
        units = 2 if rule == "volume" else 1
        assert (roll["session"], roll["reason"], roll["from_total"], roll["to_total"]) == (SESSIONS[3], rule, 700 * units, 701 * units)
        assert lake.rolls("TCS", roll=rule).height == 1
        cut = lake.rolls("TCS", roll=rule, start=SESSIONS[3])
        assert cut.is_empty()
        assert lake.continuous("TCS", roll=rule, start=SESSIONS[3])["symbol"].unique().to_list() == ["TCS29SEP26F"], "where it begins changes no roll"


def test_contracts_that_never_trade_in_one_minute_are_measured_by_a_stated_rule(tmp_path):
    held = [one(1, AUG, day, [100_000, 100_100]) for day in SESSIONS[: EXPIRED + 1]]
    later = [one(2, SEP, day, [101_000], at=5) for day in SESSIONS[EXPIRED:]]
    quiet = one(2, SEP, AUG, [1], volume=0)
    with build(tmp_path / "last", *held, *later, quiet, expiries=(AUG, SEP)) as lake:
        roll = lake.rolls("TCS").row(0, named=True)
        assert (roll["measured"], roll["from_price"], roll["to_price"]) == ("last", 1001.0, 1010.0)
        assert roll["measured_at"] == datetime(2026, 8, 25, 9, 20, tzinfo=IST)
    early = [one(2, SEP, SESSIONS[1], [102_000]), *(one(2, SEP, day, [103_000]) for day in SESSIONS[EXPIRED + 1:])]
    with build(tmp_path / "earlier", *held, *early, expiries=(AUG, SEP)) as lake:
        roll = lake.rolls("TCS").row(0, named=True)
        assert (roll["measured"], roll["from_price"], roll["to_price"]) == ("earlier", 1000.0, 1020.0)
        assert roll["measured_at"] == datetime(2026, 8, 21, 9, 15, tzinfo=IST)
    never = [one(2, SEP, day, [103_000]) for day in SESSIONS[EXPIRED + 1:]]
    with build(tmp_path / "none", *held, *never, expiries=(AUG, SEP)) as lake:
        with pytest.warns(GapWarning, match="never traded in one session, so it cannot be adjusted"):
            rolls = lake.rolls("TCS")
        assert rolls.select("measured", "gap", "ratio", "offset", "factor").row(0) == ("none", None, None, 0.0, 1.0)
        with pytest.raises(NotCovered, match="never traded"):
            lake.continuous("TCS", adjust="ratio", strict=True)


def test_a_gap_is_said_and_a_strict_reading_refuses_it(tmp_path):
    whole = [one(1, AUG, day, [100_000]) for day in SESSIONS[: EXPIRED + 1] if day != SESSIONS[1]]
    with build(tmp_path, *whole, *(one(2, SEP, day, [101_000]) for day in SESSIONS[EXPIRED:]), expiries=(AUG, SEP)) as lake:
        with pytest.warns(GapWarning, match="TCS: 2026-08-21: TCS25AUG26F not covered"):
            assert lake.continuous("TCS")["session"].n_unique() == len(SESSIONS) - 1
        with pytest.raises(NotCovered) as caught:
            lake.continuous("TCS", strict=True)
        assert caught.value.missing == [(1, SESSIONS[1])]
        assert caught.value.spans == (("TCS25AUG26F", SESSIONS[1], SESSIONS[1], "not_covered"),)
        with pytest.warns(GapWarning, match="no roll by volume was decided"):
            lake.continuous("TCS", roll="volume", start=SESSIONS[2])
        assert lake.continuous("TCS", start=SESSIONS[2], strict=True).height == len(SESSIONS) - 2


@pytest.mark.parametrize(("rule", "rolled"), [("volume", []), ("oi", [SESSIONS[2]])])
def test_what_the_exchange_says_did_not_trade_is_known_though_nobody_asked_for_it(tmp_path, rule, rolled):
    first = SESSIONS[:3]
    tables = [one(1, AUG, each, [100_000], oi=10) for each in first] + [one(2, SEP, each, [101_000], oi=9) for each in (first[0], first[2])]
    with build(tmp_path, *tables, expiries=(AUG, SEP)) as lake, pytest.warns(GapWarning, match=f"2026-08-24: no roll by {rule} was decided"):
        assert lake.rolls("TCS", roll=rule).is_empty()
    quiet = exchange_row(2, kind="future", strike_paise=None, right=None, expiry=SEP, volume=0, trades=0, oi=11)
    with Store.open(tmp_path / "lake", write=True) as store:
        store.take_exchange_day(exchange_day(first[1], quiet), raw("fo.csv"))
    with open_lake(tmp_path / "lake", environ={}) as lake:
        assert lake.rolls("TCS", roll=rule)["session"].to_list() == rolled
        assert lake.continuous("TCS", which="next", strict=True)["session"].to_list() == [first[0], first[2]]


def test_sessions_that_were_asked_for_and_not_captured_are_gaps_once_they_are_finished(lake):
    lake._clock_value = FakeClock(1_000_000.0 - timedelta(days=80, hours=2).total_seconds())
    for asked, lacking in (({"start": date(2026, 8, 18)}, "2 sessions from 2026-08-18 to 2026-08-19"), ({"end": date(2026, 9, 4)}, "2 sessions from 2026-08-31 to 2026-09-01"),
                           ({"start": date(2026, 8, 31), "end": date(2026, 8, 31)}, "2026-08-31: TCS29SEP26F")):
        with pytest.warns(GapWarning, match=lacking):
            lake.continuous("TCS", **asked)
    assert lake.continuous("TCS", end=SESSIONS[-1], strict=True).height


def test_contracts_that_had_expired_before_the_first_master_are_missed(tmp_path):
    """A lake that knows only September must not take it for the front contract of August."""
    days = SESSIONS[EXPIRED - 1:]
    with build(tmp_path, *(one(1, SEP, day, [101_000]) for day in days), since=SESSIONS[-1], expiries=(SEP, OCT)) as lake:
        with pytest.warns(GapWarning, match="2 sessions from 2026-08-24 to 2026-08-25: this lake does not know the contract of that time"):
            got = lake.continuous("TCS")
        assert got["session"].to_list() == days[2:]
        with pytest.raises(NotCovered) as caught:
            lake.continuous("TCS", strict=True)
        assert (caught.value.missing, caught.value.spans) == ([], (("", days[0], days[1], "contract_unknown"),))


def test_an_expiry_that_is_moved_counts_from_the_master_that_says_so(tmp_path):
    early = date(2026, 8, 24)
    with Store.open(tmp_path / "lake", write=True) as store:
        take(store, SESSIONS[0], listing(1, "future", AUG), listing(2, "future", SEP))
        take(store, SESSIONS[1], listing(1, "future", early), listing(2, "future", SEP))
        rows = [one(1, AUG, SESSIONS[0], [100_000]), *(one(1, early, day, [100_000]) for day in SESSIONS[1:3]), *(one(2, SEP, day, [101_000]) for day in SESSIONS)]
        commit(store, pl.concat(rows))
    with open_lake(tmp_path / "lake", environ={}) as lake:
        rolls = lake.rolls("TCS")
        assert rolls.select("session", "from_symbol", "from_expiry", "gap").rows() == [(AUG, "TCS24AUG26F", early, 10.0)]
        names = lake.continuous("TCS", strict=True)["symbol"].unique(maintain_order=True)
        assert names.to_list() == ["TCS25AUG26F", "TCS24AUG26F", "TCS29SEP26F"]
        assert lake.rolls("TCS", roll="days:2")["session"].to_list() == [SESSIONS[1]]


def test_a_week_with_a_roll_in_it_is_two_bars(lake):
    weeks = lake.continuous("TCS", interval="1w", adjust="difference")
    assert weeks.select("session", "symbol", "open", "close").rows() == [
        (date(2026, 8, 17), "TCS25AUG26F", 1010.6, 1011.5), (date(2026, 8, 24), "TCS25AUG26F", 1012.6, 1013.5),
        (date(2026, 8, 26), "TCS29SEP26F", 1014.6, 1016.5),
    ]
    assert weeks["ts"].is_unique().all()
    assert weeks["volume"].to_list() == [175 * 6, 175 * 6, 175 * 9]


def test_what_is_asked_wrongly_is_said(lake):
    for wrong, said in (({"adjust": "panama"}, "give difference, ratio or none"), ({"which": "far"}, "give near"), ({"roll": "x"}, "no roll"), ({"interval": "5x"}, "no interval")):
        with pytest.raises(QueryError, match=said):
            lake.continuous("TCS", **wrong)
    with pytest.raises(UnknownInstrument):
        lake.rolls("TCZ")
    assert lake.continuous("TCS", end=date(2026, 8, 1)).is_empty()
    assert lake.continuous("TCS", end=date(2026, 8, 1), interval="1d", adjust="ratio").is_empty()
    assert lake.rolls("TCS", end=date(2026, 8, 1)).is_empty()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """TCS futures of the market model over two expiries, the hours' change of August included."""
    first, last = date(2026, 7, 20), date(2026, 9, 4)
    world = World.build(last, underlyings=("TCS",), since=first)
    path = tmp_path_factory.mktemp("model") / "lake"
    with Store.open(path, write=True) as store:
        fill(store, world, Calendar.bundled().sessions(first, last), lambda listed: listed.kind == "future")
        store.publish(first)
    with open_lake(path, environ={}) as opened:
        yield opened


rules = pytest.mark.parametrize("roll", ["expiry", "days:3", "volume", "oi"])


@rules
def test_unadjusted_bars_are_the_contracts_own(model, roll):
    got = model.continuous("TCS", roll=roll, strict=True)
    cuts = [date.min, *model.rolls("TCS", roll=roll)["session"], date.max]
    symbols = got["symbol"].unique(maintain_order=True)
    own = [model.bars(name).filter(pl.col("session") >= cuts[n], pl.col("session") < cuts[n + 1]) for n, name in enumerate(symbols)]
    assert len(own) >= 2
    assert_frame_equal(got, pl.concat(own))


@rules
def test_within_a_session_adjusting_changes_no_return_and_no_difference(model, roll):
    raw, moved, scaled = (model.continuous("TCS", roll=roll, adjust=adjust) for adjust in (None, "difference", "ratio"))
    change = pl.col("close").diff().over("session")
    returns = (pl.col("close") / pl.col("close").shift()).over("session")
    paise = raw.select((change * 100).round().cast(pl.Int64))
    assert moved.select((change * 100).round().cast(pl.Int64)).equals(paise)
    assert scaled.select(error=(returns - raw.select(returns)["close"]).abs().max()).item() < 1e-14
    assert moved.select(pl.col(PRICES) * 100 - (pl.col(PRICES) * 100).round()).max_horizontal().abs().max() < 1e-6
    for got in (moved, scaled):
        assert got.select(BAR_COLUMNS[:8], "volume", "oi", "phase").equals(raw.select(BAR_COLUMNS[:8], "volume", "oi", "phase"))


@rules
def test_at_the_minute_of_measuring_there_is_no_jump(model, roll):
    rolls = model.rolls("TCS", roll=roll)
    assert rolls["measured"].unique().to_list() == ["minute"]
    for adjust in ("difference", "ratio"):
        got = model.continuous("TCS", roll=roll, adjust=adjust)
        later = [*rolls.select("offset", "factor").rows(), (0.0, 1.0)][1:]
        for row, (offset, factor) in zip(rolls.iter_rows(named=True), later, strict=True):
            there = model.bars(row["to_symbol"]).filter(ts=row["measured_at"])["close"].item()
            here = got.filter(ts=row["measured_at"])["close"].item()
            assert here == pytest.approx(there + offset if adjust == "difference" else there * factor, rel=1e-12)
            session = model.bars(row["from_symbol"]).filter(session=row["measured_at"].date())
            both = session.join(model.bars(row["to_symbol"]), on="ts")
            assert both["ts"].max() == row["measured_at"], "the last minute of both"


@rules
def test_longer_bars_are_those_of_the_adjusted_minutes(model, roll):
    minutes = model.continuous("TCS", roll=roll, adjust="difference")
    days = model.continuous("TCS", roll=roll, adjust="difference", interval="1d")
    by_hand = minutes.group_by("session", maintain_order=True).agg(
        pl.col("symbol").first(), pl.col("open").first(), pl.col("high").max(), pl.col("low").min(), pl.col("close").last(), pl.col("volume").sum(), pl.col("oi").last(),
    )
    assert_frame_equal(days.select(by_hand.columns), by_hand)
    assert model.continuous("TCS", roll=roll, interval="5m")["volume"].sum() == minutes["volume"].sum()


@settings(max_examples=25)
@given(st.data())
def test_where_a_series_ends_and_begins_moves_it_by_one_number(model, data):
    days = model.store.sessions()
    start, end = sorted(data.draw(st.lists(st.sampled_from(days), min_size=2, max_size=2)))
    whole = model.continuous("TCS", roll="days:3", adjust="difference").filter(pl.col("session").is_between(start, end))
    part = model.continuous("TCS", roll="days:3", adjust="difference", start=start, end=end)
    assert part["ts"].equals(whole["ts"])
    assert (part["close"] - whole["close"]).round(2).n_unique() == 1
