"""Every row of a page ends as a bar, a refused row with a reason, a counted duplicate, or undecoded."""

from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.market.calendar import Calendar
from fnolake.model import BarRequest, Contract, Page, RawBars, bar_schema, ist_midnight_us, quarantine_schema
from fnolake.normalize import Normalized, normalize

CALENDAR = Calendar.bundled()
MONDAY, FRIDAY, SATURDAY = date(2026, 11, 16), date(2026, 11, 20), date(2026, 11, 21)
OPTION = Contract(7, "NSE", "FO", 5001, "TCS23NOV26C3000", "TCS", "option", date(2026, 11, 23), 300_000, "CE", 175, 5, "X")
FUTURE = replace(OPTION, kind="future", strike_paise=None, right=None)
STOCK = replace(FUTURE, kind="spot", expiry=None, segment="CM")
INDEX = replace(STOCK, underlying="NIFTY", is_index=True)
COLUMNS = ("epoch_s", "open", "high", "low", "close", "volume", "oi", "vwap", "cumulative", "wall_mismatch")


def at(day: date, text: str) -> int:
    hours, minutes, *seconds = map(int, text.split(":"))
    return ist_midnight_us(day) // 1_000_000 + hours * 3600 + minutes * 60 + sum(seconds)


def rows(stamps: list[int], **changes: object) -> RawBars:
    n = len(stamps)
    price = np.full(n, 100.05)
    made = RawBars(
        np.array(stamps, np.int64), price, price + 1, price - 1, price.copy(), np.full(n, 175), np.full(n, 350), price.copy(),
        np.arange(1, n + 1) * 175, np.zeros(n, np.bool_),
    )
    return replace(made, **{k: v if k == "undecoded" else np.asarray(v, getattr(made, k).dtype) for k, v in changes.items()})


def run(raw: RawBars | None, contract: Contract = OPTION, first: date = MONDAY, last: date = SATURDAY) -> Normalized:
    start, end = (datetime.fromtimestamp(at(day, "00:00") + extra, UTC) for day, extra in ((first, 0), (last, 86_400)))
    page = Page(BarRequest(contract, start, end), "shoonya", "demo", end, "00", raw)
    return normalize(page, CALENDAR)


def reasons(table: Normalized) -> list[str]:
    return table.refused["reason"].to_list()


def named(table: Normalized, day: date = FRIDAY) -> dict[str, int]:
    return {f.name: f.count for f in table.findings.get(day, ())}


def changed(raw: RawBars, place: int, **values: object) -> RawBars:
    fresh = {name: getattr(raw, name).copy() for name in COLUMNS}
    for name, value in values.items():
        fresh[name][place] = value
    return RawBars(**fresh, undecoded=raw.undecoded)


def minutes(count: int, day: date = FRIDAY, first: str = "09:15") -> list[int]:
    return [at(day, first) + 60 * n for n in range(count)]


def test_bars_have_the_canonical_shape_and_order_whatever_the_wire_order() -> None:
    stamps = minutes(3, MONDAY) + minutes(3)
    for order in (stamps, stamps[::-1], [stamps[n] for n in (3, 0, 5, 1, 4, 2)]):
        table = run(rows(order))
        assert table.bars.schema == pl.Schema(bar_schema())
        assert table.bars["ts"].is_sorted()
        assert table.bars["session"].to_list() == [MONDAY] * 3 + [FRIDAY] * 3
        assert table.spans == {MONDAY: (0, 3), FRIDAY: (3, 6)}
        assert table.refused.is_empty()
        assert table.findings == {}


def test_a_bar_carries_its_contract_as_it_stood() -> None:
    row = run(rows(minutes(1))).bars.row(0, named=True)
    assert row == {
        "session": FRIDAY, "ts": datetime(2026, 11, 20, 3, 45, tzinfo=UTC), "contract": 7, "venue": "NSE", "underlying": "TCS",
        "kind": "option", "expiry": date(2026, 11, 23), "strike_paise": 300_000, "right": "CE", "open_paise": 10005,
        "high_paise": 10105, "low_paise": 9905, "close_paise": 10005, "volume": 175, "oi": 350, "vwap_paise": 10005,
        "phase": "continuous", "provider": "shoonya",
    }


@given(st.lists(st.integers(1, 2**31 - 1), min_size=1, max_size=50))
def test_rupees_with_two_decimals_become_exact_paise(paise: list[int]) -> None:
    price = np.array([float(f"{p // 100}.{p % 100:02d}") for p in paise])
    table = run(rows(minutes(len(paise)), open=price, high=price, low=price, close=price))
    assert table.bars["open_paise"].to_list() == paise
    assert "rounded" not in named(table)


def test_what_the_provider_does_not_send_is_null() -> None:
    bars = run(rows(minutes(2), oi=[-1, 5], vwap=[np.nan, 0.0])).bars
    assert bars["oi"].to_list() == [None, 5]
    assert bars["vwap_paise"].to_list() == [None, None]
    assert run(rows(minutes(2), oi=[0, 0]), STOCK).bars["oi"].to_list() == [None, None]


