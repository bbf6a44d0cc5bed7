from datetime import date

import polars as pl
import pytest

from fnolake.errors import QueryError, UnknownInstrument
from fnolake.model import instrument_schema
from fnolake.query.pick import near_only, pick

NOV, DEC = date(2026, 11, 23), date(2026, 12, 29)


def row(number: int, symbol: str, kind: str, expiry: date | None = None, strike: int | None = None, right: str | None = None, of: str = "TCS") -> dict[str, object]:
    return {
        "contract": number, "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": number, "symbol": symbol,
        "underlying": of, "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right, "lot": 175, "tick_paise": 5,
    }


TABLE = pl.DataFrame(
    [
        row(1, "TCS-EQ", "spot"), row(2, "TCS23NOV26F", "future", NOV), row(3, "TCS29DEC26F", "future", DEC),
        row(4, "TCS23NOV26C3000", "option", NOV, 300_000, "CE"), row(5, "TCS23NOV26P312.5", "option", NOV, 31_250, "PE"),
        row(6, "NIFTY", "spot", of="NIFTY"), row(7, "NIFTY23NOV26F", "future", NOV, of="NIFTY"),
    ],
    schema=instrument_schema(),
)


@pytest.mark.parametrize(("typed", "kind", "expiry", "contracts"), [
    ("TCS", None, None, [1]), ("tcs ", None, None, [1]), ("TCS-EQ", None, None, [1]), ("NIFTY", None, None, [6]), ("TCS23NOV26F", None, None, [2]),
    ("TCS", "future", None, [2, 3]), ("TCS", "future", NOV, [2]), ("TCS", None, DEC, [3]), ("TCS", "future", "near", [2, 3]),
    ("TCS", "option", NOV, [4, 5]), ("TCS26NOVFUT", None, None, [2]), ("TCS26NOV3000CE", None, None, [4]), ("TCS26NOV312.5PE", None, None, [5]),
    ("NIFTY", "future", None, [7]),
])
def test_a_contract_is_found_by_the_names_people_use(typed: str, kind: str | None, expiry: date | str | None, contracts: list[int]) -> None:
    assert pick(TABLE, typed, kind, expiry)["contract"].to_list() == contracts


@pytest.mark.parametrize(("typed", "says"), [("TSC", "did you mean TCS"), ("TCS26NOV9999CE", "TCS"), ("ZZZ", "instruments")])
def test_an_unknown_name_says_what_is_near(typed: str, says: str) -> None:
    with pytest.raises(UnknownInstrument, match=says):
        pick(TABLE, typed)


def test_a_spot_series_has_no_expiry() -> None:
    with pytest.raises(QueryError, match="no expiry"):
        pick(TABLE, "TCS", "spot", NOV)


def test_an_expiry_that_is_not_listed_names_those_that_are() -> None:
    with pytest.raises(UnknownInstrument, match="2026-11-23"):
        pick(TABLE, "TCS", "future", date(2026, 11, 30))


def test_near_is_decided_on_each_session() -> None:
    bars = pl.DataFrame({"session": [NOV, NOV, date(2026, 11, 25)], "expiry": [NOV, DEC, DEC], "close": [1.0, 2.0, 3.0]})
    assert near_only(bars.lazy()).collect()["close"].to_list() == [1.0, 3.0]
