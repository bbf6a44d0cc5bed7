"""Rows and fields of the broker's answers, from the market: bars of a span, daily rows, quotes, identities."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from fnolake.emulator import series
from fnolake.emulator.state import State
from fnolake.model import IST, strike_text

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing, Minutes, Quote

MAX_MINUTES = 30_000
_INSTRUMENT = {("future", True): "FUTIDX", ("future", False): "FUTSTK", ("option", True): "OPTIDX",
               ("option", False): "OPTSTK"}


def served_from(state: State) -> date:
    """The oldest date whose minutes are still served."""
    return state.clock.now().date() - timedelta(days=state.config.history_days)


def rows_of(state: State, contract: str, interval: str, first_s: float, last_s: float) -> list[str] | None:
    """
    JSON rows of a contract (``NSE|26000``) whose start is in [first_s, last_s], newest first.

    Empty if the contract is unknown, expired, or did not trade; None if the answer would be too long for the broker.
    """
    if state.clock.now().time() < state.config.quiet_until:
        return []
    now = state.clock.epoch()
    if state.replay.holds(contract):
        return state.replay.rows(contract, first_s, last_s, now)
    exchange, _, token = contract.partition("|")
    listing = state.listing(exchange, token)
    rows: list[str] = []
    for minutes in () if listing is None else sessions_of(state, listing, first_s, last_s):
        rows += series.rows_text(minutes, interval, first_s, last_s, now)
        if len(rows) > MAX_MINUTES:
            return None
    return rows


def sessions_of(state: State, listing: Listing, first_s: float, last_s: float) -> Iterator[Minutes]:
    """Minutes of every served session that touches the span and in which the contract traded, newest first."""
    now = state.clock.now()
    oldest = datetime.combine(served_from(state), datetime.min.time(), now.tzinfo).timestamp()
    for day in series.dates_between(max(first_s, oldest), min(last_s, now.timestamp())):
        minutes = state.world.minutes(listing, day)
        if len(minutes.epoch_s):
            yield minutes


def label(epoch_s: int) -> str:
    """A bar's wall time as TPSeries prints it."""
    return datetime.fromtimestamp(epoch_s, IST).strftime("%d-%m-%Y %H:%M:%S")


def daily_rows(state: State, listing: Listing, first_s: float, last_s: float, limit: int) -> list[str]:
    """EOD rows, each a JSON text with ", " between fields, newest first; today's only after 18:00."""
    now = state.clock.now()
    done = now if now.hour >= 18 else now - timedelta(days=1)
    first_s = max(first_s, (now - timedelta(days=state.config.history_days)).timestamp())
    last_s = min(last_s, done.timestamp())
    rows: list[str] = []
    for day in series.dates_between(first_s, last_s) if first_s <= last_s else []:
        m = state.world.minutes(listing, day)
        if len(m.epoch_s) and len(rows) < limit:
            rows.append(json.dumps({
                "time": day.strftime("%d-%b-%Y").upper(), "into": rupees(m.open[0]), "inth": rupees(m.high.max()),
                "intl": rupees(m.low.min()), "intc": rupees(m.close[-1]),
                "ssboe": str(int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())),
                "intv": f"{int(m.cumulative[-1])}.00",
            }, separators=(", ", ": ")))
    return rows


def rupees(paise: float) -> str:
    """Paise as the wire's two-decimal rupees."""
    return f"{paise / 100:.2f}"


def identity(listing: Listing) -> dict[str, Any]:
    """What quotes and security info say a contract is."""
    derivative = {} if listing.expiry is None else {"exd": listing.expiry.strftime("%d-%b-%Y").upper()}
    if listing.kind == "option":
        derivative |= {"strprc": strike_text(listing.strike_paise or 0), "optt": str(listing.right)}
    return {
        "exch": listing.exchange, "tsym": listing.symbol, "cname": listing.underlying, "symname": listing.underlying,
        "seg": "EQT" if listing.segment == "CM" else "DER", "instname": instrument(listing), "pp": "2",
        "ls": str(listing.lot), "ti": rupees(listing.tick_paise), "mult": "1", "prcftr": "1.000000",
        "prcftr_d": "(1 / 1 ) * (1 / 1)", "token": str(listing.token), **derivative,
    }


def brief(listing: Listing) -> dict[str, str]:
    """A row of a search or of a chain."""
    row = {
        "exch": listing.exchange, "token": str(listing.token), "tsym": listing.symbol,
        "instname": instrument(listing), "pp": "2", "ls": str(listing.lot), "ti": rupees(listing.tick_paise),
    }
    if listing.kind == "option":
        row |= {"optt": str(listing.right), "strprc": rupees(listing.strike_paise or 0)}
    return row


def instrument(listing: Listing) -> str:
    """The broker's instrument code."""
    if listing.kind == "spot":
        return "UNDIND" if listing.is_index else "EQ"
    return _INSTRUMENT[listing.kind, listing.is_index]


def quote_fields(quote: Quote, listing: Listing) -> dict[str, str]:
    """Prices of a quote as text; fields without a value are absent, as live."""
    fields = {"lp": quote.lp, "c": quote.c, "o": quote.o, "h": quote.h, "l": quote.l, "ap": quote.ap}
    out = {key: rupees(value) for key, value in fields.items() if value}
    if listing.kind == "spot" and listing.is_index:
        return out
    out |= {"v": str(int(quote.v or 0))}
    if listing.kind != "spot":
        out |= {"oi": str(int(quote.oi or 0))}
    sides = {"bp1": quote.bid, "sp1": quote.ask}
    out |= {key: rupees(value) for key, value in sides.items() if value}
    return out
