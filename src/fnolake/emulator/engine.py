"""
From a row and a date to its trades: the caches between the market's columns and the functions that make bars.

Thread-safe. Kept: a few thousand sheets and paths; never a trade.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from itertools import pairwise

import numpy as np

from fnolake.emulator.activity import Sheet, carry_of, sheet, sigma_of
from fnolake.emulator.hashing import Floats, Integers
from fnolake.emulator.hours import Hours, HoursBook
from fnolake.emulator.listings import EXCHANGES, FUTURE, KINDS, OPTION, SPOT, Columns, Underlying
from fnolake.emulator.minutes import NO_MINUTES, Flat, Minutes, bars, typical, with_prints
from fnolake.emulator.prices import Daily, Path, option_value, path
from fnolake.market.calendar import Calendar

_SHEETS, _PATHS = 2048, 1024
_TOGETHER = 384
"""Options made in one pass: quick, and a few tens of megabytes."""


@dataclass(frozen=True)
class Totals:
    """
    A session's totals of every contract of an underlying, in the order of ``sheet.rows``; prices paise.

    ``lots`` is 0 where nothing traded (prices 0 there); ``value`` is the sum of price times lots, ``late`` the average price
    of the last half hour (0 without trades in it), ``bars`` how many minutes have trades, prints of other phases included.
    """

    sheet: Sheet
    open: Integers
    high: Integers
    low: Integers
    last: Integers
    lots: Integers
    value: Integers
    trades: Integers
    late: Integers
    bars: Integers


class Engine:
    """Trades of a market, made when asked for."""

    def __init__(
        self, columns: Columns, unds: Sequence[Underlying], days: Daily, calendar: Calendar, seed: int
    ) -> None:
        self.columns, self.unds, self.days = columns, unds, days
        self.hours = HoursBook(calendar)
        self._seed = seed
        order = np.argsort(columns.und, kind="stable")
        cuts = np.searchsorted(columns.und[order], np.arange(len(unds) + 1))
        self.rows_of: list[Integers] = [np.asarray(order[a:b], np.int64) for a, b in pairwise(cuts.tolist())]
        self.sheet = lru_cache(_SHEETS)(self._sheet)
        self._path = lru_cache(_PATHS)(self._make_path)

    def minutes(self, row: int, day: date) -> Minutes:
        """One contract's bars; none if it did not trade or was not listed."""
        column = self.days.at(day.toordinal())
        hours = None if column is None else self.hours_of(row, day)
        if column is None or hours is None:
            return NO_MINUTES
        number = int(self.columns.und[row])
        today = self.sheet(number, column)
        at = int(today.rows.searchsorted(row))
        if at >= len(today.rows) or today.rows[at] != row or not today.trades[at]:
            return NO_MINUTES
        flat = self._flat(number, column, np.array([at]), hours)
        return _minutes(flat, int(self.columns.lot[row]), int(today.oi_before[at]), int(today.oi[at]), hours.midnight_s)

    def hours_of(self, row: int, day: date) -> Hours | None:
        """A contract's hours on a date."""
        c, und = self.columns, self.unds[self.columns.und[row]]
        venue = EXCHANGES[c.exchange[row]][0] + "SE"
        return self.hours.of(
            venue,
            KINDS[c.kind[row]],
            und.name,
            day,
            expires=int(c.expiry[row]) == day.toordinal(),
            is_index=und.is_index,
        )

    def totals(self, number: int, day: date) -> Totals | None:
        """Totals of all contracts of an underlying; None without a session."""
        column = self.days.at(day.toordinal())
        if column is None:
            return None
        today = self.sheet(number, column)
        rows = today.rows
        found = np.zeros((9, len(rows)), np.int64)
        for which in self._groups(today):
            hours = self.hours_of(int(rows[which[0]]), day)
            if hours is None:
                return None
            _add_totals(found, which, self._flat(number, column, which, hours), int(hours.grid[hours.last - 1]) - 29)
        return Totals(today, *found)

    def theory(self, number: int, column: int, rows: Integers) -> Integers:
        """What contracts are worth at a session's close, on their tick: the carried close of those that do not trade."""
        c, days = self.columns, self.days
        log_close = float(days.closes[number, column])
        left = (c.expiry[rows].astype(np.int64) - int(days.ordinals[column])).astype(np.float64)
        carry = np.where(c.kind[rows] == SPOT, 0.0, carry_of(left))
        sigma = sigma_of(c, rows, self.unds[number], log_close, left, float(days.vix[column]))
        forward = np.exp(log_close + carry)
        strike = np.maximum(c.strike[rows], 1).astype(np.float64)
        deviation = sigma * np.sqrt((np.maximum(left, 0) + 0.002) / 365)
        sign = np.where(c.right[rows] == 2, -1.0, 1.0)
        value = option_value(forward, log_close + carry - np.log(strike), strike, deviation, sign)
        price: Floats = np.where(c.kind[rows] == OPTION, value, forward)
        tick = c.tick[rows].astype(np.int64)
        return np.maximum(np.rint(price / tick).astype(np.int64), 1) * tick

    def _groups(self, today: Sheet) -> list[Integers]:
        """Positions that can be made together: each spot and future, options by whether they expire today."""
        kind = self.columns.kind[today.rows]
        single = [np.array([at]) for at in np.flatnonzero(kind != OPTION)]
        options = [np.flatnonzero((kind == OPTION) & mask) for mask in (today.days == 0, today.days > 0)]
        options = [part for group in options for part in np.array_split(group, len(group) // _TOGETHER + 1)]
        groups = [g for g in single + options if len(g)]
        return [g for g in groups if kind[g[0]] == SPOT or today.trades[g].any()]

    def _flat(self, number: int, column: int, which: Integers, hours: Hours) -> Flat:
        today = self.sheet(number, column)
        row = int(today.rows[which[0]])
        walked = self._path(number, column, EXCHANGES[self.columns.exchange[row]][0] + "SE")
        flat = bars(self.columns, today, which, walked, hours)
        kind = int(self.columns.kind[row])
        if kind == SPOT or (kind == FUTURE and today.forced[which[0]]):
            return with_prints(flat, int(today.key[which[0]]), int(self.columns.tick[row]), walked, hours)
        return flat

    def _sheet(self, number: int, column: int) -> Sheet:
        return sheet(self.columns, self._alive(number, int(self.days.ordinals[column])), self.unds[number], number, self.days, column, self._seed)

    def _alive(self, number: int, ordinal: int) -> Integers:
        """Rows of an underlying that are listed on a date and have not expired."""
        c, rows = self.columns, self.rows_of[number]
        alive = (c.kind[rows] == SPOT) | ((c.ends[rows] >= ordinal) & (c.listed[rows] <= ordinal))
        return np.asarray(rows[alive])

    def _make_path(self, number: int, column: int, venue: str) -> Path:
        grid = self.hours.grid(venue, date.fromordinal(int(self.days.ordinals[column])))
        weights = np.full(1, 1.0) if grid is None else grid.weights
        return path(self.unds[number], self._seed, self.days, number, column, weights)


def _minutes(flat: Flat, lot: int, before: int, after: int, midnight_s: int) -> Minutes:
    running = np.cumsum(flat.lots)
    total = max(int(running[-1]), 1)
    oi = (before + (after - before) * running // total) * lot
    return Minutes(
        midnight_s + 60 * flat.minute,
        flat.open,
        flat.high,
        flat.low,
        flat.close,
        flat.lots * lot,
        oi,
        typical(flat) if running[-1] else np.zeros_like(running),
        running * lot,
        flat.phase,
        flat.trades,
    )


def _add_totals(found: Integers, which: Integers, flat: Flat, late_from: int) -> None:
    """Write the totals of a flat's contracts into the columns ``which`` of (open, high, low, last, lots, value, trades, late, bars)."""
    if not len(flat.at):
        return
    cuts = np.flatnonzero(np.diff(flat.at, prepend=-1))
    into, last = which[flat.at[cuts]], np.append(cuts[1:], len(flat.at)) - 1
    worth = typical(flat) * flat.lots
    found[0, into], found[3, into] = flat.open[cuts], flat.close[last]
    found[1, into] = np.maximum.reduceat(flat.high, cuts)
    found[2, into] = np.minimum.reduceat(flat.low, cuts)
    for line, values in ((4, flat.lots), (5, worth), (6, flat.trades)):
        found[line, into] = np.add.reduceat(values, cuts)
    found[8, into] = np.add.reduceat(np.ones_like(flat.at), cuts)
    late = (flat.minute >= late_from) & (flat.phase == 1)
    sold = np.add.reduceat(flat.lots * late, cuts)
    found[7, into] = np.where(sold > 0, np.add.reduceat(worth * late, cuts) // np.maximum(sold, 1), 0)
