"""timePriceSeries: one contract's bars of a span, and every way in which it is refused, empty or slow."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fnolake.emulator import firstock_rows, row_faults
from fnolake.emulator.answers import Answer
from fnolake.emulator.faults import Ask
from fnolake.emulator.firstock_answers import CHARTS, failed, missing, no_bars, unknown_symbol
from fnolake.emulator.state import State, text_of
from fnolake.model import IST

Body = dict[str, Any]
HISTORY = "timePriceSeries"
EXCHANGES = ("NSE", "NFO", "BSE", "BFO")
_TIME = "%H:%M:%S %d-%m-%Y"
_NEEDED = ("exchange", "tradingSymbol", "startTime", "endTime")


async def time_price_series(state: State, data: Body, _uid: str, ask: Ask) -> Answer:
    """History, 1mi to 240mi and 1d on one path; the documented refusals first."""
    span = _span_of(data)
    if isinstance(span, Answer):
        return span
    listing = state.listing(*ask.contract.partition("|")[::2])
    if listing is None:
        return unknown_symbol(text_of(data, "tradingsymbol"))
    await _slowly(state, span)
    rows = firstock_rows.rows_of(state, ask.contract, span.interval, span.first_s, span.last_s(state))
    rows = row_faults.spoil(state, ask, rows, span.interval, firstock_rows.SHAPE)
    if not rows:
        return no_bars(state)
    if state.firstock.order == "ascending":
        rows = rows[::-1]
    body = f'{{"status":"success","message":"{CHARTS}","data":[{",".join(rows)}]}}'
    return Answer(body.encode(), outcome=f"rows:{len(rows)}")


@dataclass(frozen=True, slots=True)
class _Span:
    interval: str
    first_s: float
    end_s: float

    def last_s(self, state: State) -> float:
        """The last second at which a bar may start."""
        return self.end_s if state.firstock.end == "inclusive" else self.end_s - 1

    @property
    def days(self) -> float:
        return (self.end_s - self.first_s) / 86_400


def _span_of(data: Body) -> _Span | Answer:
    """What is asked for, or the refusal."""
    refused = _refused(data)
    if refused is not None:
        return refused
    first, last = (seconds_of(text_of(data, key)) for key in ("starttime", "endtime"))
    if first is None or last is None:
        field = "startTime" if first is None else "endTime"
        return failed(400, "BAD_REQUEST", field, f"{field} is not HH:MM:SS DD-MM-YYYY")
    if first >= last:
        return failed(400, "BAD_REQUEST", "startTime", "startTime must be before endTime")
    return _Span(text_of(data, "interval"), first, last)


def _refused(data: Body) -> Answer | None:
    """What is said of a field that is empty or that nobody knows."""
    interval, exchange = text_of(data, "interval"), text_of(data, "exchange")
    if not interval:
        return missing("interval")
    for field in _NEEDED:
        if not text_of(data, field.lower()):
            return failed(400, "BAD_REQUEST", field, f"required field is empty or missing: {field}")
    if interval != firstock_rows.DAY and interval not in firstock_rows.INTERVALS:
        return failed(400, "BAD_REQUEST", "interval", f"invalid interval: {interval}")
    if exchange not in EXCHANGES:
        return failed(400, "BAD_REQUEST", "exchange", f"invalid exchange: {exchange}")
    return None


async def _slowly(state: State, span: _Span) -> None:
    """Take as long as the settings want for so long a span, or until the emulator ends."""
    if state.firstock.slow_s_per_day <= 0:
        return
    try:
        async with asyncio.timeout(state.firstock.slow_s_per_day * span.days):
            await state.closing.wait()
    except TimeoutError:
        return


def seconds_of(text: str) -> float | None:
    """The epoch of ``09:15:00 23-04-2025``, IST; None if it is written otherwise."""
    try:
        return datetime.strptime(text, _TIME).replace(tzinfo=IST).timestamp()
    except ValueError:
        return None
