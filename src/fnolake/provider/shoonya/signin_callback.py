"""
The page that a browser comes back to: a listener on this machine only, for one code.

It never sends a code anywhere; the client trades it for a token. Invariant: it listens on loopback only, takes one
code whose state is the one sent along, and is closed when the ``async with`` ends.
"""

from __future__ import annotations

import asyncio
import secrets
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from aiohttp import web

from fnolake.errors import ConfigError, LoginRefused
from fnolake.provider.shoonya.signin import code_from, same

_PAGE = "<!doctype html><meta charset=utf-8><title>fnolake</title><body style='font:16px sans-serif'><p>{}</p>"
_DONE = "Signed in. This window can be closed; go on in the terminal."
_OTHER = "This page does not belong to the sign-in under way. Paste its whole address into the terminal instead."
_LOOPBACK = {"127.0.0.1", "localhost"}


class CallbackListener:
    """
    Wait for the browser at the redirect address that is registered with the broker.

    Args:
        redirect_url: As registered, for example ``http://127.0.0.1:8765/callback``; port 0 takes a free one.
        state: What the authorize address carries; a fresh one by default.

    Raises:
        ConfigError: On entering: the address is not on this machine, or its port is taken.
    """

    def __init__(self, redirect_url: str = "http://127.0.0.1:8765/callback", *, state: str = "") -> None:
        parts = urlsplit(redirect_url)
        if parts.scheme != "http" or parts.hostname not in _LOOPBACK:
            raise ConfigError(f"{parts.scheme}://{parts.hostname}: the sign-in can only come back to "
                              "http://127.0.0.1:PORT/...; register that, or paste the redirected address")
        self.state = state or secrets.token_urlsafe(24)
        self.url = ""
        self._path = parts.path or "/"
        self._port = 80 if parts.port is None else parts.port
        self._runner: web.AppRunner | None = None
        self._code: asyncio.Future[str] | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(self._path, self._arrive)
        self._code = asyncio.get_running_loop().create_future()
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port)
        try:
            await site.start()
        except OSError as exc:
            await self._runner.cleanup()
            raise ConfigError(f"port {self._port} here is taken; paste the redirected address instead") from exc
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}{self._path}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._code is not None and not self._code.done():
            self._code.cancel()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def code(self) -> str:
        """
        The code of the first visit that carries our state.

        Raises:
            LoginRefused: The broker sent the browser back with an error.

        Cancel:
            Safe; leave the ``async with`` afterwards.
        """
        assert self._code is not None, "use `async with CallbackListener()`"
        return await asyncio.shield(self._code)

    async def _arrive(self, request: web.Request) -> web.Response:
        code = self._code
        if code is None or code.done() or not same(request.query.get("state", ""), self.state):
            return _page(_OTHER, 400)
        try:
            code.set_result(code_from(f"?{request.query_string}", self.state))
        except LoginRefused as exc:
            code.set_exception(exc)
            return _page("Shoonya refused the sign-in. See the terminal.", 400)
        return _page(_DONE, 200)


def _page(text: str, status: int) -> web.Response:
    headers = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
    return web.Response(text=_PAGE.format(text), status=status, content_type="text/html", headers=headers)
