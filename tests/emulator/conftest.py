"""A fake market of a few contracts, the wire by hand, and a factory of served emulators."""

import hashlib
import json
from dataclasses import dataclass
from datetime import date, datetime
from types import SimpleNamespace

import aiohttp
import numpy as np
import pytest

from fnolake.emulator.config import Demo, EmulatorConfig
from fnolake.emulator.firstock_settings import FirstockSettings
from fnolake.emulator.server import start
from fnolake.emulator.totp import one_time_password
from fnolake.model import IST

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 9, 15, tzinfo=IST)
DEMO = Demo()


@dataclass(frozen=True)
class FakeListing:
    exchange: str
    token: int
    symbol: str
    underlying: str
    kind: str
    expiry: date | None = None
    strike_paise: int | None = None
    right: str | None = None
    lot: int = 500
    tick_paise: int = 10
    is_index: bool = False
    segment: str = "FO"
    master_fields: tuple[str, ...] = ()
    listed: date = date.min

    @property
    def ends(self):
        return self.expiry


def minutes(count: int, open_s: int = int(OPEN.timestamp())):
    n = np.arange(count, dtype=np.int64)
    base = 140_000 + n
    return SimpleNamespace(
        epoch_s=open_s + 60 * n, open=base, high=base + 20, low=base - 10, close=base + 5, volume=np.full(count, 500),
        oi=10_000 + 10 * n, vwap_paise=base + 1, cumulative=500 * (n + 1), phase=np.ones(count, np.int64),
    )


