"""What each Firstock route answers, once the envelope is in order. One function a route; body keys are lower case."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fnolake.emulator import firstock_history, firstock_rows, series
from fnolake.emulator.answers import Answer
from fnolake.emulator.faults import Ask
from fnolake.emulator.firstock_answers import failed, succeeded, unknown_symbol
from fnolake.emulator.firstock_history import EXCHANGES, HISTORY, seconds_of
from fnolake.emulator.firstock_masters import symbol_of
from fnolake.emulator.state import State, text_of
from fnolake.model import IST

if TYPE_CHECKING:
    from fnolake.emulator.directory import Directory
    from fnolake.emulator.listings import Listing

Body = dict[str, Any]
Route = Callable[[State, Body, str, Ask], Awaitable[Answer]]
_DERIVATIVES = {"NSE": "NFO", "BSE": "BFO"}
_MOST_FOUND = 100
_MOST_STRIKES = 30


async def directory_of(state: State) -> Directory:
    """Listings by their names here."""
    return await state.directory("firstock", symbol_of)


async def ask_of(state: State, route: str, data: Body) -> Ask:
    """The request as faults see it; the contract by its token, as at the other broker."""
    contract = ""
    if "tradingsymbol" in data:
        listing = (await directory_of(state)).named(text_of(data, "exchange"), text_of(data, "tradingsymbol"))
        contract = "" if listing is None else f"{listing.exchange}|{listing.token}"
    first, last = (seconds_of(text_of(data, key)) for key in ("starttime", "endtime"))
    if route != HISTORY or first is None or last is None or last < first:
        return Ask(route, contract, provider="firstock")
    return Ask(route, contract, series.ist_date_of(first), series.ist_date_of(last), "firstock")


def noted(route: str, data: Body, ask: Ask) -> dict[str, Any]:
    """What the log of requests keeps of one."""
    named = f"{text_of(data, 'exchange')}|{text_of(data, 'tradingsymbol')}" if "tradingsymbol" in data else ""
    kept = {"contract": ask.contract or named, "symbol": text_of(data, "tradingsymbol")} if named else {}
    if route != HISTORY:
        return kept
    span = {"st": text_of(data, "starttime"), "et": text_of(data, "endtime"), "interval": text_of(data, "interval")}
    return {"contract": "", **kept, **span}


async def get_quote(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """One contract's quote, an object."""
    return await _quoted(state, data, firstock_rows.quote)


