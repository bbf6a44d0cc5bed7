"""
The one door for outgoing HTTP: time-outs, size limits, verified TLS, one error tree.

Foreign exceptions stop here. Nothing is logged and nothing is retried: ``account`` does that. Invariant: an answer is
whole or it is an exception.
"""

from __future__ import annotations

import asyncio
import io
import ipaddress
import time
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import aiohttp

from fnolake.errors import ConfigError, PayloadError, Unreachable

MASTER_LIMIT = 64 << 20
"""Most bytes a downloaded file may have, packed or unpacked."""
ANSWER_LIMIT = 16 << 20
"""Most bytes one API answer may have: 60 sessions of minutes are 5 MB."""
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MOST_REDIRECTS = 3
_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for connecting, for silence between two reads, and for the whole request (body and redirects)."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 90.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
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

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def post(
        self, url: str, body: bytes | str, headers: Mapping[str, str] | None = None, *, limit_bytes: int = ANSWER_LIMIT
    ) -> HttpAnswer:
        """
        POST the bytes as they are and read the whole answer, whatever its status; a redirect is an answer too.

        Raises:
            Unreachable: Time-out, DNS, TLS, reset, or a body that ended early.
            PayloadError: The answer is larger than ``limit_bytes``; its beginning is attached.
            ConfigError: Plain http to a host that is not this machine, or a header that cannot be sent.

        Cancel:
            Safe; the connection is dropped.
        """
        data = body.encode() if isinstance(body, str) else body
        return await self._ask("POST", url, data, headers or {}, limit_bytes)

    async def get(
        self, url: str, headers: Mapping[str, str] | None = None, *, limit_bytes: int = ANSWER_LIMIT
    ) -> HttpAnswer:
        """
        GET, following three redirects at most, each under the same rules and without taking credentials to another
        host; errors and cancellation as for :meth:`post`.
        """
        sent, started, first = dict(headers or {}), time.monotonic(), urlsplit(url).netloc
        try:
            async with asyncio.timeout(self._timeouts.total_s):
                for _ in range(_MOST_REDIRECTS + 1):
                    answer = await self._ask("GET", url, None, sent, limit_bytes)
                    target = answer.headers.get("location", "")
                    if answer.status not in _REDIRECTS or not target:
                        return HttpAnswer(answer.status, answer.headers, answer.body, time.monotonic() - started)
                    url = urljoin(url, target)
                    if urlsplit(url).netloc != first:
                        sent = {k: v for k, v in sent.items() if k.lower() not in {"authorization", "cookie"}}
        except TimeoutError as error:
            raise Unreachable(f"{_where(url)}: no answer in time; it is tried again", request=_where(url)) from error
        raise Unreachable(f"{_where(url)}: redirected too often", request=_where(url))

    async def socket(self, url: str, *, ping_s: float) -> aiohttp.ClientWebSocketResponse:
        """
        Open a WebSocket, pinged every ``ping_s`` seconds; one that does not answer a ping is closed.

        Raises:
            Unreachable: It cannot be opened.
            ConfigError: Plain ws to a host that is not this machine.

        Cancel:
            Safe; the connection is dropped.
        """
        assert self._session is not None, "use `async with Http()`"
        where, limits = _where(url), self._timeouts
        try:
            async with asyncio.timeout(limits.connect_s + limits.read_s):
                return await self._session.ws_connect(url, heartbeat=ping_s, timeout=aiohttp.ClientWSTimeout(ws_close=2.0))
        except TimeoutError as error:
            raise Unreachable(f"{where}: no answer in time; it is tried again", request=where) from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{where}: {_reason(error)}", request=where) from error
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or type(error).__name__}", request=where) from error

    async def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], limit: int
    ) -> HttpAnswer:
        assert self._session is not None, "use `async with Http()`"
        where = _where(url)
        _check_headers(headers)
        started = time.monotonic()
        try:
            async with self._session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
                held = await _read(answer, limit, where)
                known = {name.lower(): value for name, value in answer.headers.items()}
                return HttpAnswer(answer.status, known, held, time.monotonic() - started)
        except TimeoutError as error:
            raise Unreachable(f"{where}: no answer in time; it is tried again", request=where) from error
        except aiohttp.ClientError as error:
            raise Unreachable(f"{where}: {_reason(error)}", request=where) from error
        except OSError as error:
            raise Unreachable(f"{where}: {error.strerror or type(error).__name__}", request=where) from error


async def _read(answer: aiohttp.ClientResponse, limit: int, where: str) -> bytes:
    """The whole body, or an error once it passes ``limit``."""
    parts: list[bytes] = []
    size = 0
    async for part in answer.content.iter_chunked(_CHUNK):
        parts.append(part)
        size += len(part)
        if size > limit:
            answer.close()
            raise PayloadError(
                f"{where}: the answer is larger than {limit / 1e6:g} MB; it was dropped", request=where, payload=parts[0]
            )
    return b"".join(parts)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _where(url: str) -> str:
    """Host and path for messages: never the query, which may hold a code."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise ConfigError("an address in the settings is not a URL; correct it in lake.toml") from error
    if not host or port == 0 or not (parts.scheme in {"https", "wss"} or (parts.scheme in {"http", "ws"} and is_loopback(host))):
        raise ConfigError(
            f"{parts.scheme}://{host}: only https is allowed outside this machine; correct the address in lake.toml"
        )
    return f"{host}{parts.path}"


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if any(ord(letter) < 32 or ord(letter) == 127 for letter in name + value):
            raise ConfigError(f"the header {name!r} would hold a line break; correct the token or setting it is made of")


def _reason(error: aiohttp.ClientError) -> str:
    """The class of failure in words; aiohttp's own text may hold a whole address with its query."""
    words = {
        aiohttp.ClientConnectorCertificateError: "its certificate is not valid",
        aiohttp.ClientConnectorSSLError: "no secure connection could be made",
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
    The first file of a zip archive, at most ``limit_bytes`` of it whatever the archive claims.

    Raises:
        PayloadError: Not a zip, empty, damaged, encrypted, or larger than ``limit_bytes`` when unpacked.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [info for info in archive.infolist() if not info.is_dir()]
            if not names:
                raise PayloadError("the archive holds no file", payload=body)
            with archive.open(names[0]) as member:
                content = member.read(limit_bytes + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise PayloadError("the download is not a zip archive, or a damaged one", payload=body) from error
    if len(content) > limit_bytes:
        raise PayloadError(f"the archive unpacks to more than {limit_bytes / 1e6:g} MB; it was dropped", payload=body)
    return content
