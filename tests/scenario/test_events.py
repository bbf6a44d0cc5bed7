"""What happens to contracts in their lives, evening after evening: the emulator's events, and what the lake makes of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from tests.scenario.soak import Result, Soak, run

from fnolake.lake import Lake, open_lake

pytestmark = pytest.mark.slow
MON, TUE, WED, THU, FRI = (date(2026, 8, day) for day in range(3, 8))


@dataclass
class Lived:
    """What came of some evenings, and the lake that they left."""

    result: Result
    lake: Lake

    def of(self, name: str) -> pl.DataFrame:
        """Traded contract-sessions of an underlying's derivatives."""
        return self.result.traded.filter((pl.col("underlying") == name) & (pl.col("kind") != "spot"))


def lived(folder: Path, first: date, last: date, *events: dict[str, Any], names: tuple[str, ...]) -> Iterator[Lived]:
    script = folder / "events.json"
    script.write_text(json.dumps(events))
    found = run(Soak(first, last, names, 0.0, look_back=1, events=script), folder)
    print("\n".join(found.lines()))
    with open_lake(folder / "lake", write=False) as lake:
        yield Lived(found, lake)


@pytest.fixture(scope="module")
def demerged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    """VEDL demerged; the others are there because a master that lost half of its rows ends nothing."""
    event = {"event": "demerger", "underlying": "VEDL", "on": str(THU), "paise": 8000}
    yield from lived(tmp_path_factory.mktemp("demerger"), TUE, FRI, event, names=("VEDL", "TCS", "SUZLON"))


def test_contracts_that_a_demerger_ends_early_are_verified_to_their_last_session(demerged: Lived) -> None:
    rows = demerged.of("VEDL")
    assert set(rows["session"]) == {TUE, WED, THU, FRI}
    assert rows.filter(pl.col("proof") != "verified").is_empty(), rows.filter(pl.col("proof") != "verified")
    assert demerged.result.false_verified.is_empty()
    assert demerged.result.unexplained.is_empty()
    moved = demerged.lake.store.exchange_scan([WED, THU]).filter(pl.col("expiry") != pl.col("stated_expiry")).collect()
    assert set(moved["session"]) == {WED}, "the file must tell two expiries on the eve for this to show anything"
    assert moved.height > 30
    assert all(demerged.lake.store.unlisted(day).is_empty() for day in (TUE, WED, THU, FRI))


def test_what_a_demerger_lists_again_are_other_contracts_of_the_same_names(demerged: Lived) -> None:
    known = demerged.lake.store.instruments(None).filter((pl.col("underlying") == "VEDL") & (pl.col("kind") != "spot"))
    old, new = known.filter(pl.col("valid_to") == WED), known.filter(pl.col("valid_from") == THU)
    assert old.height > 50
    assert set(old["token"]).isdisjoint(new["token"])
    assert set(old["contract"]).isdisjoint(new["contract"])
    assert len(set(old["symbol"]) & set(new["symbol"])) > 30
    bars = demerged.lake.store.bars(None, [WED, THU]).group_by("contract").agg(pl.col("session").unique()).collect()
    assert bars.join(old, on="contract").filter(pl.col("session").list.contains(THU)).is_empty()
    assert bars.join(new, on="contract").filter(pl.col("session").list.contains(WED)).is_empty()
    assert bars.join(new, on="contract").height > 20


@pytest.fixture(scope="module")
def renamed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    event = {"event": "rename", "underlying": "SUZLON", "to": "SUZWIND", "on": str(WED)}
    yield from lived(tmp_path_factory.mktemp("rename"), TUE, THU, event, names=("SUZLON",))


def test_a_rename_of_the_exchange_is_an_amendment_of_the_same_contracts(renamed: Lived) -> None:
    history = renamed.lake.store.instrument_history().filter(pl.col("underlying").is_in(["SUZLON", "SUZWIND"]))
    names = history.group_by("contract").agg(pl.col("underlying").sort_by("revision"), pl.col("valid_from").sort_by("revision"))
    both = names.filter(pl.col("underlying") == ["SUZLON", "SUZWIND"])
    assert both.height > 80, "spot, futures and options of before"
    assert set(both["valid_from"].list.last()) == {WED}
    only_old = names.filter(pl.col("underlying") == ["SUZLON"])
    assert only_old.is_empty(), "nothing ended with the old name"
    masters = renamed.lake.store.masters().filter(pl.col("exchange").is_in(["NSE", "NFO"]))
    assert not masters["findings"].str.contains("rename_not_recorded").any()


def test_bars_before_and_after_a_rename_are_of_one_verified_contract(renamed: Lived) -> None:
    rows = renamed.result.traded.filter(pl.col("underlying").is_in(["SUZLON", "SUZWIND"]))
    assert set(rows.filter(pl.col("session") >= WED)["underlying"]) == {"SUZWIND"}
    assert rows.filter(pl.col("proof") != "verified").is_empty(), rows.filter(pl.col("proof") != "verified")
    assert renamed.result.false_verified.is_empty()
    alone = rows.group_by("contract").agg(pl.col("session").n_unique())
    assert alone.filter(pl.col("session") == 3).height > 20
    days = renamed.lake.store.requests().filter(pl.col("route") == "symbol_changes")["started_at"].dt.convert_time_zone("Asia/Kolkata").dt.date()
    assert set(days) >= {TUE, WED, THU}
