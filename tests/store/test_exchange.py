from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Finding
from fnolake.store.exchange import EXCHANGE_DAYS, MATCHED
from fnolake.store.store import Store

from .conftest import MON, TUE, listing, master, raw


@dataclass
class Day:
    """What a reader of exchange files returns, as a value."""

    day: date
    rows: pl.DataFrame
    venue: str = "NSE"
    segment: str = "FO"
    findings: tuple[Finding, ...] = ()


def row(token: int, **more: object) -> dict[str, object]:
    return {
        "venue": "NSE", "segment": "FO", "token": token, "underlying": "TCS", "kind": "option", "expiry": date(2026, 11, 24),
        "strike_paise": token * 100, "right": "CE", "series": None, "open_paise": 100, "high_paise": 120, "low_paise": 90,
        "close_paise": 110, "last_paise": 111, "settle_paise": 110, "volume": 350, "oi": 700, "oi_change": 0, "trades": 2, "lot": 175,
        "value_rupees": 12.5, "name": "x", **more,
    }


def day(session: date, *rows: dict[str, object], segment: str = "FO") -> Day:
    schema = {name: EXCHANGE_DAYS.schema[name] for name in EXCHANGE_DAYS.schema if name != "session"}
    return Day(session, pl.DataFrame(list(rows), schema=schema), segment=segment)


def test_rows_are_matched_to_the_contract_that_had_the_token(store: Store) -> None:
    store.take_master(master([listing(1), listing(2)], MON), raw())
    done = store.take_exchange_day(day(MON, row(1), row(2, volume=0, trades=0), row(9)), raw("fo.csv"))
    assert done == {"rows": 3, "traded": 2}
    rows = store.exchange_rows(MON)
    assert tuple(rows.columns) == MATCHED
    assert rows.select("contract", "volume", "trades", "last_paise").rows() == [(1, 350, 2, 111), (2, 0, 0, 111)]
    assert store.exchange_days() == {("NSE", "FO", MON)}
    assert store.exchange_rows([TUE]).is_empty()
    assert store.exchange_scan([MON]).collect().height == 3


def test_a_row_of_another_contract_on_that_token_does_not_match(store: Store) -> None:
    store.take_master(master([listing(1)], MON), raw())
    store.take_exchange_day(day(MON, row(1, expiry=date(2026, 10, 27))), raw("fo.csv"))
    assert store.exchange_rows(MON).is_empty()


def test_a_recycled_token_matches_by_session(store: Store) -> None:
    far = date(2026, 12, 29)
    store.take_master(master([listing(1)], MON), raw())
    store.take_master(master([listing(1, expiry=far)], date(2026, 11, 25)), raw())
    store.take_exchange_day(day(MON, row(1)), raw("a.csv"))
    store.take_exchange_day(day(date(2026, 11, 25), row(1, expiry=far)), raw("b.csv"))
    rows = store.exchange_rows([MON, date(2026, 11, 25)])
    assert rows.select("contract", "session").rows() == [(1, MON), (2, date(2026, 11, 25))]


SOON, LATER = date(2026, 11, 17), date(2026, 11, 30)


@pytest.mark.parametrize(("said", "found"), [
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24)}, True),
    ({"expiry": date(2026, 11, 24), "stated_expiry": LATER}, True),
    ({"expiry": SOON, "stated_expiry": LATER}, False),
    ({"expiry": SOON, "stated_expiry": None}, False),
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24), "right": "PE"}, False),
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24), "strike_paise": 200}, False),
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24), "kind": "future"}, False),
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24), "underlying": "INFY"}, False),
    ({"expiry": SOON, "stated_expiry": date(2026, 11, 24), "underlying": "NOBODY"}, False),
    ({"underlying": "INFY"}, False),
    ({"underlying": "T C S"}, True),
])
def test_either_expiry_names_the_contract_and_nothing_else_may_differ(store: Store, said: dict[str, object], found: bool) -> None:
    store.take_master(master([listing(1), listing(7, underlying="INFY")], MON), raw())
    store.take_exchange_day(day(MON, row(1, **said)), raw("fo.csv"))
    assert store.exchange_rows(MON)["contract"].to_list() == [1] * found
    told = not found and said.get("underlying", "TCS") in {"TCS", "INFY"}
    assert store.unlisted(MON)["token"].to_list() == [1] * told


def test_a_rename_that_a_later_master_brings_does_not_lose_the_row(store: Store) -> None:
    store.take_master(master([listing(1)], MON), raw())
    store.record_rename("TCS", "TCX", TUE)
    store.take_exchange_day(day(TUE, row(1, underlying="TCX")), raw("fo.csv"))
    assert store.exchange_rows(TUE)["contract"].to_list() == [1]
    store.take_master(master([listing(1, underlying="TCX")], date(2026, 11, 18)), raw())
    assert store.exchange_rows(TUE)["contract"].to_list() == [1]


def test_a_file_of_before_there_were_two_expiries_is_read_and_added_to(lake: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.take_master(master([listing(1)], MON), raw())
    before = replace(EXCHANGE_DAYS, schema={name: kind for name, kind in EXCHANGE_DAYS.schema.items() if name != "stated_expiry"})
    with monkeypatch.context() as older:
        older.setattr("fnolake.store.exchange.EXCHANGE_DAYS", before)
        store.take_exchange_day(day(MON, row(1)), raw("fo.csv"))
    assert store.exchange_rows(MON)["contract"].to_list() == [1]
    store.take_exchange_day(day(TUE, row(1, expiry=SOON, stated_expiry=date(2026, 11, 24))), raw("fo.csv"))
    assert store.exchange_rows([MON, TUE]).select("contract", "session").rows() == [(1, MON), (1, TUE)]
    assert pl.read_delta(str(lake / "exchange_days")).sort("session")["stated_expiry"].to_list() == [None, date(2026, 11, 24)]


def test_a_cash_row_matches_its_spot_by_token_alone(store: Store) -> None:
    nothing = {"expiry": None, "strike_paise": None, "right": None, "kind": "spot", "segment": "CM"}
    store.take_master(master([listing(5, **nothing)], MON, "NSE"), raw())
    store.take_exchange_day(day(MON, row(5, **nothing, series="EQ"), segment="CM"), raw("cm.csv"))
    assert store.exchange_rows((MON,))["contract"].to_list() == [1]


def test_the_same_day_again_replaces_it_and_both_files_stay(lake: Path, store: Store) -> None:
    store.take_master(master([listing(1)], MON), raw())
    store.take_exchange_day(day(MON, row(1)), raw("fo.csv", b"first"))
    store.take_exchange_day(day(MON, row(1, volume=525)), raw("fo.csv", b"second"))
    assert store.exchange_rows(MON)["volume"].to_list() == [525]
    assert len(list((lake / "raw" / "2026-11-16").iterdir())) == 3
