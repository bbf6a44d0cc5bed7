"""Certificates are only added and outlive their ledger; the hash of a session's bars is the same in every lake that holds them."""

from __future__ import annotations

import hashlib
import sqlite3
import struct
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from fnolake.errors import StoreError
from fnolake.model import BAR_SORT, Certificate, Content, Counts
from fnolake.store.fingerprint import combined, contract_hashes
from fnolake.store.store import Store

from .conftest import MON, TUE, bars, batch, capture, listing, master, raw
from .test_old_ledger import VERSION_4


def certificate(session: date = MON, verified: int = 1) -> Certificate:
    return Certificate(
        session=session, made_at=datetime(2026, 11, 20, 13, 0, verified, tzinfo=UTC), version="0.1.0", venues=("NSE",),
        counts=Counts(listed=2, traded=2, captured=2, verified=verified, unverified=2 - verified), underlyings=(), known_underlyings=1,
        reasons=(), exchange_files=(), missing_files=(), masters=(), sources=(), content=Content("ab" * 32, 6, 2),
    )


def with_contracts(store: Store, *tokens: int) -> None:
    for token in tokens:
        store.take_master(master([listing(one) for one in tokens[: tokens.index(token) + 1]], MON), raw(f"{token}.zip"))


def test_the_newest_of_a_session_is_in_force_and_the_others_stay(store: Store) -> None:
    assert [store.record_certificate(each) for each in (certificate(), certificate(TUE), certificate(MON, 2))] == [1, 2, 3]
    assert store.certificates_in_force() == [certificate(MON, 2), certificate(TUE)]
    assert store.certificates_in_force(TUE, TUE) == [certificate(TUE)]
    assert store.certificates()["hash"].to_list() == [certificate().hash, certificate(TUE).hash, certificate(MON, 2).hash]


def test_a_reader_may_not_sign(store: Store, lake: Path) -> None:
    store.record_certificate(certificate())
    with Store.open(lake, write=False) as reader:
        assert reader.certificates_in_force() == [certificate()]
        with pytest.raises(StoreError, match="open for reading"):
            reader.record_certificate(certificate())


def test_certificates_come_back_with_a_rebuilt_ledger(lake: Path) -> None:
    with Store.open(lake, write=True) as store:
        with_contracts(store, 7)
        store.commit(batch(capture(1, MON)))
        store.publish(MON)
        for each in (certificate(), certificate(MON, 2)):
            store.record_certificate(each)
    for file in lake.glob("ledger.sqlite*"):
        file.unlink()
    with Store.open(lake, write=True) as store:
        store.rebuild_ledger()
        assert store.certificates_in_force() == [certificate(MON, 2)]
        assert store.certificates().height == 2
        assert store.record_certificate(certificate(TUE)) == 3


def test_a_ledger_from_before_certificates_can_be_read(lake: Path) -> None:
    with Store.open(lake, write=True):
        pass
    old = sqlite3.connect(lake / "ledger.sqlite")
    old.executescript(VERSION_4)
    old.close()
    with Store.open(lake, write=False) as reader:
        assert reader.certificates_in_force() == []
        assert reader.certificates().is_empty()
    with Store.open(lake, write=True) as store:
        assert store.record_certificate(certificate()) == 1


def test_the_hash_does_not_depend_on_ids_or_on_where_the_bars_are(tmp_path: Path) -> None:
    found = []
    for name, tokens in (("one", (7, 8)), ("other", (8, 7))):
        with Store.open(tmp_path / name, write=True) as store:
            with_contracts(store, *tokens)
            ids = dict(store.instruments(None).select("token", "contract").iter_rows())
            store.commit(batch(capture(ids[7], MON), capture(ids[8], MON, price=20_000), capture(ids[8], TUE)))
            found.append(store.content_hash(MON))
            store.publish(MON)
            found.append(store.content_hash(MON))
    assert len(set(found)) == 1
    assert (found[0].bars, found[0].contracts) == (6, 2)


def test_the_hash_is_of_every_number_and_of_the_contracts_asked_for(store: Store) -> None:
    with_contracts(store, 7, 8)
    store.commit(batch(capture(1, MON), capture(2, MON)))
    whole, part = store.content_hash(MON), store.content_hash(MON, [1])
    assert (part.bars, part.contracts) == (3, 1)
    assert store.content_hash(MON, []).contracts == 0
    store.commit(batch(capture(2, MON, price=10_001)))
    assert store.content_hash(MON) != whole
    assert store.content_hash(MON, [1]) == part


@pytest.mark.parametrize("column", ["ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise", "phase"])
def test_a_change_of_any_column_changes_the_hash(column: str) -> None:
    rows = bars(1, MON).sort(BAR_SORT, nulls_last=False)
    other = pl.lit("auction") if column == "phase" else pl.col(column) + (pl.duration(minutes=1) if column == "ts" else 1)
    assert list(contract_hashes(rows)) != list(contract_hashes(rows.with_columns(other.alias(column))))
    if column in {"oi", "vwap_paise"}:
        nothing = rows.with_columns(pl.lit(None).cast(rows.schema[column]).alias(column))
        assert list(contract_hashes(rows)) != list(contract_hashes(nothing))


def by_the_book(rows: pl.DataFrame) -> str:
    """The hash of one contract's rows, as docs/certificate.md tells it to a program in another language."""
    code = {"continuous": 0, "preopen": 1, "auction": 2}
    whole = hashlib.sha256()
    for row in rows.sort("ts").with_columns(pl.col("ts").dt.epoch("us")).iter_rows(named=True):
        numbers = [row[name] for name in ("ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise")]
        whole.update(struct.pack("<9q", *(-(2**63) if number is None else number for number in numbers), code[row["phase"]]))
    return whole.hexdigest()


def test_the_form_of_the_hash_is_fixed() -> None:
    first, second = bars(1, MON), bars(2, MON, 2).with_columns(oi=pl.lit(None, pl.Int64), phase=pl.lit("auction"))
    assert list(contract_hashes(pl.concat([first, second]))) == [(1, 3, by_the_book(first)), (2, 2, by_the_book(second))]
    lines = [("NSE", "FO", 71, 2, by_the_book(second)), ("NSE", "FO", 7, 3, by_the_book(first))]
    text = f"fnolake bars 1 2026-11-16\nNSE FO 7 3 {by_the_book(first)}\nNSE FO 71 2 {by_the_book(second)}\n"
    assert combined(MON, lines) == combined(MON, lines[::-1]) == Content(hashlib.sha256(text.encode()).hexdigest(), 5, 2)
