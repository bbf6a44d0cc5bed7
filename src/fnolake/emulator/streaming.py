"""
What both brokers' sockets share: who is subscribed to what, and prints as the emulated clock passes them.

Standing still the clock sends nothing; advanced by a minute it sends that minute's prints at once; after a jump of more
than :data:`CATCH_UP_S` only where the market then stands.
"""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from fnolake.emulator import series
from fnolake.emulator.faults import Ask, Fault
from fnolake.emulator.sent import Count
from fnolake.emulator.signins import NEVER, SignIn
from fnolake.emulator.state import State
from fnolake.emulator.ticks import Tape, Tick
from fnolake.emulator.timetable import Timetable

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing, Quote

CATCH_UP_S = 1800
ROUTE = "socket"
Due = tuple["Subscription", Tick]
_ENCODE = msgspec.json.Encoder()


@dataclass(slots=True, eq=False)
class Subscription:
    """
    One contract on one socket.

    ``since`` is the emulated instant of its snapshot, ``shown`` what its client has been told, ``before`` its quote before the
    day's first print, ``count`` what has left.
    """

    listing: Listing
    kind: str
    day: date
    since: float
    tape: Tape
    shown: dict[str, Any]
    before: Quote
    count: Count

    contract: str = ""

    def __post_init__(self) -> None:
        """Name the contract as the record does: ``NFO|12345``."""
        self.contract = f"{self.listing.exchange}|{self.listing.token}"


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
        self._kinds: Counter[str] = Counter()
        self.changed = asyncio.Event()
        self.sent = state.sent.open(provider, state.clock.epoch())
        self._table: Timetable[Subscription] = Timetable(series.ist_date_of(state.clock.epoch()))
        self._provider = provider
        self._transport = transport
        self._silent = False

    @abstractmethod
    async def take(self, text: str | bytes) -> None:
        """Act on one frame of the client's; what is not understood is ignored, as live."""

    @abstractmethod
    async def publish(self, at: int, due: list[Due]) -> None:
        """Send the prints of one instant."""

    async def serve(self) -> None:
        """Take frames and send prints until either side closes, or the sign-in, the provider or the emulator ends."""
        streaming = asyncio.create_task(self._stream())
        try:
            with contextlib.suppress(ConnectionError):
                async for message in self.socket:
                    if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                        await self.take(message.data)
        finally:
            streaming.cancel()
            self.sent.closed, self.sent.ended = self.state.clock.epoch(), self.sent.ended or "client"
            with contextlib.suppress(asyncio.CancelledError, ConnectionError):
                await streaming

    def subscription(self, listing: Listing, kind: str) -> Subscription:
        """A new subscription, in force from now on; ``shown`` is left to the caller."""
        now = self.state.clock.now()
        contract = f"{listing.exchange}|{listing.token}"
        tape, before = self.state.tape(listing, now.date())
        one = Subscription(listing, kind, now.date(), now.timestamp(), tape, {}, before, self.sent.of(contract))
        self.unsubscribe(kind, contract)
        self.subscribed[kind, contract] = one
        self._kinds[contract] += 1
        if one.day == self._table.day:
            self._table.add(one, tape)
        self.changed.set()
        return one

    def unsubscribe(self, kind: str, contract: str) -> None:
        """End a subscription, if there is one."""
        one = self.subscribed.pop((kind, contract), None)
        if one is not None:
            self._table.remove(one)
            self._kinds[contract] -= 1
            if not self._kinds[contract]:
                del self._kinds[contract]

    def is_full_for(self, contract: str, cap: int) -> bool:
        """Whether a contract would be one more than ``cap``; 0 = there is none."""
        return bool(cap) and contract not in self._kinds and len(self._kinds) >= cap

    def struck(self, name: str, one: Subscription) -> Fault | None:
        """The fault of that name if it strikes this print."""
        if not self.state.faults.any:
            return None
        return self.state.faults.strike((name,), Ask(ROUTE, one.contract, one.day, one.day, self._provider))

    def strike_connection(self, one: Subscription) -> None:
        """Let a print drop the connection, or leave it open and silent."""
        if self.struck("socket_drop", one) is not None:
            self._drop("dropped")
        if self.struck("half_open_socket", one) is not None:
            self._silent, self.sent.ended = True, "silent"

    async def send(self, frame: dict[str, Any]) -> bool:
        """Send one JSON frame, unless the connection is silent or closed; whether it left."""
        if self._silent or self.socket.closed:
            return False
        await self.socket.send_str(_ENCODE.encode(frame).decode())
        self.sent.frames += 1
        return True

    async def _stream(self) -> None:
        clock = self.state.clock
        sent_s = clock.epoch()
        while not self.socket.closed:
            await self._wait(sent_s)
            now_s = clock.epoch()
            if self.state.closing.is_set():
                self.sent.ended = "emulator"
                await self.socket.close(code=WSCloseCode.GOING_AWAY)
            elif self.state.down[self._provider].is_set():
                self._drop("killed")
                return
            elif self.signed is not None and (self.signed.ended.is_set() or now_s >= self.signed.dies_at):
                self.sent.ended = "signed out"
                await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid credentials")
            since = sent_s if 0 <= now_s - sent_s <= CATCH_UP_S else now_s - 60
            for at, due in self._on(now_s).between(since, now_s):
                await self.publish(at, [(one, tick) for one, tick in due if at > one.since and self._has(one)])
            sent_s = now_s

    async def _wait(self, sent_s: float) -> None:
        """Until the next print is due, the clock jumps, what is subscribed changes, or something ends."""
        due = self._on(sent_s).next_after(sent_s)
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

    def _on(self, at_s: float) -> Timetable[Subscription]:
        """The timetable of an instant's date, made anew where the date has changed."""
        day = series.ist_date_of(at_s)
        if day != self._table.day:
            self._table = Timetable(day)
            for one in self.subscribed.values():
                if one.day != day:
                    one.day, (one.tape, _) = day, self.state.tape(one.listing, day)
                self._table.add(one, one.tape)
        return self._table

    def _has(self, one: Subscription) -> bool:
        """Whether it is still subscribed."""
        return self.subscribed.get((one.kind, one.contract)) is one

    def _drop(self, why: str) -> None:
        self._silent, self.sent.ended = True, why
        if self._transport is not None:
            self._transport.abort()
