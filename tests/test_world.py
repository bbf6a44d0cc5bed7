"""Prices that can be a contract's by what its underlying is worth, and prices that cannot."""

from datetime import date

import pytest

from fnolake.model import Contract
from fnolake.verify.world import other_world


def contract(kind: str, strike: int | None = None, right: str | None = None) -> Contract:
    return Contract(1, "NSE", "FO", 1, "X", "TCS", kind, date(2026, 11, 23), strike, right, 1, 5, "X")


@pytest.mark.parametrize(("what", "low", "high", "fits"), [
    (contract("future"), 290_000, 310_000, True),
    (contract("future"), 290_000, 400_000, False),
    (contract("future"), 150_000, 160_000, False),
    (contract("option", 300_000, "CE"), 5, 9_000, True),
    (contract("option", 300_000, "CE"), 5, 150_000, False),
    (contract("option", 200_000, "CE"), 98_000, 110_000, True),
    (contract("option", 200_000, "CE"), 1_000, 2_000, False),
    (contract("option", 400_000, "PE"), 98_000, 110_000, True),
    (contract("option", 400_000, "PE"), 1_000, 2_000, False),
    (contract("spot"), 1, 1_000_000, True),
])
def test_prices_fit_their_underlying(what: Contract, low: int, high: int, fits: bool) -> None:
    assert (other_world(what, low, high, 300_000) == "") is fits
