"""
The broker's WebSocket, both generations: sign in (a/ak, c/ck), subscribe (t/tk/tf, d/dk/df), u, ud, h.

Ticks follow the emulated clock: standing still it sends nothing, advanced by a minute it sends that minute's
prints at once; a jump of more than :data:`CATCH_UP_S` sends only where the market then stands. Tokens beyond the
cap are dropped without a word, as live.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, WSMsgType, web

from fnolake.emulator import broker_rows, series
from fnolake.emulator.faults import Ask, Fault
from fnolake.emulator.state import SignIn, State, text_of
from fnolake.emulator.ticks import Tape, Tick

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing

BASES = ("NorenWSAPI", "NorenWSTP")
CATCH_UP_S = 1800
_SIGN_IN = {"a": ("ak", "accesstoken"), "c": ("ck", "susertoken")}
_ROUTE = "socket"
_NEVER = float("inf")


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """Serve one socket until either side closes it or its sign-in ends."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    connection = _Connection(state, socket, request.transport)
    state.asked.note(_ROUTE)
    streaming = asyncio.create_task(connection.stream())
    try:
        async for message in socket:
            if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                await connection.take(message.data)
    finally:
        streaming.cancel()
        with contextlib.suppress(asyncio.CancelledError, ConnectionError):
            await streaming
    return socket


@dataclass(slots=True)
class _Subscription:
    listing: Listing
    kind: str
    day: date
    tape: Tape
    shown: dict[str, str]


