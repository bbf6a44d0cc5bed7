import io
import time
import zipfile
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import FnolakeError, PayloadError, ProviderFault
from fnolake.model import Master, contract_symbol, listing_schema
from fnolake.provider.scope import in_scope
from fnolake.provider.shoonya.symbols import parse_master

MASTERS = Path(__file__).resolve().parents[3].parent / "shared" / "real" / "masters"
DAY = date(2026, 11, 20)
CASH = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,\n"
FO = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n"


def parse(exchange: str, *rows: str, day: date = DAY) -> Master:
    master = parse_master(exchange, ((FO if exchange[1:] == "FO" else CASH) + "\n".join(rows)).encode(), day)
    assert_accounted(master)
    return master


def assert_accounted(master: Master) -> None:
    findings = sum(f.count for f in master.findings)
    assert master.rows == master.listings.height + sum(master.out_of_scope.values()) + findings
    assert dict(master.listings.schema) == listing_schema()


def row(master: Master, token: int) -> dict[str, object]:
    return master.listings.row(by_predicate=pl.col("token") == token, named=True)


def findings(master: Master) -> dict[str, int]:
    return {f.name: f.count for f in master.findings}


def zipped(text: str, name: str = "NFO_symbols.txt") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, text)
    return out.getvalue()


def test_a_future_and_options_become_listings_in_paise_and_dates():
    master = parse(
        "NFO",
        "NFO,52509,500,RELIANCE,RELIANCE23NOV26F,23-NOV-2026,FUTSTK,XX,-0.01,0.1,",
        "NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,23-NOV-2026,OPTSTK,CE,312.5,0.05,",
        "NFO,44,65,NIFTY,NIFTY24NOV26P26000,24-NOV-2026,OPTIDX,PE,26000,0.05,",
    )
    assert row(master, 52509) == {
        "venue": "NSE", "segment": "FO", "token": 52509, "symbol": "RELIANCE23NOV26F", "underlying": "RELIANCE",
        "kind": "future", "expiry": date(2026, 11, 23), "strike_paise": None, "right": None, "lot": 500,
        "tick_paise": 10, "provider_symbol": "RELIANCE23NOV26F", "is_index": False,
    }
    assert row(master, 150430)["strike_paise"] == 31250
    assert row(master, 150430)["symbol"] == "WIPRO23NOV26C312.5"
    assert row(master, 44)["is_index"]
    assert row(master, 44)["right"] == "PE"


@pytest.mark.parametrize(("name", "code", "expiry", "kind", "right", "strike", "underlying", "ours"), [
    ("SENSEX5026NOVFUT", "SX50FUT", "26-NOV-2026", "FUTIDX", "XX", "0", "SENSEX50", "SENSEX5026NOV26F"),
    ("SENSEX26NOV91700PE", "BSXOPT", "26-NOV-2026", "OPTIDX", "PE", "91700", "SENSEX", "SENSEX26NOV26P91700"),
    ("SENSEX26D0392800CE", "BSXOPT", "03-DEC-2026", "OPTIDX", "CE", "92800", "SENSEX", "SENSEX03DEC26C92800"),
    ("SENSEX26D03FUT", "BSXFUT", "03-DEC-2026", "FUTIDX", "XX", "0", "SENSEX", "SENSEX03DEC26F"),
    ("SENSEX5026D0326400PE", "SX50OPT", "03-DEC-2026", "OPTIDX", "PE", "26400", "SENSEX50", "SENSEX5003DEC26P26400"),
    ("TATAPOWER26DEC237.5CE", "TATPOPT", "24-DEC-2026", "OPTSTK", "CE", "237.5", "TATAPOWER", "TATAPOWER24DEC26C237.5"),
    ("BANKEX26DEC60000PE", "BKXOPT", "31-DEC-2026", "OPTIDX", "PE", "60000.00", "BANKEX", "BANKEX31DEC26P60000"),
    ("SENSEX26NOV90000CE", "BSXOPT", "01-DEC-2026", "OPTIDX", "CE", "90000", "SENSEX", "SENSEX01DEC26C90000"),
])
def test_the_underlying_of_bse_contracts_comes_from_the_name(name, code, expiry, kind, right, strike, underlying, ours):
    master = parse("BFO", f"BFO,7,20,{code},{name},{expiry},{kind},{right},{strike},0.05,")
    assert row(master, 7)["underlying"] == underlying
    assert row(master, 7)["symbol"] == ours
    assert row(master, 7)["provider_symbol"] == name


