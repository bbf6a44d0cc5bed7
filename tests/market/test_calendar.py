import csv
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from fnolake.errors import ConfigError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import Contract

HOLIDAY_FILE = Path(__file__).resolve().parents[3] / "shared" / "real" / "reference" / "tradingHolidaysAllYears_rthennan.csv"
CALENDAR = Calendar.bundled()
# Counted from exchange lists, specials included (2026 without the Muhurat session whose hours are unknown).
SESSIONS_A_YEAR = {2023: 246, 2024: 249, 2025: 249, 2026: 246}


def contract(kind: str = "option", underlying: str = "NIFTY", expiry: date | None = None, *, is_index: bool = True) -> Contract:
    return Contract(1, "NSE", "CM" if kind == "spot" else "FO", 1, "X", underlying, kind, expiry, None, None, 1, 5, "X", is_index)


def minutes(venue: str, segment: str, day: date, *, auction: bool = False) -> int:
    session = CALENDAR.session(venue, segment, day, closing_auction=auction)
    assert session is not None
    return session.minutes


@pytest.mark.parametrize(("year", "count"), SESSIONS_A_YEAR.items())
def test_each_year_has_its_sessions(year: int, count: int) -> None:
    assert len(CALENDAR.sessions(date(year, 1, 1), date(year, 12, 31))) == count


@pytest.mark.parametrize(("day", "segment", "auction", "expected"), [
    (date(2024, 7, 1), "FO", False, 375), (date(2026, 7, 31), "FO", False, 375), (date(2026, 8, 3), "FO", False, 385),
    (date(2026, 8, 3), "CM", True, 360), (date(2026, 8, 3), "CM", False, 375), (date(2026, 7, 31), "CM", True, 375),
    (date(2024, 3, 2), "FO", False, 105), (date(2025, 10, 21), "CM", False, 60), (date(2026, 2, 1), "FO", False, 375),
    (date(2026, 12, 7), "FO", False, 390),
])
def test_hours_are_those_of_the_date(day: date, segment: str, auction: bool, expected: int) -> None:
    assert minutes("NSE", segment, day, auction=auction) == expected


def test_bse_traded_through_the_outage_of_nse() -> None:
    day = date(2021, 2, 24)
    assert minutes("NSE", "FO", day) == 145 + 75
    assert minutes("BSE", "FO", day) == 465


def test_hours_with_one_source_say_so() -> None:
    session = CALENDAR.session("NSE", "FO", date(2026, 12, 8))
    assert session is not None
    assert not session.confirmed


def test_a_mock_saturday_is_closed_and_a_holiday_is_closed() -> None:
    assert CALENDAR.session("NSE", "CM", date(2024, 2, 3)) is None
    assert CALENDAR.session("NSE", "FO", date(2026, 11, 24)) is None


@pytest.mark.parametrize("day", [date(2026, 11, 8), date(2027, 1, 4), date(2018, 6, 1)])
def test_what_nobody_told_us_is_unknown(day: date) -> None:
    assert CALENDAR.status(day) == "unknown"
    with pytest.raises(UnknownSession, match=str(day)):
        CALENDAR.session("NSE", "FO", day)


def test_index_spot_has_an_auction_and_india_vix_keeps_the_derivatives_hours() -> None:
    day = date(2026, 11, 20)
    nifty = CALENDAR.session_for(contract("spot"), day)
    vix = CALENDAR.session_for(contract("spot", "INDIAVIX"), day)
    assert nifty is not None
    assert vix is not None
    assert (nifty.minutes, nifty.windows[-1].phase) == (360, "auction")
    assert (vix.minutes, vix.windows[-1].phase) == (385, "continuous")


def test_options_have_no_preopen_and_futures_do() -> None:
    day = date(2026, 11, 20)
    option, future = CALENDAR.session_for(contract("option"), day), CALENDAR.session_for(contract("future"), day)
    assert option is not None
    assert future is not None
    assert [w.phase for w in option.windows] == ["continuous"]
    assert [w.phase for w in future.windows] == ["preopen", "continuous"]


def test_an_expiring_index_contract_stops_early_from_december_2026() -> None:
    day = date(2026, 12, 8)
    expiring, other = CALENDAR.session_for(contract(expiry=day), day), CALENDAR.session_for(contract(expiry=date(2026, 12, 29)), day)
    assert expiring is not None
    assert other is not None
    assert (expiring.minutes, other.minutes) == (375, 390)


def test_a_stock_in_a_scheme_of_arrangement_starts_at_ten() -> None:
    session = CALENDAR.session_for(contract("spot", "TATAMOTORS", is_index=False), date(2025, 10, 14))
    assert session is not None
    assert session.minutes == 330


@pytest.mark.parametrize(("now", "last"), [
    (datetime(2026, 11, 20, 10, 24, 59, tzinfo=UTC), date(2026, 11, 19)), (datetime(2026, 11, 20, 10, 25, tzinfo=UTC), date(2026, 11, 20)),
    (datetime(2026, 11, 22, 12, 0, tzinfo=UTC), date(2026, 11, 20)), (datetime(2026, 11, 9, 3, 0, tzinfo=UTC), date(2026, 11, 6)),
])
def test_a_session_is_finished_a_quarter_of_an_hour_after_its_last_phase(now: datetime, last: date) -> None:
    assert CALENDAR.last_finished(now) == last


