"""
The broker's WebSocket, both generations: sign in (a/ak, c/ck), subscribe (t/tk/tf, d/dk/df), u, ud, h.

Prints follow the emulated clock, see :mod:`fnolake.emulator.streaming`. Tokens beyond the cap are dropped without a
word, as live.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from aiohttp import WSCloseCode, web

from fnolake.emulator import broker_rows
from fnolake.emulator.state import State, text_of
from fnolake.emulator.streaming import ROUTE, Due, Streaming, Subscription
from fnolake.emulator.ticks import Tick

BASES = ("NorenWSAPI", "NorenWSTP")
_ZERO = "0.00"
_SIGN_IN = {"a": ("ak", "accesstoken"), "c": ("ck", "susertoken")}


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """Serve one socket until either side closes it or its sign-in ends."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    state.asked.note(ROUTE, provider="shoonya")
    await _Connection(state, "shoonya", socket, request.transport).serve()
    return socket


class _Connection(Streaming):
    async def take(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
            kind = frame["t"]
        except (ValueError, KeyError, TypeError):
            return
        if kind in _SIGN_IN:
            await self._sign_in(frame, *_SIGN_IN[kind])
        elif kind == "h":
            await self.send({"t": "h"})
        elif self.signed is None:
            return
        elif kind in ("t", "d"):
            for contract in text_of(frame, "k").split("#"):
                await self._subscribe(kind, contract)
                await asyncio.sleep(0)
        elif kind in ("u", "ud"):
            await self._unsubscribe(kind, text_of(frame, "k"))
        elif kind == "o":
            await self.send({"t": "ok"})

    async def _sign_in(self, frame: dict[str, Any], ack: str, field: str) -> None:
        self.signed = self.state.signins.of(text_of(frame, field))
        self.changed.set()
        if self.signed is not None:
            self.sent.user = self.signed.uid
            await self.send({"t": ack, "uid": self.signed.uid, "s": "OK"})
            return
        await self.send({"t": ack, "uid": text_of(frame, "uid"), "s": "NOT_OK"})
        await self.socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"Invalid credentials")

    async def _subscribe(self, kind: str, contract: str) -> None:
        exchange, _, token = contract.partition("|")
        listing = self.state.listing(exchange, token)
        capped = self.is_full_for(contract, self.state.config.socket_cap)
        outcome = "capped" if capped else "ok"
        self.state.asked.note("subscribe", provider="shoonya", contract=contract, outcome=outcome)
        if capped:
            self.sent.capped.append(contract)
        if listing is None or capped:
            return
        one = self.subscription(listing, kind)
        tick = broker_rows.rupees(listing.tick_paise)
        identity = {"ts": listing.symbol, "pp": "2", "ls": str(listing.lot), "ti": tick}
        one.shown = _snapshot(one)
        one.count.snapshots += await self.send({"t": f"{kind}k", "e": exchange, "tk": token, **identity, **one.shown})

    async def _unsubscribe(self, kind: str, contracts: str) -> None:
        for contract in contracts.split("#"):
            self.unsubscribe("t" if kind == "u" else "d", contract)
        await self.send({"t": f"{kind}k", "k": contracts})

    async def publish(self, at: int, due: list[Due]) -> None:
        for one, tick in due:
            fields = _fields(tick, one, at)
            changed = {key: value for key, value in fields.items() if one.shown.get(key) != value}
            one.shown = fields
            if self.struck("zero_ticks", one) is not None:
                changed |= dict.fromkeys(("lp", "o", "h", "l", "c", "ap"), _ZERO)
            self.strike_connection(one)
            left = await self.send({"t": f"{one.kind}f", "e": one.listing.exchange, "tk": str(one.listing.token), **changed})
            told = "v" in changed or "oi" in changed or changed.get("lp", _ZERO) != _ZERO
            one.count.note(at, left=left, told=told or ("v" not in fields and "ft" in changed))


def _snapshot(one: Subscription) -> dict[str, str]:
    tick = one.tape.last_at(one.since)
    if tick is not None:
        return _fields(tick, one, one.since)
    return broker_rows.quote_fields(one.before, one.listing) | {"ft": str(int(one.since))}


def _fields(tick: Tick, one: Subscription, now_s: float) -> dict[str, str]:
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
