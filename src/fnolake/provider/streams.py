"""
Keeps the live connections of all accounts: who streams what, within caps that nobody publishes, whatever breaks.

A contract that was subscribed and never answered is beyond the connection's cap (brokers drop it without a word): the cap is
noted and the contract moves to a connection with room. Invariant: a contract is on one connection at most, and each that is
wanted is either there or in ``unserved``.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fnolake.errors import AuthError, ProviderError, SignInLost
from fnolake.model import Clock, Contract
from fnolake.model.tick import FeedState, Tick
from fnolake.provider.stream import Feed, Streams

OPEN, LOST, OUT = "open", "lost", "out"


class Streaming(Protocol):
    """An account with a live feed (``account.Account`` is one)."""

    name: str

    @property
    def provider_name(self) -> str:
        """The provider's name."""

    @property
    def sign_in_mark(self) -> int:
        """Which sign-in is in force."""

    async def renew_after(self, mark: int, lost: SignInLost) -> AuthError | None:
        """One renewal for everybody; why there is none, or None."""


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds on the machine's clock: for a subscription to answer, and between openings (doubling up to the last)."""

    answer_s: float = 5.0
    first_s: float = 0.5
    last_s: float = 30.0


@dataclass
class _Line:
    """One connection, over all its lives."""

    account: Streaming
    streams: Streams
    number: int
    room: float
    target: dict[int, Contract] = field(default_factory=dict)
    refused: set[int] = field(default_factory=set)
    asked: dict[int, Contract] = field(default_factory=dict)
    answered: set[int] = field(default_factory=set)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    complete: asyncio.Event = field(default_factory=asyncio.Event)
    state: str = LOST
    last_us: int = 0

    @property
    def free(self) -> float:
        """Contracts that it could take."""
        return 0 if self.state == OUT else self.room - len(self.target)

    @property
    def silent(self) -> list[Contract]:
        """Asked and not answered, in the order of asking."""
        return [one for number, one in self.asked.items() if number not in self.answered]

    def heard(self, contract: int) -> None:
        """Note that a contract delivers."""
        if contract not in self.answered:
            self.answered.add(contract)
            if self.asked.keys() <= self.answered:
                self.complete.set()


