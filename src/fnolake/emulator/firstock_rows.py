"""Bars, quotes and facts as Firstock spells them, from the same minutes and quotes as Shoonya's. Prices are numbers."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from fnolake.emulator import broker_rows, row_faults, series
from fnolake.emulator.firstock_masters import freeze_of, isin_of, symbol_of
from fnolake.emulator.state import State
from fnolake.model import IST

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing, Minutes, Quote

INTERVALS = {f"{width}mi": width for width in (1, 2, 3, 5, 10, 15, 30, 60, 120, 240)}
DAY = "1d"
_IST_S = 19_800
_ROW = '{"time":"%s","epochTime":%d,"open":%s,"high":%s,"low":%s,"close":%s,"volume":%d,"oi":%d}'
_LEVELS = 5


def label(epoch_s: int) -> str:
    """A bar's wall time, IST without an offset."""
    return datetime.fromtimestamp(epoch_s, IST).strftime("%Y-%m-%dT%H:%M:%S")


def rows_of(state: State, contract: str, interval: str, first_s: float, last_s: float) -> list[str]:
    """
    JSON rows of a contract (``NSE|26000``) whose start is in [first_s, last_s], newest first.

    Empty if the contract is unknown, expired, or did not trade. Recorded rows go before the market's.
    """
    if state.replay.holds(contract):
        return [_recorded(json.loads(row)) for row in state.replay.rows(contract, first_s, last_s, state.clock.epoch())]
    listing = state.listing(*contract.partition("|")[::2])
    if listing is None:
        return []
    sessions = broker_rows.sessions_of(state, listing, first_s, last_s)
    if interval == DAY:
        return [row for m in sessions for row in _daily(m, first_s, last_s, state.clock.epoch())]
    width, now = INTERVALS[interval], state.clock.epoch()
    return [row for m in sessions for row in _minutes(m, width, first_s, last_s, now)]


SHAPE = row_faults.Shape(
    open="open", high="high", low="low", close="close", volume="volume", cumulative="", epoch="epochTime", time="time",
    label=label, zero=0, whole=int, rows_of=rows_of,
)


def number(paise: int) -> str:
    """Rupees as a JSON number: whole ones without a dot, no trailing zeros."""
    rupees, rest = divmod(paise, 100)
    return str(rupees) if not rest else repr(paise / 100)


def _minutes(minutes: Minutes, width: int, first_s: float, last_s: float, now_s: float) -> list[str]:
    newest = series.window(minutes, width, first_s, last_s, now_s)
    if newest is None:
        return []
    day = series.ist_date_of(float(newest[0][0])).isoformat()
    labels = [f"{day}T{clock}" for clock in series.clock_of(newest[0])]
    prices = [[repr(rupees).removesuffix(".0") for rupees in (column / 100).tolist()] for column in newest[1:5]]
    counts = newest[6].tolist(), newest[9].tolist()
    return [_ROW % row for row in zip(labels, newest[0].tolist(), *prices, *counts, strict=True)]


def _daily(m: Minutes, first_s: float, last_s: float, now_s: float) -> list[str]:
    """One bar of a session's finished minutes, dated at its midnight; none if that is outside the span."""
    midnight = (int(m.epoch_s[0]) + _IST_S) // 86_400 * 86_400 - _IST_S
    done = int(m.epoch_s.searchsorted(now_s - 60, "right"))
    if not done or not first_s <= midnight <= last_s:
        return []
    time = datetime.fromtimestamp(midnight, IST).strftime("%H:%M:%S %d-%m-%Y")
    high, low = int(m.high[:done].max()), int(m.low[:done].min())
    prices = (number(int(paise)) for paise in (m.open[0], high, low, m.close[done - 1]))
    return [_ROW % (time, midnight, *prices, int(m.cumulative[done - 1]), int(m.oi[done - 1]))]


def _recorded(row: dict[str, str]) -> str:
    """A recorded Shoonya row on this wire."""
    epoch = int(float(row["ssboe"]))
    prices = (number(round(float(row[name]) * 100)) for name in ("into", "inth", "intl", "intc"))
    return _ROW % (label(epoch), epoch, *prices, int(float(row.get("intv", 0))), int(float(row.get("oi", 0))))


