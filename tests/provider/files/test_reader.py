"""Files in every layout into the same raw rows; what does not decode is counted, never lost."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import ConfigError, PayloadError
from fnolake.provider.files.layout import PRESETS, Layout, layout_of, symbol_in
from fnolake.provider.files.reader import PRICES, SHEET, files_in, sheets
from fnolake.provider.files.rows import minutes_apart, raw_bars, series, starts

KOLKATA = ZoneInfo("Asia/Kolkata")
FIRST = datetime(2025, 7, 1, 9, 15, tzinfo=KOLKATA)
FIRST_S = int(FIRST.timestamp())
BARS = [(FIRST + timedelta(minutes=at), 100 + at / 20, 101 + at / 20, 99.95, 100.05, 35 * at, 6155 + at) for at in range(12)]


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def only(path: Path, layout: Layout) -> pl.DataFrame:
    return next(iter(sheets(path, layout))).rows


def written(preset: str) -> tuple[str, str]:
    """The bars in a preset's layout: the file's name and its text."""
    match preset:
        case "kite":
            rows = [f"{ts:%Y-%m-%d %H:%M:%S}+05:30,{o},{h},{low},{c},{v},{oi}" for ts, o, h, low, c, v, oi in BARS]
            return "NIFTY2570322800CE.csv", "\n".join(["date,open,high,low,close,volume,oi", *rows])
        case "openalgo":
            rows = [f"NIFTY03JUL2522800CE,NFO,1m,{ts:%Y-%m-%d},{ts:%H:%M:%S},{o},{h},{low},{c},{v},{oi}" for ts, o, h, low, c, v, oi in BARS]
            return "export.csv", "\n".join(["symbol,exchange,interval,date,time,open,high,low,close,volume,oi", *rows])
        case "gdf":
            rows = [f"NIFTY03JUL2522800CE.NFO,{ts:%d/%m/%Y},{ts:%H:%M}:59,{o},{h},{low},{c},{v},{oi}" for ts, o, h, low, c, v, oi in BARS]
            return "GFDLNFO_01072025.csv", "\n".join(["Ticker,Date,Time,Open,High,Low,Close,Volume,Open Interest", *rows])
    rows = [f"{ts:%Y-%m-%dT%H:%M:%S},{o},{h},{low},{c},{v},{oi}" for ts, o, h, low, c, v, oi in BARS]
    return "NIFTY25070322800CE.csv", "\n".join(["timestamp,open,high,low,close,volume,oi", *rows])


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_reads_into_the_same_bars(tmp_path: Path, preset: str) -> None:
    layout = layout_of(preset)
    [(symbol, _, rows)] = list(series(only(write(tmp_path, *written(preset)), layout)))
    raw = raw_bars(rows, layout.label)
    assert symbol.startswith("NIFTY")
    assert (raw.epoch_s // 60 * 60).tolist() == [FIRST_S + 60 * at for at in range(12)]
    for at, name in enumerate(PRICES, start=1):
        assert getattr(raw, name).tolist() == [bar[at] for bar in BARS]
    assert (raw.volume.tolist(), raw.oi.tolist(), raw.undecoded) == ([bar[5] for bar in BARS], [bar[6] for bar in BARS], 0)


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_a_preset_names_its_source(preset: str) -> None:
    assert "2026-" in PRESETS[preset].source
    assert PRESETS[preset].name == preset


def test_kites_answer_reads_as_its_csv(tmp_path: Path) -> None:
    candles = [[f"{ts:%Y-%m-%dT%H:%M:%S}+0530", o, h, low, c, v, oi] for ts, o, h, low, c, v, oi in BARS]
    answer = write(tmp_path, "NIFTY2570322800CE.json", json.dumps({"status": "success", "data": {"candles": candles}}))
    (tmp_path / "client").mkdir()
    dicts = write(tmp_path / "client", "NIFTY2570322800CE.json", json.dumps([dict(zip(("date", *PRICES, "volume", "oi"), one, strict=True)) for one in candles]))
    csv = only(write(tmp_path, *written("kite")), layout_of("kite"))
    assert only(answer, layout_of("kite")).equals(csv)
    assert only(dicts, layout_of("kite")).equals(csv)


def test_gzip_zip_and_parquet_are_read_as_the_plain_file(tmp_path: Path) -> None:
    name, text = written("gdf")
    plain = only(write(tmp_path, name, text), layout_of("gdf"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("folder/GFDLNFO_01072025.csv", text)
        archive.writestr("readme.pdf", "no bars")
    assert only(write(tmp_path, "day.csv.gz", gzip.compress(text.encode())), layout_of("gdf")).equals(plain)
    assert only(write(tmp_path, "day.zip", packed.getvalue()), layout_of("gdf")).equals(plain)
    frame = pl.DataFrame({"timestamp": [bar[0] for bar in BARS], **{name: [bar[at] for bar in BARS] for at, name in enumerate(PRICES, start=1)}})
    frame.write_parquet(tmp_path / "NIFTY.parquet")
    assert only(tmp_path / "NIFTY.parquet", layout_of(None))["stamp_s"].to_list() == (plain["stamp_s"] - 59).to_list()


@given(st.lists(st.integers(946_684_800 // 60, 4_000_000_000 // 60), min_size=1, max_size=30), st.sampled_from([
    "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y%m%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%d %H:%M:%S.%f",
]), st.sampled_from(["Asia/Kolkata", "UTC"]))
def test_stamps_come_back_from_every_way_of_writing(tmp_path_factory: pytest.TempPathFactory, minutes: list[int], form: str, zone: str) -> None:
    texts = [datetime.fromtimestamp(each * 60, ZoneInfo(zone)).strftime(form) for each in minutes]
    path = write(tmp_path_factory.mktemp("stamps"), "X.csv", "\n".join(["time,open,high,low,close", *(f"{text},1,1,1,1" for text in texts)]))
    assert only(path, layout_of(None, {"zone": zone}))["stamp_s"].to_list() == [each * 60 for each in minutes]


def test_epochs_are_seconds_or_milliseconds(tmp_path: Path) -> None:
    for factor in (1, 1000):
        frame = pl.DataFrame({"ts": [FIRST_S * factor], **{key: [1.0] for key in PRICES}})
        frame.write_parquet(tmp_path / "X.parquet")
        assert only(tmp_path / "X.parquet", layout_of(None))["stamp_s"].to_list() == [FIRST_S]
        text = f"ts,open,high,low,close\n{FIRST_S * factor},1,1,1,1"
        mapping = {"time_format": "epoch_s" if factor == 1 else "epoch_ms"}
        assert only(write(tmp_path, "Y.csv", text), layout_of(None, mapping))["stamp_s"].to_list() == [FIRST_S]


def test_what_does_not_decode_stays_a_row(tmp_path: Path) -> None:
    lines = ["time,open,high,low,close,volume,oi", "2025-07-01 09:15:00,100,101,99,abc,5,1", "nonsense,1,1,1,1,1,1", '2025-07-01 09:16:00,"1,000.05",1,1,1,-4,x']
    sheet = only(write(tmp_path, "X.csv", "\n".join(lines)), layout_of(None))
    assert dict(sheet.schema) == SHEET
    assert sheet["stamp_s"].to_list() == [FIRST_S, None, FIRST_S + 60]
    assert np.isnan(sheet["close"][0])
    assert sheet["open"][2] == 1000.05
    assert (sheet["volume"].to_list(), sheet["oi"].to_list()) == ([5, 1, -1], [1, 1, -1])
    assert raw_bars(sheet, "start").undecoded == 1


@pytest.mark.parametrize(("text", "words"), [
    ("a,b\n1,2", "no column for time, open, high, low, close"), ("", "cannot be read"), ("{", "cannot be read"),
])
def test_a_file_of_another_layout_is_refused_in_words(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        only(write(tmp_path, "X.json" if text == "{" else "X.csv", text), layout_of("kite"))


@pytest.mark.parametrize(("preset", "mapping", "words"), [
    ("zerodha", {}, "no preset 'zerodha'"), (None, {"label": "middle"}, "start or end"), (None, {"zone": "Mars/Base"}, "no such zone"),
    (None, {"colour": "red"}, "no such key"), (None, {"symbol_from": "(.+)"}, "name the part"), (None, {"symbol_from": "("}, "no pattern"),
])
def test_a_mapping_that_cannot_be_is_refused_in_words(preset: str | None, mapping: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        layout_of(preset, mapping)


def test_files_are_found_in_folders_or_missed_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no file that ends in"):
        files_in(tmp_path)
    with pytest.raises(ConfigError, match="no such file"):
        files_in(tmp_path / "nothing")
    (tmp_path / "2025").mkdir()
    wanted = [write(tmp_path / "2025", "a.csv", "x"), write(tmp_path, "b.CSV.GZ", "x"), write(tmp_path, "notes.md", "x")][:2]
    assert files_in(tmp_path) == sorted(wanted)


@pytest.mark.parametrize(("preset", "name", "expected"), [
    ("openalgo", "NIFTY28AUG2522600CE_NFO_1m.csv", ("NIFTY28AUG2522600CE", "NFO")), ("openalgo", "NIFTY_NSE_INDEX_1m.csv", ("NIFTY", "NSE_INDEX")),
    ("openalgo", "RELIANCE.csv", ("RELIANCE", "")), ("kite", "INFY.json", ("INFY", "")), ("kite", "day.zip/INFY.csv", ("INFY", "")),
])
def test_symbols_in_names_of_files(preset: str, name: str, expected: tuple[str, str]) -> None:
    assert symbol_in(PRESETS[preset], name) == expected


@given(st.lists(st.integers(0, 10**9), min_size=1, max_size=50))
def test_starts_of_ends_are_the_minute_before(minutes: list[int]) -> None:
    begun = np.array(minutes, np.int64) * 60
    assert starts(begun, "start").tolist() == begun.tolist()
    assert starts(begun + 60, "end").tolist() == begun.tolist()
    assert starts(begun + 59, "end").tolist() == begun.tolist()
    assert starts(begun + 60 - 19_800, "end", 19_800).tolist() == begun.tolist()


@pytest.mark.parametrize("apart", [1, 3, 5, 15])
def test_the_interval_is_told_from_the_steps(apart: int) -> None:
    stamps = [FIRST_S + 60 * apart * at for at in (0, 1, 2, 4, 5, 6, 9, 10, 11, 12, 14, 20)]
    rows = pl.DataFrame({"symbol": ["X"] * 12, "stamp_s": stamps})
    assert minutes_apart(rows) == apart
    assert minutes_apart(rows.head(5)) == 1


def test_lots_become_units(tmp_path: Path) -> None:
    rows = only(write(tmp_path, *written("gdf")), layout_of("gdf"))
    assert raw_bars(rows, "end", 0, 75, 75).volume.tolist() == [35 * at * 75 for at in range(12)]
    assert raw_bars(rows, "end", 0, 75, 75).oi.tolist() == [(6155 + at) * 75 for at in range(12)]