def test_index_display_names_become_underlyings():
    master = parse(
        "NSE", "NSE,26000,1,Nifty 50,NIFTY INDEX,INDEX,0,", "NSE,26009,1,Nifty Bank,NIFTY BANK,INDEX,0,",
        "NSE,26017,1,INDIAVIX,INDIA VIX,INDEX,0,", "NSE,26037,1,Nifty Fin Services,FINNIFTY,INDEX,0,",
        "NSE,26074,1,NIFTY MID SELECT,MIDCPNIFTY,INDEX,0,", "NSE,26013,1,Nifty Next 50,NIFTYNXT50,INDEX,0,",
        "NSE,26008,1,Nifty IT,NIFTY IT,INDEX,0,",
    )
    assert master.listings["symbol"].to_list() == [
        "NIFTY", "BANKNIFTY", "INDIAVIX", "FINNIFTY", "MIDCPNIFTY", "NIFTYNXT50", "NIFTYIT"]
    assert master.listings["is_index"].all()


def test_cash_rows_keep_their_names_and_other_series_are_counted():
    master = parse("NSE", "NSE,2031,1,M&M,M&M-EQ,EQ,0.1,", "NSE,357,1,NAM-INDIA,NAM-INDIA-EQ,EQ,0.1,",
                   "NSE,9,1,0HFL28,0HFL28-N0,N0,0.01,", "NSE,10,1,X,X-BE,BE,0.01,")
    assert master.listings["symbol"].to_list() == ["M&M-EQ", "NAM-INDIA-EQ"]
    assert master.out_of_scope == {"series_BE": 1, "series_N0": 1}


def test_bse_cash_groups_that_are_no_equity_are_counted():
    master = parse("BSE", "BSE,500003,1,AEGISLOG,AEGISLOG,A,0.05,", "BSE,978058,1,798ABCL31,798ABCL31,F,0.01,")
    assert master.listings["symbol"].to_list() == ["AEGISLOG-EQ"]
    assert master.out_of_scope == {"group_F": 1}


GOOD = "NFO,1,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,"


