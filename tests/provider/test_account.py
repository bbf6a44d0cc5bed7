import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from fnolake.errors import (
    AddressNotAllowed,
    AuthError,
    ConfigError,
    FnolakeError,
    LoginRefused,
    PayloadError,
    ProviderError,
    ProviderFault,
    RateLimited,
    SignedInElsewhere,
    SignInLost,
    SpanTimeout,
    Unreachable,
)
from fnolake.model import BarRequest, Contract, Master, Page, RawFile
from fnolake.provider.account import Account, Asked
from fnolake.provider.base import Dialect, SignInHelp
from fnolake.provider.breaker import OPENS_AFTER, Breaker
from fnolake.provider.budget import Budget
from tests.provider.fakes import FakeClock

CONTRACT = Contract(1, "NSE", "FO", 7, "TCS23NOV26F", "TCS", "future", date(2026, 11, 23), None, None, 175, 10, "TCS23NOV26F")
REQUEST = BarRequest(CONTRACT, datetime(2026, 11, 19, tzinfo=UTC), datetime(2026, 11, 20, tzinfo=UTC))


class Scripted:
    """A provider that does what the script says, then answers "nothing"."""

    name = "scripted"
    dialect = Dialect("scripted", "Asia/Kolkata", "start", True, ((20, 1.0),), 300, 4000, "nothing")

    def __init__(self, *script: FnolakeError, renewal: FnolakeError | None = None, adopted: bool = False) -> None:
        self.script = list(script)
        self.adopted = adopted
        self.asked = 0
        self.renewed = 0
        self._renewal = renewal

    signed_in = True
    signed_in_until = None

    async def login(self, how: SignInHelp) -> None:
        return

    def adopt(self, token: str) -> None:
        return

    async def check(self) -> str:
        return "somebody"

    async def logout(self) -> None:
        return

    def master_names(self) -> Sequence[str]:
        return ["NSE", "NFO"]

    async def master(self, exchange: str, day: date) -> RawFile:
        if self.script:
            raise self.script.pop(0)
        return RawFile(self.name, exchange, None, b"x", datetime(2026, 11, 20, tzinfo=UTC), "h")

    def decode_master(self, raw: RawFile) -> Master:
        raise PayloadError("no master")

    def in_scope(self, masters: list[Master]) -> list[Master]:
        return masters

    async def minutes(self, request: BarRequest) -> Page:
        self.asked += 1
        if self.script:
            raise self.script.pop(0)
        return Page(request, self.name, "a", datetime(2026, 11, 20, tzinfo=UTC), "hash", None)

    async def renew(self) -> None:
        self.renewed += 1
        if self._renewal:
            raise self._renewal

    async def aclose(self) -> None:
        return


async def ask(provider: Scripted, times: int = 1, account: Account | None = None) -> list[Asked]:
    clock = FakeClock()
    account = account or Account("a", provider, Budget(provider.dialect.windows, clock, None, "a"), clock, rng=random.Random(1))

    async def everyone() -> list[Asked]:
        return [await account.ask_minutes(REQUEST) for _ in range(times)]

    running = asyncio.ensure_future(everyone())
    await clock.run(running)
    return await running


async def test_an_answer_is_recorded_once() -> None:
    (asked,) = await ask(Scripted())
    assert asked.page is not None
    assert (asked.record.outcome, asked.record.tries, asked.error) == ("empty", 1, None)


@pytest.mark.parametrize("fault", [Unreachable("x"), ProviderFault("x"), RateLimited("x", retry_after_s=3)])
async def test_what_passes_is_tried_again(fault: FnolakeError) -> None:
    provider = Scripted(fault, fault)
    (asked,) = await ask(provider)
    assert asked.page is not None
    assert (provider.asked, asked.record.tries) == (3, 3)


@pytest.mark.parametrize("fault", [SpanTimeout("x"), PayloadError("x")])
async def test_what_does_not_pass_is_answered_at_once(fault: FnolakeError) -> None:
    provider = Scripted(fault)
    (asked,) = await ask(provider)
    assert asked.error is fault
    assert (asked.record.outcome, asked.record.error, provider.asked) == ("failed", type(fault).__name__, 1)


async def test_a_lost_sign_in_is_renewed_once_and_the_work_goes_on() -> None:
    provider = Scripted(SignInLost("gone"))
    (asked,) = await ask(provider)
    assert asked.page is not None
    assert provider.renewed == 1


async def test_a_sign_in_lost_twice_is_another_programs_and_nothing_more_is_asked() -> None:
    provider = Scripted(SignInLost("gone"), SignInLost("gone"))
    first, second = await ask(provider, 2)
    assert isinstance(first.error, SignedInElsewhere)
    assert isinstance(second.error, SignedInElsewhere)
    assert (provider.renewed, provider.asked) == (1, 2)


