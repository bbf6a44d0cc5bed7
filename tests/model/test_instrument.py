from datetime import date

import pytest

from fnolake.model import contract_symbol, strike_text


@pytest.mark.parametrize(
    ("paise", "text"), [(140000, "1400"), (31250, "312.5"), (5, "0.05"), (83175, "831.75"), (8400000, "84000")]
)
def test_a_strike_is_written_in_rupees_without_needless_zeros(paise: int, text: str) -> None:
    assert strike_text(paise) == text


def test_symbols_follow_the_brokers_common_grammar_on_both_venues() -> None:
    nov = date(2026, 11, 23)
    assert contract_symbol("RELIANCE", "spot", None, None, None, is_index=False) == "RELIANCE-EQ"
    assert contract_symbol("NIFTY", "spot", None, None, None, is_index=True) == "NIFTY"
    assert contract_symbol("RELIANCE", "future", nov, None, None, is_index=False) == "RELIANCE23NOV26F"
    assert contract_symbol("RELIANCE", "option", nov, 140000, "CE", is_index=False) == "RELIANCE23NOV26C1400"
    assert contract_symbol("SENSEX", "option", date(2026, 11, 26), 8400000, "PE", is_index=True) == "SENSEX26NOV26P84000"


def test_a_derivative_without_an_expiry_is_a_programming_mistake() -> None:
    with pytest.raises(ValueError, match="expiry"):
        contract_symbol("TCS", "future", None, None, None, is_index=False)
    with pytest.raises(ValueError, match="strike"):
        contract_symbol("TCS", "option", date(2026, 11, 23), None, "CE", is_index=False)
