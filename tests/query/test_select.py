"""Which contracts are meant on each session, against a small lake whose every price is known."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import QueryError, UnknownInstrument
from fnolake.query.moneyness import PRICES, money_of, strikes_of
from fnolake.query.select import LADDER, Choice, choice_of
from fnolake.store.store import Store

from .lakes import (
    AUG,
    FAR,
    FRI,
    JUL,
    LISTED,
    MON,
    NEAR,
    NEXT,
    SEP,
    SPOT,
    STRIKES,
    TUE,
    ask,
    commit,
    listing,
    minutes,
    option,
    published,
    take_day,
    take_masters,
)

BEFORE = date(2024, 7, 5)
"""The session before the first master."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        yield opened


def symbols(found: pl.DataFrame) -> list[tuple[date, str]]:
    return found.select("session", "symbol").unique().sort("session", "symbol").rows()


@pytest.mark.parametrize(("words", "expected"), [
    ({}, Choice("TCS")),
    ({"expiry": "near"}, Choice("TCS", "future", None, 1)),
    ({"kind": "option", "expiry": "FAR"}, Choice("TCS", "option", None, 3)),
    ({"expiry": "2024-07-25"}, Choice("TCS", "future", JUL)),
    ({"strike": 312.5, "right": "call"}, Choice("TCS", "option", None, 0, 31_250, "CE")),
    ({"strike": "4000", "right": "p", "expiry": JUL}, Choice("TCS", "option", JUL, 0, 400_000, "PE")),
    ({"moneyness": "atm+2"}, Choice("TCS", "option", None, 0, None, None, money_of("ATM+2"))),
])
def test_words_become_a_choice(words: dict[str, object], expected: Choice) -> None:
    assert choice_of(" tcs ", **words) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("words", "says"), [
    ({"strike": 4000, "moneyness": "ATM"}, "exclude each other"), ({"kind": "future", "strike": 4000}, "a future has no strike"),
    ({"right": "XX"}, "give CE or PE"), ({"expiry": "soon"}, "near, next or far"), ({"strike": "many"}, "give rupees"), ({"strike": 4000.001}, "two digits"),
    ({"strike": float("inf")}, "give rupees"), ({"strike": -5}, "give rupees"), ({"kind": "swap"}, "spot, future or option"), ({"moneyness": "deep"}, "ATM, ATM\\+2"),
    ({"moneyness": "OTM0"}, "OTM3 or ITM1"),
])
def test_words_that_mean_nothing_are_refused_in_one_line(words: dict[str, object], says: str) -> None:
    with pytest.raises(QueryError, match=says) as caught:
        choice_of("TCS", **words)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("word", "calls", "puts"), [("ATM", 0, 0), ("ATM+2", 2, 2), ("ATM-1", -1, -1), ("OTM3", 3, -3), ("ITM1", -1, 1), (" atm + 2 ", 2, 2)])
def test_moneyness_counts_strikes_upwards(word: str, calls: int, puts: int) -> None:
    money = money_of(word)
    assert (money.calls, money.puts) == (calls, puts)


def test_near_next_and_far_are_decided_on_each_session(store: Store) -> None:
    last, after = JUL, date(2024, 7, 26)
    commit(store, *(minutes(number, day, {0: 4000}) for number, day in ((NEAR, last), (NEXT, last), (FAR, last), (NEXT, after), (FAR, after))))
    asked = {"kind": "future", "start": last, "end": after}
    assert symbols(ask(store, "TCS", expiry="near", **asked)[0]) == [(last, "TCS25JUL24F"), (after, "TCS29AUG24F")]
    assert symbols(ask(store, "TCS", expiry="next", **asked)[0]) == [(last, "TCS29AUG24F"), (after, "TCS26SEP24F")]
    assert symbols(ask(store, "TCS", expiry="far", **asked)[0]) == [(last, "TCS26SEP24F")]


