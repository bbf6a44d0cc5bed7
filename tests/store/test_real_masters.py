"""Two real masters of the broker, ten months apart: tokens were recycled, lots changed."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import Master
from fnolake.provider.shoonya.symbols import parse_master
from fnolake.store.store import Store

from .conftest import raw

MASTERS = Path(__file__).resolve().parents[3] / "shared" / "real" / "masters"


def read(stamp: str) -> Master:
    found = sorted(MASTERS.glob(f"shoonya_NFO_{stamp}*")) if MASTERS.is_dir() else []
    if not found:
        pytest.skip("the real masters are not beside this repository (../shared/real/masters)")
    return parse_master("NFO", found[0].read_bytes(), date.fromisoformat(stamp))


def test_recycled_tokens_are_other_contracts_in_either_order(tmp_path: Path) -> None:
    old, new = read("20240308"), read("20250106")
    seen = []
    for name, order in (("forward", (old, new)), ("backward", (new, old))):
        with Store.open(tmp_path / name, write=True) as store:
            counts = [store.take_master(master, raw(master.day.isoformat())) for master in order]
            table = store.instruments()
            assert counts[0]["new"] == order[0].listings.height
            assert table["contract"].n_unique() == table.height == counts[0]["new"] + counts[1]["new"]
            for master in (old, new):
                on = store.instruments(master.day)
                alive = master.listings.filter(pl.col("expiry") >= master.day)
                assert on.height == alive.height
                both = on.join(alive, on=["venue", "segment", "token"], suffix="_file")
                assert both.height == alive.height
                assert both.filter((pl.col("expiry") != pl.col("expiry_file")) | (pl.col("lot") != pl.col("lot_file"))).is_empty()
            seen.append((table.height, table.filter(pl.struct("venue", "segment", "token").is_duplicated()).height))
            again = store.take_master(new, raw("again"))
            assert (again["new"], again["amended"], again["delisted"]) == (0, 0, 0)
    assert seen[0] == seen[1]
    assert seen[0][1] > 0
