"""
Which expiries of an underlying live when, by the exchanges' rules, and which strikes stand in them from which day. Pure.

Expiry weekdays and the move to the session before a holiday: market.md section 3 (NSE/FAOP/68747 of 2025-06-25; holidays
NSE/FAOP/71777). Three serial months; five weeklies for NIFTY and SENSEX; quarters and half-years after them. Strikes are
added as the price moves and stay until the expiry.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from fnolake.emulator.hashing import Floats, Integers
from fnolake.emulator.listings import TUESDAYS_FROM, Underlying
from fnolake.market.calendar import Calendar

WINDOW_DAYS = 120
"""How far before a world's first day prices are looked at to know its strikes."""

WEEKLY = {"NIFTY": 5, "SENSEX": 5}
_LONG_DATED = {"NIFTY": 10, "SENSEX": 6, "BANKNIFTY": 3}
_INDEX_STRIKES = {"NIFTY": 40, "SENSEX": 40, "BANKNIFTY": 44, "MIDCPNIFTY": 32}
_STOCK_STRIKES = np.array((10, 7, 4))
_COARSE, _COARSE_EACH, _FAR_DAYS = 20, 15, 100
_OLD_DAYS = 1_800


@dataclass(frozen=True, slots=True)
class Life:
    """
    One expiry of an underlying.

    ``listed`` is its first date (ordinal), ``future`` the first date of its future (0 = it has none).
    """

    expiry: date
    listed: int
    future: int


@dataclass(frozen=True, slots=True)
class Strikes:
    """Strikes in paise, each with the session on which it first trades and the date whose morning master first has it."""

    paise: Integers
    listed: Integers
    shown: Integers


def expiries(name: str, day: date, calendar: Calendar) -> list[tuple[date, int]]:
    """Expiries alive on ``day``, ascending, each with the ordinal of its first date."""
    return [(life.expiry, life.listed) for life in lives(name, day, day, calendar)]


def lives(name: str, since: date, until: date, calendar: Calendar) -> list[Life]:
    """Expiries that are alive on any date of the span, ascending."""
    long_dated = _long_dated(name, since, until, calendar)
    found = {expiry: Life(expiry, listed, 0) for expiry, listed in long_dated.items()}
    for month in range(_month(since) - 1, _month(until) + 5):
        expiry, opened = monthly(name, month, calendar), monthly(name, month - 3, calendar).toordinal() + 1
        found[expiry] = Life(expiry, min(opened, long_dated.get(expiry, opened)), opened)
    for expiry, opened in _weeklies(name, since, until, calendar):
        found.setdefault(expiry, Life(expiry, opened, 0))
    alive = (found[expiry] for expiry in sorted(found) if expiry >= since)
    return [life for life in alive if life.listed <= until.toordinal()]


def monthly(name: str, month: int, calendar: Calendar) -> date:
    """The monthly expiry of a month, counted as year times 12 plus month less 1."""
    first = date(month // 12, month % 12 + 1, 1)
    return on_session(last_weekday(first.year, first.month, _weekday(name, first)), calendar)


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


def _weeklies(name: str, since: date, until: date, calendar: Calendar) -> Iterator[tuple[date, int]]:
    weekday, ahead = _weekday(name, since), WEEKLY.get(name, 0)
    rule = since - timedelta(days=7) + timedelta(days=(weekday - since.weekday()) % 7)
    while ahead and rule <= until + timedelta(days=7 * ahead):
        yield on_session(rule, calendar), rule.toordinal() - 7 * ahead + 1
        rule += timedelta(days=7)


def _long_dated(name: str, since: date, until: date, calendar: Calendar) -> dict[date, int]:
    """Quarterly and half-yearly expiries after the serial months, with the date from which each was listed."""
    found: dict[date, int] = {}
    count = _LONG_DATED.get(name, 0)
    early = _month(since - timedelta(days=WINDOW_DAYS)) - 1
    for last in range(early, _month(until) + 1 if count else early):
        opened = monthly(name, last, calendar).toordinal() + 1
        for month in _quarters(last + 3, count):
            expiry = monthly(name, month, calendar)
            found.setdefault(expiry, opened if last > early else expiry.toordinal() - _OLD_DAYS)
    return found


def _quarters(after: int, count: int) -> Iterator[int]:
    """The months of the next ``count`` expiries after the serial ones: four quarters, then half-years."""
    taken, month = 0, after
    while taken < count:
        month += 1
        calendar_month = month % 12 + 1
        if calendar_month % 3 == 0 and (taken < 4 or calendar_month % 6 == 0):
            taken += 1
            yield month


def strikes(und: Underlying, life: Life, days: tuple[Integers, Floats], since: date, until: date) -> list[Strikes]:
    """
    Grid strikes either side of where the price has been since listing, with the day each of them appeared.

    Args:
        und: The underlying.
        life: The expiry.
        days: Ordinals of sessions and the underlying's log closes on them.
        since: First day of the world.
        until: Last day of the world.
    """
    ordinals, closes = days
    start = max(life.listed, since.toordinal() - WINDOW_DAYS)
    end = min(until, life.expiry).toordinal()
    columns = np.flatnonzero((ordinals >= start) & (ordinals <= end))
    if not len(columns):
        return []
    seen = np.exp(closes[np.maximum(np.append(columns[0] - 1, columns), 0)])
    span = np.minimum.accumulate(seen), np.maximum.accumulate(seen)
    away = life.expiry.toordinal() - ordinals[columns]
    far = (away > _FAR_DAYS) if und.is_index else np.zeros(len(away), bool)
    each = _each(und, away)
    stages = ((far, und.step_paise * _COARSE, np.full(len(away), _COARSE_EACH)), (~far, und.step_paise, each))
    return [
        _grid(step, width[mask], (span[0] / step, span[1] / step), np.flatnonzero(mask), ordinals[columns], life)
        for mask, step, width in stages
        if mask.any()
    ]


def _grid(
    step: int, each: Integers, span: tuple[Floats, Floats], at: Integers, dates: Integers, life: Life
) -> Strikes:
    """One grid's strikes; a session has two moments, its morning (closes before it) and its evening (its own close too)."""
    moments = np.stack([at, at + 1], axis=1).ravel()
    width = np.repeat(each, 2)
    low = np.minimum.accumulate(np.rint(span[0][moments]).astype(np.int64) - width)
    high = np.maximum.accumulate(np.rint(span[1][moments]).astype(np.int64) + width)
    numbers = np.arange(max(int(low[-1]), 1), int(high[-1]) + 1)
    first = np.maximum(np.searchsorted(-low, -numbers), np.searchsorted(high, numbers))
    initial = (first == 0) & (at[0] == 0)
    listed = np.where(initial, life.listed, dates[at[first // 2]])
    return Strikes(numbers * step, listed, np.where(initial, listed, listed + first % 2))


def _each(und: Underlying, away: Integers) -> Integers:
    """How many strikes stand on either side on each session."""
    if not und.is_index:
        return _STOCK_STRIKES[np.clip((away - 1) // 31, 0, 2)]
    each = _INDEX_STRIKES.get(und.name, 20)
    far = (away > 40) | ((und.name in WEEKLY) & (away > 20))
    return np.where(far, each * 2 // 3, each)


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _weekday(name: str, day: date) -> int:
    if name in ("SENSEX", "BANKEX"):
        return 3 if day >= TUESDAYS_FROM else 1
    return 1 if day >= TUESDAYS_FROM else 3
