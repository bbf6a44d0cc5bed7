"""
A small lake of one stock in July 2024, long past on any machine: spot, three futures, ten options, written minute by minute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    Batch,
    Finding,
    Master,
    Outcome,
    RawFile,
    Verdict,
    bar_schema,
    contract_symbol,
    listing_schema,
    quarantine_schema,
)
from fnolake.query.ask import Ask, answer
from fnolake.query.gaps import Gaps
from fnolake.query.interval import interval_of
from fnolake.query.select import choice_of
from fnolake.query.when import when
from fnolake.store.exchange import EXCHANGE_DAYS
from fnolake.store.store import Store

MON, TUE, WED, THU, FRI = (date(2024, 7, 8) + timedelta(days=n) for n in range(5))
WEEK = (MON, TUE, WED, THU, FRI)
JUL, AUG, SEP = date(2024, 7, 25), date(2024, 8, 29), date(2024, 9, 26)
NOW = datetime(2024, 7, 13, 6, 0, tzinfo=UTC)
STRIKES = (3900, 3950, 4000, 4050, 4100)
CALENDAR = Calendar.bundled()
SPOT, NEAR, NEXT, FAR = 1, 2, 3, 4
"""Ids, given by token. Options follow: call and put of each strike from 5 (3900 CE), 6 (3900 PE) …"""


def option(strike: int, right: str) -> int:
    return 5 + 2 * STRIKES.index(strike) + (right == "PE")


def listing(token: int, kind: str, expiry: date | None = None, strike: float | None = None, right: str | None = None) -> dict[str, object]:
    paise = None if strike is None else round(strike * 100)
    symbol = contract_symbol("TCS", kind, expiry, paise, right, is_index=False)
    return {
        "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": token, "symbol": symbol, "underlying": "TCS", "kind": kind,
        "expiry": expiry, "strike_paise": paise, "right": right, "lot": 175, "tick_paise": 5, "provider_symbol": symbol, "is_index": False,
    }


LISTED = (
    listing(1, "spot"), *(listing(n, "future", expiry) for n, expiry in ((2, JUL), (3, AUG), (4, SEP))),
    *(listing(option(strike, right), "option", JUL, strike, right) for strike in STRIKES for right in ("CE", "PE")),
)


@dataclass
class Day:
    """What a reader of exchange files returns."""

    day: date
    rows: pl.DataFrame
    segment: str
    venue: str = "NSE"
    findings: tuple[Finding, ...] = field(default_factory=tuple)


def take_masters(store: Store, rows: Sequence[dict[str, object]] = LISTED, day: date = MON) -> None:
    for segment, exchange in (("CM", "NSE"), ("FO", "NFO")):
        table = pl.DataFrame([row for row in rows if row["segment"] == segment], schema=listing_schema())
        if table.height:
            raw = RawFile("shoonya", exchange, NOW, f"{exchange}{day}".encode(), NOW, "0")
            store.take_master(Master("shoonya", exchange, day, table.height, table, payload_hash=f"{exchange}{day}"), raw)


def minutes(contract: int, day: date, prices: Mapping[int, float], volume: int = 175, oi: int | None = 1000) -> pl.DataFrame:
    """Flat bars by minute from 09:15, in rupees; more than one price only where the minute's own test needs it."""
    row = LISTED[contract - 1]
    same = {name: row[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right")}
    start = datetime(day.year, day.month, day.day, 3, 45, tzinfo=UTC)
    return pl.DataFrame([
        {
            "session": day, "ts": start + timedelta(minutes=minute), "contract": contract, **same,
            **dict.fromkeys(("open_paise", "high_paise", "low_paise", "close_paise", "vwap_paise"), round(price * 100)),
            "volume": volume, "oi": oi, "phase": "continuous", "provider": "shoonya",
        } for minute, price in prices.items()
    ], schema=bar_schema())


def commit(store: Store, *tables: pl.DataFrame, outcome: Outcome = Outcome.COMPLETE, at: datetime = NOW) -> None:
    for table in tables:
        pairs = table.group_by("contract", "session").len().sort("contract", "session").rows()
        attempts = tuple(Attempt(c, s, Verdict(outcome, bars=n), "shoonya", "main", at, f"{c}{s}{at}") for c, s, n in pairs)
        store.commit(Batch(attempts, table, pl.DataFrame(schema=quarantine_schema())))


def said(store: Store, contract: int, day: date, outcome: Outcome, *reasons: str) -> None:
    one = Attempt(contract, day, Verdict(outcome, reasons), "shoonya", "main", NOW)
    store.commit(Batch((one,), pl.DataFrame(schema=bar_schema()), pl.DataFrame(schema=quarantine_schema())))


def published(contract: int | dict[str, object], **more: object) -> dict[str, object]:
    """A row of the exchange's file, prices in paise."""
    row = LISTED[contract - 1] if isinstance(contract, int) else contract
    same = {name: row[name] for name in ("venue", "segment", "token", "underlying", "kind", "expiry", "strike_paise", "right")}
    prices = {f"{name}_paise": 100 for name in ("open", "high", "low", "close", "last", "settle")}
    return {**same, "series": "EQ" if row["kind"] == "spot" else None, **prices, "volume": 175, "oi": 350, "oi_change": 0, "trades": 1, "lot": 175, "value_rupees": 1.0, "name": "x", **more}


def take_day(store: Store, day: date, *rows: dict[str, object]) -> None:
    schema = {name: EXCHANGE_DAYS.schema[name] for name in EXCHANGE_DAYS.schema if name != "session"}
    table = pl.DataFrame(list(rows), schema=schema)
    raw = RawFile("exchange", f"{rows[0]['segment']}{day}.csv", NOW, str(day).encode(), NOW, "0")
    store.take_exchange_day(Day(day, table, str(rows[0]["segment"])), raw)


def ask(
    store: Store, symbol: str, kind: str | None = None, expiry: date | str | None = None, start: date | str | None = None,
    end: date | str | None = None, **more: Any,
) -> tuple[pl.DataFrame, Gaps]:
    """A question with everything finished."""
    words = {name: more.pop(name) for name in ("strike", "right", "moneyness") if name in more}
    more["interval"] = interval_of(more.get("interval", "1m"))
    finished = more.pop("finished", lambda _day: True)
    asked = Ask(choice_of(symbol, kind, expiry, **words), when(start, end), **more)
    return answer(store, CALENDAR, asked, finished)
