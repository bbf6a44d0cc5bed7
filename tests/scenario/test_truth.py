"""
What is recorded complete is complete: the emulator knows every minute, its faults hide some, the lake must notice.

Without the exchange's files some of it cannot be seen, whatever one does: the last minutes of an option or a far future, a
contract of which the provider hides everything while the venue is well, and another contract's rows on a recycled token.
Those captures are never called verified, and the file, when it comes, undoes them.
"""

from __future__ import annotations

import json
import shutil
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.emulator.world import World
from fnolake.lake import Lake, open_lake
from fnolake.model import Selection
from fnolake.sync.evening import SyncReport

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

pytestmark = pytest.mark.slow
THURSDAY, FRIDAY = date(2026, 11, 19), date(2026, 11, 20)
NAMES = ("TCS", "FINNIFTY")
BOTH = Selection(underlyings=NAMES, start=THURSDAY, end=FRIDAY)
LAST = Selection(underlyings=NAMES)
BAR = ["contract", "session", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume"]


@dataclass
class Bench:
    """An emulator whose market is known, and a signed-in lake with its masters, to be copied."""

    emulator: Emulator
    desk: Desk
    folder: Path
    world: World
    copies: int = 0

    def fresh(self, *, exchange: bool = True) -> Desk:
        """A lake of its own, with or without the exchange's files; no fault is scripted, it is 18:30."""
        self.copies += 1
        lake = self.folder / f"copy{self.copies}"
        shutil.copytree(self.desk.lake, lake)
        toml = lake / "lake.toml"
        toml.write_text(toml.read_text().replace("consent = true", f"consent = {str(exchange).lower()}"))
        self.clear()
        self.clock("2026-11-20T18:30:00+05:30")
        return replace(self.desk, lake=lake)

    def clear(self) -> None:
        request = urllib.request.Request(self.emulator.url + "/emulator/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=10).close()

    def clock(self, instant: str) -> None:
        self.emulator.post("/emulator/clock", {"set": instant})

    def fault(self, name: str, share: float, **more: object) -> None:
        self.emulator.post("/emulator/faults", {"fault": name, "route": "TPSeries", "share": share, **more})

    def asked(self) -> dict[str, int]:
        return json.loads(json.dumps(self.emulator.get("/emulator/asked?log=0")["routes"]))

    def judged(self, lake: Lake) -> pl.DataFrame:
        """Coverage beside the truth: ``lost`` and ``wrong`` continuous bars of each contract-session."""
        known = lake.store.coverage(None)
        bars = lake.store.bars(None, known["session"].unique().to_list()).collect()
        assert not bars.select("contract", "ts").is_duplicated().any()
        have, true = bars.filter(pl.col("phase") == "continuous").select(BAR), self.truth(lake, known["session"].unique().to_list())
        key = ["contract", "session"]
        lost = true.join(have, on=BAR, how="anti").group_by(key).agg(lost=pl.len())
        wrong = have.join(true, on=BAR, how="anti").group_by(key).agg(wrong=pl.len())
        kinds = lake.instruments().select("contract", "kind", "is_index")
        return (
            known.join(lost, on=key, how="left").join(wrong, on=key, how="left").join(kinds, on="contract")
            .with_columns(pl.col("lost", "wrong").fill_null(0))
        )

    def truth(self, lake: Lake, sessions: list[date]) -> pl.DataFrame:
        """Every continuous bar of the market in the columns of ``BAR``."""
        known = lake.instruments().select("venue", "segment", "token", "contract")
        ids = {(venue, segment, token): number for venue, segment, token, number in known.iter_rows()}
        frames = []
        for one in self.world.listings:
            for day in sessions:
                m = self.world.minutes(one, day)
                if len(m) and (one.venue, one.segment, one.token) in ids:
                    values = [pl.Series(name, getattr(m, name.removesuffix("_paise"))) for name in BAR[3:]]
                    number = pl.lit(ids[one.venue, one.segment, one.token], pl.Int64)
                    stamps = pl.Series("ts", m.epoch_s * 1_000_000).cast(pl.Datetime("us", "UTC"))
                    frame = pl.DataFrame([stamps, *values, pl.Series("phase", m.phase)]).filter(pl.col("phase") == 1)
                    frames.append(frame.with_columns(contract=number, session=pl.lit(day)))
        return pl.concat(frames).select(BAR).cast(dict.fromkeys(BAR[3:7], pl.Int32))


def opened(desk: Desk, *, write: bool = False) -> Lake:
    return open_lake(desk.lake, write=write, environ=desk.environment())


def synced(desk: Desk, selection: Selection = BOTH) -> SyncReport:
    with opened(desk, write=True) as lake:
        return lake.sync(selection)


def false_ones(rows: pl.DataFrame) -> pl.DataFrame:
    said = pl.col("outcome").is_in(["complete", "empty_stated"]) | (pl.col("proof") == "verified")
    return rows.filter(said & ((pl.col("lost") > 0) | (pl.col("wrong") > 0)))


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    from tests.scenario.conftest import Desk, started

    folder = tmp_path_factory.mktemp("truth")
    with started("--underlyings", ",".join(NAMES), "--limits", "off", "--rate", "0") as emulator:
        desk = Desk(folder / "seed", emulator.url, {"FNOLAKE_HTTP__READ_S": "2"})
        desk.sign_in()
        desk.run("instruments", "sync")
        yield Bench(emulator, desk, folder, World.build(FRIDAY, underlyings=NAMES))


FAULTS = [
    *((name, 0.5) for name in ("missing_minute", "wrong_zone", "malformed_row", "zero_row", "timeout_504", "duplicate")),
    ("late_last_bar", 0.05), ("late_last_bar", 1.0), ("recycled_token", 0.05), ("recycled_token", 1.0), ("false_no_data", 0.05),
    ("false_no_data", 0.5), ("cut_body", 0.05), ("mock_saturday", 1.0),
]


@pytest.mark.parametrize(("fault", "share"), FAULTS)
def test_with_the_exchanges_file_nothing_false_is_called_complete(bench: Bench, fault: str, share: float) -> None:
    at = bench.fresh()
    bench.fault(fault, share)
    report = synced(at)
    with opened(at) as lake:
        rows = bench.judged(lake)
    # no file of the exchange names an index, so another index's minutes are not told apart
    unseen = (pl.col("kind") == "spot") & pl.col("is_index") & (fault == "recycled_token")
    assert false_ones(rows.filter(~unseen)).is_empty(), false_ones(rows)
    assert rows.filter(unseen & (pl.col("proof") == "verified")).is_empty()
    bench.clear()
    if report.gaps:
        synced(at)
    if fault != "recycled_token":
        with opened(at) as lake:
            assert false_ones(bench.judged(lake)).is_empty()
            assert lake.gaps(THURSDAY, FRIDAY, NAMES).is_empty()


UNSEEN = {
    "missing_minute": {"option"}, "late_last_bar": {"option", "future"}, "wrong_zone": set(), "malformed_row": set(), "zero_row": set(),
    "false_no_data": {"option", "future"}, "timeout_504": set(), "recycled_token": {"spot", "future", "option"}, "duplicate": set(),
    "mock_saturday": set(), "cut_body": set(),
}
"""Kinds in which a fault cannot be seen without the exchange's file; the near future and spot always fill their minutes."""


@pytest.mark.parametrize(("fault", "share"), [(name, 0.05 if name in {"cut_body", "false_no_data"} else 0.5) for name in UNSEEN])
def test_without_the_file_only_what_cannot_be_seen_is_missed_and_the_late_file_undoes_it(bench: Bench, fault: str, share: float) -> None:
    at = bench.fresh()
    bench.clock("2026-11-20T16:20:00+05:30")
    bench.fault(fault, share)
    today = replace(LAST, start=FRIDAY, end=FRIDAY, wait=False)
    synced(at, today)
    with opened(at) as lake:
        early = bench.judged(lake)
    assert set(false_ones(early)["kind"]) <= UNSEEN[fault]
    assert set(early["proof"]) == {"unverified"}
    bench.clear()
    bench.clock("2026-11-20T18:30:00+05:30")
    synced(at, today)
    with opened(at) as lake:
        rows = bench.judged(lake)
        spoiled = (pl.col("kind") == "spot") & pl.col("is_index") & (fault == "recycled_token")
        assert false_ones(rows.filter(~spoiled)).is_empty(), false_ones(rows)
        assert lake.gaps(FRIDAY, FRIDAY, NAMES).is_empty()
        # of a stock the faults may take the closing auction, which a broker may leave out: complete, and never verified
        unproven = rows.filter((pl.col("outcome") == "complete") & (pl.col("kind") != "spot") & (pl.col("proof") != "verified"))
        assert unproven.is_empty(), unproven
