"""
How busy each contract of an underlying is on a session, and how much interest is open in it.

A :class:`Sheet` holds what is the same all day for every contract of one underlying; it is a few vector operations
over all of them and is shared by single contracts and whole-market totals, so both see the same trades. Whether a
contract trades at all is decided here, so that open interest can look back and stand still over untraded sessions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fnolake.emulator.hashing import Floats, Integers, Words, fraction, keys_with, normal, uniform
from fnolake.emulator.listings import FUTURE, OPTION, SPOT, Columns, Underlying
from fnolake.emulator.prices import RATE, Daily, session_keys, smile

LOOK_BACK = 66
_WEEKS = 12
_OPTION_TRADES = 1_500.0
_FUTURE_TRADES = 9_000.0
_SPOT_TRADES = 90_000.0


@dataclass(frozen=True)
class Sheet:
    """
    One underlying's session, an element a contract (in the order of ``rows``).

    ``trades`` is the number expected (0 = does not trade), ``key`` the session's key, ``oi_before`` and ``oi`` lots,
    ``days`` calendar days to expiry, ``carry`` the log of forward over spot, ``forced`` trades every minute.
    """

    rows: Integers
    key: Words
    trades: Floats
    oi_before: Integers
    oi: Integers
    days: Floats
    carry: Floats
    sigma: Floats
    forced: NDArray[np.bool_]
    is_index: bool


def sheet(columns: Columns, rows: Integers, und: Underlying, number: int, days: Daily, column: int, seed: int) -> Sheet:
    """The sheet of one underlying's ``rows`` for the session of a column of ``days``."""
    back = min(LOOK_BACK, column)
    span = np.arange(column - back + 1, column + 1)
    dates = days.ordinals[span]
    expiry, kind = columns.expiry[rows].astype(np.int64), columns.kind[rows]
    keys = session_keys(seed, columns.exchange[rows].astype(np.int64), columns.token[rows])
    daily = keys_with(keys[:, None], dates[None, :])
    closes = days.closes[number, span - 1]
    left = (expiry[:, None] - dates[None, :]).astype(np.float64)
    alive = (left >= 0) & (columns.listed[rows][:, None] <= dates[None, :])
    alive |= (kind == SPOT)[:, None]
    quiet = _quiet_trades(columns, rows, und, closes, left, days.vix[span - 1])
    expected = quiet * np.exp(0.55 * normal(daily) - 0.15)
    front = _front(kind, expiry, int(dates[-1]))
    surely = front[:, None] | _stray(keys, days.ordinals[span - 1], dates)
    trades_at_all = alive & ((uniform(daily) < 1 - np.exp(-expected)) | surely)
    oi = _interest(kind, quiet, left, daily)
    now, before = _last_seen(trades_at_all, oi)
    spot_like = kind == SPOT
    return Sheet(
        rows,
        daily[:, -1],
        np.where(trades_at_all[:, -1], np.maximum(expected[:, -1], 1.2), 0.0),
        np.where(spot_like, 0, before),
        np.where(spot_like, 0, now),
        left[:, -1],
        np.where(spot_like, 0.0, carry_of(left[:, -1])),
        sigma_of(columns, rows, und, closes[-1], left[:, -1], float(days.vix[column])),
        front,
        und.is_index,
    )


def _stray(keys: Words, before: Integers, dates: Integers) -> NDArray[np.bool_]:
    """The first session of every twelfth week, in which even the deadest contract trades (so that looking back ends)."""
    turn = (keys % np.uint64(_WEEKS)).astype(np.int64)[:, None]
    starts = before // 7 != dates // 7
    return np.asarray(starts[None, :] & ((dates // 7)[None, :] % _WEEKS == turn))


def _front(kind: NDArray[np.uint8], expiry: Integers, today: int) -> NDArray[np.bool_]:
    """Spot and the nearest living future, which trade every minute."""
    living = (kind == FUTURE) & (expiry >= today)
    nearest = expiry[living].min() if living.any() else 0
    front: NDArray[np.bool_] = (kind == SPOT) | (living & (expiry == nearest))
    return front


def _quiet_trades(
    columns: Columns, rows: Integers, und: Underlying, closes: Floats, left: Floats, vix: Floats
) -> Floats:
    """Trades to expect on an ordinary day: fading with moneyness and tenor."""
    kind, strike = columns.kind[rows], np.maximum(columns.strike[rows], 1)
    ahead = np.maximum(left, 0.0)
    deviation = _base_volatility(und) * vix * np.sqrt((ahead + 0.7) / 365)
    sign = np.where(columns.right[rows] == 2, -1.0, 1.0)[:, None]
    away = sign * (np.log(strike)[:, None] - closes[None, :]) / deviation
    fade = np.exp(-np.where(away > 0, 1.0, 2.2) * np.abs(away) ** 1.25)
    round_one = np.where(strike % (und.step_paise * 5 or 1) == 0, 1.7, 0.8)[:, None]
    tenor = (
        np.exp(-ahead / 8) + 0.12 * np.exp(-ahead / 60) if und.activity >= 10 else np.exp(-np.maximum(ahead - 9, 0) / 9)
    )
    option = _OPTION_TRADES * und.activity * fade * tenor * round_one
    future = _FUTURE_TRADES * min(und.activity, 12.0) * np.exp(-np.maximum(ahead - 24, 0) / 9)
    spot = np.full_like(left, 2_000 + _SPOT_TRADES * und.activity)
    return np.where((kind == OPTION)[:, None], option, np.where((kind == FUTURE)[:, None], future, spot))


def _base_volatility(und: Underlying) -> float:
    return und.volatility * 1.08


def carry_of(left: Floats) -> Floats:
    """The log of forward over spot, ``left`` days ahead."""
    return RATE * (left + 0.6) / 365


def sigma_of(columns: Columns, rows: Integers, und: Underlying, close: float, left: Floats, vix: float) -> Floats:
    """Implied volatility of contracts for an underlying's log close, ``left`` days before they expire."""
    strike = np.log(np.maximum(columns.strike[rows], 1).astype(np.float64))
    years = (np.maximum(left, 0.0) + 0.7) / 365
    base = np.full(len(rows), _base_volatility(und) * vix)
    return smile(strike - close - RATE * years, base, years)


def _interest(kind: NDArray[np.uint8], quiet: Floats, left: Floats, daily: Words) -> Integers:
    """Open interest in lots at the end of each session, as if the contract traded on it."""
    wobble = 0.97 + 0.06 * fraction(daily, 12, 12)
    ahead = np.maximum(left, 0.0)
    share = np.where((kind == FUTURE)[:, None], 6.0 / (1 + np.exp((4 - ahead) / 2)) + 0.6, 2.2 / (1 + ahead / 30))
    return np.floor(quiet * share * wobble + 1).astype(np.int64)


def _last_seen(traded: NDArray[np.bool_], oi: Integers) -> tuple[Integers, Integers]:
    """Open interest after the last traded session up to the last column, and up to the one before it."""
    width = traded.shape[1]
    at = np.where(traded, np.arange(width), -1)
    rows = np.arange(len(traded))
    now, before = at.max(axis=1), at[:, :-1].max(axis=1, initial=-1)
    return np.where(now >= 0, oi[rows, now], 0), np.where(before >= 0, oi[rows, before], 0)
