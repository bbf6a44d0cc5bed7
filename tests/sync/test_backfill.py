"""The four steps with a scripted account: what is decided, what is asked again, what is committed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fnolake.errors import ProviderError, ProviderFault, SignedInElsewhere, SpanTimeout, StoreError
from fnolake.market.calendar import Calendar
from fnolake.model import BarRequest, Batch, Contract, Event, Notice, Page, RawBars, RequestRecord, ist_date
from fnolake.provider.account import Asked
from fnolake.provider.budget import BudgetState
from fnolake.sync.backfill import Backfill
from fnolake.sync.expired import AfterExpiry
from fnolake.sync.pool import Task
from fnolake.sync.writer import LineSettings, Tally
from fnolake.verify import ExchangeRow

CALENDAR = Calendar.bundled()
THU, FRI = date(2026, 11, 19), date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
OPTION = Contract(7, "NSE", "FO", 7, "TCS23NOV26C3000", "TCS", "option", date(2026, 11, 23), 300_000, "CE", 175, 5, "TCS23NOV26C3000")


def rows(*days: date, bars: int = 10) -> RawBars:
    """Ten bars of one unit from 09:15 on each day, newest first."""
    stamps = []
    for day in days:
        session = CALENDAR.session_for(OPTION, day)
        assert session is not None
        stamps += [us // 1_000_000 for us in session.minute_starts_us()[:bars]]
    epoch = np.array(stamps[::-1], dtype=np.int64)
    count = len(epoch)
    price = np.full(count, 10.0)
    volume = np.ones(count, dtype=np.int64)
    cumulative = np.tile(np.arange(bars, 0, -1, dtype=np.int64), len(days))
    return RawBars(epoch, price, price, price, price, volume, volume, price, cumulative, np.zeros(count, dtype=np.bool_))


class Scripted:
    """An account whose answers are made by a function of the request; it notes what was asked."""

    name = "scripted"
    provider_name = "scripted"
    is_down = falters = False
    max_rows = 4000
    max_days = None
    budget = BudgetState(0, 200, 1.0)

    @asynccontextmanager
    async def ready(self) -> AsyncIterator["Scripted"]:
        yield self

    def drain_sign_ins(self) -> list[RequestRecord]:
        return []

    def __init__(self, answer: Callable[[BarRequest], RawBars | ProviderError | None]) -> None:
        self._answer = answer
        self.asked: list[tuple[int, date, date]] = []

    async def ask_minutes(self, request: BarRequest, may_leave: Callable[[], bool]) -> Asked:
        await asyncio.sleep(0)
        self.asked.append((request.contract.contract, ist_date(request.start), ist_date(request.end)))
        said = self._answer(request)
        record = RequestRecord(f"r{len(self.asked)}", "scripted", "a", "minutes", "answered", NOW, 0.1)
        if isinstance(said, ProviderError):
            return Asked(None, said, replace(record, outcome="failed", error=type(said).__name__))
        return Asked(Page(request, "scripted", "a", NOW, "hash", said), None, record)


class Line:
    """A backfill and everything it told."""

    def __init__(self, account: Scripted, *, alive: bool = True, exchange: dict[tuple[int, date], ExchangeRow] | None = None, late: AfterExpiry | None = None, **settings: object) -> None:
        self.batches: list[Batch] = []
        self.events: list[Event] = []
        self.stop = asyncio.Event()

        async def canary(_venue: str, _day: date) -> bool:
            return alive

        self.backfill = Backfill(
            [account], self.batches.append, CALENDAR, {"scripted": canary}, exchange=lambda c, d: (exchange or {}).get((c, d)), now=lambda: NOW,
            must_fill=lambda _contract, _day: False, on_event=self.events.append, settings=LineSettings(**{"workers": 2, **settings}), late=late,
        )

    async def run(self, *tasks: Task) -> Tally:
        return await self.backfill.run(iter(tasks), self.stop)

    @property
    def outcomes(self) -> dict[date, str]:
        return {a.session: a.verdict.outcome.value for batch in self.batches for a in batch.attempts}

    @property
    def reasons(self) -> set[str]:
        return {reason for batch in self.batches for a in batch.attempts for reason in a.verdict.reasons}


async def test_rows_become_one_attempt_a_session_with_its_bars() -> None:
    line = Line(Scripted(lambda _r: rows(THU, FRI)))
    tally = await line.run(Task(OPTION, (THU, FRI)))
    assert line.outcomes == {THU: "complete", FRI: "complete"}
    assert sum(batch.bars.height for batch in line.batches) == tally.bars == 20
    assert tally.requests == 1


async def test_a_missing_oldest_session_is_asked_alone_once() -> None:
    account = Scripted(lambda r: rows(FRI) if ist_date(r.end) > FRI and ist_date(r.start) <= FRI and (r.end - r.start).days > 1 else None)
    line = Line(account)
    await line.run(Task(OPTION, (THU, FRI)))
    assert line.outcomes == {THU: "empty_stated", FRI: "complete"}
    assert len(account.asked) == 2


async def test_an_empty_span_is_asked_session_by_session() -> None:
    account = Scripted(lambda _r: None)
    line = Line(account)
    await line.run(Task(OPTION, (THU, FRI)))
    assert line.outcomes == {THU: "empty_stated", FRI: "empty_stated"}
    assert len(account.asked) == 3


async def test_an_empty_without_a_canary_is_a_failure() -> None:
    line = Line(Scripted(lambda _r: None), alive=False)
    await line.run(Task(OPTION, (FRI,)))
    assert line.outcomes == {FRI: "failed"}
    assert line.reasons == {"doubtful_empty"}


async def test_an_empty_that_the_exchange_contradicts_is_a_failure() -> None:
    line = Line(Scripted(lambda _r: None), exchange={(7, FRI): ExchangeRow(1, 1, 1, 1, 1, 500, 0, 3)})
    await line.run(Task(OPTION, (FRI,)))
    assert line.outcomes == {FRI: "failed"}


async def test_a_span_that_times_out_is_halved() -> None:
    account = Scripted(lambda r: SpanTimeout("504") if (r.end - r.start).days > 1 else rows(ist_date(r.start)))
    line = Line(account)
    await line.run(Task(OPTION, (THU, FRI)))
    assert line.outcomes == {THU: "complete", FRI: "complete"}
    assert len(account.asked) == 3


async def test_a_failed_request_fails_each_of_its_sessions_by_name() -> None:
    line = Line(Scripted(lambda _r: ProviderFault("502")))
    tally = await line.run(Task(OPTION, (THU, FRI)))
    assert line.outcomes == {THU: "failed", FRI: "failed"}
    assert line.reasons == {"ProviderFault"}
    assert tally.failed_requests == 1


async def test_fifty_doubts_in_a_row_pause_the_venue_with_one_line() -> None:
    account = Scripted(lambda _r: None)
    line = Line(account, alive=False)
    await line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(200)])
    assert 50 <= len(account.asked) <= 55
    assert len([e for e in line.events if isinstance(e, Notice)]) == 1
    assert set(line.outcomes.values()) == {"failed"}


async def test_a_lost_account_stops_the_run_and_says_why() -> None:
    account = Scripted(lambda _r: SignedInElsewhere("another program"))
    line = Line(account)
    tally = await line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(100)])
    assert tally.stopped == "another program"
    assert len(account.asked) <= 4


async def test_a_provider_that_is_down_stops_the_run() -> None:
    account = Scripted(lambda _r: ProviderFault("502"))
    account.is_down = True
    line = Line(account)
    tally = await line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(100)])
    assert "does not answer" in tally.stopped
    assert len(account.asked) <= 4


async def test_stop_commits_what_is_decided() -> None:
    line: Line

    def answer(request: BarRequest) -> RawBars:
        if request.contract.contract == 5:
            line.stop.set()
        return rows(FRI)

    line = Line(Scripted(answer), workers=1)
    await line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(50)])
    decided = {a.contract for batch in line.batches for a in batch.attempts}
    assert {0, 1, 2, 3, 4} <= decided <= set(range(6))


async def test_a_request_given_up_in_flight_is_recorded() -> None:
    line: Line
    never = asyncio.Event()

    class Hanging(Scripted):
        async def ask_minutes(self, request: BarRequest, may_leave: Callable[[], bool]) -> Asked:
            line.stop.set()
            await never.wait()
            return await super().ask_minutes(request, may_leave)

    line = Line(Hanging(lambda _r: None), workers=1)
    await line.run(Task(OPTION, (FRI,)))
    assert [(r.outcome, r.error) for batch in line.batches for r in batch.requests] == [("failed", "Interrupted")]
    assert line.outcomes == {}


async def test_batches_close_on_rows() -> None:
    line = Line(Scripted(lambda _r: rows(FRI)), batch_rows=30)
    await line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(12)])
    assert len(line.batches) >= 3
    assert sum(b.bars.height for b in line.batches) == 120


async def test_a_disk_that_is_full_ends_the_run_with_its_error() -> None:
    line = Line(Scripted(lambda _r: rows(FRI)))

    def full(_batch: Batch) -> None:
        raise StoreError("no room")

    line.backfill._writer._commit = full
    with pytest.raises(StoreError, match="no room"):
        await asyncio.wait_for(line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(500)]), 20)


@pytest.mark.parametrize("when", range(1, 12))
async def test_cancelling_at_any_await_leaves_no_task_behind(when: int) -> None:
    line = Line(Scripted(lambda _r: rows(FRI)), batch_rows=10)
    running = asyncio.ensure_future(line.run(*[Task(replace(OPTION, contract=n), (FRI,)) for n in range(30)]))
    for _ in range(when):
        await asyncio.sleep(0)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert len(asyncio.all_tasks()) == 1


async def test_an_answer_that_waits_for_the_canary_is_recorded_when_the_run_stops() -> None:
    line = Line(Scripted(lambda _r: None), workers=1)

    async def silent(_venue: str, _day: date) -> bool:
        line.stop.set()
        await asyncio.Event().wait()
        return False

    line.backfill._decider._canaries = {"scripted": silent}
    await line.run(Task(OPTION, (FRI,)))
    assert [(r.key, r.outcome) for batch in line.batches for r in batch.requests] == [("r1", "answered")]
    assert line.outcomes == {}


GONE = replace(OPTION, contract=8, expiry=THU)


async def test_an_expired_contract_without_rows_is_refused_not_empty() -> None:
    line = Line(Scripted(lambda _r: None))
    await line.run(Task(GONE, (date(2026, 11, 18), THU)))
    assert set(line.outcomes.values()) == {"failed"}
    assert line.reasons == {"expired_refused"}


async def test_the_third_date_of_refusal_makes_it_unavailable() -> None:
    line = Line(Scripted(lambda _r: None), late=AfterExpiry({8: 2}))
    await line.run(Task(GONE, (THU,)))
    assert line.outcomes == {THU: "unavailable"}


async def test_an_expired_contract_is_not_refused_by_a_provider_that_is_not_well() -> None:
    line = Line(Scripted(lambda _r: None), alive=False, late=AfterExpiry({8: 2}))
    await line.run(Task(GONE, (THU,)))
    assert line.outcomes == {THU: "failed"}
    assert line.reasons == {"doubtful_empty"}


async def test_refusals_of_traded_contracts_do_not_pause_a_venue() -> None:
    row = ExchangeRow(1000, 1000, 1000, 1000, 1000, 10)
    line = Line(Scripted(lambda _r: None), exchange={(n, THU): row for n in range(100)})
    await line.run(*(Task(replace(GONE, contract=n), (THU,)) for n in range(100)))
    assert line.reasons == {"expired_refused"}
    assert not [event for event in line.events if isinstance(event, Notice)]


async def test_an_expired_contract_that_is_still_served_is_taken() -> None:
    line = Line(Scripted(lambda _r: rows(THU)))
    await line.run(Task(GONE, (THU,)))
    assert line.outcomes == {THU: "complete"}


@pytest.mark.parametrize(("answer", "exchange", "price"), [
    ((THU, FRI), {}, None),
    ((THU,), {(8, THU): ExchangeRow(5000, 5000, 4000, 5000, 5000, 10)}, None),
    ((THU,), {(8, THU): ExchangeRow(1000, 1000, 1000, 1000, 1000, 4)}, None),
    ((THU,), {}, 400_000),
], ids=["rows after the expiry", "outside the day's range", "more volume than the exchange", "another price world"])
async def test_a_recycled_token_is_refused_and_never_stored(
    answer: tuple[date, ...], exchange: dict[tuple[int, date], ExchangeRow], price: int | None
) -> None:
    line = Line(Scripted(lambda _r: rows(*answer)), exchange=exchange, late=AfterExpiry(price=lambda _contract, _day: price))
    await line.run(Task(GONE, (THU,)))
    assert line.outcomes == {THU: "quarantined"}
    assert line.reasons == {"recycled_token"}
    assert sum(batch.bars.height for batch in line.batches) == 0
    assert {reason for batch in line.batches for reason in batch.refused["reason"]} <= {"recycled_token", "after_expiry"}
    assert sum(batch.refused.height for batch in line.batches) == 10 * len(answer)


async def test_what_the_exchange_proves_is_kept_beside_a_recycled_session() -> None:
    wednesday = date(2026, 11, 18)
    exchange = {(8, wednesday): ExchangeRow(1000, 1000, 1000, 1000, 1000, 10), (8, THU): ExchangeRow(5000, 5000, 4000, 5000, 5000, 10)}
    line = Line(Scripted(lambda _r: rows(wednesday, THU)), exchange=exchange)
    await line.run(Task(GONE, (wednesday, THU)))
    assert line.outcomes == {wednesday: "complete", THU: "quarantined"}
