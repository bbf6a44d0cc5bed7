"""The exchange's files: a file, or a stated nothing, or a failure; each recorded, one at a time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port
from tests.provider.fakes import FakeClock

from fnolake.model import IST
from fnolake.provider.exchange.client import ExchangeClient, ExchangeUrls
from fnolake.provider.http import Http

DAY = date(2026, 11, 20)
HTML = b"\r\n<!DOCTYPE html><html>The page is not available</html>"


class QuickClock(FakeClock):
    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        await asyncio.sleep(0)


@dataclass
class Exchange:
    """Answers with the script, then with a file; notes what it was asked and how many at once."""

    url: str = ""
    script: list[tuple[int, bytes]] = field(default_factory=list)
    asked: list[web.Request] = field(default_factory=list)
    here: int = 0
    most: int = 0

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(request)
        self.here += 1
        self.most = max(self.most, self.here)
        await asyncio.sleep(0)
        self.here -= 1
        status, body = self.script.pop(0) if self.script else (200, b"TradDt,BizDt\r\n")
        return web.Response(status=status, body=body)


@pytest.fixture
async def exchange() -> AsyncIterator[Exchange]:
    fake = Exchange()
    app = web.Application()
    app.router.add_get("/{tail:.*}", fake.handle)
    server = TestServer(app)
    await server.start_server()
    fake.url = str(server.make_url("/"))
    yield fake
    await server.close()


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[ExchangeClient]:
    async with Http() as http:
        yield ExchangeClient(http, ExchangeUrls.at(exchange.url), QuickClock())


@pytest.mark.parametrize(("venue", "segment", "path"), [
    ("NSE", "FO", "/content/fo/BhavCopy_NSE_FO_0_0_0_20261120_F_0000.csv.zip"),
    ("NSE", "CM", "/content/cm/BhavCopy_NSE_CM_0_0_0_20261120_F_0000.csv.zip"),
    ("BSE", "FO", "/download/Bhavcopy/Derivative/BhavCopy_BSE_FO_0_0_0_20261120_F_0000.CSV"),
    ("BSE", "CM", "/download/BhavCopy/Equity/BhavCopy_BSE_CM_0_0_0_20261120_F_0000.CSV"),
])
async def test_each_file_has_its_address(exchange: Exchange, client: ExchangeClient, venue: str, segment: str, path: str) -> None:
    raw, record = await client.bhavcopy(venue, segment, DAY)
    assert raw is not None
    assert (raw.body, raw.name) == (b"TradDt,BizDt\r\n", path.rsplit("/", 1)[1])
    assert raw.day == datetime(2026, 11, 20, tzinfo=IST)
    assert (record.outcome, record.route, record.tries) == ("answered", f"bhavcopy {venue} {segment}", 1)
    assert record.payload_hash == raw.payload_hash != ""
    assert exchange.asked[0].path == path
    assert exchange.asked[0].headers["User-Agent"].startswith("Mozilla/5.0")


@pytest.mark.parametrize("answer", [(404, b""), (404, HTML), (200, HTML)])
async def test_a_day_that_is_not_there_is_a_stated_nothing(exchange: Exchange, client: ExchangeClient, answer: tuple[int, bytes]) -> None:
    exchange.script = [answer]
    raw, record = await client.bhavcopy("BSE", "FO", DAY)
    assert raw is None
    assert (record.outcome, record.error, len(exchange.asked)) == ("empty", "", 1)


async def test_a_server_in_trouble_is_asked_again(exchange: Exchange, client: ExchangeClient) -> None:
    exchange.script = [(502, HTML), (503, b"")]
    raw, record = await client.bhavcopy("NSE", "FO", DAY)
    assert raw is not None
    assert record.tries == 3


@pytest.mark.parametrize(("answers", "error", "tries"), [
    ([(403, b"Access Denied")], "ProviderError", 1), ([(500, b"")] * 3, "ProviderFault", 3), ([(200, b"")], "PayloadError", 1),
])
async def test_a_refusal_is_a_failure_and_no_empty(exchange: Exchange, client: ExchangeClient, answers, error: str, tries: int) -> None:
    exchange.script = answers
    raw, record = await client.bhavcopy("NSE", "FO", DAY)
    assert raw is None
    assert (record.outcome, record.error, record.tries) == ("failed", error, tries)
    assert record.detail


@pytest.mark.parametrize(("kind", "asked", "name"), [
    ("holidays", "/api/holiday-master?type=trading", "holiday-master.json"), ("symbol_changes", "/content/equities/symbolchange.csv", "symbolchange.csv"),
    ("securities", "/content/cm/NSE_CM_security_20112026.csv.gz", "NSE_CM_security_20112026.csv.gz"), ("market_lots", "/content/fo/fo_mktlots.csv", "fo_mktlots.csv"),
    ("corporate_actions", "/api/corporates-corporateActions?index=equities&from_date=20-11-2025&to_date=21-12-2026&csv=true", "CF-CA-equities.csv"),
])
async def test_reference_files_come_as_they_are(exchange: Exchange, client: ExchangeClient, kind: str, asked: str, name: str) -> None:
    exchange.script = [(200, b'{"FO":[]}')]
    raw, record = await client.reference(kind, DAY)
    assert raw is not None
    assert (raw.body, raw.name, record.route, record.outcome) == (b'{"FO":[]}', name, kind, "answered")
    assert exchange.asked[0].path_qs == asked
    assert exchange.asked[0].headers["User-Agent"].startswith("Mozilla/5.0")


async def test_the_exchange_is_left_a_pause_between_requests(exchange: Exchange) -> None:
    clock = QuickClock()
    async with Http() as http:
        client = ExchangeClient(http, ExchangeUrls(exchange.url.rstrip("/"), pace_s=1.0), clock)
        begun = clock.at
        for _ in range(3):
            await client.bhavcopy("NSE", "FO", DAY)
    assert clock.at - begun == 2.0


async def test_one_at_a_time_and_every_record_has_a_key_of_its_own(exchange: Exchange, client: ExchangeClient) -> None:
    answers = await asyncio.gather(*(client.bhavcopy("NSE", "FO", DAY) for _ in range(5)))
    assert exchange.most == 1
    assert len({record.key for _, record in answers}) == 5


async def test_a_host_that_cannot_be_reached_is_left_alone_for_a_while() -> None:
    clock = QuickClock()
    async with Http() as http:
        client = ExchangeClient(http, ExchangeUrls.at(f"http://127.0.0.1:{unused_port()}"), clock)
        first, second = [(await client.bhavcopy("NSE", "FO", DAY))[1] for _ in range(2)]
        clock.at += 121
        third = (await client.bhavcopy("NSE", "FO", DAY))[1]
    assert [r.outcome for r in (first, second, third)] == ["failed"] * 3
    assert [r.tries for r in (first, second, third)] == [3, 0, 3]


class StoppedClock(FakeClock):
    """Whoever sleeps sleeps for ever, and is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.asleep.set()
        await asyncio.Event().wait()


async def test_cancelling_gives_the_turn_back(exchange: Exchange) -> None:
    clock = StoppedClock()
    exchange.script = [(500, b"")]
    async with Http() as http:
        client = ExchangeClient(http, ExchangeUrls.at(exchange.url), clock)
        waiting = asyncio.ensure_future(client.bhavcopy("NSE", "FO", DAY))
        await clock.asleep.wait()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert (await client.bhavcopy("NSE", "FO", DAY))[0] is not None