class FakeWorld:
    """A market of three contracts that trade 385 minutes on weekdays."""

    day = DAY

    def __init__(self):
        self.listings = [
            FakeListing("NSE", 26000, "NIFTY INDEX", "NIFTY", "spot", is_index=True, segment="CM",
                        master_fields=("NSE", "26000", "1", "Nifty 50", "NIFTY INDEX", "INDEX", "0", "")),
            FakeListing("NFO", 52509, "M&M24NOV26F", "M&M", "future", date(2026, 11, 24)),
            FakeListing("NFO", 52510, "M&M27OCT26F", "M&M", "future", date(2026, 10, 27)),
            *[FakeListing("NFO", 60_000 + n, f"M&M24NOV26{'CP'[n % 2]}{3000 + n // 2 * 20}", "M&M", "option",
                          date(2026, 11, 24), 300_000 + n // 2 * 2000, ("CE", "PE")[n % 2]) for n in range(20)],
        ]

    def reaching(self, day):
        return self

    def in_master(self, day, morning=False):
        return self.listings

    def master(self, exchange, day=None, morning=False):
        return f"Exchange,Token,LotSize,Symbol,TradingSymbol,\n{exchange},1,1,X,X,\n".encode()

    def find(self, exchange, token, on=None):
        return next((o for o in self.listings if (o.exchange, o.token) == (exchange, token)), None)

    def search(self, exchange, text, on=None):
        return [o for o in self.listings if o.exchange == exchange and all(w in o.symbol for w in text.split())]

    def minutes(self, listing, session):
        if session.weekday() > 4:
            return minutes(0)
        return minutes(385, int(datetime(session.year, session.month, session.day, 9, 15, tzinfo=IST).timestamp()))

    def quote(self, listing, at):
        return SimpleNamespace(lp=140_000, o=1, h=2, l=1, c=139_000, v=5, oi=7, ap=3, bid=139_990, ask=140_010)

    def bhavcopy(self, venue, segment, session):
        return b"TradDt\n2026-11-20\n" if session == DAY else None

    def holiday_master(self, year=None):
        return b'{"FO":[]}'


class Client:
    """The wire by hand: raw bodies, nothing encoded."""

    emulator = None

    def __init__(self, http, url):
        self.http, self.url, self.token = http, url, ""

    async def post(self, route, base="NorenWClientAPI", bearer=True, raw=None, **fields):
        body = raw if raw is not None else "jData=" + json.dumps({"uid": DEMO.uid, **fields})
        headers = {"Authorization": f"Bearer {self.token}"} if bearer and self.token else {}
        if not bearer:
            body += f"&jKey={self.token}"
        async with self.http.post(f"{self.url}/{base}//{route}", data=body.encode(), headers=headers) as answer:
            return answer.status, await answer.read()

    async def series(self, token="52509", exch="NFO", **fields):
        status, body = await self.post("TPSeries", exch=exch, token=token, **fields)
        return status, json.loads(body)

    async def quick_auth(self, **changed):
        fields = {
            "source": "API", "apkversion": "1.0.0", "pwd": sha("demo-password"),
            "factor2": one_time_password(DEMO.totp_secret), "vc": DEMO.vendor_code,
            "appkey": sha(f"{DEMO.uid}|{DEMO.api_secret}"), "imei": "abc1234", **changed,
        }
        status, body = await self.post("QuickAuth", base="NorenWClientTP", bearer=True, **fields)
        answer = json.loads(body)
        self.token = answer.get("susertoken", self.token)
        return status, answer

    async def code(self, redirect="http://127.0.0.1:9/callback", state="s1"):
        url = f"{self.url}/OAuthlogin/authorize/oauth"
        query = {"client_id": DEMO.client_id, "redirect_uri": redirect, "state": state}
        async with self.http.get(url, params=query) as page:
            assert 'name="lgnpwd"' in await page.text()
        form = {"lgnusrid": DEMO.uid, "lgnpwd": DEMO.password, "lgnotp": one_time_password(DEMO.totp_secret)}
        async with self.http.post(url, params=query, data=form, allow_redirects=False) as answer:
            return answer.status, answer.headers["Location"]

    async def gen_acs_tok(self, code, secret=DEMO.secret_code):
        checksum = sha(DEMO.client_id + secret + code)
        status, body = await self.post("GenAcsTok", code=code, checksum=checksum)
        answer = json.loads(body)
        self.token = answer.get("access_token", self.token)
        return status, answer

    async def control(self, method, name, **kwargs):
        async with self.http.request(method, f"{self.url}/emulator/{name}", **kwargs) as answer:
            return await answer.json()


class Firstock:
    """Firstock's wire by hand, for one user."""

    def __init__(self, client, uid=DEMO.uid):
        self.http, self.url, self.control, self.uid, self.key = client.http, client.url, client.control, uid, ""
        self.emulator = client.emulator

    def other(self, uid):
        """The wire of another user, not signed in."""
        return Firstock(self, uid)

    async def ask(self, route, raw=None, **fields):
        """Status, content type and body of a POST."""
        body = json.dumps(fields) if raw is None else raw
        async with self.http.post(f"{self.url}/V1/{route}", data=body.encode()) as answer:
            return answer.status, answer.content_type, await answer.read()

    async def post(self, route, **fields):
        status, _, body = await self.ask(route, **({"userId": self.uid, "jKey": self.key} | fields))
        return status, json.loads(body)

    def credentials(self, **changed):
        return {
            "userId": self.uid, "password": sha(DEMO.password), "TOTP": one_time_password(DEMO.totp_secret),
            "vendorCode": f"{self.uid}_API", "apiKey": DEMO.api_key, **changed,
        }

    async def login(self, **changed):
        status, answer = await self.post("login", **self.credentials(**changed))
        self.key = answer.get("data", {}).get("susertoken", self.key)
        return status, answer

    async def series(self, symbol="M&M24NOV26F", exchange="NFO", start="09:15:00 20-11-2026",
                     end="09:24:00 20-11-2026", interval="1mi", **fields):
        return await self.post("timePriceSeries", exchange=exchange, tradingSymbol=symbol, startTime=start,
                               endTime=end, interval=interval, **fields)

    async def symbols(self, name, method="GET"):
        async with self.http.request(method, f"{self.url}/V1/symbols/{name}?ref=firstock.in") as answer:
            return answer.status, (await answer.read()).decode()


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
async def serve():
    """A factory: settings in, signed-in client out."""
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        async def make(world=None, **settings):
            config = EmulatorConfig(**settings)
            emulator = await stack.enter_async_context(start(config, world=world or FakeWorld()))
            http = await stack.enter_async_context(aiohttp.ClientSession())
            client = Client(http, emulator.url)
            client.emulator = emulator
            await client.quick_auth()
            return client

        yield make


@pytest.fixture
async def serve_firstock(serve):
    """A factory like ``serve``: a client signed in at Firstock, with generous limits unless others are given."""
    async def make(world=None, uid=DEMO.uid, firstock=None, **settings):
        free = {"history": "off", "quotes": "off", "other": "off"}
        chosen = FirstockSettings().changed(free | (firstock or {}))
        client = Firstock(await serve(world=world, firstock=chosen, **({"rate": 0} | settings)), uid)
        await client.login()
        return client

    return make
