"""
Firstock's REST wire, ``/V1/``: JSON bodies that hold userId and jKey, and its two envelopes.

This module owns the envelope: bodies, sign-ins, limits, faults and error words. What each route answers is in
:mod:`fnolake.emulator.firstock_routes`, signing in is in :mod:`fnolake.emulator.firstock_signin`. Where the documentation
says nothing, :class:`~fnolake.emulator.firstock_settings.FirstockSettings` has a switch.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from fnolake.emulator import firstock_masters, firstock_routes, firstock_signin
from fnolake.emulator.answers import CUT, Answer, reset, struck_answer
from fnolake.emulator.faults import ANSWER_FAULTS, FILE_FAULTS, Ask
from fnolake.emulator.firstock_answers import failed, no_bars
from fnolake.emulator.firstock_history import HISTORY
from fnolake.emulator.state import State, text_of

BASE = "V1"
Body = dict[str, Any]
_QUOTES = ("getQuote", "getMultiQuotes")
_CUT = b'{"status":"success","message":"Successfully fetched charts data","data":[{"time":"2026-11-20T09:15:00","epo'


async def handle(state: State, request: web.BaseRequest, route: str) -> web.StreamResponse:
    """Answer one request below ``/V1/``."""
    if route.startswith("symbols/"):
        answer = await _master(state, request, route.removeprefix("symbols/"))
    elif request.method != "POST":
        answer = Answer(b"405 method not allowed\n", status=405, content_type="text/plain")
    else:
        answer = await _answer(state, request, route, parse_body(await request.read()))
    return await reset(request) if state.down["firstock"].is_set() else await answer.send(request, state)


def parse_body(raw: bytes) -> Body | None:
    """A body with lower-case keys, in lists too; None if it is no JSON object. Its SDKs spell keys differently."""
    try:
        data = json.loads(raw)
    except ValueError:
        return None
    return _lowered(data) if isinstance(data, dict) else None


def _lowered(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict):
        return {str(key).lower(): _lowered(one) for key, one in value.items()}
    return [_lowered(one) for one in value] if isinstance(value, list) else value


def kind_of(route: str) -> str:
    """Which limit a route counts against."""
    if route == HISTORY:
        return "history"
    return "quotes" if route.partition("/")[0] in _QUOTES else "other"


async def _master(state: State, request: web.BaseRequest, name: str) -> Answer:
    """A symbol master: no sign-in, no limit, GET only."""
    state.asked.note("symbols", provider="firstock", contract=name)
    if name not in firstock_masters.FILES or request.method != "GET":
        return Answer(b"404 page not found\n", status=404, content_type="text/plain")
    fault = state.faults.strike(FILE_FAULTS, Ask("symbols", name, provider="firstock"))
    if fault is not None:
        return struck_answer(fault)
    future = state.firstock.futures
    listings, out = state.in_masters(), "{} {}".format(*state.masters_of)
    made = state.kept.once(f"firstock {name} {future} {out}", lambda: firstock_masters.text(name, listings, future))
    return Answer(await made, content_type="text/csv")


async def _answer(state: State, request: web.BaseRequest, route: str, data: Body | None) -> Answer:
    uid = text_of(data or {}, "userid")
    ask = await firstock_routes.ask_of(state, route, data or {})
    entry = state.asked.note(route, provider="firstock", user=uid, **firstock_routes.noted(route, data or {}, ask))
    if data is None:
        answer = failed(400, "BAD_REQUEST", "body", "invalid request body", outcome="refused")
    else:
        answer = _at_the_gate(state, request, uid, ask) or await _let_in(state, route, data, ask)
    entry["outcome"] = answer.outcome
    return answer


async def _let_in(state: State, route: str, data: Body, ask: Ask) -> Answer:
    if route == "login":
        return firstock_signin.login(state, data)
    signed = firstock_signin.signed_in(state, data)
    if isinstance(signed, Answer):
        return signed
    if route == "logout":
        return firstock_signin.logout(state, signed)
    if route in firstock_routes.ROUTES:
        return await firstock_routes.ROUTES[route](state, data, signed.uid, ask)
    return Answer(b"404 page not found\n", status=404, content_type="text/plain", outcome="unknown_route")


def _at_the_gate(state: State, request: web.BaseRequest, uid: str, ask: Ask) -> Answer | None:
    """What stops a request before its sign-in is looked at: a foreign address, too many requests, a scripted fault."""
    settings, words = state.firstock, _words(state)
    if settings.addresses and request.remote not in settings.addresses:
        return words["address_refused"]()
    rejected = state.firstock_windows(uid, kind_of(ask.route)).arrive()
    if rejected:
        return words["rate_rejection"]()
    fault = state.faults.strike(ANSWER_FAULTS, ask)
    if fault is not None and fault.name == "sign_in_loss":
        state.firstock_signins.end(uid)
        return None
    return None if fault is None else struck_answer(fault, words)


def _words(state: State) -> Mapping[str, Callable[[], Answer]]:
    """What this broker says for faults that are its own; only names and codes are documented, messages are not."""
    return {
        "rate_rejection": lambda: _too_many(state),
        "cut_body": lambda: Answer(_CUT, how=CUT),
        "false_no_data": lambda: no_bars(state),
        "address_refused": lambda: failed(
            403, "FORBIDDEN", "ip", "IP address is not whitelisted", outcome="address_refused"
        ),
        "banned": lambda: failed(403, "FORBIDDEN", "userId", "user is blocked", outcome="banned"),
    }


def _too_many(state: State) -> Answer:
    if state.firstock.too_many == "text":
        return Answer(b"rate limit exceeded", status=429, content_type="text/plain", outcome="rate_rejection")
    return failed(429, "RATE_LIMIT_EXCEEDED", "", "rate limit exceeded", outcome="rate_rejection")
