"""A small lake whose option chain can be worked out by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import polars as pl

from fnolake.model import (
    IST,
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
from fnolake.store.exchange import EXCHANGE_DAYS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fnolake.store.store import Store

MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
WEEK, MONTH = date(2026, 12, 1), date(2026, 11, 23)
STRIKES = (100, 110, 120)
Told = tuple[str, float, int, int | None]
"""A bar: the minute it starts (IST), its close in rupees, its volume and its open interest."""


@dataclass
class File:
    """What a reader of exchange files returns, as a value."""

    day: date
    rows: pl.DataFrame
    venue: str = "NSE"
    segment: str = "FO"
    findings: tuple[Finding, ...] = ()


@dataclass
class Market:
    """Listings of one underlying in a store, each known by its symbol."""

    store: Store
    underlying: str = "NIFTY"
    venue: str = "NSE"
    rows: dict[str, dict[str, object]] = field(default_factory=dict)
    contracts: dict[str, int] = field(default_factory=dict)

    def list(self, *, expiries: Sequence[date] = (MONTH, WEEK), futures: Sequence[date] = (MONTH,), strikes: Sequence[float] = STRIKES) -> None:
        """Take a master with the index, futures, and options of every strike and right."""
        self._add("spot", None)
        for expiry in futures:
            self._add("future", expiry)
        for expiry in expiries:
            for strike in strikes:
                for right in ("CE", "PE"):
                    self._add("option", expiry, round(strike * 100), right)
        table = pl.DataFrame(list(self.rows.values()), schema=listing_schema())
        now = datetime(2026, 11, 16, 3, 0, tzinfo=UTC)
        self.store.take_master(Master("shoonya", "NFO", MON, table.height, table, payload_hash=self.underlying), RawFile("shoonya", "NFO", now, b"x", now, "0"))
        self.contracts = {str(symbol): int(contract) for symbol, contract in self.store.instruments().select("symbol", "contract").rows()}

    def _add(self, kind: str, expiry: date | None, strike: int | None = None, right: str | None = None) -> None:
        symbol = contract_symbol(self.underlying, kind, expiry, strike, right, is_index=True)
        self.rows[symbol] = {
            "venue": self.venue, "segment": "CM" if kind == "spot" else "FO", "token": len(self.rows) + 1, "symbol": symbol,
            "underlying": self.underlying, "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right, "lot": 65,
            "tick_paise": 5, "provider_symbol": symbol, "is_index": True,
        }

    def option(self, expiry: date, strike: float, right: str) -> str:
        """Its symbol."""
        return contract_symbol(self.underlying, "option", expiry, round(strike * 100), right, is_index=True)

    def future(self, expiry: date) -> str:
        """Its symbol."""
        return contract_symbol(self.underlying, "future", expiry, None, None, is_index=True)

    def trade(self, session: date, told: Mapping[str, Sequence[Told]]) -> None:
        """Make bars durable, one attempt a symbol; one without bars was asked for and the provider said nothing."""
        tables = [self._bars(symbol, session, bars) for symbol, bars in told.items()]
        now = datetime(session.year, session.month, session.day, 13, 0, tzinfo=UTC)
        attempts = tuple(
            Attempt(self.contracts[symbol], session, Verdict(Outcome.COMPLETE if bars else Outcome.EMPTY_STATED, bars=len(bars)), "shoonya", "main", now)
            for symbol, bars in told.items()
        )
        self.store.commit(Batch(attempts, pl.concat(tables), pl.DataFrame(schema=quarantine_schema())))

    def _bars(self, symbol: str, session: date, told: Sequence[Told]) -> pl.DataFrame:
        row = self.rows[symbol]
        same = {name: row[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right")}
        midnight = datetime(session.year, session.month, session.day, tzinfo=IST)
        return pl.DataFrame([
            {
                "session": session, "ts": midnight + timedelta(hours=int(clock[:2]), minutes=int(clock[3:])), "contract": self.contracts[symbol],
                **same, **dict.fromkeys(("open_paise", "high_paise", "low_paise", "close_paise"), round(close * 100)), "volume": volume,
                "oi": oi, "vwap_paise": None, "phase": "preopen" if clock < "09:15" else "continuous", "provider": "shoonya",
            } for clock, close, volume, oi in told
        ], schema=bar_schema())

    def exchange_says(self, session: date, told: Mapping[str, tuple[int, int]]) -> None:
        """Take the exchange's file of a session: volume and open interest by symbol."""
        named = ("venue", "segment", "token", "underlying", "kind", "expiry", "strike_paise", "right")
        schema = {name: kind for name, kind in EXCHANGE_DAYS.schema.items() if name != "session"}
        numbers = {name: 0 for name in schema if name not in named and name not in {"series", "name"}}
        rows = [
            {**numbers, **{name: self.rows[symbol][name] for name in named}, "volume": volume, "oi": oi, "series": None, "name": symbol}
            for symbol, (volume, oi) in told.items()
        ]
        now = datetime(2026, 11, 16, 13, 0, tzinfo=UTC)
        self.store.take_exchange_day(File(session, pl.DataFrame(rows, schema=schema), self.venue), RawFile("nse", "fo.csv", now, str(session).encode(), now, "0"))
