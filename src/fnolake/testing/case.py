"""
What a new adapter says about itself so that it can be tested: its factory, its settings, its provider's words.

The promises themselves are in ``answers``, ``sign_ins`` and ``masters``. Invariant: every story runs in a loop of its
own against a server of its own, and needs neither fixtures nor plugins.
"""

from __future__ import annotations

import asyncio
import hashlib
import traceback
import unittest
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

from fnolake.errors import ProviderError
from fnolake.model import BarRequest, Contract
from fnolake.provider.base import Provider, SignInHelp
from fnolake.provider.http import Http, Timeouts
from fnolake.provider.registry import Factory, Setup
from fnolake.testing.server import Drawer, Reply, ScriptedServer, StillClock

ADOPTED = "token-of-another-program-0001"
"""The token that the stories adopt."""

Bar = tuple[int, float, float, float, float, int]
"""UTC seconds of the label, open, high, low, close in rupees, volume in units."""


@dataclass(frozen=True, slots=True)
class MasterAnswer:
    """A small master file as it is served, and how many rows it holds, counted by hand."""

    reply: Reply
    rows: int


@dataclass(frozen=True, slots=True)
class Answers:
    """
    The provider's words: bodies as it sends them, best from recordings. A story without words is skipped.

    Attributes:
        rows: An answer with bars, two at least.
        bars: What ``rows`` holds, read by hand, in the order of the wire.
        nothing: Every way in which it states that it has nothing.
        sign_in: What a sign-in that works is answered, request by request.
        issued: Secrets in those answers.
        sign_in_refused: Answers to a sign-in with wrong credentials.
        check: The answer that proves a sign-in.
        logout: The answer to a logout; None where there is no such request.
        sign_in_lost: Ways in which it says that the sign-in has ended.
        rate_limited: Ways in which it says that it was asked too much.
        address_refused: Ways in which it says that this machine may not ask.
        unknown_symbol: Ways in which it says that there is no such instrument.
        span_timeout: Ways in which it says that the span was too long.
        masters: By the provider's word for :meth:`~fnolake.provider.base.Provider.master`.
    """

    rows: Reply
    bars: tuple[Bar, ...]
    nothing: tuple[Reply, ...]
    sign_in: tuple[Reply, ...]
    check: Reply
    issued: tuple[str, ...] = ()
    logout: Reply | None = None
    sign_in_refused: tuple[Reply, ...] = ()
    sign_in_lost: tuple[Reply, ...] = ()
    rate_limited: tuple[Reply, ...] = ()
    address_refused: tuple[Reply, ...] = ()
    unknown_symbol: tuple[Reply, ...] = ()
    span_timeout: tuple[Reply, ...] = ()
    masters: Mapping[str, MasterAnswer] = field(default_factory=dict)


class ProviderCase:
    """
    What a subclass fills in.

    Attributes:
        factory: What the entry point names; wrap a plain function in ``staticmethod``.
        settings: As in ``lake.toml``; ``{url}`` in a value becomes the scripted server's address.
        secrets: By name, eight letters at least each, so that finding one in a text means something.
        answers: The provider's words.
        contract: What is asked for.
        start: First minute asked for, aware.
        end: One past the last, aware.
        day: Of the masters.
        how: How a person helps with the sign-in; a code where the provider needs one.
        renews_alone: Whether :meth:`~fnolake.provider.base.Provider.renew` works without a person.
    """

    factory: ClassVar[Factory]
    settings: ClassVar[Mapping[str, str]] = {}
    secrets: ClassVar[Mapping[str, str]] = {}
    answers: ClassVar[Answers]
    contract: ClassVar[Contract]
    start: ClassVar[datetime] = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
    end: ClassVar[datetime] = datetime(2026, 11, 20, 10, 10, tzinfo=UTC)
    day: ClassVar[date] = date(2026, 11, 20)
    how: ClassVar[SignInHelp] = SignInHelp()
    renews_alone: ClassVar[bool] = True

    @property
    def request(self) -> BarRequest:
        """What the stories ask for."""
        return BarRequest(self.contract, self.start, self.end)

    @property
    def hidden(self) -> tuple[str, ...]:
        """Texts that may show nowhere."""
        return (*self.secrets.values(), *self.answers.issued, ADOPTED)


class Stage:
    """One story's world: a server, an open door, a drawer, a clock, and as many clients as it makes."""

    def __init__(self, case: ProviderCase, server: ScriptedServer, http: Http) -> None:
        self.case = case
        self.server = server
        self.http = http
        self.drawer = Drawer()
        self.clock = StillClock()

    def client(self, account: str = "mine") -> Provider:
        """A client as a new process makes it, with what the drawer remembers."""
        settings = {name: value.replace("{url}", self.server.url) for name, value in self.case.settings.items()}
        return type(self.case).factory(Setup(account, self.http, self.drawer, self.clock, settings, dict(self.case.secrets)))

    async def signed_in(self) -> Provider:
        """A client that has just signed in."""
        client = self.client()
        self.server.say(*self.case.answers.sign_in)
        await client.login(self.case.how)
        assert client.signed_in, "after login, signed_in has to be true"
        return client


def story(play: Callable[[Any, Stage], Coroutine[Any, Any, None]]) -> Callable[[Any], None]:
    """Make a test method of a coroutine that is given a :class:`Stage`."""

    def test(self: ProviderCase) -> None:
        asyncio.run(_on_stage(self, play))

    test.__name__, test.__qualname__, test.__doc__ = play.__name__, play.__qualname__, play.__doc__
    return test


async def _on_stage(case: ProviderCase, play: Callable[[Any, Stage], Coroutine[Any, Any, None]]) -> None:
    async with _stage(case) as stage:
        await play(case, stage)


@asynccontextmanager
async def _stage(case: ProviderCase) -> AsyncIterator[Stage]:
    async with ScriptedServer() as server, Http(Timeouts(5, 5, 10)) as http:
        yield Stage(case, server, http)


def given(words: Iterable[Reply]) -> list[Reply]:
    """The words of a story, or a skip where the adapter gave none."""
    found = list(words)
    if not found:
        raise unittest.SkipTest("the adapter gave no such answer")
    return found


async def refused(work: Coroutine[Any, Any, object], kind: type[ProviderError], what: str) -> ProviderError:
    """The error of that class that ``work`` has to end in."""
    try:
        value = await work
    except kind as error:
        return error
    except ProviderError as error:
        raise AssertionError(f"{what}: {type(error).__name__} ({error}) instead of {kind.__name__}") from error
    except Exception as error:
        raise AssertionError(f"{what}: {type(error).__name__} is no error of fnolake.errors.ProviderError") from error
    raise AssertionError(f"{what}: {value!r} instead of {kind.__name__}")


def digest(body: bytes) -> str:
    """The payload hash of a body: hex blake2b-128."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


def shown(error: BaseException) -> str:
    """Everything that an error could put in a log: its trace with causes, its repr, its attributes."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))


def is_aware(moment: datetime) -> bool:
    """Whether an instant knows its zone."""
    return moment.utcoffset() is not None and moment.utcoffset() != timedelta.max
