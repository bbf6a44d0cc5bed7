"""Masters of two providers over several days, in any order: one id a contract, whatever is amended, and never another's."""

from __future__ import annotations

import itertools
import tempfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fnolake.model import Master, RawFile, listing_schema
from fnolake.store.store import Store

from .conftest import NOW

S, F = "shoonya", "firstock"
DAYS = (date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 19), date(2026, 11, 25))
NEAR, MOVED, FAR = date(2026, 11, 24), date(2026, 11, 23), date(2026, 12, 29)
RENAMED_ON = DAYS[2]
NEVER = 9
SAYS = ("underlying", "expiry", "strike_paise", "right", "lot", "tick_paise", "symbol")
Truth = tuple[object, ...]

GROUP = st.fixed_dictionaries({
    "expiry": st.sampled_from([NEAR, FAR]),
    "lot": st.sampled_from([NEVER, 1, 2, 3]),
    "tick": st.sampled_from([NEVER, 1, 2, 3]),
    "moved": st.sampled_from([NEVER, NEVER, 1, 2]),
    "strikes": st.sampled_from([NEVER, 1, 2, 3]),
    "by": st.sampled_from(["factor", "amount"]),
    "renamed": st.booleans(),
    "ends": st.sampled_from([NEVER, NEVER, 1, 2]),
    "again": st.booleans(),
    "recycled": st.sampled_from(["", "", "same", "other"]),
    "at": st.sampled_from([(S, F), (S, F), (S,), (F,)]),
})
MARKET = st.lists(GROUP, min_size=1, max_size=3)
FILES = list(itertools.product((S, F), range(len(DAYS))))


def members(number: int, group: dict[str, object], day: int) -> list[tuple[Truth, dict[str, object]]]:
    """The true contracts of an underlying on a day, with what a master says of them."""
    rows: list[tuple[Truth, dict[str, object]]] = []
    changed = {name: day >= group[name] for name in ("lot", "tick", "moved", "strikes", "ends")}  # type: ignore[operator]
    expiry = group["expiry"]
    first = 100 * (number + 1)
    if changed["moved"]:
        expiry = MOVED if expiry == NEAR else date(2026, 12, 28)
    name = f"NEW{number}" if group["renamed"] and DAYS[day] >= RENAMED_ON else f"U{number}"
    over = expiry < DAYS[day]  # type: ignore[operator]
    for place, (strike, right) in enumerate([(None, None), *itertools.product((10_000, 20_000, 30_000), ("CE", "PE"))]):
        if strike is not None and changed["strikes"]:
            strike = strike // 2 if group["by"] == "factor" else strike - 150  # noqa: PLW2901
        known = {
            "venue": "NSE", "segment": "FO", "token": first + place, "underlying": name, "kind": "option" if right else "future", "expiry": expiry,
            "strike_paise": strike, "right": right, "lot": 200 if changed["lot"] else 175, "tick_paise": 10 if changed["tick"] else 5, "is_index": False,
        }
        truth: Truth = (number, place, "first")
        if over:
            if not group["recycled"]:
                continue
            truth = (number, place, "recycled")
            known |= {"expiry": FAR, "underlying": name if group["recycled"] == "same" else "OTHER"}
        elif changed["ends"]:
            if not group["again"] or group["ends"] == day:
                continue
            truth = (number, place, "again")
            known |= {"token": first + 50 + place, "lot": 800}
        symbol = f"{known['underlying']} {known['expiry']} {strike} {right}"
        rows.append((truth, known | {"symbol": symbol, "provider_symbol": symbol}))
    return rows


