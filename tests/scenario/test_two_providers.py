"""A Shoonya and a Firstock account beside each other: one market, one lake, and each covers for the other."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.model import BAR_SORT
from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

DAY = ("--session", "2026-11-20")
HISTORY = {"shoonya": "TPSeries", "firstock": "timePriceSeries"}
MARKET = ("--underlyings", "TCS,INFY,SBIN", "--limits", "off")


def add_firstock(at: Desk) -> Desk:
    at.run(
        "account", "add", "second", "--provider", "firstock", "--uid", "FN0001", "--password", "env:FN_PASSWORD", "--totp", "env:FN_TOTP",
        "--vendor-code", "FN0001_API", "--api-key", "env:FN_KEY",
    )
    at.run("login", "second")
    return at


def asked(emulator: Emulator, provider: str) -> int:
    counts = emulator.get("/emulator/asked?log=0")["routes"]
    return int(counts.get(HISTORY[provider], 0))  # type: ignore[attr-defined]


def bars(at: Desk) -> pl.DataFrame:
    """All bars by identity, without what one of the wires does not carry."""
    with Store.open(at.lake, write=False) as store:
        tokens = store.instruments(None).select("contract", "token", "segment").unique("contract")
        rows = store.bars(None, store.coverage(None)["session"].unique().to_list()).collect()
    return rows.join(tokens, on="contract").sort(*BAR_SORT, "token").drop("contract", "provider", "vwap_paise")


@pytest.mark.slow
def test_one_market_fills_the_same_lake_whoever_is_asked(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,SENSEX", "--limits", "off")
    shoonya, firstock = desk(emulator, "shoonya"), add_firstock(desk(emulator, "firstock"))
    both = add_firstock(desk(emulator, "both"))
    shoonya.run("sync", *DAY)
    firstock.run("sync", *DAY, "--account", "second")
    before = {name: asked(emulator, name) for name in HISTORY}
    both.run("sync", *DAY)
    assert all(asked(emulator, name) > count for name, count in before.items())
    assert bars(shoonya).height > 10_000
    assert bars(firstock).equals(bars(shoonya))
    assert bars(both).equals(bars(shoonya))


@pytest.mark.slow
@pytest.mark.parametrize("dies", ["shoonya", "firstock"])
def test_when_one_provider_dies_the_other_finishes(emulate: Callable[..., Emulator], desk: Callable[..., Desk], dies: str) -> None:
    emulator = emulate(*MARKET)
    at = add_firstock(desk(emulator))
    at.run("instruments", "sync")
    running = at.start("sync", *DAY)
    while asked(emulator, dies) < 15:
        assert running.poll() is None
    emulator.post("/emulator/providers", {"kill": dies})
    out, said = running.communicate(timeout=240)
    assert running.returncode == 0, said
    assert "does not answer" in said
    assert "0 gaps" in at.run().stdout, out


@pytest.mark.slow
def test_a_revoked_sign_in_is_renewed_once_and_loses_nothing(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate(*MARKET)
    at = add_firstock(desk(emulator))
    at.run("instruments", "sync")
    logins = emulator.get("/emulator/asked?log=0")["routes"]
    running = at.start("sync", *DAY, "--account", "second")
    while asked(emulator, "firstock") < 15:
        assert running.poll() is None
    emulator.post("/emulator/signins", {"revoke": "FN0001", "provider": "firstock"})
    _, said = running.communicate(timeout=240)
    assert running.returncode == 0, said
    again = emulator.get("/emulator/asked?log=0")["routes"]
    assert again["login"] - logins["login"] == 1  # type: ignore[index]


@pytest.mark.slow
@pytest.mark.parametrize(("fault", "says"), [("address_refused", "address"), ("banned", "block")])
def test_a_403_of_an_address_is_told_from_one_of_a_ban(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], fault: str, says: str
) -> None:
    emulator = emulate(*MARKET)
    at = add_firstock(desk(emulator))
    emulator.post("/emulator/faults", {"fault": fault, "provider": "firstock", "route": "history", "after": 15, "count": 1})
    done = at.run("sync", *DAY)
    told = [line for line in done.stderr.splitlines() if "the other accounts take over its work" in line]
    assert len(told) == 1
    assert says in told[0].lower()


@pytest.mark.slow
def test_the_comparison_names_what_was_done_to_one_witness(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate(*MARKET)
    at = add_firstock(desk(emulator))
    at.env["FNOLAKE_COMPARE__SAMPLE"] = "1"
    at.run("sync", *DAY, "--kind", "future", "--account", "demo")
    for number, fault in enumerate(("clip_high", "missing_minute", "volume_shift")):
        emulator.post("/emulator/faults", {"fault": fault, "provider": "firstock", "route": "history", "after": number, "count": 1})
    at.run("sync", *DAY, "--kind", "future")
    found = list(csv.DictReader(io.StringIO(at.run("compare", *DAY, "--format", "csv", expect=4).stdout)))
    assert {row["finding"] for row in found} == {"clipped_high", "missing_minute", "volume_shifted"}
    summary = json.loads(at.run("compare", *DAY, "--summary", "--format", "json", expect=4).stdout)
    spoiled = next(row for row in summary if row["provider"] == "firstock")
    assert (spoiled["compared"], spoiled["agreed"]) == (9, 6)
    assert spoiled["kept"] == 0
