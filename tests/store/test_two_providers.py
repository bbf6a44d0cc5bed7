"""One contract, two symbols: masters of two providers, taken in any order."""

from __future__ import annotations

import itertools
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.model import Master, RawFile, listing_schema
from fnolake.store.store import Store
from fnolake.sync.status import differing_line

from .conftest import MON, NOW, TUE, WED, listing

S, F = "shoonya", "firstock"
FAR = date(2026, 12, 29)
NOTHING = {"new": 0, "amended": 0, "delisted": 0, "identity_uncertain": 0, "differ": 0, "only_here": 0}


def take(store: Store, provider: str, day: date, *rows: dict[str, object], exchange: str = "NFO") -> dict[str, int]:
    named = [row | {"provider_symbol": f"{provider}:{row['symbol']}"} for row in rows]
    table = pl.DataFrame(named, schema=listing_schema())
    digest = f"{table.hash_rows().sum()}" if named else "empty"
    return store.take_master(Master(provider, exchange, day, len(named), table, payload_hash=digest), RawFile(provider, exchange, NOW, b"x", NOW, "0"))


def listed(store: Store) -> dict[int, list[str]]:
    return dict(store.listed_by().group_by("contract", maintain_order=True).agg("provider").iter_rows())


def differ(store: Store) -> list[tuple[object, ...]]:
    return store.listing_differences().select("contract", "provider", "name", "kept", "theirs").rows()


@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_both_masters_map_to_one_contract_with_two_symbols(store: Store, order: tuple[str, str]) -> None:
    done = [take(store, provider, MON, listing(1), listing(2)) for provider in order]
    assert done == [NOTHING | {"new": 2}, NOTHING]
    assert store.instruments()["contract"].to_list() == [1, 2]
    assert store.provider_symbols([1]).select("provider", "symbol").rows() == [(S, "shoonya:TCS24NOV26C1"), (F, "firstock:TCS24NOV26C1")]
    assert store.instruments()["provider_symbol"].to_list() == ["shoonya:TCS24NOV26C1", "shoonya:TCS24NOV26C2"]
    assert listed(store) == {1: [S, F], 2: [S, F]}
    assert store.masters_taken(MON)
    assert store.masters_taken(MON, F)
    assert not store.masters_taken(TUE, F)
    assert not store.masters_taken(MON, "other")


def test_indices_and_shares_have_one_spot_however_they_are_spelled(store: Store) -> None:
    spot = {"segment": "CM", "kind": "spot", "expiry": None, "strike_paise": None, "right": None, "lot": 1}
    index = {**spot, "is_index": True, "tick_paise": 0}
    share = listing(2885, **spot, underlying="RELIANCE", symbol="RELIANCE-EQ")
    take(store, S, MON, share, listing(26000, **index, underlying="NIFTY", symbol="NIFTY"), exchange="NSE")
    take(store, S, MON, listing(1, **index, venue="BSE", underlying="SENSEX", symbol="SENSEX"), exchange="BSE")
    other = {**index, "lot": 65, "tick_paise": 5}
    done = take(store, F, MON, share, listing(26000, **other, underlying="NIFTY 50", symbol="NIFTY 50"), exchange="NSE")
    assert (done["new"], done["amended"], done["differ"]) == (0, 0, 0)
    assert take(store, F, MON, listing(1, **other, venue="BSE", underlying="BSE SENSEX", symbol="SENSEX"), exchange="BSE")["new"] == 0
    assert set(map(tuple, listed(store).values())) == {(S, F)}
    assert store.instruments()["underlying"].to_list() == ["RELIANCE", "NIFTY", "SENSEX"]


def test_an_index_that_firstock_spelled_first_is_still_one(store: Store) -> None:
    index = {"segment": "CM", "kind": "spot", "expiry": None, "strike_paise": None, "right": None, "is_index": True, "tick_paise": 0}
    take(store, F, MON, listing(26009, **index, underlying="NIFTY BANK", symbol="NIFTY BANK"))
    assert take(store, S, MON, listing(26009, **index, underlying="BANKNIFTY", symbol="BANKNIFTY"))["new"] == 0
    assert store.instruments().select("contract", "underlying", "symbol").rows() == [(1, "BANKNIFTY", "BANKNIFTY")]


