"""Places that alerts arrive at, on loopback: a web hook and a mail server; and a calendar that the test moves."""

from __future__ import annotations

import asyncio
import email
import email.policy
import warnings
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP, AuthResult

SECRET = "pl4nted-s3cret"


class Calendar:
    """A calendar clock that stands until it is moved."""

    def __init__(self, now: datetime = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)) -> None:
        self.instant = now

    def now(self) -> datetime:
        return self.instant

    def forward(self, **span: float) -> None:
        self.instant += timedelta(**span)

    def wall(self) -> float:
        return self.instant.timestamp()

    def monotonic(self) -> float:
        return self.instant.timestamp()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


@dataclass
class Hook:
    """A web hook that takes apprise's JSON; ``status`` is its answer."""

    address: str = ""
    status: int = 200
    got: list[dict[str, Any]] = field(default_factory=list)
    arrived: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        if self.status == 200:
            self.got.append(await request.json())
        self.arrived.set()
        return web.Response(status=self.status, text=f"no: {request.headers.get('Authorization')}")

    @property
    def titles(self) -> list[str]:
        return [one["title"] for one in self.got]


@dataclass
class Mailbox:
    """A mail server that keeps what it is sent."""

    address: str = ""
    got: list[EmailMessage] = field(default_factory=list)

    async def handle_DATA(self, _server: object, _session: object, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.got.append(message)
        return "250 OK"


@pytest.fixture(scope="session", autouse=True)
def _loaded() -> None:
    """The library's plugins import what Python deprecates; that is not what is tested here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import apprise

        apprise.Apprise.instantiate("json://127.0.0.1")


@pytest.fixture
def calendar() -> Calendar:
    return Calendar()


@pytest.fixture
async def hook() -> AsyncIterator[Hook]:
    found = Hook()
    app = web.Application()
    app.router.add_post("/{tail:.*}", found.take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.address = f"json://user:{SECRET}@127.0.0.1:{runner.addresses[0][1]}/{SECRET}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    found = Mailbox()

    def let_in(_server: object, _session: object, _envelope: object, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == SECRET.encode())

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(found, authenticator=let_in, auth_require_tls=False, loop=loop, hostname="localhost"), "127.0.0.1", 0,
    )
    port = server.sockets[0].getsockname()[1]
    found.address = f"mailto://user:{SECRET}@127.0.0.1:{port}?from=lake@example.com&to=person@example.com&mode=insecure"
    yield found
    server.close()
    await server.wait_closed()
