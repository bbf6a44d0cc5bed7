"""The facts are the store's: what a lake holds becomes what people are told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from tests.store.conftest import batch, capture, failure, listing, master, raw

from fnolake.config import CAUSES, AlertSettings, load
from fnolake.market.calendar import Calendar
from fnolake.model import Proof
from fnolake.store.store import Store
from fnolake.sync.causes import messages
from fnolake.sync.facts import look
from fnolake.sync.report import AccountReport, SyncReport
from fnolake.sync.status import AccountStatus

DAY = date(2026, 11, 20)
EVENING = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
TOML = '[account.mine]\ngeneration = "legacy"\nuid = "A"\npassword = "env:P"\ntotp = "env:T"\n'


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    (tmp_path / "lake.toml").write_text(TOML, encoding="utf-8")
    with Store.open(tmp_path, write=True) as opened:
        yield opened


def keys(store: Store, now: datetime = EVENING, *, report: SyncReport | None = None) -> list[str]:
    seen = (AccountStatus("mine", "shoonya", "legacy", signed_in=report is None, allowance=200),)
    facts = look(store, store.path, load(store.path, {}), seen, Calendar.bundled(), now, report)
    return [one.key for one in messages(facts, AlertSettings(on=CAUSES, disk_sessions=0))]


def listed(store: Store, expiry: date) -> list[int]:
    store.take_master(master([listing(token, expiry=expiry) for token in (1, 2)], DAY - timedelta(days=9)), raw())
    return store.instruments(None)["contract"].to_list()


def test_an_empty_lake_and_a_captured_one_have_nothing_to_tell(store: Store) -> None:
    assert keys(store) == []
    store.commit(batch(*(capture(one, DAY) for one in listed(store, date(2026, 12, 29)))))
    assert keys(store) == []


def test_a_mismatch_of_the_last_session_is_told_until_the_next_session_ends(store: Store) -> None:
    first, second = listed(store, date(2026, 12, 29))
    store.commit(batch(capture(first, DAY, proof=Proof.MISMATCH), capture(second, DAY)))
    assert keys(store) == ["failed_proof:2026-11-20"]
    assert "failed_proof:2026-11-20" not in keys(store, EVENING + timedelta(days=3))


def test_what_expires_today_and_failed_is_told(store: Store) -> None:
    first, second = listed(store, DAY)
    store.commit(batch(capture(first, DAY), failure(second, DAY)))
    assert keys(store) == ["at_risk:2026-11-20"]


def test_an_account_that_could_not_sign_in_by_itself_is_told_with_the_reason(store: Store) -> None:
    report = SyncReport(accounts=(AccountReport("mine", "shoonya", reason="the password was refused"),))
    assert keys(store, report=report) == ["login_needed:mine"]
    assert keys(store, report=SyncReport()) == []