def test_an_impossible_vwap_is_null_and_named() -> None:
    table = run(rows(minutes(3), vwap=[1e12, -4.0, 100.0]))
    assert table.bars["vwap_paise"].to_list() == [None, None, 10000]
    assert named(table) == {"vwap_unreadable": 2}


@pytest.mark.parametrize(("contract", "day", "stamp", "phase"), [
    (STOCK, FRIDAY, "09:00", "preopen"), (STOCK, FRIDAY, "09:14", "preopen"), (STOCK, FRIDAY, "15:14", "continuous"),
    (STOCK, FRIDAY, "15:28", "auction"), (STOCK, FRIDAY, "15:35", None), (INDEX, FRIDAY, "15:29", "auction"),
    (FUTURE, FRIDAY, "09:08", "preopen"), (FUTURE, FRIDAY, "15:39", "continuous"), (FUTURE, FRIDAY, "15:40", None),
    (OPTION, FRIDAY, "09:14", None), (OPTION, FRIDAY, "15:39", "continuous"), (INDEX, date(2026, 7, 31), "15:29", "continuous"),
    (replace(INDEX, underlying="INDIAVIX"), FRIDAY, "15:39", "continuous"),
])
def test_each_row_gets_the_phase_of_its_contract_and_date(contract: Contract, day: date, stamp: str, phase: str | None) -> None:
    table = run(rows([at(day, stamp)]), contract, day, day)
    assert table.bars["phase"].to_list() == ([phase] if phase else [])
    assert reasons(table) == ([] if phase else ["outside_hours"])


def test_odd_stamps_are_floored_to_their_minute_and_named() -> None:
    table = run(rows([at(FRIDAY, "09:08:08"), at(FRIDAY, "09:15:23"), at(FRIDAY, "15:40:59")]), FUTURE)
    assert [ts.second for ts in table.bars["ts"]] == [0, 0]
    assert named(table) == {"odd_stamp": 2, "outside_hours": 1}
    assert table.refused["ts"].to_list() == [datetime(2026, 11, 20, 10, 10, 59, tzinfo=UTC)]


@pytest.mark.parametrize(("day", "reason"), [
    (SATURDAY, "no_session"), (date(2026, 11, 10), "no_session"), (date(2026, 11, 8), "unknown_session"),
    (date(2027, 1, 4), "unknown_session"), (date(2026, 11, 25), "after_expiry"),
])
def test_rows_on_a_date_without_a_session_of_the_contract_are_refused(day: date, reason: str) -> None:
    contract = OPTION if reason == "after_expiry" else STOCK
    table = run(rows(minutes(4, day)), contract, day, day)
    assert table.bars.is_empty()
    assert table.bars.schema == pl.Schema(bar_schema())
    assert reasons(table) == [reason] * 4
    assert table.refused.schema == pl.Schema(quarantine_schema())
    assert table.refused["session"].unique().to_list() == [day]
    assert named(table, day) == {reason: 4}


def test_rows_outside_the_asked_span_are_refused() -> None:
    table = run(rows([at(MONDAY, "10:00"), at(FRIDAY, "10:00"), at(SATURDAY, "10:00")]), first=FRIDAY, last=FRIDAY)
    assert table.bars["session"].to_list() == [FRIDAY]
    assert reasons(table) == ["outside_span", "no_session"]


BAD = {
    "not_a_price": {"close": np.nan}, "zero_prices": {"open": 0.0, "high": 0.0, "low": 0.0, "close": 0.0},
    "price_out_of_range": {"low": 0.0}, "crossed": {"high": 99.0}, "volume_unreadable": {"volume": -1},
    "volume_wrapped": {"volume": 2**32 - 5}, "wall_mismatch": {"wall_mismatch": True},
}
MORE_BAD = [("crossed", {"low": 100.5}), ("price_out_of_range", {"high": 3e7}), ("not_a_price", {"open": np.inf}),
            ("price_out_of_range", {"low": -5.0}), ("not_a_price", {"high": 1e308 * 10})]


@pytest.mark.parametrize(("reason", "values"), [*BAD.items(), *MORE_BAD])
def test_a_row_that_cannot_be_a_bar_is_refused_by_name_and_the_others_stay(reason: str, values: dict[str, object]) -> None:
    table = run(changed(rows(minutes(5)), 2, **values))
    assert table.bars.height == 4
    assert reasons(table) == [reason]
    finding = table.findings[FRIDAY][0]
    assert (finding.name, finding.count, finding.refused) == (reason, 1, True)


def test_an_identical_duplicate_is_dropped_and_counted() -> None:
    raw = rows([*minutes(3)[::-1], minutes(3)[0]], cumulative=[525, 350, 175, 175])
    table = run(raw)
    assert table.bars.height == 3
    assert table.refused.is_empty()
    assert named(table) == {"duplicate": 1}
    assert not table.findings[FRIDAY][0].refused


