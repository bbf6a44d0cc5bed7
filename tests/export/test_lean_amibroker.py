"""
Lean and AmiBroker have no package to load: their files are held against the layout of the real ones.

Lean: names and lines as in LEAN's LeanData.cs and its Data folder (github.com/QuantConnect/Lean, 2486390 of 2026-08-21),
which holds for example equity/india/minute/yesbank/20190709_trade.zip with 20190709_yesbank_minute_trade.csv,
indexoption/usa/minute/spx/20210104_trade_european.zip with 20210104_spx_minute_trade_european_call_32000000_20210115.csv, and
future/cme/minute/es/20131007_openinterest.zip with 20131007_es_minute_openinterest_201312.csv.
AmiBroker: fields and commands as in amibroker.com/guide/d_ascii.html (a stored copy, in part) and in public programs that write for it.
"""

from __future__ import annotations

import re
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
from tests.export.conftest import MON, TUE, of

from fnolake.export.amibroker import definition
from fnolake.export.lean import Series
from fnolake.lake import Lake

ZIPS = re.compile(
    r"(equity|index|future)/india/minute/[a-z&]+/\d{8}_(trade|openinterest)\.zip|(index)?option/india/minute/[a-z&]+/\d{8}_(trade|openinterest)_european\.zip",
)
TRADE = re.compile(r"\d+(,\d+(\.\d*[1-9])?){4},\d+")


def read(path: Path) -> dict[str, list[list[str]]]:
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        return {name: [line.split(",") for line in archive.read(name).decode("ascii").splitlines()] for name in archive.namelist()}


def back(day: date, lines: list[list[str]], scale: int, lot: int) -> list[tuple[object, ...]]:
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=5, minutes=30)
    return [
        (midnight + timedelta(milliseconds=int(line[0])), *(Decimal(price) * 100 / scale for price in line[1:5]), int(line[5]) * lot)
        for line in lines
    ]


def went_in(truth: pl.DataFrame, symbol: str, day: date) -> list[tuple[object, ...]]:
    rows = of(truth, symbol).filter(pl.col("session") == day)
    return rows.select("ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume").rows()


def test_lean_folders_are_those_of_the_real_repository_and_every_bar_comes_back(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    for name, kind in (("M&M", "spot"), ("M&M", "future"), ("M&M", "option"), ("NIFTY", "spot"), ("NIFTY", "future"), ("NIFTY", "option")):
        lake.export("lean", tmp_path, name, kind=kind)
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.zip")}
    assert len(files) == 20
    assert all(ZIPS.fullmatch(name) for name in files)
    expected = {
        "equity/india/minute/m&m/20261116_trade.zip": {"20261116_m&m_minute_trade.csv": ("M&M-EQ", 10_000, 1)},
        "index/india/minute/nifty/20261116_trade.zip": {"20261116_nifty_minute_trade.csv": ("NIFTY", 1, 1)},
        "future/india/minute/nifty/20261116_trade.zip": {
            "20261116_nifty_minute_trade_202611.csv": ("NIFTY23NOV26F", 1, 65), "20261116_nifty_minute_trade_202612.csv": ("NIFTY29DEC26F", 1, 65),
        },
        "option/india/minute/m&m/20261116_trade_european.zip": {
            "20261116_m&m_minute_trade_european_put_31225000_20261123.csv": ("M&M23NOV26P3122.5", 10_000, 200),
        },
        "indexoption/india/minute/nifty/20261116_trade_european.zip": {
            "20261116_nifty_minute_trade_european_call_240000000_20261123.csv": ("NIFTY23NOV26C24000", 10_000, 65),
            "20261116_nifty_minute_trade_european_put_240000000_20261123.csv": ("NIFTY23NOV26P24000", 10_000, 65),
        },
    }
    for file, entries in expected.items():
        held = read(tmp_path / file)
        assert set(held) == set(entries)
        for entry, (symbol, scale, lot) in entries.items():
            assert all(TRADE.fullmatch(",".join(line)) for line in held[entry]), held[entry][0]
            assert back(MON, held[entry], scale, lot) == went_in(truth, symbol, MON)
    assert (tmp_path / "equity/india/map_files/m&m.csv").read_text() == "19900101,m&m\n20501231,m&m\n"


def test_lean_open_interest_counts_lots_where_it_was_sent(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    lake.export("lean", tmp_path, "M&M", kind="future", start=TUE)
    (lines,) = read(tmp_path / "future/india/minute/m&m/20261117_openinterest.zip").values()
    rows = of(truth, "M&M23NOV26F").filter((pl.col("session") == TUE) & pl.col("oi").is_not_null())
    assert [int(oi) * 200 for _, oi in lines] == rows["oi"].to_list()
    assert lines[0][0] == "33300000"


def test_lean_names_follow_the_real_ones() -> None:
    assert Series("equity", "yesbank", date(2019, 7, 9)).file("trade") == "equity/india/minute/yesbank/20190709_trade.zip"
    assert Series("equity", "yesbank", date(2019, 7, 9)).entry("trade", None, None, None) == "20190709_yesbank_minute_trade.csv"
    spx = Series("indexoption", "spx", date(2021, 1, 4))
    assert spx.file("trade") == "indexoption/india/minute/spx/20210104_trade_european.zip"
    assert spx.entry("trade", date(2021, 1, 15), 3200.0, "CE") == "20210104_spx_minute_trade_european_call_32000000_20210115.csv"
    assert Series("future", "es", date(2013, 10, 7)).entry("openinterest", date(2013, 12, 20), None, None) == "20131007_es_minute_openinterest_201312.csv"


def test_amibroker_reads_its_files_by_the_definition_beside_them(lake: Lake, truth: pl.DataFrame, tmp_path: Path) -> None:
    lake.export("amibroker", tmp_path, "NIFTY", kind="option")
    lines = (tmp_path / "fnolake.format").read_bytes().decode("ascii").split("\r\n")
    commands = dict(line.split(" ", 1) for line in lines if line)
    fields = [field.strip() for field in commands["$FORMAT"].split(",")]
    assert fields == ["Ticker", "Date_YMD", "Time", "Open", "High", "Low", "Close", "Volume", "OpenInt"]
    assert (commands["$SEPARATOR"], commands["$SKIPLINES"], commands["$AUTOADD"]) == (",", "0", "1")
    rows = [dict(zip(fields, line.split(","), strict=True)) for line in (tmp_path / "NIFTY" / "NIFTY23NOV26P24000.txt").read_text().splitlines()]
    came = [
        (row["Ticker"], datetime.fromisoformat(f"{row['Date_YMD']}T{row['Time']}+05:30"), *(Decimal(row[n]) * 100 for n in ("Open", "High", "Low", "Close")),
         int(row["Volume"]), int(row["OpenInt"])) for row in rows
    ]
    columns = ("symbol", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", pl.col("oi").fill_null(0))
    assert came == of(truth, "NIFTY23NOV26P24000").select(columns).rows()


def test_amibroker_days_have_no_time(lake: Lake, tmp_path: Path) -> None:
    lake.export("amibroker", tmp_path, "M&M", interval="1d")
    (first, _) = (tmp_path / "M&M" / "M&M-EQ_1d.txt").read_text().splitlines()
    assert first.startswith("M&M-EQ,2026-11-16,")
    assert len(first.split(",")) == 8
    assert (tmp_path / "fnolake-eod.format").read_text() == definition(timed=False).replace("\r\n", "\n")