def test_the_user_adds_and_corrects_facts(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[special]]\ndate = 2026-11-08\nname = "Muhurat"\nwindows = ["continuous 18:15-19:15"]\nsource = "NSE/FAOP/99999"\n'
        '[[holidays]]\nyear = 2027\ncomplete = true\ndates = ["01-26"]\nsource = "NSE list of December 2026"\n'
    )
    mine = Calendar.bundled(file)
    muhurat = mine.session("NSE", "FO", date(2026, 11, 8))
    assert muhurat is not None
    assert muhurat.minutes == 60
    assert mine.status(date(2027, 1, 4)) == "open"
    assert mine.status(date(2027, 1, 26)) == "closed"


@pytest.mark.parametrize(("text", "says"), [
    ('[[special]]\ndate = 2026-11-08\nwindows = ["continuous 18:15"]\nsource = "x"\n', "number 1.*18:15"),
    ('[[special]]\nwindows = []\nsource = "x"\n', "'date' is missing"), ("[[special]]\ndate = 2026-11-08\n", "source is needed"),
    ('[[extra]]\nsource = "x"\n', "not known"), ("[special", "not a TOML"), ("special = 3\n", "double brackets"), ("special = [3]\n", "keys below it"),
    ('[[special]]\ndate = 2026-11-08\nwindow = ["continuous 18:15-19:15"]\nsource = "x"\n', "'window' is not known"),
    ('[[special]]\ndate = 2026-11-08\nwindows = "continuous 18:15-19:15"\nsource = "x"\n', "windows is a list"),
    ('[[special]]\ndate = 2026-11-08\nwindows = ["auction 18:15-19:15"]\nsource = "x"\n', "need a continuous one"),
    ('[[special]]\ndate = 2026-11-08\nwindows = ["continuous 18:75-19:15"]\nsource = "x"\n', "no time of day"),
    ('[[special]]\ndate = 2026-11-08\nwindows = ["continuous 19:15-18:15"]\nsource = "x"\n', "in order"),
    ('[[special]]\ndate = "2026-11-08"\nsource = "x"\n', "is no date"), ('[[special]]\ndate = 2026-11-08\nvenues = "NSE"\nsource = "x"\n', "venues is a list"),
    ('[[special]]\ndate = 2026-11-08\nmask = "false"\nsource = "x"\n', "mask is true or false"), ("[[special]]\ndate = 2026-11-08\nsource = 7\n", "source is needed"),
    ('[[holidays]]\nyear = 2027\ndates = ["26-01"]\nsource = "x"\n', "number 1"), ('[[holidays]]\nyear = 2027\ndates = "01-26"\nsource = "x"\n', "dates is a list"),
    ('[[hours]]\nfrom = 2027-01-01\nsegment = "XX"\nwindows = []\nsource = "x"\n', "segment is one of"),
    ('[[hours]]\nfrom = 2027-01-01\nsegment = "FO"\nwindows = []\nsource = "x"\n', "need a continuous one"),
    ('[[late_open]]\ndate = 2027-01-01\nunderlying = "TCS"\nstart = "ten"\nsource = "x"\n', "number 1"),
])
def test_a_bad_addition_is_one_clear_line(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=says) as caught:
        Calendar.bundled(file)
    assert "\n" not in str(caught.value)


def test_an_additions_file_that_cannot_be_read_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="create it"):
        Calendar.bundled(tmp_path / "absent.toml")
    (tmp_path / "latin.toml").write_bytes("# Diwali é".encode("latin-1"))
    with pytest.raises(ConfigError, match="not a TOML file"):
        Calendar.bundled(tmp_path / "latin.toml")


def test_one_more_closure_does_not_make_a_year_known(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[holidays]]\nyear = 2027\ndates = ["02-01"]\nsource = "NSE notice"\n')
    mine = Calendar.bundled(file)
    assert mine.status(date(2027, 2, 1)) == "closed"
    assert mine.status(date(2027, 2, 2)) == "unknown"


def test_a_session_of_one_venue_leaves_the_other_closed(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[special]]\ndate = 2026-11-21\nname = "drill"\nvenues = ["NSE"]\nwindows = ["continuous 09:15-10:00"]\nsource = "NSE notice"\n')
    mine = Calendar.bundled(file)
    day = date(2026, 11, 21)
    assert mine.status(day) == "open"
    assert mine.session("BSE", "FO", day) is None
    assert mine.last_finished(datetime(2026, 11, 21, 4, 45, tzinfo=UTC)) == day


def test_a_user_may_confirm_hours(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        '[[hours]]\nfrom = 2026-12-07\nsegment = "FO"\nwindows = ["preopen 09:00-09:15", "continuous 09:15-15:45"]\n'
        'expiring_index_end = "15:30"\nsource = "NSE/FAOP/99998"\n'
    )
    session = Calendar.bundled(file).session("NSE", "FO", date(2026, 12, 8))
    assert session is not None
    assert (session.confirmed, session.source, session.minutes) == (True, "NSE/FAOP/99998", 390)


def test_importing_the_calendar_loads_no_heavy_library() -> None:
    code = "import sys, fnolake.market.calendar, fnolake.market.expiry; print(sorted({'polars', 'numpy', 'pyarrow'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.skipif(not HOLIDAY_FILE.exists(), reason="the private reference files are not on this machine")
def test_holidays_agree_with_a_list_that_we_did_not_write() -> None:
    listed = {date.fromisoformat(row[0]) for row in list(csv.reader(HOLIDAY_FILE.read_text().splitlines()))[1:] if row}
    # 2023-06-28 was moved to the 29th; the others are evenings of Muhurat.
    known = {date(2023, 6, 28), date(2022, 10, 24), date(2024, 11, 1), date(2025, 10, 21)}
    assert {day for day in listed if day.weekday() < 5 and CALENDAR.status(day) != "closed"} == known & listed