def test_of_conflicting_rows_the_first_on_the_wire_is_kept_and_the_other_refused() -> None:
    stamps = [*minutes(2)[::-1], minutes(2)[0]]
    table = run(rows(stamps, volume=[1, 2, 3]))
    assert table.bars["volume"].to_list() == [2, 1]
    assert reasons(table) == ["conflicting_duplicate"]
    assert table.refused["volume"].to_list() == [3]


def test_a_row_stamped_on_the_minute_wins_over_one_stamped_inside_it() -> None:
    table = run(rows([at(FRIDAY, "10:00:30"), at(FRIDAY, "10:00:00")], volume=[1, 2]))
    assert table.bars["volume"].to_list() == [2]


def test_a_refused_row_does_not_take_the_minute_from_a_good_one() -> None:
    raw = changed(rows([at(FRIDAY, "10:00"), at(FRIDAY, "10:00")]), 0, open=0.0, high=0.0, low=0.0, close=0.0)
    table = run(raw)
    assert table.bars.height == 1
    assert reasons(table) == ["zero_prices"]


def test_off_tick_and_rounded_prices_are_named_and_kept() -> None:
    table = run(rows(minutes(2), close=[100.07, 100.052]))
    assert table.bars["close_paise"].to_list() == [10007, 10005]
    assert named(table) == {"rounded": 1, "off_tick": 1}
    assert named(run(rows(minutes(2), close=[100.07, 100.05]), INDEX)) == {}


def test_findings_are_kept_by_the_session_they_concern() -> None:
    table = run(rows(minutes(2, MONDAY) + minutes(2), close=[100.05, 100.05, 100.05, 100.07]))
    assert table.findings.keys() == {FRIDAY}


def test_a_page_without_rows_is_an_empty_table_and_undecoded_rows_are_counted() -> None:
    for raw in (None, rows([]), rows([], undecoded=3), rows([-5, 2**40])):
        table = run(raw)
        assert table.bars.schema == pl.Schema(bar_schema())
        assert table.refused.schema == pl.Schema(quarantine_schema())
        assert table.undecoded == (0 if raw is None else raw.undecoded + len(raw))
    assert run(rows([*minutes(2), 2**40], undecoded=1)).undecoded == 2


PLACES = st.integers(0, 390).map(lambda n: at(FRIDAY, "09:10") + 60 * n)
ODD = st.sampled_from([0.0, -1.0, np.nan, np.inf, 3e7, 99.0, 100.05, 101.0])


@st.composite
def wild_pages(draw: st.DrawFn) -> RawBars:
    stamps = draw(st.lists(st.tuples(PLACES, st.sampled_from([0, 0, 0, 8, 59])).map(sum), min_size=1, max_size=40))
    n = len(stamps)
    prices = {name: draw(st.lists(ODD, min_size=n, max_size=n)) for name in ("open", "high", "low", "close")}
    volume = draw(st.lists(st.sampled_from([-1, 0, 175, 2**31]), min_size=n, max_size=n))
    return rows(stamps, **prices, volume=volume, undecoded=draw(st.integers(0, 2)))


@settings(max_examples=150)
@given(wild_pages(), st.sampled_from([OPTION, FUTURE, STOCK, INDEX]))
def test_no_row_is_lost_and_no_minute_comes_twice(raw: RawBars, contract: Contract) -> None:
    table = run(raw, contract)
    dropped = sum(f.count for f in table.findings.get(FRIDAY, ()) if f.name == "duplicate")
    assert table.bars.height + table.refused.height + dropped == len(raw)
    assert table.bars["ts"].is_unique().all()
    assert table.bars["ts"].is_sorted()
    good = table.bars.filter((pl.col("low_paise") > 0) & (pl.col("high_paise") >= pl.max_horizontal("open_paise", "close_paise"))
                             & (pl.col("low_paise") <= pl.min_horizontal("open_paise", "close_paise")) & (pl.col("volume") >= 0))
    assert good.height == table.bars.height
    refused = sum(f.count for f in table.findings.get(FRIDAY, ()) if f.refused)
    assert refused == table.refused.height


@settings(max_examples=80)
@given(wild_pages())
def test_bars_sent_again_as_a_page_come_out_the_same(raw: RawBars) -> None:
    once = run(raw)
    bars = once.bars
    again = run(RawBars(
        bars["ts"].dt.epoch("s").to_numpy(), *(bars[f"{n}_paise"].to_numpy() / 100 for n in ("open", "high", "low", "close")),
        bars["volume"].to_numpy(), bars["oi"].fill_null(-1).to_numpy(), bars["vwap_paise"].fill_null(0).to_numpy() / 100,
        once.facts.cumulative, np.zeros(bars.height, np.bool_),
    ))
    assert again.bars.equals(bars)
    assert again.refused.is_empty()
