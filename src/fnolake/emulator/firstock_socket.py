"""
Firstock's V2 socket, ``/V2/ws?userId=&jKey=&source=``: the address signs in, subscriptions are not acknowledged.

The first frame from here says whether the sign-in is good. Each subscription is answered by one frame with whole
snapshots, then prints come as the emulated clock passes them (:mod:`fnolake.emulator.streaming`), with changed members
only; the instruments of one instant share a frame.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from aiohttp import WSCloseCode, web

from fnolake.emulator import firstock_rows
from fnolake.emulator.signins import SignIn
from fnolake.emulator.state import State, text_of
from fnolake.emulator.streaming import ROUTE, Due, Streaming, Subscription
from fnolake.emulator.ticks import PRINTS, STEP_S, Tick
from fnolake.model import IST

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing

PATH = ("V2", "ws")
SENTINEL = 2**63
LEVELS = 5
_SIDES = ("best_buy", "best_sell")
_COUNTED = {"i_volume_traded_today", "i_open_interest"}
_PRICES = ("i_last_traded_price", "i_open_price", "i_high_price", "i_low_price", "i_average_trade_price")


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """Serve one socket until either side closes it or its sign-in ends."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return web.Response(status=400, text="Bad Request")
    socket = web.WebSocketResponse(heartbeat=state.firstock.ping_s)
    await socket.prepare(request)
    signed = _signed(state, request.query)
    refusal = _refusal(state, signed)
    state.asked.note(ROUTE, provider="firstock", user=request.query.get("userId", ""), outcome=refusal or "ok")
    if signed is None or refusal:
        await socket.send_str(_status("failed", refusal))
        await socket.close(code=WSCloseCode.POLICY_VIOLATION)
        return socket
    await socket.send_str(_status("success", "Authentication successful"))
    state.firstock_sockets[signed.uid] += 1
    try:
        await _Connection(state, signed, socket, request.transport).serve()
    finally:
        state.firstock_sockets[signed.uid] -= 1
    return socket


def _status(status: str, message: str) -> str:
    return json.dumps({"status": status, "message": message}, separators=(",", ":"))


def _signed(state: State, query: Any) -> SignIn | None:  # noqa: ANN401 - a multidict of texts
    signed = state.firstock_signins.of(query.get("jKey", ""), state.clock.epoch())
    return signed if signed is not None and signed.uid == query.get("userId", "") else None


def _refusal(state: State, signed: SignIn | None) -> str:
    """Why a socket is turned away, in the broker's words; empty if it is not."""
    if signed is None:
        return "unauthenticated"
    most = state.firstock.sockets
    return f"Maximum sessions limit ({most}) reached" if state.firstock_sockets[signed.uid] >= most else ""


class _Connection(Streaming):
    def __init__(
        self, state: State, signed: SignIn, socket: web.WebSocketResponse, transport: Any  # noqa: ANN401 - asyncio's
    ) -> None:
        super().__init__(state, "firstock", socket, transport)
        self.signed = signed
        self.sent.user = signed.uid

    async def take(self, text: str | bytes) -> None:
        try:
            frame = json.loads(text)
            action, tokens = frame["action"], text_of(frame, "tokens").split("|")
        except (ValueError, KeyError, TypeError):
            return
        if action == "subscribe":
            await self._subscribe(tokens)
        elif action == "unsubscribe":
            for key in tokens:
                self.unsubscribe("", key.replace(":", "|"))

    async def _subscribe(self, keys: Sequence[str]) -> None:
        """One frame of snapshots; what is not known, has no price yet or is beyond the cap stays silent."""
        frame, ones = {}, []
        for key, listing in [(key, await self._found(key)) for key in keys]:
            contract = key.replace(":", "|")
            outcome = "unknown" if listing is None else "capped" if self.is_full_for(contract, self.state.firstock.socket_cap) else "ok"
            self.state.asked.note("subscribe", provider="firstock", contract=contract, outcome=outcome)
            if outcome == "capped":
                self.sent.capped.append(contract)
            elif listing is not None:
                one = self.subscription(listing, "")
                frame[key] = one.shown = self._snapshot(one)
                ones.append(one)
        if frame and await self.send(frame):
            for one in ones:
                one.count.snapshots += 1

    async def _found(self, key: str) -> Listing | None:
        """The listing of ``NFO:12345``, its tape ready; others get their turn between two."""
        exchange, _, token = key.partition(":")
        listing = self.state.listing(exchange, token)
        if listing is not None:
            self.state.tape(listing, self.state.clock.now().date())
            await asyncio.sleep(0)
        return listing

    def _snapshot(self, one: Subscription) -> dict[str, Any]:
        tick = one.tape.last_at(one.since)
        if tick is None:
            quote = one.before
            tick = Tick(int(one.since), quote.lp, quote.o, quote.h, quote.l, quote.v, quote.oi, quote.ap)
        return fields(tick, one)

    async def publish(self, at: int, due: list[Due]) -> None:
        frame = {}
        for one, tick in due:
            now = fields(tick, one)
            changed = delta(one.shown, now)
            one.shown = now
            if self.struck("zero_ticks", one) is not None:
                changed |= dict.fromkeys(_PRICES, 0)
            if self.state.firstock.sentinels:
                changed = _with_sentinels(changed)
            self.strike_connection(one)
            frame[f"{one.listing.exchange}:{one.listing.token}"] = changed
        left = bool(frame) and await self.send(frame)
        for (one, _), changed in zip(due, frame.values(), strict=True):
            counted = _COUNTED if one.shown.keys() >= _COUNTED else {"i_feed_time"}
            told = changed.get("i_last_traded_price", 0) != 0 or not counted.isdisjoint(changed)
            one.count.note(at, left=left, told=told)


