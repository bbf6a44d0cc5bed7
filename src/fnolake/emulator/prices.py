"""
Prices by key: daily closes, an underlying's path through a session, and Black-Scholes on top of it.

Everything is float paise before it reaches a tick grid. A session's path runs over the derivatives' minutes, five
steps a minute; spot, futures and every option of the underlying read the same path.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fnolake.emulator.hashing import (
    Floats,
    Integers,
    Words,
    key_of,
    keys_with,
    normal,
    normal_cdf,
    normals,
    stream,
    text_key,
)
from fnolake.emulator.listings import Underlying
from fnolake.emulator.universe_data import VIX

RATE = 0.065
_MARKET = text_key("market")
_SMOOTH = 15
_GAP_SHARE = 0.35
_STEPS = 5


@dataclass(frozen=True)
class Daily:
    """
    Log closes and overnight gaps, a row an underlying and a column a session; ``ordinals`` ascending.

    ``vix`` is the level of implied volatility relative to its mean, a value a session.
    """

    ordinals: Integers
    closes: Floats
    gaps: Floats
    vix: Floats

    def at(self, ordinal: int) -> int | None:
        """The column of a session that has one before it, None otherwise."""
        column = int(self.ordinals.searchsorted(ordinal))
        known = 0 < column < len(self.ordinals) and self.ordinals[column] == ordinal
        return column if known else None


@dataclass(frozen=True)
class Path:
    """An underlying's minutes: open, high, low, close (4 rows) as paise and as logs; ``opened`` is the first price."""

    paise: Floats
    logs: Floats
    opened: float


def daily(unds: list[Underlying], seed: int, ordinals: Integers, anchor: int) -> Daily:
    """Walk every underlying out from its level on the anchor date (or the session before it)."""
    dates = ordinals.astype(np.uint64)
    market = normal(keys_with(np.array([key_of(seed, _MARKET)], np.uint64), dates))
    keys = np.array([key_of(seed, u.key) for u in unds], np.uint64)[:, None]
    own = normal(keys_with(keys, dates[None, :]))
    beta = np.array([0.9 if u.is_index else 0.5 for u in unds])[:, None]
    shock = beta * market + np.sqrt(1 - beta**2) * own
    size = np.array([u.volatility for u in unds])[:, None] / np.sqrt(250)
    gaps = size * _GAP_SHARE * normal(keys_with(keys, dates[None, :] + np.uint64(1 << 32)))
    walk = np.cumsum(size * shock, axis=1)
    origin = max(int(ordinals.searchsorted(anchor, "right")) - 1, 0)
    closes = np.log([[u.level] for u in unds]) + walk - walk[:, origin : origin + 1]
    fear = np.convolve(-0.045 * market, 0.85 ** np.arange(_SMOOTH))[: len(ordinals)]
    for row, und in enumerate(unds):
        if und.name == VIX[0]:
            closes[row] = np.log(und.level) + fear
            gaps[row] = np.diff(closes[row], prepend=closes[row, 0]) * 0.4
    return Daily(ordinals, closes, gaps, np.exp(fear))


def path(und: Underlying, seed: int, days: Daily, row: int, column: int, weights: Floats) -> Path:
    """The session's path from the last close over the gap to the close, busier minutes moving more."""
    count, ordinal = len(weights), int(days.ordinals[column])
    words = (count * _STEPS + 3) // 4
    own = normals(stream(key_of(seed, und.key, ordinal, 1), words)).ravel()[: count * _STEPS]
    market = normals(stream(key_of(seed, _MARKET, ordinal, 1), words)).ravel()[: count * _STEPS]
    beta = -0.7 if und.name == VIX[0] else 0.85 if und.is_index else 0.5
    steps = (beta * market + (1 - beta * beta) ** 0.5 * own) * np.repeat(np.sqrt(weights / _STEPS), _STEPS)
    scale = und.volatility / 250**0.5 * (0.35 if und.name == VIX[0] else 0.8)
    start = days.closes[row, column - 1] + days.gaps[row, column]
    walk = np.cumsum(steps) * scale
    share = np.cumsum(np.repeat(weights / _STEPS, _STEPS))
    walk += share * (days.closes[row, column] - start - walk[-1]) + start
    points = walk.reshape(count, _STEPS)
    logs = np.stack([points[:, 0], points.max(1), points.min(1), points[:, -1]])
    return Path(np.exp(logs), logs, float(np.exp(start)))


def smile(log_moneyness: Floats, base: Floats, years: Floats) -> Floats:
    """Implied volatility of strikes: dearer away from the money, dearest for low strikes."""
    z = np.clip(log_moneyness / (base * np.sqrt(years)), -5, 5)
    return base * (1 - 0.035 * z + 0.018 * z * z)


def option_value(forward: Floats, log_moneyness: Floats, strike: Floats, deviation: Floats, sign: Floats) -> Floats:
    """
    Undiscounted Black-Scholes value of options, in the unit of ``forward``.

    Args:
        forward: Forward price.
        log_moneyness: ln(forward / strike).
        strike: In the same unit.
        deviation: Volatility times the square root of the years left, above 0.
        sign: 1 for a call, -1 for a put.
    """
    first = log_moneyness / deviation
    half = 0.5 * deviation
    upper = normal_cdf(sign * (first + half))
    lower = normal_cdf(sign * (first - half))
    return np.maximum(sign * (forward * upper - strike * lower), 0.0)


def session_keys(seed: int, exchanges: Integers, tokens: Integers) -> Words:
    """One key a contract, of (seed, exchange, token)."""
    start = np.array([key_of(seed, int(code)) for code in range(4)], np.uint64)[exchanges]
    return keys_with(start, tokens)
