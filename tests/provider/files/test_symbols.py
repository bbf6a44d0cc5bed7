"""Symbols of the layouts, read: every spelling of a contract reads as that contract."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.model import contract_symbol, strike_text
from fnolake.provider.files.layout import PRESETS
from fnolake.provider.files.symbols import Named, is_continuous, readings

NAMES = st.sampled_from(["NIFTY", "BANKNIFTY", "M&M", "RELIANCE", "NIFTYNXT50", "BAJAJ-AUTO", "20MICRONS", "SENSEX"])
EXPIRIES = st.dates(date(2015, 1, 1), date(2035, 12, 31))
STRIKES = st.integers(1, 20_000_000).map(lambda paise: paise * 5)
RIGHTS = st.sampled_from(["CE", "PE"])
KITE_MONTHS = dict(zip(range(1, 13), "123456789OND", strict=True))


def spellings(name: str, expiry: date, strike: int, right: str) -> dict[str, str]:
    """One option as each layout spells it."""
    mon, price = expiry.strftime("%b").upper(), strike_text(strike)
    return {
        "ours": contract_symbol(name, "option", expiry, strike, right, is_index=False),
        "gdf": f"{name}{expiry:%d}{mon}{expiry:%y}{price}{right}.NFO",
        "openalgo": f"{name}{expiry:%d}{mon}{expiry:%y}{price}{right}",
        "truedata": f"{name}{expiry:%y%m%d}{price}{right}",
        "kite weekly": f"{name}{expiry:%y}{KITE_MONTHS[expiry.month]}{expiry:%d}{price}{right}",
    }


@given(NAMES, EXPIRIES, STRIKES, RIGHTS)
def test_every_spelling_of_an_option_has_it_among_its_readings(name: str, expiry: date, strike: int, right: str) -> None:
    for layout, text in spellings(name, expiry, strike, right).items():
        found = readings(text)
        assert any((one.underlying, one.kind, one.expiry, one.strike_paise, one.right) == (name, "option", expiry, strike, right) for one in found), (layout, text, found)


@given(NAMES, EXPIRIES, STRIKES, RIGHTS)
def test_a_monthly_name_reads_as_its_month(name: str, expiry: date, strike: int, right: str) -> None:
    text = f"{name}{expiry:%y}{expiry.strftime('%b').upper()}{strike_text(strike)}{right}"
    found = [one for one in readings(text, grammars=PRESETS["kite"].grammars) if one.month == (expiry.year, expiry.month)]
    assert (found[0].underlying, found[0].strike_paise, found[0].right) == (name, strike, right)
    assert found[0].until is not None
    assert found[0].until.month == expiry.month


@pytest.mark.parametrize(("text", "expected"), [
    ("NIFTY03JUL2522800CE.NFO", Named("NIFTY", "option", date(2025, 7, 3), None, 2_280_000, "CE", "NSE")),
    ("NIFTY24JUL25000CE.NFO", Named("NIFTY", "option", None, (2024, 7), 2_500_000, "CE", "NSE")),
    ("VEDL25APR24292.5CE", Named("VEDL", "option", date(2024, 4, 25), None, 29_250, "CE")),
    ("BANKNIFTY24APR24FUT", Named("BANKNIFTY", "future", date(2024, 4, 24))),
    ("SENSEX26NOV26FUT.BFO", Named("SENSEX", "future", date(2026, 11, 26), venue="BSE")),
    ("20MICRONS.NSE", Named("20MICRONS", "spot", venue="NSE")),
    ("NSE:INFY", Named("INFY", "spot", venue="NSE")),
    ("NIFTY 50", Named("NIFTY", "spot")),
    ("reliance-eq", Named("RELIANCE", "spot")),
    ("INDIA VIX", Named("INDIAVIX", "spot")),
])
def test_examples_read_first_as_what_they_are(text: str, expected: Named) -> None:
    assert readings(text)[0] == expected


def test_an_exchange_beside_the_symbol_says_the_venue() -> None:
    assert readings("SENSEX", "BSE_INDEX")[0] == Named("SENSEX", "spot", venue="BSE")


@pytest.mark.parametrize("text", ["NIFTY-I", "NIFTY-II.NFO", "BANKNIFTY-III", "NIFTY1!"])
def test_a_continuous_series_is_no_contract(text: str) -> None:
    assert is_continuous(text)
    assert readings(text) == ()


def test_impossible_dates_and_strikes_are_no_readings() -> None:
    assert [one.kind for one in readings("NIFTY31FEB2522800CE")] == ["option", "spot"]  # 25228.00 of no day; 2522800 of February 2031
    assert [one.kind for one in readings("NIFTY24JUL25000000CE")][-1] == "spot"
