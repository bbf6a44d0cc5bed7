"""
What both brokers' sockets share: who is subscribed to what, and prints as the emulated clock passes them.

Standing still the clock sends nothing; advanced by a minute it sends that minute's prints at once; after a jump of more
than :data:`CATCH_UP_S` only where the market then stands.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from fnolake.emulator import series
from fnolake.emulator.faults import Ask, Fault
from fnolake.emulator.signins import NEVER, SignIn
from fnolake.emulator.state import State
from fnolake.emulator.ticks import Tape, Tick

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing

CATCH_UP_S = 1800
ROUTE = "socket"
Due = tuple[int, "Subscription", Tick]


@dataclass(slots=True)
class Subscription:
    """One contract on one socket; ``shown`` is what its client has been told, ``close`` the previous close in paise."""

    listing: Listing
    kind: str
    day: date
    tape: Tape
    shown: dict[str, Any]
    close: int

    @property
    def contract(self) -> str:
        """``NFO|12345``."""
        return f"{self.listing.exchange}|{self.listing.token}"


class Streaming(ABC):
    """
    One connection.

    Args:
        state: The emulator's memory.
        provider: Whose socket it is.
        socket: Prepared, owned by the caller.
        transport: Of the request, to be cut by faults.
    """

    def __init__(
        self, state: State, provider: str, socket: web.WebSocketResponse, transport: asyncio.Transport | None
    ) -> None:
        self.state = state
        self.socket = socket
        self.signed: SignIn | None = None
        self.subscribed: dict[tuple[str, str], Subscription] = {}
        self.changed = asyncio.Event()
        self._provider = provider
        self._transport = transport
        self._silent = False

    @abstractmethod
    async def take(self, text: str | bytes) -> None:
        """Act on one frame of the client's; what is not understood is ignored, as live."""

    @abstractmethod
    async def publish(self, due: list[Due]) -> None:
        """Send prints, given in time order."""

    async def serve(self) -> None:
        """Take frames and send prints until either side closes, or the sign-in, the provider or the emulator ends."""
        streaming = asyncio.create_task(self._stream())
        try:
            async for message in self.socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self.take(message.data)
        finally:
            streaming.cancel()
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await streaming

    def subscription(self, listing: Listing, kind: str) -> Subscription:
        """A new subscription, in force from now on; ``shown`` is left to the caller."""
        now = self.state.clock.now()
        close = self.state.world.quote(listing, now).c
        one = Subscription(listing, kind, now.date(), Tape(self.state.world.minutes(listing, now.date())), {}, close)
        self.subscribed[kind, one.contract] = one
        self.changed.set()
        return one

    def struck(self, name: str, one: Subscription) -> Fault | None:
        """The fault of that name if it strikes this print."""
        return self.state.faults.strike((name,), Ask(ROUTE, one.contract, one.day, one.day, self._provider))

    def strike_connection(self, one: Subscription) -> None:
        """Let a print drop the connection, or leave it open and silent."""
        if self.struck("socket_drop", one) is not None:
            self._drop()
        self._silent = self._silent or self.struck("half_open_socket", one) is not None

    async def send(self, frame: dict[str, Any]) -> None:
        """Send one JSON frame, unless the connection is silent or closed."""
        if self._silent or self.socket.closed:
            return
        await self.socket.send_str(json.dumps(frame, separators=(",", ":")))

    async def _stream(self) -> None:
        clock = self.state.clock
        sent_s = clock.epoch()
        while not self.socket.closed:
            await self._wait(sent_s)
            now_s = clock.epoch()
            if self.state.closing.is_set():
                await self.socket.close(code=WSCloseCode.GOING_AWAY)
            elif self.state.down[self._provider].is_set():
                self._drop()
                return
            elif self.signed is not None and (self.signed.ended.is_set() or now_s >= self.signed.dies_at):
                await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid credentials")
            since = sent_s if 0 <= now_s - sent_s <= CATCH_UP_S else now_s - 60
            await self.publish(sorted(self._due(since, now_s), key=lambda due: due[0]))
            sent_s = now_s

    async def _wait(self, sent_s: float) -> None:
        """Until the next print is due, the clock jumps, what is subscribed changes, or something ends."""
        due = min((self._tape(one, sent_s).next_after(sent_s) for one in self.subscribed.values()), default=NEVER)
        dies_at = NEVER if self.signed is None else self.signed.dies_at
        self.changed.clear()
        signals = [
            self.state.clock.reach(min(due, dies_at, sent_s + 3600)), self.state.clock.jumped(), self.changed.wait(),
            self.state.closing.wait(), self.state.down[self._provider].wait(),
            *([self.signed.ended.wait()] if self.signed else []),
        ]
        waits = {asyncio.ensure_future(signal) for signal in signals}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _tape(self, one: Subscription, at_s: float) -> Tape:
        day = series.ist_date_of(at_s)
        if day != one.day:
            one.day, one.tape = day, Tape(self.state.world.minutes(one.listing, day))
        return one.tape

    def _due(self, since: float, now_s: float) -> Iterator[Due]:
        for one in list(self.subscribed.values()):
            for tick in self._tape(one, now_s).between(since, now_s):
                yield tick.at, one, tick

    def _drop(self) -> None:
        self._silent = True
        if self._transport is not None:
            self._transport.abort()
