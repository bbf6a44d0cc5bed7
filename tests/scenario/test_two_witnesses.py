"""One provider's answers spoiled, the other's not: the comparison names what was done, and the lake keeps the whole bars."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.config import load
from fnolake.lake import Lake, open_lake
from fnolake.model import BarRequest, RequestRecord
from fnolake.provider.account import Account, Asked
from fnolake.sync.connect import connected
from fnolake.sync.second_look import SecondLook
from fnolake.sync.wanted import Wanted

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

FRIDAY = date(2026, 11, 20)
SPOILED = {"clip_high": "clipped_high", "missing_minute": "missing_minute", "volume_shift": "volume_shifted"}


@dataclass
class Other:
    """The same account under another provider's name: a second witness of the one emulated market."""

    account: Account
    name: str = "other"
    provider_name: str = "other"

    @property
    def is_down(self) -> bool:
        return self.account.is_down

    def drain_sign_ins(self) -> list[RequestRecord]:
        return self.account.drain_sign_ins()

    async def ask_minutes(self, request: BarRequest) -> Asked:
        asked = await self.account.ask_minutes(request)
        page = asked.page and replace(asked.page, provider="other", account="other")
        return replace(asked, page=page, record=replace(asked.record, provider="other", account="other"))


async def look_twice(lake: Lake, contracts: pl.DataFrame, environ: dict[str, str]) -> int:
    async with connected(lake.settings, lake.store.state, lake.clock, lake.calendar, environ) as (account, _):
        look = SecondLook(lake.store, [account, Other(account)], lake.calendar, lake.clock.now, lambda _event: None, share=1.0)
        return await look.run(Wanted(contracts, (FRIDAY,)), asyncio.Event())


@pytest.mark.slow
def test_each_injected_fault_is_named_and_the_spoiled_bars_lose(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "TCS,NIFTY", "--limits", "off")
    at = desk(emulator)
    at.run("sync", "--kind", "future", "--session", "2026-11-20")
    environ = {**os.environ, **at.environment()}
    with open_lake(at.lake, write=True, settings=load(at.lake, at.environment()), environ=environ) as lake:
        futures = lake.instruments(kind="future").sort("expiry", "contract")
        tcs = futures.filter(pl.col("underlying") == "TCS")
        for token, fault in zip(tcs["token"].to_list(), SPOILED, strict=True):
            emulator.post("/emulator/faults", {"fault": fault, "route": "TPSeries", "token": str(token)})
        assert asyncio.run(look_twice(lake, futures, environ)) == futures.height
        kept = set(lake.store.comparisons()["kept"])
        named = lake.compare().group_by("symbol").agg(pl.col("finding").unique())
    assert dict(named.rows()) == {symbol: [finding] for symbol, finding in zip(tcs["symbol"].to_list(), SPOILED.values(), strict=True)}
    assert kept == {"first"}
    summary = {row["provider"]: row for row in json.loads(at.run("compare", "--summary", "--format", "json", expect=4).stdout)}
    assert (summary["other"]["missing_minutes"], summary["other"]["clipped_extremes"], summary["shoonya"]["missing_minutes"]) == (1, 1, 0)
    assert summary["other"]["agreed"] == futures.height - len(SPOILED)
    at.run("compare", "--underlying", "NIFTY")