@pytest.mark.parametrize(("bad", "name"), [
    ("NFO,44,,,,,,,,,", "placeholder"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01", "field_count"),
    ("NFO,44,75,NIF,TY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,", "field_count"),
    ("NFO,abc,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,", "bad_token"),
    ("NFO,44,0,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,", "bad_lot"),
    ("NFO,44,nan,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,", "bad_lot"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTWHAT,XX,-0.01,0.05,", "unknown_instrument"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26F,31-FEB-2026,FUTIDX,XX,-0.01,0.05,", "bad_expiry"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26C26000,24-NOV-2026,OPTIDX,XX,26000,0.05,", "bad_right"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26C0,24-NOV-2026,OPTIDX,CE,0,0.05,", "bad_strike"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26C10.005,24-NOV-2026,OPTIDX,CE,10.005,0.05,", "bad_strike"),
    ("NFO,44,75,NIFTY,BANKNIFTY24NOV26C26000,24-NOV-2026,OPTIDX,CE,26000,0.05,", "symbol_disagrees"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26C26500,24-NOV-2026,OPTIDX,CE,26000,0.05,", "symbol_disagrees"),
    ("NFO,44,75,NIFTY,NIFTY24NOV26C26000,24-NOV-2026,OPTIDX,CE,26000,0,", "bad_tick"),
    ("BFO,44,75,NIFTY,NIFTY24NOV26C26000,24-NOV-2026,OPTIDX,CE,26000,0.05,", "other_exchange"),
    (GOOD, "duplicate_row"),
    ("NFO,45,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,", "symbol_repeated"),
])
def test_a_row_that_cannot_be_trusted_is_a_finding_and_not_a_listing(bad, name):
    master = parse("NFO", GOOD, bad)
    assert findings(master) == {name: 1}
    assert master.listings["token"].to_list() == [1]


def test_one_token_for_two_contracts_refuses_both():
    master = parse("NFO", GOOD, "NFO,1,75,NIFTY,NIFTY29DEC26F,29-DEC-2026,FUTIDX,XX,-0.01,0.05,")
    assert master.listings.is_empty()
    assert findings(master) == {"token_conflict": 2}


def test_a_name_that_kept_its_old_date_follows_the_expiry_column():
    master = parse("NFO", "NFO,1,75,NIFTY,NIFTY31MAR26F,30-MAR-2027,FUTIDX,XX,-0.01,0.05,")
    assert master.listings["symbol"].to_list() == ["NIFTY30MAR27F"]
    assert master.listings["provider_symbol"].to_list() == ["NIFTY31MAR26F"]


def test_what_expired_last_week_is_kept_and_older_is_out_of_scope():
    last, old = "NFO,1,75,NIFTY,NIFTY17NOV26F,17-NOV-2026,FUTIDX,XX,0,0.05,", "NFO,2,75,A,A10NOV26F,10-NOV-2026,FUTSTK,XX,0,0.05,"
    master = parse("NFO", last, old)
    assert master.listings["token"].to_list() == [1]
    assert master.out_of_scope == {"expired": 1}


def test_test_contracts_of_the_exchange_are_out_of_scope():
    master = parse("NFO", "NFO,5,50,181NSETEST,181NSETEST27NOV36F,27-NOV-2036,FUTSTK,XX,-0.01,0.05,")
    assert master.out_of_scope == {"exchange_test": 1}


def test_zip_crlf_and_byte_order_mark_read_alike():
    text = FO + GOOD + "\n"
    plain = parse_master("NFO", text.encode(), DAY)
    for body in (zipped(text), text.replace("\n", "\r\n").encode(), b"\xef\xbb\xbf" + text.encode()):
        assert parse_master("NFO", body, DAY).listings.equals(plain.listings)


def test_commodity_and_currency_masters_are_only_counted():
    body = b"Exchange,Token,LotSize,Precision,Multiplier,Symbol\nCDS,1,1,4,1000,USDINR\nCDS,2,1,4,1000,EURINR\n"
    assert parse_master("CDS", body, DAY).out_of_scope == {"CDS": 2}


@pytest.mark.parametrize(("body", "error"), [
    (b"", ProviderFault), (b"<html>502</html>", ProviderFault), (b"PK\x03\x04cut", ProviderFault),
    (b"PK\x03\x04" + b"\0" * 60, ProviderFault), (b"hello", PayloadError), (b"Exchange,Token\nNFO,1\n", PayloadError),
    (zipped("x", "a.csv"), PayloadError), (CASH.encode(), PayloadError),
])
def test_what_is_no_master_is_an_error_of_the_tree(body, error):
    with pytest.raises(error):
        parse_master("NFO", body, DAY)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(alphabet="NFOXE,.-0127ACPé \t\"'naif", max_size=60), max_size=6), st.binary(max_size=80))
def test_any_rows_are_accounted_for_and_any_bytes_raise_only_our_errors(rows, noise):
    for exchange, header in (("NFO", FO), ("BFO", FO), ("NSE", CASH)):
        assert_accounted(parse_master(exchange, (header + "\n".join(rows)).encode(), DAY))
        try:
            assert_accounted(parse_master(exchange, header.encode() + noise, DAY))
            parse_master(exchange, noise, DAY)
        except FnolakeError:
            pass


def masters() -> list[Master]:
    nse = parse("NSE", "NSE,26000,1,Nifty 50,NIFTY INDEX,INDEX,0,", "NSE,26017,1,INDIAVIX,INDIA VIX,INDEX,0,",
                "NSE,26008,1,Nifty IT,NIFTY IT,INDEX,0,", "NSE,2885,1,RELIANCE,RELIANCE-EQ,EQ,0.1,",
                "NSE,3,1,UNLISTED,UNLISTED-EQ,EQ,0.1,")
    nfo = parse("NFO", GOOD, "NFO,2,500,RELIANCE,RELIANCE23NOV26F,23-NOV-2026,FUTSTK,XX,-0.01,0.1,",
                "NFO,4,10,ORPHAN,ORPHAN23NOV26F,23-NOV-2026,FUTSTK,XX,-0.01,0.1,")
    bfo = parse("BFO", "BFO,5,20,BSXFUT,SENSEX26NOVFUT,26-NOV-2026,FUTIDX,XX,0,0.05,",
                "BFO,6,500,RELIFUT,RELIANCE26NOVFUT,26-NOV-2026,FUTSTK,XX,0,0.05,")
    return [nse, nfo, bfo, parse("BSE", "BSE,500325,1,RELIANCE,RELIANCE,A,0.05,")]


def test_scope_is_derivatives_their_spots_and_the_vix():
    kept = {m.exchange: m for m in in_scope(masters())}
    for master in kept.values():
        assert_accounted(master)
    assert kept["NSE"].listings["symbol"].to_list() == ["NIFTY", "INDIAVIX", "RELIANCE-EQ"]
    assert kept["NSE"].out_of_scope == {"no_derivatives": 2}
    assert [(f.name, f.count, f.detail) for f in kept["NSE"].findings] == [("underlying_without_spot", 0, "ORPHAN")]
    assert kept["BFO"].listings["underlying"].to_list() == ["SENSEX"]
    assert kept["BFO"].out_of_scope == {"bse_underlying_not_captured": 1}


def test_bse_index_spots_are_added_by_hand_only_when_they_have_derivatives():
    kept = {m.exchange: m for m in in_scope(masters())}
    assert kept["BSE"].listings.select("token", "symbol", "is_index").rows() == [(1, "SENSEX", True)]
    without = {m.exchange: m for m in in_scope([m for m in masters() if m.exchange != "BSE"])}
    assert without["BSE"].listings["token"].to_list() == [1]


def test_a_cash_master_without_its_derivatives_master_says_nothing():
    assert [m.exchange for m in in_scope([m for m in masters() if m.exchange[1:] != "FO"])] == []


@pytest.mark.skipif(not MASTERS.is_dir(), reason="the real masters are not on this machine")
@pytest.mark.parametrize(("name", "rows", "listings"), [
    ("NFO_20240308", 83471, 83455), ("NFO_20250106", 84292, 84274), ("BFO_20250106", 39682, 39682),
    ("BFO_20260818", 41048, 41048), ("NSE_20260818", 9842, 2643), ("BSE_20260818", 12694, 5039),
    ("CDS_20260818", 11099, 0), ("MCX_20260818", 15269, 0),
])
def test_real_masters_are_wholly_accounted_for(name, rows, listings):
    exchange, stamp = name.split("_")
    body = (MASTERS / f"shoonya_{name}.txt.zip").read_bytes()
    started = time.process_time()
    master = parse_master(exchange, body, date(int(stamp[:4]), int(stamp[4:6]), int(stamp[6:])))
    assert time.process_time() - started < 3
    assert_accounted(master)
    assert (master.rows, master.listings.height, master.findings) == (rows, listings, ())
    for r in master.listings.sample(min(2000, listings), seed=1).iter_rows(named=True):
        assert r["symbol"] == contract_symbol(
            r["underlying"], r["kind"], r["expiry"], r["strike_paise"], r["right"], is_index=r["is_index"])
    if exchange == "NFO":
        assert (master.listings["symbol"] == master.listings["provider_symbol"]).all()


def test_a_header_with_a_column_twice_is_no_master():
    with pytest.raises(PayloadError):
        parse_master("NFO", FO.replace("Expiry,", "Expiry,Expiry,").encode(), DAY)
