"""What a user gives as names and dates, read the same way by every method."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from fnolake.errors import ConfigError
from fnolake.model import Selection, day_of, names_of

DAY = date(2026, 11, 16)


def test_one_name_is_a_name_and_not_its_letters() -> None:
    assert names_of("tcs ") == names_of(["TCS", "tcs"]) == ("TCS",)
    assert names_of(None) == names_of(()) == ()
    assert Selection.of(underlying="Nifty", kind="Future").kinds == ("future",)


def test_a_day_is_a_date_its_text_or_an_instants_date_in_india() -> None:
    assert day_of("2026-11-16") == day_of(DAY) == day_of(datetime(2026, 11, 15, 20, tzinfo=UTC)) == DAY
    assert day_of(None) is None
    with pytest.raises(ConfigError, match="no date: 'yesterday'; give a session like 2026-11-20"):
        day_of("yesterday")


def test_a_selection_is_made_of_words() -> None:
    assert Selection.of(underlying=["TCS"], start="2026-11-16", backfill=True) == Selection(("TCS",), (), DAY, None, None, backfill=True)
    assert Selection.of() == Selection()
