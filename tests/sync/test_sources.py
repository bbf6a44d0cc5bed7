"""Which source applies to a session, and who waits for the exchange's file."""

from datetime import date, datetime

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from fnolake.model import IST, instrument_schema
from fnolake.sync.plan import PlanFacts, make_plan
from fnolake.sync.sources import FILE, MASTER, WAITS, source_lines, sources_of, waiting

THU, FRI = date(2026, 11, 19), date(2026, 11, 20)
NEXT = date(2026, 11, 24)


def evening(hour: int = 18, day: date = FRI) -> datetime:
    return datetime(day.year, day.month, day.day, hour, 30, tzinfo=IST)


def test_a_file_that_is_here_applies_and_one_to_come_is_waited_for() -> None:
    found = sources_of(["NSE", "BSE"], [THU, FRI], frozenset({("NSE", "FO", FRI)}), evening(), waits=True)
    assert [(one.venue, one.session, one.kind) for one in found] == [
        ("BSE", THU, MASTER), ("BSE", FRI, WAITS), ("NSE", THU, MASTER), ("NSE", FRI, FILE),
    ]
    assert waiting(found) == {("BSE", FRI)}
    lines = source_lines(found)
    assert lines[1].startswith("BSE 2026-11-20: options that do not expire that day wait for the exchange's file, until 21 Nov 09:00 IST")
    assert lines[3] == "NSE 2026-11-20: listed and traded by the exchange's file"


def test_nobody_waits_beyond_the_next_morning_or_without_hope() -> None:
    saturday = date(2026, 11, 21)
    assert waiting(sources_of(["NSE"], [FRI], frozenset(), evening(8, saturday), waits=True)) == {("NSE", FRI)}
    assert not waiting(sources_of(["NSE"], [FRI], frozenset(), evening(9, saturday), waits=True))
    assert not waiting(sources_of(["NSE"], [FRI], frozenset(), evening(), waits=False))


def test_many_sessions_of_one_source_are_one_line() -> None:
    days = [date(2026, 11, n) for n in range(2, 7)]
    assert source_lines(sources_of(["NSE"], days, frozenset(), evening(), waits=True)) == [
        "NSE 2026-11-02 to 2026-11-06 (5 sessions): listed by the master, no exchange file is here",
    ]


def contract(number: int, kind: str, expiry: date | None) -> dict[str, object]:
    return {
        "contract": number, "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": number, "symbol": f"C{number}",
        "underlying": "ACME", "kind": kind, "expiry": expiry, "strike_paise": 100 if kind == "option" else None,
        "right": "CE" if kind == "option" else None, "lot": 1, "tick_paise": 5, "provider_symbol": "", "is_index": False,
        "valid_from": None, "valid_to": None,
    }


@given(st.lists(st.tuples(st.sampled_from(["spot", "future", "option"]), st.sampled_from([FRI, NEXT])), min_size=1, max_size=12), st.booleans())
def test_only_options_that_live_on_ever_wait(kinds: list[tuple[str, date]], waits: bool) -> None:
    rows = [contract(number, kind, None if kind == "spot" else expiry) for number, (kind, expiry) in enumerate(kinds)]
    held = waiting(sources_of(["NSE"], [FRI], frozenset(), evening(), waits=waits))
    plan = make_plan(PlanFacts(
        pl.DataFrame(rows, schema=instrument_schema()),
        pl.DataFrame({"contract": list(range(len(rows))), "session": [FRI] * len(rows)}, schema={"contract": pl.Int64, "session": pl.Date}),
        (FRI,), today=FRI, waiting=held,
    ))
    expected = sum(kind == "option" and expiry > FRI for kind, expiry in kinds) if waits else 0
    assert (plan.waiting, plan.contract_sessions) == (expected, len(rows) - expected)
