"""Deadlines with a real clock: weekly evenings counted by the emulator, expired contracts asked, recycled tokens refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

EVENINGS = ("2026-11-16", "2026-11-17", "2026-11-18", "2026-11-19", "2026-11-20")
WEEKLY = {"FNOLAKE_FRESHNESS__REST": "weekly", "FNOLAKE_FRESHNESS__NEAR_STRIKES": "3", "FNOLAKE_COMPARE__SAMPLE": "0", "FNOLAKE_REPAIR__SECOND_DAY": "0"}


def clock_to(emulator: Emulator, day: str) -> None:
    emulator.post("/emulator/clock", {"set": f"{day}T18:30:00+05:30"})


def asked(emulator: Emulator) -> list[dict[str, str]]:
    log = emulator.get("/emulator/asked?route=TPSeries")["log"]
    assert isinstance(log, list)
    return log


def planned(at: Desk, *words: str) -> list[dict[str, object]]:
    rows = json.loads(at.run("plan", *words, "--format", "json").stdout)
    assert isinstance(rows, list)
    return rows


def found(at: Desk) -> pl.DataFrame:
    with Store.open(at.lake, write=False) as store:
        return store.coverage(None)


@pytest.mark.slow
def test_five_evenings_of_a_weekly_tier_ask_what_the_plan_said(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off", "--date", EVENINGS[0])
    at = desk(emulator)
    at.env |= WEEKLY
    for day in EVENINGS:
        clock_to(emulator, day)
        at.run("instruments", "sync")
        at.run("sync", "--kind", "spot")
        at.run("sync", "--kind", "future")
        before, rows = len(asked(emulator)), planned(at)
        done = at.run("sync")
        assert len(asked(emulator)) - before == len(rows), day
    lines = at.run("plan", "--format", "table").stdout
    assert "wait for their day" in lines
    assert "instead of" in lines
    assert "wait for their weekday" in done.stdout
    known = found(at)
    assert set(known["outcome"]) <= {"complete", "empty_stated"}
    left = sum(len(str(row["sessions"]).split()) for row in planned(at, "--from", EVENINGS[0], "--to", EVENINGS[-1]))
    assert len(asked(emulator)) < 0.75 * (known.height + left), f"{known.height} here, {left} wait"


@pytest.mark.slow
def test_expired_contracts_are_asked_on_three_days_and_then_unavailable(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,NIFTY", "--limits", "off")
    at = desk(emulator)
    at.run("sync", "--kind", "future", "--underlying", "NIFTY")
    for nth, day in enumerate(("2026-11-25", "2026-11-26", "2026-11-27"), start=1):
        clock_to(emulator, day)
        at.run("sync", "--kind", "future", "--underlying", "TCS", "--from", "2026-11-20", "--to", "2026-11-23", expect=3)
        late = found(at).filter(pl.col("reasons") == "expired_refused")
        assert late["contract"].n_unique() == 1
        assert set(late["outcome"]) == ({"unavailable"} if nth == 3 else {"failed"})
        assert set(at_days(at)) == {nth}
    assert not [row for row in planned(at, "--from", "2026-11-20", "--to", "2026-11-23", "--underlying", "TCS", "--kind", "future") if row["expired"]]


def at_days(at: Desk) -> list[int]:
    with Store.open(at.lake, write=False) as store:
        return store.refusals()["days"].to_list()


@pytest.mark.slow
@pytest.mark.parametrize("consent", [True, False], ids=["against the exchange's file", "against its underlying's price"])
def test_an_expired_contract_is_taken_while_served_and_a_recycled_token_is_refused(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], consent: bool,
) -> None:
    emulator = emulate("--underlyings", "TCS,INFY,NIFTY", "--limits", "off", "--serve-expired")
    at = desk(emulator)
    at.env["FNOLAKE_EXCHANGE__CONSENT"] = str(consent).lower()
    at.run("instruments", "sync")
    clock_to(emulator, "2026-11-25")
    with Store.open(at.lake, write=False) as store:
        tokens = {
            name: str(store.instruments(underlyings=(name,), kinds=("future",)).sort("expiry")["token"][0]) for name in ("TCS", "INFY")
        }
    emulator.post("/emulator/faults", {"fault": "recycled_token", "route": "TPSeries", "token": tokens["TCS"], "from_token": tokens["INFY"]})
    span = ("--from", "2026-11-20", "--to", "2026-11-23")
    at.run("sync", "--kind", "spot", *span)
    at.run("sync", "--kind", "future", *span, expect=3)
    with Store.open(at.lake, write=False) as store:
        known = store.coverage().join(store.instruments().select("contract", "underlying", "kind", "expiry"), on="contract")
        near = known.filter((pl.col("kind") == "future") & (pl.col("expiry") == pl.col("expiry").min()))
        bad = near.filter(pl.col("underlying") == "TCS")
        assert set(bad["outcome"]) == {"quarantined"}
        assert set(bad["reasons"]) == {"recycled_token"}
        assert store.bars(bad["contract"].to_list(), bad["session"].to_list()).collect().is_empty()
        assert set(near.filter(pl.col("underlying") != "TCS")["outcome"]) == {"complete"}


@pytest.mark.slow
def test_what_expires_today_is_warned_of_until_it_is_here(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off", "--date", "2026-11-23")
    at = desk(emulator)
    at.run("instruments", "sync")
    assert "lost after today" in at.run("plan", "--format", "table").stdout
    at.run("sync", "--kind", "spot")
    risk = json.loads(at.run("gaps", "--at-risk", "--format", "json").stdout)
    assert risk[0]["deadline"] == "2026-11-23"
    assert risk[0]["requests"] > 50
    assert "At risk" in at.run("status", "--format", "table").stdout
    emulator.post("/emulator/faults", {"fault": "false_no_data", "route": "TPSeries", "count": 3})
    assert "3 contracts are not captured and lost after today: 3 requests" in at.run("sync", expect=3).stderr
    at.run("sync")
    assert "lost after today" not in at.run("plan", "--format", "table").stdout
