"""Control paths under ``/emulator/``: the clock, the scripted faults, and what was asked."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from aiohttp import web

from fnolake.emulator.state import State


async def handle(state: State, request: web.BaseRequest, name: str) -> web.Response:
    """Answer a control request; 400 says what was wrong with it."""
    try:
        sent = json.loads(await request.read() or b"{}")
        value = _ROUTES[request.method, name](state, sent, dict(request.query))
    except KeyError:
        return web.json_response({"error": f"no control route {request.method} /emulator/{name}"}, status=404)
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)
    return web.json_response(value)


def _clock(state: State, _sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    now = state.clock.now()
    return {"now": now.isoformat(), "epoch": now.timestamp(), "rate": state.clock.rate}


def _set_clock(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Take ``{"set": iso}``, ``{"advance": seconds}`` and ``{"rate": r}``, in that order."""
    if not set(sent) <= {"set", "advance", "rate"}:
        raise ValueError('send {"set": "2026-11-20T11:05:00+05:30"}, {"advance": 60} or {"rate": 1}')
    if "set" in sent:
        state.clock.set(datetime.fromisoformat(sent["set"]))
    if "advance" in sent:
        state.clock.advance(float(sent["advance"]))
    if "rate" in sent:
        state.clock.set_rate(float(sent["rate"]))
    return _clock(state, sent, query)


def _faults(state: State, _sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    return {"faults": state.faults.report()}


def _add_faults(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Take one script or a list of them."""
    for script in sent if isinstance(sent, list) else [sent]:
        state.faults.add(script)
    return _faults(state, sent, query)


def _clear_faults(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    state.faults.clear()
    return _faults(state, sent, query)


def _asked(state: State, _sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Counts, peaks and rejections; the log too unless ``?log=0``, of one route with ``?route=TPSeries``."""
    windows = list(state.all_windows())
    route = query.get("route")
    log = [e for e in state.asked.log if route in (None, e["route"])] if query.get("log") != "0" else []
    return {
        "routes": dict(state.asked.counts), "repeated": state.asked.repeated(),
        "max_in_second": max((w.most[1.0] for w in windows), default=0),
        "max_in_minute": max((w.most[60.0] for w in windows), default=0),
        "rejections": sum(w.rejections for w in windows), "log": log,
    }


def _forget(state: State, sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    state.forget_asked()
    return _asked(state, sent, {"log": "0"})


_ROUTES = {
    ("GET", "clock"): _clock, ("POST", "clock"): _set_clock, ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults, ("DELETE", "faults"): _clear_faults, ("GET", "asked"): _asked,
    ("DELETE", "asked"): _forget,
}
