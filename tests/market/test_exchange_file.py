"""Every file of the exchanges by its content: the formats before UDiFF, the reference files, and what is none of them."""

import gzip
import io
import json
import zipfile
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import PayloadError
from fnolake.market.bhavcopy import ExchangeDay, exchange_schema
from fnolake.market.exchange_file import day_in_name, read_exchange_file
from fnolake.market.oldfiles import lot_of
from fnolake.market.reference import SCHEMAS, ReferenceFile, actions_of

REAL = Path(__file__).resolve().parents[3] / "shared" / "real"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the private exchange files are not on this machine")
OLD_FO = "INSTRUMENT,SYMBOL,EXPIRY_DT,STRIKE_PR,OPTION_TYP,OPEN,HIGH,LOW,CLOSE,SETTLE_PR,CONTRACTS,VAL_INLAKH,OPEN_INT,CHG_IN_OI,TIMESTAMP,"
OLD_CM = "SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES,ISIN,"
OLD_BSE = "SC_CODE,SC_NAME,SC_GROUP,SC_TYPE,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,NO_TRADES,NO_OF_SHRS,NET_TURNOV,TDCLOINDI"


def day_of(body: bytes, **changes: object) -> ExchangeDay:
    found = read_exchange_file(body, **changes)  # type: ignore[arg-type]
    assert isinstance(found, ExchangeDay)
    return found


def table_of(body: bytes, **changes: object) -> ReferenceFile:
    found = read_exchange_file(body, **changes)  # type: ignore[arg-type]
    assert isinstance(found, ReferenceFile)
    assert dict(found.rows.schema) == {name: kind() if isinstance(kind, type) else kind for name, kind in SCHEMAS[found.kind].items()}
    return found


def old_fo(strike: int, right: str, contracts: int, interest: int, *, lot: int = 250, premium: float = 20.0, symbol: str = "ACME", unit: int = 1) -> str:
    kind = "FUTSTK" if right == "XX" else "OPTSTK"
    value = contracts * lot * (strike + premium) / 1e5
    prices = f"{premium},{premium * 1.01},{premium * 0.99},{premium},{premium}" if contracts else "0,0,0,20,20"
    return f"{kind},{symbol},25-Jul-2024,{strike},{right},{prices},{contracts * unit},{value:.2f},{interest},0,05-JUL-2024,"


def body_of(header: str, *rows: str, end: str = "\n") -> bytes:
    return end.join([header, *rows, ""]).encode()


