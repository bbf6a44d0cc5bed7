"""The second round of a day's masters, and renames that are known before one is diffed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from tests.provider.fakes import FakeClock
from tests.store.conftest import listing, master, raw
from tests.store.test_exchange import day, row
from tests.sync.test_connect import Publishing, accounts_of

from fnolake.model import Event, Master, Notice, RawFile
from fnolake.store.store import Store
from fnolake.sync.masters import MasterRound

TODAY = FakeClock().now().date()
FAR = TODAY + timedelta(days=30)


class Growing(Publishing):
    """A provider whose master has one listing more each time it is fetched."""

    def __init__(self, name: str = "shoonya", underlying: str = "TCS") -> None:
        super().__init__(name)
        self.underlying = underlying

    def decode_master(self, raw: RawFile) -> Master:
        rows = [listing(token, expiry=FAR, underlying=self.underlying, symbol=f"{self.underlying}{token}") for token in range(10, 10 + self.fetched)]
        return replace(master(rows, TODAY), provider=self.name, payload_hash=f"{self.underlying}{self.fetched}")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        yield opened


def round_of(
    store: Store, *providers: Publishing, events: list[Event] | None = None, learn_renames: Callable[[], Awaitable[None]] | None = None,
) -> MasterRound:
    told = [] if events is None else events
    return MasterRound(store, accounts_of(*providers), FakeClock(), told.append, learn_renames)


async def test_a_strike_listed_in_the_day_is_found_after_the_close_once(store: Store) -> None:
    provider, events = Growing(), list[Event]()
    await round_of(store, provider).take()
    store.take_exchange_day(day(TODAY, row(10, expiry=FAR), row(11, expiry=FAR), row(12, expiry=FAR)), raw("fo.csv"))
    assert store.unlisted(TODAY)["token"].to_list() == [11, 12]
    rows = await round_of(store, provider, events=events).take_after_close()
    assert [(each["provider"], each["new"]) for each in rows] == [("shoonya", 1)]
    assert [event.text for event in events if isinstance(event, Notice)] == [
        "2 contracts were listed today after the masters were taken (TCS): taking them once more",
    ]
    assert store.exchange_rows(TODAY)["contract"].to_list() == [1, 2]
    assert store.unlisted(TODAY)["token"].to_list() == [12]
    assert await round_of(store, provider).take_after_close() == []
    assert provider.fetched == 2
    assert store.requests().filter(store.requests()["route"] == "master NFO").height == 2


async def test_nothing_is_taken_again_for_what_needs_no_master(store: Store) -> None:
    provider = Growing()
    await round_of(store, provider).take()
    strange = [row(10, expiry=FAR), row(20, expiry=TODAY), row(21, expiry=FAR, underlying="TEST")]
    store.take_exchange_day(day(TODAY, *strange), raw("fo.csv"))
    assert await round_of(store, provider).take_after_close() == []
    assert provider.fetched == 1


async def test_a_rename_that_is_known_in_time_keeps_the_contracts(store: Store) -> None:
    before = listing(10, expiry=FAR, underlying="ZOMATO", symbol="ZOMATO10")
    store.take_master(master([before], TODAY - timedelta(days=1)), raw())
    provider, asked = Growing(underlying="ETERNAL"), list[int]()

    async def learn() -> None:
        asked.append(provider.fetched)
        store.record_rename("ZOMATO", "ETERNAL", TODAY)

    rows = await round_of(store, provider, learn_renames=learn).take()
    assert asked == [0], "once, before the first master is fetched"
    assert [(each["new"], each["amended"]) for each in rows] == [(0, 1)]
    assert store.instruments().select("contract", "underlying").rows() == [(1, "ETERNAL")]
    await round_of(store, provider, learn_renames=learn).take()
    assert asked == [0], "where no master is due nothing is asked"


async def test_a_rename_that_nobody_recorded_is_named(store: Store) -> None:
    provider = Growing(underlying="ZOMATO")
    provider.fetched = 4
    await round_of(store, provider).take()
    provider.underlying, provider.fetched = "ETERNAL", 4
    await round_of(store, provider).take(again=True)
    assert "ZOMATO is called ETERNAL" in "".join(store.masters()["findings"].to_list())
