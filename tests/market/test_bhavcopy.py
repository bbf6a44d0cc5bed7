import csv
import gzip
import io
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import PayloadError
from fnolake.market.bhavcopy import ExchangeDay, exchange_schema, read_cm, read_fo

REAL = Path(__file__).resolve().parents[3] / "shared" / "real" / "bhavcopy"
needs_real = pytest.mark.skipif(not REAL.exists(), reason="the private exchange files are not on this machine")
HEADER = (
    "TradDt,BizDt,Sgmt,Src,FinInstrmTp,FinInstrmId,ISIN,TckrSymb,SctySrs,XpryDt,FininstrmActlXpryDt,StrkPric,OptnTp,FinInstrmNm,OpnPric,"
    "HghPric,LwPric,ClsPric,LastPric,PrvsClsgPric,UndrlygPric,SttlmPric,OpnIntrst,ChngInOpnIntrst,TtlTradgVol,TtlTrfVal,TtlNbOfTxsExctd,"
    "SsnId,NewBrdLotQty,Rmks,Rsvd1,Rsvd2,Rsvd3,Rsvd4"
)


@dataclass
class Row:
    """One invented row; ``traded`` is the file's own count."""

    token: object = 101
    segment: str = "FO"
    venue: str = "NSE"
    kind: str = "STO"
    symbol: str = "ACME"
    series: str = ""
    expiry: str = "2026-11-23"
    actual: str | None = None
    strike: str = "100.00"
    right: str = "CE"
    prices: str = "4.00,6.00,3.00,5.00,5.05,4.10,101.00,5.00"
    oi: object = 5000
    change: object = -500
    traded: object = 20
    value: object = 1_050_000.0
    trades: object = 7
    lot: object = 500
    day: str = "2026-11-20"

    def text(self) -> str:
        actual = self.expiry if self.actual is None else self.actual
        return (
            f"{self.day},{self.day},{self.segment},{self.venue},{self.kind},{self.token},,{self.symbol},{self.series},{self.expiry},{actual},"
            f"{self.strike},{self.right},NAME{self.token},{self.prices},{self.oi},{self.change},{self.traded},{self.value},{self.trades},F1,{self.lot},,,,,"
        )


def body(*rows: Row, end: str = "\n") -> bytes:
    return end.join([HEADER, *(row.text() for row in rows), ""]).encode()


def cash(**changes: object) -> Row:
    facts: dict[str, object] = {
        "segment": "CM", "kind": "STK", "series": "EQ", "expiry": "", "strike": "", "right": "", "lot": 1, "oi": "", "change": "",
        "prices": "10.00,12.00,9.00,11.00,11.05,10.50,,11.00", "traded": 1000, "value": 10_500.0,
    }
    return Row(**{**facts, **changes})


def names(day: ExchangeDay) -> dict[str, int]:
    return {finding.name: finding.count for finding in day.findings}


def test_nse_counts_contracts_and_bse_counts_units() -> None:
    nse = read_fo(body(Row(traded=20)))
    bse = read_fo(body(Row(venue="BSE", traded=10_000)))
    assert nse.rows["volume"].to_list() == bse.rows["volume"].to_list() == [10_000]
    assert nse.rows["oi"].to_list() == bse.rows["oi"].to_list() == [5000]
    assert (nse.day, nse.venue, nse.segment, bse.venue, nse.findings) == (date(2026, 11, 20), "NSE", "FO", "BSE", ())


def test_a_row_arrives_whole_in_our_shape() -> None:
    table = read_fo(body(Row())).rows
    assert dict(table.schema) == exchange_schema()
    assert table.row(0, named=True) == {
        "venue": "NSE", "segment": "FO", "token": 101, "underlying": "ACME", "kind": "option", "expiry": date(2026, 11, 23),
        "stated_expiry": date(2026, 11, 23), "strike_paise": 10000,
        "right": "CE", "series": None, "open_paise": 400, "high_paise": 600, "low_paise": 300, "close_paise": 500, "last_paise": 505,
        "settle_paise": 500, "volume": 10_000, "oi": 5000, "oi_change": -500, "value_rupees": 1_050_000.0, "trades": 7, "lot": 500, "name": "NAME101",
    }


