import gzip
import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from fnolake.errors import PayloadError
from fnolake.market.bhavcopy import ExchangeDay, read_cm, read_fo

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "bhavcopy"
HEADER = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,"
    "OpnPric,HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,"
    "TtlNbOfTxsExctd,SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)


def row(venue: str = "NSE", segment: str = "FO", kind: str = "STO", token: int = 7, volume: int = 10, value: float = 1_050_000.0, lot: int = 100) -> str:
    strike, right, expiry = ("1000", "CE", "2026-11-23") if kind == "STO" else ("", "", "")
    return (
        f"2026-11-20,2026-11-20,{segment},{venue},{kind},{token},,TCS,,{expiry},{expiry},{strike},{right},X,"
        f"50.00,60.00,40.00,50.05,50.10,49,1000,50.05,500,100,{volume},{value},5,F1,{lot},,,,,"
    )


def text(*rows: str, end: str = "\n") -> bytes:
    return end.join([HEADER, *rows, ""]).encode()


def zipped(content: bytes) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        archive.writestr("file.csv", content)
    return held.getvalue()


def only(day: ExchangeDay) -> dict[str, object]:
    return day.rows.row(0, named=True)


@pytest.mark.parametrize("body", [text(row()), text(row(), end="\r\n"), zipped(text(row())), gzip.compress(text(row()))])
def test_a_file_reads_the_same_in_every_wrapping(body: bytes) -> None:
    day = read_fo(body)
    assert (day.day, day.venue, day.segment) == (date(2026, 11, 20), "NSE", "FO")
    found = only(day)
    assert (found["strike_paise"], found["right"], found["kind"], found["last_paise"]) == (100_000, "CE", "option", 5010)


def test_nse_counts_lots_and_bse_units_and_both_leave_as_units() -> None:
    assert only(read_fo(text(row())))["volume"] == 1000
    assert only(read_fo(text(row("BSE", volume=1000))))["volume"] == 1000
    assert only(read_fo(text(row())))["oi"] == 500


def test_a_changed_unit_is_refused_loudly() -> None:
    with pytest.raises(PayloadError, match="not in lots"):
        read_fo(text(row(volume=1000)))
    with pytest.raises(PayloadError, match="not in units"):
        read_fo(text(row("BSE", volume=10)))


def test_a_cash_file_is_in_shares() -> None:
    day = read_cm(text(row(segment="CM", kind="STK", volume=100, value=5000.0, lot=1)))
    assert only(day)["volume"] == 100


@pytest.mark.parametrize("body", [b"<!DOCTYPE html><html>missing</html>", b"", b"a,b\n1,2\n", b"PK\x03\x04broken", text(row("MCX")), text(row(segment="CM"))])
def test_what_is_no_such_file_is_refused(body: bytes) -> None:
    with pytest.raises(PayloadError):
        read_fo(body)


def test_an_untraded_row_stays_and_an_unreadable_one_is_counted() -> None:
    day = read_fo(text(row(), row(token=8, volume=0, value=0), row(token=9).replace(",9,", ",abc,", 1)))
    assert day.rows["volume"].to_list() == [1000, 0]
    assert [(f.name, f.count) for f in day.findings] == [("unreadable_row", 1)]


@pytest.mark.skipif(not REAL.exists(), reason="the private bhavcopies are not on this machine")
def test_real_rows_prove_their_units() -> None:
    day = read_fo((REAL / "fo_udiff_2025-09-02_excerpt.csv").read_bytes())
    assert day.rows.height > 0
    assert (day.rows["volume"] % day.rows["lot"] == 0).all()
