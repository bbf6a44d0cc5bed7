"""A session is signed off against the emulator: what a fault hid is an exception with its reason, and what is mended is proven."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

pytestmark = pytest.mark.slow
DAY = ("--session", "2026-11-20")


def signed(at: Desk, *words: str, expect: int = 0) -> dict[str, Any]:
    (one,) = json.loads(at.run("verify", *DAY, "--format", "json", *words, expect=expect).stdout)
    return dict(one)


def test_what_a_fault_hid_is_named_and_what_is_mended_is_proven(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS", "--limits", "off")
    at, other = desk(emulator), desk(emulator, "other")
    emulator.post("/emulator/faults", {"fault": "missing_minute", "route": "TPSeries", "share": 1.0})
    at.run("sync", *DAY, "-u", "TCS", expect=3)
    hurt = signed(at, expect=3)
    counts = hurt["counts"]
    assert counts["gaps"] > 0
    assert counts["verified"] + counts["gaps"] == counts["traded"] == counts["listed"] - counts["untraded"]
    said = [one for one in hurt["exceptions"] if one["trade"] == "traded"]
    assert len(said) == counts["gaps"] == sum(one["count"] for one in hurt["reasons"])
    assert {one["standing"] for one in said} == {"gap"}
    assert any("minutes" in one["detail"] and "cut" in one["reason"] for one in said)
    urllib.request.urlopen(urllib.request.Request(emulator.url + "/emulator/faults", method="DELETE"), timeout=10).close()
    assert "certificate: " in at.run("sync", *DAY, "-u", "TCS").stdout
    whole = signed(at)
    with Store.open(at.lake, write=False) as store:
        by_sync, by_hand, mended, last = [json.loads(body) for body in store.certificates()["body"]]
    assert (by_sync["counts"], by_sync["content"]) == (hurt["counts"], hurt["content"])
    assert [one["hash"] for one in (by_hand, last)] == [hurt["hash"], whole["hash"]]
    assert (mended["supersedes"], whole["supersedes"]) == (hurt["hash"], mended["hash"])
    assert f"gaps {counts['gaps']} → 0" in mended["changes"]
    assert whole["changes"] == []
    assert whole["counts"]["verified"] == whole["counts"]["traded"] == counts["traded"]
    assert "demo" not in json.dumps(whole)
    other.run("sync", *DAY, "-u", "TCS")
    assert signed(other, "--dry-run")["content"] == whole["content"]


def test_it_outlives_the_ledger_and_is_drawn_without_prices(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = desk(emulate("--underlyings", "TCS,NIFTY", "--limits", "off"))
    at.run("sync", *DAY, "-u", "TCS")
    first = signed(at)
    line = at.run("verify", *DAY, "--dry-run", "--line", "--svg", str(at.lake / "not.svg")).stdout.strip()
    assert line.startswith(f"{first['counts']['traded']:,} of {first['counts']['traded']:,} traded contracts verified · NSE F&O · TCS · 2026-11-20 · sha256 ")
    for file in at.lake.glob("ledger.sqlite*"):
        file.unlink()
    at.run("upkeep", "--rebuild-ledger")
    assert f"Certificate: {line}" in at.run("status").stdout
    again = signed(at)
    assert (again["supersedes"], again["counts"], again["content"]) == (first["hash"], first["counts"], first["content"])
    picture = at.lake.parent / "certificate.svg"
    at.run("verify", *DAY, "--svg", str(picture))
    assert not (at.lake / "not.svg").exists()
    assert first["content"]["sha256"] in picture.read_text(encoding="utf-8")
    assert ET.parse(picture).getroot().tag.endswith("svg")


def test_without_the_exchanges_files_nothing_is_called_proven(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = desk(emulate("--underlyings", "TCS", "--limits", "off"))
    toml = at.lake / "lake.toml"
    toml.write_text(toml.read_text().replace("consent = true", "consent = false"))
    at.run("sync", *DAY, "-u", "TCS", expect=3)
    one = signed(at, expect=3)
    assert one["counts"]["verified"] == one["counts"]["traded"] == 0
    assert one["counts"]["unknown"] == one["counts"]["listed"] > 0
    assert sorted(map(tuple, one["missing_files"])) == [("NSE", "CM"), ("NSE", "FO")]
    assert {(each["standing"], each["reason"]) for each in one["reasons"]} == {("unknown", "no_exchange_file"), ("gap", "failed: doubtful_empty")}
