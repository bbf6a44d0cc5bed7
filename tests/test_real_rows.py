"""Rows that a broker really sent become whole sessions, and what it should not have sent is refused."""

import csv
import gzip
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from fnolake.market.calendar import Calendar
from fnolake.model import (
    IST,
    BarRequest,
    Contract,
    Outcome,
    Page,
    RawBars,
    Session,
    Verdict,
    ist_midnight_us,
    utc_from_us,
)
from fnolake.normalize import Normalized, normalize
from fnolake.verify import judge

REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
pytestmark = pytest.mark.skipif(not REAL.is_dir(), reason="the folder of real broker files is not beside this repository")

CALENDAR = Calendar.bundled()
NIFTY = Contract(1, "NSE", "CM", 26000, "NIFTY", "NIFTY", "spot", None, None, None, 1, 5, "Nifty 50", is_index=True)
RELIANCE = Contract(2, "NSE", "CM", 2885, "RELIANCE-EQ", "RELIANCE", "spot", None, None, None, 1, 5, "RELIANCE-EQ")
LATER = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
MOCK = [date(2024, 2, 3), date(2024, 2, 17), date(2024, 2, 24)]
DRILL = date(2024, 3, 2)
FEBRUARY = {NIFTY: "shoonya_2024_1min_Nifty_50__cut_20240201-20240315.csv.gz",
            RELIANCE: "shoonya_2024_1min_RELIANCE__cut_20240201-20240315.csv.gz"}


def page(path: Path, form: str, contract: Contract, first: date, last: date) -> Page:
    body = path.read_bytes()
    text = gzip.decompress(body) if path.suffix == ".gz" else body
    rows = list(csv.DictReader(io.StringIO(text.decode())))

    def column(name: str, kind: type[np.generic]) -> np.ndarray:
        return np.array([float(row.get(name) or 0) for row in rows]).astype(kind)

    stamps = [int(datetime.strptime(row["time"], form).replace(tzinfo=IST).timestamp()) for row in rows]
    prices = [column(name, np.float64) for name in ("into", "inth", "intl", "intc")]
    raw = RawBars(
        np.array(stamps, np.int64), *prices, column("intv", np.int64), column("oi", np.int64), column("intvwap", np.float64),
        column("v", np.int64), np.zeros(len(rows), np.bool_),
    )
    start, end = utc_from_us(ist_midnight_us(first)), utc_from_us(ist_midnight_us(last)) + timedelta(days=1)
    return Page(BarRequest(contract, start, end), "shoonya", "demo", LATER, "00", raw)


def judged(asked: Page, days: list[date]) -> tuple[Normalized, dict[date, Verdict]]:
    table = normalize(asked, CALENDAR)
    sessions = [session for day in days if isinstance(session := CALENDAR.session_for(asked.request.contract, day), Session)]
    return table, {day: verdict for day, verdict, _ in judge(table, asked.request, sessions, LATER, {}, must_fill=True)}


def in_phase(table: Normalized, day: date, phase: str) -> pl.DataFrame:
    return table.bars.filter((pl.col("session") == day) & (pl.col("phase") == phase))


@pytest.mark.parametrize(("name", "days", "preopen", "late"), [
    ("NIFTY_spot_1m_20230928-29_tpseries.csv", [date(2023, 9, 28), date(2023, 9, 29)], 15, 2),
    ("NIFTY_spot_1m_20231013_tpseries.csv", [date(2023, 10, 13)], 1, 0),
])
def test_raw_index_rows_become_375_minutes_and_flagged_pre_open_rows(name: str, days: list[date], preopen: int, late: int) -> None:
    asked = page(REAL / "tpseries" / name, "%d-%m-%Y %H:%M:%S", NIFTY, days[0], days[-1])
    table, verdicts = judged(asked, days)
    for day in days:
        assert in_phase(table, day, "continuous").height == 375
        assert in_phase(table, day, "preopen").height == preopen
        assert verdicts[day].outcome is Outcome.COMPLETE
    assert table.refused["reason"].to_list() == ["outside_hours"] * late * len(days)
    assert table.bars.height + table.refused.height == len(asked.rows or ())
    assert table.bars["oi"].null_count() == table.bars["vwap_paise"].null_count() == table.bars.height


@pytest.mark.parametrize("contract", [NIFTY, RELIANCE], ids=lambda c: c.symbol)
class TestFebruary2024:
    def february(self, contract: Contract) -> tuple[Normalized, dict[date, Verdict]]:
        first, last = date(2024, 2, 1), date(2024, 3, 15)
        asked = page(REAL / "bars" / FEBRUARY[contract], "%Y-%m-%d %H:%M:%S", contract, first, last)
        return judged(asked, CALENDAR.sessions(first, last))

    def test_mock_saturdays_are_refused(self, contract: Contract) -> None:
        table, verdicts = self.february(contract)
        saturdays = table.refused.filter(pl.col("reason") == "no_session")
        assert saturdays["session"].unique().sort().to_list() == MOCK
        assert saturdays.height > 400
        assert not set(MOCK) & {*verdicts, *table.bars["session"].unique().to_list()}

    def test_the_special_saturday_is_kept_and_only_its_hours(self, contract: Contract) -> None:
        table, verdicts = self.february(contract)
        kept = table.bars.filter(pl.col("session") == DRILL)
        clock = kept["ts"].dt.convert_time_zone("Asia/Kolkata").dt.strftime("%H:%M")
        assert kept.height > 90
        assert clock.filter((clock > "09:59") & (clock < "11:30")).is_empty()
        assert clock.max() <= "12:29"
        assert verdicts[DRILL].outcome in {Outcome.COMPLETE, Outcome.PARTIAL}

    def test_whole_days_are_complete_and_the_rest_say_why_not(self, contract: Contract) -> None:
        _, verdicts = self.february(contract)
        lacking = {day: v for day, v in verdicts.items() if v.outcome is not Outcome.COMPLETE and day != DRILL}
        assert lacking[date(2024, 2, 1)].reasons == ("mask_not_met",)
        assert lacking[date(2024, 3, 7)].bars == 0
        assert set(lacking) == {date(2024, 2, 1), date(2024, 3, 7)}
