"""
Black-76: prices, implied volatilities and greeks of European options on a forward. Pure numbers, arrays in and arrays out.

Every argument may be a scalar or an array; they are broadcast together. Units: ``price``, ``forward`` and ``strike`` in
rupees per unit, ``years`` of 365 days (ACT/365), ``vol`` and ``rate`` per year as fractions (0.15 = 15 %), ``call`` True
for a CE and False for a PE. The rate only discounts; the forward carries everything else.

Invariant: a number that cannot be had is never a silent NaN: ``implied_vol`` says why of every one.

References (2026-11-21): F. Black, The pricing of commodity contracts, J. Financial Economics 3 (1976); P. Jäckel, By
implication (2006) and Let's be rational (2015), http://www.jaeckel.org, for the normalised form and the choice of branches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

Floats = NDArray[np.float64]
YEAR_S: Final = 365 * 86_400
"""Seconds of a year, ACT/365."""
FLOOR_S: Final = 60.0
"""No option is taken to have less time than this, in seconds."""

SOLVED, NO_PRICE, NO_FORWARD, BELOW_INTRINSIC, AT_INTRINSIC, ABOVE_LIMIT, NO_VEGA = range(7)
REASONS: Final = ("", "no_price", "no_forward", "below_intrinsic", "at_intrinsic", "above_limit", "no_vega")
"""Why an implied volatility is not there, by code. ``no_vega``: the price is there, but no double tells its volatility apart."""

TOLERANCE: Final = 1e-6
"""No volatility is given that the price's last digits could move by more than this."""

_ROUNDING: Final = 8 * float(np.finfo(np.float64).eps)
_SMALLEST: Final = 8 * float(np.finfo(np.float64).smallest_subnormal)
_STEPS: Final = 64
_MOST: Final = 64.0
_SQRT_HALF: Final = float(np.sqrt(0.5))
_SQRT_TWO_PI: Final = float(np.sqrt(2 * np.pi))


@dataclass(frozen=True, slots=True)
class Implied:
    """
    Volatilities per year as fractions, and why not.

    Attributes:
        vol: NaN exactly where ``reason`` is not 0.
        reason: Index into ``REASONS``, int8.
    """

    vol: Floats
    reason: NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Greeks:
    """
    First and second order sensitivities of one unit of an option, NaN where an input is.

    Attributes:
        delta: Rupees per rupee of the forward, discounted: 0 to 1 for a call, -1 to 0 for a put.
        gamma: Change of delta per rupee of the forward.
        theta: Rupees per calendar day that passes, the forward and the volatility standing still.
        vega: Rupees per volatility point (0.01).
        rho: Rupees per 1 % of the rate (0.01), the forward standing still: only the discounting.
    """

    delta: Floats
    gamma: Floats
    theta: Floats
    vega: Floats
    rho: Floats


def years_between(start_us: ArrayLike, end_us: ArrayLike) -> Floats:
    """Years (ACT/365, to the microsecond) between two UTC instants in microseconds; never less than a minute."""
    seconds = (np.asarray(end_us, dtype=np.int64) - np.asarray(start_us, dtype=np.int64)) / 1e6
    return np.asarray(np.maximum(seconds, FLOOR_S) / YEAR_S, dtype=np.float64)


def price(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, rate: ArrayLike, call: ArrayLike) -> Floats:
    """Discounted prices in rupees per unit; with no volatility or no time, the discounted intrinsic value."""
    f, k, t, v, r, c = _arrays(forward, strike, years, vol, rate, call)
    with np.errstate(all="ignore"):
        spread = v * np.sqrt(t)
        beyond = np.sqrt(f * k) * _out_of_money(-np.abs(np.log(f / k)), spread)
        return np.asarray(np.exp(-r * t) * (_intrinsic(f, k, c) + np.where(spread > 0, beyond, 0.0 * spread)))


def implied_vol(price: ArrayLike, forward: ArrayLike, strike: ArrayLike, years: ArrayLike, rate: ArrayLike, call: ArrayLike) -> Implied:
    """
    The volatility at which Black-76 gives this price.

    What is solved is the time value, which by put-call parity is the price of the out-of-the-money option at that strike; so
    a price deep in the money is as good as its last digits. Where these could move the volatility by more than
    ``TOLERANCE`` it is not given (``no_vega``).

    Returns:
        Of the broadcast shape.
    """
    p, f, k, t, r, c = _arrays(price, forward, strike, years, rate, call)
    with np.errstate(all="ignore"):
        grown, mean = p * np.exp(r * t), np.sqrt(f * k)
        value = grown - _intrinsic(f, k, c)
        noise = _ROUNDING * np.where(value == grown, grown, np.maximum(f, k)) + _SMALLEST * mean
        reason = _reasons(p, f, k, t, r, value, noise)
        x = -np.abs(np.log(f / k))
        solvable = reason == SOLVED
        spread = np.full(p.shape, np.nan)
        spread[solvable] = _solve(x[solvable], (value / mean)[solvable])
        vol = spread / np.sqrt(t)
        error = noise / (mean * _slope(x, spread) * np.sqrt(t))
    reason[solvable & ~(error <= TOLERANCE)] = NO_VEGA
    return Implied(np.where(reason == SOLVED, vol, np.nan), reason)


