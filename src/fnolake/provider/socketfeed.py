"""
What the sockets of all brokers share: frames to ticks, signs of life, and the ways a connection ends.

A half-open connection still answers pings, so silence is probed by subscribing once more to what has answered before: a
server that does not answer that is gone. Invariant: a feed ends in one error of the tree or in ``aclose``, never in silence.
"""

from __future__ import annotations

import abc
import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence

import aiohttp

from fnolake.errors import PayloadError, ProviderError, ProviderFault, SignInLost, Unreachable
from fnolake.model import Clock, Contract
from fnolake.model.tick import Tick
from fnolake.provider.lastsaid import LastSaid
from fnolake.provider.stream import FeedFacts

WELCOME_S = 10.0
"""Seconds that a broker may take to answer the sign-in of a socket."""
PING_S = 20.0
"""Seconds between pings of the connection; half of it without a pong ends it."""
_POLICY = aiohttp.WSCloseCode.POLICY_VIOLATION


class SocketFeed(abc.ABC):
    """
    One connection (``provider.stream.Feed``).

    Args:
        socket: Open; closed by :meth:`aclose`.
        facts: Of the provider's socket.
        provider: Its name.
        clock: Stamps arrivals.
        on_lost: Told once if the broker ends the sign-in here.
    """

    def __init__(
        self, socket: aiohttp.ClientWebSocketResponse, facts: FeedFacts, provider: str, clock: Clock, on_lost: Callable[[], None],
    ) -> None:
        self.facts = facts
        self.unread = 0
        self._socket, self._provider, self._clock, self._on_lost = socket, provider, clock, on_lost
        self._said = LastSaid()
        self._heard_at = asyncio.get_running_loop().time()
        self._probe_key = ""
        self._silent = False

    @abc.abstractmethod
    def key_of(self, contract: Contract) -> str:
        """The feed's own key of a contract."""

    @abc.abstractmethod
    def subscribing(self, keys: Sequence[str], *, on: bool) -> str:
        """The frame that asks for these, or for them no more."""

    @abc.abstractmethod
    def read(self, body: str | bytes, received_us: int) -> Iterable[Tick]:
        """
        Ticks of one frame.

        Raises:
            PayloadError: It cannot be read.
            SignInLost: It says that the sign-in has ended.
        """

    @abc.abstractmethod
    def beat(self) -> str:
        """A sign of life that the broker's own clients send beside pings; empty = none."""

    async def subscribe(self, contracts: Sequence[Contract]) -> None:
        """See ``provider.stream.Feed``."""
        keys = [self.key_of(one) for one in contracts]
        for key, one in zip(keys, contracts, strict=True):
            self._said.expect(key, one.contract)
        self._probe_key = self._probe_key or (keys[0] if keys else "")
        await self._send_keys(keys, on=True)

    async def unsubscribe(self, contracts: Sequence[Contract]) -> None:
        """See ``provider.stream.Feed``."""
        keys = [self.key_of(one) for one in contracts]
        for key in keys:
            self._said.forget(key)
        await self._send_keys(keys, on=False)

    async def ticks(self) -> AsyncIterator[Tick]:
        """See ``provider.stream.Feed``."""
        watch = asyncio.ensure_future(self._watch())
        try:
            while True:
                message = await self._socket.receive()
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    for tick in self._read(message.data):
                        yield tick
                else:
                    raise self._ended(message)
        finally:
            watch.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError, ProviderError):
                await watch

    async def aclose(self) -> None:
        """See ``provider.stream.Feed``."""
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            await self._socket.close()

    async def receive(self, within_s: float) -> str | bytes:
        """
        The next frame, before ticks are read.

        Raises:
            ProviderError: None came in time, or the connection ended.
        """
        try:
            message = await self._socket.receive(timeout=within_s)
        except TimeoutError as error:
            raise Unreachable(f"the {self._provider} socket says nothing; it is opened again", provider=self._provider, request="socket") from error
        if message.type not in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
            raise self._ended(message)
        data: str | bytes = message.data
        return data

    async def send(self, text: str) -> None:
        """
        Send one frame.

        Raises:
            Unreachable: The connection is gone.
        """
        try:
            await self._socket.send_str(text)
        except (ConnectionError, aiohttp.ClientError) as error:
            raise Unreachable(f"the {self._provider} socket was closed; it is opened again", provider=self._provider, request="socket") from error

    def lost(self, words: str) -> SignInLost:
        """The broker has ended the sign-in: it is forgotten, and the error says so."""
        self._on_lost()
        return SignInLost(f"the {self._provider} socket refused the sign-in: {words or 'no reason given'}", provider=self._provider, request="socket")

    def _read(self, body: str | bytes) -> Iterable[Tick]:
        self._heard_at = asyncio.get_running_loop().time()
        try:
            return self.read(body, int(self._clock.now().timestamp() * 1_000_000))
        except PayloadError:
            self.unread += 1
            return ()

    async def _send_keys(self, keys: Sequence[str], *, on: bool) -> None:
        for at in range(0, len(keys), self.facts.a_frame):
            await self.send(self.subscribing(keys[at:at + self.facts.a_frame], on=on))

    async def _watch(self) -> None:
        """Beat; and once nothing was heard for long, ask for something that must answer."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self.facts.beat_s, self.facts.silence_s / 2))
            if beat := self.beat():
                await self.send(beat)
            if self._probe_key and loop.time() - self._heard_at > self.facts.silence_s:
                asked = loop.time()
                await self._send_keys([self._probe_key], on=True)
                await asyncio.sleep(self.facts.silence_s / 2)
                if self._heard_at < asked:
                    self._silent = True
                    await self._socket.close()
                    return

    def _ended(self, message: aiohttp.WSMessage) -> ProviderError:
        if self._socket.close_code == _POLICY:
            return self.lost(str(message.extra or ""))
        if self._silent:
            return ProviderFault(f"the {self._provider} socket is open and silent; it is opened again", provider=self._provider, request="socket")
        return Unreachable(f"the {self._provider} socket was closed; it is opened again", provider=self._provider, request="socket")


@contextlib.asynccontextmanager
async def closed_unless_done(feed: SocketFeed) -> AsyncIterator[None]:
    """Close a connection whose sign-in does not come to its end."""
    try:
        yield
    except BaseException:
        await feed.aclose()
        raise
