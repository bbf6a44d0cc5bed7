"""
The one door for outgoing HTTP: time-outs, size limits, verified TLS, one error tree.

Foreign exceptions stop here. Nothing is logged and nothing is retried: ``account`` does that. Invariant: an answer is
whole or it is an exception.
"""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from fnolake.errors import ConfigError, PayloadError, ProviderFault, Unreachable

MASTER_LIMIT = 64 << 20
"""Most bytes a downloaded file may have, packed or unpacked."""
ANSWER_LIMIT = 16 << 20
"""Most bytes one API answer may have: 60 sessions of minutes are 5 MB."""
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for connecting, for silence between two reads, and for the whole request."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 90.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float


class Http:
    """
    A pool of connections, open while the ``async with`` lasts.

    Args:
        timeouts: For every request.
        connections: Most connections to one host.
    """

    def __init__(self, timeouts: Timeouts | None = None, *, connections: int = 32) -> None:
        self._timeouts = timeouts or Timeouts()
        self._connections = connections
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        limits = self._timeouts
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self._connections),
            timeout=aiohttp.ClientTimeout(total=limits.total_s, sock_connect=limits.connect_s, sock_read=limits.read_s),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(self, url: str, body: bytes | str, headers: Mapping[str, str] | None = None, *, limit_bytes: int = ANSWER_LIMIT) -> HttpAnswer:
        """
        POST and read the whole answer, whatever its status.

        Raises:
            Unreachable: Time-out, DNS, reset, or a body that ended early.
            ProviderFault: The answer is larger than ``limit_bytes``.
            ConfigError: Plain http to a host that is not this machine.

        Cancel:
            Safe; the connection is dropped.
        """
        return await self._ask("POST", url, body.encode() if isinstance(body, str) else body, headers, limit_bytes)

    async def get(self, url: str, headers: Mapping[str, str] | None = None, *, limit_bytes: int = ANSWER_LIMIT) -> HttpAnswer:
        """GET; errors and cancellation as for :meth:`post`."""
        return await self._ask("GET", url, None, headers, limit_bytes)

    async def _ask(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None, limit: int) -> HttpAnswer:
        assert self._session is not None, "use `async with Http()`"
        where = _where(url)
        started = time.monotonic()
        try:
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=method == "GET") as answer:
                held = await _read(answer, limit, where)
                known = {name.lower(): value for name, value in answer.headers.items()}
                return HttpAnswer(answer.status, known, held, time.monotonic() - started)
        except TimeoutError as error:
            raise Unreachable(f"{where}: no answer within {self._timeouts.read_s:g} s; it is tried again", request=where) from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{where}: {_reason(error)}", request=where) from error
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or type(error).__name__}", request=where) from error


async def _read(answer: aiohttp.ClientResponse, limit: int, where: str) -> bytes:
    """The whole body, or a fault once it passes ``limit``."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_any():
        size += len(part)
        if size > limit:
            raise ProviderFault(f"{where}: the answer is larger than {limit / 1e6:.0f} MB; it was dropped", request=where)
        parts.append(part)
    return b"".join(parts)


def _where(url: str) -> str:
    """Host and path for messages: never the query, which may hold a code."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        raise ConfigError(f"{parts.scheme}://{parts.hostname}: only https is allowed outside this machine; correct the address in lake.toml")
    return f"{parts.hostname}{parts.path}"


def _reason(error: aiohttp.ClientError) -> str:
    """The class of failure in words; aiohttp's own text may hold a whole address with its query."""
    words = {
        aiohttp.ClientConnectorCertificateError: "its certificate is not valid",
        aiohttp.ClientConnectorDNSError: "its name cannot be resolved; is this machine online?",
        aiohttp.ClientConnectorError: "no connection; is this machine online?",
        aiohttp.ServerDisconnectedError: "it hung up",
        aiohttp.ClientPayloadError: "the answer was cut",
    }
    for kind, text in words.items():
        if isinstance(error, kind):
            return text
    return type(error).__name__


def safe_unzip(body: bytes, limit_bytes: int = MASTER_LIMIT) -> bytes:
    """
    The first file of a zip archive.

    Raises:
        PayloadError: Not a zip, empty, damaged, or larger than ``limit_bytes`` when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [info for info in archive.infolist() if not info.is_dir()]
            if not names:
                raise PayloadError("the archive holds no file", payload=body)
            with archive.open(names[0]) as member:
                content = member.read(limit_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise PayloadError("the download is not a zip archive, or a damaged one", payload=body) from error
    if len(content) > limit_bytes:
        raise PayloadError(f"the archive unpacks to more than {limit_bytes / 1e6:.0f} MB; it was dropped", payload=body)
    return content
