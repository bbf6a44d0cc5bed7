"""The masters of both emulated brokers in one lake: one contract, two symbols."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import polars as pl
import pytest

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator


def rows_of(at: Desk, *words: str) -> pl.DataFrame:
    return pl.read_csv(io.BytesIO(at.run(*words, "--format", "csv").stdout.encode()), infer_schema_length=None)


@pytest.mark.slow
def test_both_brokers_list_the_same_contracts_under_their_own_symbols(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    at = desk(emulate("--underlyings", "TCS,NIFTY,SENSEX", "--limits", "off"))
    at.env["FN_KEY"] = "0123456789abcdef0123456789abcdef"
    alone = rows_of(at, "instruments", "sync")
    assert set(alone["provider"]) == {"shoonya"}
    at.run("account", "add", "first", "--provider", "firstock", "--uid", "FN0001", "--password", "env:FN_PASSWORD", "--totp", "env:FN_TOTP",
           "--vendor-code", "FN0001_API", "--api-key", "env:FN_KEY")
    at.run("login", "first")
    known = rows_of(at, "instruments")
    both = rows_of(at, "instruments", "sync")
    assert set(both["provider"]) == {"shoonya", "firstock"}
    shown = rows_of(at, "instruments")
    assert both.select(pl.col("new", "amended", "delisted", "identity_uncertain").sum()).row(0) == (0, 0, 0, 0), both
    assert both["differ"].sum() == 0, rows_of(at, "instruments", "--differing")
    assert shown["contract"].to_list() == known["contract"].to_list()
    assert shown.filter(pl.col("shoonya_symbol").is_null() | pl.col("firstock_symbol").is_null()).is_empty()
    assert "providers agree" in at.run("doctor").stdout
