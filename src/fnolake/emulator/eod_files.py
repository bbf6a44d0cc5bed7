"""The exchange's own files: bhavcopies in the UDiFF layout, made from the same trades as the minutes, and holidays."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta

import numpy as np

from fnolake.emulator.engine import Engine, Totals
from fnolake.emulator.hashing import Integers
from fnolake.emulator.listings import FUTURE, SPOT, bfo_symbol
from fnolake.market.calendar import Calendar

HEADER = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,"
    "OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,"
    "TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)
_CODE = {("NSE", "CM"): 0, ("NSE", "FO"): 1, ("BSE", "CM"): 2, ("BSE", "FO"): 3}


def bhavcopy(engine: Engine, venue: str, segment: str, session: date) -> bytes | None:
    """
    One end-of-day file; None if the date has no session.

    NSE counts volume of derivatives in lots and ends lines with LF, BSE in units and with CRLF. Untraded contracts have a row
    in the derivatives' file (volume and OHLC 0) and none in the cash file.
    """
    column = engine.days.at(session.toordinal())
    code = _CODE.get((venue, segment))
    if column is None or code is None or engine.hours.grid(venue, session) is None:
        return None
    lines = [HEADER]
    for number, rows in enumerate(engine.rows_of):
        if (engine.columns.exchange[rows] == code).any():
            totals = engine.totals(number, session)
            if totals is not None:
                lines += _lines(engine, number, column, totals, code)
    end = "\r\n" if venue == "BSE" else "\n"
    return (end.join(lines) + end).encode()


def _lines(engine: Engine, number: int, column: int, t: Totals, code: int) -> Iterator[str]:
    c, rows, today = engine.columns, t.sheet.rows, int(engine.days.ordinals[column])
    kept = c.exchange[rows] == code
    if code in (0, 2):
        kept &= (t.lots > 0) & (c.kind[rows] == SPOT)
    else:
        kept &= (c.ends[rows] >= today) & (c.listed[rows] <= today)
    before = engine.theory(number, max(column - 1, 1), rows)
    underlying = round(float(np.exp(engine.days.closes[number, column])))
    close, settle = _closes(engine, number, column, t, code, underlying)
    head, und = f"{date.fromordinal(today)},{date.fromordinal(today)},", engine.unds[number]
    for at in np.flatnonzero(kept).tolist():
        row = int(rows[at])
        lot, lots = int(c.lot[row]), int(t.lots[at])
        prices = ",".join(
            [f"{p / 100:.2f}" for p in (t.open[at], t.high[at], t.low[at], close[at], t.last[at], before[at])]
        )
        if code in (0, 2):
            middle, tail = (
                f",,,,,{und.name} LIMITED,{prices},,{close[at] / 100:.2f},,,",
                f"{lots},{t.value[at] / 100:.2f}",
            )
            kind, series = "STK", "EQ"
        else:
            kind, middle = _identity(engine, row, und.name, is_index=und.is_index)
            oi, change = int(t.sheet.oi[at]) * lot, int(t.sheet.oi[at] - t.sheet.oi_before[at]) * lot
            middle += f"{prices},{underlying / 100:.2f},{settle[at] / 100:.2f},{oi},{change},"
            worth = (int(t.value[at]) + lots * int(c.strike[row])) * lot
            tail, series = f"{lots if code == 1 else lots * lot},{worth / 100:.2f}", ""
        segment, venue = ("CM", "FO")[code % 2], ("NSE", "BSE")[code // 2]
        yield (
            f"{head}{segment},{venue},{kind},{c.token[row]},,{und.name},{series}{middle}"
            f"{tail},{t.trades[at]},F1,{lot},,,,,"
        )


def _identity(engine: Engine, row: int, name: str, *, is_index: bool) -> tuple[str, str]:
    """The instrument type, and the fields from the expiry to the instrument's name, commas around them."""
    c = engine.columns
    expiry, ends = date.fromordinal(int(c.expiry[row])), date.fromordinal(int(c.ends[row]))
    if c.kind[row] == FUTURE:
        return ("IDF" if is_index else "STF"), f",{expiry},{ends},,,{bfo_symbol(name, expiry, None, None)},"
    strike, right = int(c.strike[row]), ("CE", "PE")[int(c.right[row]) - 1]
    return (
        "IDO" if is_index else "STO"
    ), f",{expiry},{ends},{strike / 100:.2f},{right},{bfo_symbol(name, expiry, strike, right)},"


def _closes(
    engine: Engine, number: int, column: int, t: Totals, code: int, underlying: int
) -> tuple[Integers, Integers]:
    """
    Closing and settlement prices.

    The close is the last half hour's average, else the last trade, else carried; in cash, the closing auction's price where
    there is one. BSE's rows of expiring contracts show the underlying's close in both, as live.
    """
    c, theory = engine.columns, engine.theory(number, column, t.sheet.rows)
    tick = c.tick[t.sheet.rows].astype(np.int64)
    average = (t.late + tick // 2) // tick * tick
    close = np.where(t.late > 0, average, np.where(t.lots > 0, t.last, theory))
    expiring = (t.sheet.days == 0) & (c.kind[t.sheet.rows] != SPOT)
    if code in (0, 2):
        hours = engine.hours_of(int(t.sheet.rows[0]), date.fromordinal(int(engine.days.ordinals[column])))
        return (t.last if hours is not None and hours.auction >= 0 else close), close
    settle = np.where(expiring, underlying, np.where(c.kind[t.sheet.rows] == FUTURE, close, theory))
    return (np.where(expiring, underlying, close) if code == 3 else close), settle


def holiday_master(calendar: Calendar, year: int) -> bytes:
    """Weekdays of a year that are known to be closed, by segment, in NSE's JSON."""
    days = [date(year, 1, 1) + timedelta(days=n) for n in range(365 + (year % 4 == 0))]
    closed = [day for day in days if day.weekday() < 5 and calendar.status(day) == "closed"]
    rows = [
        {
            "tradingDate": day.strftime("%d-%b-%Y"),
            "weekDay": day.strftime("%A"),
            "description": "Trading holiday",
            "morning_session": None,
            "evening_session": None,
            "Sr_no": number,
        }
        for number, day in enumerate(closed, 1)
    ]
    return json.dumps({"CM": rows, "FO": rows}).encode()
