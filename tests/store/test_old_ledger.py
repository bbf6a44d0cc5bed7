"""A lake whose ledger is older than this fnolake: one provider, symbols without their days; nobody noted which master said what."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from fnolake.model import Master, RawFile
from fnolake.store.ledger import LEDGER_FILE
from fnolake.store.schema import LEDGER_VERSION
from fnolake.store.store import Store

from .conftest import MON, NOW, TUE, batch, capture, listing, master, raw

VERSION_4 = """
alter table instruments drop column said_us;
drop table certificates;
update meta set value = '4' where name = 'ledger_version';
"""
VERSION_3 = VERSION_4 + """
drop table reference_files;
update meta set value = '3' where name = 'ledger_version';
"""
VERSION_2 = VERSION_3 + """
drop table listing_differences;
alter table provider_symbols drop column since;
alter table provider_symbols drop column gone;
update meta set value = '2' where name = 'ledger_version';
"""
VERSION_1 = VERSION_2 + "drop table comparisons; drop table differences; update meta set value = '1' where name = 'ledger_version';"


@pytest.fixture(params=[VERSION_1, VERSION_2, VERSION_3, VERSION_4], ids=["1", "2", "3", "4"])
def old(lake: Path, request: pytest.FixtureRequest) -> Path:
    with Store.open(lake, write=True) as store:
        store.take_master(master([listing(1), listing(2), listing(3)], MON), raw())
        store.take_master(master([listing(1), listing(2)], TUE), raw())
    connection = sqlite3.connect(lake / LEDGER_FILE)
    connection.executescript(request.param)
    connection.close()
    return lake


def version(lake: Path) -> str:
    connection = sqlite3.connect(lake / LEDGER_FILE)
    found = connection.execute("select value from meta where name = 'ledger_version'").fetchone()[0]
    connection.close()
    return str(found)


def test_a_reader_sees_it_and_changes_nothing(old: Path) -> None:
    before = version(old)
    with Store.open(old, write=False) as store:
        assert store.instruments().height == 3
        assert store.references.here() == set()
        assert store.listed_by().rows() == [(1, "shoonya"), (2, "shoonya"), (3, "shoonya")]
        assert store.listing_differences().is_empty()
        assert "shoonya_symbol" in store.with_symbols(store.instruments()).columns
    assert version(old) == before


def test_the_first_writer_brings_it_up_and_keeps_every_id(old: Path) -> None:
    with Store.open(old, write=True) as store:
        assert store.provider_symbols().select("contract", "provider", "since", "gone").rows() == [
            (1, "shoonya", MON, None), (2, "shoonya", MON, None), (3, "shoonya", MON, TUE),
        ]
        rows = [listing(1, lot=200), listing(2)]
        table = master(rows, TUE)
        done = store.take_master(Master("firstock", "NFO", TUE, 2, table.listings), RawFile("firstock", "NFO", NOW, b"x", NOW, "0"))
        assert (done["new"], done["amended"], done["differ"]) == (0, 0, 1)
        assert store.instruments()["contract"].to_list() == [1, 2, 3]
    assert version(old) == str(LEDGER_VERSION)


@pytest.mark.parametrize("old", [VERSION_1, VERSION_2], indirect=True, ids=["1", "2"])
def test_symbols_that_nobody_wrote_down_are_of_the_first_provider(old: Path) -> None:
    connection = sqlite3.connect(old / LEDGER_FILE)
    connection.execute("delete from provider_symbols")
    connection.commit()
    connection.close()
    with Store.open(old, write=True) as store:
        assert store.listed_by([1, 2]).rows() == [(1, "shoonya"), (2, "shoonya")]


def test_a_rebuilt_ledger_knows_both_symbols(lake: Path) -> None:
    with Store.open(lake, write=True, grace_s=0.0) as store:
        store.take_master(master([listing(1)], MON), raw())
        table = master([listing(1, provider_symbol="OTHER")], MON).listings
        store.take_master(Master("firstock", "NFO", MON, 1, table), RawFile("firstock", "NFO", NOW, b"x", NOW, "0"))
        store.commit(batch(capture(1, MON)))
        store.publish(MON)
        known = store.provider_symbols()
    for path in lake.glob("ledger.sqlite*"):
        path.unlink()
    with Store.open(lake, write=True) as store:
        store.rebuild_ledger()
        assert store.provider_symbols().equals(known)
        assert known["symbol"].to_list() == ["TCS24NOV26C1", "OTHER"]
