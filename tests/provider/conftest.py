"""A small real broker on loopback, scripted by each test, and a clock that stands."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from aiohttp import web

from fnolake.provider.http import Http
from fnolake.testing import Drawer

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


class StillClock:
    def __init__(self, wall: float = 1_795_000_000.0) -> None:
        self.seconds = wall
        self.slept: list[float] = []

    def now(self) -> datetime:
        return NOW

    def wall(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


@dataclass
class Broker:
    """Answers each route with what the test put in ``says`` (body, status); notes what was asked."""

    url: str = ""
    says: dict[str, list[tuple[bytes, int]]] = field(default_factory=dict)
    asked: list[tuple[str, bytes, dict[str, str]]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    def say(self, route: str, *bodies: bytes | str, status: int = 200) -> None:
        self.says[route] = [(b.encode() if isinstance(b, str) else b, status) for b in bodies]

    async def handle(self, request: web.Request) -> web.Response:
        route = request.path.rsplit("/", 1)[-1]
        self.asked.append((request.path, await request.read(), dict(request.headers)))
        self.arrived.set()
        queue = self.says.get(route, [])
        body, status = queue[0] if queue else (b"<html>404</html>", 404)
        if len(queue) > 1:
            queue.pop(0)
        return web.Response(body=body, status=status)


@pytest.fixture
async def broker() -> AsyncIterator[Broker]:
    found = Broker()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", found.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    found.url = f"http://{host}:{port}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def http() -> AsyncIterator[Http]:
    async with Http() as opened:
        yield opened


@pytest.fixture
def drawer() -> Drawer:
    return Drawer()


@pytest.fixture
def clock() -> StillClock:
    return StillClock()
