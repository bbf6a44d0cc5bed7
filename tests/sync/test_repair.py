"""What is asked again because of a finding: on the next evening, alone, elsewhere, and not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from tests.sync.test_second_look import listing

from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    Proof,
    RawFile,
    Selection,
    Verdict,
    bar_schema,
    listing_schema,
    quarantine_schema,
)
from fnolake.store.store import Store
from fnolake.sync import repair
from fnolake.sync.contracts import Contracts, tasks
from fnolake.sync.plan import Plan
from fnolake.sync.wanted import plan_wanted, wanted

CALENDAR = Calendar.bundled()
MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
MISMATCH = Verdict(Outcome.COMPLETE, proof=Proof.MISMATCH, proof_reasons=("high_below_exchange",))
NEAR = Verdict(Outcome.COMPLETE, proof_reasons=("no_range", "volume_near"))
CUT, DOUBTFUL = Verdict(Outcome.PARTIAL, ("cut",)), Verdict(Outcome.FAILED, ("doubtful_empty",))
SILENT = Verdict(Outcome.FAILED, ("Unreachable",))


def evening(day: int, hour: int = 13) -> datetime:
    """So many days after Monday's close."""
    return datetime(2026, 11, 16, hour, 0, tzinfo=UTC) + timedelta(days=day)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True, grace_s=0.0) as opened:
        expiries = [date(2026, 12, 29), date(2026, 12, 1)]
        table = pl.DataFrame([listing(token, expiry) for token, expiry in enumerate(expiries, 1)], schema=listing_schema())
        day = date(2026, 11, 13)
        opened.take_master(Master("shoonya", "NFO", day, 2, table, payload_hash="m"), RawFile("shoonya", "NFO.txt", evening(-3), b"x", evening(-3), "0"))
        yield opened


def asked(store: Store, verdict: Verdict, at: datetime, contract: int = 1, session: date = MON, account: str = "one") -> None:
    key = f"{contract} {session} {at} {account}"
    attempt = Attempt(contract, session, verdict, "shoonya", account, at, "hash", key)
    store.commit(Batch((attempt,), pl.DataFrame(schema=bar_schema()), pl.DataFrame(schema=quarantine_schema())))


def state(store: Store, now: datetime, *, retry: bool = False, tries: int = 3) -> tuple[str, int]:
    (row,) = repair.states(store, now, tries=tries, retry=retry).iter_rows(named=True)
    return row["state"], row["tried"]


def planned(store: Store, now: datetime, *, retry: bool = False, session: date | None = None) -> Plan:
    chosen = wanted(store, Selection(retry=retry, start=session, end=session), CALENDAR, now)
    return plan_wanted(store, chosen, CALENDAR, now)


@pytest.mark.parametrize("verdict", [MISMATCH, CUT, DOUBTFUL])
def test_a_finding_is_tried_on_three_evenings_and_then_given_up(store: Store, verdict: Verdict) -> None:
    for day in range(4):
        asked(store, verdict, evening(day))
        if day < 3:
            assert state(store, evening(day + 1)) == ("due", day)
    assert state(store, evening(9)) == ("given_up", 3)
    assert state(store, evening(9), retry=True) == ("due", 3)
    assert state(store, evening(9), tries=5) == ("due", 3)


def test_tries_of_one_evening_count_once(store: Store) -> None:
    for hour in (13, 14, 15):
        asked(store, CUT, evening(0, hour))
        asked(store, CUT, evening(1, hour))
    assert state(store, evening(2)) == ("due", 1)


def test_a_mismatch_waits_for_the_next_evening_and_what_is_not_there_does_not(store: Store) -> None:
    asked(store, MISMATCH, evening(0))
    asked(store, CUT, evening(0), contract=2)
    now = evening(0, 15)
    assert repair.states(store, now)["state"].to_list() == ["waiting", "due"]
    assert repair.states(store, now, retry=True)["state"].to_list() == ["due", "due"]
    assert repair.states(store, evening(1))["state"].to_list() == ["due", "due"]


