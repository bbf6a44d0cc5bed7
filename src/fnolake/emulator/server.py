"""
One port that speaks as both brokers, as the exchange, and to whoever drives the emulator.

>>> async with start(EmulatorConfig(underlyings=("RELIANCE",))) as emulator:  # doctest: +SKIP
...     emulator.url
'http://127.0.0.1:40123'
"""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from fnolake.emulator import broker_rest, broker_socket, control, firstock_rest, firstock_socket, oauth
from fnolake.emulator.answers import reset
from fnolake.emulator.config import DEFAULT_DAY, EmulatorConfig
from fnolake.emulator.exchange_files import Files
from fnolake.emulator.replay import Replay
from fnolake.emulator.state import State

if TYPE_CHECKING:
    from fnolake.emulator.world import World


@dataclass(frozen=True, slots=True)
class RunningEmulator:
    """A started emulator: its address and, for tests in the same process, its memory."""

    url: str
    state: State

    @property
    def addresses(self) -> dict[str, dict[str, str]]:
        """Where each broker answers: ``rest`` and ``socket``; Shoonya's are those of its OAuth generation."""
        socket = self.url.replace("http", "ws", 1)
        return {
            "shoonya": {"rest": f"{self.url}/{broker_rest.BASES[0]}", "socket": f"{socket}/{broker_socket.BASES[0]}"},
            "firstock": {
                "rest": f"{self.url}/{firstock_rest.BASE}", "socket": f"{socket}/{'/'.join(firstock_socket.PATH)}",
            },
        }

    @property
    def contracts(self) -> int:
        """How many listings it serves."""
        return len(self.state.world.listings)


@asynccontextmanager
async def start(config: EmulatorConfig | None = None, *, world: World | None = None) -> AsyncIterator[RunningEmulator]:
    """
    Serve until the block ends. Cancelling it closes every connection.

    Args:
        config: Settings; None = defaults.
        world: A market built already; None = built from the settings.

    Raises:
        OSError: The port is taken.
        ValueError: A fault, a recorded row or a master file is not readable.
    """
    config = config or EmulatorConfig()
    market = await asyncio.to_thread(build_world, config) if world is None else world
    state = State(config, market, Replay.of(config.rows))
    server = web.Server(_Dispatch(state), access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port)
        await site.start()
        state.url = f"http://{config.host}:{runner.addresses[0][1]}"
        yield RunningEmulator(state.url, state)
    finally:
        state.closing.set()
        await runner.cleanup()


def build_world(config: EmulatorConfig) -> World:
    """The market of the settings: generated, or over real masters."""
    from fnolake.emulator.events import Event
    from fnolake.emulator.world import World

    if not config.masters:
        day, chosen, events = config.day or DEFAULT_DAY, config.underlyings, [Event.of(one) for one in config.events]
        return World.build(day, underlyings=chosen, seed=config.seed, recycle=config.recycle_tokens, events=events)
    files = {_exchange_of(path): _text_of(path) for path in config.masters}
    day = config.day or next(filter(None, map(_date_of, config.masters)), DEFAULT_DAY)
    return World.from_masters(files, day, underlyings=config.underlyings, seed=config.seed)


def _text_of(path: Path) -> bytes:
    """A master's text; a zip's only member."""
    body = path.read_bytes()
    if not body.startswith(b"PK"):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return archive.read(archive.namelist()[0])


def _date_of(path: Path) -> date | None:
    """The date in a master's file name, such as NFO_20250106.txt.gz."""
    found = re.search(r"(20\d\d)(\d\d)(\d\d)", path.name)
    return date(*map(int, found.groups())) if found else None


def _exchange_of(path: Path) -> str:
    for part in path.name.replace(".", "_").split("_"):
        if part in {"NSE", "NFO", "BSE", "BFO", "CDS", "MCX", "NCX"}:
            return part
    raise ValueError(f"{path}: a master's name holds its exchange, for example NFO_symbols.txt.zip")


def _provider_of(head: str) -> str:
    """Whose a path is; empty for the exchange's and the emulator's own."""
    if head in {firstock_rest.BASE, *firstock_socket.PATH[:1]}:
        return "firstock"
    if head in {*broker_rest.BASES, *broker_socket.BASES, *oauth.AUTHORIZE[:1]} or head.endswith("_symbols.txt.zip"):
        return "shoonya"
    return ""


class _Dispatch:
    """Path → answer. One function instead of a router: paths may hold doubled slashes, and it is quick."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._files = Files(state)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        parts = tuple(part for part in request.path.split("/") if part)
        head = parts[0] if parts else ""
        provider = _provider_of(head)
        if provider and self._state.down[provider].is_set():
            return await reset(request)
        served = await self._broker(request, head, parts)
        return await self._public(request, head, parts) if served is None else served

    async def _broker(
        self, request: web.BaseRequest, head: str, parts: tuple[str, ...]
    ) -> web.StreamResponse | None:
        """What a broker answers; None if the path is no broker's."""
        state, route = self._state, "/".join(parts[1:])
        if head in broker_rest.BASES and request.method == "POST":
            return await broker_rest.handle(state, request, route)
        if head in broker_socket.BASES:
            return await broker_socket.handle(state, request)
        if head == firstock_rest.BASE and route:
            return await firstock_rest.handle(state, request, route)
        if parts == firstock_socket.PATH:
            return await firstock_socket.handle(state, request)
        return None

    async def _public(self, request: web.BaseRequest, head: str, parts: tuple[str, ...]) -> web.StreamResponse:
        """Control, the sign-in pages and public files."""
        state = self._state
        if head == "emulator" and len(parts) == 2:
            return await control.handle(state, request, parts[1])
        if parts == oauth.AUTHORIZE:
            return await oauth.authorize(state, request)
        if parts == oauth.LANDING:
            return oauth.landed()
        answer = await self._files.answer("/".join(parts), request.headers.get("User-Agent", ""))
        return web.Response(status=404, text="Not Found") if answer is None else await answer.send(request, state)
