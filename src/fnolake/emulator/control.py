"""
Control paths under ``/emulator/``, JSON both ways.

=========  ======  ==========================================================================================
clock      GET     the emulated instant; POST ``{"set": iso}``, ``{"advance": seconds}``, ``{"rate": r}``
faults     GET     what is scripted, with ``?log=1`` every random one; POST a script or a list; DELETE all
truth      GET     ``?session=2026-08-03``: what every contract that was alive did on it, for tests
asked      GET     counts, peaks and rejections, per user too, and the log; DELETE starts afresh
sent       GET     what the sockets sent, by connection and contract (``?contracts=0``: sums only); DELETE starts afresh
signins    GET     live sign-ins per provider and user; POST ``{"revoke": "FN0001"}``, of one ``"provider"`` or both
providers  GET     which are up; POST ``{"kill": "firstock"}`` resets its connections until ``{"revive": ...}``
firstock   GET     its settings; POST some of them, such as ``{"empty": "null"}``
=========  ======  ==========================================================================================
"""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any

from aiohttp import web

from fnolake.emulator.faults import ANSWER_FAULTS, ROW_FAULTS, SOCKET_FAULTS
from fnolake.emulator.state import BROKERS, State
from fnolake.emulator.truth import Row

TRUTH = tuple(Row.__slots__)


async def handle(state: State, request: web.BaseRequest, name: str) -> web.Response:
    """Answer a control request; 400 says what was wrong with it."""
    try:
        sent = json.loads(await request.read() or b"{}")
        route = _ROUTES.get((request.method, name))
        if route is None:
            return web.json_response({"error": f"no control route {request.method} /emulator/{name}"}, status=404)
        value = route(state, sent, dict(request.query))
    except (ValueError, TypeError, AttributeError) as error:
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


def _faults(state: State, _sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    log = {"log": state.faults.random_log()} if query.get("log") == "1" else {}
    known = {"answer": ANSWER_FAULTS, "row": ROW_FAULTS, "socket": SOCKET_FAULTS}
    return {"faults": state.faults.report(), "known": known, **log}


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
    users: list[dict[str, Any]] = [
        {"provider": provider, "user": user, "kind": kind, "max_in_second": w.most[1.0], "max_in_minute": w.most[60.0],
         "rejections": w.rejections}
        for (provider, user, kind), w in state.all_windows().items()
    ]
    route = query.get("route")
    log = [e for e in state.asked.log if route in (None, e["route"])] if query.get("log") != "0" else []
    return {
        "routes": dict(state.asked.counts), "repeated": state.asked.repeated(),
        "max_in_second": max((one["max_in_second"] for one in users), default=0),
        "max_in_minute": max((one["max_in_minute"] for one in users), default=0),
        "rejections": sum(one["rejections"] for one in users), "users": users, "log": log,
    }


def _truth(state: State, _sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Rows of :mod:`fnolake.emulator.truth`, as columns."""
    session = date.fromisoformat(query.get("session", ""))
    if session > state.clock.now().date():
        raise ValueError(f"{session} has not come yet")
    found = state.world.truth(session)
    return {"session": session.isoformat(), "columns": list(TRUTH), "rows": [[getattr(one, name) for name in TRUTH] for one in found]}


def _forget(state: State, sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    state.forget_asked()
    return _asked(state, sent, {"log": "0"})


def _sent(state: State, _sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Counters of :mod:`fnolake.emulator.sent`."""
    return state.sent.shown(contracts=query.get("contracts") != "0")


def _forget_sent(state: State, _body: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    state.sent.forget()
    return state.sent.shown(contracts=False)


def _signins(state: State, _sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    return {"shoonya": state.signins.users(), "firstock": state.firstock_signins.users()}


def _revoke(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Take ``{"revoke": uid}``, of both providers or of ``"provider"``; the answer says how many sign-ins ended."""
    uid = str(sent.get("revoke", ""))
    if not state.config.demo.client_of(uid):
        raise ValueError(f'no user is called {uid!r}; send {{"revoke": "{state.config.demo.uid}"}}')
    books = {"shoonya": state.signins, "firstock": state.firstock_signins}
    ended = sum(books[name].end(uid) for name in _brokers(sent.get("provider")))
    return {"ended": ended, **_signins(state, sent, query)}


def _providers(state: State, _sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    return {name: "down" if down.is_set() else "up" for name, down in state.down.items()}


def _switch(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    """Take ``{"kill": provider}`` or ``{"revive": provider}``."""
    if not sent or not set(sent) <= {"kill", "revive"}:
        raise ValueError('send {"kill": "firstock"} or {"revive": "firstock"}')
    for name in _brokers(sent["kill"]) if "kill" in sent else ():
        state.down[name].set()
    for name in _brokers(sent["revive"]) if "revive" in sent else ():
        state.down[name].clear()
    return _providers(state, sent, query)


def _brokers(name: Any) -> tuple[str, ...]:  # noqa: ANN401
    """The named broker; both if none is named."""
    if name is None:
        return BROKERS
    if name not in BROKERS:
        raise ValueError(f"no provider is called {name!r}; known: {', '.join(BROKERS)}")
    return (str(name),)


def _firstock(state: State, _sent: Any, _query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    return state.firstock.shown()


def _set_firstock(state: State, sent: Any, query: dict[str, str]) -> dict[str, Any]:  # noqa: ANN401
    state.switch_firstock(state.firstock.changed(sent))
    return _firstock(state, sent, query)


_ROUTES = {
    ("GET", "clock"): _clock, ("POST", "clock"): _set_clock, ("GET", "faults"): _faults,
    ("POST", "faults"): _add_faults, ("DELETE", "faults"): _clear_faults, ("GET", "asked"): _asked,
    ("DELETE", "asked"): _forget, ("GET", "signins"): _signins, ("POST", "signins"): _revoke,
    ("GET", "providers"): _providers, ("POST", "providers"): _switch, ("GET", "firstock"): _firstock,
    ("POST", "firstock"): _set_firstock, ("GET", "truth"): _truth, ("GET", "sent"): _sent,
    ("DELETE", "sent"): _forget_sent,
}
