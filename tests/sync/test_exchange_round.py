"""Exchange files into the lake: dropped, given and fetched; each recorded, none asked in a loop, bad ones left and named."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest
from tests.provider.fakes import FakeClock

from fnolake.market.calendar import Calendar
from fnolake.model import IST, Notice, RawFile, RequestRecord
from fnolake.store.store import Store
from fnolake.sync.exchange_round import ExchangeRound

DAY = date(2026, 11, 20)
NOW = datetime(2026, 11, 20, 18, 30, tzinfo=IST)
HOLIDAYS = json.dumps({"FO": [{"tradingDate": f"{n:02d}-Mar-2027", "description": "x"} for n in (1, 2, 3, 4, 5, 8, 9, 10)]}).encode()
CHANGES = b"Acme, Limited,OLD,ACME,02-JAN-2026\n"
OLD_CASH = b"SYMBOL,SERIES,OPEN,HIGH,LOW,CLOSE,LAST,PREVCLOSE,TOTTRDQTY,TOTTRDVAL,TIMESTAMP,TOTALTRADES\nACME,EQ,10,12,9,11,11,10,1000,10500,%s,7\n"


class Clock(FakeClock):
    def __init__(self) -> None:
        super().__init__()
        self.wall = NOW

    def now(self) -> datetime:
        return self.wall


@dataclass
class Exchange:
    """Serves what it holds by route; None is not there."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    async def bhavcopy(self, venue: str, segment: str, day: date) -> tuple[RawFile | None, RequestRecord]:
        return self._answer(f"bhavcopy {venue} {segment}", f"{venue}-{segment}.csv")

    async def reference(self, kind: str, day: date) -> tuple[RawFile | None, RequestRecord]:
        return self._answer(kind, kind)

    def _answer(self, route: str, name: str) -> tuple[RawFile | None, RequestRecord]:
        self.asked.append(route)
        body = self.files.get(route)
        record = RequestRecord(f"{len(self.asked)}", "exchange", "", route, "answered" if body else "empty", self.clock.now(), 0.1)
        return (RawFile("exchange", name, None, body, self.clock.now(), str(len(body))) if body else None), record


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        yield opened


@dataclass
class Bench:
    store: Store
    exchange: Exchange
    calendar: Calendar
    told: list[str]
    round: ExchangeRound


@pytest.fixture
def bench(store: Store) -> Bench:
    exchange, calendar, told = Exchange(), Calendar.bundled(), []
    taker = ExchangeRound(store, exchange, calendar, exchange.clock, lambda event: told.append(event.text) if isinstance(event, Notice) else None)  # type: ignore[arg-type]
    return Bench(store, exchange, calendar, told, taker)


async def test_reference_files_are_asked_when_they_are_due_and_not_again(bench: Bench) -> None:
    bench.exchange.files = {"symbol_changes": CHANGES, "holidays": HOLIDAYS}
    await bench.round.take_references(DAY, asyncio.Event())
    assert sorted(bench.exchange.asked) == ["corporate_actions", "holidays", "market_lots", "securities", "symbol_changes"]
    assert bench.calendar.status(date(2027, 6, 1)) == "open"
    await bench.round.take_references(DAY, asyncio.Event())
    assert len(bench.exchange.asked) == 5
    bench.exchange.clock.wall += timedelta(hours=25)
    await bench.round.take_references(DAY, asyncio.Event())
    assert sorted(bench.exchange.asked[5:]) == ["securities", "symbol_changes"]
    assert bench.store.requests().height == 7


async def test_symbol_changes_are_asked_each_day_before_masters_whatever_the_hour(bench: Bench) -> None:
    bench.exchange.files = {"symbol_changes": CHANGES}
    await bench.round.take_renames()
    await bench.round.take_renames()
    await bench.round.take_references(DAY, asyncio.Event())
    assert bench.exchange.asked.count("symbol_changes") == 1
    assert bench.store.references.here() == {("symbol_changes", DAY)}
    bench.exchange.clock.wall += timedelta(hours=14)
    await bench.round.take_renames()
    assert bench.exchange.asked.count("symbol_changes") == 2


