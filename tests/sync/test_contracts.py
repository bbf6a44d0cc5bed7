"""Who must fill its minutes and who bears witness, as expiries pass."""

from datetime import date

import polars as pl

from fnolake.model import Contract, instrument_schema
from fnolake.sync.contracts import Contracts, MustFill, Witnesses, tasks, who_lists

NOV, DEC, JAN = date(2026, 11, 24), date(2026, 12, 29), date(2027, 1, 27)


def table(*rows: dict[str, object]) -> pl.DataFrame:
    base = {
        "venue": "NSE", "segment": "FO", "token": 1, "symbol": "X", "underlying": "NIFTY", "kind": "future", "expiry": None, "strike_paise": None,
        "right": None, "lot": 65, "tick_paise": 10, "provider_symbol": "X", "is_index": True, "valid_from": None, "valid_to": None,
    }
    return pl.DataFrame([base | row for row in rows], schema=instrument_schema())


FUTURES = table(*({"contract": n, "expiry": day} for n, day in ((3, JAN), (1, NOV), (2, DEC))), {"contract": 4, "kind": "spot", "segment": "CM"},
                {"contract": 5, "kind": "option", "expiry": NOV, "strike_paise": 100, "right": "CE"})


def filled(number: int, day: date) -> bool:
    contract: Contract = Contracts(FUTURES)[number]
    return MustFill(FUTURES)(contract, day)


def test_the_near_future_changes_with_the_session() -> None:
    assert [filled(n, NOV) for n in (1, 2, 3, 4, 5)] == [True, False, False, True, False]
    assert [filled(n, date(2026, 11, 25)) for n in (2, 3)] == [True, False]
    assert filled(3, date(2026, 12, 30))


def test_the_witness_is_still_served_and_was_listed() -> None:
    late = Witnesses(FUTURES, date(2026, 11, 25))
    assert getattr(late.canary("NSE", date(2026, 11, 20)), "contract", None) == 2
    assert getattr(Witnesses(FUTURES, NOV).canary("NSE", NOV), "contract", None) == 1
    assert late.canary("BSE", NOV) is None
    listed = FUTURES.with_columns(valid_from=pl.lit(DEC))
    assert Witnesses(listed, NOV).canary("NSE", NOV) is None


def test_who_lists_a_contract_is_asked_and_who_never_showed_a_master_too() -> None:
    rows = pl.DataFrame([(1, "p"), (2, "q"), (3, "p"), (3, "q")], schema=["contract", "provider"], orient="row")
    assert who_lists(rows, {"p", "q"}, {"p", "q"}) == {1: {"p"}, 2: {"q"}, 3: {"p", "q"}}
    assert who_lists(rows, {"p", "q"}, {"p", "own"}) == {1: {"p", "own"}, 2: {"q", "own"}, 3: {"p", "q", "own"}}
    plan = pl.DataFrame({
        "contract": [1, 4], "sessions": [[NOV], [NOV]], "expected_rows": [1.0, 1.0], "repair": ["", ""], "last_account": ["", ""],
    })
    listed = [task.listed for task in tasks(plan, Contracts(FUTURES), listed=who_lists(rows, {"p", "q"}, {"p"}))]
    assert listed == [{"p"}, frozenset()], "of what nobody ever listed nothing is known"
