"""Two accounts in one sync against the emulator, on good days and on bad ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

DAY = ("--session", "2026-11-20")


def with_two(at: Desk) -> Desk:
    at.run(
        "account", "add", "second", "--provider", "shoonya", "--generation", "legacy", "--uid", "FN0002", "--password", "env:FN_PASSWORD",
        "--totp", "env:FN_TOTP", "--vendor-code", "FN0002_U", "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
    )
    at.run("login", "second")
    return at


@pytest.mark.slow
def test_two_accounts_share_one_sync(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = with_two(desk(emulate("--underlyings", "TCS", "--limits", "off")))
    report = json.loads(at.run("sync", *DAY, "--format", "json").stdout)
    asked = {one["account"]: one["requests"] for one in report["accounts"]}
    assert sum(asked.values()) == report["requests"]
    assert min(asked.values()) > 0.2 * report["requests"]
    assert report["gaps"] == 0


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["address_refused", "banned"])
def test_an_account_that_is_shut_out_leaves_its_work_to_the_other(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], fault: str
) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off")
    at = with_two(desk(emulator))
    emulator.post("/emulator/faults", {"fault": fault, "route": "TPSeries", "after": 60, "count": 1})
    done = at.run("sync", *DAY)
    assert len([line for line in done.stderr.splitlines() if "the other accounts take over its work" in line]) == 1


@pytest.mark.slow
def test_only_the_named_account_is_asked(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = with_two(desk(emulate("--underlyings", "TCS", "--limits", "off")))
    report = json.loads(at.run("sync", *DAY, "--account", "second", "--format", "json").stdout)
    assert [one["account"] for one in report["accounts"]] == ["second"]
