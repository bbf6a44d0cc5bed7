"""CSV and Parquet, and what every export keeps: whole files, nothing overwritten, gaps told, a manifest."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from tests.export.conftest import FAR_SYMBOL, MON, NEAR, TUE, of

from fnolake.errors import ConfigError, QueryError, UnknownInstrument
from fnolake.export.folder import MANIFEST, NOTICE, PERSONAL, SCRATCH, Folder
from fnolake.export.targets import TARGETS, Coverage, gap_line, target_of
from fnolake.export.work import Spool
from fnolake.lake import Lake
from fnolake.query.bars import BAR_COLUMNS

PRICES = ("open", "high", "low", "close")


def paise(row: dict[str, str], name: str) -> int:
    exact = Decimal(row[name]) * 100
    assert exact == exact.to_integral_value()
    return int(exact)


def test_csv_gives_every_bar_back_to_the_paisa(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    done = lake.export("csv", tmp_path, "M&M", kind="option")
    assert (done.files, done.bars) == (1, of(truth, "M&M23NOV26P3122.5").height)
    with (tmp_path / "M&M" / "M&M23NOV26P3122.5.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == BAR_COLUMNS
    assert all(row["ts"].endswith(":00+05:30") and row["ts"].startswith(row["session"]) for row in rows)
    read = [(datetime.fromisoformat(row["ts"]), *(paise(row, name) for name in PRICES), int(row["volume"]), row["oi"]) for row in rows]
    went_in = of(truth, "M&M23NOV26P3122.5").select("ts", *(f"{name}_paise" for name in PRICES), "volume", pl.col("oi").cast(pl.String).fill_null(""))
    assert read == went_in.rows()
    assert {(row["strike"], row["right"], row["expiry"]) for row in rows} == {("3122.5", "PE", str(NEAR))}


def test_parquet_holds_the_zone_and_the_same_bars_by_contract_and_by_day(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    lake.export("parquet", tmp_path / "a", "NIFTY", kind="future")
    lake.export("parquet", tmp_path / "b", "NIFTY", kind="future", by="day")
    assert sorted(p.name for p in (tmp_path / "a" / "NIFTY").iterdir()) == ["NIFTY23NOV26F.parquet", f"{FAR_SYMBOL}.parquet"]
    assert sorted(p.name for p in (tmp_path / "b" / "NIFTY-future").iterdir()) == [f"{MON}.parquet", f"{TUE}.parquet"]
    one, other = (pl.read_parquet(sorted(folder.rglob("*.parquet"))).sort("symbol", "ts") for folder in (tmp_path / "a", tmp_path / "b"))
    assert one.equals(other)
    assert tuple(one.columns) == BAR_COLUMNS
    assert one.schema["ts"] == pl.Datetime("us", "Asia/Kolkata")
    went_in = truth.filter((pl.col("underlying") == "NIFTY") & (pl.col("kind") == "future")).sort("symbol", "ts")
    for name in PRICES:
        assert (one[name] * 100).round().cast(pl.Int32).to_list() == went_in[f"{name}_paise"].to_list()
        assert one[name].to_list() == [value / 100 for value in went_in[f"{name}_paise"]]
    assert one["volume"].to_list() == went_in["volume"].to_list()


def test_near_is_resolved_on_each_session_and_selections_do_not_share_files(lake: Lake, tmp_path: Path) -> None:
    near = lake.export("parquet", tmp_path, "NIFTY", kind="future", expiry="near", by="day")
    every = lake.export("parquet", tmp_path, "NIFTY", kind="future", by="day")
    assert (near.bars, near.coverage) == (80, Coverage(2, 2, {}))
    assert (every.bars, every.kept) == (120, 0)


def test_options_are_chosen_as_for_bars(lake: Lake, tmp_path: Path) -> None:
    puts = lake.export("csv", tmp_path, "NIFTY", kind="option", right="PE", dry_run=True)
    assert 0 < puts.bars == lake.bars("NIFTY", kind="option", right="PE").height
    with pytest.raises(QueryError, match="no strike 1"):
        lake.export("csv", tmp_path, "NIFTY", strike=1, right="PE")


def test_gaps_are_told_in_one_line_and_in_the_manifest(lake: Lake, tmp_path: Path) -> None:
    done = lake.export("csv", tmp_path, "NIFTY", kind="future")
    assert done.coverage == Coverage(4, 3, {"missing": 1})
    assert done.lines == [f"wrote 2 files, 120 bars, to {tmp_path}", "1 of 4 contract-sessions not covered (1 missing); fnolake gaps says which"]
    manifest = json.loads((tmp_path / MANIFEST).read_text())
    (run,) = manifest["exports"]
    assert run["coverage"] == {"wanted": 4, "covered": 3, "uncovered": {"missing": 1}}
    assert (run["target"], run["by"], run["bars"], run["selection"]["kind"]) == ("csv", "contract", 120, "future")
    assert manifest["files"] == {"NIFTY/NIFTY23NOV26F.csv": 80, f"NIFTY/{FAR_SYMBOL}.csv": 40}
    notice = (tmp_path / NOTICE).read_text()
    assert PERSONAL in notice
    assert "1 of 4 contract-sessions not covered" in notice
    assert gap_line(Coverage(1, 1)) == "the 1 contract-session of the selection is covered"


def test_what_is_there_stays_and_the_same_call_adds_what_is_new(lake: Lake, tmp_path: Path) -> None:
    lake.export("csv", tmp_path, "NIFTY", by="day", end=MON)
    first = tmp_path / "NIFTY" / f"{MON}.csv"
    first.write_text("mine")
    again = lake.export("csv", tmp_path, "NIFTY", by="day")
    assert (again.files, again.kept, again.stale) == (1, 1, 0)
    assert "1 file was there and stayed; --overwrite replaces" in again.lines
    assert first.read_text() == "mine"
    replaced = lake.export("csv", tmp_path, "NIFTY", by="day", overwrite=True)
    assert (replaced.files, replaced.kept) == (2, 0)
    assert first.read_text().startswith("ts,session")
    assert len(json.loads((tmp_path / MANIFEST).read_text())["exports"]) == 3


def test_a_kept_file_with_fewer_bars_than_the_lake_is_named_as_such(lake: Lake, tmp_path: Path) -> None:
    lake.export("csv", tmp_path, "NIFTY", kind="future", end=MON)
    done = lake.export("csv", tmp_path, "NIFTY", kind="future")
    assert (done.files, done.kept, done.stale) == (0, 2, 1)
    assert any("1 of them with other rows than the lake has now" in line for line in done.lines)


@pytest.mark.parametrize("target", list(TARGETS))
def test_a_dry_run_counts_the_same_and_writes_nothing(lake: Lake, tmp_path: Path, target: str) -> None:
    if target == "nautilus":
        pytest.importorskip("nautilus_trader")
    dry = lake.export(target, tmp_path / "x", "NIFTY", kind="future", dry_run=True)
    assert not (tmp_path / "x").exists()
    assert dry.lines[0].startswith("would write ")
    done = lake.export(target, tmp_path / "x", "NIFTY", kind="future")
    assert (done.bars, done.coverage) == (dry.bars, dry.coverage) == (120, Coverage(4, 3, {"missing": 1}))
    assert not [path for path in (tmp_path / "x").rglob("*") if SCRATCH in path.name]
    again = lake.export(target, tmp_path / "x", "NIFTY", kind="future")
    assert (again.files, again.bars, again.stale) == (0, 0, 0)


def test_longer_bars_have_their_length_in_the_name(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    lake.export("csv", tmp_path, "NIFTY", interval="5m")
    five = pl.read_csv(tmp_path / "NIFTY" / "NIFTY_5m.csv")
    went_in = of(truth, "NIFTY")
    assert five.height == 16
    assert five["high"][0] == went_in["high_paise"][:5].max() / 100
    week = lake.export("csv", tmp_path, "NIFTY", interval="1w")
    assert week.bars == 1
    assert pl.read_csv(tmp_path / "NIFTY" / "NIFTY_1w.csv")["low"].to_list() == [went_in["low_paise"].min() / 100]


@pytest.mark.parametrize(("how", "said"), [
    ({"target": "cvs"}, "no target cvs; did you mean csv"), ({"target": "excel!"}, "there are csv, parquet"),
    ({"target": "lean", "by": "contract"}, "lean is written by day"), ({"target": "lean", "interval": "5m"}, "leave out --interval"),
    ({"target": "nautilus", "interval": "1w"}, "give --interval 1d or less"), ({"by": "day", "interval": "1w"}, "say --by contract"),
    ({"start": "yesterday"}, "no date: 'yesterday'"), ({"start": TUE, "end": MON}, "give the earlier first"),
])
def test_mistakes_are_one_line(lake: Lake, tmp_path: Path, how: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        lake.export(**{"target": "csv", "folder": tmp_path, "symbol": "NIFTY", **how})
    assert not list(tmp_path.iterdir())


def test_nothing_and_nobody_are_said(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(QueryError, match="no bars of it in these sessions"):
        lake.export("csv", tmp_path, "NIFTY", start="2027-01-04")
    with pytest.raises(QueryError, match="no bars of it in this phase"):
        lake.export("csv", tmp_path, "NIFTY", phases=("auction",))
    with pytest.raises(UnknownInstrument):
        lake.export("csv", tmp_path, "NIFTI")
    assert not list(tmp_path.iterdir())


def test_a_lake_a_file_and_the_folder_of_another_target_are_refused(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lies within the lake"):
        lake.export("csv", lake.path / "out", "NIFTY")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        lake.export("csv", tmp_path / "file", "NIFTY")
    lake.export("csv", tmp_path / "out", "NIFTY")
    with pytest.raises(ConfigError, match="holds an export for csv: give parquet a folder of its own"):
        lake.export("parquet", tmp_path / "out", "NIFTY")
    (tmp_path / "out" / MANIFEST).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read: move it away"):
        lake.export("csv", tmp_path / "out", "NIFTY")


def test_a_file_that_fails_half_way_is_not_there(tmp_path: Path) -> None:
    def half(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    folder = Folder(tmp_path)
    with pytest.raises(ConfigError, match=r"a\.csv cannot be written \(No space left on device\)"):
        folder.put("x/a.csv", 1, half)
    assert list((tmp_path / "x").iterdir()) == []


def test_contracts_are_read_a_few_at_a_time_and_come_once_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fnolake.export.work.ROWS_AT_ONCE", 5)
    frames = [pl.DataFrame({"symbol": [name for name in "ABCD" for _ in range(2)], "n": [day * 10 + i for i in range(8)]}) for day in (0, 1)]
    parts = [tmp_path / f"{day}.parquet" for day in (0, 1)]
    for frame, part in zip(frames, parts, strict=True):
        frame.write_parquet(part)
    pieces = list(Spool(dict.fromkeys("ABCD", 4), parts).by_contract())
    assert [(piece.name, piece.read()["n"].to_list()) for piece in pieces] == [(name, [2 * i, 2 * i + 1, 10 + 2 * i, 11 + 2 * i]) for i, name in enumerate("ABCD")]


def test_targets_are_understood_as_they_are_typed() -> None:
    assert target_of(" CSV ").name == "csv"
