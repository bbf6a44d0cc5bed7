"""What there is to tell: each cause from the facts, and nothing when all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl
from tests.alerts.test_notify import BAD, DAY, RISK, WELL

from fnolake.config import CAUSES, AccountSettings, AlertSettings
from fnolake.model import Certificate, Content, Counts
from fnolake.sync.causes import messages, needs_a_person, who_is_wanted
from fnolake.sync.status import AccountStatus

EVERYTHING = AlertSettings(on=CAUSES)


def test_a_lake_that_is_well_says_nothing() -> None:
    assert messages(WELL, EVERYTHING) == ()
    assert messages(replace(WELL, disk_sessions=None), EVERYTHING) == ()


def test_every_message_has_a_cause_a_key_of_its_own_and_says_what_to_do() -> None:
    made = messages(BAD, EVERYTHING)
    assert [one.cause for one in made] == ["login_needed", "at_risk", "failed_proof", "disk_low"]
    assert len({one.key for one in made}) == 4
    assert all("\n" not in one.title and one.text for one in made)
    link, risk, proof, disk = made
    assert "http://127.0.0.1/authorize?state=s" in link.text
    assert "fnolake login mine --code" in link.text
    assert risk.title == "fnolake: 7 contract-sessions will be lost on 24 Nov 2026"
    assert "1 of spot, 6 of options" in risk.text
    assert proof.key == "failed_proof:2026-11-20"
    assert disk.title.endswith("room for 4 more sessions")


def test_what_expires_today_is_told_only_once_it_can_be_taken() -> None:
    due = RISK.with_columns(pl.lit(DAY).alias("deadline"), pl.lit(0, dtype=pl.Int64).alias("lost"))
    assert messages(replace(WELL, risk=due, evening=False), EVERYTHING) == ()
    told = messages(replace(WELL, risk=due, evening=True), EVERYTHING)
    assert [one.title for one in told] == ["fnolake: 40 contract-sessions are lost after today"]


def test_the_disk_is_low_below_the_number_that_is_set() -> None:
    assert messages(replace(WELL, disk_sessions=10), AlertSettings(disk_sessions=10)) == ()
    assert messages(replace(WELL, disk_sessions=1), AlertSettings(disk_sessions=2))[0].title.endswith("1 more session")


def test_a_certificate_is_an_event_and_only_told_when_asked_for() -> None:
    signed = Certificate(
        session=DAY, made_at=datetime(2026, 11, 20, 14, tzinfo=UTC), version="1", venues=("NSE",), counts=Counts(listed=2, traded=2, verified=2), underlyings=(),
        known_underlyings=0, reasons=(), exchange_files=(), missing_files=(), masters=(), sources=(), content=Content("ab" * 32, 770, 2),
    )
    facts = replace(WELL, certificate=signed)
    assert messages(facts, AlertSettings()) == ()
    told = messages(facts, EVERYTHING)[0]
    assert (told.once, told.text) == (True, signed.line)
    newer = replace(signed, made_at=datetime(2026, 11, 20, 15, tzinfo=UTC), supersedes=signed.hash)
    assert messages(replace(WELL, certificate=newer), EVERYTHING)[0].key == told.key
    mended = replace(signed, content=Content("cd" * 32, 771, 2))
    assert messages(replace(WELL, certificate=mended), EVERYTHING)[0].key != told.key


def test_who_can_sign_in_alone_is_wanted_only_after_failing_to() -> None:
    accounts = {
        "page": AccountSettings(), "alone": AccountSettings(generation="legacy", password="env:P", totp="env:T"),
        "bare": AccountSettings(provider="firstock"), "other": AccountSettings(provider="acme"),
    }
    assert [name for name, one in accounts.items() if needs_a_person(one)] == ["page", "bare"]
    out = tuple(AccountStatus(name, one.provider, "", signed_in=False) for name, one in accounts.items())
    assert [one.account for one in who_is_wanted(accounts, out, {}, {})] == ["page", "bare"]
    wanted = who_is_wanted(accounts, out, {"page": "http://x"}, {"alone": "refused", "page": "ended"})
    assert [(one.account, one.link, one.reason) for one in wanted] == [("page", "http://x", "ended"), ("alone", "", "refused"), ("bare", "", "")]
    signed_in = tuple(AccountStatus(one.name, one.provider, "", signed_in=True, until=datetime.combine(date.max, datetime.min.time(), UTC)) for one in out)
    assert who_is_wanted(accounts, signed_in, {}, {"alone": "refused"}) == ()
