"""A verdict for every wanted session: good ones are complete, and every fault is found."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.market.calendar import Calendar
from fnolake.model import (
    BarRequest,
    Contract,
    Outcome,
    Page,
    Proof,
    RawBars,
    Session,
    Verdict,
    ist_midnight_us,
    quarantine_schema,
    utc_from_us,
)
from fnolake.normalize import Normalized, normalize
from fnolake.verify import ExchangeRow, judge, refused_rows, verdict_for_empty

CALENDAR = Calendar.bundled()
MONDAY, FRIDAY = date(2026, 11, 16), date(2026, 11, 20)
EVENING = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
OPTION = Contract(7, "NSE", "FO", 5001, "TCS23NOV26C3000", "TCS", "option", date(2026, 11, 23), 300_000, "CE", 175, 5, "X")
FUTURE = replace(OPTION, kind="future", strike_paise=None, right=None)
STOCK = replace(FUTURE, kind="spot", expiry=None, segment="CM")
INDEX = replace(STOCK, underlying="NIFTY", is_index=True)
OPEN = 555


def rows(day: date, minutes: list[int], volume: list[int] | None = None, *, cumulative: bool = True, price: float = 100.0) -> RawBars:
    """Rows at minutes of the IST day; volume 10 each unless given, and its running total."""
    n = len(minutes)
    sold = np.array(volume if volume is not None else [10] * n, np.int64)
    flat = np.full(n, price)
    stamps = np.array(minutes, np.int64) * 60 + ist_midnight_us(day) // 1_000_000
    total = np.cumsum(sold) if cumulative else np.full(n, -1)
    return RawBars(stamps, flat, flat + 1, flat - 1, flat.copy(), sold, np.full(n, 500), flat.copy(), total, np.zeros(n, np.bool_))


def without(raw: RawBars, *places: int) -> RawBars:
    return taken(raw, np.setdiff1d(np.arange(len(raw)), places))


def taken(raw: RawBars, keep: np.ndarray) -> RawBars:
    names = ("epoch_s", "open", "high", "low", "close", "volume", "oi", "vwap", "cumulative", "wall_mismatch")
    return RawBars(*(getattr(raw, name)[keep] for name in names), undecoded=raw.undecoded)


def asked(contract: Contract, first: date = FRIDAY, last: date = FRIDAY) -> BarRequest:
    return BarRequest(contract, utc_from_us(ist_midnight_us(first)), utc_from_us(ist_midnight_us(last)) + timedelta(days=1))


def table_of(raw: RawBars, request: BarRequest) -> Normalized:
    return normalize(Page(request, "shoonya", "demo", EVENING, "00", raw), CALENDAR)


def session_of(contract: Contract, day: date = FRIDAY) -> Session:
    session = CALENDAR.session_for(contract, day)
    assert session is not None
    return session


def say(raw: RawBars, contract: Contract = OPTION, row: ExchangeRow | None = None, *, must_fill: bool = False,
        now: datetime = EVENING, request: BarRequest | None = None) -> Verdict:
    request = request or asked(contract)
    ((day, verdict, bars),) = judge(
        table_of(raw, request), request, [session_of(contract)], now, {FRIDAY: row}, must_fill=must_fill,
    )
    assert day == FRIDAY
    assert bars.height == verdict.bars
    return verdict


def names(verdict: Verdict) -> set[str]:
    return {finding.name for finding in verdict.findings}


def exchange(volume: int, **changes: int | None) -> ExchangeRow:
    values: dict[str, int | None] = {"open": 10000, "high": 10100, "low": 9900, "close": 10003, "last": 10000, "oi": 500, "trades": 9, **changes}
    return ExchangeRow(volume=volume, **values)  # type: ignore[arg-type]


def full(contract: Contract) -> list[int]:
    return [m for w in session_of(contract).continuous for m in range(w.start, w.end)]


@pytest.mark.parametrize(("contract", "count"), [(STOCK, 360), (INDEX, 360), (FUTURE, 385), (replace(INDEX, underlying="INDIAVIX"), 385)])
def test_a_full_session_is_complete(contract: Contract, count: int) -> None:
    minutes = full(contract)
    verdict = say(rows(FRIDAY, minutes[::-1], [0] * count, cumulative=False), contract, must_fill=True)
    assert (verdict.outcome, verdict.reasons, verdict.bars) == (Outcome.COMPLETE, (), count)
    assert (verdict.first_us, verdict.last_us) == (session_of(contract).open_us, session_of(contract).close_us - 60_000_000)
    reason = "index_not_in_files" if contract.is_index else "no_exchange_file"
    assert (verdict.proof, verdict.proof_reasons) == (Proof.UNVERIFIED, (reason,))


@pytest.mark.parametrize("gone", [[0], [200], [359], [10, 11, 12]])
def test_a_series_that_must_fill_its_minutes_is_partial_without_one(gone: list[int]) -> None:
    verdict = say(without(rows(FRIDAY, full(INDEX), [0] * 360), *gone), INDEX, must_fill=True)
    assert (verdict.outcome, verdict.reasons) == (Outcome.PARTIAL, ("mask_not_met",))
    assert "missing_minutes" in names(verdict)


def test_a_minute_in_which_nothing_traded_by_the_running_total_need_not_be_there() -> None:
    minutes = [m for m in full(FUTURE) if m != 700]
    assert say(rows(FRIDAY, minutes), FUTURE, must_fill=True).outcome is Outcome.COMPLETE
    tail = say(rows(FRIDAY, full(FUTURE)[:-1]), FUTURE, must_fill=True)
    assert tail.reasons == ("mask_not_met",)
    proven = say(rows(FRIDAY, full(FUTURE)[:-1]), FUTURE, exchange(3840), must_fill=True)
    assert (proven.outcome, proven.proof) == (Outcome.COMPLETE, Proof.VERIFIED)


def test_no_minute_is_demanded_where_the_hours_are_disputed() -> None:
    day = date(2024, 5, 18)
    session = session_of(INDEX, day)
    request = asked(INDEX, day, day)
    ((_, verdict, _),) = judge(table_of(rows(day, [OPEN], [0]), request), request, [session], EVENING, {}, must_fill=True)
    assert verdict.outcome is Outcome.COMPLETE


def test_a_missing_minute_of_an_option_is_no_gap_but_missing_volume_is() -> None:
    raw = rows(FRIDAY, [OPEN, 600, 601, 650])
    assert say(raw).outcome is Outcome.COMPLETE
    for gone in (0, 1):
        verdict = say(without(raw, gone))
        assert (verdict.outcome, verdict.reasons) == (Outcome.PARTIAL, ("cut",))
        assert "volume_mismatch" in names(verdict)


def test_bars_whose_volume_is_not_that_of_the_running_total_are_partial() -> None:
    raw = rows(FRIDAY, [OPEN, 556, 557], [0, 0, 0])
    verdict = say(replace(raw, cumulative=np.array([5, 10, 15])))
    assert verdict.reasons == ("volume_mismatch",)


def test_noise_between_neighbouring_minutes_is_no_gap() -> None:
    raw = rows(FRIDAY, list(range(OPEN, 600)), [1000] * 45)
    assert say(replace(raw, cumulative=raw.cumulative + np.where(np.arange(45) == 20, 1, 0))).outcome is Outcome.COMPLETE


def test_a_running_total_that_passed_32_bits_is_followed() -> None:
    raw = rows(FRIDAY, [OPEN, 556, 557], [2_000_000_000, 2_000_000_000, 2_000_000_000])
    verdict = say(replace(raw, cumulative=raw.cumulative % 2**32))
    assert verdict.outcome is Outcome.COMPLETE
    assert "cumulative_wrapped" in names(verdict)


def test_pre_open_volume_in_no_bar_is_named_and_no_gap_where_there_is_a_pre_open() -> None:
    raw = rows(FRIDAY, full(FUTURE))
    early = replace(raw, cumulative=raw.cumulative + 500)
    verdict = say(early, FUTURE, must_fill=True)
    assert verdict.outcome is Outcome.COMPLETE
    assert "preopen_volume" in names(verdict)
    verdict = say(early, FUTURE, exchange(3850 + 500), must_fill=False)
    assert (verdict.outcome, verdict.proof, verdict.proof_reasons) == (Outcome.COMPLETE, Proof.UNVERIFIED, ("phases_not_served",))
    assert say(replace(rows(FRIDAY, full(OPTION)), cumulative=early.cumulative)).outcome is Outcome.PARTIAL


def test_volume_range_and_last_price_of_the_exchange_are_proof() -> None:
    verdict = say(rows(FRIDAY, [600, 700]), row=exchange(20))
    assert (verdict.outcome, verdict.proof, verdict.proof_reasons, verdict.rank) == (Outcome.COMPLETE, Proof.VERIFIED, (), 70)
    assert verdict.volume == 20


@pytest.mark.parametrize(("row", "name", "outcome"), [
    (exchange(30), "volume_below_exchange", Outcome.PARTIAL), (exchange(10), "volume_above_exchange", Outcome.COMPLETE),
    (exchange(20, high=10050), "outside_exchange_range", Outcome.COMPLETE), (exchange(20, low=9950), "outside_exchange_range", Outcome.COMPLETE),
    (exchange(20, last=10080), "last_price_differs", Outcome.COMPLETE), (exchange(20, high=10200), "high_below_exchange", Outcome.COMPLETE),
    (exchange(20, low=9800), "low_above_exchange", Outcome.COMPLETE),
])
def test_each_disagreement_with_the_exchange_is_a_named_mismatch(row: ExchangeRow, name: str, outcome: Outcome) -> None:
    verdict = say(rows(FRIDAY, [600, 700]), row=row)
    assert (verdict.outcome, verdict.proof, verdict.proof_reasons) == (outcome, Proof.MISMATCH, (name,))
    assert name in names(verdict)


def test_blank_prices_of_the_exchange_prove_nothing_and_open_interest_is_only_observed() -> None:
    row = ExchangeRow(None, None, None, None, None, 20, 90_000)
    verdict = say(rows(FRIDAY, [600, 700]), row=row)
    assert (verdict.proof, verdict.proof_reasons) == (Proof.UNVERIFIED, ("no_range", "no_last_price"))
    assert names(verdict) == {"oi_differs", "no_range", "no_last_price"}


def test_bars_of_another_contract_are_refused_whole_and_kept_in_quarantine() -> None:
    request = asked(OPTION)
    table = table_of(rows(FRIDAY, [600, 700]), request)
    judged = judge(table, request, [session_of(OPTION)], EVENING, {FRIDAY: exchange(20, high=5000, low=4000, last=4500)}, must_fill=False)
    ((_, verdict, bars),) = judged
    assert (verdict.outcome, verdict.reasons, verdict.bars, bars.height) == (Outcome.QUARANTINED, ("not_this_contract",), 0, 0)
    refused = refused_rows(table, judged)
    assert refused.schema == quarantine_schema()
    assert refused["reason"].to_list() == ["not_this_contract"] * 2
    assert refused["high"].to_list() == [101.0, 101.0]
    good = judge(table, request, [session_of(OPTION)], EVENING, {}, must_fill=False)
    assert refused_rows(table, good).is_empty()


def test_the_cash_auction_that_a_broker_leaves_out_explains_a_deficit() -> None:
    raw = rows(FRIDAY, full(STOCK), cumulative=False)
    explained = say(raw, STOCK, exchange(4000), must_fill=True)
    assert (explained.outcome, explained.proof, explained.proof_reasons) == (Outcome.COMPLETE, Proof.UNVERIFIED, ("phases_not_served",))
    too_much = say(raw, STOCK, exchange(9000), must_fill=True)
    assert (too_much.outcome, too_much.proof) == (Outcome.COMPLETE, Proof.MISMATCH)
    served = say(rows(FRIDAY, [548, *full(STOCK), 928]), STOCK, exchange(4000), must_fill=True)
    assert served.proof is Proof.MISMATCH


def test_before_the_session_is_over_everything_is_in_progress() -> None:
    ends = utc_from_us(session_of(OPTION).end_us)
    raw = rows(FRIDAY, [600])
    assert say(raw, now=ends + timedelta(minutes=14, seconds=59)).reasons == ("in_progress",)
    assert say(raw, now=ends + timedelta(minutes=15)).outcome is Outcome.COMPLETE
    assert say(raw, FUTURE, must_fill=True, now=ends).reasons == ("in_progress",)


def test_a_session_that_was_asked_for_in_part_is_cut() -> None:
    whole = asked(OPTION)
    short = replace(whole, end=whole.start + timedelta(hours=12))
    assert say(rows(FRIDAY, [600]), request=short).reasons == ("cut",)


def test_refused_and_undecoded_rows_leave_a_session_partial_unless_it_is_proven() -> None:
    raw = rows(FRIDAY, [600, 700])
    odd = replace(raw, close=np.array([100.0, np.nan]))
    assert say(odd).reasons == ("rows_refused",)
    assert say(replace(raw, undecoded=1)).reasons == ("rows_refused",)
    assert say(replace(raw, undecoded=1), row=exchange(20)).outcome is Outcome.COMPLETE
    assert say(replace(rows(FRIDAY, full(FUTURE)), undecoded=1), FUTURE, must_fill=True).outcome is Outcome.COMPLETE


def test_a_session_of_refused_rows_only_is_quarantined_unless_it_did_not_trade() -> None:
    raw = rows(FRIDAY, [600, 601], price=0.0)
    zero = replace(raw, high=raw.open, low=raw.open)
    assert say(zero).outcome is Outcome.QUARANTINED
    assert say(zero).reasons == ("zero_prices",)
    assert say(zero, row=exchange(0)).outcome is Outcome.UNTRADED


def test_every_wanted_session_gets_one_verdict_in_order() -> None:
    request = asked(OPTION, MONDAY, FRIDAY)
    days = CALENDAR.sessions(MONDAY, FRIDAY)
    table = table_of(rows(FRIDAY, [600]), request)
    judged = judge(table, request, [session_of(OPTION, d) for d in reversed(days)], EVENING, {}, must_fill=False)
    assert [day for day, _, _ in judged] == days
    assert [v.outcome for _, v, _ in judged] == [Outcome.FAILED] * 4 + [Outcome.COMPLETE]
    assert judged[0][1].reasons == ("doubtful_empty",)
    assert [bars.height for _, _, bars in judged] == [0, 0, 0, 0, 1]


@pytest.mark.parametrize(("contract", "alive", "row", "now", "outcome"), [
    (OPTION, True, None, EVENING, Outcome.EMPTY_STATED), (OPTION, False, None, EVENING, Outcome.FAILED),
    (OPTION, True, exchange(5), EVENING, Outcome.FAILED), (OPTION, True, None, EVENING - timedelta(hours=4), Outcome.FAILED),
    (OPTION, False, exchange(0), EVENING, Outcome.UNTRADED), (STOCK, True, None, EVENING, Outcome.FAILED),
])
def test_an_empty_counts_only_when_nothing_speaks_against_it(
    contract: Contract, alive: bool, row: ExchangeRow | None, now: datetime, outcome: Outcome,
) -> None:
    verdict = verdict_for_empty(asked(contract), session_of(contract), canary_alive=alive, exchange_row=row, now=now)
    assert verdict.outcome is outcome
    assert verdict.reasons == (("doubtful_empty",) if outcome is Outcome.FAILED else ())


TRADED = st.dictionaries(st.integers(OPEN, 939), st.integers(1, 10**7), min_size=3, max_size=60).map(lambda d: dict(sorted(d.items())))


@settings(max_examples=100)
@given(TRADED, st.booleans())
def test_every_good_session_is_complete_and_verified(traded: dict[int, int], newest_first: bool) -> None:
    raw = rows(FRIDAY, list(traded), list(traded.values()))
    if newest_first:
        raw = taken(raw, np.arange(len(raw))[::-1])
    verdict = say(raw, row=exchange(sum(traded.values())))
    assert (verdict.outcome, verdict.proof, verdict.bars) == (Outcome.COMPLETE, Proof.VERIFIED, len(traded))


@settings(max_examples=100)
@given(TRADED, st.data())
def test_every_lost_row_is_found(traded: dict[int, int], data: st.DataObject) -> None:
    raw = rows(FRIDAY, list(traded), list(traded.values()))
    lost = data.draw(st.integers(0, len(traded) - 2))
    assert say(without(raw, lost)).outcome is Outcome.PARTIAL
    last = say(without(raw, len(traded) - 1), row=exchange(sum(traded.values())))
    assert last.outcome is Outcome.PARTIAL
    assert last.proof is not Proof.VERIFIED


@settings(max_examples=60)
@given(TRADED, st.sampled_from(["close", "volume", "open"]), st.data())
def test_every_spoiled_row_is_found(traded: dict[int, int], name: str, data: st.DataObject) -> None:
    raw = rows(FRIDAY, list(traded), list(traded.values()))
    values = getattr(raw, name).copy()
    values[data.draw(st.integers(0, len(traded) - 1))] = -1
    assert say(replace(raw, **{name: values})).outcome is Outcome.PARTIAL
