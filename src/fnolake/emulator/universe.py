"""
Which contracts exist on a date: underlyings, expiries by rule, strikes around the path of the price.

Tokens follow from what a contract is, so the same contract has the same token in the world of another date, and a
token returns to use years or months later, as the exchanges' do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import numpy as np

from fnolake.emulator.hashing import Floats, text_key
from fnolake.emulator.listings import (
    FUTURE,
    OPTION,
    SPOT,
    TUESDAYS_FROM,
    Columns,
    ColumnsBuilder,
    Underlying,
    is_monthly,
)
from fnolake.emulator.universe_data import INDICES, NOT_IN_MASTER, VIX, Stock, stocks
from fnolake.market.calendar import Calendar

ANCHOR = date(2026, 11, 20)
"""The date of the levels in ``universe_data``."""

_WEEKLY = {"NIFTY": 5, "SENSEX": 5}
_LONG_DATED = {"NIFTY": 10, "SENSEX": 6, "BANKNIFTY": 3}
_INDEX_STRIKES = {"NIFTY": 40, "SENSEX": 40, "BANKNIFTY": 44, "MIDCPNIFTY": 32}
_STOCK_STRIKES = (10, 7, 4)
_MONTH, _WEEK_DAYS = 91, 36


def underlyings(names: Sequence[str] | None) -> list[Underlying]:
    """
    The named underlyings (all 216 when None) and India VIX, in the market's own order.

    Raises:
        ValueError: A name that this market does not have.
    """
    known = [_index(name) for name in INDICES] + [_stock(stock) for stock in stocks()]
    if names is not None:
        missing = sorted(set(names) - {u.name for u in known} - {VIX[0]})
        if missing:
            raise ValueError(f"the emulated market has no {', '.join(missing)}; it has {len(known)} underlyings")
        known = [u for u in known if u.name in set(names)]
    vix = Underlying(VIX[0], text_key(VIX[0]), VIX[2] * 100, 0.9, 0.0, True, 0, 1, VIX[0], "INDIA VIX")
    return [*known, vix]


def _index(name: str) -> Underlying:
    _, display, symbol, level, step, _, volatility, activity = INDICES[name]
    return Underlying(
        name,
        text_key(name),
        level * 100.0,
        volatility,
        activity,
        True,
        step * 100,
        5,
        display,
        symbol,
        in_master=name not in NOT_IN_MASTER,
    )


def _stock(stock: Stock) -> Underlying:
    volatility = 0.2 + 0.002 * (text_key(stock.name) % 100)
    return Underlying(
        stock.name,
        text_key(stock.name),
        float(stock.price_paise),
        volatility,
        40.0 / (40.0 + stock.rank * 2.5),
        False,
        strike_step(stock.price_paise, volatility),
        cash_tick(stock.price_paise),
    )


def strike_step(price_paise: float, volatility: float = 0.3) -> int:
    """A round step of about a sixteenth of a year's deviation, in paise."""
    raw = price_paise * volatility / 16
    scale = 10 ** (len(str(int(raw))) - 1)
    return int(next(unit * scale for unit in (1, 2.5, 5, 10) if unit * scale >= raw / 1.3))


def cash_tick(price_paise: float) -> int:
    """NSE's tick by price, in paise."""
    bands = ((250, 1), (1_000, 5), (5_000, 10), (10_000, 50), (20_000, 100))
    return next((tick for top, tick in bands if price_paise < top * 100), 500)


def build_columns(
    unds: Sequence[Underlying], day: date, calendar: Calendar, levels: Floats, ordinals: Sequence[int]
) -> Columns:
    """
    Every contract that is alive on ``day``.

    Args:
        unds: As from :func:`underlyings`.
        day: Date of the master.
        calendar: For moving expiries off holidays.
        levels: Log closes, one row an underlying, one column a session.
        ordinals: The sessions of those columns.
    """
    table, positions = ColumnsBuilder(), {stock.name: stock for stock in stocks()}
    dates = np.asarray(ordinals)
    for number, und in enumerate(unds):
        stock = positions.get(und.name)
        bse = und.name in ("SENSEX", "BANKEX")
        spot = stock.token if stock else VIX[1] if und.name == VIX[0] else int(INDICES[und.name][0])
        table.add(2 if bse else 0, spot, number, SPOT, 0, 0, 0, 0, 1, und.tick_paise)
        if und.name == VIX[0]:
            continue
        lot = stock.lot if stock else int(INDICES[und.name][5])
        for order, (expiry, listed) in enumerate(expiries(und.name, day, calendar)):
            seen = levels[number, (dates >= max(listed, day.toordinal() - 120)) & (dates <= day.toordinal())]
            span = (float(np.exp(seen.min())), float(np.exp(seen.max()))) if len(seen) else (und.level, und.level)
            _add_expiry(table, number, und, stock, lot, (expiry, listed, order), day, span)
    return table.done()


