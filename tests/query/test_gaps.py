"""A read tells what it lacks: wanted minus covered, in one line, or as an error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fnolake.errors import GapWarning, NotCovered
from fnolake.lake import Lake, open_lake
from fnolake.model import Outcome
from fnolake.store.store import Store

from .lakes import (
    FRI,
    JUL,
    MON,
    NEAR,
    SPOT,
    STRIKES,
    THU,
    TUE,
    WED,
    WEEK,
    ask,
    commit,
    minutes,
    option,
    published,
    said,
    take_day,
    take_masters,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        take_masters(opened)
        yield opened


@pytest.fixture
def lake(store: Store) -> Iterator[Lake]:
    commit(store, *(minutes(NEAR, day, {0: 4000}) for day in (MON, FRI)))
    said(store, NEAR, WED, Outcome.FAILED, "doubtful_empty")
    with open_lake(store.path, environ={}) as opened:
        yield opened


def test_a_read_over_a_gap_warns_once_and_says_what_and_why(lake: Lake) -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        rows = lake.bars("TCS25JUL24F")
    assert rows["session"].to_list() == [MON, FRI]
    assert [(one.category, one.filename) for one in heard] == [(GapWarning, __file__)]
    assert str(heard[0].message) == (
        f"3 of 5 contract-sessions are not covered: TCS25JUL24F {TUE} (missing), TCS25JUL24F {WED} (failed: doubtful_empty),"
        f" TCS25JUL24F {THU} (missing); `fnolake gaps` says why, `fnolake sync` fetches what is still served"
    )


def test_a_strict_read_raises_with_the_spans(lake: Lake) -> None:
    with pytest.raises(NotCovered, match="3 of 5") as caught:
        lake.bars("TCS25JUL24F", strict=True)
    assert caught.value.missing == [(NEAR, TUE), (NEAR, WED), (NEAR, THU)]
    assert caught.value.spans == (("TCS25JUL24F", TUE, TUE, "missing"), ("TCS25JUL24F", WED, WED, "failed: doubtful_empty"), ("TCS25JUL24F", THU, THU, "missing"))
    with pytest.raises(NotCovered):
        lake.scan("TCS25JUL24F", strict=True)


def test_a_scan_warns_when_it_is_made_and_holds_the_same_rows(lake: Lake) -> None:
    with pytest.warns(GapWarning, match="3 of 5"):
        lazy = lake.scan("TCS25JUL24F")
    with pytest.warns(GapWarning):
        rows = lake.bars("TCS25JUL24F")
    assert lazy.collect().sort("ts").equals(rows)


def test_what_is_covered_says_nothing(lake: Lake) -> None:
    assert lake.bars("TCS25JUL24F", start=MON, end="2024-07-08", strict=True).height == 1


def test_sessions_in_a_row_are_one_span_over_a_weekend(store: Store) -> None:
    commit(store, minutes(SPOT, WED, {0: 4000}), minutes(SPOT, date(2024, 7, 16), {0: 4000}))
    gaps = ask(store, "TCS")[1]
    assert gaps.spans == (("TCS-EQ", THU, date(2024, 7, 15), "missing"),)
    assert gaps.rows.height == 3


def test_what_did_not_trade_or_was_stated_empty_is_no_gap(store: Store) -> None:
    call = option(4000, "CE")
    commit(store, minutes(call, MON, {0: 50}))
    take_day(store, TUE, published(call, volume=0))
    take_day(store, WED, published(option(4050, "CE")))
    take_day(store, THU, published(call))
    said(store, call, FRI, Outcome.EMPTY_STATED)
    gaps = ask(store, "TCS25JUL24C4000")[1]
    assert gaps.spans == (("TCS25JUL24C4000", THU, THU, "missing"),)  # traded; on Wednesday it was not listed


def test_what_came_in_part_is_a_gap_with_its_bars(store: Store) -> None:
    commit(store, minutes(SPOT, MON, {0: 4000}), outcome=Outcome.PARTIAL)
    rows, gaps = ask(store, "TCS")
    assert (rows.height, gaps.spans) == (1, (("TCS-EQ", MON, MON, "partial"),))


def test_a_session_that_is_not_over_is_not_wanted_yet(store: Store) -> None:
    commit(store, minutes(SPOT, MON, {0: 4000}))
    assert not ask(store, "TCS", end=FRI, finished=lambda day: day == MON)[1]
    assert ask(store, "TCS", end=FRI)[1].rows["session"].to_list() == [TUE, WED, THU, FRI]


def test_before_a_listing_and_after_an_expiry_nothing_is_wanted(store: Store) -> None:
    take_masters(store, [{"venue": "NSE", "segment": "FO", "token": 77, "symbol": "TCS31OCT24F", "underlying": "TCS", "kind": "future", "expiry": date(2024, 10, 31), "strike_paise": None,
                          "right": None, "lot": 175, "tick_paise": 5, "provider_symbol": "TCS31OCT24F", "is_index": False}], date(2024, 7, 26))
    commit(store, minutes(NEAR, JUL, {0: 4000}), minutes(SPOT, date(2024, 7, 30), {0: 4000}))
    assert not ask(store, "TCS25JUL24F")[1]
    assert ask(store, "TCS31OCT24F")[1].rows["session"].to_list() == [date(2024, 7, 26), date(2024, 7, 29), date(2024, 7, 30)]


def test_a_contract_that_was_never_captured_is_missing_on_every_session_of_the_lake(store: Store) -> None:
    commit(store, minutes(SPOT, MON, {0: 4000}), minutes(SPOT, TUE, {0: 4000}))
    rows, gaps = ask(store, "TCS", "future", "far")
    assert rows.is_empty()
    assert gaps.spans == (("TCS26SEP24F", MON, TUE, "missing"),)


def test_a_gap_is_of_what_was_known_at_an_instant(store: Store) -> None:
    evening, later = datetime(2024, 7, 8, 13, tzinfo=UTC), datetime(2024, 7, 9, 13, tzinfo=UTC)
    commit(store, minutes(SPOT, TUE, {0: 4000}), at=evening)
    commit(store, minutes(SPOT, MON, {0: 4000}), at=later)
    rows, gaps = ask(store, "TCS", start=MON, end=TUE, as_of=evening)
    assert rows["session"].to_list() == [TUE]
    assert gaps.rows["session"].to_list() == [MON]
    assert not ask(store, "TCS", start=MON, end=TUE, as_of=later)[1]


def test_many_gaps_are_still_one_line(store: Store) -> None:
    commit(store, *(minutes(SPOT, day, {0: 4000}) for day in WEEK))
    gaps = ask(store, "TCS", "option", JUL)[1]
    assert gaps.rows.height == 5 * 2 * len(STRIKES)
    assert gaps.message.endswith("and 7 more; `fnolake gaps` says why, `fnolake sync` fetches what is still served")
    assert "\n" not in gaps.message
    assert len(gaps.message) < 350


def test_an_empty_lake_answers_with_nothing(store: Store) -> None:
    rows, gaps = ask(store, "TCS")
    assert rows.is_empty()
    assert not gaps
