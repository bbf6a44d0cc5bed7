"""Bars judged again when the exchange's file comes late; and two faults that only several signs together betray."""

from dataclasses import replace

import polars as pl
import pytest

from fnolake.model import Outcome, Proof, Verdict
from fnolake.verify import ExchangeRow, judge, judge_again
from fnolake.verify.again import empty_again
from tests.test_verify import (
    EVENING,
    FRIDAY,
    FUTURE,
    OPTION,
    STOCK,
    asked,
    exchange,
    full,
    names,
    rows,
    say,
    session_of,
    table_of,
    without,
)


def again(row: ExchangeRow, minutes: list[int], contract: object = OPTION, *, must_fill: bool = False) -> Verdict:
    assert isinstance(contract, type(OPTION))
    table = table_of(rows(FRIDAY, minutes, cumulative=False), asked(contract))
    ((_, _, bars),) = judge(table, asked(contract), [session_of(contract)], EVENING, {}, must_fill=must_fill)
    assert isinstance(bars, pl.DataFrame)
    return judge_again(contract, session_of(contract), bars, row, must_fill=must_fill)


def test_bars_that_the_late_file_confirms_are_verified() -> None:
    verdict = again(exchange(30), [600, 700, 939])
    assert (verdict.outcome, verdict.proof, verdict.bars, verdict.volume) == (Outcome.COMPLETE, Proof.VERIFIED, 3, 30)
    assert again(exchange(3850), full(FUTURE), FUTURE, must_fill=True).proof is Proof.VERIFIED


@pytest.mark.parametrize("row", [exchange(31), exchange(300), exchange(30, last=9000)])
def test_bars_that_the_late_file_does_not_confirm_are_asked_again(row: ExchangeRow) -> None:
    verdict = again(row, [600, 700, 800])
    assert (verdict.outcome, verdict.reasons, verdict.proof) == (Outcome.PARTIAL, ("exchange_differs",), Proof.MISMATCH)
    assert verdict.bars == 3


@pytest.mark.parametrize("row", [exchange(30, high=5000, low=4000, last=4500), exchange(0, high=0, low=0, last=0)])
def test_another_contracts_bars_are_condemned_by_the_late_file(row: ExchangeRow) -> None:
    verdict = again(row, [600, 700, 800])
    assert (verdict.outcome, verdict.reasons, verdict.bars) == (Outcome.QUARANTINED, ("not_this_contract",), 0)


def test_a_deficit_that_unserved_phases_explain_stays_complete() -> None:
    verdict = again(exchange(3700), full(STOCK), STOCK, must_fill=True)
    assert (verdict.outcome, verdict.proof, verdict.proof_reasons) == (Outcome.COMPLETE, Proof.UNVERIFIED, ("phases_not_served",))


def test_an_empty_that_the_late_file_contradicts_is_doubtful() -> None:
    assert empty_again(exchange(0)) is None
    doubted = empty_again(exchange(5))
    assert doubted is not None
    assert (doubted.outcome, doubted.reasons) == (Outcome.FAILED, ("doubtful_empty",))


def test_more_volume_than_the_exchange_counted_and_prices_it_never_saw_are_another_contract() -> None:
    verdict = say(rows(FRIDAY, [600, 700]), row=exchange(10, high=10050))
    assert (verdict.outcome, verdict.reasons) == (Outcome.QUARANTINED, ("not_this_contract",))
    assert say(rows(FRIDAY, [600, 700]), row=exchange(10)).outcome is Outcome.COMPLETE


def test_a_zero_row_with_volume_is_a_lost_minute_even_at_the_end() -> None:
    raw = rows(FRIDAY, [600, 700, 800])
    zero = {name: getattr(raw, name).copy() for name in ("open", "high", "low", "close")}
    for values in zero.values():
        values[2] = 0.0
    verdict = say(replace(raw, **zero))
    assert (verdict.outcome, verdict.reasons) == (Outcome.PARTIAL, ("rows_refused",))
    assert "traded_at_zero" in names(verdict)
    quiet = replace(raw, **zero, volume=raw.volume * [1, 1, 0])
    assert say(quiet).outcome is Outcome.COMPLETE


def test_what_is_not_whole_is_never_verified() -> None:
    heavy = rows(FRIDAY, [600, 700, 800], [10_000, 1, 10_000])
    verdict = say(without(heavy, 1), row=exchange(20_001))
    assert (verdict.outcome, verdict.reasons, verdict.proof) == (Outcome.PARTIAL, ("cut",), Proof.UNVERIFIED)
    assert say(without(heavy, 2), row=exchange(20_001)).proof is Proof.MISMATCH
