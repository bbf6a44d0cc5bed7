import time
from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import FnolakeError, PayloadError, ProviderFault
from fnolake.model import Contract, Master, contract_symbol, listing_schema
from fnolake.provider.firstock.symbols import parse_master, trading_symbol
from fnolake.provider.scope import in_scope
from fnolake.provider.shoonya import symbols as shoonya

DAY = date(2026, 11, 20)
CASH = "Exchange,Token,LotSize,TradingSymbol,CompanyName,ISIN,TickSize,FreezeQty\n"
FO = "Exchange,Token,LotSize,Symbol,TradingSymbol,CompanyName,Expiry,Instrument,OptionType,StrikePrice,TickSize,FreezeQty\n"
INDICES = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize\n"
HEADERS = {"NSE": CASH, "BSE": CASH, "NFO": FO, "BFO": FO, "Indices": INDICES}
CHEAP_SHARE = "NSE,9999,1,CHEAP-EQ,CHEAP LTD,INE999A01010,0.01,0"
GOOD = "NFO,1,75,NIFTY,NIFTY24NOV26F,NIFTY,24-NOV-2026,FUTIDX,XX,-0.01,0.05,1800"


def parse(exchange: str, *rows: str, day: date = DAY) -> Master:
    master = parse_master(exchange, (HEADERS[exchange] + "\n".join(rows)).encode(), day)
    assert_accounted(master)
    return master


def assert_accounted(master: Master) -> None:
    assert master.rows == master.listings.height + sum(master.out_of_scope.values()) + sum(f.count for f in master.findings)
    assert dict(master.listings.schema) == listing_schema()


def row(master: Master, token: int) -> dict[str, object]:
    return master.listings.row(by_predicate=pl.col("token") == token, named=True)


def findings(master: Master) -> dict[str, int]:
    return {f.name: f.count for f in master.findings}


@pytest.mark.parametrize(("word", "strike"), [("XX", "-0.01"), ("FUT", "0"), ("FUT", "")])
def test_a_future_is_a_listing_however_its_option_type_is_spelt(word, strike):
    master = parse("NFO", f"NFO,52509,500,RELIANCE,RELIANCE23NOV26F,RELIANCE IND,23-Nov-2026,FUTSTK,{word},{strike},0.1,0")
    assert row(master, 52509) == {
        "venue": "NSE", "segment": "FO", "token": 52509, "symbol": "RELIANCE23NOV26F", "underlying": "RELIANCE",
        "kind": "future", "expiry": date(2026, 11, 23), "strike_paise": None, "right": None, "lot": 500,
        "tick_paise": 10, "provider_symbol": "RELIANCE23NOV26F", "is_index": False,
    }


def test_options_have_strikes_in_paise_fractions_included():
    master = parse("NFO", "NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,WIPRO,23-NOV-2026,OPTSTK,CE,312.5,0.05,0",
                   "NFO,44,65,NIFTY,NIFTY24NOV26P26000,NIFTY,24-NOV-2026,OPTIDX,PE,26000.00,0.05,0")
    assert (row(master, 150430)["strike_paise"], row(master, 150430)["symbol"]) == (31250, "WIPRO23NOV26C312.5")
    assert (row(master, 44)["right"], row(master, 44)["is_index"], row(master, 44)["symbol"]) == ("PE", True, "NIFTY24NOV26P26000")


def test_spot_indices_are_known_by_what_they_lack_and_shares_by_their_series():
    master = parse("NSE", "NSE,26000,75,NIFTY,NIFTY 50,,0,0", "NSE,26009,0,Nifty Bank,NIFTY BANK,NaN,0.00,",
                   "NSE,26017,0,INDIA VIX,INDIA VIX,,0,0", 'NSE,2031,1,M&M-EQ,"MAHINDRA, MAHINDRA",INE101A01026,0.1,0',
                   "NSE,357,1,NAM-INDIA-EQ,NAM,INE298J01013,0.05,0", CHEAP_SHARE)
    assert master.listings["symbol"].to_list() == ["NIFTY", "BANKNIFTY", "INDIAVIX", "M&M-EQ", "NAM-INDIA-EQ", "CHEAP-EQ"]
    assert master.listings["is_index"].to_list() == [True] * 3 + [False] * 3
    assert master.listings["lot"].to_list() == [1] * 6
    assert master.listings["tick_paise"].to_list() == [0, 0, 0, 10, 5, 1]


def test_junk_and_other_series_are_counted_by_name():
    master = parse("NSE", "NSE,1,1,X-BE,X,INE1,0.01,0", "NSE,2,1,PLAIN,X,INE1,0.01,0", "NSE,3,1,011NSETEST-EQ,T,DUMMY0001,0.05,0",
                   "NSE,4,1,D-EQ,D,DUMMYSAN001,0.05,0", "NSE,5,1,N-EQ,N,NaN,0.05,0", "NSE,6,1,Y-N0,Y,INE1,0.05,0")
    assert master.out_of_scope == {"exchange_test": 1, "no_isin": 2, "series_BE": 1, "series_N0": 1, "series_none": 1}
    assert master.listings.is_empty()


