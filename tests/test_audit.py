"""Files scored: each fault is found by its name, costs its points, and a file without faults keeps all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from fnolake.lake import audit_files
from fnolake.market.bhavcopy import ExchangeDay, exchange_schema
from fnolake.market.calendar import Calendar
from fnolake.model import RawFile
from fnolake.provider.files.layout import layout_of
from fnolake.store.store import Store
from fnolake.sync.audits import Audit, audit
from fnolake.verify.audit import COSTS

CALENDAR = Calendar.bundled()
KOLKATA = ZoneInfo("Asia/Kolkata")
NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
EARLY = [date(2025, 7, 1), date(2025, 7, 2), date(2025, 7, 3)]
LATER = [date(2026, 10, 5), date(2026, 10, 6)]
SATURDAY = date(2025, 7, 5)
Row = dict[str, object]


def whole(days: list[date], segment: str = "CM", close: int | None = None) -> list[Row]:
    """Every minute of some sessions, each with prices, volume and open interest of its own."""
    rows: list[Row] = []
    for day in days:
        session = CALENDAR.session("NSE", segment, day, closing_auction=segment == "CM")
        assert session is not None
        for minute in range(session.continuous[0].start, close or session.continuous[-1].end):
            ts = datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=KOLKATA)
            base = 1000 + minute % 50 / 20
            rows.append({"ts": ts, "open": base, "high": base + 1, "low": base - 1, "close": base, "volume": 75 * (1 + minute % 7), "oi": 7500 + 75 * minute})
    return rows


def score(folder: Path, rows: list[Row], symbol: str = "RELIANCE", store: Store | None = None, **mapping: str) -> tuple[Audit, set[str]]:
    """The audit of one file, and the names of what cost points."""
    path = folder / f"{symbol}.csv"
    frame = pl.DataFrame([{**row, "ts": f"{row['ts']:%Y-%m-%d %H:%M:%S}"} for row in rows]).rename({"ts": "date"})
    frame.write_csv(path)
    layout = layout_of("kite", mapping)
    done = audit(path, layout, CALENDAR, store, NOW)
    texts = [text for reasons in done.series["reasons"] for text in reasons]
    return done, {name for name, (_, words) in COSTS.items() if any(words in text for text in texts)}


def test_whole_sessions_keep_every_point(tmp_path: Path) -> None:
    done, names = score(tmp_path, whole(EARLY))
    assert (done.score, names, done.is_clean) == (100.0, set(), True)
    assert done.series.select("score", "symbol", "rows", "sessions", "first", "last").rows() == [(100.0, "RELIANCE", 1125, 3, EARLY[0], EARLY[-1])]
    assert score(tmp_path, whole(LATER, "FO"), "NIFTY26OCTFUT")[0].is_clean


def shifted(rows: list[Row], minutes: int) -> list[Row]:
    return [{**row, "ts": row["ts"] + timedelta(minutes=minutes)} for row in rows]  # type: ignore[operator]


def on(day: date, rows: list[Row]) -> list[Row]:
    return [{**row, "ts": row["ts"].replace(year=day.year, month=day.month, day=day.day)} for row in rows]  # type: ignore[attr-defined]


GOOD = whole(EARLY)
FAULTY = {
    "wrong_zone": shifted(GOOD, -330), "wrong_side": shifted(GOOD, 1), "sessions_absent": whole([EARLY[0], EARLY[2]]),
    "minutes_missing": GOOD[:100] + GOOD[140:], "mock_rows": GOOD + on(SATURDAY, GOOD[:60]), "rows_outside_hours": GOOD + shifted(GOOD[-20:], 60),
    "duplicates": GOOD + GOOD[10:15], "conflicting_duplicates": [*GOOD, {**GOOD[50], "close": 1000.5}],
    "crossed_prices": [*GOOD[:-1], {**GOOD[-1], "high": 1.0}], "bad_values": [{**GOOD[0], "volume": -5}, *GOOD[1:]],
    "not_one_minute": GOOD[::5], "nothing_usable": on(SATURDAY, GOOD[:60]),
}
BESIDE = {"crossed_prices": {"minutes_missing"}, "bad_values": {"minutes_missing"}, "nothing_usable": {"mock_rows"}}


@pytest.mark.parametrize("name", sorted(FAULTY))
def test_each_fault_is_found_alone_and_costs_points(tmp_path: Path, name: str) -> None:
    done, names = score(tmp_path, FAULTY[name])
    assert names - BESIDE.get(name, set()) == {name}
    assert done.score < 100
    assert not done.is_clean


def test_a_fault_of_the_clock_is_not_counted_twice(tmp_path: Path) -> None:
    assert score(tmp_path, shifted(GOOD, -330))[0].score == 70.0
    assert score(tmp_path, shifted(GOOD, 330 + 1))[0].score == 50.0
    assert score(tmp_path, shifted(GOOD, -330), zone="UTC")[0].score == 100.0
    assert score(tmp_path, shifted(GOOD, 1), label="end")[0].score == 100.0


def test_programs_that_stop_at_half_past_three_are_told(tmp_path: Path) -> None:
    done, names = score(tmp_path, whole(LATER, "FO", close=930), "NIFTY26OCTFUT")
    assert (names, done.score) == ({"last_minutes_missing"}, 90.0)


def test_rows_after_the_expiry_and_frozen_interest(tmp_path: Path) -> None:
    assert score(tmp_path, on(date(2025, 8, 1), GOOD[:375]), "NIFTY25JULFUT")[1] == {"rows_after_expiry", "nothing_usable"}
    assert score(tmp_path, [{**row, "oi": 5} for row in GOOD], "NIFTY25JULFUT")[1] == {"constant_oi"}


def exchange(store: Store, rows: list[Row], **changed: int) -> None:
    """The exchange's file of the first session with one future, whose day is the rows', but for what is changed."""
    paise = [round(float(str(row[name])) * 100) for row in rows for name in ("open", "high", "low", "close")]
    last = round(float(str(rows[-1]["close"])) * 100)
    values = {
        "venue": "NSE", "segment": "FO", "token": 1, "underlying": "NIFTY", "kind": "future", "expiry": date(2025, 7, 31), "strike_paise": None,
        "right": None, "series": None, "open_paise": paise[0], "high_paise": max(paise), "low_paise": min(paise), "close_paise": last, "last_paise": last,
        "settle_paise": last, "volume": sum(int(str(row["volume"])) for row in rows), "oi": rows[-1]["oi"], "oi_change": 0, "value_rupees": 1.0,
        "trades": 900, "lot": 75, "name": "NIFTY", **changed,
    }
    frame = pl.DataFrame([values], schema=exchange_schema())
    store.take_exchange_day(ExchangeDay(EARLY[0], "NSE", "FO", frame), RawFile("exchange", "fo.csv", None, str(values).encode(), NOW, str(values)))


@pytest.mark.parametrize(("changed", "divisor", "expected"), [
    ({}, 1, set()), ({}, 75, {"volume_in_lots"}), ({"volume": 999_999}, 1, {"volume_differs"}), ({"high_paise": 150_000}, 1, {"range_differs"}),
    ({"high_paise": 5000, "low_paise": 4000, "last_paise": 4500}, 1, {"not_this_contract"}),
])
def test_against_the_exchanges_file(tmp_path: Path, changed: dict[str, int], divisor: int, expected: set[str]) -> None:
    rows = whole(EARLY[:1])
    with Store.open(tmp_path / "lake", write=True) as store:
        exchange(store, rows, **changed)
        before = sorted(tmp_path.rglob("*"))
        done, names = score(tmp_path, [{**row, "volume": int(str(row["volume"])) // divisor} for row in rows], "NIFTY25JULFUT", store)
        assert (names, done.compared) == (expected, 1)
        assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "NIFTY25JULFUT.csv"])
        assert store.instruments().is_empty()


def test_the_worst_is_first_and_what_cannot_be_read_has_a_row(tmp_path: Path) -> None:
    score(tmp_path, GOOD, "AAA")
    score(tmp_path, shifted(GOOD, 1), "BBB")
    (tmp_path / "page.csv").write_text("<html></html>\nx")
    score(tmp_path, GOOD[:20], "NIFTY-I")
    done = audit_files(tmp_path, "kite")
    assert done.series["symbol"].to_list() == ["continuous series", "", "BBB", "AAA"]
    assert 0 < done.score < 100