async def get_quote_ltp(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """One contract's last price."""
    return await _quoted(state, data, firstock_rows.ltp)


async def _quoted(state: State, data: Body, of: Callable[[State, Listing], dict[str, Any]]) -> Answer:
    listing = await _listing_of(state, data)
    if isinstance(listing, Answer):
        return listing
    fields = of(state, listing)
    return succeeded("Fetched quotes", firstock_rows.as_page(fields) if state.firstock.quote == "page" else fields)


async def get_multi_quotes(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """Quotes of several contracts; a bad one is an item with status ``error``."""
    return await _several(state, data, firstock_rows.quote)


async def get_multi_quotes_ltp(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """Last prices of several contracts; their tokens are numbers here, as its page shows."""
    return await _several(
        state, data, lambda s, one: firstock_rows.ltp(s, one) | {"token": one.token, "identifier": ""}
    )


async def _several(state: State, data: Body, of: Callable[[State, Listing], dict[str, Any]]) -> Answer:
    asked = data.get("data")
    if not isinstance(asked, list) or not asked:
        return failed(400, "BAD_REQUEST", "data", "required field is empty or missing: data")
    known, items = await directory_of(state), []
    for one in asked:
        exchange, symbol = (text_of(one if isinstance(one, dict) else {}, key) for key in ("exchange", "tradingsymbol"))
        listing = _live(state, known.named(exchange, symbol))
        wrong = {"status": "error", "error": f"invalid tradingSymbol: {symbol}"}
        items.append((wrong if listing is None else of(state, listing)) | {"identifier": f"{exchange}:{symbol}"})
    return succeeded("Fetched multi quotes", items)


async def security_info(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """One contract's fixed facts."""
    listing = await _listing_of(state, data)
    return listing if isinstance(listing, Answer) else succeeded("Security info", firstock_rows.security(listing))


async def search_scrips(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """Live contracts of every exchange that hold every word."""
    words = text_of(data, "stext").upper().split()
    if not words:
        return failed(400, "BAD_REQUEST", "stext", "stext is required")
    listings = await asyncio.to_thread((await directory_of(state)).containing, words)
    values = [firstock_rows.found(one) for one in listings if _live(state, one) is not None]
    return succeeded("Search symbols", values[:_MOST_FOUND])


async def index_list(state: State, _data: Body, _uid: str, _ask: Ask) -> Answer:
    """The spot indices of both exchanges."""
    known = await directory_of(state)
    values = [
        {
            "exchange": one.exchange, "token": str(one.token), "tradingSymbol": symbol_of(one),
            "symbol": one.underlying, "idxname": one.master_fields[3],
        }
        for exchange in _DERIVATIVES for one in known.indices(exchange)
    ]
    return succeeded("All indexes", values)


async def get_expiry(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """Expiries of an underlying, ascending, with four digits of the year."""
    symbol = text_of(data, "tradingsymbol")
    if not symbol:
        return _missing_symbol("MISSING_FIELD", "tradingSymbol", "Trading symbol is required")
    known, exchange = await directory_of(state), text_of(data, "exchange")
    spot = known.named(exchange, symbol) or known.named(exchange, f"{symbol}-EQ")
    today = state.clock.now().date()
    expiries = [] if spot is None else known.expiries(_DERIVATIVES.get(exchange, ""), spot.underlying)
    dates = [one.strftime("%d%b%Y").upper() for one in expiries if one >= today]
    if not dates:
        return failed(404, "RESOURCE_NOT_FOUND", "tradingSymbol", f"no expiry found for {symbol}", outcome="no_data")
    return succeeded("Expiry dates", {"expiryDates": dates})


async def option_chain(state: State, data: Body, _uid: str, _ask: Ask) -> Answer:
    """``count`` strikes either side of ``strikePrice``, calls and puts."""
    symbol, exchange = text_of(data, "symbol"), text_of(data, "exchange")
    if not symbol:
        return _missing_symbol("BAD_REQUEST", "symbol", "Symbol is required")
    try:
        expiry = datetime.strptime(text_of(data, "expiry"), "%d%b%y").replace(tzinfo=IST).date()
        centre, count = round(float(text_of(data, "strikeprice")) * 100), int(text_of(data, "count"))
    except ValueError:
        return failed(400, "BAD_REQUEST", "expiry", "invalid expiry, strikePrice or count")
    if not 0 < count <= _MOST_STRIKES:
        return failed(400, "BAD_REQUEST", "count", f"count must be between 1 and {_MOST_STRIKES}")
    known = await directory_of(state)
    chain = known.chain(exchange, symbol, expiry, centre, count) if expiry >= state.clock.now().date() else []
    if not chain:
        return failed(404, "RESOURCE_NOT_FOUND", "symbol", "no option chain found", outcome="no_data")
    rows = await asyncio.to_thread(_chain_rows, state, known, chain)
    return succeeded("Option chain data retrieved successfully", rows)


def _chain_rows(state: State, known: Directory, chain: list[Listing]) -> list[dict[str, str]]:
    one = chain[0]
    venue = "BSE" if one.exchange == "BFO" else "NSE"
    spot = known.named(venue, one.underlying) or known.named(venue, f"{one.underlying}-EQ")
    parent = "" if spot is None else str(spot.token)
    return [firstock_rows.in_chain(state, listing, parent) for listing in chain]


async def user_details(state: State, _data: Body, uid: str, _ask: Ask) -> Answer:
    """Who is signed in; the envelope has no message here."""
    return succeeded("", {
        "actid": uid, "email": "demo@example.com", "exchange": ["NFO", "NSE", "BSE", "BFO"],
        "orarr": ["MKT", "LMT", "SL-LMT", "SL-MKT"], "requestTime": state.request_time(), "uprev": "INVESTOR",
        "userName": state.config.demo.name,
    })


ROUTES: dict[str, Route] = {
    HISTORY: firstock_history.time_price_series, "getQuote": get_quote, "getQuote/ltp": get_quote_ltp,
    "getMultiQuotes": get_multi_quotes, "getMultiQuotes/ltp": get_multi_quotes_ltp, "securityInfo": security_info,
    "searchScrips": search_scrips, "indexList": index_list, "getExpiry": get_expiry, "optionChain": option_chain,
    "userDetails": user_details,
}


async def _listing_of(state: State, data: Body) -> Listing | Answer:
    """The live contract that a request names, or the refusal."""
    if not text_of(data, "tradingsymbol"):
        return _missing_symbol("BAD_REQUEST", "tradingSymbol", "Trading Symbol is required")
    if text_of(data, "exchange") not in EXCHANGES:
        return failed(400, "BAD_REQUEST", "exchange", f"invalid exchange: {text_of(data, 'exchange')}")
    known = await directory_of(state)
    listing = _live(state, known.named(text_of(data, "exchange"), text_of(data, "tradingsymbol")))
    return unknown_symbol(text_of(data, "tradingsymbol")) if listing is None else listing


def _missing_symbol(name: str, field: str, message: str) -> Answer:
    """The refusal of an empty symbol; its words differ from route to route, as documented."""
    return failed(400, name, field, message)


def _live(state: State, listing: Listing | None) -> Listing | None:
    return None if listing is None else state.listing(listing.exchange, str(listing.token))
