"""Answers as values: a status, a body and, for faults, the way it goes wrong on the wire."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fnolake.emulator.faults import Fault

if TYPE_CHECKING:
    from fnolake.emulator.state import State

WHOLE, CUT, HANG = "whole", "cut", "hang"
NO_DATA = 'Error Occurred : 5 "no data"'
SERVER_TIMEOUT = "Server Timeout :   "
_HTML = (
    "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n"
    "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
)
HTML_403, HTML_502, HTML_504 = (
    _HTML.format(title).encode() for title in ("403 Forbidden", "502 Bad Gateway", "504 Gateway Time-out")
)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; ``outcome`` is what the log of requests says about it."""

    body: bytes
    status: int = 200
    outcome: str = "ok"
    content_type: str = "application/json"
    how: str = WHOLE
    seconds: float | None = None

    @classmethod
    def of(cls, value: Any, *, outcome: str = "ok", status: int = 200) -> Answer:  # noqa: ANN401 - any JSON value
        """A JSON answer."""
        return cls(json.dumps(value, separators=(",", ":")).encode(), status=status, outcome=outcome)

    @classmethod
    def refusal(cls, emsg: str, *, status: int = 200, request_time: str = "", outcome: str = "refused") -> Answer:
        """A ``Not_Ok`` object; the gateway's have no request time, the OMS's have."""
        when = {"request_time": request_time} if request_time else {}
        return cls.of({"stat": "Not_Ok", **when, "emsg": emsg}, status=status, outcome=outcome)

    @classmethod
    def no_data(cls, request_time: str) -> Answer:
        """What live says for unknown tokens, empty spans, and at times for no reason."""
        return cls.refusal(NO_DATA, request_time=request_time, outcome="no_data")

    async def send(self, request: web.BaseRequest, state: State) -> web.StreamResponse:
        """Put the answer on the wire."""
        if self.how == HANG:
            await _hang(state, self.seconds)
            return await _cut(request, b"")
        if self.how == CUT:
            return await _cut(request, self.body)
        return web.Response(body=self.body, status=self.status, content_type=self.content_type)


def struck_answer(fault: Fault, words: Mapping[str, Callable[[], Answer]] | None = None) -> Answer:
    """
    The answer of an answer fault; ``status`` in its script overrides the usual one.

    Args:
        fault: What struck.
        words: The provider's own answers by fault; what is the same on every wire need not be there.
    """
    status, said = fault.options.get("status"), {**_EVERYWHERE, **(words or {})}
    answer = said[fault.name]()
    return replace(
        answer, status=answer.status if status is None else int(status), outcome=fault.name,
        seconds=fault.options.get("seconds", answer.seconds),
    )


_EVERYWHERE: dict[str, Callable[[], Answer]] = {
    "empty_body": lambda: Answer(b""),
    "html_502": lambda: Answer(HTML_502, status=502, content_type="text/html"),
    "timeout_504": lambda: Answer(HTML_504, status=504, content_type="text/html"),
    "hang": lambda: Answer(b"", how=HANG),
    "cut_body": lambda: Answer(b'[{"stat":"Ok","time":"20-11-2026 15:39:00","ssboe":"1795', how=CUT),
    "forbidden": lambda: Answer(HTML_403, status=403, content_type="text/html"),
}


async def reset(request: web.BaseRequest) -> web.StreamResponse:
    """Drop the connection without an answer."""
    return await _cut(request, b"")


async def _hang(state: State, seconds: float | None) -> None:
    """Say nothing until the given real seconds have passed, or the emulator ends."""
    try:
        async with asyncio.timeout(seconds):
            await state.closing.wait()
    except TimeoutError:
        return


async def _cut(request: web.BaseRequest, body: bytes) -> web.StreamResponse:
    """Promise more bytes than are sent, then drop the connection; with no body, drop it at once."""
    response = web.StreamResponse(headers={"Content-Length": str(2 * len(body) + 100)})
    transport = request.transport
    if transport is None or transport.is_closing():
        return response
    if body:
        await response.prepare(request)
        await response.write(body)
        transport.close()
    else:
        transport.abort()
    return response
