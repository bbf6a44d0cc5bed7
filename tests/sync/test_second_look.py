"""The second look: which contract-sessions, who is asked, what becomes of each answer, and what is committed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import LoginRefused, ProviderError, ProviderFault, UnknownSymbol
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    BarRequest,
    Batch,
    Contract,
    Event,
    Master,
    Notice,
    Outcome,
    Page,
    RawBars,
    RawFile,
    RequestRecord,
    Verdict,
    bar_schema,
    ist_date,
    ist_midnight_us,
    listing_schema,
    quarantine_schema,
    utc_from_us,
)
from fnolake.normalize import normalize
from fnolake.provider.account import Asked
from fnolake.store.store import Store
from fnolake.sync.sample import count_looks, due_looks, is_chosen
from fnolake.sync.second_look import SecondLook
from fnolake.sync.wanted import Wanted
from fnolake.sync.writer import Tally

CALENDAR = Calendar.bundled()
THU, FRI = date(2026, 11, 19), date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
BOTH = ("shoonya", "firstock")


def listing(token: int, expiry: date) -> dict[str, object]:
    symbol = f"TCS{expiry:%d%b%y}C{token}".upper()
    return {
        "venue": "NSE", "segment": "FO", "token": token, "symbol": symbol, "underlying": "TCS", "kind": "option", "expiry": expiry,
        "strike_paise": token * 100, "right": "CE", "lot": 175, "tick_paise": 5, "provider_symbol": symbol, "is_index": False,
    }


def rows(day: date, bars: int = 10, **changes: int) -> RawBars:
    """Bars of ten units from 09:15; ``high_3=1200`` changes the high of the fourth bar, in paise."""
    session = CALENDAR.session("NSE", "FO", day)
    assert session is not None
    epoch = np.array(session.minute_starts_us()[:bars], dtype=np.int64) // 1_000_000
    columns = {name: np.full(bars, 10.0) for name in ("open", "low", "close")} | {"high": np.full(bars, 11.0)}
    for name, paise in changes.items():
        column, _, at = name.partition("_")
        columns[column][int(at)] = paise / 100
    volume = np.full(bars, 10, dtype=np.int64)
    return RawBars(epoch, **columns, volume=volume, oi=volume, vwap=np.full(bars, 10.0), cumulative=np.cumsum(volume), wall_mismatch=np.zeros(bars, np.bool_))


class Scripted:
    """An account whose answers are made by a function of the request; it notes what was asked."""

    falters = False

    def __init__(self, provider: str, answer: Callable[[BarRequest], RawBars | ProviderError | None], name: str = "") -> None:
        self.provider_name, self.name, self._answer = provider, name or provider, answer
        self.asked: list[tuple[int, date]] = []
        self.reached, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    def drain_sign_ins(self) -> list[RequestRecord]:
        return []

    async def ask_minutes(self, request: BarRequest, *, may_leave: Callable[[], bool]) -> Asked:
        self.asked.append((request.contract.contract, ist_date(request.start)))
        self.reached.set()
        await self.gate.wait()
        said = self._answer(request)
        record = RequestRecord(f"{self.name}{len(self.asked)}", self.provider_name, self.name, "minutes", "answered", NOW, 0.1)
        if isinstance(said, ProviderError):
            return Asked(None, said, replace(record, outcome="failed", error=type(said).__name__))
        return Asked(Page(request, self.provider_name, self.name, NOW, "hash", said), None, record)


def good(request: BarRequest) -> RawBars:
    return rows(ist_date(request.start))


def clipped(request: BarRequest) -> RawBars:
    return rows(ist_date(request.start), high_3=1000)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True, grace_s=0.0) as opened:
        expiries = [date(2026, 12, 29), date(2026, 11, 23), date(2026, 12, 1)]
        table = pl.DataFrame([listing(token, expiry) for token, expiry in enumerate(expiries, 1)], schema=listing_schema())
        opened.take_master(Master("shoonya", "NFO", THU, 3, table, payload_hash="m"), RawFile("shoonya", "NFO.txt", NOW, b"x", NOW, "0"))
        yield opened


def wanted(store: Store, *sessions: date) -> Wanted:
    return Wanted(store.instruments(None), sessions or (THU, FRI))


def capture(store: Store, *pairs: tuple[int, date], provider: str = "shoonya", outcome: Outcome = Outcome.COMPLETE, raw: RawBars | None = None) -> None:
    """Store what a provider said of some contract-sessions."""
    attempts, bars = [], [pl.DataFrame(schema=bar_schema())]
    for number, day in pairs:
        contract = next(Contract(**row) for row in store.instruments(None).iter_rows(named=True) if row["contract"] == number)
        start = utc_from_us(ist_midnight_us(day))
        request = BarRequest(contract, start, start + timedelta(days=1))
        bars.append(normalize(Page(request, provider, provider, NOW, "h", raw or rows(day)), CALENDAR).bars)
        attempts.append(Attempt(number, day, Verdict(outcome, bars=bars[-1].height, volume=100), provider, provider, NOW - timedelta(hours=1)))
    store.commit(Batch(tuple(attempts), pl.concat(bars), pl.DataFrame(schema=quarantine_schema())))


class Look:
    """A second look at everything, and what it told."""

    def __init__(self, store: Store, *accounts: Scripted, share: float = 1.0, workers: int = 2) -> None:
        self.store = store
        self.events: list[Event] = []
        self.stop = asyncio.Event()
        self.tally = Tally()
        self.look = SecondLook(
            store, accounts, CALENDAR, lambda: NOW, self.events.append, share=share, workers=workers, count=self.tally.add_looks,
        )

    async def run(self, until: float | None = None) -> int:
        return await self.look.run(wanted(self.store), self.stop, until)

    @property
    def last(self) -> Notice:
        return [event for event in self.events if isinstance(event, Notice)][-1]


def test_the_sample_is_the_same_in_every_run_and_grows_with_the_share() -> None:
    pairs = pl.DataFrame({"venue": "NSE", "segment": "FO", "token": list(range(20_000)), "session": FRI}).cast({"session": pl.Date})
    few, more = is_chosen(pairs, 0.02), is_chosen(pairs, 0.2)
    assert few.equals(is_chosen(pairs, 0.02))
    assert abs(int(few.sum()) - 400) < 100
    assert abs(int(more.sum()) - 4000) < 300
    assert not (few & ~more).any()
    assert is_chosen(pairs.reverse(), 0.02).reverse().equals(few)
    assert pairs.filter(few)["token"].head(3).to_list() == [71, 149, 178]


@given(st.integers(0, 1 << 40), st.sampled_from(["NSE", "BSE"]), st.sampled_from(["CM", "FO"]), st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_nothing_is_chosen_at_0_and_everything_at_1(token: int, venue: str, segment: str, session: date) -> None:
    pair = pl.DataFrame({"venue": [venue], "segment": [segment], "token": [token], "session": [session]})
    assert is_chosen(pair, 0.0).to_list() == [False]
    assert is_chosen(pair, 1.0).to_list() == [True]


def test_sessions_and_segments_are_chosen_apart() -> None:
    tokens = list(range(5000))
    base = {"venue": "NSE", "segment": "FO", "token": tokens, "session": FRI}
    chosen = [is_chosen(pl.DataFrame(base | change).cast({"session": pl.Date}), 0.5).to_list() for change in ({}, {"session": THU}, {"segment": "CM"}, {"venue": "BSE"})]
    assert len({tuple(one) for one in chosen}) == 4


def test_what_is_complete_is_due_the_soonest_deadline_first(store: Store) -> None:
    capture(store, (1, FRI), (2, FRI), (3, FRI), (3, THU))
    assert due_looks(store, wanted(store), 1.0, BOTH, FRI).select("contract", "session", "provider", "rank").rows() == [
        (2, FRI, "shoonya", 60), (3, THU, "shoonya", 60), (3, FRI, "shoonya", 60), (1, FRI, "shoonya", 60),
    ]


def test_what_is_partial_expired_or_has_no_second_provider_is_not_due(store: Store) -> None:
    capture(store, (1, FRI), outcome=Outcome.PARTIAL)
    capture(store, (2, FRI))
    assert due_looks(store, wanted(store), 1.0, BOTH, date(2026, 11, 24)).is_empty()
    assert due_looks(store, wanted(store), 1.0, ("shoonya", "shoonya"), FRI).is_empty()
    assert due_looks(store, wanted(store), 0.0, BOTH, FRI).is_empty()


def test_the_plan_counts_what_is_due_and_what_will_be(store: Store) -> None:
    capture(store, (2, FRI))
    planned = pl.DataFrame({"contract": [1, 3], "sessions": [[THU, FRI], [FRI]]}, schema={"contract": pl.Int64, "sessions": pl.List(pl.Date)})
    assert count_looks(store, wanted(store), planned, 1.0, BOTH, FRI) == 4
    assert count_looks(store, wanted(store), planned, 1.0, ("shoonya",), FRI) == 0
    assert count_looks(store, wanted(store), planned, 0.0, BOTH, FRI) == 0


async def test_the_other_provider_is_asked_and_an_agreement_recorded(store: Store) -> None:
    capture(store, (1, FRI))
    capture(store, (2, FRI), provider="firstock")
    one, other = Scripted("shoonya", good), Scripted("firstock", good)
    look = Look(store, one, other)
    assert await look.run() == 2
    assert (one.asked, other.asked) == ([(2, FRI)], [(1, FRI)])
    assert store.comparisons().select("first_provider", "second_provider", "agreed", "kept", "why").rows() == [
        ("shoonya", "firstock", True, "first", "agreed"), ("firstock", "shoonya", True, "first", "agreed"),
    ]
    assert store.requests()["account"].sort().to_list() == ["firstock", "shoonya"]
    assert (look.last.level, look.last.text) == ("info", "second look: 2 of 2 contract-sessions agree between the providers")


async def test_what_was_compared_is_not_asked_again(store: Store) -> None:
    capture(store, (1, FRI))
    await Look(store, Scripted("shoonya", good), Scripted("firstock", good)).run()
    again = Scripted("firstock", good)
    assert await Look(store, Scripted("shoonya", good), again).run() == 0
    assert again.asked == []


async def test_a_clipped_answer_loses_and_is_named(store: Store) -> None:
    capture(store, (1, FRI))
    look = Look(store, Scripted("shoonya", good), Scripted("firstock", clipped))
    await look.run()
    assert store.differences().select("field", "first", "second", "finding").rows() == [("high", 1100, 1000, "clipped_high")]
    assert store.comparisons().select("kept", "why").rows() == [("first", "wider_range")]
    assert store.coverage()["provider"].to_list() == ["shoonya"]
    assert look.last.level == "warning"
    assert look.last.text.endswith("`fnolake compare` shows the differences")


async def test_a_better_answer_takes_coverage_with_its_bars(store: Store) -> None:
    capture(store, (1, FRI), raw=rows(FRI, high_3=1000))
    store.publish(FRI)
    await Look(store, Scripted("shoonya", good), Scripted("firstock", good)).run()
    store.publish(FRI)
    assert store.coverage()["provider"].to_list() == ["firstock"]
    assert set(store.bars([1], [FRI]).collect()["high_paise"]) == {1100}
    assert store.revisions().select("high_paise", "by_provider").rows()[3] == (1000, "firstock")


@pytest.mark.parametrize(("answer", "outcome", "reasons"), [
    (lambda _r: None, "failed", "doubtful_empty"), (lambda _r: ProviderFault("502"), "failed", "ProviderFault"),
    (lambda _r: UnknownSymbol("?"), "unavailable", "UnknownSymbol"),
])
async def test_no_rows_are_one_recorded_attempt_and_no_comparison(
    store: Store, answer: Callable[[BarRequest], RawBars | ProviderError | None], outcome: str, reasons: str,
) -> None:
    capture(store, (1, FRI))
    look = Look(store, Scripted("shoonya", good), Scripted("firstock", answer))
    assert await look.run() == 0
    assert store.attempts().filter(pl.col("provider") == "firstock").select("outcome", "reasons").rows() == [(outcome, reasons)]
    assert store.comparisons().is_empty()
    assert store.bars([1], [FRI]).collect().height == 10
    assert look.last.text.endswith("1 are left for the next sync")


async def test_what_the_other_has_no_more_is_not_asked_again(store: Store) -> None:
    capture(store, (1, FRI))
    await Look(store, Scripted("shoonya", good), Scripted("firstock", lambda _r: UnknownSymbol("?"))).run()
    assert due_looks(store, wanted(store), 1.0, BOTH, FRI).is_empty()


async def test_an_account_that_is_shut_out_hands_over_to_another_of_its_provider(store: Store) -> None:
    capture(store, (1, FRI), (2, FRI), (3, FRI))
    out, able = Scripted("firstock", lambda _r: LoginRefused("no"), "out"), Scripted("firstock", good, "able")
    assert await Look(store, Scripted("shoonya", good), out, able, workers=1).run() == 2
    assert (len(out.asked), len(able.asked)) == (1, 2)


async def test_rows_that_are_refused_are_quarantined_and_not_compared(store: Store) -> None:
    capture(store, (1, FRI))
    zero = np.zeros(10)
    broken = Scripted("firstock", lambda _r: dataclasses.replace(rows(FRI), open=zero, high=zero, low=zero, close=zero))
    assert await Look(store, Scripted("shoonya", good), broken).run() == 0
    assert store.attempts().filter(pl.col("provider") == "firstock")["outcome"].to_list() == ["quarantined"]


async def test_a_stop_commits_what_was_compared_and_records_what_was_given_up(store: Store) -> None:
    capture(store, (1, FRI), (2, FRI), (3, FRI))
    other = Scripted("firstock", good)
    look = Look(store, Scripted("shoonya", good), other, workers=1)

    def answered(request: BarRequest) -> RawBars:
        other.gate.clear()
        look.stop.set()
        return good(request)

    other._answer = answered
    assert await look.run() == 1
    assert store.comparisons()["contract"].to_list() == [2]
    assert store.requests().select("outcome", "error").sort("outcome").rows() == [("answered", ""), ("failed", "Interrupted")]


async def test_the_end_of_the_users_patience_is_a_stop(store: Store) -> None:
    capture(store, (1, FRI))
    other = Scripted("firstock", good)
    assert await Look(store, Scripted("shoonya", good), other).run(until=asyncio.get_running_loop().time()) == 0
    assert other.asked == []


async def test_a_cancelled_look_leaves_the_store_as_it_was(store: Store) -> None:
    capture(store, (1, FRI))
    other = Scripted("firstock", good)
    other.gate.clear()
    task = asyncio.ensure_future(Look(store, Scripted("shoonya", good), other).run())
    await other.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert store.comparisons().is_empty()
    assert store.attempts().height == 1


async def test_its_requests_are_counted_with_the_syncs(store: Store) -> None:
    capture(store, (1, FRI), (2, FRI))
    asks = Look(store, Scripted("shoonya", good), Scripted("firstock", good))
    await asks.run()
    recorded = store.requests()
    served = asks.tally.accounts["firstock"]
    assert (asks.tally.requests, served.requests, recorded.height) == (2, 2, 2)
    assert (asks.tally.outcomes, asks.tally.failed_requests) == ({}, 0)
