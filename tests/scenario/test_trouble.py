"""What a provider does on a bad day, and what the lake then says."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

DAY = ("--session", "2026-11-20")


def outcomes(at: Desk) -> dict[str, int]:
    with Store.open(at.lake, write=False) as store:
        return dict(store.coverage(None).group_by("outcome").len().iter_rows())


@pytest.mark.slow
def test_a_venue_that_says_only_no_data_records_no_empty(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,NIFTY", "--limits", "off")
    at = desk(emulator)
    emulator.post("/emulator/faults", {"fault": "false_no_data", "route": "TPSeries", "share": 1.0})
    done = at.run("sync", *DAY, expect=3)
    assert "paused" in done.stdout + done.stderr
    assert "empty_stated" not in outcomes(at)
    assert set(outcomes(at)) == {"failed"}


@pytest.mark.slow
def test_a_sync_at_half_past_midnight_records_no_empty(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,NIFTY", "--limits", "off", "--date", "2026-11-20", "--time", "00:30")
    at = desk(emulator)
    at.run("sync", expect=3)
    assert "empty_stated" not in outcomes(at)


@pytest.mark.slow
def test_another_program_signing_in_is_met_with_one_line_and_no_fight(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off")
    at = desk(emulator)
    emulator.post("/emulator/faults", {"fault": "sign_in_loss", "route": "TPSeries", "after": 15, "count": 1})
    emulator.post("/emulator/faults", {"fault": "sign_in_loss", "route": "TPSeries", "after": 45, "count": 1})
    done = at.run("sync", *DAY, expect=5)
    lines = [line for line in (done.stdout + done.stderr).splitlines() if "another program" in line]
    assert len(lines) == 1
    assert emulator.get("/emulator/asked")["routes"]["QuickAuth"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["rate_rejection", "http_502", "empty_body", "cut_body", "hang"])
def test_one_request_in_fifty_failing_leaves_no_gap(emulate: Callable[..., Emulator], desk: Callable[..., Desk], fault: str) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off")
    at = desk(emulator)
    at.env["FNOLAKE_HTTP__READ_S"] = "2"
    emulator.post("/emulator/faults", {"fault": fault, "route": "TPSeries", "share": 0.02})
    at.run("sync", *DAY)
    assert "failed" not in outcomes(at)


@pytest.mark.slow
def test_a_minute_under_official_limits_uses_the_budget_and_sees_no_rejection(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    emulator = emulate("--underlyings", "NIFTY", "--limits", "official")
    at = desk(emulator)
    at.env["FNOLAKE_SYNC__LIMITS"] = "official"
    at.run("sync", *DAY, "--max-minutes", "1.2", expect=3)
    after = emulator.get("/emulator/asked")
    assert after["rejections"] == 0
    assert int(str(after["max_in_minute"])) >= 194
    assert int(str(after["max_in_minute"])) <= 200
    assert int(str(after["max_in_second"])) <= 20


@pytest.mark.slow
def test_half_the_allowance_is_learned_and_the_line_still_finishes(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,INFY", "--limits", "10/s,100/min")
    at = desk(emulator)
    at.env["FNOLAKE_SYNC__LIMITS"] = "official"
    at.run("sync", *DAY)
    assert "failed" not in outcomes(at)
    assert emulator.get("/emulator/asked")["rejections"] > 0
