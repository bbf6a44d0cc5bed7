"""
Real masters of the broker, months apart: which tokens were reused and which contracts live on, counted from the raw files.

The files are read here with the standard library and judged token by token; nothing of the product's reading or diffing is used for it.
"""

from __future__ import annotations

import csv
import io
import time
import zipfile
from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Master
from fnolake.provider.shoonya.symbols import parse_master
from fnolake.store.store import Store

from .conftest import raw

MASTERS = Path(__file__).resolve().parents[3] / "shared" / "real" / "masters"
Said = tuple[str, str, date, float, str]
PAIRS = [("NFO", "20240308", "20250106"), ("BFO", "20250106", "20260818")]


def body_of(exchange: str, stamp: str) -> bytes:
    found = sorted(MASTERS.glob(f"shoonya_{exchange}_{stamp}*")) if MASTERS.is_dir() else []
    if not found:
        pytest.skip("the real masters are not beside this repository (../shared/real/masters)")
    return found[0].read_bytes()


def read(exchange: str, stamp: str) -> Master:
    return parse_master(exchange, body_of(exchange, stamp), date.fromisoformat(stamp))


def plain(exchange: str, stamp: str, listed: set[int]) -> dict[int, Said]:
    """Token → (underlying, kind and right, expiry, strike), read line by line; only of tokens that are listings."""
    with zipfile.ZipFile(io.BytesIO(body_of(exchange, stamp))) as archive:
        text = archive.read(archive.namelist()[0]).decode()
    rows = {}
    for row in csv.DictReader(io.StringIO(text)):
        if int(row["Token"]) in listed:
            expiry = datetime.strptime(row["Expiry"].title(), "%d-%b-%Y").date()
            rows[int(row["Token"])] = (row["Symbol"], row["OptionType"], expiry, float(row["StrikePrice"] or 0), row["LotSize"])
    return rows


@pytest.mark.parametrize(("exchange", "first", "second"), PAIRS)
def test_reused_tokens_and_contracts_that_live_on_are_told_apart_in_either_order(tmp_path: Path, exchange: str, first: str, second: str) -> None:
    old, new = read(exchange, first), read(exchange, second)
    before = plain(exchange, first, set(old.listings["token"]))
    after = plain(exchange, second, set(new.listings["token"]))
    assert len(before) == old.listings.height
    assert len(after) == new.listings.height
    both = before.keys() & after.keys()
    living = {token for token in both if before[token][2] >= new.day}
    same = {token for token in living if before[token][:4] == after[token][:4]} | moved_together(before, after, living)
    reused = both - same
    assert all(after[token][2] != before[token][2] for token in both - living), "an expired contract that is still listed"
    seen = []
    for name, order in (("forward", (old, new)), ("backward", (new, old))):
        with Store.open(tmp_path / name, write=True) as store:
            for master in order:
                store.take_master(master, raw(master.day.isoformat()))
            known = store.instruments()
            owners = {token: numbers for token, numbers in known.group_by("token").agg("contract").iter_rows() if token in both}
            assert {token for token, numbers in owners.items() if len(numbers) == 2} == reused
            assert {token for token, numbers in owners.items() if len(numbers) == 1} == same
            assert known.height == len(before) + len(after) - len(same)
            changed = {token for token in same if before[token] != after[token]}
            revised = store.instrument_history().filter(pl.col("contract").is_duplicated())["token"].unique()
            assert changed <= set(revised) <= same
            seen.append((known.height, len(owners), revised.sort().to_list()))
            spot_check(store, before, after, old.day, new.day, [*sorted(reused)[:50], *sorted(same)[:50]])
    assert seen[0] == seen[1]


def moved_together(before: dict[int, Said], after: dict[int, Said], living: set[int]) -> set[int]:
    """Tokens that differ in nothing but an expiry that moved by a week at most, as did that of all their underlying and expiry."""
    moves: dict[tuple[str, date], set[int]] = {}
    for token in living:
        (name, right, expiry, _, _), now = before[token], after[token]
        if (name, right) == now[:2] and abs((now[2] - expiry).days) <= 7:
            moves.setdefault((name, expiry), set()).add((now[2] - expiry).days)
    groups = {group for group, steps in moves.items() if len(steps) == 1 and steps != {0}}
    return {
        token for token in living if (before[token][0], before[token][2]) in groups and before[token][:2] == after[token][:2]
        and before[token][3] == after[token][3] and abs((after[token][2] - before[token][2]).days) <= 7
    }


def spot_check(store: Store, before: dict[int, Said], after: dict[int, Said], old: date, new: date, tokens: list[int]) -> None:
    """On each of the two days a token is what that day's file says."""
    assert tokens
    for day, said in ((old, before), (new, after)):
        on = {row["token"]: row for row in store.instruments(day).iter_rows(named=True)}
        for token in tokens:
            _, right, expiry, strike, lot = said[token]
            if expiry < day:
                continue
            row = on[token]
            shown = (row["right"] or "XX", row["expiry"], (row["strike_paise"] or 0) / 100, row["lot"])
            assert shown == (right, expiry, strike if row["right"] else 0, int(lot))


def test_a_whole_real_master_is_diffed_in_time(tmp_path: Path) -> None:
    old, new = read("NFO", "20240308"), read("NFO", "20250106")
    spent = []
    with Store.open(tmp_path / "lake", write=True) as store:
        for master in (old, new, new):
            start = time.process_time()
            store.take_master(master, raw(master.day.isoformat()))
            spent.append(time.process_time() - start)
    assert max(spent) < 6, "0.6 to 1.5 s on an idle core"