def greeks(forward: ArrayLike, strike: ArrayLike, years: ArrayLike, vol: ArrayLike, rate: ArrayLike, call: ArrayLike) -> Greeks:
    """Greeks in the units of :class:`Greeks`, of the broadcast shape; the volatility and the time must be above 0."""
    f, k, t, v, r, c = _arrays(forward, strike, years, vol, rate, call)
    with np.errstate(all="ignore"):
        root = np.sqrt(t)
        d1 = np.log(f / k) / (v * root) + v * root / 2
        discount, sign, bell = np.exp(-r * t), np.where(c, 1.0, -1.0), np.exp(-d1 * d1 / 2) / _SQRT_TWO_PI
        inside = special.ndtr(sign * d1)
        worth = discount * sign * (f * inside - k * special.ndtr(sign * (d1 - v * root)))
        return Greeks(
            delta=discount * sign * inside, gamma=discount * bell / (f * v * root),
            theta=(r * worth - f * discount * bell * v / (2 * root)) / 365, vega=f * discount * bell * root / 100, rho=-t * worth / 100,
        )


def _arrays(*given: ArrayLike) -> tuple[Floats, Floats, Floats, Floats, Floats, NDArray[np.bool_]]:
    """Five arrays of numbers and one of flags, broadcast together."""
    *numbers, flags = given
    one, two, three, four, five, call = np.broadcast_arrays(*(np.asarray(number, dtype=np.float64) for number in numbers), np.asarray(flags, dtype=np.bool_))
    return one, two, three, four, five, call


def _intrinsic(forward: Floats, strike: Floats, call: NDArray[np.bool_]) -> Floats:
    return np.asarray(np.maximum(np.where(call, forward - strike, strike - forward), 0.0))


def _reasons(p: Floats, f: Floats, k: Floats, t: Floats, r: Floats, value: Floats, noise: Floats) -> NDArray[np.int8]:
    """Codes of ``REASONS``, the first that applies."""
    usable = np.isfinite(f) & (f > 0) & np.isfinite(k) & (k > 0) & np.isfinite(t) & (t > 0) & np.isfinite(r)
    checks = (
        (~np.isfinite(p) | (p <= 0), NO_PRICE), (~usable, NO_FORWARD), (value < -noise, BELOW_INTRINSIC),
        (value <= noise, AT_INTRINSIC), (value >= np.minimum(f, k) - noise, ABOVE_LIMIT),
    )
    return np.asarray(np.select([where for where, _ in checks], [code for _, code in checks], SOLVED), dtype=np.int8)


def _out_of_money(x: Floats, spread: Floats) -> Floats:
    """
    Black's price of an out-of-the-money option over ``sqrt(forward * strike)``, with ``x = -|ln(forward / strike)|``.

    Scaled complementary error functions keep every digit in the far wings, where the textbook difference cancels.
    """
    h, half = x / spread, spread / 2
    wings = special.erfcx(-(h + half) * _SQRT_HALF) - special.erfcx(-(h - half) * _SQRT_HALF)
    wide = np.exp(x / 2) * special.ndtr(h + half) - np.exp(-x / 2) * special.ndtr(h - half)
    return np.asarray(np.where(h + half < 0, np.exp(-(h * h + half * half) / 2) * wings / 2, wide))


def _slope(x: Floats, spread: Floats) -> Floats:
    """Derivative of ``_out_of_money`` by the spread."""
    return np.asarray(np.exp(-((x / spread) ** 2 + spread * spread / 4) / 2) / _SQRT_TWO_PI)


def _solve(x: Floats, target: Floats) -> Floats:
    """
    The spread (volatility times root of time) of normalised out-of-the-money prices; NaN where none is found.

    Newton inside a bracket: below the inflection on ``1 / sqrt(ln(limit / price))``, which is nearly straight there, and above
    it on ``ln(limit - price)``. A step that leaves the bracket is halved instead.
    """
    limit = np.exp(x / 2)
    bend = np.sqrt(-2 * x)
    below = target < np.where(bend > 0, _out_of_money(x, np.maximum(bend, 1e-300)), 0.0)
    low, high = np.where(below, 0.0, bend), np.where(below, bend, _MOST)
    wanted = _straight(target, limit, below)
    spread = np.where(below, -x * wanted * _SQRT_HALF, np.maximum(bend, 0) + target * _SQRT_TWO_PI)
    spread = np.where((spread > low) & (spread < high), spread, (low + np.minimum(high, 1.0 + low)) / 2)
    for _ in range(_STEPS):
        now = _out_of_money(x, spread)
        over = now > target
        low, high = np.where(over, low, spread), np.where(over, spread, high)
        step = (wanted - _straight(now, limit, below)) / _straight_slope(now, limit, below) / _slope(x, spread)
        moved = spread + step
        moved = np.where((moved > low) & (moved < high), moved, np.where(np.abs(step) < 1e-15 * spread, spread, (low + high) / 2))
        done = np.abs(moved - spread) <= 1e-14 * spread
        spread = moved
        if done.all():
            break
    found = np.abs(_out_of_money(x, spread) - target) <= 1e-9 * target
    return np.asarray(np.where(found & (spread < _MOST), spread, np.nan))


def _straight(price: Floats, limit: Floats, below: NDArray[np.bool_]) -> Floats:
    """A growing function of the price that is nearly a straight line in the spread."""
    return np.asarray(np.where(below, 1 / np.sqrt(np.log(limit / price)), -np.log(limit - price)))


def _straight_slope(price: Floats, limit: Floats, below: NDArray[np.bool_]) -> Floats:
    """Derivative of ``_straight`` by the price."""
    return np.asarray(np.where(below, np.log(limit / price) ** -1.5 / (2 * price), 1 / (limit - price)))
