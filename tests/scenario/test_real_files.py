"""
Files that nobody on this project wrote, through the whole line: real processes, real sockets, a lake in a fresh folder.

The files are private and stay where they are: ../shared/real beside this repository. Without them these tests skip.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.model import Master
from fnolake.provider.shoonya.symbols import parse_master
from fnolake.store.store import Store

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

ROOT = Path(__file__).resolve().parents[2]
REAL = ROOT.parent / "shared" / "real"
MASTERS = REAL / "masters"
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the private folder of real broker files, ../shared/real, is not beside this repository",
)

WHOLE = {
    # file: rows below the header, listings, out of scope by name (the 124 NSE series and 7 BSE groups as one sum)
    "NFO_20240308": (83_471, {"future": 558, "option": 82_897}, {"exchange_test": 16}),
    "NFO_20250106": (84_292, {"future": 668, "option": 83_606}, {"exchange_test": 18}),
    "BFO_20250106": (39_682, {"future": 678, "option": 39_004}, {}),
    "BFO_20260818": (41_048, {"future": 634, "option": 40_414}, {}),
    "NSE_20260818": (9_842, {"spot": 2_643}, {"series": 7_199}),
    "BSE_20260818": (12_694, {"spot": 5_039}, {"group": 7_655}),
    "CDS_20260818": (11_099, {}, {"CDS": 11_099}),
    "MCX_20260818": (15_269, {}, {"MCX": 15_269}),
}


def master(name: str) -> Master:
    exchange, stamp = name.split("_")
    body = (MASTERS / f"shoonya_{name}.txt.zip").read_bytes()
    return parse_master(exchange, body, datetime.strptime(stamp, "%Y%m%d").date())


@pytest.mark.parametrize("name", WHOLE)
def test_every_row_of_a_real_master_is_accounted_for(name: str) -> None:
    rows, kinds, scopes = WHOLE[name]
    read = master(name)
    out: dict[str, int] = {}
    for scope, count in read.out_of_scope.items():
        word = scope.partition("_")[0] if scope.startswith(("series_", "group_")) else scope
        out[word] = out.get(word, 0) + count
    assert read.rows == rows == read.listings.height + sum(read.out_of_scope.values()) + sum(f.count for f in read.findings)
    assert dict(read.listings["kind"].value_counts().iter_rows()) == kinds
    assert out == scopes
    assert read.findings == ()


def test_the_benchmark_counts_the_same_rows_without_the_parsers_help() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks" / "real_masters.py")], capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    lines = {line.split()[0].removeprefix("shoonya_"): line.split()[1:] for line in done.stdout.splitlines() if line.startswith("shoonya_")}
    assert {name: (int(words[0].replace(",", "")), words[4]) for name, words in lines.items()} == {
        name: (rows, "0") for name, (rows, _, _) in WHOLE.items()
    }


CHOSEN = ("RELIANCE", "FINNIFTY")
UNDERLYINGS = ("-u", CHOSEN[0], "-u", CHOSEN[1])


def rows_of(at: Desk, *words: str) -> pl.DataFrame:
    """What a command prints as csv."""
    return pl.read_csv(at.run(*words, "--format", "csv").stdout.encode(), try_parse_dates=True)


@pytest.mark.slow
def test_chosen_underlyings_of_a_real_master_are_synced_without_a_gap(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    file, day = "NFO_20250106", date(2025, 1, 6)
    at = desk(emulate("--masters", str(MASTERS / f"shoonya_{file}.txt.zip"), "--limits", "off"))
    at.run("sync", *UNDERLYINGS)
    served = master(file).listings
    listed = served.filter(pl.col("underlying").is_in(CHOSEN))
    with Store.open(at.lake, write=False) as store:
        known = store.instruments(day)
        named = store.exchange_rows(day).join(known, on="contract").filter(pl.col("segment") == "FO")
    columns = ["token", "symbol", "expiry", "strike_paise", "right", "lot"]
    assert known.filter(pl.col("segment") == "FO").select(columns).sort("token").equals(served.select(columns).sort("token"))
    spots = known.filter(pl.col("kind") == "spot")["underlying"]
    assert sorted(spots) == sorted({*served["underlying"], "INDIAVIX"})
    assert named["token"].sort().equals(served["token"].sort())
    for name in CHOSEN:
        assert rows_of(at, "bars", name, "--session", str(day)).height == 375
    covered = rows_of(at, "coverage", *UNDERLYINGS, "--session", str(day))
    assert covered.select(pl.sum("wanted", "covered")).row(0) == (listed.height + 2, listed.height + 2)
    assert rows_of(at, "gaps", *UNDERLYINGS).is_empty()


@pytest.mark.slow
def test_the_masters_of_august_2026_are_taken_whole_and_a_bse_index_is_synced(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    files, day = [file for file in WHOLE if file.endswith("_20260818")], date(2026, 8, 18)
    at = desk(emulate("--masters", *(str(MASTERS / f"shoonya_{file}.txt.zip") for file in files), "--limits", "off"))
    taken = {row["exchange"]: row for row in rows_of(at, "instruments", "sync").iter_rows(named=True)}
    for file in files:
        exchange = file.partition("_")[0]
        row = taken[exchange]
        indices = 2 if exchange == "BSE" else 0  # SENSEX and BANKEX, which no master lists
        assert (row["rows"], row["findings"]) == (WHOLE[file][0] + indices, 0)
        assert row["listings"] + row["out_of_scope"] == row["rows"]
    at.run("sync", "-u", "BANKEX")
    assert rows_of(at, "gaps", "-u", "BANKEX").is_empty()
    bars = stored(at, [day])
    spot = bars.filter(pl.col("kind") == "spot")["phase"].value_counts().sort("phase").rows()
    assert spot == [("auction", 1), ("continuous", 360), ("preopen", 1)]
    near = bars.filter((pl.col("kind") == "future") & (pl.col("expiry") == pl.col("expiry").min()), pl.col("phase") == "continuous")
    assert (near.height, near["clock"].max()) == (385, "15:39")


def stored(at: Desk, days: list[date]) -> pl.DataFrame:
    """Every bar that the lake holds of some dates, all phases, with its symbol and IST clock."""
    with Store.open(at.lake, write=False) as store:
        names = store.instruments(None).select("contract", "symbol").unique()
        bars = store.bars(None, days).collect().join(names, on="contract")
    return bars.with_columns(clock=pl.col("ts").dt.convert_time_zone("Asia/Kolkata").dt.strftime("%H:%M"))


def quarantine(at: Desk) -> pl.DataFrame:
    """Every refused row that the lake holds, with its symbol and IST stamp."""
    with Store.open(at.lake, write=False) as store:
        names = store.instruments(None).select("contract", "symbol").unique()
    rows = pl.concat([pl.read_parquet(path) for path in sorted((at.lake / "refused").glob("*.parquet"))])
    stamp = pl.col("ts").dt.convert_time_zone("Asia/Kolkata").dt.strftime("%Y-%m-%d %H:%M:%S")
    return rows.join(names, on="contract").with_columns(stamp=stamp)


@pytest.mark.slow
def test_recorded_index_rows_come_out_as_375_bars_and_flagged_pre_open_rows(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], tmp_path: Path
) -> None:
    folder = tmp_path / "rows"
    folder.mkdir()
    (folder / "NSE_26000_september.csv").symlink_to(REAL / "tpseries" / "NIFTY_spot_1m_20230928-29_tpseries.csv")
    (folder / "NSE_26000_october.csv").symlink_to(REAL / "tpseries" / "NIFTY_spot_1m_20231013_tpseries.csv")
    at = desk(emulate("--date", "2023-10-13", "--underlyings", "NIFTY", "--rows", str(folder), "--limits", "off"))
    nifty = ("-u", "NIFTY", "-k", "spot")
    at.run("sync", *nifty, "--from", "2023-09-28", "--to", "2023-09-29")
    at.run("sync", *nifty, "--session", "2023-10-13")
    early = [f"09:{minute:02d}" for minute in range(15)]
    for day, preopen in ((date(2023, 9, 28), early), (date(2023, 9, 29), early), (date(2023, 10, 13), ["09:14"])):
        bars = stored(at, [day]).sort("ts")
        every = [f"{minute // 60:02d}:{minute % 60:02d}" for minute in range(555, 930)]
        assert bars.filter(pl.col("phase") == "continuous")["clock"].to_list() == every
        assert bars.filter(pl.col("phase") == "preopen")["clock"].to_list() == preopen
        assert bars.height == 375 + len(preopen)
        shown = rows_of(at, "bars", "NIFTY", "--session", str(day))
        assert (shown.height, shown["phase"].unique().to_list()) == (375, ["continuous"])
    late = quarantine(at).sort("stamp")
    assert late.select("stamp", "reason").rows() == [
        (f"2023-09-{stamp}", "outside_hours") for stamp in ("28 15:30:36", "28 15:31:00", "29 15:30:59", "29 15:31:00")
    ]


FIRST, LAST = date(2024, 2, 1), date(2024, 3, 15)
MOCK = [date(2024, 2, 3), date(2024, 2, 17), date(2024, 2, 24)]
DRILL = date(2024, 3, 2)
SPOTS = ("-k", "spot", "-u", "NIFTY", "-u", "RELIANCE")
PRICES = {"into": "open", "inth": "high", "intl": "low", "intc": "close"}


def february() -> pl.DataFrame:
    """The bars somebody fetched from the broker in 2024: symbol, exchange, stamp, open, high, low, close."""
    files = {"NIFTY": ("NSE_26000", "Nifty_50"), "RELIANCE-EQ": ("NSE_2885", "RELIANCE")}
    return pl.concat([
        pl.read_csv(REAL / "bars" / f"shoonya_2024_1min_{word}__cut_20240201-20240315.csv.gz").select(
            symbol=pl.lit(symbol), file=pl.lit(file), stamp="time", **{name: pl.col(wire).cast(pl.Float64) for wire, name in PRICES.items()}
        )
        for symbol, (file, word) in files.items()
    ])


def as_recorded_answers(rows: pl.DataFrame, folder: Path) -> None:
    """Write rows as the wire has them, newest first, for the emulator to replay; volume was not recorded."""
    folder.mkdir()
    wire = rows.sort("stamp", descending=True).with_columns(
        time=pl.col("stamp").str.to_datetime().dt.strftime("%d-%m-%Y %H:%M:%S"), intvwap=pl.lit("0.00"),
        **dict.fromkeys(("intv", "v", "intoi", "oi"), pl.lit("0")),
    ).rename({name: word for word, name in PRICES.items()})
    for (file,), part in wire.group_by("file"):
        part.drop("symbol", "file", "stamp").write_csv(folder / f"{file}_february.csv", float_precision=2)


@pytest.mark.slow
def test_rows_of_mock_saturdays_are_refused_and_the_special_saturday_is_kept(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk], tmp_path: Path
) -> None:
    recorded = february()
    as_recorded_answers(recorded, tmp_path / "rows")
    at = desk(emulate(
        "--date", str(LAST), "--underlyings", "NIFTY,RELIANCE", "--rows", str(tmp_path / "rows"), "--limits", "off",
    ))
    at.env["FNOLAKE_EXCHANGE__CONSENT"] = "false"  # the emulated exchange's file is of other trades than the recorded ones
    at.run("sync", *SPOTS, "--from", str(FIRST), "--to", str(LAST), expect=3)

    columns = ["symbol", "stamp", *PRICES.values()]
    unreal = recorded.filter(pl.col("stamp").str.head(10).is_in([str(day) for day in MOCK])).select(columns)
    refused = quarantine(at).filter(pl.col("session").dt.weekday() == 6, pl.col("session") != DRILL)
    assert unreal.height == 868
    assert refused["reason"].unique().to_list() == ["no_session"]
    assert refused.select(columns).sort(columns).equals(unreal.sort(columns))

    bars = stored(at, [FIRST + timedelta(days=n) for n in range((LAST - FIRST).days + 1)])
    assert bars.filter(pl.col("session").dt.weekday() > 5)["session"].unique().to_list() == [DRILL]
    assert not [path for day in MOCK for path in at.lake.rglob(f"session={day}*")]
    drill = bars.filter(pl.col("session") == DRILL)
    assert dict(drill["symbol"].value_counts().iter_rows()) == {"NIFTY": 105, "RELIANCE-EQ": 105}
    assert drill.filter(pl.col("clock").is_between(pl.lit("10:00"), pl.lit("11:29"))).is_empty()
    left = rows_of(at, "gaps", *SPOTS, "--from", str(FIRST), "--to", str(LAST)).select("symbol", "session", "status").sort("session", "symbol")
    assert left.rows() == [
        (symbol, day, status)
        for day, status in ((FIRST, "partial"), (date(2024, 3, 7), "failed"))  # recorded from 09:42; not recorded at all
        for symbol in ("NIFTY", "RELIANCE-EQ")
    ]