@pytest.mark.parametrize(("kind", "right", "strike"), [("STF", "", ""), ("IDF", "XX", "0"), ("IDF", "XX", "0.00")])
def test_a_future_has_no_strike_and_no_right(kind: str, right: str, strike: str) -> None:
    day = read_fo(body(Row(kind=kind, right=right, strike=strike, value=50_000)))
    assert day.rows.select("kind", "strike_paise", "right").row(0) == ("future", None, None)
    assert day.findings == ()


def test_cash_has_series_and_no_interest() -> None:
    day = read_cm(body(cash(token=2885), cash(token=2886, series="BL")))
    assert day.rows.select("token", "kind", "series", "expiry", "oi", "volume", "lot").rows() == [
        (2885, "spot", "EQ", None, None, 1000, 1), (2886, "spot", "BL", None, None, 1000, 1),
    ]


def test_volume_beyond_four_thousand_million_units_is_kept() -> None:
    day = read_fo(body(Row(traded=9_000_000, lot=1_000, value=9_000_000 * 1_000 * 105)))
    assert day.rows["volume"].to_list() == [9_000_000_000]


def test_odd_strikes_are_exact() -> None:
    assert read_fo(body(Row(strike="831.75", value=20 * 500 * 836))).rows["strike_paise"].to_list() == [83175]


@pytest.mark.parametrize("row", [Row(traded=10_000), Row(venue="BSE", traded=20)])
def test_a_file_in_the_wrong_unit_is_refused(row: Row) -> None:
    with pytest.raises(PayloadError, match="contradicts volume in") as caught:
        read_fo(body(row))
    assert caught.value.payload.startswith(b"TradDt")


def test_cash_value_in_lakhs_is_refused() -> None:
    with pytest.raises(PayloadError, match="contradicts"):
        read_cm(body(cash(value=0.105)))


def test_a_few_odd_values_are_a_finding() -> None:
    rows = [Row(token=number) for number in range(1, 30)] + [Row(token=99, value=9_999_999)]
    assert names(read_fo(body(*rows))) == {"value_off_range": 1}


def test_untraded_rows_stay_and_prove_nothing() -> None:
    day = read_fo(body(Row(traded=0, value="0.00", trades=0, prices="0.00,0.00,0.00,5.00,0.00,5.00,101.00,5.00")))
    assert day.rows.select("volume", "open_paise", "close_paise").row(0) == (0, 0, 500)
    assert names(day) == {"units_untested": 1}


def test_blank_prices_are_nought() -> None:
    day = read_fo(body(Row(), Row(token=102, traded=0, value="", trades="", prices=",,,5.00,,,,5.00")))
    assert day.rows["high_paise"].to_list() == [600, 0]


