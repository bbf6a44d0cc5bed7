"""Each kind of damage to generated bars is found against a consistent exchange row, or changes nothing that such a row can show."""

from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fnolake.model import Contract, Outcome, Proof, RawBars, Verdict, ist_midnight_us
from fnolake.verify import Actions, ExchangeRow, compare, judge_again, unless_rebased
from fnolake.verify.rebased import factor_between, finding, rational
from fnolake.verify.tolerance import TOLERANCES, tolerance
from tests.test_verify import (
    EVENING,
    FRIDAY,
    FUTURE,
    OPTION,
    STOCK,
    asked,
    full,
    judge,
    rows,
    say,
    session_of,
    table_of,
    taken,
    without,
)

SETTINGS = settings(max_examples=80, deadline=None)


@dataclass(frozen=True)
class Market:
    """One contract-session: its bars and the exchange's row of the very same trades."""

    raw: RawBars
    row: ExchangeRow

    @property
    def minutes(self) -> list[int]:
        return ((self.raw.epoch_s - ist_midnight_us(FRIDAY) // 1_000_000) // 60).tolist()


@st.composite
def markets(draw: st.DrawFn, contract: Contract = OPTION, *, told: bool = True) -> Market:
    """A walk on the tick grid; every minute of a must-fill contract, some of an option's."""
    minutes = full(contract)
    if contract.kind == "option":
        minutes = sorted(draw(st.sets(st.sampled_from(minutes), min_size=4, max_size=50)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    size = len(minutes)
    close = 20_000 + 5 * rng.integers(-6, 7, size).cumsum()
    opened = np.concatenate(([20_000], close[:-1]))
    high = np.maximum(opened, close) + 5 * rng.integers(0, 4, size)
    low = np.minimum(opened, close) - 5 * rng.integers(0, 4, size)
    volume = contract.lot * rng.integers(1, 400, size)
    stamps = np.array(minutes, np.int64) * 60 + ist_midnight_us(FRIDAY) // 1_000_000
    prices = [one / 100 for one in (opened, high, low, close)]
    total = np.cumsum(volume) if told else np.full(size, -1)
    raw = RawBars(stamps, *prices, volume, np.full(size, 500), prices[3].copy(), total, np.zeros(size, np.bool_))
    row = ExchangeRow(
        int(opened[0]), int(high.max()), int(low.min()), int(close[-1]) + 3, int(close[-1]), int(volume.sum()), 500, size,
    )
    return Market(raw, row)


def verdict_of(market: Market, raw: RawBars | None = None, contract: Contract = OPTION) -> Verdict:
    return say(market.raw if raw is None else raw, contract, market.row, must_fill=contract.kind != "option")


def bars_of(raw: RawBars, contract: Contract = OPTION) -> pl.DataFrame:
    table = table_of(raw, asked(contract))
    ((_, _, bars),) = judge(table, asked(contract), [session_of(contract)], EVENING, {}, must_fill=False)
    return bars


@SETTINGS
@given(st.data(), st.sampled_from([OPTION, FUTURE, STOCK]))
def test_undamaged_bars_are_verified(data: st.DataObject, contract: Contract) -> None:
    market = data.draw(markets(contract))
    assert verdict_of(market, contract=contract).proof is Proof.VERIFIED
    assert judge_again(
        contract, session_of(contract), bars_of(market.raw, contract), market.row, must_fill=contract.kind != "option",
    ).proof is Proof.VERIFIED


@SETTINGS
@given(st.data(), st.sampled_from([OPTION, FUTURE, STOCK]), st.booleans())
def test_a_dropped_minute_is_never_verified(data: st.DataObject, contract: Contract, told: bool) -> None:
    market = data.draw(markets(contract, told=told))
    place = data.draw(st.integers(0, len(market.raw) - 1))
    verdict = verdict_of(market, without(market.raw, place), contract)
    assert verdict.proof is not Proof.VERIFIED
    assert verdict.reasons or verdict.proof is Proof.MISMATCH or verdict.proof_reasons


@SETTINGS
@given(st.data(), st.sampled_from([OPTION, FUTURE, STOCK]), st.integers(1, 5))
def test_late_minutes_are_never_verified(data: st.DataObject, contract: Contract, late: int) -> None:
    market = data.draw(markets(contract))
    assume(late < len(market.raw))
    verdict = verdict_of(market, taken(market.raw, np.arange(len(market.raw) - late)), contract)
    assert verdict.proof is not Proof.VERIFIED


@SETTINGS
@given(st.data(), st.sampled_from([OPTION, FUTURE, STOCK]))
def test_a_clipped_high_is_found_where_it_was_the_days(data: st.DataObject, contract: Contract) -> None:
    market = data.draw(markets(contract))
    raw, place = market.raw, data.draw(st.integers(0, len(market.raw) - 1))
    high = raw.high.copy()
    high[place] = max(raw.open[place], raw.close[place])
    verdict = verdict_of(market, replace(raw, high=high), contract)
    clipped_the_day = round(high.max() * 100) < (market.row.high or 0) and market.row.high != market.row.open
    if clipped_the_day and (market.row.high not in (market.row.last, market.row.close)):
        assert verdict.proof is not Proof.VERIFIED
        named = {"high_below_exchange", "range_near"}
        assert {finding.name for finding in verdict.findings} & named
    elif high[place] != raw.high[place]:
        seen = compare(bars_of(raw, contract), bars_of(replace(raw, high=high), contract))
        assert [finding.name for finding in seen.findings] == ["clipped_high"], "what the day's row cannot show, a second answer does"


@SETTINGS
@given(markets(), st.data())
def test_volume_moved_between_minutes_changes_no_figure_of_the_day_and_a_second_answer_shows_it(market: Market, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(market.raw) - 2))
    volume = market.raw.volume.copy()
    moved = int(volume[place]) // 2
    assume(moved)
    volume[place] -= moved
    volume[place + 1] += moved
    spoiled = replace(market.raw, volume=volume, cumulative=np.cumsum(volume))
    assert int(volume.sum()) == market.row.volume
    assert not compare(bars_of(market.raw), bars_of(spoiled)).agreed


@SETTINGS
@given(st.data(), st.sampled_from([OPTION, FUTURE, STOCK]), st.booleans())
def test_volume_counted_twice_is_never_verified(data: st.DataObject, contract: Contract, told: bool) -> None:
    market = data.draw(markets(contract, told=told))
    place = data.draw(st.integers(0, len(market.raw) - 1))
    volume = market.raw.volume.copy()
    volume[place] *= 2
    total = np.cumsum(volume) if told else market.raw.cumulative
    verdict = verdict_of(market, replace(market.raw, volume=volume, cumulative=total), contract)
    assert verdict.proof is not Proof.VERIFIED


@SETTINGS
@given(markets(), markets(), st.integers(2, 9))
def test_another_contracts_bars_are_refused(market: Market, other: Market, times: int) -> None:
    scaled = {name: np.round(getattr(other.raw, name) * times, 2) for name in ("open", "high", "low", "close", "vwap")}
    verdict = verdict_of(market, replace(other.raw, **scaled))
    assert (verdict.outcome, verdict.reasons, verdict.bars) == (Outcome.QUARANTINED, ("not_this_contract",), 0)


@SETTINGS
@given(markets(), st.data())
def test_a_file_that_comes_late_says_the_same(market: Market, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(market.raw) - 2))
    kept = bars_of(without(market.raw, place))
    verdict = judge_again(OPTION, session_of(OPTION), kept, market.row, must_fill=False)
    assert verdict.proof is not Proof.VERIFIED
    assert set(verdict.proof_reasons) & {"volume_below_exchange", "volume_near", "volume_after_last_bar"}


@SETTINGS
@given(markets(STOCK), st.sampled_from([Fraction(2), Fraction(5), Fraction(3, 2), Fraction(10), Fraction(1, 2)]))
def test_re_based_history_is_recognised_against_the_row_and_against_what_is_stored(market: Market, factor: Fraction) -> None:
    scaled = {name: np.round(getattr(market.raw, name) / float(factor) / 0.05) * 0.05 for name in ("open", "high", "low", "close", "vwap")}
    volume = (market.raw.volume * float(factor)).astype(np.int64)
    raw = replace(market.raw, **scaled, volume=volume, cumulative=np.cumsum(volume))
    verdict = verdict_of(market, raw, STOCK)
    assert (verdict.outcome, verdict.reasons) == (Outcome.QUARANTINED, ("rebased_history",))
    assert factor_between(bars_of(market.raw, STOCK), bars_of(raw, STOCK)) == factor
    assert factor_between(bars_of(market.raw, STOCK), bars_of(market.raw, STOCK)) is None


@pytest.mark.parametrize(("ratio", "factor"), [
    (2.001, Fraction(2)), (0.2, Fraction(1, 5)), (1.5, Fraction(3, 2)), (1.0, None), (1.01, None), (float("nan"), None), (37.3, None),
])
def test_only_ratios_of_small_whole_numbers_are_splits(ratio: float, factor: Fraction | None) -> None:
    assert rational(ratio) == factor


def test_a_known_corporate_action_counts_whatever_its_numbers() -> None:
    odd = Fraction(10_765, 10_000)
    known = Actions({odd: "bonus of 20 Nov 2026"})
    assert (rational(1.0765, known), rational(1 / 1.0765, known)) == (odd, 1 / odd) != (rational(1.0765), rational(1 / 1.0765))
    assert "re-based for the bonus of 20 Nov 2026" in finding(odd, 7, known).detail
    assert "re-based for the bonus of 20 Nov 2026" in finding(1 / odd, 7, known).detail


def scaled(market: Market, factor: float) -> RawBars:
    prices = {name: np.round(getattr(market.raw, name) / factor / 0.05) * 0.05 for name in ("open", "high", "low", "close", "vwap")}
    return replace(market.raw, **prices)


@SETTINGS
@given(markets(STOCK), st.floats(1.03, 1.9))
def test_after_a_demerger_any_constant_factor_is_a_re_basing_and_before_none_was_told_only_a_splits_is(market: Market, factor: float) -> None:
    assume(rational(factor) is None)
    stored, fetched = bars_of(market.raw, STOCK), bars_of(scaled(market, factor), STOCK)
    verdict = Verdict(Outcome.COMPLETE, bars=fetched.height)
    assert unless_rebased(verdict, fetched, stored) == verdict
    told = unless_rebased(verdict, fetched, stored, Actions(unsized="demerger of 23 Nov 2026", told=True))
    assert (told.outcome, told.reasons) == (Outcome.QUARANTINED, ("rebased_history",))
    assert "re-based for the demerger of 23 Nov 2026" in told.findings[0].detail
    same = bars_of(market.raw, STOCK)
    assert unless_rebased(verdict, same, stored, Actions(unsized="demerger of 23 Nov 2026", told=True)) == verdict


def test_where_the_list_names_nothing_the_finding_says_so() -> None:
    assert "names no split or bonus" in finding(Fraction(2), 7, Actions(told=True)).detail
    assert "for a split or bonus" in finding(Fraction(2), 7).detail


@SETTINGS
@given(markets(STOCK))
def test_against_the_exchanges_row_the_known_action_is_named(market: Market) -> None:
    known = {FRIDAY: Actions({Fraction(2): "split of 23 Nov 2026"}, told=True)}
    raw = replace(scaled(market, 2), volume=market.raw.volume * 2, cumulative=market.raw.cumulative * 2)
    ((_, verdict, _),) = judge(
        table_of(raw, asked(STOCK)), asked(STOCK), [session_of(STOCK)], EVENING, {FRIDAY: market.row}, must_fill=True, actions=known,
    )
    assert verdict.reasons == ("rebased_history",)
    assert "re-based for the split of 23 Nov 2026" in verdict.findings[-1].detail


def test_without_a_file_a_session_before_an_ex_date_is_not_called_like_any_other() -> None:
    def proof(actions: Actions) -> tuple[str, ...]:
        ((_, verdict, _),) = judge(
            table_of(rows(FRIDAY, full(STOCK)), asked(STOCK)), asked(STOCK), [session_of(STOCK)], EVENING, {}, must_fill=True,
            actions={FRIDAY: actions},
        )
        assert verdict.proof is Proof.UNVERIFIED
        return verdict.proof_reasons

    assert proof(Actions({Fraction(2): "bonus of 23 Nov 2026"}, told=True)) == ("no_exchange_file", "before_ex_date")
    assert proof(Actions(unsized="demerger of 23 Nov 2026", told=True)) == ("no_exchange_file", "before_ex_date")
    assert proof(Actions(told=True)) == ("no_exchange_file",)


def test_the_opening_price_of_an_unserved_pre_open_explains_an_extreme_and_nothing_else_does() -> None:
    whole = rows(FRIDAY, full(FUTURE), cumulative=False)
    row = ExchangeRow(10_500, 10_500, 9900, 10_003, 10_000, 10 * len(whole), 500, 9)
    explained = say(whole, FUTURE, row)
    assert (explained.proof, explained.proof_reasons) == (Proof.UNVERIFIED, ("phases_not_served",))
    assert say(whole, FUTURE, replace(row, open=10_400)).proof_reasons == ("high_below_exchange",)
    assert say(whole, OPTION, row).proof_reasons == ("high_below_exchange",)


def test_bars_of_a_contract_that_did_not_trade_are_refused_unless_they_hold_no_volume() -> None:
    quiet = ExchangeRow(0, 0, 0, 500, 0, 0, 0, 0)
    assert say(rows(FRIDAY, [600, 700]), row=quiet).reasons == ("not_this_contract",)
    flat = say(rows(FRIDAY, [600, 700], [0, 0], cumulative=False), row=quiet)
    assert (flat.outcome, flat.bars) == (Outcome.UNTRADED, 0)


def test_an_expiring_contracts_open_interest_is_not_looked_at() -> None:
    row = ExchangeRow(10_000, 10_100, 9900, 84_000_00, 10_000, 20, 9_000_000, 2)
    expiring = replace(OPTION, venue="BSE", expiry=FRIDAY)
    assert say(rows(FRIDAY, [600, 700]), expiring, row).findings == ()
    assert [one.name for one in say(rows(FRIDAY, [600, 700]), row=row).findings] == ["oi_differs"]


def test_every_figure_has_a_source_and_eras_do_not_overlap() -> None:
    assert all(one.source for one in TOLERANCES)
    assert len({(one.segment, one.kind, one.since) for one in TOLERANCES}) == len(TOLERANCES)
    assert tolerance("FO", "future", date(2025, 12, 7)).phases == 0
    assert tolerance("FO", "future", date(2025, 12, 8)).phases > 0
    assert tolerance("CM", "spot", date(2026, 8, 3)).band == 0.03
