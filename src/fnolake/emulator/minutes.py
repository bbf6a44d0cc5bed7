"""
A session's bars from its sheet and its path: which minutes trade, how much, and at what prices.

The same functions make one contract and a whole chain: a :class:`Flat` is bars of many contracts, in the order
(contract, minute). Prices are on the contract's tick, volume in lots here and in units once it leaves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnolake.emulator.activity import Sheet
from fnolake.emulator.hashing import Floats, Integers, Words, fraction, normal, stream, streams, uniform
from fnolake.emulator.hours import Hours
from fnolake.emulator.listings import OPTION, SPOT, Columns
from fnolake.emulator.prices import Path, option_value

PREOPEN, CONTINUOUS, AUCTION = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Minutes:
    """
    One contract-session's bars, ascending; equal-length int64 arrays.

    ``epoch_s`` is the start of the minute; prices are paise; volume, oi and cumulative units; ``phase`` is 0 for the
    pre-open, 1 continuous, 2 the closing auction; ``trades`` the number of trades in the bar.
    """

    epoch_s: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    volume: Integers
    oi: Integers
    vwap_paise: Integers
    cumulative: Integers
    phase: Integers
    trades: Integers

    def __len__(self) -> int:
        return len(self.epoch_s)


_NOTHING = np.zeros(0, np.int64)
NO_MINUTES = Minutes(*[_NOTHING] * 11)


@dataclass(frozen=True, slots=True)
class Flat:
    """Bars of many contracts: ``at`` is the position in what was asked for, ``minute`` of the day."""

    at: Integers
    minute: Integers
    open: Integers
    high: Integers
    low: Integers
    close: Integers
    lots: Integers
    trades: Integers
    phase: Integers


def bars(columns: Columns, sheet: Sheet, which: Integers, path: Path, hours: Hours) -> Flat:
    """
    Bars of contracts that are of one kind and have the same hours.

    Args:
        columns: The market.
        sheet: The underlying's session.
        which: Positions in the sheet, ascending.
        path: The underlying's prices.
        hours: Of these contracts.
    """
    live = which[sheet.trades[which] > 0]
    kind = int(columns.kind[sheet.rows[live[0]]]) if len(live) else OPTION
    at, minute, words, trades = _traded(sheet, live, hours)
    rows = sheet.rows[live[at]]
    tick = columns.tick[rows].astype(np.float64)
    if kind == OPTION:
        raw = _option_prices(columns, sheet, live[at], path, minute, hours)
        width = 1.0 + raw[3] * (0.004 / tick)
    else:
        raw = path.paise[:, minute] * np.exp(sheet.carry[live[at]])
        width = np.zeros(len(at)) if kind == SPOT else 1.0 + raw[3] * (0.00004 / tick)
    opened, high, low, close = _on_grid(raw / tick, width, words, trades)
    lots = trades + (trades * -0.8 * np.log(fraction(words, 20, 16))).astype(np.int64)
    if kind == SPOT:
        lots *= 0 if sheet.is_index else 23
    step = tick.astype(np.int64)
    phase = np.full(len(at), CONTINUOUS, np.int64)
    asked = np.searchsorted(which, live)[at]
    return Flat(asked, hours.grid[minute], opened * step, high * step, low * step, close * step, lots, trades, phase)


def _traded(sheet: Sheet, live: Integers, hours: Hours) -> tuple[Integers, Integers, Words, Integers]:
    """Which minutes trade, with the bits of each and how many trades: geometric around what is expected."""
    words = streams(sheet.key[live], hours.last)[:, hours.first :]
    expected = sheet.trades[live][:, None] * hours.weights[hours.first : hours.last]
    odds = expected / (1.0 + expected)
    draw = uniform(words)
    hit = draw < odds
    hit |= sheet.forced[live][:, None]
    silent = np.flatnonzero(~hit.any(axis=1))
    if len(silent):
        hit[silent, (sheet.key[live[silent]] % np.uint64(hours.last - hours.first)).astype(np.intp)] = True
    at, minute = np.nonzero(hit)
    trades = np.maximum(np.log(draw[at, minute]) / np.log(odds[at, minute]), 1.0).astype(np.int64)
    return at, minute + hours.first, words[at, minute], trades


def _option_prices(
    columns: Columns, sheet: Sheet, which: Integers, path: Path, minute: Integers, hours: Hours
) -> Floats:
    rows, carry = sheet.rows[which], sheet.carry[which]
    strike = columns.strike[rows].astype(np.float64)
    sign = np.where(columns.right[rows] == 2, -1.0, 1.0)
    deviation = sheet.sigma[which] * np.sqrt((sheet.days[which] + hours.left[minute]) / 365)
    return option_value(
        path.paise[:, minute] * np.exp(carry), path.logs[:, minute] + (carry - np.log(strike)), strike, deviation, sign
    )


def _on_grid(
    ticks: Floats, width: Floats, words: Words, trades: Integers
) -> tuple[Integers, Integers, Integers, Integers]:
    """Open, high, low, close in whole ticks: the first and last trade jitter, few trades have few prices."""
    opened = np.rint(ticks[0] + width * (2 * fraction(words, 12, 8) - 1))
    close = np.rint(ticks[3] + width * (2 * fraction(words, 4, 8) - 1))
    opened = np.where(trades == 1, close, opened)
    many = trades > 2
    high = np.where(many, np.rint(np.maximum(ticks[1], ticks[2])), close)
    low = np.where(many, np.rint(np.minimum(ticks[1], ticks[2])), close)
    high = np.maximum(np.maximum(opened, close), high)
    low = np.minimum(np.minimum(opened, close), low)
    return tuple(np.maximum(part, 1).astype(np.int64) for part in (opened, high, low, close))


def with_prints(flat: Flat, key: int, tick: int, path: Path, hours: Hours) -> Flat:
    """One contract's bars with the prints its hours have: the pre-open match and the closing auction."""
    if not len(flat.at) or (hours.preopen < 0 and hours.auction < 0):
        return flat
    word = stream(key, 1)
    parts = [flat]
    if hours.preopen >= 0:
        price = _whole_ticks(path.opened * (flat.open[0] / path.paise[0, hours.first]), tick)
        parts.insert(0, _print(flat, hours.preopen, price, 0.004 + 0.004 * float(fraction(word, 0, 12)[0]), PREOPEN))
    if hours.auction >= 0:
        drift = 0.0025 * float(normal(word >> np.uint64(20))[0])
        price = _whole_ticks(float(flat.close[-1]) * float(np.exp(drift)), tick)
        parts.append(_print(flat, hours.auction, price, 0.03 + 0.05 * float(fraction(word, 40, 12)[0]), AUCTION))
    return Flat(*(np.concatenate([getattr(part, name) for part in parts]) for name in Flat.__slots__))


def _whole_ticks(price: float, tick: int) -> int:
    return max(round(price / tick), 1) * tick


def _print(flat: Flat, minute: int, price: int, share: float, phase: int) -> Flat:
    lots, trades = int(flat.lots.sum() * share), int(flat.trades.sum() * share) + 1
    return Flat(
        *(np.array([value], np.int64) for value in (0, minute, price, price, price, price, lots, trades, phase))
    )


def typical(flat: Flat) -> NDArray[np.int64]:
    """A bar's average price: whole paise between its low and its high."""
    return (flat.open + flat.high + flat.low + flat.close + 2) // 4
