"""An evening before and after the exchange's files are there: who is asked when, and what it costs."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.lake import open_lake
from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

REFERENCE = {"symbol_changes", "securities", "corporate_actions", "holidays", "market_lots"}


@pytest.mark.slow
def test_options_wait_for_the_file_and_the_day_costs_one_request_a_traded_contract(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--time", "16:50")
    at = desk(emulator)
    early = at.run("sync", expect=3)
    assert "wait for the exchange's file, until 21 Nov 09:00 IST" in early.stderr
    assert "waits_for_exchange_file" in at.run("status").stdout
    missing = pl.read_csv(io.BytesIO(at.run("gaps", "--format", "csv").stdout.encode()))
    assert set(missing["session"]) == {"2026-11-20"}
    assert set(missing["reasons"]) == {"waits_for_exchange_file"}
    assert "certificate:" not in early.stdout, "what waits is not signed off"
    planned = at.run("plan").stdout
    assert "Nothing to fetch now." in planned
    with Store.open(at.lake, write=False) as store:
        assert {kind for kind, _ in store.references.here()} == REFERENCE
        kinds = store.instruments().join(store.coverage(), on="contract")["kind"].unique().to_list()
        assert sorted(kinds) == ["future", "spot"]
    emulator.post("/emulator/clock", {"set": "2026-11-20T18:30:00+05:30"})
    done = at.run("sync")
    signed = [line for line in done.stdout.splitlines() if line.startswith("certificate: ")]
    again = at.run("sync")
    assert "certificate:" not in again.stdout, "once a session"
    with Store.open(at.lake, write=False) as store:
        (certificate,) = store.certificates_in_force()
        requests = store.requests()
        minutes = requests.filter(pl.col("route") == "minutes").height
        traded = at.run("status").stdout
        covered = store.coverage().height
        assert requests.filter(pl.col("route").is_in(REFERENCE)).height == len(REFERENCE)
    counts = certificate.counts
    assert signed == [f"certificate: {counts.verified:,} of {counts.traded:,} traded contracts verified · NSE F&O · 2026-11-20 · sha256 {certificate.content.sha256[:12]}"]
    assert counts.verified == counts.traded == covered - counts.unknown
    assert f" {counts.traded:,} traded, " in traded
    assert counts.unknown == 0 or f"{counts.unknown:,} of them stand in no exchange file" in traded
    assert covered <= minutes <= 1.02 * covered + 1, (minutes, covered)


@pytest.mark.slow
def test_files_given_by_hand_do_without_consent(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--time", "18:30")
    at = desk(emulator)
    at.env["FNOLAKE_EXCHANGE__CONSENT"] = "false"
    at.run("instruments", "sync")
    assert "wait" not in at.run("plan").stdout
    (at.lake / "drop").mkdir()
    assert "wait for the exchange's file" in at.run("plan").stdout
    from urllib.request import Request, urlopen

    for number, path in enumerate(("content/fo/BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv.zip", "content/cm/BhavCopy_NSE_CM_0_0_0_20261120_F_0000.csv.zip")):
        with urlopen(Request(f"{emulator.url}/{path}", headers={"User-Agent": "Mozilla/5.0"}), timeout=30) as answer:
            (at.lake / "drop" / f"download ({number})").write_bytes(answer.read())
    (at.lake / "drop" / "page.csv").write_bytes(b"<html></html>")
    assert "page.csv: the exchange sent a web page" in at.run("exchange", "take", expect=4).stdout
    assert [path.name for path in (at.lake / "drop").iterdir()] == ["page.csv"]
    with open_lake(at.lake, environ=at.environment()) as lake:
        plan = lake.plan()
    assert (plan.waiting, plan.untraded > 0) == (0, True)
    assert any("by the exchange's file" in line for line in plan.lines)
