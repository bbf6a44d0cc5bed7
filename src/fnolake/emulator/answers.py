"""Answers as values: a status, a body and, for faults, the way it goes wrong on the wire."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from fnolake.emulator.faults import Fault
from fnolake.emulator.limits import rejection_text

if TYPE_CHECKING:
    from fnolake.emulator.state import State

WHOLE, CUT, HANG = "whole", "cut", "hang"
NO_DATA = 'Error Occurred : 5 "no data"'
SERVER_TIMEOUT = "Server Timeout :   "
HTML_502 = (
    b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n"
    b"<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
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


def struck_answer(fault: Fault, state: State) -> Answer:
    """The answer of an answer fault; ``status`` in its script overrides the usual one."""
    name, status = fault.name, fault.options.get("status")
    if name == "rate_rejection":
        limit = state.config.limits[0][0] if state.config.limits else 20
        answer = Answer.refusal(rejection_text(limit + 1, 1.0, limit), status=state.config.rate_limited_status)
    elif name == "empty_body":
        answer = Answer(b"")
    elif name == "html_502":
        answer = Answer(HTML_502, status=502, content_type="text/html")
    elif name == "timeout_504":
        answer = Answer.refusal(SERVER_TIMEOUT, status=504)
    elif name == "hang":
        answer = Answer(b"", how=HANG, seconds=fault.options.get("seconds"))
    elif name == "cut_body":
        answer = Answer(b'[{"stat":"Ok","time":"20-11-2026 15:39:00","ssboe":"1795', how=CUT)
    elif name == "false_no_data":
        answer = Answer.no_data(state.request_time())
    else:
        answer = Answer.refusal("Invalid Input :  Invalid IP", status=400)
    return Answer(
        answer.body, answer.status if status is None else int(status), name, answer.content_type, answer.how,
        answer.seconds,
    )


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
