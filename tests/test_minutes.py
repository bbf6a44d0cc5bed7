"""Ticks to provisional minutes: volume where it grew, late ticks amend, and what nobody saw is marked."""

from __future__ import annotations

from datetime import UTC, date, datetime

import msgspec
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from fnolake.minutes import Book, MinuteMaker
from fnolake.model import MINUTE_US, ist_midnight_us
from fnolake.model.tick import UNSAID, Tick

DAY = date(2026, 11, 20)
OPEN = ist_midnight_us(DAY) + 555 * MINUTE_US
HOURS = {1: ((OPEN, OPEN + 385 * MINUTE_US, "continuous"),)}
EVER = 2**62


def tick(minute: float, price: int, volume: int = UNSAID, oi: int = UNSAID, *, snapshot: bool = False) -> Tick:
    at = OPEN + int(minute * MINUTE_US)
    return Tick(1, at, at, price, volume, oi, snapshot)


def made(*ticks: Tick) -> MinuteMaker:
    maker = MinuteMaker(HOURS)
    for one in ticks:
        maker.take(one)
    return maker


def rows(frame: pl.DataFrame) -> list[tuple[int, int, int, int, int, int, bool]]:
    """(minute, open, high, low, close, volume, complete)."""
    return [
        ((int(ts.timestamp() * 1_000_000) - OPEN) // MINUTE_US, o, h, low, c, v, whole)
        for ts, o, h, low, c, v, whole in frame.select("ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "complete").iter_rows()
    ]


def test_a_minute_is_what_was_traded_in_it() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25), tick(0.25, 104, 50), tick(0.5, 98, 75), tick(0.75, 101, 100), tick(1, 102, 125))
    assert rows(maker.close(OPEN + MINUTE_US)) == [(0, 100, 104, 98, 101, 100, True)]
    assert rows(maker.close(OPEN + 2 * MINUTE_US)) == [(1, 102, 102, 102, 102, 25, True)]
    assert maker.close(EVER).is_empty()


def test_a_price_without_volume_is_no_trade_and_an_index_has_no_volume() -> None:
    assert rows(made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25), tick(1, 150, 25)).close(EVER)) == [(0, 100, 100, 100, 100, 25, True)]
    assert rows(made(tick(-1, 100, snapshot=True), tick(0, 100), tick(0.5, 120)).close(EVER)) == [(0, 100, 120, 100, 120, 0, True)]


def test_a_late_tick_amends_its_minute() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25), tick(1.1, 101, 50))
    assert rows(maker.close(OPEN + MINUTE_US)) == [(0, 100, 100, 100, 100, 25, True)]
    maker.take(tick(0.9, 90, 60))
    assert rows(maker.close(OPEN + 2 * MINUTE_US)) == [(0, 100, 100, 90, 90, 35, True), (1, 101, 101, 101, 101, 25, True)]


def test_open_interest_is_the_last_word_in_the_minute() -> None:
    maker = made(tick(-1, 100, 0, 10, snapshot=True), tick(0, 100, 25, 20), tick(0.5, 100, 25, 30))
    assert maker.close(EVER)["oi"].to_list() == [30]


def test_what_came_before_the_first_snapshot_is_not_complete() -> None:
    assert rows(made(tick(10.5, 100, 500, snapshot=True), tick(10.75, 101, 525), tick(11, 102, 550)).close(EVER)) == [
        (10, 101, 101, 101, 101, 25, False), (11, 102, 102, 102, 102, 25, True),
    ]


