"""Longer bars are the minutes' own: nothing lost, nothing doubled, begun at the session's windows in its era."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.model import IST, bar_schema
from fnolake.query.anchors import anchors
from fnolake.query.interval import interval_of
from fnolake.query.resample import resample

CALENDAR = Calendar.bundled()
FUTURE = ("NSE", "TCS", "future", False)
SPOT = ("NSE", "TCS", "spot", False)
OLD_ERA, DRILL, MUHURAT, FO_ERA = date(2024, 3, 1), date(2024, 3, 2), date(2025, 10, 21), date(2026, 11, 20)
LATE = date(2025, 10, 14)
"""TATAMOTORS began at 10:00."""
Row = tuple[int, date, int]
"""Contract, session, minute from midnight IST."""


def bar(place: Row, seed: int = 0, name: tuple[str, str, str, bool] = FUTURE, **more: object) -> dict[str, object]:
    contract, day, minute = place
    opened, closed = 10_000 + seed % 97, 10_000 + seed % 89
    return {
        "session": day, "ts": datetime(day.year, day.month, day.day, tzinfo=IST) + timedelta(minutes=minute), "contract": contract,
        "venue": name[0], "underlying": name[1], "kind": name[2], "expiry": None if name[2] == "spot" else date(2026, 12, 29),
        "strike_paise": None, "right": None, "open_paise": opened, "high_paise": max(opened, closed) + seed % 7,
        "low_paise": min(opened, closed) - seed % 5, "close_paise": closed, "volume": seed % 11 * 25, "oi": None if seed % 3 else seed,
        "vwap_paise": None if seed % 13 == 12 else (opened + closed) // 2, "phase": "continuous", "provider": "shoonya", **more,
    }


def table(rows: Sequence[dict[str, object]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=bar_schema(), orient="row")


def longer(
    rows: pl.DataFrame, interval: str, name: tuple[str, str, str, bool] = FUTURE, phases: Sequence[str] = ("continuous", "preopen", "auction"),
) -> pl.DataFrame:
    length = interval_of(interval)
    at = anchors(CALENDAR, [name], rows["session"].unique().to_list(), phases, length)
    return resample(rows.lazy(), length, at).collect(engine="streaming").sort("contract", "ts")


def clocks(bars: pl.DataFrame) -> list[str]:
    return bars["ts"].dt.convert_time_zone("Asia/Kolkata").dt.strftime("%H:%M").to_list()


def full(day: date, name: tuple[str, str, str, bool] = FUTURE, contract: int = 1) -> pl.DataFrame:
    """Every minute of a session, in every phase that has windows."""
    at = CALENDAR.session("NSE", "CM" if name[2] == "spot" else "FO", day, closing_auction=name[2] == "spot")
    assert at is not None
    return table([bar((contract, day, m), m, name, phase=w.phase) for w in at.windows for m in range(w.start, w.end)])


@pytest.mark.parametrize(("day", "name", "interval", "count", "last", "minutes"), [
    (OLD_ERA, SPOT, "5m", 75, "15:25", 5), (OLD_ERA, SPOT, "60m", 7, "15:15", 15), (OLD_ERA, FUTURE, "10m", 38, "15:25", 5),
    (FO_ERA, FUTURE, "5m", 77, "15:35", 5), (FO_ERA, FUTURE, "30m", 13, "15:15", 25), (FO_ERA, SPOT, "15m", 24, "15:00", 15),
    (FO_ERA, FUTURE, "7m", 55, "15:33", 7), (FO_ERA, FUTURE, "400m", 1, "09:15", 385),
])
def test_bars_begin_at_the_open_of_their_era_and_the_last_may_be_short(
    day: date, name: tuple[str, str, str, bool], interval: str, count: int, last: str, minutes: int
) -> None:
    rows = full(day, name).filter(pl.col("phase") == "continuous")
    made = longer(rows, interval, name)
    assert (made.height, clocks(made)[0], clocks(made)[-1]) == (count, "09:15", last)
    assert made["volume"][-1] == rows.tail(minutes)["volume"].sum()
    assert made["close_paise"][-1] == rows["close_paise"][-1]


@pytest.mark.parametrize(("interval", "expected"), [
    ("5m", [f"{m // 60:02d}:{m % 60:02d}" for start, end in ((555, 600), (690, 750)) for m in range(start, end, 5)]),
    ("30m", ["09:15", "09:45", "11:30", "12:00"]), ("60m", ["09:15", "11:30"]), ("240m", ["09:15", "11:30"]), ("1d", ["09:15"]),
])
def test_no_bar_within_a_session_spans_its_break(interval: str, expected: list[str]) -> None:
    assert clocks(longer(full(DRILL), interval)) == expected


def test_a_session_of_one_hour_and_a_late_one_begin_when_they_begin() -> None:
    assert clocks(longer(full(MUHURAT), "15m")) == ["13:45", "14:00", "14:15", "14:30"]
    name = ("NSE", "TATAMOTORS", "future", False)
    late = table([bar((1, LATE, m), m, name) for m in range(600, 930)])
    assert clocks(longer(late, "60m", name)) == ["10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]
    assert clocks(longer(late, "1d", name)) == ["10:00"]


def test_a_phase_has_bars_of_its_own() -> None:
    rows = table([
        bar((1, FO_ERA, 547), 3, SPOT, phase="preopen"), bar((1, FO_ERA, 914), 4, SPOT), bar((1, FO_ERA, 930), 5, SPOT, phase="auction"),
    ])
    assert list(zip(clocks(longer(rows, "60m", SPOT)), longer(rows, "60m", SPOT)["phase"], strict=True)) == [
        ("09:00", "preopen"), ("14:15", "continuous"), ("15:15", "auction"),
    ]
    assert longer(rows, "1d", SPOT)["phase"].to_list() == ["preopen", "continuous", "auction"]


def test_days_weeks_and_months_begin_at_their_first_session() -> None:
    days = CALENDAR.sessions(date(2026, 10, 26), date(2026, 11, 13))
    # 10 November is a holiday; 2 November is not traded by contract 2
    rows = table([bar((c, d, 600), d.day + c) for d in days for c in (1, 2) if d.weekday() < 5 and (c, d.day) != (2, 2)])
    assert longer(rows, "1d").height == rows.height
    weeks = longer(rows, "1w")
    assert weeks.filter(pl.col("contract") == 1)["session"].to_list() == [date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9)]
    assert weeks.filter(pl.col("contract") == 2)["session"].to_list() == [date(2026, 10, 26), date(2026, 11, 2), date(2026, 11, 9)]
    assert set(clocks(weeks)) == {"09:15"}
    months = longer(rows, "1mo")
    assert months.filter(pl.col("contract") == 1)["session"].to_list() == [date(2026, 10, 1), date(2026, 11, 2)]
    assert months["volume"].sum() == rows["volume"].sum()


def test_a_week_is_named_as_its_last_session_was() -> None:
    moved = [bar((1, date(2026, 11, 16), 600), 1, expiry=date(2026, 11, 24)), bar((1, date(2026, 11, 18), 600), 1, expiry=date(2026, 11, 23))]
    assert longer(table(moved), "1w")["expiry"].to_list() == [date(2026, 11, 23)]
    assert longer(table(moved[::-1]), "1w")["expiry"].to_list() == [date(2026, 11, 23)]


def test_vwap_is_weighed_and_absent_where_it_cannot_be_known() -> None:
    def of(*pairs: tuple[int, int | None]) -> int | None:
        rows = [bar((1, FO_ERA, 555 + n), 0, volume=volume, vwap_paise=vwap) for n, (volume, vwap) in enumerate(pairs)]
        return longer(table(rows), "5m")["vwap_paise"].item()

    assert of((100, 10_000), (300, 10_400)) == 10_300
    assert of((100, 10_000), (0, None)) == 10_000
    assert of((100, 10_000), (1, None)) is None
    assert of((0, 10_000), (0, 10_000)) is None


@pytest.mark.parametrize("typed", ["", "5", "0m", "05m", "-5m", "1441m", "5M", "1h", "2d", "1 m", "fortnight"])
def test_nonsense_is_answered_with_what_there_is(typed: str) -> None:
    with pytest.raises(QueryError, match=r"^no interval .*1m.*1d, 1w or 1mo$"):
        interval_of(typed)


CHOICES = [(contract, day, minute) for contract in (1, 2, 7_000_000) for day, spans in (
    (OLD_ERA, ((555, 930),)), (DRILL, ((555, 600), (690, 750))), (date(2024, 3, 4), ((555, 930),)),
) for first, end in spans for minute in range(first, end)]
some = st.lists(st.tuples(st.sampled_from(CHOICES), st.integers(0, 10_000)), min_size=1, max_size=120, unique_by=lambda row: row[0]).map(
    lambda rows: table([bar(place, seed) for place, seed in rows])
)
lengths = st.one_of(st.integers(2, 400).map("{}m".format), st.sampled_from(["1d", "1w", "1mo"]))


def by_hand(rows: pl.DataFrame, interval: str) -> list[tuple[object, ...]]:
    """One bar after the other in plain Python."""
    length, found = interval_of(interval), {}
    for row in rows.sort("contract", "ts").iter_rows(named=True):
        local = row["ts"].astimezone(IST)
        minute = local.hour * 60 + local.minute
        start = 690 if row["session"] == DRILL and minute >= 690 else 555
        if length.period:
            first = {"day": row["session"], "week": OLD_ERA - timedelta(days=4), "month": OLD_ERA}[length.period]
            if length.period == "week" and row["session"] > DRILL:
                first = date(2024, 3, 4)
            key = (row["contract"], first, 555)
        else:
            key = (row["contract"], row["session"], start + (minute - start) // length.minutes * length.minutes)
        found.setdefault(key, []).append(row)
    bars = []
    for (contract, day, minute), held in sorted(found.items()):
        volume = sum(row["volume"] for row in held)
        known = all(row["vwap_paise"] is not None for row in held if row["volume"])
        vwap = round(sum(row["volume"] * (row["vwap_paise"] or 0) for row in held) / volume) if volume and known else None
        bars.append((
            contract, day, datetime(day.year, day.month, day.day, tzinfo=IST) + timedelta(minutes=minute), held[0]["open_paise"],
            max(row["high_paise"] for row in held), min(row["low_paise"] for row in held), held[-1]["close_paise"], volume,
            next((row["oi"] for row in reversed(held) if row["oi"] is not None), None), vwap,
        ))
    return bars


@given(some, lengths, st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_bars_are_those_made_by_hand_whatever_the_order_of_the_minutes(rows: pl.DataFrame, interval: str, chance: object) -> None:
    order = list(range(rows.height))
    chance.shuffle(order)  # type: ignore[attr-defined]
    made = longer(rows[order], interval)
    assert made.schema == pl.Schema(bar_schema())
    columns = ["contract", "session", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise"]
    assert made.select(columns).rows() == by_hand(rows, interval)


@given(some, lengths)
@settings(max_examples=40, deadline=None)
def test_nothing_is_lost_and_extremes_stay(rows: pl.DataFrame, interval: str) -> None:
    made = longer(rows, interval)
    for name, how in (("volume", "sum"), ("high_paise", "max"), ("low_paise", "min")):
        column = getattr(pl.col(name), how)()
        assert made.group_by("contract").agg(column).sort("contract").equals(rows.group_by("contract").agg(column).sort("contract"))
    assert not made.select(pl.struct("contract", "ts").is_duplicated()).to_series().any()
    assert (made["low_paise"] <= made["open_paise"]).all()
    assert (made["close_paise"] <= made["high_paise"]).all()


@given(some, st.sampled_from([(5, 15), (3, 9), (2, 60), (5, 30)]))
@settings(max_examples=40, deadline=None)
def test_two_steps_are_one(rows: pl.DataFrame, steps: tuple[int, int]) -> None:
    first, second = (f"{n}m" for n in steps)
    twice, once = longer(longer(rows, first), second), longer(rows, second)
    assert twice.drop("vwap_paise").equals(once.drop("vwap_paise"))
    apart = (twice["vwap_paise"] - once["vwap_paise"]).abs().max()
    assert apart is None or apart <= 1  # the first step rounds to whole paise
