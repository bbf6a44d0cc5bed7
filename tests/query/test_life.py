"""What is told of a contract's life, and by whom."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import UnknownInstrument
from fnolake.model import Master, RawFile, listing_schema
from fnolake.query.life import LIFE, life, meant
from fnolake.store.store import Store

MON, TUE, WED, THU = (date(2026, 11, day) for day in (16, 17, 18, 19))
NEAR, MOVED = date(2026, 11, 24), date(2026, 11, 23)
LATER = date(2026, 11, 25)


def listing(token: int, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "venue": "NSE", "segment": "FO", "token": token, "symbol": f"ZOMATO24NOV26C{token}", "underlying": "ZOMATO", "kind": "option",
        "expiry": NEAR, "strike_paise": token * 100, "right": "CE", "lot": 175, "tick_paise": 5, "is_index": False,
    }
    row |= more
    return {"provider_symbol": row["symbol"], **row}


def take(store: Store, day: date, *rows: dict[str, object], provider: str = "shoonya") -> None:
    table = pl.DataFrame(list(rows), schema=listing_schema())
    name = f"NFO-{table.hash_rows().sum()}.txt"
    at = datetime(2026, 11, 20, tzinfo=UTC)
    body = name.encode()
    store.take_master(Master(provider, "NFO", day, len(rows), table, payload_hash=f"{provider}{day}{name}"), RawFile(provider, name, at, body, at, "0"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        yield opened


def told(store: Store, name: str, today: date = THU) -> list[tuple[object, ...]]:
    table = life(store, meant(store, name), today)
    assert dict(table.schema) == LIFE
    return table.select("contract", "day", "event", "what", "before", "after").rows()


def test_every_amendment_and_the_rename_are_told_with_both_values(store: Store) -> None:
    store.record_rename("ZOMATO", "ETERNAL", THU)
    take(store, MON, listing(100), listing(101))
    take(store, TUE, listing(100, lot=200, tick_paise=10), listing(101))
    take(store, WED, *(listing(n, lot=200, tick_paise=10, expiry=MOVED, strike_paise=n * 50) for n in (100, 101)))
    renamed = {"lot": 200, "tick_paise": 10, "expiry": MOVED, "underlying": "ETERNAL"}
    take(store, THU, *(listing(n, strike_paise=n * 50, symbol=f"ETERNAL{n}", **renamed) for n in (100, 101)))
    expected = [
        (1, None, "listed", "", "", "ZOMATO24NOV26C100"),
        (1, TUE, "amended", "lot", "175", "200"), (1, TUE, "amended", "tick", "0.05", "0.1"),
        (1, WED, "amended", "expiry", "2026-11-24", "2026-11-23"), (1, WED, "amended", "strike", "100", "50"),
        (1, THU, "renamed", "underlying", "ZOMATO", "ETERNAL"),
    ]
    assert [row for row in told(store, "ETERNAL100") if row[2] != "named"] == expected
    assert told(store, "zomato24nov26c100") == told(store, "1") == told(store, "ETERNAL100")


def test_each_row_names_the_master_that_said_so(store: Store) -> None:
    take(store, MON, listing(1))
    take(store, MON, listing(1, provider_symbol="firstock:1"), provider="firstock")
    take(store, TUE, listing(1, lot=200, provider_symbol="firstock:1"), provider="firstock")
    take(store, TUE, listing(1, lot=200))
    rows = life(store, [1], WED).select("event", "after", "provider", "master").rows()
    files = {(row["provider"], row["day"]): row["file"] for row in store.masters().iter_rows(named=True)}
    assert rows == [
        ("listed", "ZOMATO24NOV26C1", "shoonya", files["shoonya", MON]), ("named", "ZOMATO24NOV26C1", "shoonya", files["shoonya", MON]),
        ("named", "firstock:1", "firstock", files["firstock", MON]), ("amended", "200", "shoonya", files["shoonya", TUE]),
    ]
    assert meant(store, "FIRSTOCK:1") == [1]


def test_what_ended_early_is_delisted_and_what_lived_on_expired(store: Store) -> None:
    take(store, MON, listing(1), listing(2), listing(3))
    take(store, TUE, listing(1), listing(2))
    assert [row[1:3] for row in told(store, "3")] == [(None, "listed"), (MON, "named"), (MON, "delisted"), (TUE, "not_listed")]
    ended = life(store, [3], WED).filter(pl.col("event") == "delisted").row(0, named=True)
    assert ended["provider"] == "shoonya"
    assert ended["master"].startswith("raw/2026-11-17/shoonya-")
    assert told(store, "1", today=NEAR)[-1][2] == "named"
    assert told(store, "1", today=LATER)[-1][1:3] == (NEAR, "expired")


def test_what_is_listed_again_after_a_demerger_is_another_contract(store: Store) -> None:
    take(store, MON, listing(1), listing(2), listing(50, symbol="ZOMATO24NOV26C1x"))
    take(store, TUE, listing(2), listing(50, symbol="ZOMATO24NOV26C1x"))
    take(store, WED, listing(2), listing(50, symbol="ZOMATO24NOV26C1x"), listing(900, symbol="ZOMATO24NOV26C1", strike_paise=100, lot=800))
    assert meant(store, "ZOMATO24NOV26C1") == [1, 4]
    assert [row[:3] for row in told(store, "ZOMATO24NOV26C1") if row[2] in ("listed", "delisted")] == [(1, None, "listed"), (1, MON, "delisted"), (4, WED, "listed")]


def test_what_an_older_master_adds_is_of_that_master(store: Store) -> None:
    take(store, WED, listing(1, lot=200), listing(2))
    take(store, MON, listing(1), listing(2))
    rows = life(store, [1], THU).filter(pl.col("event") != "named").select("day", "event", "before", "after", "master").rows()
    older, newer = (store.masters().filter(pl.col("day") == day)["file"].item() for day in (MON, WED))
    assert rows == [(None, "listed", "", "ZOMATO24NOV26C1", older), (WED, "amended", "175", "200", newer)]
    assert life(store, [2], THU).filter(pl.col("event") == "listed")["master"].item() == older


@pytest.mark.parametrize("name", ["7", "NOTHING", ""])
def test_an_unknown_name_is_told_so(store: Store, name: str) -> None:
    take(store, MON, listing(1))
    with pytest.raises(UnknownInstrument):
        meant(store, name)