def test_a_near_contract_that_is_missing_is_a_gap_and_not_the_next_one(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 4000}), minutes(NEXT, MON, {0: 4020}), minutes(NEXT, TUE, {0: 4030}))
    rows, gaps = ask(store, "TCS", "future", "near", MON, TUE)
    assert symbols(rows) == [(MON, "TCS25JUL24F")]
    assert gaps.spans == (("TCS25JUL24F", TUE, TUE, "missing"),)


def test_before_the_first_master_the_exchanges_file_says_what_was_near(store: Store) -> None:
    weekly = listing(99, "future", date(2024, 7, 11))
    commit(store, minutes(NEAR, BEFORE, {0: 3990}))
    take_day(store, BEFORE, published(weekly), published(NEAR), published(NEXT))
    rows, gaps = ask(store, "TCS", "future", "near", BEFORE, BEFORE)
    assert rows.is_empty()
    assert gaps.spans == (("TCS11JUL24F", BEFORE, BEFORE, "in no master"),)
    assert symbols(ask(store, "TCS", "future", "next", BEFORE, BEFORE)[0]) == [(BEFORE, "TCS25JUL24F")]


def test_without_master_or_file_the_rule_of_expiries_guards_near(store: Store) -> None:
    june = date(2024, 6, 20)
    commit(store, minutes(NEAR, june, {0: 3800}), minutes(NEXT, june, {0: 3820}))
    rows, gaps = ask(store, "TCS", "future", "near", june, june)
    assert rows.is_empty()
    assert gaps.spans == (("TCS27JUN24F", june, june, "in no master"),)
    assert symbols(ask(store, "TCS", "future", "next", june, june)[0]) == [(june, "TCS25JUL24F")]


def test_strikes_are_rupees_and_a_missing_one_names_its_neighbours(store: Store) -> None:
    commit(store, minutes(option(4000, "CE"), MON, {0: 50}), minutes(option(4000, "PE"), MON, {0: 40}))
    assert symbols(ask(store, "TCS", strike=4000, expiry=JUL)[0]) == [(MON, "TCS25JUL24C4000"), (MON, "TCS25JUL24P4000")]
    assert symbols(ask(store, "TCS", strike=4000, right="PE")[0]) == [(MON, "TCS25JUL24P4000")]
    with pytest.raises(UnknownInstrument, match="no strike 3960; near it: 3900, 3950, 4000, 4050"):
        ask(store, "TCS", strike=3960)
    with pytest.raises(UnknownInstrument, match="no option of 2024-08-29; expiries: 2024-07-25"):
        ask(store, "TCS", strike=4000, expiry=AUG)


def every_option(day: date, at: dict[int, tuple[float, float]]) -> list[pl.DataFrame]:
    return [minutes(option(strike, right), day, {0: price}) for strike, both in at.items() for right, price in zip(("CE", "PE"), both, strict=True)]


def test_the_money_is_the_same_expirys_future_at_the_open(store: Store) -> None:
    commit(store, *(minutes(option(strike, right), day, {0: 10}) for strike in STRIKES for right in ("CE", "PE") for day in (MON, TUE)))
    commit(store, minutes(NEAR, MON, {0: 4030, 60: 3900}), minutes(NEAR, TUE, {4: 3926}), minutes(SPOT, MON, {0: 3900}), minutes(SPOT, TUE, {0: 4100}))
    strikes = {word: ask(store, "TCS", expiry="near", moneyness=word)[0].sort("session", "right").select("session", "strike", "right").rows() for word in ("ATM", "ATM+1", "OTM1", "ITM1")}
    assert strikes["ATM"] == [(MON, 4050, "CE"), (MON, 4050, "PE"), (TUE, 3950, "CE"), (TUE, 3950, "PE")]
    assert strikes["ATM+1"] == [(MON, 4100, "CE"), (MON, 4100, "PE"), (TUE, 4000, "CE"), (TUE, 4000, "PE")]
    assert strikes["OTM1"] == [(MON, 4100, "CE"), (MON, 4000, "PE"), (TUE, 4000, "CE"), (TUE, 3900, "PE")]
    assert strikes["ITM1"] == [(MON, 4000, "CE"), (MON, 4100, "PE"), (TUE, 3900, "CE"), (TUE, 4000, "PE")]
    assert ask(store, "TCS", expiry=JUL, moneyness="ATM", right="CE")[0]["symbol"].to_list() == ["TCS25JUL24C3950", "TCS25JUL24C4050"]