async def test_symbol_changes_that_could_not_be_had_are_asked_again_before_the_next_masters(bench: Bench) -> None:
    await bench.round.take_renames()
    bench.exchange.files = {"symbol_changes": CHANGES}
    await bench.round.take_renames()
    assert bench.store.references.here() == {("symbol_changes", DAY)}


async def test_before_the_closing_auction_no_security_file_is_asked(bench: Bench) -> None:
    await bench.round.take_references(date(2026, 7, 31), asyncio.Event())
    assert "securities" not in bench.exchange.asked


async def test_a_bad_reference_file_is_one_line_and_stops_nothing(bench: Bench) -> None:
    bench.exchange.files = {"symbol_changes": b"<html>", "holidays": b"[]", "corporate_actions": b"x,y\n"}
    await bench.round.take_references(DAY, asyncio.Event())
    assert len(bench.exchange.asked) == 5
    assert len(bench.told) == 3
    assert bench.store.references.here() == set()


async def test_another_days_file_is_not_taken(bench: Bench) -> None:
    bench.exchange.files = {"bhavcopy NSE CM": OLD_CASH % b"19-NOV-2026"}
    await bench.round.take_days([DAY], [("NSE", "CM"), ("NSE", "FO")], asyncio.Event())
    assert bench.store.exchange_days() == set()
    assert bench.told[0] == "NSE-CM.csv: the exchange sent another file (2026-11-19); it was not taken"
    assert bench.told[-1].startswith("exchange files not there yet: NSE CM 2026-11-20, NSE FO")
    bench.exchange.files = {"bhavcopy NSE CM": OLD_CASH % b"20-NOV-2026"}
    await bench.round.take_days([DAY], [("NSE", "CM")], asyncio.Event())
    assert bench.store.exchange_days() == {("NSE", "CM", DAY)}


async def test_once_stopped_nothing_more_is_asked(bench: Bench) -> None:
    stop = asyncio.Event()
    stop.set()
    await bench.round.take_days([DAY], [("NSE", "CM")], stop)
    await bench.round.take_references(DAY, stop)
    assert bench.exchange.asked == []


def test_dropped_files_are_taken_and_refused_ones_stay(bench: Bench) -> None:
    drop = bench.store.path / "drop"
    drop.mkdir()
    (drop / "whatever.txt").write_bytes(OLD_CASH % b"20-NOV-2026")
    (drop / "page.csv").write_bytes(b"<html>no</html>")
    (drop / "names").write_bytes(CHANGES)
    (drop / ".hidden").write_bytes(b"")
    (drop / "NSE_CM_security.csv").write_bytes(f"FinInstrmId,TckrSymb,SctySrs{',x' * 20},ElgbltyClsgAuctnSsn\n1,A,EQ{',0' * 20},1\n".encode())
    done = bench.round.take_dropped()
    assert [(one.path.name, bool(one.refused)) for one in done] == [
        ("NSE_CM_security.csv", True), ("names", False), ("page.csv", True), ("whatever.txt", False),
    ]
    assert sorted(path.name for path in drop.iterdir()) == [".hidden", "NSE_CM_security.csv", "page.csv"]
    assert (bench.store.path / "raw" / "2026-11-20" / "exchange-whatever.txt").read_bytes() == OLD_CASH % b"20-NOV-2026"
    assert bench.store.exchange_days() == {("NSE", "CM", DAY)}
    assert "drop/whatever.txt: NSE CM of 2026-11-20, 1 rows" in bench.told
    assert [one for one in bench.told if "web page" in one] == [f"drop/{done[2].line}"]


def test_given_files_stay_where_they_are_and_none_is_no_error(bench: Bench, tmp_path: Path) -> None:
    file = tmp_path / "cm.csv"
    file.write_bytes(OLD_CASH % b"20-NOV-2026")
    done = bench.round.take_files([file, tmp_path / "gone.csv"])
    assert (done[0].what, done[0].rows, done[1].refused) == ("NSE CM of 2026-11-20", 1, "cannot be read: No such file or directory")
    assert file.exists()
    assert bench.round.take_dropped() == []
