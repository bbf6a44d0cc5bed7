"""What each broker route answers, once the envelope is in order. One function a route; prices leave as text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote_plus

from fnolake.emulator import broker_rows, row_faults, series
from fnolake.emulator.answers import SERVER_TIMEOUT, Answer
from fnolake.emulator.faults import Ask
from fnolake.emulator.state import State, text_of

ROWS = row_faults.Shape(
    open="into", high="inth", low="intl", close="intc", volume="intv", cumulative="v", epoch="ssboe", time="time",
    label=broker_rows.label, zero="0.00", whole=str, rows_of=broker_rows.rows_of,
)
Route = Callable[[State, dict[str, Any], str, Ask], Awaitable[Answer]]
MAX_EOD_ROWS = 1200


def ask_of(state: State, route: str, data: dict[str, Any]) -> Ask:
    """The request as faults see it."""
    contract = contract_of(data)
    if route != "TPSeries":
        return Ask(route, contract)
    first, last = span_of(state, data)
    if first is None or last is None or last < first:
        return Ask(route, contract)
    return Ask(route, contract, series.ist_date_of(first), series.ist_date_of(last))


def contract_of(data: dict[str, Any]) -> str:
    """``NFO|12345``, or what an EOD request names, or nothing."""
    return f"{text_of(data, 'exch')}|{text_of(data, 'token')}" if "token" in data else text_of(data, "sym")


def noted(route: str, data: dict[str, Any]) -> dict[str, Any]:
    """What the log of requests keeps of one."""
    if route != "TPSeries":
        return {"contract": contract_of(data)} if data else {}
    return {
        "contract": contract_of(data), "st": text_of(data, "st"), "et": text_of(data, "et"),
        "interval": text_of(data, "intrv") or "1",
    }


def span_of(state: State, data: dict[str, Any]) -> tuple[float | None, float | None]:
    """Epoch seconds asked for: st (default the emulated midnight) and et (default now); None = unreadable."""
    now = state.clock.now()
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return _seconds(data, "st", midnight), _seconds(data, "et", now.timestamp())


async def tp_series(state: State, data: dict[str, Any], _uid: str, ask: Ask) -> Answer:
    """TPSeries: bars as a bare list, newest first; everything else is an object."""
    interval, (first, last) = text_of(data, "intrv") or "1", span_of(state, data)
    if interval not in series.INTERVALS or first is None or last is None or first > last:
        return Answer.refusal(SERVER_TIMEOUT, status=504, outcome="timeout_504")
    rows = broker_rows.rows_of(state, ask.contract, interval, first, last)
    if rows is None:
        return Answer.refusal(SERVER_TIMEOUT, status=504, outcome="timeout_504")
    rows = row_faults.spoil(state, ask, rows, interval, ROWS)
    if not rows:
        return Answer.no_data(state.request_time())
    return Answer(series.body(rows), outcome=f"rows:{len(rows)}")


async def eod_chart_data(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """EODChartData: a list of JSON strings, newest first; an unknown name is an empty list."""
    exchange, _, name = text_of(data, "sym").partition(":")
    listing = (await state.directory()).named(exchange, name)
    first, last = _seconds(data, "from", 0.0), _seconds(data, "to", state.clock.epoch())
    if listing is None or first is None or last is None:
        return Answer(b"[]", outcome="no_data")
    rows = broker_rows.daily_rows(state, listing, first, last, MAX_EOD_ROWS)
    return Answer.of(rows, outcome=f"rows:{len(rows)}")


async def get_quotes(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """GetQuotes: one contract's last quote."""
    listing = state.listing(text_of(data, "exch"), text_of(data, "token"))
    if listing is None:
        return Answer.no_data(state.request_time())
    quote = broker_rows.quote_fields(state.world.quote(listing, state.clock.now()), listing)
    known = broker_rows.identity(listing)
    return Answer.of({"request_time": state.request_time(), "stat": "Ok", **known, **quote})


async def get_security_info(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """GetSecurityInfo: one contract's fixed facts."""
    listing = state.listing(text_of(data, "exch"), text_of(data, "token"))
    if listing is None:
        return Answer.no_data(state.request_time())
    return Answer.of({"request_time": state.request_time(), "stat": "Ok", **broker_rows.identity(listing)})


async def search_scrip(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """SearchScrip: live contracts holding every word; nothing found is HTTP 404."""
    today = state.clock.now().date()
    exchange, text = text_of(data, "exch"), unquote_plus(text_of(data, "stext"))
    found = await asyncio.to_thread(state.world.search, exchange, text, today)
    values = [broker_rows.brief(one) for one in found if one.expiry is None or one.expiry >= today]
    if not values:
        return Answer.refusal("No Data :   ", status=404, outcome="no_data")
    return Answer.of({"stat": "Ok", "values": values})


async def get_option_chain(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """GetOptionChain: ``cnt`` strikes either side of ``strprc``, calls and puts; structure only."""
    exchange = text_of(data, "exch")
    directory = await state.directory()
    named = directory.named(exchange, unquote_plus(text_of(data, "tsym")))
    try:
        centre, count = round(float(text_of(data, "strprc")) * 100), int(text_of(data, "cnt") or 5)
    except ValueError:
        return Answer.refusal("Invalid Input :  Invalid strike or count", status=400)
    if named is None or named.expiry is None:
        return Answer.no_data(state.request_time())
    chain = directory.chain(named.exchange, named.underlying, named.expiry, centre, count)
    return Answer.of({"stat": "Ok", "values": [broker_rows.brief(one) for one in chain]})


async def get_index_list(state: State, data: dict[str, Any], _uid: str, _ask: Ask) -> Answer:
    """GetIndexList: display names and tokens of an exchange's indices."""
    values = [
        {"idxname": one.master_fields[3], "token": str(one.token)}
        for one in (await state.directory()).indices(text_of(data, "exch"))
    ]
    if not values:
        return Answer.refusal("Invalid Input :  Missing uid or exch", status=400)
    return Answer.of({"request_time": state.request_time(), "stat": "Ok", "values": values})


async def user_details(state: State, _data: dict[str, Any], uid: str, _ask: Ask) -> Answer:
    """UserDetails: who is signed in."""
    name = state.config.demo.name
    return Answer.of({
        "request_time": state.request_time(), "stat": "Ok", "uid": uid, "actid": uid, "uname": name, "cliname": name,
        "exarr": ["NSE", "NFO", "BSE", "BFO"], "orarr": ["MKT", "LMT"], "prarr": [], "brkname": "FINV",
        "brnchid": "HO", "email": "demo@example.com",
    })


async def logout(state: State, _data: dict[str, Any], uid: str, _ask: Ask) -> Answer:
    """Logout: the sign-in is over."""
    state.signins.end(uid)
    return Answer.of({"stat": "Ok", "request_time": state.request_time()})


ROUTES: dict[str, Route] = {
    "TPSeries": tp_series, "EODChartData": eod_chart_data, "GetQuotes": get_quotes,
    "GetSecurityInfo": get_security_info, "SearchScrip": search_scrip, "GetOptionChain": get_option_chain,
    "GetIndexList": get_index_list, "UserDetails": user_details, "ClientDetails": user_details, "Logout": logout,
}


def _seconds(data: dict[str, Any], key: str, default: float) -> float | None:
    text = text_of(data, key)
    if not text:
        return default
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < 4e9 else None
