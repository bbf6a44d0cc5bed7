"""Ten emulated evenings across the longer hours of 2026-08-03 under random faults; ``scripts/soak`` runs three months of them."""

from __future__ import annotations

import json
from datetime import date

import polars as pl
import pytest
from tests.scenario.soak import Result, Soak, run

pytestmark = pytest.mark.slow
SMALL = ("NIFTYFPI", "BANKEX", "TCS", "INDIANB", "M&M")


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Result:
    found = run(Soak(date(2026, 7, 28), date(2026, 8, 10), SMALL), tmp_path_factory.mktemp("soak"))
    print("\n".join(found.lines()))
    return found


def test_the_soak_crosses_the_new_hours_an_expiry_and_its_share_of_faults(result: Result) -> None:
    assert result.rows["session"].n_unique() == 10
    assert result.traded.height > 3000
    assert result.traded.filter(pl.col("expiry") == "2026-07-28").height > 20
    assert 0.01 < result.faults.total() / result.requests < 0.03
    assert len(result.faults) >= 12


def test_nothing_is_called_verified_that_did_not_happen(result: Result) -> None:
    assert result.verified.height > 0.95 * result.traded.height
    assert result.false_verified.is_empty(), result.false_verified


def test_what_is_not_verified_says_why_and_it_is_true(result: Result) -> None:
    assert result.unexplained.is_empty(), result.unexplained.select("exchange", "token", "session", "kind", "status", "why", "faults")


def test_what_did_not_trade_is_never_called_captured(result: Result) -> None:
    untraded = result.rows.filter(~pl.col("traded"))
    assert untraded.filter(pl.col("have_bars").is_not_null()).is_empty()
    assert untraded.filter(pl.col("status") == "complete").is_empty()


def test_every_contract_is_the_one_it_is_called(result: Result) -> None:
    known = result.rows.filter(pl.col("known_as").is_not_null())
    assert known.filter(pl.col("known_as") != pl.col("true_name")).is_empty()
    assert result.traded.filter(pl.col("known_as").is_null()).is_empty()


@pytest.fixture(scope="module")
def hard(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """Nights on which every eighth request goes wrong, with one sync each and no look back."""
    found = run(Soak(date(2026, 7, 31), date(2026, 8, 4), ("TCS", "NIFTYFPI"), 0.12, 3, look_back=0, runs=1), tmp_path_factory.mktemp("hard"))
    print("\n".join(found.lines()))
    return found


def test_nights_that_are_never_repaired_say_truly_what_is_wrong(hard: Result) -> None:
    assert hard.false_verified.is_empty(), hard.false_verified
    assert hard.unexplained.is_empty(), hard.unexplained.select("exchange", "token", "session", "kind", "status", "why", "faults")
    assert hard.traded.filter(pl.col("proof") != "verified")["why"].n_unique() >= 5


EVENTS = [
    {"event": "lot", "underlying": "TCS", "from_expiry": "2026-09-29", "lot": 200},
    {"event": "expiry_moved", "underlying": "TCS", "expiry": "2026-09-29", "to": "2026-09-28", "on": "2026-08-04"},
    {"event": "dividend", "underlying": "TCS", "on": "2026-08-06", "paise": 1825},
    {"event": "rename", "underlying": "SUZLON", "to": "SUZWIND", "on": "2026-08-05"},
    {"event": "demerger", "underlying": "VEDL", "on": "2026-08-06", "paise": 8000},
]
"""What happens in the eventful soak: all that is known to happen to contracts, across the longer hours of 2026-08-03."""


@pytest.fixture(scope="module")
def eventful(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """July's expiry, a week of events, three weeks away, and the day on which July's tokens are given again."""
    folder = tmp_path_factory.mktemp("eventful")
    script = folder / "events.json"
    script.write_text(json.dumps(EVENTS))
    soak = Soak(
        date(2026, 7, 28), date(2026, 8, 27), ("VEDL", "TCS", "SUZLON"), look_back=0, recycle=True, events=script,
        away=(date(2026, 8, 7), date(2026, 8, 25)),
    )
    found = run(soak, folder)
    print("\n".join(found.lines()))
    return found


def test_whatever_happens_to_contracts_nothing_is_falsely_verified_or_unexplained(eventful: Result) -> None:
    assert eventful.false_verified.is_empty(), eventful.false_verified
    assert eventful.unexplained.is_empty(), eventful.unexplained.select("exchange", "token", "session", "kind", "status", "why", "faults")
    assert eventful.verified.height > 0.98 * eventful.traded.height
    assert eventful.faults.total() > 15


def test_whatever_happens_every_contract_is_the_one_it_is_called(eventful: Result) -> None:
    known = eventful.rows.filter(pl.col("known_as").is_not_null())
    assert known.filter(pl.col("known_as") != pl.col("true_name")).is_empty()
    assert eventful.traded.filter(pl.col("known_as").is_null()).is_empty()
    lives = known.filter(pl.col("kind") != "spot").group_by("exchange", "token").agg(
        pl.col("contract").n_unique(), expiries=pl.col("expiry").unique(), names=pl.col("underlying").unique(), strikes=pl.col("strike_paise").n_unique(),
    )
    recycled = lives.filter(pl.col("contract") > 1)
    assert recycled.height > 20, "tokens must have been given again for this to show anything"
    assert recycled.filter(~pl.col("expiries").list.contains("2026-07-28")).is_empty(), "nothing else may have become another contract"
    stayed = lives.filter(pl.col("contract") == 1)
    assert stayed.filter(pl.col("expiries").list.contains("2026-09-29") & pl.col("expiries").list.contains("2026-09-28")).height > 20
    assert stayed.filter(pl.col("strikes") > 1).height > 50
    assert stayed.filter(pl.col("names").list.len() > 1).height > 50