def zipped(content: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("fo05JUL2024bhav.csv", content)
    return out.getvalue()


def test_old_derivatives_come_in_units_by_what_they_are() -> None:
    day = day_of(body_of(OLD_FO, old_fo(1000, "CE", 40, 5000), old_fo(0, "XX", 12, 7250, premium=1010.0), old_fo(1100, "PE", 0, 250)))
    assert (day.day, day.venue, day.segment) == (date(2024, 7, 5), "NSE", "FO")
    assert dict(day.rows.schema) == exchange_schema()
    assert day.rows.select("token", "underlying", "kind", "strike_paise", "right", "volume", "oi", "lot", "trades").rows() == [
        (None, "ACME", "option", 100_000, "CE", 10_000, 5000, 250, None),
        (None, "ACME", "future", None, None, 3000, 7250, 250, None),
        (None, "ACME", "option", 110_000, "PE", 0, 250, 250, None),
    ]
    assert [finding.name for finding in day.findings] == ["lot_derived"]


def test_an_old_derivatives_file_with_volume_in_units_is_refused_with_its_ratio() -> None:
    rows = [old_fo(1000 + 10 * n, "CE", 40, 5000, unit=250) for n in range(20)]
    with pytest.raises(PayloadError, match="median ratio of value to volume \\* price is 1"):
        read_exchange_file(body_of(OLD_FO, *rows))


def test_a_row_whose_lot_nothing_proves_is_refused_and_counted() -> None:
    day = day_of(body_of(OLD_FO, old_fo(1000, "CE", 40, 5000), old_fo(1000, "CE", 40, 5003, symbol="ODD"), old_fo(1100, "CE", 40, 4000, symbol="ODD")))
    assert day.rows["underlying"].to_list() == ["ACME"]
    assert [(f.name, f.count, f.refused) for f in day.findings] == [("lot_derived", 1, False), ("lot_unproven", 2, True)]


@given(lot=st.integers(5, 20_000), times=st.integers(1, 50), off=st.floats(0.98, 1.02))
def test_the_lot_is_the_divisor_of_open_interest_nearest_to_the_value(lot: int, times: int, off: float) -> None:
    found = lot_of(lot * off, lot * times)
    assert found is None or (lot * times % found == 0 and abs(found / (lot * off) - 1) <= 0.03)
    assert times > 16 or found == lot


@pytest.mark.parametrize(("about", "common", "lot"), [(None, 500, None), (0.0, 500, None), (25.01, 0, 25), (27.4, 0, None), (100.0, 7, None)])
def test_a_lot_that_is_not_proven_is_none(about: float | None, common: int, lot: int | None) -> None:
    assert lot_of(about, common) == lot


def cash(symbol: str = "ACME", series: str = "EQ", volume: int = 1000, value: float = 10_500.0, day: str = "05-JUL-2024") -> str:
    return f"{symbol},{series},10,12,9,11,11.05,10.5,{volume},{value},{day},7,INE000A00000,"


@pytest.mark.parametrize("wrap", [bytes, zipped, gzip.compress, lambda b: gzip.compress(zipped(b)), lambda b: b"\xef\xbb\xbf" + b])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_old_cash_reads_the_same_however_it_is_packed(wrap, end: str) -> None:
    day = day_of(wrap(body_of(OLD_CM, cash(), cash(series="BL"), end=end)))
    assert day.rows.select("underlying", "series", "last_paise", "volume", "trades", "token").rows() == [
        ("ACME", "EQ", 1105, 1000, 7, None), ("ACME", "BL", 1105, 1000, 7, None),
    ]
    assert day.findings == ()


def test_old_cash_with_value_in_lakhs_is_told() -> None:
    day = day_of(body_of(OLD_CM, cash(volume=1_000_000, value=105.0), cash("OTHER", volume=2_000_000, value=210.0)))
    assert day.rows["value_rupees"].to_list() == [10_500_000.0, 21_000_000.0]
    assert [finding.name for finding in day.findings] == ["value_in_lakhs"]


def test_old_cash_in_another_unit_is_refused() -> None:
    with pytest.raises(PayloadError, match=r"median ratio .* 0.1 where 1 is expected"):
        read_exchange_file(body_of(OLD_CM, cash(volume=10_000), cash("OTHER", volume=10_000)))


def test_old_bse_cash_needs_a_date_from_its_name_or_its_column() -> None:
    row = "500325,RELIANCE   ,A ,Q,10,12,9,11,11.05,10.5,7,1000,10500,"
    assert day_of(body_of(OLD_BSE, row), day=date(2024, 7, 5)).rows.select("venue", "token", "underlying", "volume").row(0) == ("BSE", 500325, "RELIANCE", 1000)
    assert day_of(body_of(OLD_BSE + ",TRADING_DATE", row + ",20240705")).day == date(2024, 7, 5)
    with pytest.raises(PayloadError, match="EQDDMMYY"):
        read_exchange_file(body_of(OLD_BSE, row))


@pytest.mark.parametrize(("name", "day"), [
    ("EQ050724.CSV", date(2024, 7, 5)), ("NSE_CM_security_20112026.csv.gz", date(2026, 11, 20)), ("BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv", date(2026, 11, 20)),
    ("bhavcopy05-07-2024.zip", date(2024, 7, 5)), ("symbolchange.csv", None), ("EQ993399.CSV", None),
])
def test_a_name_lends_its_date(name: str, day: date | None) -> None:
    assert day_in_name(name) == day


def test_symbol_changes_without_a_header_with_commas_in_names() -> None:
    text = "Zomato Limited,ZOMATO,ETERNAL,09-APR-2025\r\nA, B and Sons, Limited,OLDER,OLD,01-JAN-2020\r\nA, B Limited,OLD,NEW,05-FEB-2022\r\nrubbish\r\n"
    found = table_of(text.encode())
    assert found.rows.select("company", "old", "new").rows() == [
        ("A, B and Sons, Limited", "OLDER", "OLD"), ("A, B Limited", "OLD", "NEW"), ("Zomato Limited", "ZOMATO", "ETERNAL"),
    ]
    assert [(f.name, f.count) for f in found.findings] == [("row_unreadable", 1)]


def security(flag_at: int = 24, *rows: tuple[int, str, str, str]) -> bytes:
    names = ["FinInstrmId", "TckrSymb", "SctySrs", *(f"F{n}" for n in range(4, flag_at)), "ElgbltyClsgAuctnSsn", "Rest"]
    return "\n".join([",".join(names), *(",".join([str(t), s, r, *["0"] * (flag_at - 4), f, "x"]) for t, s, r, f in rows), ""]).encode()


def test_the_security_file_says_who_takes_part_in_the_closing_auction() -> None:
    found = table_of(gzip.compress(security(24, (2885, "RELIANCE", "EQ", "1"), (7, "TINY", "BE", "0"), (8, "ODD", "EQ", "?"))), day=date(2026, 11, 20))
    assert found.rows.rows() == [(2885, "RELIANCE", "EQ", True), (7, "TINY", "BE", False)]
    assert (found.day, [(f.name, f.count) for f in found.findings]) == (date(2026, 11, 20), [("row_unreadable", 1)])


def test_a_flag_at_another_place_is_told_and_the_older_file_is_refused() -> None:
    assert [f.name for f in table_of(security(25, (1, "A", "EQ", "1"))).findings] == ["field_moved"]
    with pytest.raises(PayloadError, match="ElgbltyClsgAuctnSsn missing"):
        read_exchange_file(security(24, (1, "A", "EQ", "1")).replace(b"ElgbltyClsgAuctnSsn", b"ElgbltyRETDBTMkt"))


def test_the_holiday_master_marks_muhurat() -> None:
    rows = [{"tradingDate": "26-Jan-2027", "description": "Republic Day "}, {"tradingDate": "29-Oct-2027", "description": "Diwali Laxmi Pujan*"}, {"tradingDate": "?"}, 7]
    found = table_of(json.dumps({"FO": rows, "CD": [{"tradingDate": "01-Jan-2027"}]}).encode())
    assert found.rows.rows() == [("FO", date(2027, 1, 26), "Republic Day", False), ("FO", date(2027, 10, 29), "Diwali Laxmi Pujan", True)]
    assert [(f.name, f.count) for f in found.findings] == [("row_unreadable", 2)]


@pytest.mark.parametrize(("purpose", "kinds"), [
    ("Bonus 1:1", [("bonus", 2.0, None)]), ("Bonus 5:7", [("bonus", 12 / 7, None)]),
    ("Face Value Split (Sub-Division) - From Rs 10/- Per Share To Re 1/- Per Share", [("split", 10.0, None)]),
    ("Interim Dividend - Rs 2.50 Per Sh", [("dividend", None, 2.5)]), ("Dividend - RsN Per Share", [("other", None, None)]),
    ("Dividend - Rs 5 Per Share/Special Dividend - Rs 20.50 Per Share", [("dividend", None, 5.0), ("special_dividend", None, 20.5)]),
    ("Bonus 1:2/Face Value Split From Rs 2 To Re 1", [("bonus", 1.5, None), ("split", 2.0, None)]),
    ("Scheme Of Arrangement - Bonus Ncrps 4:1", [("demerger", None, None)]), ("Demerger", [("demerger", None, None)]),
    ("Rights 2:23 @ Premium Rs 347/-", [("rights", None, None)]), ("Buy Back", [("other", None, None)]),
])
def test_a_purpose_names_its_actions(purpose: str, kinds: list[tuple[str, float | None, float | None]]) -> None:
    assert list(actions_of(purpose)) == kinds


@pytest.mark.parametrize(("content", "says"), [
    (b"", "empty"), (b"<!DOCTYPE html><html>no</html>", "web page"), (b'{"error": 1}', "no holiday master"), (b"{", "no JSON"), (b"[1]", "no holiday master"),
    (b"Hello, world", "begins with 'Hello, world'"), (zipped(b"<html></html>"), "web page"), (OLD_FO.encode(), "no rows"),
    (body_of(OLD_CM, cash())[:-30], "cut"), (body_of(OLD_CM, cash(), cash("B", day="04-JUL-2024")), "agree on TIMESTAMP"),
    (body_of(OLD_CM, cash(day="soon")), "no date"), (body_of(OLD_CM, cash(value="?")), "no row of the file"),  # type: ignore[arg-type]
    (b"UNDERLYING,SYMBOL,FEB-23\nACME LTD,ACME,\n", "market lots"),
])
def test_anything_else_is_refused_in_a_sentence(content: bytes, says: str) -> None:
    with pytest.raises(PayloadError, match=says) as caught:
        read_exchange_file(content)
    assert "\n" not in str(caught.value)


WHOLE = (
    body_of(OLD_FO, old_fo(1000, "CE", 40, 5000)), body_of(OLD_CM, cash(), cash("B")), b"Acme,OLD,NEW,05-FEB-2022\n", security(24, (1, "A", "EQ", "1")),
    b'{"FO": [{"tradingDate": "26-Jan-2027"}]}', b"UNDERLYING,SYMBOL,FEB-23\nACME LTD,ACME,250\n", body_of(OLD_BSE, "5,A,A,Q,1,1,1,1,1,1,1,1,1,"),
    b'"SYMBOL","SERIES","PURPOSE","FACE VALUE","EX-DATE","RECORD DATE"\n"A","EQ","Bonus 1:1","1","15-Jul-2025","-"\n',
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(WHOLE), st.binary(max_size=60), st.integers(0, 400))
def test_damage_is_refused_or_read_and_never_another_error(whole: bytes, noise: bytes, place: int) -> None:
    for damaged in (whole, whole[:place], whole[:place] + noise + whole[place:], noise):
        with suppress(PayloadError):
            read_exchange_file(damaged, day=date(2024, 7, 5))


@needs_real
@pytest.mark.parametrize(("name", "day", "rows"), [
    ("cm05JUL2024bhav.csv.zip", date(2024, 7, 5), 2775), ("cm_2025-10-20.csv.gz", date(2025, 10, 20), 3066),
    ("cm_2025-10-21.csv.gz", date(2025, 10, 21), 2953), ("fo_udiff_2025-09-02_excerpt.csv", date(2025, 9, 2), 7),
])
def test_every_genuine_end_of_day_file_is_read_whole(name: str, day: date, rows: int) -> None:
    found = day_of((REAL / "bhavcopy" / name).read_bytes())
    assert (found.day, found.rows.height) == (day, rows)
    assert not [finding for finding in found.findings if finding.refused]


@needs_real
def test_genuine_rows_with_volume_in_another_unit_are_refused() -> None:
    lines = (REAL / "bhavcopy" / "fo_udiff_2025-09-02_excerpt.csv").read_text().splitlines()
    names = lines[0].split(",")
    volume, lot = names.index("TtlTradgVol"), names.index("NewBrdLotQty")
    cells = [line.split(",") for line in lines[1:]]
    for row in cells:
        row[volume] = str(int(row[volume]) * int(row[lot]))
    with pytest.raises(PayloadError, match=r"median ratio of value to volume \* price is 0\.0"):
        read_exchange_file("\n".join([lines[0], *(",".join(row) for row in cells), ""]).encode())


@needs_real
def test_genuine_reference_files_are_read() -> None:
    actions = table_of(next((REAL / "reference").glob("CF-CA-*")).read_bytes())
    assert actions.rows.filter(symbol="KOTAKBANK", kind="split").select("ex_date", "factor").rows() == [(date(2026, 1, 14), 5.0)]
    assert actions.rows.filter(symbol="NESTLEIND", kind="bonus").select("ex_date", "factor").rows() == [(date(2025, 8, 8), 2.0)]
    assert {"TMPV", "HINDUNILVR", "VEDL"} <= set(actions.rows.filter(kind="demerger")["symbol"])
    lots = table_of((REAL / "reference" / "fo_mktlots_2023-02.csv").read_bytes())
    assert lots.rows.filter(symbol="NIFTY", month=date(2023, 2, 1))["lot"].to_list() == [50]
    assert lots.rows["symbol"].n_unique() == 195