@pytest.mark.parametrize(("changed", "name", "kept", "theirs"), [
    ({"lot": 200}, "lot_differs", "175", "200"),
    ({"tick_paise": 10}, "tick_differs", "5", "10"),
    ({"expiry": date(2026, 11, 23)}, "expiry_differs", "2026-11-24", "2026-11-23"),
    ({"strike_paise": 105}, "strike_differs", "100", "105"),
    ({"right": "PE"}, "right_differs", "CE", "PE"),
    ({"kind": "future", "strike_paise": 100}, "kind_differs", "option", "future"),
    ({"underlying": "INFY"}, "underlying_differs", "TCS", "INFY"),
])
@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_a_disagreement_is_a_finding_with_a_name_in_either_order(
    store: Store, order: tuple[str, str], changed: dict[str, object], name: str, kept: str, theirs: str,
) -> None:
    rows = {S: [listing(1), listing(2)], F: [listing(1, **changed), listing(2)]}
    done = [take(store, provider, MON, *rows[provider]) for provider in order]
    assert done[1]["new"] == done[1]["amended"] == done[1]["delisted"] == 0
    assert store.instruments().drop("provider_symbol").row(0, named=True).items() >= {
        key: value for key, value in listing(1).items() if key != "provider_symbol"
    }.items()
    assert differ(store) == [(1, F, name, kept, theirs)]
    again = take(store, F, MON, *rows[F])
    assert (again["new"], again["amended"], again["differ"]) == (0, 0, 1)
    assert f'"{name}", 1' in store.masters()["findings"].str.join("").item()
    assert store.instrument_history().height == 2


def test_what_is_something_else_there_is_not_asked_there(store: Store) -> None:
    take(store, S, MON, listing(1), listing(2))
    take(store, F, MON, listing(1, right="PE"), listing(2))
    assert listed(store) == {1: [S], 2: [S, F]}


def test_masters_in_turn_never_move_a_value_to_and_fro(store: Store) -> None:
    theirs, ours = [listing(1, lot=200), listing(2, tick_paise=10)], [listing(1), listing(2)]
    take(store, S, MON, *ours)
    for day in (MON, TUE, WED):
        assert take(store, F, day, *theirs)["amended"] == 0
        assert take(store, S, day, *ours)["amended"] == 0
        assert take(store, F, day, *theirs)["differ"] == 2
    assert store.instrument_history().height == 2
    assert store.instruments().select("lot", "tick_paise").rows() == [(175, 5), (175, 5)]
    assert [row[2] for row in differ(store)] == ["lot_differs", "tick_differs"]
    assert store.listing_differences()["since"].to_list() == [MON, MON]


def test_who_listed_it_first_keeps_the_say(store: Store) -> None:
    take(store, F, MON, listing(1, lot=200))
    assert take(store, S, TUE, listing(1)) == NOTHING | {"differ": 1}
    assert store.instruments()["lot"].item() == 200
    assert take(store, F, WED, listing(1, lot=300))["amended"] == 1
    assert differ(store) == [(1, S, "lot_differs", "300", "175")]


def test_a_disagreement_that_ends_is_no_longer_shown_but_was_recorded(store: Store) -> None:
    take(store, S, MON, listing(1))
    take(store, F, MON, listing(1, lot=200))
    assert take(store, S, TUE, listing(1, lot=200))["amended"] == 1
    assert differ(store) == []
    assert take(store, F, TUE, listing(1, lot=200))["differ"] == 0
    assert "lot_differs" in store.masters()["findings"].str.join("").item()


@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_an_adjustment_at_one_and_later_at_the_other_is_one_amendment(store: Store, order: tuple[str, str]) -> None:
    before, after = [listing(token) for token in range(100, 120)], [listing(token, strike_paise=token * 50) for token in range(100, 120)]
    for provider in (S, F):
        take(store, provider, MON, *before)
    done = [take(store, provider, TUE, *after) for provider in order]
    assert sum(each["amended"] for each in done) == 20
    assert sum(each["new"] for each in done) == 0
    assert store.instrument_history().height == 40
    assert store.instruments(TUE)["strike_paise"].to_list() == [token * 50 for token in range(100, 120)]
    assert differ(store) == []


@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_a_rename_at_one_and_later_at_the_other_is_one_amendment(store: Store, order: tuple[str, str]) -> None:
    old, new = (listing(1, underlying=name, symbol=f"{name}24NOV26C1") for name in ("ZOMATO", "ETERNAL"))
    for provider in (S, F):
        take(store, provider, MON, old)
    store.record_rename("ZOMATO", "ETERNAL", TUE)
    done = [take(store, order[0], TUE, new), take(store, order[1], TUE, old), take(store, order[1], TUE, new), take(store, order[0], TUE, new)]
    assert sum(each["new"] for each in done) == 0
    assert store.instrument_history().select("contract", "revision", "underlying").rows()[-1] == (1, 2, "ETERNAL")
    assert store.instrument_history().height == 2
    assert store.provider_symbols()["symbol"].to_list() == ["shoonya:ETERNAL24NOV26C1", "firstock:ETERNAL24NOV26C1"]