def fields(tick: Tick, one: Subscription) -> dict[str, Any]:
    """A print as the wire's members; an index has neither volume nor book, its depth is five empty objects."""
    listing, close = one.listing, one.before.c
    known = {
        "c_exch_seg": listing.exchange, "c_symbol": str(listing.token),
        "c_exch_feed_time": _feed_time(tick.at),
        "c_net_change_indicator": str(ord("-" if tick.last < close else "+")),
        "i_last_traded_price": tick.last, "i_open_price": tick.open, "i_high_price": tick.high,
        "i_low_price": tick.low, "i_closing_price": close, "close_price": close, "i_feed_time": tick.at,
        "i_seconds_since_boe": tick.at * 10**9, "i_usecs": 0,
        "i_net_price_change_from_closing_price": tick.last - close, "i_buy_depth_size": LEVELS,
        "i_sell_depth_size": LEVELS,
    }
    if firstock_rows.is_index(listing):
        empty: list[dict[str, int]] = [{} for _ in range(LEVELS)]
        return known | {"i_last_trade_time": 0, "i_last_trade_quantity": 0, **dict.fromkeys(_SIDES, empty)}
    return known | {
        "i_average_trade_price": tick.average, "i_last_trade_quantity": listing.lot, "i_last_trade_time": tick.at,
        "i_volume_traded_today": tick.volume, "i_total_buy_quantity": 15 * listing.lot,
        "i_total_sell_quantity": 15 * listing.lot, "i_total_tradevalue": tick.average * tick.volume,
        "i_open_interest": tick.oi, "i_total_open_interest": tick.oi, "i_upper_circuit_limit": close * 1.1,
        "i_lower_circuit_limit": close * 0.9, "i_yearly_high_price": max(tick.high, close),
        "i_yearly_low_price": min(tick.low, close) if tick.low else close,
        "best_buy": _levels(tick, -listing.tick_paise, listing.lot),
        "best_sell": _levels(tick, listing.tick_paise, listing.lot),
    }


@lru_cache(16)
def _feed_time(at: int) -> str:
    return datetime.fromtimestamp(at, IST).strftime("%d-%b-%Y %H:%M:%S")


def delta(before: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    """Members that differ; of the depth, by position, what differs of each level. A whole side unchanged is absent."""
    changed = {name: value for name, value in now.items() if before.get(name) != value}
    for side in {*_SIDES} & {*changed} & {*before}:
        changed[side] = [_level(old, level) for old, level in zip(before[side], now[side], strict=True)]
    return changed


def _level(old: dict[str, int], level: dict[str, int]) -> dict[str, int]:
    return {} if old == level else {name: value for name, value in level.items() if old.get(name) != value}


def _with_sentinels(changed: dict[str, Any]) -> dict[str, Any]:
    """The frame with members that have no value: they say nothing, and must not wipe what is known."""
    return {"i_open_price": SENTINEL, "i_total_open_interest": SENTINEL, "close_price": None} | changed


def _levels(tick: Tick, step: int, lot: int) -> list[dict[str, int]]:
    """A side of the book; its best quantity changes with every print, the others only with the price."""
    levels = [
        {"price": max(tick.last + step * level, 0), "quantity": lot * level, "orders": level}
        for level in range(1, LEVELS + 1)
    ]
    levels[0]["quantity"] = lot * (1 + tick.at // STEP_S % PRINTS)
    return levels