@pytest.mark.parametrize("fault", [AddressNotAllowed("register your address"), LoginRefused("blocked")])
async def test_a_refused_account_is_not_asked_again(fault: FnolakeError) -> None:
    provider = Scripted(fault)
    answers = await ask(provider, 3)
    assert [a.error for a in answers] == [fault] * 3
    assert provider.asked == 1


async def test_an_adopted_sign_in_is_never_renewed() -> None:
    provider = Scripted(SignInLost("gone"), adopted=True)
    (asked,) = await ask(provider)
    assert isinstance(asked.error, SignInLost)
    assert provider.renewed == 0


async def test_a_renewal_that_is_refused_ends_the_account() -> None:
    provider = Scripted(SignInLost("gone"), renewal=LoginRefused("Invalid OTP"))
    (asked,) = await ask(provider)
    assert isinstance(asked.error, LoginRefused)


async def test_a_provider_that_is_down_is_probed_not_hammered() -> None:
    provider = Scripted(*[ProviderFault("502")] * 10_000)
    answers = await ask(provider, 200)
    assert all(isinstance(a.error, ProviderFault) for a in answers)
    assert provider.asked < 30


async def test_masters_each_have_a_record() -> None:
    clock = FakeClock()
    provider = Scripted(PayloadError("not a zip"))
    account = Account("a", provider, Budget(provider.dialect.windows, clock, None, "a"), clock)
    answers = await account.ask_masters(date(2026, 11, 20))
    assert [(raw is not None, record.route, record.outcome) for raw, record in answers] == [
        (False, "master NSE", "failed"), (True, "master NFO", "answered"),
    ]


async def test_cancelling_passes_through() -> None:
    clock = FakeClock()
    provider = Scripted()
    budget = Budget(((1, 60.0),), clock, None, "a")
    account = Account("a", provider, budget, clock)
    await account.ask_minutes(REQUEST)
    waiting = asyncio.ensure_future(account.ask_minutes(REQUEST))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert provider.asked == 1


class Shared:
    """A provider whose sign-in is a number: what was asked with an older one is lost, after a while on the wire."""

    name = "shared"
    dialect = Scripted.dialect

    def __init__(self, clock: FakeClock, *, ends_at: Sequence[float] = (), wire_s: float = 0.5) -> None:
        self.clock = clock
        self.adopted = False
        self.valid = self.mine = 0
        self.ends_at = list(ends_at)
        self.wire_s = wire_s
        self.last_at = 0.0
        self.asked = self.renewed = 0

    async def minutes(self, request: BarRequest) -> Page:
        self.asked += 1
        self.last_at = self.clock.at
        token = self.mine
        await self.clock.sleep(self.wire_s)
        if self.ends_at and self.clock.at >= self.ends_at[0]:
            self.ends_at.pop(0)
            self.valid += 1
        if token < self.valid:
            raise SignInLost("gone")
        return Page(request, self.name, "a", datetime(2026, 11, 20, tzinfo=UTC), "hash", None)

    async def renew(self) -> None:
        self.renewed += 1
        await self.clock.sleep(1.0)
        self.mine = self.valid


def account_of(provider: object, clock: FakeClock, windows: tuple[tuple[int, float], ...] = ((20, 1.0),)) -> Account:
    return Account("a", provider, Budget(windows, clock, None, "a"), clock, rng=random.Random(1))


async def together(account: Account, clock: FakeClock, workers: int, each: int, *, may_leave: bool = False) -> list[Asked]:
    answers: list[Asked] = []

    async def work() -> None:
        for _ in range(each):
            answers.append(await account.ask_minutes(REQUEST, may_leave=lambda: may_leave))  # noqa: PERF401 — kept as they come

    async def everyone() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())

    running = asyncio.ensure_future(everyone())
    await clock.run(running)
    await running
    return answers


async def test_one_renewal_serves_all_workers() -> None:
    clock = FakeClock()
    provider = Shared(clock, ends_at=[clock.at + 2])
    account = account_of(provider, clock)
    answers = await together(account, clock, 12, 8)
    assert all(a.page is not None for a in answers)
    assert provider.renewed == 1
    assert [(r.route, r.outcome, r.tries) for r in account.drain_sign_ins()] == [("sign-in", "answered", 1)]
    assert account.drain_sign_ins() == []
    assert len({a.record.key for a in answers}) == 96


async def test_a_second_loss_after_ten_minutes_is_renewed_again() -> None:
    clock = FakeClock()
    provider = Shared(clock, ends_at=[clock.at + 2, clock.at + 620], wire_s=10.0)
    answers = await together(account_of(provider, clock), clock, 3, 80)
    assert all(a.page is not None for a in answers)
    assert provider.renewed == 2