def file_of(market: list[dict[str, object]], provider: str, day: int) -> list[tuple[Truth, dict[str, object]]]:
    """What a provider's master says; a few contracts are always there, so that nothing looks cut off."""
    rows = [row for number, group in enumerate(market) if provider in group["at"] for row in members(number, group, day)]  # type: ignore[operator]
    steady = members(8, dict.fromkeys(("lot", "tick", "moved", "strikes", "ends"), NEVER) | {"expiry": FAR, "renamed": False}, day)
    more = members(7, dict.fromkeys(("lot", "tick", "moved", "strikes", "ends"), NEVER) | {"expiry": FAR, "renamed": False}, day)
    return [*rows, *steady, *more, *members(6, dict.fromkeys(("lot", "tick", "moved", "strikes", "ends"), NEVER) | {"expiry": FAR, "renamed": False}, day)]


def take(store: Store, provider: str, day: int, rows: list[tuple[Truth, dict[str, object]]]) -> dict[str, int]:
    table = pl.DataFrame([row for _, row in rows], schema=listing_schema())
    master = Master(provider, "NFO", DAYS[day], len(rows), table, payload_hash=f"{provider}{day}")
    return store.take_master(master, RawFile(provider, "NFO", NOW, b"x", NOW, "0"))


def ids_on(store: Store, day: int, rows: list[tuple[Truth, dict[str, object]]], certain: set[object]) -> dict[Truth, int]:
    """Which contract each listing of a master is, asked as of its day; those of ``certain`` underlyings are shown as they stood then."""
    on = {row["token"]: row for row in store.instruments(DAYS[day]).iter_rows(named=True)}
    for _, row in (each for each in rows if each[0][0] in certain):
        assert {name: on[row["token"]][name] for name in SAYS} == {name: row[name] for name in SAYS}, "not as it stood on that day"
    return {truth: on[row["token"]]["contract"] for truth, row in rows}


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lakes")


def follow(store: Store, market: list[dict[str, object]], order: list[tuple[str, int]], *, late: bool = False) -> dict[Truth, int]:
    """
    Take masters in an order; after each, every contract has the id it had, one of its own, and stood on its days as the masters say.

    Of what two providers list the latter is asked day by day only: an older master of the one without the say amends nothing.
    """
    for number, group in enumerate(market):
        if group["renamed"]:
            store.record_rename(f"U{number}", f"NEW{number}", RENAMED_ON)
    ids: dict[Truth, int] = {}
    for at, (provider, day) in enumerate(order):
        take(store, provider, day, file_of(market, provider, day))
        for known_provider, known_day in order[: at + 1]:
            complete = not late and sum(each[1] == known_day for each in order[: at + 1]) == 2
            certain: set[object] = {number for number, group in enumerate(market) if complete or len(group["at"]) == 1}  # type: ignore[arg-type]
            seen = ids_on(store, known_day, file_of(market, known_provider, known_day), certain)
            assert {truth: ids.get(truth, number) for truth, number in seen.items()} == seen
            ids |= seen
        assert len(set(ids.values())) == len(ids), "one id names two contracts"
        assert store.instruments()["contract"].to_list() == sorted(ids.values()), "an id without a contract"
    return ids


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MARKET, st.lists(st.booleans(), min_size=4, max_size=4))
def test_day_by_day_every_contract_keeps_its_id_and_never_anothers(lakes: Path, market: list[dict[str, object]], turns: list[bool]) -> None:
    order = [(name, day) for day, turn in enumerate(turns) for name in ((S, F) if turn else (F, S))]
    with tempfile.TemporaryDirectory(dir=lakes) as folder, Store.open(Path(folder), write=True) as store:
        follow(store, market, order)
        before = store.instrument_history()
        for provider, day in order[-2:]:
            done = take(store, provider, day, file_of(market, provider, day))
            assert (done["new"], done["amended"], done["delisted"]) == (0, 0, 0)
        assert store.instrument_history().equals(before)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MARKET, st.permutations(FILES))
def test_older_masters_taken_later_insert_history_and_renumber_nothing(lakes: Path, market: list[dict[str, object]], order: list[tuple[str, int]]) -> None:
    with tempfile.TemporaryDirectory(dir=lakes) as folder, Store.open(Path(folder), write=True) as store:
        follow(store, market, order, late=True)
