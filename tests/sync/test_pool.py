"""Many accounts on one queue: who gets what, and what becomes of work when an account fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import date

import pytest
from tests.sync.test_backfill import CALENDAR, FRI, NOW, OPTION, THU, rows

from fnolake.errors import (
    AddressNotAllowed,
    LoginRefused,
    PayloadError,
    ProviderError,
    ProviderFault,
    SignedInElsewhere,
    SignInLost,
    SpanUnavailable,
    UnknownSymbol,
)
from fnolake.model import AccountSeen, BarRequest, Batch, Event, Notice, Page, RawBars, RequestRecord, ist_date
from fnolake.provider.account import Asked
from fnolake.provider.budget import BudgetState
from fnolake.store.batches import check_batch
from fnolake.sync.backfill import Backfill
from fnolake.sync.pool import LOOK_AHEAD, Member, Pool, Task, cut
from fnolake.sync.writer import LineSettings, Tally

Answer = Callable[[BarRequest], RawBars | ProviderError | None]


def well(request: BarRequest) -> RawBars:
    return rows(ist_date(request.start))


def failing(error: ProviderError) -> Answer:
    return lambda _request: error


class Fake:
    """An account of a provider. It may ask only as often as its gate is opened, at once without a gate."""

    def __init__(self, name: str, provider: str, answer: Answer = well, *, gated: bool = False, max_days: int | None = None) -> None:
        self.name, self.provider_name, self.answer = name, provider, answer
        self.gate = asyncio.Semaphore(0 if gated else 1_000_000)
        self.asked: list[BarRequest] = []
        self.could_leave: list[bool] = []
        self.is_down = self.falters = False
        self.max_rows, self.max_days = 4000, max_days
        self.budget = BudgetState(0, 200, 60.0)

    def drain_sign_ins(self) -> list[RequestRecord]:
        return []

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[Fake]:
        await self.gate.acquire()
        asked = len(self.asked)
        yield self
        if len(self.asked) == asked:
            self.gate.release()

    async def ask_minutes(self, request: BarRequest, may_leave: Callable[[], bool]) -> Asked:
        self.could_leave.append(may_leave())
        self.asked.append(request)
        key = f"{self.name}{len(self.asked)}"
        await asyncio.sleep(0)
        said = self.answer(request)
        record = RequestRecord(key, self.provider_name, self.name, "minutes", "answered", NOW, 0.1)
        if isinstance(said, ProviderError):
            return Asked(None, said, replace(record, outcome="failed", error=type(said).__name__))
        return Asked(Page(request, self.provider_name, self.name, NOW, "hash", said), None, record)

    @property
    def contracts(self) -> list[int]:
        return [request.contract.contract for request in self.asked]


class Run:
    """A backfill with some accounts and everything that came of it."""

    def __init__(self, *accounts: Fake, silent: tuple[str, ...] = (), workers: int = 1) -> None:
        self.batches: list[Batch] = []
        self.events: list[Event] = []
        self.stop = asyncio.Event()
        self.accounts = accounts

        def canary(provider: str) -> Callable[[str, date], object]:
            async def sings(_venue: str, _day: date) -> bool:
                return provider not in silent
            return sings

        self.backfill = Backfill(
            accounts, self.commit, CALENDAR, {one.provider_name: canary(one.provider_name) for one in accounts},  # type: ignore[arg-type]
            exchange=lambda _c, _d: None, now=lambda: NOW, must_fill=lambda _c, _d: False, on_event=self.events.append,
            settings=LineSettings(workers=workers),
        )

    def commit(self, batch: Batch) -> None:
        check_batch(batch)
        self.batches.append(batch)

    async def __call__(self, *tasks: Task) -> Tally:
        return await asyncio.wait_for(self.backfill.run(iter(tasks), self.stop), 20)

    @property
    def outcomes(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for batch in self.batches:
            for attempt in batch.attempts:
                found.setdefault(attempt.contract, []).append(attempt.verdict.outcome.value)
        return found

    @property
    def records(self) -> list[RequestRecord]:
        return [record for batch in self.batches for record in batch.requests]

    @property
    def notices(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Notice)]

    def one_record_a_request(self) -> bool:
        """Every request has one record of its own."""
        asked = sum(len(account.asked) for account in self.accounts)
        return len(self.records) == len({record.key for record in self.records}) == asked


def tasks(count: int, *, venue: str = "NSE") -> list[Task]:
    return [Task(replace(OPTION, contract=number, venue=venue), (FRI,)) for number in range(count)]


# -- who gets what ------------------------------------------------------------------------------------------------


async def test_work_goes_to_whoever_is_free() -> None:
    quick, shut = Fake("quick", "p"), Fake("shut", "q", gated=True)
    run = Run(quick, shut, workers=3)
    await run(*tasks(40))
    assert quick.contracts == list(range(40))
    assert shut.asked == []


async def test_no_work_waits_at_an_account_that_may_not_send() -> None:
    """A budget that is spent holds no task: the other account is asked for the first one."""
    shut, quick = Fake("shut", "q", gated=True), Fake("quick", "p")
    run = Run(shut, quick, workers=12)
    await run(*tasks(3))
    assert quick.contracts == [0, 1, 2]


def listed(count: int, *providers: str, first: int = 0) -> list[Task]:
    return [replace(task, contract=replace(task.contract, contract=first + n), listed=frozenset(providers)) for n, task in enumerate(tasks(count))]


async def test_a_provider_that_does_not_list_a_contract_is_not_asked_for_it() -> None:
    one, two = Fake("one", "p"), Fake("two", "q")
    run = Run(one, two, workers=3)
    tally = await run(*listed(20, "p"), *listed(20, "q", first=20), *listed(20, "p", "q", first=40), *listed(5, "r", first=60))
    assert set(range(20)) <= set(one.contracts)
    assert set(range(20, 40)) <= set(two.contracts)
    assert sorted(one.contracts + two.contracts) == list(range(60))
    assert (tally.requests, sum(tally.outcomes.values())) == (60, 60)
    assert run.one_record_a_request()


async def test_what_only_a_lost_provider_lists_is_recorded_once_and_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fnolake.sync.pool.LOOK_AHEAD", 10)
    slow, lost = Fake("slow", "p", gated=True), Fake("lost", "q", lambda _r: SignInLost("lost: signed out", provider="q"))
    run = Run(slow, lost)
    running = asyncio.ensure_future(run(*listed(50, "q"), *listed(30, "p", first=50)))
    for _ in range(100):
        await asyncio.sleep(0)
    assert lost.asked
    for _ in range(100):
        slow.gate.release()
    await running
    assert slow.contracts == list(range(50, 80))
    assert lost.contracts == [0]
    assert run.outcomes[0] == ["failed"], "nobody else can be asked for it, so it is no work to be given back"


async def test_what_waits_for_somebody_who_is_lost_is_not_looked_past_in_vain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fnolake.sync.pool.LOOK_AHEAD", 10)
    one, two = Member("one", "p"), Member("two", "q")
    pool = Pool(iter([*listed(30, "q"), *listed(1, "p", first=30)]), (one, two))
    assert pool.take(one) is None, "ten wait for the other one: enough are looked at"
    pool.lose(two, "two: signed out", for_good=True)
    taken = pool.take(one)
    assert taken is not None
    assert taken.contract.contract == 30


async def test_a_doubt_is_not_taken_to_a_provider_that_does_not_list_the_contract() -> None:
    doubtful, other = Fake("doubtful", "p", lambda _r: SpanUnavailable("no", provider="p")), Fake("other", "q")
    run = Run(doubtful, other)
    await run(*listed(1, "p"), *listed(1, "p", "q", first=1))
    assert 0 not in other.contracts
    assert run.outcomes[0] == ["unavailable"]


async def test_a_faster_account_does_more() -> None:
    fast, slow = Fake("fast", "p", gated=True), Fake("slow", "q", gated=True)
    run = Run(fast, slow)
    running = asyncio.ensure_future(run(*tasks(40)))
    while not running.done():
        for account, leave in ((fast, 3), (slow, 1)):
            for _ in range(leave):
                account.gate.release()
        for _ in range(30):
            await asyncio.sleep(0)
    assert len(fast.asked) + len(slow.asked) == 40
    assert 28 <= len(fast.asked) <= 32


async def test_the_soonest_deadline_is_taken_first_by_everybody() -> None:
    both = Fake("a", "p"), Fake("b", "q")
    order: list[int] = []
    for account in both:
        account.answer = lambda request: order.append(request.contract.contract) or well(request)  # type: ignore[func-returns-value]
    await Run(*both)(*tasks(30))
    assert order == sorted(order)
    assert all(account.asked for account in both)


async def test_an_account_takes_only_its_own_span_and_leaves_the_rest_first() -> None:
    days = tuple(date(2026, 11, day) for day in (16, 17, 18, 19, 20))
    narrow, wide = Fake("narrow", "f", max_days=1), Fake("wide", "s", lambda r: rows(*[d for d in days if ist_date(r.start) <= d < ist_date(r.end)]))
    run = Run(narrow, wide)
    tally = await run(Task(OPTION, days), *tasks(4))
    assert next((ist_date(r.start), (r.end - r.start).days) for r in narrow.asked) == (days[0], 1)
    assert next((ist_date(r.start), (r.end - r.start).days) for r in wide.asked) == (days[1], 4)
    assert tally.outcomes == {"complete": 9}


def test_a_task_is_cut_by_rows_and_days() -> None:
    task = Task(OPTION, (date(2026, 11, 16), date(2026, 11, 17), THU, FRI), rows=1600.0)
    assert cut(task, 4000, None) == (task, None)
    mine, rest = cut(task, 700, None)
    assert (len(mine.sessions), mine.rows) == (2, 800.0)
    assert rest is not None
    assert (rest.sessions, rest.rows) == ((THU, FRI), 800.0)
    mine, rest = cut(task, 4000, 2)
    assert mine.sessions == (date(2026, 11, 16), date(2026, 11, 17))
    assert cut(task, 1, 1)[0].sessions == (date(2026, 11, 16),)


def test_a_look_ahead_is_bounded_and_takes_no_deadline_from_the_others() -> None:
    bse = [replace(task, contract=replace(task.contract, contract=90_000 + task.contract.contract)) for task in tasks(3, venue="BSE")]
    paused, other = Member("a", "p"), Member("b", "q")
    pool = Pool(iter([*tasks(5), *bse]), [paused, other])
    pool.pause("p", "NSE")
    first, second = pool.take(paused), pool.take(other)
    assert first is not None
    assert second is not None
    assert (first.contract.venue, second.contract.contract) == ("BSE", 0)
    read: list[int] = []
    pool = Pool((read.append(task.contract.contract) or task for task in tasks(5000)), [paused, other])  # type: ignore[func-returns-value]
    pool.pause("p", "NSE")
    assert pool.take(paused) is None
    assert len(read) == LOOK_AHEAD


# -- hand-over ----------------------------------------------------------------------------------------------------

GONE = [
    SignInLost("a: signed out; run `fnolake login a`"), AddressNotAllowed("a: register this address"), LoginRefused("a: blocked"),
    SignedInElsewhere("a: signed in by another program"),
]


@pytest.mark.parametrize("error", GONE, ids=lambda error: type(error).__name__)
async def test_an_account_that_is_gone_hands_its_work_over_with_one_line(error: ProviderError) -> None:
    lost, well_ = Fake("a", "p"), Fake("b", "q")
    lost.answer = lambda request: well(request) if len(lost.asked) < 4 else error
    run = Run(lost, well_, workers=3)
    tally = await run(*tasks(60))
    assert run.outcomes == {number: ["complete"] for number in range(60)}
    assert tally.outcomes == {"complete": 60}
    assert tally.stopped == ""
    assert len([line for line in run.notices if str(error) in line]) == 1
    assert run.one_record_a_request()
    assert tally.accounts["a"].reason == str(error)
    assert len(lost.asked) <= 4 + 3


async def test_an_account_of_the_same_provider_takes_over_as_well() -> None:
    run = Run(Fake("a", "p", failing(SignInLost("a: signed out"))), Fake("b", "p"))
    await run(*tasks(20))
    assert run.outcomes == {number: ["complete"] for number in range(20)}


async def test_what_is_handed_over_is_asked_before_everything_else() -> None:
    dying, heir = Fake("a", "p", failing(LoginRefused("blocked")), gated=True), Fake("b", "q", gated=True)
    run = Run(dying, heir)
    running = asyncio.ensure_future(run(*tasks(6)))
    dying.gate.release()
    for _ in range(50):
        await asyncio.sleep(0)
    for _ in range(6):
        heir.gate.release()
    await running
    assert dying.contracts == [0]
    assert heir.contracts == [0, 1, 2, 3, 4, 5]


async def test_an_account_that_is_down_hands_over_and_rejoins() -> None:
    sick, other = Fake("a", "p"), Fake("b", "q", gated=True)
    sick.gate = asyncio.Semaphore(1)
    sick.is_down, sick.answer = True, failing(ProviderFault("502"))
    run = Run(sick, other)
    running = asyncio.ensure_future(run(*tasks(10)))
    for _ in range(50):
        await asyncio.sleep(0)
    assert sick.contracts == [0]
    sick.is_down, sick.answer = False, well
    other.gate.release()
    for _ in range(9):
        sick.gate.release()
    tally = await running
    assert other.contracts == [0]
    assert sick.contracts == list(range(10))
    assert tally.outcomes == {"complete": 10}
    assert [line for line in run.notices if line.startswith("a")] == [
        "a: the provider does not answer; the other accounts take over its work", "a: p answers again",
    ]


async def test_an_account_that_falters_hands_over_while_another_works_and_is_waited_for_when_none_does() -> None:
    sick, other = Fake("a", "p", failing(ProviderFault("reset"))), Fake("b", "q", gated=True)
    sick.gate, sick.falters = asyncio.Semaphore(1), True
    run = Run(sick, other)
    running = asyncio.ensure_future(run(*tasks(3)))
    for _ in range(3):
        other.gate.release()
    assert (await running).outcomes == {"complete": 3}
    assert (sick.contracts, sorted(other.contracts)) == ([0], [0, 1, 2])
    assert sick.could_leave == [True]
    alone = Fake("a", "p", failing(ProviderFault("reset")))
    alone.falters = True
    assert (await Run(alone)(*tasks(1))).outcomes == {"failed": 1}
    assert alone.could_leave == [False]


async def test_the_last_account_to_fail_stops_the_run_with_every_reason() -> None:
    first, second = Fake("a", "p", failing(LoginRefused("blocked by p"))), Fake("b", "q")
    second.answer = lambda request: well(request) if len(second.asked) < 5 else AddressNotAllowed("b: register 10.0.0.1")
    run = Run(first, second)
    tally = await run(*tasks(100))
    assert tally.stopped == "no account is left, what was fetched is kept: a: blocked by p; b: register 10.0.0.1"
    assert sum(names == ["complete"] for names in run.outcomes.values()) == 4
    assert run.one_record_a_request()


# -- a second opinion ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "first"), [
    (UnknownSymbol("no such"), "unavailable"), (SpanUnavailable("too old"), "unavailable"), (PayloadError("nonsense"), "failed"),
    (ProviderFault("502"), "failed"),
])
async def test_what_one_provider_cannot_answer_another_is_asked_once(error: ProviderError, first: str) -> None:
    poor, rich = Fake("a", "p", failing(error)), Fake("b", "q", gated=True)
    run = Run(poor, rich)
    running = asyncio.ensure_future(run(*tasks(5)))
    for _ in range(50):
        await asyncio.sleep(0)
    for _ in range(5):
        rich.gate.release()
    tally = await running
    assert run.outcomes == {number: [first, "complete"] for number in range(5)}
    assert tally.outcomes == {"complete": 5}
    assert run.one_record_a_request()


async def test_both_opinions_are_recorded_and_the_better_is_counted() -> None:
    run = Run(Fake("a", "p", failing(UnknownSymbol("?"))), Fake("b", "q", failing(PayloadError("?"))))
    tally = await run(*tasks(8))
    assert all(sorted(names) == ["failed", "unavailable"] for names in run.outcomes.values())
    assert tally.outcomes == {"unavailable": 8}
    assert tally.requests == 16


async def test_the_same_provider_is_not_asked_for_a_second_opinion() -> None:
    run = Run(Fake("a", "p", failing(UnknownSymbol("?"))), Fake("b", "p", failing(UnknownSymbol("?"))))
    await run(*tasks(8))
    assert run.outcomes == {number: ["unavailable"] for number in range(8)}


async def test_an_emptiness_is_judged_by_the_canary_of_the_one_who_said_it() -> None:
    """Provider p is not well, so its emptiness is doubtful and q is asked; q's own canary sings."""
    run = Run(Fake("a", "p", lambda _r: None), Fake("b", "q", lambda _r: None), silent=("p",))
    tally = await run(*tasks(8))
    assert {names[-1] for names in run.outcomes.values()} == {"empty_stated"}
    assert tally.outcomes == {"empty_stated": 8}