def _add_expiry(
    table: ColumnsBuilder,
    number: int,
    und: Underlying,
    stock: Stock | None,
    lot: int,
    life: tuple[date, int, int],
    day: date,
    span: tuple[float, float],
) -> None:
    expiry, listed, order = life
    exchange = 3 if und.name in ("SENSEX", "BANKEX") else 1
    base, slots, per = _tokens(und, stock)
    slot = (expiry.toordinal() // 7 if slots > 4 else expiry.year * 12 + expiry.month) % slots
    first = base + slot * (2 * per + 2)
    if not _is_weekly(und.name, expiry) and (expiry - day).days < 100:
        tick = und.tick_paise if stock else 10 if exchange == 1 else 5
        table.add(exchange, first, number, FUTURE, expiry.toordinal(), listed, 0, 0, lot, tick)
    tick = 1 if stock and und.level < 25_000 else 5
    for strike in _strikes(und, expiry, day, order, span):
        at = first + 2 + strike // und.step_paise % per * 2
        for right in (1, 2):
            table.add(exchange, at + right - 1, number, OPTION, expiry.toordinal(), listed, strike, right, lot, tick)


def _tokens(und: Underlying, stock: Stock | None) -> tuple[int, int, int]:
    """Where the underlying's tokens start, how many expiries and how many strikes have a place of their own."""
    if stock is not None:
        return 40_001 + stock.rank * 4 * 258, 4, 128
    position = list(INDICES).index(und.name)
    return (300_001 if position < 6 else 800_001) + position * 320 * 1026, 320, 512


def _strikes(und: Underlying, expiry: date, day: date, order: int, span: tuple[float, float]) -> list[int]:
    """Grid strikes either side of where the price has been since listing."""
    step, away = und.step_paise, (expiry - day).days
    if und.is_index:
        each = _INDEX_STRIKES.get(und.name, 20)
        if away > 100:
            step, each = step * 20, 15
        elif away > 40 or (und.name in _WEEKLY and away > 20):
            each = each * 2 // 3
    else:
        each = _STOCK_STRIKES[min(order, 2)]
    low, high = round(span[0] / step) - each, round(span[1] / step) + each
    return [n * step for n in range(max(low, 1), high + 1)]


def expiries(name: str, day: date, calendar: Calendar) -> list[tuple[date, int]]:
    """Expiries alive on ``day``, ascending, each with the ordinal of its first session."""
    weekday = _weekday(name, day)
    found: dict[date, int] = {}
    for months in range(-1, 4):
        rule = last_weekday(day.year, day.month + months, weekday)
        found[on_session(rule, calendar)] = rule.toordinal() - _MONTH
    for weeks in range(-1, _WEEKLY.get(name, 0)):
        rule = day + timedelta(days=(weekday - day.weekday()) % 7 + 7 * weeks)
        found.setdefault(on_session(rule, calendar), rule.toordinal() - _WEEK_DAYS)
    alive = sorted(expiry for expiry in found if expiry >= day)
    monthly = [e for e in alive if found[e] + _MONTH - e.toordinal() in range(4)]
    near = [e for e in alive if e <= monthly[2]]
    return [(e, found[e]) for e in near] + _long_dated(name, near[-1], weekday, calendar)


def _long_dated(name: str, after: date, weekday: int, calendar: Calendar) -> list[tuple[date, int]]:
    """Quarterly and half-yearly expiries that follow the serial months."""
    found: list[tuple[date, int]] = []
    count, month = _LONG_DATED.get(name, 0), after.month
    while len(found) < count:
        month += 1
        is_quarter = month % 3 == 0 and (len(found) < 4 or month % 6 == 0)
        if is_quarter:
            rule = last_weekday(after.year, month, weekday)
            found.append((on_session(rule, calendar), rule.toordinal() - 1_800))
    return found


def last_weekday(year: int, month: int, weekday: int) -> date:
    """The last such weekday of a month; months may run over either end of the year."""
    year, month = year + month // 12, month % 12 + 1
    last = date(year, month, 1) - timedelta(days=1)
    return last - timedelta(days=(last.weekday() - weekday) % 7)


def on_session(day: date, calendar: Calendar) -> date:
    """The date itself, or the last one before it that is not known to be closed."""
    while calendar.status(day) == "closed":
        day -= timedelta(days=1)
    return day


def _weekday(name: str, day: date) -> int:
    if name in ("SENSEX", "BANKEX"):
        return 3 if day >= TUESDAYS_FROM else 1
    return 1 if day >= TUESDAYS_FROM else 3


def _is_weekly(name: str, expiry: date) -> bool:
    return name in _WEEKLY and not is_monthly("BSE" if name == "SENSEX" else "NSE", expiry)