def test_what_only_one_lists_is_counted_and_asked_only_there(store: Store) -> None:
    assert take(store, S, MON, listing(1), listing(2), listing(3))["only_here"] == 0
    assert take(store, F, MON, listing(1), listing(4)) == NOTHING | {"new": 1, "only_here": 1}
    assert take(store, S, TUE, listing(1), listing(2), listing(3)) == NOTHING | {"only_here": 2}
    assert listed(store) == {1: [S, F], 2: [S], 3: [S], 4: [F]}
    assert store.listed_by([1, 4]).rows() == [(1, S), (1, F), (4, F)]
    assert differ(store) == []
    assert store.instruments(TUE).height == 4


def test_instruments_show_both_symbols_and_what_differs(store: Store) -> None:
    take(store, S, MON, listing(1), listing(2))
    assert store.with_symbols(store.instruments()).columns.count("shoonya_symbol") == 1
    take(store, F, MON, listing(1, tick_paise=10, lot=200), listing(3))
    shown = store.with_symbols(store.instruments())
    assert "provider_symbol" not in shown.columns
    assert shown.select("token", "shoonya_symbol", "firstock_symbol", "differs").rows() == [
        (1, "shoonya:TCS24NOV26C1", "firstock:TCS24NOV26C1", "lot_differs 200 at firstock; tick_differs 0.1 at firstock"),
        (2, "shoonya:TCS24NOV26C2", None, None), (3, None, "firstock:TCS24NOV26C3", None),
    ]
    assert differing_line(store.listing_differences()) == (
        "1 contract is not listed alike by all providers (1 lot_differs at firstock, 1 tick_differs at firstock); "
        "what was listed first is kept: fnolake instruments --differing"
    )
    assert store.with_symbols(store.instruments().clear()).is_empty()


def test_a_contract_ends_when_nobody_lists_it_any_more(store: Store) -> None:
    rows = [listing(1), listing(2), listing(3), listing(4)]
    for provider in (S, F):
        take(store, provider, MON, *rows)
    assert take(store, S, TUE, *rows[:3])["delisted"] == 0
    assert listed(store)[4] == [F]
    assert take(store, F, TUE, *rows[:3])["delisted"] == 1
    assert listed(store)[4] == [S, F]
    assert store.instruments(TUE)["contract"].to_list() == [1, 2, 3]
    assert take(store, F, WED, *rows)["new"] == 0
    assert listed(store)[4] == [F]
    assert store.instruments(WED).height == 4


@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_the_say_passes_on_when_its_holder_lists_it_no_more(store: Store, order: tuple[str, str]) -> None:
    rows = {S: [listing(1), listing(2), listing(3)], F: [listing(1), listing(2), listing(3, lot=200)]}
    for provider in (S, F):
        take(store, provider, MON, *rows[provider])
    rows[S].pop()
    assert sum(take(store, provider, TUE, *rows[provider])["amended"] for provider in order) == 1
    last = store.instruments(TUE).row(2, named=True)
    assert (last["lot"], last["provider_symbol"]) == (200, "firstock:TCS24NOV26C3")
    assert take(store, F, WED, *rows[F])["amended"] == 0
    assert take(store, S, WED, *rows[F])["amended"] == 0
    assert differ(store) == []


def test_a_provider_that_is_asked_no_more_loses_the_say(store: Store) -> None:
    rows = [listing(token, expiry=FAR) for token in (1, 2)]
    take(store, S, MON, *rows)
    days = [MON + timedelta(days=n) for n in range(10)]
    for day in days:
        take(store, F, day, *rows)
    assert take(store, F, days[-1] + timedelta(days=1), listing(1, expiry=FAR, lot=200), rows[1])["amended"] == 1
    assert take(store, F, days[-1] + timedelta(days=2), rows[1], listing(3, expiry=FAR))["delisted"] == 1


def test_half_a_master_of_one_ends_nothing(store: Store) -> None:
    rows = [listing(token) for token in range(10)]
    for provider in (S, F):
        take(store, provider, MON, *rows)
    assert take(store, F, TUE, rows[0])["delisted"] == 0
    assert listed(store) == {number: [S, F] for number in range(1, 11)}
    assert "master_shrunk" in store.masters()["findings"].str.join("").item()