def spans(frame: pl.DataFrame) -> list[tuple[int, int, int]]:
    """(contract, first minute, last minute)."""
    first, last = (frame[name].dt.epoch("us") for name in ("first", "last"))
    return list(zip(frame["contract"], (first - OPEN) // MINUTE_US, (last - OPEN) // MINUTE_US, strict=True))


def test_what_was_not_heard_is_told_once_within_the_hours() -> None:
    maker = made(tick(2.5, 100, 25, snapshot=True))
    assert spans(maker.absences()) == [(1, 0, 2)]
    maker.away([1], OPEN + 4 * MINUTE_US)
    assert maker.absences().is_empty()
    maker.take(tick(6.5, 101, 75, snapshot=True))
    assert spans(maker.absences()) == [(1, 4, 6)]
    assert maker.absences().is_empty()


def test_an_absence_in_which_nothing_was_traded_missed_nothing() -> None:
    maker = made(tick(-1, 100, 25, snapshot=True))
    maker.absences()
    maker.away([1], OPEN + MINUTE_US)
    maker.take(tick(4, 100, 25, snapshot=True))
    assert maker.absences().is_empty()


def test_who_is_away_at_the_end_is_told_up_to_then_and_ends_with_the_hours() -> None:
    maker = made(tick(-1, 100, 25, snapshot=True))
    maker.away([1], OPEN + 380 * MINUTE_US)
    assert spans(maker.absences(OPEN + 382 * MINUTE_US)) == [(1, 380, 381)]
    assert spans(maker.absences(OPEN + 500 * MINUTE_US)) == [(1, 380, 384)]


def test_minutes_inside_an_absence_are_marked_and_those_outside_are_not() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25), tick(1, 101, 50))
    maker.away([1], OPEN + MINUTE_US + 10)
    maker.take(tick(3.5, 103, 100, snapshot=True))
    maker.take(tick(3.75, 104, 125))
    maker.take(tick(4, 105, 150))
    assert rows(maker.close(EVER)) == [
        (0, 100, 100, 100, 100, 25, True), (1, 101, 101, 101, 101, 25, False), (3, 104, 104, 104, 104, 25, False), (4, 105, 105, 105, 105, 25, True),
    ]


def test_a_silence_that_is_noticed_late_takes_its_word_back() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25), tick(1, 101, 50))
    assert [row[-1] for row in rows(maker.close(OPEN + 2 * MINUTE_US))] == [True, True]
    maker.away([1], OPEN + MINUTE_US + 10)
    assert rows(maker.close(OPEN + 3 * MINUTE_US)) == [(1, 101, 101, 101, 101, 25, False)]


def test_a_snapshot_that_was_asked_for_again_is_a_print() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0.1, 101, 10), tick(0.5, 105, 30, snapshot=True), tick(0.8, 103, 40))
    assert rows(maker.close(EVER)) == [(0, 101, 105, 101, 103, 40, True)]
    assert rows(made(tick(-1, 100, snapshot=True), tick(0.5, 100, snapshot=True)).close(EVER)) == []


def test_an_absence_in_which_nothing_was_traded_marks_nothing() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25))
    maker.away([1], OPEN + 10)
    maker.take(tick(2, 100, 25, snapshot=True))
    maker.take(tick(2.5, 101, 50))
    assert [row[-1] for row in rows(maker.close(EVER))] == [True, True]


def test_what_grew_within_one_minute_of_absence_belongs_to_it() -> None:
    maker = made(tick(-1, 100, 0, snapshot=True), tick(0, 100, 25))
    maker.away([1], OPEN + 100)
    maker.take(tick(0.5, 103, 75, snapshot=True))
    assert rows(maker.close(EVER)) == [(0, 100, 103, 100, 103, 75, False)]


def test_ticks_outside_the_hours_are_counted() -> None:
    maker = made(tick(-5, 100, 0, snapshot=True), tick(-2, 100, 25))
    assert maker.close(EVER).is_empty()
    assert maker.outside == 1


TRADES = st.lists(st.tuples(st.floats(0, 384.9, allow_nan=False), st.integers(1, 1000), st.integers(1, 50)), max_size=40)


@given(TRADES)
def test_the_bars_hold_every_unit_once_and_every_extreme(trades: list[tuple[float, int, int]]) -> None:
    maker, total = made(tick(-1, 100, 0, snapshot=True)), 0
    ordered = sorted(trades)
    for at, price, units in ordered:
        total += units
        maker.take(tick(at, price, total))
    bars = maker.close(EVER)
    assert bars["volume"].sum() == total
    expected = {}
    for at, price, units in ordered:
        o, h, low, _, v = expected.get(int(at), (price, price, price, price, 0))
        expected[int(at)] = (o, max(h, price), min(low, price), price, v + units)
    assert rows(bars) == [(minute, *bar, True) for minute, bar in sorted(expected.items())]


@given(TRADES, st.integers(0, 40))
def test_a_restart_from_what_was_kept_changes_nothing(trades: list[tuple[float, int, int]], cut: int) -> None:
    ticks, total = [tick(-1, 100, 0, snapshot=True)], 0
    for at, price, units in sorted(trades):
        total += units
        ticks.append(tick(at, price, total))
    whole = made(*ticks)
    first = made(*ticks[:cut])
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(first.state()), type=dict[int, Book])
    second = MinuteMaker(HOURS, kept)
    for one in ticks[cut:]:
        second.take(one)
    assert rows(second.close(EVER)) == rows(whole.close(EVER))
    assert datetime.fromtimestamp(OPEN / 1e6, UTC).date() == DAY