def identity(listing: Listing) -> dict[str, str]:
    """What quotes and facts begin with."""
    segment = "Indices" if is_index(listing) else "EQT"
    return {
        "companyName": listing.underlying, "exchange": listing.exchange, "token": str(listing.token),
        "tradingSymbol": symbol_of(listing), "symbolName": listing.underlying, "lotSize": str(listing.lot),
        "tickSize": broker_rows.rupees(listing.tick_paise), "pricePrecision": "2", "priceFactor": "(1 / 1 ) * (1 / 1)",
        "segment": {"option": "Options", "future": "Futures"}.get(listing.kind, segment),
    }


def security(listing: Listing) -> dict[str, str]:
    """SecurityInfo's data."""
    kind = broker_rows.instrument(listing)
    return identity(listing) | {"instrumentName": kind, "mult": "1", "freezeQuantity": str(freeze_of(listing))}


def found(listing: Listing) -> dict[str, str]:
    """A row of searchScrips; an option is called by its human name there, as its page shows."""
    names = {"option": "Options", "future": "Futures"}
    symbol = human_name(listing)
    return {
        "token": str(listing.token), "exchange": listing.exchange, "companyName": listing.underlying,
        "representationName": symbol, "instrumentName": names.get(listing.kind, "Equity"),
        "tradingSymbol": symbol if listing.kind == "option" else symbol_of(listing),
    }


def human_name(listing: Listing) -> str:
    """``ITC APR 425 CE``; other than options are called by their symbol."""
    if listing.expiry is None or listing.strike_paise is None:
        return symbol_of(listing)
    strike = number(listing.strike_paise)
    return f"{listing.underlying} {listing.expiry.strftime('%b').upper()} {strike} {listing.right}"


def quote(state: State, listing: Listing) -> dict[str, str]:
    """A full quote, all texts, rupees; an index has neither book nor volume."""
    q, rupees = state.world.quote(listing, state.clock.now()), broker_rows.rupees
    fields = identity(listing) | {
        "requestTime": state.request_time(), "isin": isin_of(listing) if listing.kind == "spot" else "",
        "multipler": "1", "lastTradedPrice": rupees(q.lp), "dayClosePrice": rupees(q.c), "openInterest": str(q.oi),
    }
    day = {"dayOpenPrice": q.o, "dayHighPrice": q.h, "dayLowPrice": q.l, "VWAP": q.ap}
    fields |= {name: rupees(paise) for name, paise in day.items() if paise}
    return fields if is_index(listing) else fields | {"volume": str(q.v), **_book(q, listing)}


def ltp(state: State, listing: Listing) -> dict[str, Any]:
    """The short quote."""
    q = state.world.quote(listing, state.clock.now())
    return {
        "companyName": listing.underlying, "exchange": listing.exchange, "lastTradedPrice": broker_rows.rupees(q.lp),
        "requestTime": state.request_time(), "token": str(listing.token),
    }


def as_page(fields: dict[str, Any]) -> list[dict[str, Any]]:
    """A quote as its documentation page shows it: a list of one, prices in paise without a dot."""
    return [{k: v.replace(".", "") if _is_price(k) else v for k, v in fields.items()}]


def in_chain(state: State, listing: Listing, parent: str) -> dict[str, str]:
    """A row of an option chain; ``parent`` is the token of its underlying's spot."""
    q, rupees = state.world.quote(listing, state.clock.now()), broker_rows.rupees
    return {
        "exchange": listing.exchange, "lotSize": str(listing.lot), "optionType": str(listing.right),
        "parentToken": parent, "pricePrecision": "2", "strikePrice": rupees(listing.strike_paise or 0),
        "tickSize": rupees(listing.tick_paise), "token": str(listing.token), "tradingSymbol": symbol_of(listing),
        "lastTradedPrice": rupees(q.lp),
    }


def is_index(listing: Listing) -> bool:
    """True for a spot index, which has neither book nor volume."""
    return listing.kind == "spot" and listing.is_index


def _book(q: Quote, listing: Listing) -> dict[str, str]:
    """Five levels a side, a tick apart; a side without a price is absent."""
    fields: dict[str, str] = {}
    for side, best, step in (("Buy", q.bid, -listing.tick_paise), ("Sell", q.ask, listing.tick_paise)):
        for level in range(_LEVELS if best else 0):
            price, quantity = best + step * level, listing.lot * (level + 1)
            fields |= {
                f"best{side}Price{level + 1}": broker_rows.rupees(max(price, listing.tick_paise)),
                f"best{side}Quantity{level + 1}": str(quantity), f"best{side}Order{level + 1}": str(level + 1),
            }
        fields[f"total{side}Quantity"] = str(15 * listing.lot)
    return fields


def _is_price(name: str) -> bool:
    return name == "VWAP" or name.rstrip("12345").endswith("Price")