def test_bse_shares_have_no_series_and_other_securities_are_counted():
    master = parse("BSE", "BSE,500875,1,ITC,ITC LTD,INE154A01025,0.05,0", "BSE,978058,1,798ABCL31,ABCL,INE860H07IG6,0.01,0",
                   "BSE,1,0,SENSEX,SENSEX,,0,0")
    assert master.listings["symbol"].to_list() == ["ITC-EQ", "SENSEX"]
    assert master.listings["provider_symbol"].to_list() == ["ITC", "SENSEX"]
    assert master.out_of_scope == {"no_equity": 1}


def test_ticks_in_paise_are_seen_by_the_whole_file_and_said():
    paise = parse("NFO", GOOD.replace(",0.05,", ",5,"), "NFO,2,500,TCS,TCS24NOV26F,TCS,24-NOV-2026,FUTSTK,XX,0,10,0")
    assert paise.listings["tick_paise"].to_list() == [5, 10]
    assert findings(paise) == {"tick_in_paise": 0}
    rupees = parse("NFO", GOOD, "NFO,2,500,TCS,TCS24NOV26F,TCS,24-NOV-2026,FUTSTK,XX,0,1,0")
    assert rupees.listings["tick_paise"].to_list() == [5, 100]
    assert findings(rupees) == {}
    mixed = parse("NFO", GOOD, "NFO,2,500,TCS,TCS24NOV26F,TCS,24-NOV-2026,FUTSTK,XX,0,50,0")
    assert findings(mixed) == {"bad_tick": 1}


def test_the_indices_file_is_recognised_and_only_counted():
    master = parse("Indices", "NFO,1,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05",
                   "BFO,2,20,SENSEX,SENSEX26NOV26F,26-NOV-2026,FUTIDX,FUT,0,0.05")
    assert (master.rows, master.listings.height, master.out_of_scope) == (2, 0, {"repeats_nfo_or_bfo": 2})
    assert parse("Indices").out_of_scope == {}


def test_bse_derivatives_go_by_their_names_and_by_their_columns_where_the_name_is_another():
    master = parse("BFO", "BFO,7,20,BSXOPT,SENSEX26NOV26P84000,SENSEX,26-NOV-2026,OPTIDX,PE,84000,0.05,0",
                   "BFO,8,30,BANKEX,BANKEX26NOV60000PE,BANKEX,26-NOV-2026,OPTIDX,PE,60000,0.05,0")
    assert master.listings["symbol"].to_list() == ["SENSEX26NOV26P84000", "BANKEX26NOV26P60000"]
    assert master.listings["provider_symbol"].to_list()[1] == "BANKEX26NOV60000PE"
    assert [(f.name, f.count, "BANKEX26NOV60000PE" in f.detail) for f in master.findings] == [("other_grammar", 0, True)]


@pytest.mark.parametrize(("bad", "name"), [
    ("NFO,44,75,,,,,,,,,", "placeholder"), ("NFO,44,75,NIFTY,NIFTY24NOV26F,X,24-NOV-2026,FUTIDX,XX,-0.01,0.05", "field_count"),
    (GOOD.replace("NFO,1,", "NFO,abc,"), "bad_token"), (GOOD.replace(",75,", ",0,"), "bad_lot"),
    (GOOD.replace(",75,", ",7.5,"), "bad_lot"), (GOOD.replace("FUTIDX", "FUTWHAT"), "unknown_instrument"),
    (GOOD.replace("24-NOV-2026", "31-FEB-2026"), "bad_expiry"), (GOOD.replace(",XX,", ",CE,"), "bad_right"),
    ("NFO,44,65,NIFTY,NIFTY24NOV26P26000,X,24-NOV-2026,OPTIDX,PE,0,0.05,0", "bad_strike"),
    ("NFO,44,65,NIFTY,NIFTY24NOV26P26000,X,24-NOV-2026,OPTIDX,PE,26100,0.05,0", "symbol_disagrees"),
    (GOOD.replace("NIFTY24", "OTHER24"), "symbol_disagrees"), (GOOD.replace("0.05", "0"), "bad_tick"),
    (GOOD.replace("0.05", "x"), "bad_tick"), (GOOD.replace("NFO,1", "BFO,1"), "other_exchange"),
])
def test_a_row_that_makes_no_sense_is_a_finding(bad, name):
    master = parse("NFO", "NFO,2,500,TCS,TCS24NOV26F,TCS,24-NOV-2026,FUTSTK,XX,0,0.1,0", bad)
    assert findings(master) == {name: 1}
    assert master.listings["token"].to_list() == [2]


def test_doubles_conflicts_and_the_expired_are_accounted_for():
    master = parse("NFO", GOOD, GOOD, GOOD.replace("NFO,1,", "NFO,2,"), "NFO,3,75,NIFTY,NIFTY10NOV26F,X,10-NOV-2026,FUTIDX,XX,0,0.05,0")
    assert findings(master) == {"duplicate_row": 1, "symbol_repeated": 1}
    assert master.out_of_scope == {"expired": 1}