class Keeper:
    """
    Live prints of many contracts over the connections of many accounts.

    Args:
        accounts: Each with its provider's feed (``provider.stream.Streams``).
        clock: Stamps states.
        on_tick: Called with every print, in order of arrival on its connection; must not block.
        on_state: Called when a connection's state changes; must not block.
        patience: Waits.
        rng: Jitter of reopening.
    """

    def __init__(
        self, accounts: Iterable[tuple[Streaming, Streams]], clock: Clock, on_tick: Callable[[Tick], None], on_state: Callable[[FeedState], None],
        *, patience: Patience | None = None, rng: random.Random | None = None,
    ) -> None:
        self._clock, self._on_tick, self._on_state = clock, on_tick, on_state
        self._patience, self._rng = patience or Patience(), rng or random.Random()
        self._lines = [
            _Line(account, streams, number, streams.feed_facts.cap or float("inf"))
            for account, streams in accounts for number in range(streams.feed_facts.connections)
        ]
        self._wanted: dict[int, Contract] = {}

    @property
    def unserved(self) -> list[Contract]:
        """Wanted, and on no connection for want of room, the most wanted first."""
        served = {number for line in self._lines for number in line.target}
        return [one for number, one in self._wanted.items() if number not in served]

    def want(self, contracts: Sequence[Contract]) -> None:
        """Replace what is wanted, the most wanted first; what stays wanted stays where it is."""
        self._wanted = {one.contract: one for one in contracts}
        for line in self._lines:
            for number in [number for number in line.target if number not in self._wanted]:
                del line.target[number]
                line.changed.set()
        self._assign()

    async def run(self, stop: asyncio.Event) -> None:
        """
        Stream until ``stop``, or until every account needs a person.

        Cancel:
            Safe; the connections are closed.
        """
        work = [asyncio.ensure_future(self._live(line)) for line in self._lines]
        ending = asyncio.ensure_future(stop.wait())
        try:
            going: set[asyncio.Future[Any]] = {*work}
            while going and not ending.done():
                over, going = await asyncio.wait({*going, ending}, return_when=asyncio.FIRST_COMPLETED)
                for one in over:
                    one.result()
                going.discard(ending)
        finally:
            for one in (*work, ending):
                one.cancel()
            await asyncio.gather(*work, ending, return_exceptions=True)

    def _assign(self) -> None:
        """Give what is on no connection to the one with most room that has not dropped it."""
        for contract in self.unserved:
            able = [line for line in self._lines if line.free > 0 and contract.contract not in line.refused]
            if able:
                line = max(able, key=lambda one: (one.free if one.free != float("inf") else 1e9 - len(one.target)))
                line.target[contract.contract] = contract
                line.changed.set()

    async def _live(self, line: _Line) -> None:
        """Open, stream, and open again."""
        pause = self._patience.first_s
        while line.state != OUT:
            mark = line.account.sign_in_mark
            try:
                feed = await line.streams.open_feed()
                pause = self._patience.first_s
                await self._stream(line, feed)
            except SignInLost as lost:
                over = await line.account.renew_after(mark, lost)
                if over is not None:
                    self._out(line, over)
                else:
                    self._tell(line, LOST, str(lost))
            except AuthError as refused:
                self._out(line, refused)
            except ProviderError as error:
                self._tell(line, LOST, str(error))
                await asyncio.sleep(pause * self._rng.uniform(0.5, 1.0))
                pause = min(pause * 2, self._patience.last_s)

    async def _stream(self, line: _Line, feed: Feed) -> None:
        """One life of a connection."""
        line.asked, line.answered, line.refused = {}, set(), set()
        line.changed.set()
        self._tell(line, OPEN)
        steering = asyncio.ensure_future(self._steer(line, feed))
        try:
            async for tick in feed.ticks():
                line.heard(tick.contract)
                line.last_us = max(line.last_us, tick.at_us)
                self._on_tick(tick)
        finally:
            steering.cancel()
            await asyncio.gather(steering, return_exceptions=True)
            await feed.aclose()

    async def _steer(self, line: _Line, feed: Feed) -> None:
        """Keep what the connection is asked for at what it should be; find out what it drops."""
        while True:
            await line.changed.wait()
            line.changed.clear()
            gone = [one for number, one in line.asked.items() if number not in line.target]
            new = [one for number, one in line.target.items() if number not in line.asked]
            if gone:
                for one in gone:
                    del line.asked[one.contract]
                    line.answered.discard(one.contract)
                await feed.unsubscribe(gone)
            if new:
                line.asked |= {one.contract: one for one in new}
                await feed.subscribe(new)
                await self._settle(line, feed)
            self._tell(line, OPEN)

    async def _settle(self, line: _Line, feed: Feed) -> None:
        """Wait for the answers; ask the silent once more; what stays silent is dropped here."""
        for _ in range(2):
            if await self._answers(line):
                return
            await feed.subscribe(line.silent)
        if not await self._answers(line):
            self._dropped(line, line.silent)

    async def _answers(self, line: _Line) -> bool:
        line.complete.clear()
        if not line.silent:
            return True
        try:
            async with asyncio.timeout(self._patience.answer_s):
                await line.complete.wait()
        except TimeoutError:
            return not line.silent
        return True

    def _dropped(self, line: _Line, silent: list[Contract]) -> None:
        """Silent at the end of what was asked is a cap; silent in between is that contract's own."""
        order = list(line.asked)
        tail = order[len(order) - len(silent):] == [one.contract for one in silent]
        if tail and line.answered:
            line.room = len(line.answered)
        for one in silent:
            line.refused.add(one.contract)
            line.target.pop(one.contract, None)
        line.changed.set()
        self._assign()

    def _out(self, line: _Line, error: AuthError) -> None:
        """Nothing can be done here until somebody signs in: the others take over."""
        line.target.clear()
        self._tell(line, OUT, str(error))
        self._assign()

    def _tell(self, line: _Line, state: str, reason: str = "") -> None:
        away = () if state == OPEN else tuple(sorted(line.answered))
        if away:
            line.answered = set()
        line.state = state
        self._on_state(FeedState(
            line.account.name, line.account.provider_name, line.number, state, self._clock.now(), reason,
            len(line.answered), len(line.refused), away, line.last_us,
        ))
