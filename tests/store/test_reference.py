"""The exchange's reference files in the lake, and what the calendar and identity make of them."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import StoreError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.market.exchange_file import read_exchange_file
from fnolake.market.facts import ExchangeWord
from fnolake.market.reference import ReferenceFile
from fnolake.model import RawFile, RequestRecord
from fnolake.model.instrument import Contract
from fnolake.store.store import Store

from .conftest import MON, TUE, listing, master, raw

HOLIDAYS_2027 = (
    "26-Jan-2027", "11-Mar-2027", "26-Mar-2027", "14-Apr-2027", "19-Apr-2027", "17-May-2027", "15-Jun-2027", "15-Sep-2027", "15-Oct-2027", "15-Nov-2027",
)


def holiday_master(*days: str, special: str = "") -> bytes:
    rows = [{"tradingDate": day, "description": "A holiday"} for day in days]
    rows += [{"tradingDate": special, "description": "Diwali Laxmi Pujan*"}] if special else []
    return json.dumps({"CM": rows[:1], "FO": rows}).encode()


def take(store: Store, body: bytes, day: date = MON, name: str = "file") -> int:
    file = read_exchange_file(body, day=day)
    assert isinstance(file, ReferenceFile)
    return store.references.take(file, RawFile("exchange", name, None, body, datetime(2026, 11, 16, 12, tzinfo=UTC), f"hash{len(body)}"), day)


def securities(*eligible: str) -> bytes:
    rows = [f"{n},{name},EQ{',0' * 20},1" for n, name in enumerate(eligible, 1)] + [f"99,TINY,EQ{',0' * 20},0"]
    return "\n".join([f"FinInstrmId,TckrSymb,SctySrs,{','.join(f'F{n}' for n in range(4, 24))},ElgbltyClsgAuctnSsn", *rows, ""]).encode()


def stock(name: str) -> Contract:
    return Contract(1, "NSE", "CM", 1, f"{name}-EQ", name, "spot", None, None, None, 1, 5, f"{name}-EQ")


def test_a_year_that_was_unknown_becomes_known(store: Store, lake: Path) -> None:
    monday = date(2027, 3, 1)
    assert Calendar.bundled().status(monday) == "unknown"
    take(store, holiday_master(*HOLIDAYS_2027, special="29-Oct-2027"), name="holiday-master.json")
    calendar = Calendar.bundled(word=store.references.word())
    assert (calendar.status(monday), calendar.status(date(2027, 3, 11)), calendar.status(date(2027, 10, 29))) == ("open", "closed", "unknown")
    with pytest.raises(UnknownSession, match="Muhurat"):
        calendar.session("NSE", "FO", date(2027, 10, 29))
    assert (lake / "raw" / MON.isoformat() / "exchange-holiday-master.json").exists()


def test_a_few_dates_are_no_whole_year(store: Store) -> None:
    take(store, holiday_master(*HOLIDAYS_2027[:3]))
    calendar = Calendar.bundled(word=store.references.word())
    assert (calendar.status(date(2027, 3, 1)), calendar.status(date(2027, 1, 26))) == ("unknown", "closed")


def test_a_session_that_we_know_stands_against_the_list_of_holidays(store: Store) -> None:
    take(store, holiday_master("21-Oct-2025", "22-Oct-2025"))
    calendar = Calendar.bundled(word=store.references.word())
    assert (calendar.status(date(2025, 10, 21)), calendar.status(date(2025, 10, 22))) == ("open", "closed")


def test_the_users_additions_stand_over_the_exchange(store: Store, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[special]]\ndate = 2027-10-29\nname = "Muhurat"\nwindows = ["continuous 18:15-19:15"]\nsource = "NSE circular"\n', encoding="utf-8")
    take(store, holiday_master(*HOLIDAYS_2027, special="29-Oct-2027"))
    calendar = Calendar.bundled(file)
    assert calendar.status(date(2027, 3, 1)) == "unknown"
    calendar.learn(store.references.word())
    session = calendar.session("NSE", "FO", date(2027, 10, 29))
    assert calendar.status(date(2027, 3, 1)) == "open"
    assert session is not None
    assert session.minutes == 60


def test_the_security_file_decides_who_closes_by_auction(store: Store) -> None:
    take(store, securities("ACME"), MON, "NSE_CM_security_16112026.csv")
    take(store, securities("ACME", "OTHER"), TUE, "NSE_CM_security_17112026.csv")
    calendar = Calendar.bundled(word=store.references.word())
    friday = date(2026, 11, 13)

    def minutes(name: str, day: date) -> int:
        session = calendar.session_for(stock(name), day)
        assert session is not None
        return session.minutes

    assert [minutes("OTHER", day) for day in (friday, MON, TUE)] == [360, 375, 360]
    assert minutes("ACME", MON) == 360


def test_symbol_changes_are_renames_and_only_newer_ones_count(store: Store) -> None:
    contract = listing(1, underlying="ZOMATO")
    store.take_master(master([contract], MON), raw())
    assert take(store, b"Zomato Limited,ZOMATO,ETERNAL,17-NOV-2026\nOlden, Ltd,ETERNAL,ANCIENT,03-JAN-2001\n", TUE) == 2
    assert store.take_master(master([{**contract, "underlying": "ETERNAL"}], TUE), raw()).get("new", 0) == 0


def test_corporate_actions_come_from_the_files_as_they_are(store: Store) -> None:
    head = '"SYMBOL","COMPANY NAME","SERIES","PURPOSE","FACE VALUE","EX-DATE","RECORD DATE"\n'
    take(store, f'{head}"ACME","A","EQ","Bonus 1:1","5","15-Jul-2025","15-Jul-2025"\n'.encode(), MON, "a.csv")
    take(store, f'{head}"ACME","A","EQ","Bonus 1:1","5","15-Jul-2025","15-Jul-2025"\n"B","B","EQ","Demerger","5","16-Jul-2026","-"\n'.encode(), TUE, "b.csv")
    assert store.references.corporate_actions().select("symbol", "kind", "factor").rows() == [("ACME", "bonus", 2.0), ("B", "demerger", None)]
    assert store.references.here() == {("corporate_actions", MON), ("corporate_actions", TUE)}


def test_when_a_file_was_last_asked_is_known(store: Store) -> None:
    instant = datetime(2026, 11, 16, 12, 30, tzinfo=UTC)
    store.record_requests([RequestRecord("k", "exchange", "", "holidays", "failed", instant, 0.1)])
    assert (store.references.asked("holidays"), store.references.asked("securities")) == (instant, None)


def test_a_reader_takes_nothing(store: Store, lake: Path) -> None:
    store.close()
    with Store.open(lake, write=False) as reader:
        assert reader.references.word() == ExchangeWord()
        with pytest.raises(StoreError, match="open for reading"):
            take(reader, holiday_master("26-Jan-2027"))


def test_rows_without_a_token_match_by_what_they_are(store: Store) -> None:
    nothing = {"expiry": None, "strike_paise": None, "right": None, "kind": "spot", "segment": "CM"}
    store.take_master(master([listing(5, **nothing, symbol="ACME-EQ", underlying="ACME")], MON, "NSE"), raw())
    cells = "10,12,9,11,11.05,10.5,1000,10500"
    body = f"SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES\nACME,EQ,{cells},16-NOV-2026,7\nACME,BL,{cells},16-NOV-2026,7\n"
    store.take_exchange_day(read_exchange_file(body.encode()), raw("cm.csv"))  # type: ignore[arg-type]
    assert store.exchange_rows(MON).select("contract", "last_paise", "volume").rows() == [(1, 1105, 1000)]
    assert store.exchange_scan([MON]).select(pl.len()).collect().item() == 2


def test_a_rebuilt_ledger_knows_again_what_the_reference_files_say(store: Store, lake: Path) -> None:
    head = '"SYMBOL","SERIES","PURPOSE","FACE VALUE","EX-DATE","RECORD DATE"\n'
    contract = listing(1, underlying="ZOMATO")
    store.take_master(master([contract], MON), raw())
    take(store, holiday_master(*HOLIDAYS_2027), name="holiday-master.json")
    take(store, securities("ACME"), TUE, "NSE_CM_security_17112026.csv")
    take(store, b"Zomato Limited,ZOMATO,ETERNAL,17-NOV-2026\n", TUE, "symbolchange.csv")
    take(store, f'{head}"ACME","EQ","Bonus 1:1","5","15-Jul-2025","15-Jul-2025"\n'.encode(), MON, "same.csv")
    take(store, f'{head}"ACME","EQ","Bonus 2:1","5","15-Jul-2025","15-Jul-2025"\n'.encode(), MON, "same.csv")
    (lake / "raw" / str(MON) / "exchange-eod.csv").write_bytes(b"SYMBOL,TOTTRDQTY,TOTTRDVAL\nACME,not,read\n")
    (lake / "raw" / str(MON) / "exchange-cut.csv").write_bytes(b"<html>")
    here, word, actions = store.references.here(), store.references.word(), store.references.corporate_actions()
    assert actions["factor"].to_list() == [3.0], "the file that came last decides"
    store.publish(MON)
    store.close()
    for path in lake.glob("ledger.sqlite*"):
        path.unlink()
    with Store.open(lake, write=True) as fresh:
        done = fresh.rebuild_ledger()
        assert (done.reference_files, done.damaged) == (4, (f"raw/{MON}/exchange-cut.csv",))
        assert "4 reference files of the exchange are back" in "\n".join(done.lines)
        assert (fresh.references.here(), fresh.references.word()) == (here, word)
        assert fresh.references.corporate_actions().equals(actions)
        assert fresh.take_master(master([{**contract, "underlying": "ETERNAL"}], TUE), raw())["new"] == 0
