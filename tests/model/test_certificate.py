"""A certificate is a value: it survives its JSON, its hash is of all it says, and its line holds what is to be shared."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import pytest

from fnolake.model import Certificate, Content, Counts, ExchangeFile, MasterFile, Reason, Source, UnderlyingCounts
from fnolake.model.certificate import changes_since, share_line

FRIDAY = date(2026, 11, 20)
EVENING = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
WHOLE = Counts(listed=5, traded=3, untraded=1, unknown=1, captured=4, verified=3)


def certificate(**more: Any) -> Certificate:
    made = Certificate(
        session=FRIDAY, made_at=EVENING, version="0.1.0", venues=("NSE", "BSE"), counts=WHOLE,
        underlyings=(UnderlyingCounts("M&M", Counts(listed=2, traded=2, captured=2, verified=2)), UnderlyingCounts("NIFTY", Counts(3, 1, 1, 1, 2, 1))),
        known_underlyings=2, reasons=(Reason("unknown", "index_in_no_exchange_file", 1),),
        exchange_files=(ExchangeFile("NSE", "FO", "fo.csv.zip", 4, "ab" * 32, EVENING), ExchangeFile("BSE", "FO", "", 1, "", None)),
        missing_files=(), masters=(MasterFile("shoonya", "NFO", FRIDAY, 9, "cd" * 16),), sources=(Source("shoonya", 4),),
        content=Content("0123456789abcdef" * 4, 1540, 4),
    )
    return replace(made, **more)


def test_the_json_brings_the_same_certificate_back() -> None:
    one = certificate(supersedes="ef" * 32, changes=("gaps 1 → 0",), missing_files=(("NSE", "CM"),))
    again = Certificate.from_json(json.loads(json.dumps(one.to_json())))
    assert again == one
    assert again.hash == one.to_json()["hash"] == one.hash


def test_the_fields_of_the_json_are_stable() -> None:
    form = certificate().to_json()
    assert form["schema"] == 1
    assert set(form) == {
        "hash", "schema", "session", "made_at", "version", "venues", "counts", "underlyings", "known_underlyings", "reasons",
        "exchange_files", "missing_files", "masters", "sources", "content", "supersedes", "changes",
    }
    assert list(form["counts"]) == [
        "listed", "traded", "untraded", "unknown", "captured", "verified", "mismatch", "unverified", "gaps", "unknown_gaps",
    ]
    assert set(form["exchange_files"][0]) == {"venue", "segment", "name", "rows", "sha256", "taken_at"}
    assert set(form["masters"][0]) == {"provider", "exchange", "day", "rows", "payload_hash"}
    assert set(form["content"]) == {"sha256", "bars", "contracts"}
    assert (form["session"], form["made_at"]) == ("2026-11-20", "2026-11-20T13:00:00+00:00")


def test_the_hash_is_of_everything_that_is_said() -> None:
    others = [certificate(version="0.2.0"), certificate(counts=replace(WHOLE, verified=2)), certificate(supersedes="1")]
    assert len({one.hash for one in [certificate(), *others]}) == 4


@pytest.mark.parametrize(("more", "line"), [
    ({}, "3 of 3 traded contracts verified · NSE+BSE F&O · 2026-11-20 · sha256 0123456789ab"),
    ({"known_underlyings": 216}, "3 of 3 traded contracts verified · NSE+BSE F&O · M&M, NIFTY · 2026-11-20 · sha256 0123456789ab"),
    (
        {"missing_files": (("BSE", "FO"),), "counts": replace(WHOLE, traded=13845, verified=13801)},
        "13,801 of 13,845 traded contracts verified · NSE+BSE F&O · 2026-11-20 · no exchange file of BSE FO · sha256 0123456789ab",
    ),
])
def test_the_line_says_how_much_of_what(more: dict[str, Any], line: str) -> None:
    assert certificate(**more).line == line


def test_several_sessions_share_one_line() -> None:
    said = share_line([certificate(session=date(2026, 11, 19)), certificate()])
    assert said.startswith("6 of 6 traded contract-sessions verified · NSE+BSE F&O · 2 sessions, 2026-11-19 to 2026-11-20 · sha256 ")


@pytest.mark.parametrize(("more", "code"), [
    ({}, 0), ({"counts": replace(WHOLE, verified=2, unverified=1)}, 0), ({"counts": replace(WHOLE, verified=2, gaps=1)}, 3),
    ({"counts": replace(WHOLE, unknown_gaps=1)}, 3), ({"missing_files": (("NSE", "FO"),)}, 3),
    ({"counts": replace(WHOLE, verified=1, mismatch=1, gaps=1)}, 4),
])
def test_the_exit_code_is_the_worst_that_is_found(more: dict[str, Any], code: int) -> None:
    assert certificate(**more).exit_code == code


def test_a_later_certificate_says_what_changed() -> None:
    old = certificate(counts=replace(WHOLE, verified=2, gaps=1), reasons=(Reason("gap", "never_asked", 1),))
    assert changes_since(old, replace(old, made_at=datetime(2026, 11, 21, tzinfo=UTC), version="0.2.0")) == ()
    new = certificate(content=Content("f" * 64, 1925, 5), exchange_files=())
    assert changes_since(old, new) == (
        "verified 2 → 3", "gaps 1 → 0", "bars 1,540 (0123456789ab) → 1,925 (ffffffffffff)", "exchange file BSE FO", "exchange file NSE FO",
        "reasons of exceptions",
    )
