"""
The broker's REST wire, both generations: ``/NorenWClientAPI/`` (Bearer) and ``/NorenWClientTP/`` (jKey).

This module owns the envelope: raw ``jData=…&jKey=…`` bodies, tokens, limits, faults and error texts. What each
route answers is in :mod:`fnolake.emulator.broker_routes`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from fnolake.emulator import broker_routes, oauth
from fnolake.emulator.answers import SERVER_TIMEOUT, Answer, struck_answer
from fnolake.emulator.faults import ANSWER_FAULTS, Ask
from fnolake.emulator.limits import rejection_text
from fnolake.emulator.state import State, text_of

BASES = ("NorenWClientAPI", "NorenWClientTP")
SESSION_EXPIRED = "Session Expired :  Invalid Session Key"
BAD_JSON = "Invalid Input :  jData is not valid json object"


def parse_body(raw: bytes) -> tuple[dict[str, Any] | None, str]:
    """
    The jData and jKey of a raw body; None for a jData that is no JSON object.

    The body is split on ``&`` before the JSON is read and nothing is URL-decoded, as live: a literal ``&`` inside
    the JSON breaks it.
    """
    parts = raw.decode("utf-8", "replace").split("&")
    key = next((part[5:] for part in parts if part.startswith("jKey=")), "")
    try:
        data = json.loads(parts[0].removeprefix("jData="))
    except ValueError:
        return None, key
    return (data if isinstance(data, dict) else None), key


async def handle(state: State, request: web.BaseRequest, route: str) -> web.StreamResponse:
    """Answer one POST to a broker route."""
    data, key = parse_body(await request.read())
    token = request.headers.get("Authorization", "").removeprefix("Bearer ") or key
    signed = state.signins.uid_of(token)
    ask = broker_routes.ask_of(state, route, data or {})
    user = signed or text_of(data or {}, "uid")
    entry = state.asked.note(route, provider="shoonya", user=user, **broker_routes.noted(route, data or {}))
    answer = await _answer(state, route, data, signed, ask)
    entry["outcome"] = answer.outcome
    return await answer.send(request, state)


async def _answer(state: State, route: str, data: dict[str, Any] | None, signed: str | None, ask: Ask) -> Answer:
    if data is None:
        return Answer.refusal(BAD_JSON, status=400)
    uid = text_of(data, "uid") if signed is None or route in oauth.ROUTES else signed
    stopped = _at_the_gate(state, uid, ask)
    if stopped is not None:
        return stopped
    if route in oauth.ROUTES:
        return oauth.ROUTES[route](state, data)
    if signed is None or state.signins.live(uid) is None:
        return Answer.refusal(SESSION_EXPIRED, status=state.config.session_expired_status, outcome="session_expired")
    if route in broker_routes.ROUTES:
        return await broker_routes.ROUTES[route](state, data, signed, ask)
    return Answer(b"", status=404, outcome="unknown_route")


def _at_the_gate(state: State, uid: str, ask: Ask) -> Answer | None:
    """What stops a request before its sign-in is looked at: no user, too many requests, or a scripted fault."""
    if not uid:
        return Answer.refusal("Invalid Input :  Missing uid", status=400)
    rejected = state.windows(uid).arrive()
    if rejected:
        return Answer.refusal(rejected, status=state.config.rate_limited_status, outcome="rate_rejection")
    fault = state.faults.strike(ANSWER_FAULTS, ask)
    if fault is not None and fault.name == "sign_in_loss":
        state.signins.end(uid)
        return None
    return None if fault is None else struck_answer(fault, _words(state))


def _words(state: State) -> dict[str, Callable[[], Answer]]:
    """What this broker says for faults that are its own. How it says a ban is a guess: nobody wrote it down."""
    limit = state.config.limits[0][0] if state.config.limits else 20
    rejected, slow_down = rejection_text(limit + 1, 1.0, limit), state.config.rate_limited_status
    return {
        "rate_rejection": lambda: Answer.refusal(rejected, status=slow_down),
        "timeout_504": lambda: Answer.refusal(SERVER_TIMEOUT, status=504),
        "false_no_data": lambda: Answer.no_data(state.request_time()),
        "address_refused": lambda: Answer.refusal("Invalid Input :  Invalid IP", status=400),
        "banned": lambda: Answer.refusal("Invalid Input : User Blocked", status=403),
    }
