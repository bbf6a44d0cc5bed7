import asyncio
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime

import pytest

from fnolake.errors import (
    AddressNotAllowed,
    FnolakeError,
    LoginRefused,
    PayloadError,
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
