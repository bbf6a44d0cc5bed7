"""
A scripted provider on loopback, and the two ports without a disk or a running clock. For tests only.

It knows no provider's routes: it answers whatever is asked with the next reply that a test put in. Invariant: nothing
here leaves this machine, and nothing waits for real time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from aiohttp import web

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
"""The calendar instant of :class:`StillClock`: 18:30 IST of a trading day."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One scripted HTTP answer: the body (text goes out as UTF-8), the status, and more headers."""

    body: bytes | str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def raw(self) -> bytes:
        """The body as it goes out."""
        return self.body.encode() if isinstance(self.body, str) else self.body


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came: path and query, headers by lower-case name, body."""

    method: str
    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


class ScriptedServer:
    """
    Answers every request with the next reply, the last one again and again; notes what it was asked.

    ``asked`` is in order of arrival. While ``held`` is set, requests arrive and are not answered.
    """

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[Received] = []
        self.arrived = asyncio.Event()
        self.held = False
        self._replies: list[Reply] = []
        self._released = asyncio.Event()
        self._runner: web.AppRunner | None = None

    def say(self, *replies: Reply) -> None:
        """Put these replies in place of what was left, and forget what was asked."""
        self._replies = list(replies)
        self.asked.clear()
        self.arrived.clear()

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{tail:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port: from now on there is nobody."""
        runner, self._runner = self._runner, None
        self._released.set()
        if runner is not None:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Received(request.method, request.path_qs, headers, await request.read()))
        self.arrived.set()
        if self.held:
            await self._released.wait()
        if not self._replies:
            return web.Response(body=b"<html>nothing scripted</html>", status=404)
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        return web.Response(body=reply.raw, status=reply.status, headers=dict(reply.headers))


class StillClock:
    """A clock (``model.Clock``) that stands still: sleeping only adds to ``slept`` and moves the machine's time."""

    def __init__(self, now: datetime = NOW) -> None:
        self._now = now
        self._seconds = now.timestamp()
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The calendar instant, aware UTC."""
        return self._now

    def wall(self) -> float:
        """Seconds since the epoch."""
        return self._seconds

    def monotonic(self) -> float:
        """Seconds that only sleeping moves."""
        return self._seconds

    async def sleep(self, seconds: float) -> None:
        """Move the machine's time and return at once."""
        self.slept.append(seconds)
        self._seconds += seconds
        await asyncio.sleep(0)


class Drawer:
    """A drawer (``model.StatePort``) in memory; ``held`` is its content by key."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}

    def load(self, key: str) -> bytes | None:
        """The value last saved under ``key``, or None."""
        return self.held.get(key)

    def save(self, key: str, value: bytes) -> None:
        """Replace the value under ``key``."""
        self.held[key] = value

    def delete(self, key: str) -> None:
        """Forget ``key``; nothing happens when it is not there."""
        self.held.pop(key, None)
