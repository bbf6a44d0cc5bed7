"""Our Black-76 against vollib's (Jäckel's own code), against its own inverse and against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.query.greeks import REASONS, TOLERANCE, YEAR_S, Greeks, greeks, implied_vol, price, years_between

MANY = 100_000
GREEKS = ("delta", "gamma", "theta", "vega", "rho")
FORWARDS = st.floats(5, 100_000)
MONEYNESS = st.floats(-0.4, 0.4)
YEARS = st.floats(60 / YEAR_S, 5)
VOLS = st.floats(0.03, 3)
RATES = st.floats(0, 0.12)
CALLS = st.booleans()


def random_options(count: int) -> tuple[np.ndarray, ...]:
    """Forwards, strikes, years, vols, rates and calls: a minute to five years, ten paise to the far wings."""
    draw = np.random.default_rng(20_261_120)
    years = 10 ** draw.uniform(np.log10(60 / YEAR_S), np.log10(5), count)
    vols = 10 ** draw.uniform(-1.5, 0.5, count)
    forwards = 10 ** draw.uniform(1, 5, count)
    strikes = forwards * np.exp(draw.uniform(-5, 5, count) * np.maximum(vols * np.sqrt(years), 1e-4))
    return forwards, strikes, years, vols, draw.uniform(0, 0.12, count), draw.random(count) < 0.5


def test_a_hundred_thousand_prices_volatilities_and_greeks_are_those_of_another_library() -> None:
    black = pytest.importorskip("vollib.black", reason="the peers extra has vollib")
    from vollib.black.greeks import analytical
    from vollib.black.implied_volatility import implied_volatility

    forwards, strikes, years, vols, rates, calls = options = random_options(MANY)
    rows = list(zip(np.where(calls, "c", "p").tolist(), *(one.tolist() for one in (forwards, strikes, years, rates, vols)), strict=True))
    theirs = np.array([black.black(flag, f, k, t, r, v) for flag, f, k, t, r, v in rows])
    assert np.abs(price(*options) - theirs).max() <= 1e-6

    ours = implied_vol(theirs, forwards, strikes, years, rates, calls)
    solved = ours.reason == 0
    assert solved.mean() > 0.75
    their_vols = np.array([
        implied_volatility(one, f, k, r, t, flag) for one, (flag, f, k, t, r, _), take in zip(theirs.tolist(), rows, solved.tolist(), strict=True) if take
    ])
    assert np.abs(ours.vol[solved] - their_vols).max() <= 2 * TOLERANCE
    assert np.abs(ours.vol[solved] - vols[solved]).max() <= TOLERANCE

    made = greeks(*options)
    for name in GREEKS:
        one = getattr(analytical, name)
        their = np.array([one(flag, f, k, t, r, v) for flag, f, k, t, r, v in rows])
        assert np.abs(getattr(made, name) - their).max() <= 1e-6 * max(1.0, 1e-6 * np.abs(their).max()), name


def test_wherever_a_paisa_tells_the_volatility_it_is_found() -> None:
    options = random_options(MANY)
    forwards, strikes, years, vols, rates, calls = options
    found = implied_vol(price(*options), forwards, strikes, years, rates, calls)
    telling = greeks(*options).vega * 100 > 1e-7 * np.maximum(forwards, strikes)
    assert telling.mean() > 0.75
    assert (found.reason[telling] == 0).all()
    assert np.abs(found.vol - vols)[telling].max() <= TOLERANCE


@given(FORWARDS, MONEYNESS, YEARS, VOLS, RATES)
def test_put_and_call_hold_parity(forward: float, x: float, years: float, vol: float, rate: float) -> None:
    strike = forward * np.exp(x)
    call, put = price(forward, strike, years, vol, rate, [True, False])
    assert call - put == pytest.approx(np.exp(-rate * years) * (forward - strike), abs=1e-11 * forward, rel=1e-12)


@given(FORWARDS, MONEYNESS, YEARS, VOLS, RATES, CALLS)
def test_a_price_grows_with_volatility_and_stays_between_its_bounds(forward: float, x: float, years: float, vol: float, rate: float, call: bool) -> None:
    strike = forward * np.exp(x)
    prices = price(forward, strike, years, [0.0, vol, vol * 1.01, vol * 2], rate, call)
    assert (np.diff(prices) >= -1e-12 * forward).all()
    assert prices[-1] <= np.exp(-rate * years) * (forward if call else strike)
    assert prices[0] == pytest.approx(np.exp(-rate * years) * max(forward - strike if call else strike - forward, 0))


@given(FORWARDS, MONEYNESS, YEARS, VOLS, RATES, CALLS)
def test_the_volatility_of_a_price_is_the_one_that_made_it(forward: float, x: float, years: float, vol: float, rate: float, call: bool) -> None:
    strike = forward * np.exp(x)
    found = implied_vol(price(forward, strike, years, vol, rate, call), forward, strike, years, rate, call)
    assert (found.reason == 0) == np.isfinite(found.vol)
    if found.reason == 0:
        assert found.vol == pytest.approx(vol, abs=TOLERANCE)


@given(FORWARDS, st.floats(-2, 2), st.floats(1 / 365, 2), st.floats(0.08, 1), RATES, CALLS)
def test_greeks_are_what_differences_say(forward: float, deviations: float, years: float, vol: float, rate: float, call: bool) -> None:
    strike = forward * np.exp(deviations * vol * np.sqrt(years))
    made = greeks(forward, strike, years, vol, rate, call)
    h = 1e-4 * forward * vol * np.sqrt(years)

    def at(df: float = 0, dt: float = 0, dv: float = 0, dr: float = 0) -> float:
        return float(price(forward + df, strike, years + dt, vol + dv, rate + dr, call))

    ease = {"abs": 2e-6 * forward * vol * np.sqrt(years)}
    assert made.delta == pytest.approx((at(df=h) - at(df=-h)) / (2 * h), abs=2e-6)
    up, down = greeks(forward + h, strike, years, vol, rate, call).delta, greeks(forward - h, strike, years, vol, rate, call).delta
    assert made.gamma == pytest.approx((up - down) / (2 * h), rel=1e-5, abs=1e-7 / (forward * vol * np.sqrt(years)))
    step = years * 1e-4
    assert made.theta * 365 * years == pytest.approx(-(at(dt=step) - at(dt=-step)) / (2 * step) * years, **ease)
    assert made.vega * 100 * vol == pytest.approx((at(dv=1e-4 * vol) - at(dv=-1e-4 * vol)) / 2e-4, **ease)
    assert made.rho * 100 == pytest.approx((at(dr=1e-4) - at(dr=-1e-4)) / 2e-4, abs=1e-6 * forward * years + 1e-9 * forward)


@pytest.mark.parametrize(("paid", "forward", "strike", "call", "why"), [
    (float("nan"), 100.0, 100.0, True, "no_price"), (0.0, 100.0, 100.0, True, "no_price"), (5.0, float("nan"), 100.0, True, "no_forward"),
    (19.95, 120.0, 100.0, True, "below_intrinsic"), (20.0, 120.0, 100.0, True, "at_intrinsic"), (120.0, 120.0, 100.0, True, "above_limit"),
    (20.0, 100.0, 120.0, False, "at_intrinsic"), (120.0, 100.0, 120.0, False, "above_limit"), (900.0 + 1e-12, 1000.0, 100.0, True, "at_intrinsic"),
    (5.0, 100.0, 120.0, True, ""),
])
def test_what_has_no_volatility_says_why(paid: float, forward: float, strike: float, call: bool, why: str) -> None:
    found = implied_vol(paid, forward, strike, 0.1, 0.0, call)
    assert REASONS[int(found.reason)] == why
    assert np.isfinite(found.vol) == (why == "")


def test_a_price_that_no_double_can_tell_apart_has_no_volatility() -> None:
    deep = price(30_000, 20_000, 7 / 365, 0.31, 0.055, call=True)
    assert REASONS[int(implied_vol(deep, 30_000, 20_000, 7 / 365, 0.055, call=True).reason)] in {"at_intrinsic", "no_vega"}


def test_arrays_of_any_shape_come_back_in_that_shape() -> None:
    strikes = np.array([[90.0, 100.0], [110.0, 120.0]])
    prices = price(100, strikes, 0.1, 0.2, 0.05, call=True)
    found = implied_vol(prices, 100, strikes, 0.1, 0.05, call=True)
    assert found.vol.shape == found.reason.shape == greeks(100, strikes, 0.1, found.vol, 0.05, call=True).gamma.shape == (2, 2)
    assert implied_vol([], [], [], [], 0.05, call=[]).vol.shape == (0,)
    assert isinstance(greeks(100, 100, 0.1, 0.2, 0.05, call=False), Greeks)


def test_years_are_of_365_days_to_the_microsecond_and_never_less_than_a_minute() -> None:
    assert years_between(0, YEAR_S * 1_000_000) == 1.0
    assert years_between(0, 90_000_001) == pytest.approx(90.000001 / YEAR_S, rel=1e-15)
    assert years_between([0, 0, 5], [0, 59_999_999, 0]).tolist() == [60 / YEAR_S] * 3


def test_a_call_at_the_money_is_worth_what_the_textbook_says() -> None:
    assert price(100, 100, 1, 0.2, 0, call=True) == pytest.approx(7.965567455405804, abs=1e-12)
