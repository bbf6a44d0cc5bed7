from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import ConfigError
from fnolake.model import IST
from fnolake.query.when import EVER, When, when

MON, FRI = date(2026, 11, 16), date(2026, 11, 20)


@pytest.mark.parametrize(("start", "end", "expected"), [
    (None, None, EVER),
    ("2026-11-16", "2026-11-20", When(MON, FRI)),
    (MON, " 2026-11-20 ", When(MON, FRI)),
    ("2026-11-16 09:30", None, When(MON, None, datetime(2026, 11, 16, 4, tzinfo=UTC))),
    ("2026-11-16T04:00:00+00:00", datetime(2026, 11, 20, 15, 30), When(MON, FRI, datetime(2026, 11, 16, 4, tzinfo=UTC), datetime(2026, 11, 20, 10, tzinfo=UTC))),
    (None, "2026-11-21 00:00", When(None, FRI, None, datetime(2026, 11, 20, 18, 30, tzinfo=UTC))),
    ("2026-11-15 20:00+00:00", None, When(MON, None, datetime(2026, 11, 15, 20, tzinfo=UTC))),
])
def test_dates_are_sessions_and_instants_are_ist(start: object, end: object, expected: When) -> None:
    assert when(start, end) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(("start", "end", "says"), [
    ("yesterday", None, "no date or time: 'yesterday'"), ("2026-13-01", None, "2026-13-01"), (FRI, MON, "give the earlier first"),
    ("2026-11-20 10:00", "2026-11-20 10:00", "lies after"), (None, "2026-11-20 25:00", "2026-11-20 25:00"),
])
def test_what_is_no_stretch_of_time_is_said(start: object, end: object, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        when(start, end)  # type: ignore[arg-type]


@given(st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31)), st.integers(1, 20_000))
def test_every_bar_of_an_instants_span_lies_in_its_sessions(since: datetime, minutes: int) -> None:
    until = since + timedelta(minutes=minutes)
    span = when(since, until)
    assert span.of([since.date(), (until - timedelta(microseconds=1)).date()]) == [since.date(), (until - timedelta(microseconds=1)).date()]
    assert span.of([since.date() - timedelta(days=1), until.date() + timedelta(days=1)]) == []
    assert span.until is not None
    assert span.until.astimezone(IST).replace(tzinfo=None) == until