def packed(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("BhavCopy.csv", content)
    return buffer.getvalue()


@pytest.mark.parametrize("wrap", [lambda b: b, packed, gzip.compress, lambda b: packed(packed(b)), lambda b: b"\xef\xbb\xbf" + b])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_packing_gives_the_same_table(wrap, end: str) -> None:
    assert read_fo(wrap(body(Row(), Row(token=102), end=end))).rows.equals(read_fo(body(Row(), Row(token=102))).rows)


@pytest.mark.parametrize(("content", "says"), [
    (b"", "empty"), (b" \r\n", "empty"), (b"<!DOCTYPE html><html>Not found</html>", "web page"), (b"\r\n\r\n  <html>", "web page"),
    (b'{"error": "denied"}', "JSON"), (b"PK\x03\x04rubbish", "zip archive is damaged"), (b"\x1f\x8brubbish", "gzip file is damaged"),
    (b"\x7fELF\x00\x00", "no text file"), (b"Hello, world", "UDiFF"), (HEADER.encode(), "no rows"), (HEADER.encode() + b"\n\n", "no rows"),
    (body(Row())[:-20], "cut"), (body(Row(segment="CM")), "CM file, FO was expected"), (body(Row(), Row(token=2, day="2026-11-19")), "agree on TradDt"),
    (body(Row(), Row(token=2, venue="BSE")), "agree on Src"), (body(Row(venue="MSE")), "no venue"), (body(Row(day="20-11-2026")), "no date"),
    (body(Row(token="x")), "no row"), (gzip.compress(body(Row()))[:-30], "damaged"), (packed(b"<html></html>"), "web page"),
    (HEADER.replace("LastPric", "Last").encode() + b"\n1\n", "LastPric missing"),
])
def test_anything_else_is_a_payload_error(content: bytes, says: str) -> None:
    with pytest.raises(PayloadError, match=says) as caught:
        read_fo(content)
    assert caught.value.provider == "exchange"
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("row", "name"), [
    (Row(token=""), "row_unreadable"), (Row(token=2, traded="many"), "row_unreadable"), (Row(token=2, traded=""), "row_unreadable"),
    (Row(token=2, expiry="soon"), "row_unreadable"), (Row(token=2, strike=""), "row_unreadable"), (Row(token=2, right="XX"), "row_unreadable"),
    (Row(token=2, kind="FUTCUR"), "instrument_type_unknown"), (Row(token=2, lot=0), "lot_missing"), (Row(token=2, lot=""), "lot_missing"),
    (Row(token=101), "token_repeated"), (Row(token=2, prices="a,b,c,d,e,f,g,h"), "row_unreadable"), (Row(token=2, traded=-5), "row_unreadable"),
    (Row(token=2, oi="?"), "row_unreadable"), (Row(token=2, symbol=""), "row_unreadable"),
])
def test_a_bad_row_is_refused_by_name_and_the_rest_stays(row: Row, name: str) -> None:
    day = read_fo(body(Row(), row, Row(token=103)))
    assert day.rows["token"].to_list() == [101, 103]
    assert [(finding.name, finding.count, finding.refused) for finding in day.findings] == [(name, 1, True)]


def test_a_row_cut_in_the_middle_of_the_file_is_never_untraded() -> None:
    content = body(Row(), Row(token=102), Row(token=103)).split(b"\n")
    content[2] = content[2][:140]
    day = read_fo(b"\n".join(content))
    assert day.rows["token"].to_list() == [101, 103]
    assert names(day) == {"row_short": 1}


def test_names_with_quotes_and_commas_are_read() -> None:
    text = body(Row(), Row(token=102)).replace(b"NAME101", b'"ACME, LTD"').replace(b"NAME102", b"O NEILL")
    assert read_fo(text).rows["name"].to_list() == ["ACME, LTD", "O NEILL"]
    assert read_fo(body(Row(), Row(token=102)).replace(b"NAME101", b'6" PIPES')).rows["token"].to_list() == [101, 102]


def test_columns_may_move_and_come_in_addition() -> None:
    rows = list(csv.DictReader(io.StringIO(body(Row()).decode())))
    order = [*reversed(HEADER.split(",")), "Extra"]
    text = io.StringIO()
    writer = csv.DictWriter(text, order, restval="")
    writer.writeheader()
    writer.writerows(rows)
    assert read_fo(text.getvalue().encode()).rows.equals(read_fo(body(Row())).rows)


def test_bse_writes_the_settlement_over_the_close_of_expiring_contracts() -> None:
    row = Row(venue="BSE", traded=10_000, expiry="2026-11-20", prices="4.00,6.00,3.00,101.00,5.05,4.10,101.00,101.00")
    day = read_fo(body(row))
    assert names(day) == {"close_is_settlement": 1}
    assert day.rows["last_paise"].to_list() == [505]


