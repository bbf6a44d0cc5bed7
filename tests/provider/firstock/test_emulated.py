"""The adapter against the emulated Firstock: every way in which that broker may answer gives the same bars or one error."""

import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import aiohttp
import numpy as np
import pytest

from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.firstock_settings import FirstockSettings
from fnolake.emulator.server import build_world, start
from fnolake.errors import (
    AddressNotAllowed,
    LoginRefused,
    ProviderFault,
    RateLimited,
    SignInLost,
    SpanTimeout,
    UnknownSymbol,
    Unreachable,
)
from fnolake.model import BarRequest, Contract
from fnolake.provider.base import SignInHelp
from fnolake.provider.clock import SystemClock
from fnolake.provider.firstock.client import FirstockClient
from fnolake.provider.firstock.signin import Credentials, FirstockUrls
from fnolake.provider.scope import in_scope
from fnolake.provider.shoonya.client import ShoonyaClient
from fnolake.provider.shoonya.signin import LEGACY, ShoonyaUrls
from fnolake.provider.shoonya.signin import Credentials as ShoonyaCredentials

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
SECRETS = {"password": "demo-password", "totp_secret": "JBSWY3DPEHPK3PXP"}
CREDENTIALS = Credentials("FN0001", **SECRETS, api_key="0123456789abcdef0123456789abcdef")


@pytest.fixture(scope="module")
def world():
    return build_world(EmulatorConfig(day=DAY, underlyings=("M&M", "NIFTY", "SENSEX")))


@pytest.fixture
async def serve(world, http, drawer):
    @asynccontextmanager
    async def served(**settings):
        unlimited = FirstockSettings(history=(), quotes=(), other=())
        config = EmulatorConfig(day=DAY, limits=(), firstock=replace(unlimited, **settings))
        async with start(config, world=world) as running:
            client = FirstockClient(http, FirstockUrls.of(running.url), "mine", CREDENTIALS, drawer, SystemClock())
            client.emulator_url = running.url
            await client.login(SignInHelp())
            yield client

    return served


async def fault(client, **fields):
    async with aiohttp.ClientSession() as http, http.post(
        f"{client.emulator_url}/emulator/faults", data=json.dumps({"provider": "firstock", "count": 1, **fields})
    ) as answer:
        assert answer.status == 200, await answer.text()


def shoonya_of(client, http, drawer) -> ShoonyaClient:
    urls = ShoonyaUrls.of(LEGACY, client.emulator_url)
    return ShoonyaClient(http, urls, "other", ShoonyaCredentials("FN0001", **SECRETS, api_secret="demo-secret"), drawer, SystemClock())


async def contracts_of(client, http, drawer) -> dict[str, Contract]:
    """What is in scope by Shoonya's masters, so that Firstock is asked for what another broker named."""
    other = shoonya_of(client, http, drawer)
    masters = in_scope([other.decode_master(await other.master(name, DAY)) for name in ("NSE", "BSE", "NFO", "BFO")])
    rows = [row for master in masters for row in master.listings.rows(named=True)]
    return {row["symbol"]: Contract(contract=n, **row) for n, row in enumerate(rows)}


async def test_both_brokers_serve_the_same_contracts(serve, http, drawer):
    for futures in ("XX", "FUT"):
        async with serve(futures=futures) as client:
            theirs = await contracts_of(client, http, drawer)
            masters = [client.decode_master(await client.master(name, DAY)) for name in client.master_names()]
            ours = {row["token"]: row for m in client.in_scope(masters) for row in m.listings.rows(named=True)}
            assert not [f for m in masters for f in m.findings]
            assert len(ours) == len(theirs) > 100
            for contract in theirs.values():
                row = ours[contract.token]
                assert all(getattr(contract, name) == row[name] for name in row if name != "provider_symbol")