class _Connection:
    def __init__(self, state: State, socket: web.WebSocketResponse, transport: asyncio.Transport | None) -> None:
        self._state = state
        self._socket = socket
        self._transport = transport
        self._signed: SignIn | None = None
        self._subscribed: dict[tuple[str, str], _Subscription] = {}
        self._changed = asyncio.Event()
        self._silent = False

    async def take(self, text: str | bytes) -> None:
        """Act on one frame of the client's; what is not understood is ignored, as live."""
        try:
            frame = json.loads(text)
            kind = frame["t"]
        except (ValueError, KeyError, TypeError):
            return
        if kind in _SIGN_IN:
            await self._sign_in(frame, *_SIGN_IN[kind])
        elif kind == "h":
            await self._send({"t": "h"})
        elif self._signed is None:
            return
        elif kind in ("t", "d"):
            for contract in text_of(frame, "k").split("#"):
                await self._subscribe(kind, contract)
        elif kind in ("u", "ud"):
            await self._unsubscribe(kind, text_of(frame, "k"))
        elif kind == "o":
            await self._send({"t": "ok"})

    async def _sign_in(self, frame: dict[str, Any], ack: str, field: str) -> None:
        self._signed = self._state.signins.of(text_of(frame, field))
        self._changed.set()
        if self._signed is not None:
            await self._send({"t": ack, "uid": self._signed.uid, "s": "OK"})
            return
        await self._send({"t": ack, "uid": text_of(frame, "uid"), "s": "NOT_OK"})
        await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid credentials")

    async def _subscribe(self, kind: str, contract: str) -> None:
        exchange, _, token = contract.partition("|")
        listing = self._state.listing(exchange, token)
        capped = len({c for _, c in self._subscribed} | {contract}) > self._state.config.socket_cap
        self._state.asked.note("subscribe", contract=contract, outcome="capped" if capped else "ok")
        if listing is None or capped:
            return
        now = self._state.clock.now()
        tape = Tape(self._state.world.minutes(listing, now.date()))
        one = _Subscription(listing, kind, now.date(), tape, {})
        self._subscribed[kind, contract] = one
        tick = broker_rows.rupees(listing.tick_paise)
        identity = {"ts": listing.symbol, "pp": "2", "ls": str(listing.lot), "ti": tick}
        one.shown = self._snapshot(one, now.timestamp())
        await self._send({"t": f"{kind}k", "e": exchange, "tk": token, **identity, **one.shown})
        self._changed.set()

    async def _unsubscribe(self, kind: str, contracts: str) -> None:
        for contract in contracts.split("#"):
            self._subscribed.pop(("t" if kind == "u" else "d", contract), None)
        await self._send({"t": f"{kind}k", "k": contracts})

    def _snapshot(self, one: _Subscription, now_s: float) -> dict[str, str]:
        tick = one.tape.last_at(now_s)
        if tick is not None:
            return _fields(tick, one, now_s)
        quote = self._state.world.quote(one.listing, self._state.clock.now())
        return broker_rows.quote_fields(quote, one.listing) | {"ft": str(int(now_s))}

    async def stream(self) -> None:
        """Send prints as the emulated clock passes them; close when the sign-in or the emulator ends."""
        sent_s = self._state.clock.epoch()
        while not self._socket.closed:
            await self._wait(sent_s)
            if self._state.closing.is_set():
                await self._socket.close(code=WSCloseCode.GOING_AWAY)
            elif self._signed is not None and self._signed.ended.is_set():
                await self._socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid credentials")
            now_s = self._state.clock.epoch()
            since = sent_s if 0 <= now_s - sent_s <= CATCH_UP_S else now_s - 60
            for at, one, tick in sorted(self._due(since, now_s), key=lambda due: due[0]):
                await self._send_tick(one, tick, at)
            sent_s = now_s

    async def _wait(self, sent_s: float) -> None:
        """Until the next print is due, the clock jumps, what is subscribed changes, or something ends."""
        due = min((self._tape(one, sent_s).next_after(sent_s) for one in self._subscribed.values()), default=_NEVER)
        self._changed.clear()
        signals = [
            self._state.clock.reach(min(due, sent_s + 3600)), self._state.clock.jumped(), self._changed.wait(),
            self._state.closing.wait(), *([self._signed.ended.wait()] if self._signed else []),
        ]
        waits = {asyncio.ensure_future(signal) for signal in signals}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()

    def _tape(self, one: _Subscription, at_s: float) -> Tape:
        day = series.ist_date_of(at_s)
        if day != one.day:
            one.day, one.tape = day, Tape(self._state.world.minutes(one.listing, day))
        return one.tape

    def _due(self, since: float, now_s: float) -> Iterator[tuple[int, _Subscription, Tick]]:
        for one in list(self._subscribed.values()):
            for tick in self._tape(one, now_s).between(since, now_s):
                yield tick.at, one, tick

    async def _send_tick(self, one: _Subscription, tick: Tick, at: int) -> None:
        fields = _fields(tick, one, at)
        changed = {key: value for key, value in fields.items() if one.shown.get(key) != value}
        one.shown = fields
        if self._struck("zero_ticks", one) is not None:
            changed |= dict.fromkeys(("lp", "o", "h", "l", "c", "ap"), "0.00")
        frame = {"t": f"{one.kind}f", "e": one.listing.exchange, "tk": str(one.listing.token), **changed}
        if self._struck("socket_drop", one) is not None:
            self._drop()
        self._silent = self._silent or self._struck("half_open_socket", one) is not None
        await self._send(frame)

    def _struck(self, name: str, one: _Subscription) -> Fault | None:
        contract = f"{one.listing.exchange}|{one.listing.token}"
        return self._state.faults.strike((name,), Ask(_ROUTE, contract, one.day, one.day))

    def _drop(self) -> None:
        self._silent = True
        if self._transport is not None:
            self._transport.abort()

    async def _send(self, frame: dict[str, Any]) -> None:
        if self._silent or self._socket.closed:
            return
        await self._socket.send_str(json.dumps(frame, separators=(",", ":")))


def _fields(tick: Tick, one: _Subscription, now_s: float) -> dict[str, str]:
    """A print as the wire's texts; an index has neither volume nor book."""
    rupees, listing = broker_rows.rupees, one.listing
    fields = {
        "lp": rupees(tick.last), "o": rupees(tick.open), "h": rupees(tick.high), "l": rupees(tick.low),
        "ft": str(int(now_s)),
    }
    if listing.kind == "spot" and listing.is_index:
        return fields
    bid, ask = tick.last - listing.tick_paise, tick.last + listing.tick_paise
    fields |= {"ap": rupees(tick.average), "v": str(tick.volume), "bp1": rupees(bid), "sp1": rupees(ask),
               "bq1": str(listing.lot), "sq1": str(listing.lot)}
    if listing.kind != "spot":
        fields["oi"] = str(tick.oi)
    if one.kind == "d":
        for level in range(2, 6):
            step = listing.tick_paise * level
            fields |= {f"bp{level}": rupees(tick.last - step), f"sp{level}": rupees(tick.last + step),
                       f"bq{level}": str(listing.lot * level), f"sq{level}": str(listing.lot * level)}
    return fields
