"""The second day: what is asked again, what replaces, and re-based history, which never does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tests.sync.test_second_look import (
    BOTH,
    CALENDAR,
    FRI,
    NOW,
    THU,
    Look,
    Scripted,
    asyncio,
    capture,
    due_looks,
    good,
    listing,
    rows,
    wanted,
)

from fnolake.market.exchange_file import read_exchange_file
from fnolake.market.reference import ReferenceFile
from fnolake.model import BarRequest, Event, Master, Outcome, RawBars, RawFile, ist_date, listing_schema
from fnolake.store.store import Store
from fnolake.sync.second_day import WAY, due_again
from fnolake.sync.second_look import SecondLook

SPOT, OPTION, EXPIRED = 1, 2, 3
"""Ids in the order of segment and token."""
SATURDAY = NOW + timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True, grace_s=0.0) as opened:
        stock = listing(3, date(2026, 12, 1)) | {"segment": "CM", "kind": "spot", "expiry": None, "strike_paise": None, "right": None, "symbol": "TCS-EQ", "lot": 1}
        table = pl.DataFrame([listing(1, date(2026, 12, 29)), listing(2, date(2026, 11, 20)), stock], schema=listing_schema())
        opened.take_master(Master("shoonya", "NFO", THU, 3, table, payload_hash="m"), RawFile("shoonya", "NFO.txt", NOW, b"x", NOW, "0"))
        yield opened


async def again(store: Store, *accounts: Scripted) -> int:
    events: list[Event] = []
    look = SecondLook(store, accounts, CALENDAR, lambda: SATURDAY, events.append, share=1.0, way=WAY)
    return await look.look(due_again(store, store.instruments(None), 1.0, SATURDAY), wanted(store), asyncio.Event())


def test_yesterdays_complete_sessions_are_due_and_todays_and_expired_ones_are_not(store: Store) -> None:
    capture(store, (OPTION, FRI), (EXPIRED, FRI), (SPOT, FRI))
    contracts = store.instruments(None)
    assert due_again(store, contracts, 1.0, SATURDAY).select("contract", "session", "provider", "rank").rows() == [(SPOT, FRI, "shoonya", 60), (OPTION, FRI, "shoonya", 60)]
    assert due_again(store, contracts, 1.0, NOW).is_empty(), "it was captured this evening"
    assert due_again(store, contracts, 0.0, SATURDAY).is_empty()
    assert due_again(store, contracts, 1.0, NOW + timedelta(days=9)).is_empty(), "a sample of yesterday, not of the past"
    capture(store, (OPTION, THU), outcome=Outcome.PARTIAL)
    assert THU not in due_again(store, contracts, 1.0, SATURDAY)["session"].to_list()


async def test_the_same_provider_is_asked_and_what_agrees_is_asked_once(store: Store) -> None:
    capture(store, (OPTION, FRI))
    own, other = Scripted("shoonya", good), Scripted("firstock", good)
    assert await again(store, other, own) == 1
    assert (own.asked, other.asked) == ([(OPTION, FRI)], [])
    assert store.comparisons().select("first_provider", "second_provider", "agreed").rows() == [("shoonya", "shoonya", True)]
    assert await again(store, own) == 0
    assert due_looks(store, wanted(store), 1.0, BOTH, FRI).height == 1, "the two providers were not compared by it"


async def test_a_corrected_bar_replaces_and_the_old_one_is_a_revision(store: Store) -> None:
    capture(store, (OPTION, FRI), raw=rows(FRI, high_3=1050))
    store.publish(FRI)
    await again(store, Scripted("shoonya", good))
    store.publish(FRI)
    assert store.comparisons().select("kept", "why").rows() == [("second", "wider_range")]
    assert store.bars([OPTION], [FRI]).collect()["high_paise"].unique().to_list() == [1100]
    assert store.revisions().select("high_paise", "provider", "by_provider").rows() == [(1050, "shoonya", "shoonya")]


async def test_where_no_rule_says_who_is_better_the_newer_answer_is_taken(store: Store) -> None:
    capture(store, (OPTION, FRI))
    await again(store, Scripted("shoonya", lambda request: rows(ist_date(request.start), close_4=1001)))
    assert store.comparisons().select("kept", "why").rows() == [("second", "newer")]


async def test_an_answer_with_fewer_minutes_replaces_nothing(store: Store) -> None:
    capture(store, (OPTION, FRI))
    await again(store, Scripted("shoonya", lambda request: rows(ist_date(request.start), 7)))
    assert store.comparisons()["kept"].to_list() == ["first"]
    assert store.coverage()["bars"].to_list() == [10]


def rebased(request: BarRequest) -> RawBars:
    raw = good(request)
    halves = {name: getattr(raw, name) / 2 for name in ("open", "high", "low", "close", "vwap")}
    volume = raw.volume * 2
    return replace(raw, **halves, volume=volume, cumulative=np.cumsum(volume))


async def test_re_based_cash_history_is_quarantined_and_never_mixed(store: Store) -> None:
    capture(store, (SPOT, FRI), raw=rows(FRI))
    assert await again(store, Scripted("shoonya", rebased)) == 0
    last = store.attempts().row(-1, named=True)
    assert (last["outcome"], last["reasons"], last["bars"]) == ("quarantined", "rebased_history", 0)
    assert store.comparisons().is_empty()
    assert store.coverage().select("outcome", "bars").rows() == [("complete", 10)]
    refused = pl.concat([pl.read_parquet(path) for path in (store.path / "refused").iterdir()])
    assert refused["reason"].to_list() == ["rebased_history"] * 10
    assert refused["close"].to_list() == [5.0] * 10


async def test_the_exchanges_list_names_the_action_that_history_was_re_based_for(store: Store) -> None:
    body = (
        b'"SYMBOL","SERIES","PURPOSE","FACE VALUE","EX-DATE","RECORD DATE"\n"TCS","EQ","Bonus 1:1","1","21-Nov-2026","21-Nov-2026"\n'
        b'"TCS","EQ","Bonus 3:1","1","20-Nov-2026","20-Nov-2026"\n"INFY","EQ","Bonus 1:1","1","21-Nov-2026","21-Nov-2026"\n'
    )
    file = read_exchange_file(body, day=FRI)
    assert isinstance(file, ReferenceFile)
    store.references.take(file, RawFile("exchange", "CF-CA-equities.csv", None, body, NOW, "h"), FRI)
    capture(store, (SPOT, FRI), raw=rows(FRI))
    await again(store, Scripted("shoonya", rebased))
    assert "re-based for the bonus of 21 Nov 2026" in json.dumps(store.attempts()["findings"].to_list()[-1])


async def test_another_providers_re_based_history_is_not_compared_with_raw_history(store: Store) -> None:
    capture(store, (SPOT, FRI))
    await Look(store, Scripted("shoonya", good), Scripted("firstock", rebased)).run()
    assert store.attempts()["reasons"].to_list()[-1] == "rebased_history"
    assert store.coverage()["provider"].to_list() == ["shoonya"]