def test_what_is_no_master_is_refused():
    for body in (b"", b"  \n", b"<html>502</html>"):
        with pytest.raises(ProviderFault):
            parse_master("NFO", body, DAY)
    for body in (CASH.encode(), b"Exchange,Token\n", b"junk", FO.replace("FreezeQty", "Token").encode()):
        with pytest.raises(PayloadError):
            parse_master("NFO", body, DAY)
    with pytest.raises(PayloadError):
        parse_master("MCX", FO.encode(), DAY)


def test_a_byte_order_mark_blank_lines_and_windows_ends_are_tolerated():
    master = parse_master("NFO", b"\xef\xbb\xbf" + (FO + GOOD + "\n\n").replace("\n", "\r\n").encode(), DAY)
    assert_accounted(master)
    assert (master.rows, master.listings.height) == (1, 1)


def test_both_brokers_masters_make_the_same_listings_in_scope():
    ours = in_scope([
        parse("NSE", "NSE,26000,0,NIFTY,NIFTY,,0,0", "NSE,26017,0,INDIAVIX,INDIA VIX,,0,0", "NSE,11536,1,TCS-EQ,TCS,INE467B01029,0.1,0", CHEAP_SHARE),
        parse("NFO", GOOD, "NFO,2,175,TCS,TCS24NOV26C3000,TCS,24-NOV-2026,OPTSTK,CE,3000,0.05,0"),
        parse("BFO", "BFO,7,20,SENSEX,SENSEX26NOV26P84000,X,26-NOV-2026,OPTIDX,PE,84000,0.05,0"), parse("Indices"),
    ])
    cash = "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,\n"
    head = "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n"
    files = {
        "NSE": cash + "NSE,26000,1,Nifty 50,NIFTY INDEX,INDEX,0,\nNSE,26017,1,INDIAVIX,INDIA VIX,INDEX,0,\nNSE,11536,1,TCS,TCS-EQ,EQ,0.1,\n",
        "NFO": head + "NFO,1,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,\nNFO,2,175,TCS,TCS24NOV26C3000,24-NOV-2026,OPTSTK,CE,3000,0.05,\n",
        "BFO": head + "BFO,7,20,BSXOPT,SENSEX26NOV84000PE,26-NOV-2026,OPTIDX,PE,84000,0.05,\n",
    }
    theirs = in_scope([shoonya.parse_master(name, text.encode(), DAY) for name, text in files.items()])

    def listed(masters: list[Master]) -> list[tuple[object, ...]]:
        return sorted(pl.concat([m.listings for m in masters]).drop("provider_symbol").rows(), key=str)

    assert listed(ours) == listed(theirs)
    for master in ours:
        assert_accounted(master)


def contract(kind: str, underlying: str, *, venue: str = "NSE", is_index: bool = False, named: str = "") -> Contract:
    expiry, strike, right = (None, None, None) if kind == "spot" else (date(2026, 11, 24), None if kind == "future" else 31250, "CE")
    symbol = contract_symbol(underlying, kind, expiry, strike, right, is_index=is_index)
    return Contract(1, venue, "CM" if kind == "spot" else "FO", 7, symbol, underlying, kind, expiry, strike, right, 1, 5, named, is_index)


@pytest.mark.parametrize(("of", "expected"), [
    (contract("spot", "NIFTY", is_index=True, named="Nifty 50"), "NIFTY"), (contract("spot", "M&M", named="M&M-EQ"), "M&M-EQ"),
    (contract("spot", "ITC", venue="BSE", named="ITC"), "ITC"), (contract("future", "TCS", named="TCS24NOV26F"), "TCS24NOV26F"),
    (contract("option", "TCS", named="TCS24NOV26C312.5"), "TCS24NOV26C312.5"), (contract("future", "OLD", named="NEW24NOV26F"), "NEW24NOV26F"),
    (contract("option", "SENSEX", venue="BSE", named="SENSEX26NOV312.5CE"), "SENSEX24NOV26C312.5"),
    (contract("future", "TCS"), "TCS24NOV26F"),
])
def test_a_contract_is_asked_by_the_common_grammar_whoever_named_it(of, expected):
    assert trading_symbol(of) == expected


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list(HEADERS)), st.text(alphabet=',"\n.-0123456789ABEFNOSX\ufeff', max_size=200))
def test_random_rows_are_accounted_for_or_refused(exchange, text):
    try:
        master = parse_master(exchange, (HEADERS[exchange] + text).encode(), DAY)
    except FnolakeError:
        return
    assert_accounted(master)


def test_a_full_master_is_read_quickly():
    expiries = [datetime(2026, 11, 24) + timedelta(days=7 * i) for i in range(20)]
    rows = [
        f"NFO,{100_000 + n},75,NIFTY,NIFTY{e:%d%b%y}C{strike},NIFTY,{e:%d-%b-%Y},OPTIDX,CE,{strike},0.05,1800".upper()
        for n, (e, strike) in enumerate((e, s) for e in expiries for s in range(10_000, 160_000, 50))
    ]
    start = time.perf_counter()
    master = parse("NFO", *rows)
    assert master.listings.height == 60_000
    assert time.perf_counter() - start < 5
