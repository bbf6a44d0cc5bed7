"""Verdicts given again when the exchange's file is late: attempts are added, bars stay or go with their coverage."""

from __future__ import annotations

from pathlib import Path

import pytest

from fnolake.model import Attempt, Outcome, Proof, Verdict
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, attempt, batch, capture, listing, master, raw
from .test_exchange import day, row

ON_TIME = Verdict(Outcome.COMPLETE, bars=3, volume=600, proof=Proof.UNVERIFIED, proof_reasons=("no_exchange_file",))
STATED = Verdict(Outcome.EMPTY_STATED, proof_reasons=("no_exchange_file",))


def said(contract: int, verdict: Verdict) -> Attempt:
    return Attempt(contract, MON, verdict, "shoonya", "main", NOW, "h", "k")


@pytest.fixture
def captured(store: Store) -> Store:
    """Two complete ones and an empty one, without the exchange's file; then the file."""
    store.take_master(master([listing(1), listing(2), listing(3)], MON), raw())
    first, second = capture(1, MON)[1], capture(2, MON)[1]
    store.commit(batch((said(1, ON_TIME), first), (said(2, ON_TIME), second), (said(3, STATED), None)))
    store.publish(MON)
    store.take_exchange_day(day(MON, row(1), row(2), row(3)), raw("fo.csv"))
    return store


def test_a_file_is_due_only_where_something_was_captured_before_it(captured: Store) -> None:
    captured.take_exchange_day(day(TUE, row(1)), raw("fo2.csv"))
    assert captured.due_again() == [MON]
    assert captured.unproven().select("contract", "outcome", "request_key").rows() == [(1, "complete", "k"), (2, "complete", "k"), (3, "empty_stated", "k")]


def test_new_verdicts_win_whatever_their_rank_and_attempts_are_only_added(captured: Store) -> None:
    before = captured.attempts()
    captured.judged_again([MON], [
        said(1, Verdict(Outcome.COMPLETE, bars=3, volume=600, proof=Proof.VERIFIED)),
        said(2, Verdict(Outcome.PARTIAL, ("exchange_differs",), bars=3, volume=600, proof=Proof.MISMATCH)),
        said(3, Verdict(Outcome.FAILED, ("doubtful_empty",))),
    ])
    assert captured.coverage().select("contract", "outcome", "proof", "bars").rows() == [
        (1, "complete", "verified", 3), (2, "partial", "mismatch", 3), (3, "failed", "unverified", 0),
    ]
    assert captured.attempts().head(before.height).equals(before)
    assert captured.attempts().height == 6
    assert captured.bars(None, [MON]).collect().height == 6
    assert captured.due_again() == []
    assert captured.unpublished() == [MON]
    captured.publish(MON)
    assert captured.bars(None, [MON]).collect().height == 6


def test_bars_that_are_condemned_are_read_no_more_and_kept_as_revisions(captured: Store) -> None:
    captured.judged_again([MON], [said(1, Verdict(Outcome.QUARANTINED, ("not_this_contract",), proof=Proof.MISMATCH))])
    assert captured.bars(None, [MON]).collect()["contract"].unique().to_list() == [2]
    captured.publish(MON)
    assert captured.bars(None, [MON]).collect()["contract"].unique().to_list() == [2]
    assert captured.revisions([MON])["contract"].to_list() == [1, 1, 1]
    captured.commit(batch(capture(1, MON, price=500)))
    assert captured.bars([1], [MON]).collect()["open_paise"].to_list() == [500, 501, 502]


def test_a_refetch_replaces_what_was_judged_again(captured: Store) -> None:
    captured.judged_again([MON], [said(2, Verdict(Outcome.PARTIAL, ("exchange_differs",), bars=3, volume=600, proof=Proof.MISMATCH))])
    fresh = attempt(2, MON, proof=Proof.VERIFIED, count=4)
    captured.commit(batch((fresh, capture(2, MON, 4)[1])))
    captured.publish(MON)
    assert captured.coverage([MON], [2])["proof"].to_list() == ["verified"]
    assert captured.bars([2], [MON]).collect().height == 4


def test_nothing_is_due_in_a_new_lake(tmp_path: Path) -> None:
    with Store.open(tmp_path / "other", write=True) as store:
        assert store.due_again() == []
        assert store.unproven().is_empty()
        store.judged_again([], [])
        assert store.attempts().is_empty()