def test_what_nearly_agrees_is_tried_once(store: Store) -> None:
    asked(store, NEAR, evening(0))
    assert state(store, evening(1)) == ("due", 0)
    asked(store, NEAR, evening(1))
    assert state(store, evening(2)) == ("given_up", 1)
    assert repair.states(store, evening(2))["reason"].to_list() == ["volume_near"]


def test_a_failure_to_ask_is_no_try(store: Store) -> None:
    for day in range(8):
        asked(store, SILENT, evening(day))
    assert state(store, evening(9)) == ("due", 0)
    assert repair.states(store, evening(9))["limit"].to_list() == [None]


def test_an_answer_that_takes_no_coverage_is_a_try(store: Store) -> None:
    asked(store, MISMATCH, evening(0))
    asked(store, DOUBTFUL, evening(1))
    asked(store, SILENT, evening(2))
    assert state(store, evening(3)) == ("due", 1)
    assert repair.states(store, evening(3))["reason"].to_list() == ["high_below_exchange"]


def test_what_was_mended_or_is_still_in_progress_is_no_finding(store: Store) -> None:
    asked(store, MISMATCH, evening(0))
    asked(store, Verdict(Outcome.COMPLETE, proof=Proof.VERIFIED), evening(1))
    asked(store, Verdict(Outcome.PARTIAL, ("in_progress",)), evening(0), contract=2)
    assert repair.states(store, evening(2)).is_empty()


def test_an_expired_contract_is_gone(store: Store) -> None:
    asked(store, MISMATCH, evening(0), contract=2)
    assert state(store, datetime(2026, 12, 2, 13, tzinfo=UTC)) == ("gone", 0)


def test_the_plan_asks_for_a_finding_of_an_earlier_session_alone_and_not_for_what_was_given_up(store: Store) -> None:
    asked(store, MISMATCH, evening(0))
    rows = planned(store, evening(1)).rows.filter(pl.col("repair") != "")
    assert rows.select("contract", "sessions", "repair", "last_account").rows() == [(1, [MON], "high_below_exchange", "one")]
    assert planned(store, evening(1), session=TUE).rows.filter(pl.col("repair") != "").is_empty(), "of that session only"
    for day in range(1, 4):
        asked(store, MISMATCH, evening(day))
    assert MON not in planned(store, evening(4)).sessions
    assert MON in planned(store, evening(4), retry=True).sessions


def test_what_is_missing_is_asked_in_spans_but_findings_alone_and_the_given_up_not_at_all(store: Store) -> None:
    for day in range(4):
        asked(store, CUT, evening(day))
    asked(store, CUT, evening(3), session=TUE)
    now = evening(4)
    chosen = wanted(store, Selection(start=MON, end=date(2026, 11, 19)), CALENDAR, now)
    rows = plan_wanted(store, chosen, CALENDAR, now).rows.filter(pl.col("contract") == 1).sort("first")
    assert rows.select("sessions", "repair").rows() == [([TUE], "cut"), ([date(2026, 11, 18), date(2026, 11, 19)], "")]


def test_a_repair_is_asked_of_another_provider_or_else_of_another_account(store: Store) -> None:
    asked(store, MISMATCH, evening(0))
    rows = planned(store, evening(1)).rows.filter(pl.col("repair") != "")
    contracts = Contracts(store.instruments(None))
    (task,) = tasks(rows, contracts, {"one": "shoonya", "two": "shoonya"})
    assert (task.again, task.tried) == (True, frozenset({"one"}))
    (task,) = tasks(rows, contracts, {"one": "shoonya", "two": "shoonya", "three": "firstock"})
    assert task.tried == frozenset({"one", "two"})
    assert repair.elsewhere("gone", {"one": "shoonya"}) == frozenset()


def test_people_see_what_was_tried(store: Store) -> None:
    for day in range(4):
        asked(store, MISMATCH, evening(day))
    row = repair.shown(store, store.instruments(None), evening(4), 3).row(0, named=True)
    assert (row["symbol"], row["why"]) == ("TCS29DEC26C1", "high_below_exchange: asked again on 3 evenings, and it stays")
    gap = pl.DataFrame({"contract": [1, 2], "session": [MON, MON]}, schema_overrides={"session": pl.Date})
    assert repair.with_states(store, gap, evening(4), 3)["repair"].to_list() == [row["why"], ""]