def test_without_a_future_at_the_open_parity_gives_the_forward_and_then_the_spot(store: Store) -> None:
    late = minutes(NEAR, MON, {5: 3900})
    parity = every_option(MON, {3900: (140, 22), 3950: (95, 30), 4000: (60, 44), 4050: (34, 68), 4100: (20, 104)})
    commit(store, late, *parity, minutes(SPOT, MON, {0: 3950}), minutes(SPOT, TUE, {0: 3961}))
    commit(store, *(minutes(option(strike, "CE"), TUE, {0: 10}) for strike in STRIKES))
    rows = ask(store, "TCS", expiry="near", moneyness="ATM", right="CE", start=MON, end=TUE)[0]
    # Monday: the sides are nearest at 4000, so the forward is 4000 + 60 - 44 = 4016. Tuesday: no put traded, so the spot.
    assert symbols(rows) == [(MON, "TCS25JUL24C4000"), (TUE, "TCS25JUL24C3950")]


def test_a_price_or_strike_that_is_not_there_is_told(store: Store) -> None:
    commit(store, *every_option(MON, {4000: (50, 40)}), minutes(SPOT, MON, {0: 4000}))
    rows, gaps = ask(store, "TCS", expiry="near", moneyness="ATM+9")
    assert rows.is_empty()
    assert gaps.spans == (("TCS 2024-07-25 ATM+9", MON, MON, "no such strike listed"),)
    gaps = ask(store, "TCS", expiry="near", moneyness="ATM", start=MON, end=TUE)[1]
    assert gaps.spans == (("TCS 2024-07-25 ATM", TUE, TUE, "no price at the open"),)


@given(
    st.lists(st.integers(1, 400), min_size=1, max_size=30, unique=True), st.floats(1, 2_500_000), st.integers(-5, 5), st.booleans(),
)
def test_a_strike_at_a_distance_is_the_one_a_person_would_count(fifties: list[int], price: float, steps: int, sided: bool) -> None:
    strikes = sorted(one * 5_000 for one in fifties)
    word = f"{'OTM' if steps > 0 else 'ITM'}{abs(steps)}" if sided and steps else f"ATM{steps:+d}"
    rows = [(MON, "NSE", JUL, strike, right, n) for n, (strike, right) in enumerate((s, r) for s in strikes for r in ("CE", "PE"))]
    ladder = pl.DataFrame(rows, schema=LADDER, orient="row").sample(fraction=1, shuffle=True, seed=1)
    prices = pl.DataFrame([(MON, JUL, price)], schema=PRICES, orient="row")
    found, lost = strikes_of(money_of(word), ladder, prices, "TCS")
    middle = min(range(len(strikes)), key=lambda n: (abs(strikes[n] - price), n))
    wanted = {"CE": middle + steps, "PE": middle - steps if sided and steps else middle + steps}
    expected = {right: strikes[n] for right, n in wanted.items() if 0 <= n < len(strikes)}
    assert dict(found.select("right", "strike_paise").rows()) == expected
    assert lost.is_empty() == bool(expected)


def test_names_of_the_exchange_and_of_kite_are_the_same_contract(store: Store) -> None:
    commit(store, minutes(NEAR, MON, {0: 4000}), minutes(option(4050, "PE"), MON, {0: 9}))
    for name in ("TCS24JULFUT", "TCS25JUL24F", "tcs25jul24f"):
        assert symbols(ask(store, name)[0]) == [(MON, "TCS25JUL24F")]
    assert symbols(ask(store, "TCS24JUL4050PE")[0]) == [(MON, "TCS25JUL24P4050")]
    assert LISTED[NEAR - 1]["symbol"] == "TCS25JUL24F"
    assert SEP > AUG > FRI
