"""The door: every call ends in a bounded answer or an error of the tree."""

import asyncio
import io
import shutil
import ssl
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fnolake.errors import ConfigError, PayloadError, Unreachable
from fnolake.provider.http import Http, Timeouts, is_loopback, safe_unzip

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture
async def serve() -> AsyncIterator[Callable[[Handler], Awaitable[str]]]:
    servers: list[TestServer] = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", handler)
        servers.append(TestServer(app))
        await servers[-1].start_server()
        return str(servers[-1].make_url("/"))

    yield start
    for server in servers:
        await server.close()


async def test_a_post_sends_its_bytes_as_they_are_and_any_status_is_an_answer(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=404, body=await request.read(), headers={"X-Path": request.raw_path})

    url = await serve(handler)
    async with Http() as http:
        answer = await http.post(url + "/TPSeries", b'jData={"a":"M\\u0026M"}', {"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (404, b'jData={"a":"M\\u0026M"}')
    assert answer.headers["x-path"] == "//TPSeries"
    assert answer.elapsed_s >= 0


async def test_an_answer_that_is_too_large_is_not_read_to_its_end(serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * 5_000_000)

    async with Http() as http:
        with pytest.raises(PayloadError) as caught:
            await http.get(await serve(handler), limit_bytes=100_000)
    assert caught.value.payload == b"x" * 2000


async def test_a_compressed_bomb_meets_the_same_limit(serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        response = web.Response(body=b"\0" * 50_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with Http() as http:
        with pytest.raises(PayloadError):
            await http.post(await serve(handler), b"", limit_bytes=100_000)


async def test_silence_is_unreachable(serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async with Http(Timeouts(read_s=0.02)) as http:
        with pytest.raises(Unreachable, match="no answer in time"):
            await http.post(await serve(handler), b"")


async def test_a_body_that_ends_early_is_unreachable_and_not_a_short_answer(serve) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"[1,")
        request.transport.close()
        return response

    async with Http() as http:
        with pytest.raises(Unreachable, match="was cut"):
            await http.get(await serve(handler))


async def test_nobody_listening_is_unreachable_and_says_nothing_of_the_query(unused_tcp_port: int) -> None:
    async with Http() as http:
        with pytest.raises(Unreachable) as caught:
            await http.get(f"http://127.0.0.1:{unused_tcp_port}/a?code=secret")
    assert "secret" not in str(caught.value) + caught.value.request
    assert caught.value.is_transient


@pytest.fixture
def unused_tcp_port() -> int:
    from aiohttp.test_utils import unused_port

    return unused_port()


@pytest.mark.parametrize("url", ["http://example.com/", "http://10.0.0.1/", "ftp://127.0.0.1/", "file:///etc", "x", ""])
async def test_plain_http_leaves_this_machine_never(url: str) -> None:
    async with Http() as http:
        with pytest.raises(ConfigError):
            await http.get(url)


async def test_a_token_with_a_line_break_is_a_settings_mistake_and_is_not_shown() -> None:
    async with Http() as http:
        with pytest.raises(ConfigError) as caught:
            await http.post("http://127.0.0.1:1/", b"", {"Authorization": "Bearer secret\r\nX: y"})
    assert "secret" not in str(caught.value)


async def test_a_post_is_never_redirected_and_a_get_takes_no_credentials_elsewhere(serve) -> None:
    async def other(request: web.Request) -> web.Response:
        return web.json_response(dict(request.headers))

    elsewhere = await serve(other)

    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPFound(elsewhere)

    url = await serve(handler)
    async with Http() as http:
        assert (await http.post(url, b"")).status == 302
        answer = await http.get(url, {"authorization": "Bearer secret", "User-Agent": "here"})
    assert b"secret" not in answer.body
    assert b"here" in answer.body


async def test_a_circle_of_redirects_ends(serve) -> None:
    async def handler(request: web.Request) -> web.Response:
        raise web.HTTPFound(request.url)

    async with Http() as http:
        with pytest.raises(Unreachable, match="too often"):
            await http.get(await serve(handler))


async def test_a_redirect_to_plain_http_elsewhere_is_refused(serve) -> None:
    async def handler(_: web.Request) -> web.Response:
        raise web.HTTPFound("http://example.com/")

    async with Http() as http:
        with pytest.raises(ConfigError):
            await http.get(await serve(handler))


async def test_cancelling_a_call_passes_and_the_door_still_works(serve) -> None:
    hanging = asyncio.Event()

    async def handler(request: web.Request) -> web.Response:
        if request.path == "/hang":
            hanging.set()
            await asyncio.Event().wait()
        return web.Response(body=b"ok")

    url = await serve(handler)
    async with Http() as http:
        task = asyncio.ensure_future(http.get(url + "hang"))
        await hanging.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert (await http.get(url)).body == b"ok"


def test_loopback_is_this_machine_alone() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1"))
    assert not any(is_loopback(host) for host in ("localhost.evil.com", "127.0.0.1.nip.io", "10.0.0.1", ""))


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in members.items():
            archive.writestr(name, body)
    return out.getvalue()


def test_the_first_file_of_a_zip_is_unpacked() -> None:
    assert safe_unzip(zipped(a=b"first", b=b"second"), 100) == b"first"


@pytest.mark.parametrize("body", [b"", b"<html>not here</html>", b"PK\x03\x04cut", zipped(), zipped(a=b"x" * 999)[:-30]], ids=["nothing", "a page", "cut", "empty", "damaged"])
def test_what_is_no_zip_is_a_payload_error(body: bytes) -> None:
    with pytest.raises(PayloadError):
        safe_unzip(body, 10_000)


def test_a_zip_bomb_stops_at_the_limit_and_a_damaged_member_is_seen() -> None:
    bomb = zipped(a=b"\0" * 20_000_000)
    with pytest.raises(PayloadError, match="more than"):
        safe_unzip(bomb, 1_000_000)
    good = bytearray(zipped(a=bytes(range(256)) * 8))
    good[60] ^= 0xFF
    with pytest.raises(PayloadError):
        safe_unzip(bytes(good), 1_000_000)


async def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed, so no certificate can be made")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made = await asyncio.create_subprocess_exec(
        openssl, *words, "-keyout", str(key), "-out", str(certificate), stderr=asyncio.subprocess.DEVNULL,
    )
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = TestServer(web.Application(), scheme="https")
    await server.start_server(ssl=context)
    async with Http() as http:
        with pytest.raises(Unreachable, match="certificate"):
            await http.get(str(server.make_url("/")))
    await server.close()