async def test_once_another_program_signs_in_nothing_more_goes_out_even_from_those_who_wait_for_budget() -> None:
    clock = FakeClock()
    provider = Shared(clock, ends_at=[clock.at + 0.5, clock.at + 20], wire_s=0.1)
    answers = await together(account_of(provider, clock, ((2, 1.0),)), clock, 12, 10)
    lost = [a for a in answers if a.error]
    assert lost
    assert {type(a.error) for a in lost} == {SignedInElsewhere}
    assert provider.renewed == 1
    assert provider.last_at <= 1_000_021


class Renewable(Scripted):
    """As scripted; renewals have a script of their own."""

    def __init__(self, *renewals: Exception) -> None:
        super().__init__(SignInLost("gone"))
        self.renewals = list(renewals)

    async def renew(self) -> None:
        self.renewed += 1
        if self.renewals:
            raise self.renewals.pop(0)


async def test_a_renewal_that_finds_nobody_there_is_tried_again() -> None:
    provider = Renewable(Unreachable("x"), RateLimited("x", retry_after_s=2), ProviderFault("x"))
    (asked,) = await ask(provider)
    assert asked.page is not None
    assert provider.renewed == 4


@pytest.mark.parametrize("failure", [Unreachable("x"), PayloadError("x"), ConfigError("no TOTP secret"), KeyError("token")])
async def test_a_renewal_that_never_works_ends_the_account_in_words(failure: Exception) -> None:
    provider = Renewable(*[failure] * 99)
    first, second = await ask(provider, 2)
    assert isinstance(first.error, SignInLost)
    assert second.error is first.error
    assert provider.asked == 1
    assert provider.renewed <= 6


class Odd(Scripted):
    """Raises what no adapter may."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error

    async def minutes(self, request: BarRequest) -> Page:
        self.asked += 1
        raise self.error


@pytest.mark.parametrize("error", [KeyError("secret"), OSError("x"), TimeoutError(), ValueError("secret"), AssertionError()])
async def test_foreign_exceptions_stop_at_the_account(error: Exception) -> None:
    (asked,) = await ask(Odd(error))
    assert isinstance(asked.error, ProviderError)
    assert asked.error.__cause__ is error
    assert (asked.record.outcome, asked.record.tries) == ("failed", 1)
    assert "secret" not in asked.record.detail


async def test_a_mistake_in_the_settings_stops_the_account() -> None:
    provider = Odd(ConfigError("correct the address"))
    first, second = await ask(provider, 2)
    assert isinstance(first.error, AuthError)
    assert "correct the address" in str(second.error)
    assert provider.asked == 1


class Down(Scripted):
    """Faults until it is told to be well; notes how many are asked at once."""

    def __init__(self, clock: FakeClock, well_at: float) -> None:
        super().__init__()
        self.clock, self.well_at = clock, well_at
        self.here = self.most = 0

    async def minutes(self, request: BarRequest) -> Page:
        self.here += 1
        self.most = max(self.most, self.here)
        try:
            await self.clock.sleep(0.2)
        finally:
            self.here -= 1
        self.asked += 1
        if self.clock.at < self.well_at:
            raise ProviderFault("502")
        return await super().minutes(request)


async def test_an_outage_of_half_a_minute_fails_nobody() -> None:
    clock = FakeClock()
    provider = Down(clock, clock.at + 30)
    answers = await together(account_of(provider, clock), clock, 12, 20)
    assert all(a.page is not None for a in answers)


async def test_after_a_long_outage_asks_fail_at_once_and_a_later_probe_finds_it_well_again() -> None:
    clock = FakeClock()
    provider = Down(clock, clock.at + 500)
    account = account_of(provider, clock)
    answers = await together(account, clock, 12, 20)
    assert all(isinstance(a.error, ProviderFault) for a in answers)
    assert account.is_down
    assert provider.asked < 40
    clock.at += 500
    (late,) = await together(account, clock, 1, 1)
    assert late.page is not None
    assert not account.is_down


async def test_a_provider_that_falters_is_left_where_somebody_else_can_be_asked() -> None:
    clock = FakeClock()
    provider = Down(clock, clock.at + 500)
    account = account_of(provider, clock)
    answers = await together(account, clock, 12, 1, may_leave=True)
    assert all(isinstance(a.error, ProviderFault) for a in answers)
    assert account.falters
    assert not account.is_down
    assert provider.asked < 24


async def test_a_cancelled_probe_gives_its_turn_to_the_next_and_proves_nothing() -> None:
    clock = FakeClock()
    breaker = Breaker(clock)
    for _ in range(OPENS_AFTER):
        breaker.left(well=False, probe=False)
    probe = asyncio.ensure_future(breaker.enter())
    await clock.run(probe)
    waiting = asyncio.ensure_future(breaker.enter())
    await asyncio.sleep(0)
    assert not waiting.done()
    breaker.left(well=None, probe=True)
    assert breaker.is_open
    await clock.run(waiting)
    assert await waiting is True