@pytest.mark.parametrize("settings", [{}, {"end": "exclusive"}, {"order": "descending"}])
async def test_every_kind_of_contract_has_the_same_bars_however_the_broker_sends_them(serve, http, drawer, settings):
    async with serve(**settings) as client:
        known = await contracts_of(client, http, drawer)
        kinds = {(c.venue, c.kind, c.is_index): c for c in known.values() if c.expiry is None or c.expiry >= DAY}
        assert len(kinds) >= 7
        other = shoonya_of(client, http, drawer)
        await other.login_legacy()
        for contract in kinds.values():
            request = BarRequest(contract, OPEN, OPEN + timedelta(minutes=40))
            page, theirs = (await client.minutes(request)).rows, (await other.minutes(request)).rows
            assert (page is None) == (theirs is None)
            if page is None or theirs is None:
                continue
            assert not page.wall_mismatch.any()
            order, their_order = np.argsort(page.epoch_s), np.argsort(theirs.epoch_s)
            for name in ("epoch_s", "open", "high", "low", "close", "volume", "oi"):
                np.testing.assert_array_equal(getattr(page, name)[order], getattr(theirs, name)[their_order], f"{contract.symbol} {name}")


@pytest.mark.parametrize("empty", ["list", "null", "missing", "404", "failed"])
async def test_nothing_is_nothing_however_it_is_said(serve, http, drawer, empty):
    async with serve(empty=empty) as client:
        known = await contracts_of(client, http, drawer)
        sunday = datetime(2026, 11, 15, 3, 45, tzinfo=UTC)
        assert (await client.minutes(BarRequest(known["NIFTY"], sunday, sunday + timedelta(hours=6)))).is_empty


@pytest.mark.parametrize(("name", "error"), [
    ("rate_rejection", RateLimited), ("sign_in_loss", SignInLost), ("empty_body", ProviderFault), ("html_502", ProviderFault),
    ("timeout_504", SpanTimeout), ("cut_body", Unreachable), ("address_refused", AddressNotAllowed),
    ("banned", LoginRefused), ("forbidden", AddressNotAllowed),
])
async def test_every_fault_is_its_error(serve, http, drawer, name, error):
    async with serve(too_many="text", lost="403") as client:
        known = await contracts_of(client, http, drawer)
        await fault(client, fault=name, route="timePriceSeries")
        request = BarRequest(known["NIFTY"], OPEN, OPEN + timedelta(minutes=5))
        with pytest.raises(error):
            await client.minutes(request)
        if name == "sign_in_loss":
            await client.renew()
        assert (await client.minutes(request)).rows is not None


@pytest.mark.parametrize("quote", ["object", "page"])
async def test_a_quote_is_in_rupees_in_both_forms(serve, quote):
    async with serve(quote=quote) as client:
        found = await client.quote("NSE", "NIFTY")
        assert found.symbol == "NIFTY"
        assert 15_000 < (found.last or 0) < 40_000
        with pytest.raises(UnknownSymbol):
            await client.quote("NSE", "NOBODY-EQ")


async def test_intervals_search_user_and_logout(serve, http, drawer):
    async with serve() as client:
        known = await contracts_of(client, http, drawer)
        request = BarRequest(known["NIFTY"], OPEN, OPEN + timedelta(hours=1))
        for interval, bars in ((1, 60), (5, 12), (15, 4), (60, 1)):
            page = await client.minutes(replace(request, interval=interval))
            assert page.rows is not None
            assert len(page.rows) == bars
        midnight = OPEN - timedelta(hours=9, minutes=15)
        page = await client.minutes(BarRequest(known["NIFTY"], midnight, midnight + timedelta(days=1), 1440))
        assert page.rows is not None
        assert not page.rows.wall_mismatch.any()
        assert any(hit.symbol == "M&M-EQ" for hit in await client.search("M&M"))
        assert await client.check()
        await client.logout()
        assert not client.signed_in


async def test_a_refused_sign_in_says_so(serve):
    async with serve(login_words="leaked") as client:
        client._credentials = replace(CREDENTIALS, password="wrong")
        with pytest.raises(LoginRefused, match="wrong password, one-time password or API key"):
            await client.login(SignInHelp())
    async with serve() as client:
        for name, error in (("address_refused", AddressNotAllowed), ("banned", LoginRefused), ("forbidden", AddressNotAllowed)):
            await fault(client, fault=name, route="login")
            with pytest.raises(error):
                await client.login(SignInHelp())