@pytest.mark.parametrize("order", [(S, F), (F, S)])
def test_a_recycled_token_is_one_new_contract_for_both(store: Store, order: tuple[str, str]) -> None:
    later = date(2026, 11, 25)
    for provider in (S, F):
        take(store, provider, MON, listing(1))
    assert [take(store, provider, later, listing(1, expiry=FAR))["new"] for provider in order] == [1, 0]
    assert listed(store) == {1: [S, F], 2: [S, F]}
    assert store.instruments(later)["contract"].to_list() == [2]


def test_the_first_master_of_the_second_provider_may_know_of_older_contracts(store: Store) -> None:
    take(store, S, MON, listing(1))
    take(store, F, TUE, listing(1), listing(2), listing(3))
    take(store, S, TUE, listing(1), listing(2))
    assert dict(store.instruments().select("token", "valid_from").iter_rows()) == {1: None, 2: TUE, 3: None}


def test_an_older_master_of_the_other_renumbers_and_amends_nothing(store: Store) -> None:
    take(store, S, WED, listing(1, lot=200), listing(2), listing(3))
    done = take(store, F, MON, listing(1), listing(2), listing(4))
    assert (done["new"], done["amended"], done["differ"]) == (1, 0, 1)
    assert store.instruments(MON)["token"].to_list() == [1, 2, 3, 4]
    assert store.instruments(WED).select("contract", "token").rows() == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert listed(store)[1] == [F, S]


def test_masters_of_one_day_that_contradict_each_other_leave_one_contract(store: Store) -> None:
    for changed in ({}, {"right": "PE"}, {"underlying": "INFY"}, {}, {"right": "PE"}):
        take(store, S, TUE, listing(1) | changed, listing(2))
        assert sorted(store.instruments(TUE)["token"]) == [1, 2]


def test_a_listing_that_had_expired_already_leaves_its_token_on_the_days_before_to_what_had_it(store: Store) -> None:
    take(store, S, MON, listing(1), listing(2))
    take(store, S, WED, listing(1, right="PE", expiry=MON), listing(2))
    take(store, S, WED, listing(1, underlying="INFY", expiry=FAR), listing(2))
    assert [store.instruments(day).filter(pl.col("token") == 1)["underlying"].to_list() for day in (MON, TUE, WED)] == [["TCS"], ["TCS"], ["INFY"]]


LISTED = st.fixed_dictionaries({
    "token": st.integers(1, 4), "lot": st.sampled_from([175, 200]), "tick_paise": st.sampled_from([5, 10]),
    "expiry": st.sampled_from([date(2026, 11, 24), date(2026, 11, 23), date(2026, 11, 16), FAR]), "right": st.sampled_from(["CE", "PE"]),
    "underlying": st.sampled_from(["TCS", "TCS", "TCS", "INFY"]), "strike_paise": st.sampled_from([10_000, 10_000, 10_500]),
})
FILE = st.lists(LISTED, min_size=1, max_size=4, unique_by=lambda row: row["token"])


def rows_of(file: list[dict[str, object]]) -> list[dict[str, object]]:
    return [listing(row["token"]) | row for row in file]  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lakes")


def alone_on_each_day(store: Store) -> None:
    """No token names two contracts on one day."""
    for day in (MON, TUE, WED):
        keys = store.instruments(day).select("venue", "segment", "token")
        assert not keys.is_duplicated().any(), store.instrument_history()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.sampled_from([S, F, "third"]), st.sampled_from([MON, TUE, WED]), FILE), min_size=1, max_size=6))
def test_whatever_masters_say_a_token_is_one_contract_on_a_day(lakes: Path, taken: list[tuple[str, date, list[dict[str, object]]]]) -> None:
    with tempfile.TemporaryDirectory(dir=lakes) as folder, Store.open(Path(folder), write=True) as store:
        seen: dict[int, tuple[object, ...]] = {}
        for provider, day, file in sorted(taken, key=lambda each: each[1]):
            take(store, provider, day, *rows_of(file))
            alone_on_each_day(store)
            now = {row[0]: row[1:] for row in store.instruments().select("contract", "venue", "segment", "token").iter_rows()}
            assert {number: now[number] for number in seen} == seen
            seen = now


DAYS = (MON, TUE, WED)
UNLIKE = st.sampled_from([
    {}, {}, {"lot": 300}, {"tick_paise": 10}, {"expiry": date(2026, 11, 23)}, {"strike_paise": 105}, {"right": "PE"}, {"underlying": "INFY"},
])
LIFE = st.fixed_dictionaries({
    "first": st.integers(0, 1), "last": st.integers(1, 2), "lot_from": st.integers(1, 4), "theirs": UNLIKE,
    "at": st.sampled_from([(S, F), (S, F), (S,), (F,)]),
})