def test_a_moved_expiry_is_taken_and_told() -> None:
    day = read_fo(body(Row(expiry="2026-11-24", actual="2026-11-23"), Row(token=102)))
    assert day.rows["expiry"].to_list() == [date(2026, 11, 23)] * 2
    assert day.rows["stated_expiry"].to_list() == [date(2026, 11, 24), date(2026, 11, 23)]
    assert names(day) == {"expiry_moved": 1}


def test_a_blank_actual_expiry_is_the_stated_one() -> None:
    day = read_fo(body(Row(expiry="2026-11-24", actual="")))
    assert day.rows.select("expiry", "stated_expiry").row(0) == (date(2026, 11, 24), date(2026, 11, 24))
    assert names(day) == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.builds(
    Row, token=st.sampled_from([101, 102, 103, "", "x"]), kind=st.sampled_from(["STO", "IDF", "ZZZ", ""]), lot=st.sampled_from([500, 0]),
    right=st.sampled_from(["CE", "PE", "XX"]), traded=st.sampled_from([0, "", "1.5e", 0.0]),
), max_size=12))
def test_every_row_of_the_file_is_a_row_or_a_counted_refusal(rows: list[Row]) -> None:
    day = read_fo(body(Row(token=1), *rows))
    assert day.rows.height + sum(finding.count for finding in day.findings if finding.refused) == len(rows) + 1
    assert day.rows["token"].is_unique().all()


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 900))
def test_damage_is_a_payload_error_or_a_finding_and_never_another_exception(noise: bytes, place: int) -> None:
    whole = body(Row(), Row(token=102))
    for damaged in (noise, whole[:place], whole[:place] + noise + whole[place:]):
        with suppress(PayloadError):
            assert read_fo(damaged).rows.height <= 4


@needs_real
def test_genuine_rows_prove_contracts_at_nse() -> None:
    day = read_fo((REAL / "fo_udiff_2025-09-02_excerpt.csv").read_bytes())
    assert (day.day, day.findings, day.rows.height) == (date(2025, 9, 2), (), 7)
    assert day.rows.filter(token=37054)["volume"].to_list() == [2204 * 75]
    assert day.rows.filter(token=61454)["volume"].to_list() == [4 * 3100]
    with pytest.raises(PayloadError, match="contradicts volume in units"):
        read_fo((REAL / "fo_udiff_2025-09-02_excerpt.csv").read_bytes().replace(b",NSE,", b",BSE,"))


@needs_real
@pytest.mark.parametrize("name", ["cm05JUL2024bhav.csv.zip", "cm_2025-10-20.csv.gz"])
def test_the_format_before_udiff_is_no_udiff(name: str) -> None:
    with pytest.raises(PayloadError, match="UDiFF format: TradDt"):
        read_cm((REAL / name).read_bytes())


@needs_real
def test_a_whole_market_of_genuine_cash_prices_passes_the_test_of_units() -> None:
    with zipfile.ZipFile(REAL / "cm05JUL2024bhav.csv.zip") as archive:
        old = pl.read_csv(archive.read(archive.namelist()[0]), infer_schema=False, truncate_ragged_lines=True)
    rows = [
        cash(
            token=number, symbol=row["SYMBOL"], series=row["SERIES"], traded=row["TOTTRDQTY"], value=row["TOTTRDVAL"], trades=row["TOTALTRADES"], day="2024-07-05",
            prices=f"{row['OPEN']},{row['HIGH']},{row['LOW']},{row['CLOSE']},{row['LAST']},{row['PREVCLOSE']},,{row['CLOSE']}",
        )
        for number, row in enumerate(old.iter_rows(named=True), start=1)
    ]
    day = read_cm(body(*rows))
    assert day.rows.height == len(rows) > 2000
    assert day.rows["volume"].sum() == old["TOTTRDQTY"].cast(pl.Int64).sum()
    assert names(day).get("value_off_range", 0) < 5
