"""Zone and side of labels, told from rows: what is claimed is true, and what full sessions show is claimed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.market.calendar import Calendar
from fnolake.model import Session
from fnolake.verify.clockfit import IST_S, fit

CALENDAR = Calendar.bundled()
DAYS = [day for start in (date(2024, 2, 26), date(2026, 7, 27), date(2026, 10, 5)) for day in CALENDAR.sessions(start, start + timedelta(days=9))]


def hours(segment: str) -> Callable[[date], Session | None]:
    def session(day: date) -> Session | None:
        return CALENDAR.session("NSE", segment, day)

    return session


def labels(days: list[date], segment: str, side: str, shift_s: int, dropped: float, seed: int) -> np.ndarray:
    """Labels of minutes of whole sessions, some dropped at random, the first and last kept, wrongly shifted."""
    draw = np.random.default_rng(seed)
    parts = []
    for day in days:
        session = hours(segment)(day)
        assert session is not None
        minutes = np.array(session.minute_starts_us()) // 1_000_000
        keep = draw.random(minutes.size) >= dropped
        keep[[0, -1]] = True
        parts.append(minutes[keep] + (60 if side == "end" else 0) - shift_s)
    return draw.permutation(np.concatenate(parts))


@given(
    st.lists(st.sampled_from(DAYS), min_size=1, max_size=5, unique=True), st.sampled_from(["CM", "FO"]), st.sampled_from(["start", "end"]),
    st.sampled_from([0, IST_S, -IST_S]), st.floats(0, 0.3), st.sampled_from(["start", "end"]), st.integers(0, 2**32 - 1),
)
def test_full_sessions_tell_zone_and_side(days: list[date], segment: str, side: str, shift_s: int, dropped: float, declared: str, seed: int) -> None:
    found = fit(labels(days, segment, side, shift_s, dropped, seed), declared, hours(segment))
    assert (found.shift_s, found.side, found.side_told) == (shift_s, side, True)


@given(st.lists(st.sampled_from(DAYS), min_size=1, max_size=4, unique=True), st.sampled_from(["start", "end"]), st.floats(0.5, 0.99), st.integers(0, 2**32 - 1))
def test_few_rows_claim_nothing(days: list[date], declared: str, dropped: float, seed: int) -> None:
    stamps = labels(days, "FO", declared, 0, dropped, seed)
    found = fit(stamps, declared, hours("FO"))
    assert (found.shift_s, found.side) == (0, declared)


def test_the_last_second_of_a_minute_is_the_same_on_both_sides() -> None:
    stamps = labels(DAYS[:2], "FO", "start", 0, 0.0, 1) + 59
    for declared in ("start", "end"):
        found = fit(stamps, declared, hours("FO"))
        assert (found.side, found.side_told, found.shift_s) == (declared, False, 0)


def test_rows_after_the_close_do_not_turn_the_side() -> None:
    day = date(2024, 2, 27)
    minutes = labels([day], "FO", "start", 0, 0.0, 1)
    found = fit(np.append(minutes, minutes.max() + 60), "start", hours("FO"))
    assert (found.side, found.side_told) == ("start", False)


@pytest.mark.parametrize("stamps", [[], [10**9]])
def test_nothing_tells_nothing(stamps: list[int]) -> None:
    found = fit(np.array(stamps, np.int64), "end", hours("FO"))
    assert (found.shift_s, found.side, found.side_told) == (0, "end", False)