def files_of(lives: list[dict[str, object]], day: int) -> dict[str, list[dict[str, object]]]:
    """What the two providers list: a few contracts live their lives, a few more are always there."""
    files: dict[str, list[dict[str, object]]] = {S: [], F: []}
    for token, life in enumerate(lives, 1):
        for provider in life["at"]:  # type: ignore[attr-defined]
            if life["first"] <= day <= life["last"]:  # type: ignore[operator]
                lot = 200 if day >= life["lot_from"] else 175  # type: ignore[operator]
                files[provider].append(listing(token, lot=lot) | (life["theirs"] if provider == F else {}))  # type: ignore[operator]
    return {provider: rows + [listing(token) for token in range(50, 60)] for provider, rows in files.items()}


@settings(max_examples=12, deadline=None)
@given(st.lists(LIFE, min_size=1, max_size=5), st.lists(st.booleans(), min_size=3, max_size=3))
def test_masters_of_one_day_give_the_same_in_either_order_and_however_often(
    lakes: Path, lives: list[dict[str, object]], turns: list[bool],
) -> None:
    found = []
    for swaps in (itertools.repeat(False), iter(turns)):
        with tempfile.TemporaryDirectory(dir=lakes) as folder, Store.open(Path(folder), write=True) as store:
            for number, (day, swap) in enumerate(zip(DAYS, swaps, strict=False)):
                files = list(files_of(lives, number).items())
                for provider, file in reversed(files) if swap else files:
                    take(store, provider, day, *file)
                settled = store.instrument_history().drop("last_seen")
                for provider, file in files:
                    done = take(store, provider, day, *file)
                    assert (done["new"], done["amended"], done["delisted"]) == (0, 0, 0)
                assert store.instrument_history().drop("last_seen").equals(settled)
                alone_on_each_day(store)
            whole = store.instrument_history().sort("venue", "segment", "token", "contract", "revision")
            found.append((
                whole.drop("contract", "last_seen").rows(),
                store.listing_differences().join(whole.unique("contract"), on="contract").select("token", "provider", "name", "kept", "theirs").sort(pl.all()).rows(),
                store.listed_by().join(whole.unique("contract"), on="contract").select("token", "provider").sort(pl.all()).rows(),
            ))
    assert found[0] == found[1]


@settings(max_examples=15, deadline=None)
@given(st.lists(LIFE, min_size=1, max_size=5), st.permutations(list(itertools.product((S, F), range(3)))))
def test_masters_taken_late_in_any_order_find_the_same_contracts(lakes: Path, lives: list[dict[str, object]], order: list[tuple[str, int]]) -> None:
    lives = [life | {"theirs": {} if {"right", "underlying"} & set(life["theirs"]) else life["theirs"]} for life in lives]  # type: ignore[call-overload]
    found = []
    for turn in (sorted(order, key=lambda each: each[1]), order):
        with tempfile.TemporaryDirectory(dir=lakes) as folder, Store.open(Path(folder), write=True) as store:
            for provider, number in turn:
                take(store, provider, DAYS[number], *files_of(lives, number)[provider])
                alone_on_each_day(store)
            found.append(store.instruments().select("token", "contract").sort("token")["token"].to_list())
    assert found[0] == found[1]


def whole_market(count: int) -> pl.DataFrame:
    tokens = pl.int_range(35_000, 35_000 + count, eager=True, dtype=pl.Int64).alias("token").to_frame()
    table = tokens.with_columns(
        venue=pl.lit("NSE"), segment=pl.lit("FO"), underlying=pl.format("U{}", pl.col("token") % 200), kind=pl.lit("option"), right=pl.lit("CE"),
        expiry=pl.lit(date(2026, 11, 24)), strike_paise=pl.col("token") * 100, lot=pl.lit(75), tick_paise=pl.lit(5), is_index=pl.lit(value=False),
        symbol=pl.format("U{}X", "token"), provider_symbol=pl.format("U{}X", "token"),
    )
    return table.select(*listing_schema()).cast(dict(listing_schema()))  # type: ignore[arg-type]


def test_whole_masters_of_both_are_taken_in_seconds(store: Store) -> None:
    market = whole_market(85_000)
    part = market.filter(pl.col("token") % 10 < 7)
    spent = []
    for day in (MON, TUE):
        start = time.process_time()
        for provider, table in ((S, market), (F, part)):
            store.take_master(Master(provider, "NFO", day, table.height, table, payload_hash=f"{day}"), RawFile(provider, "NFO", NOW, b"x", NOW, "0"))
        spent.append(time.process_time() - start)
    assert max(spent) < 6, "about 1.5 and 2.1 s on an idle core"
    assert store.listed_by().height == market.height + part.height