async def test_a_venue_pauses_at_the_provider_that_is_doubted_and_nowhere_else() -> None:
    doubted, shut = Fake("a", "p", lambda _r: None), Fake("b", "q", gated=True)
    run = Run(doubted, shut, silent=("p",))
    running = asyncio.ensure_future(run(*tasks(120)))
    for _ in range(2000):
        await asyncio.sleep(0)
    assert len(doubted.asked) == 50
    assert [line for line in run.notices if "paused" in line] == [
        'NSE answers only "no data" at p: paused, nothing was recorded as empty; run sync again later']
    for _ in range(200):
        shut.gate.release()
    tally = await running
    assert tally.outcomes == {"complete": 120}
    assert len(shut.asked) == 120


# -- nothing lost, nothing doubled ----------------------------------------------------------------------------------


@pytest.mark.parametrize("when", range(0, 120, 7))
async def test_stopping_at_any_moment_of_a_hand_over_loses_and_doubles_nothing(when: int) -> None:
    dying, heir = Fake("a", "p"), Fake("b", "q")
    dying.answer = lambda request: well(request) if len(dying.asked) < 5 else SignInLost("a: signed out")
    run = Run(dying, heir, workers=3)
    running = asyncio.ensure_future(run(*tasks(40)))
    for _ in range(when):
        await asyncio.sleep(0)
    run.stop.set()
    await running
    assert run.one_record_a_request()
    assert all(names == ["complete"] for names in run.outcomes.values())
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.parametrize("when", range(0, 60, 7))
async def test_cancelling_the_pool_leaves_no_task_behind(when: int) -> None:
    run = Run(Fake("a", "p"), Fake("b", "q", gated=True), workers=3)
    running = asyncio.ensure_future(run(*tasks(400)))
    for _ in range(when):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(asyncio.all_tasks()) == 1


async def test_every_account_is_told_of_with_its_state() -> None:
    run = Run(Fake("a", "p", failing(LoginRefused("blocked"))), Fake("b", "q"))
    tally = await run(*tasks(10))
    last = {event.account: (event.provider, event.state, event.reason) for event in run.events if isinstance(event, AccountSeen)}
    assert last == {"a": ("p", "out", "blocked"), "b": ("q", "working", "")}
    assert tally.accounts["b"].requests == 10
    assert tally.accounts["b"].bars == 100
