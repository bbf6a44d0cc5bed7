"""The emulator as a program: one JSON line when ready, a clean end, and the demo user's browser."""

import asyncio
import json
import signal
import sys
from pathlib import Path

import pytest
from aiohttp import web

from fnolake.emulator.__main__ import config_of, main
from fnolake.emulator.browser import BrowserError, sign_in
from fnolake.emulator.config import DEMO_UNDERLYINGS, Demo


async def run(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "fnolake.emulator", *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )


def resident_mb(pid: int) -> float:
    """Memory of a process that runs on Linux."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status["VmRSS"].split()[0]) / 1024


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_it_is_ready_in_one_line_and_ends_cleanly(number):
    process = await run("--underlyings", "RELIANCE,NIFTY", "--limits", "off")
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 30))
    assert ready["url"].startswith("http://127.0.0.1:")
    assert ready["pid"] == process.pid
    assert ready["contracts"] > 100
    assert ready["firstock"] == {
        "rest": f"{ready['url']}/V1", "socket": f"{ready['url'].replace('http', 'ws')}/V2/ws"}
    assert ready["shoonya"]["rest"] == f"{ready['url']}/NorenWClientAPI"
    assert ready["users"][:2] == ["FN0001", "FN0002"]
    assert ready["now"].startswith("2026-11-20T18:30")
    process.send_signal(number)
    out, err = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, out, err) == (0, b"", b"")


@pytest.mark.slow
async def test_the_whole_market_is_there_from_the_start_within_its_memory():
    process = await run()
    ready = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    memory = resident_mb(process.pid)
    process.terminate()
    await process.communicate()
    assert ready["contracts"] > 30_000
    assert memory < 500


async def test_the_browser_signs_in_and_follows_the_way_back(serve):
    client = await serve()
    landed = []

    async def callback(request):
        landed.append(dict(request.query))
        return web.Response(text="thanks")

    runner = web.ServerRunner(web.Server(callback))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    back = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    url = f"{client.url}/OAuthlogin/authorize/oauth?client_id=FN0001_U&redirect_uri={back}&state=abc"
    browser = await run("browser", url)
    out, err = await asyncio.wait_for(browser.communicate(), 30)
    await runner.cleanup()
    assert (browser.returncode, out, err) == (0, b"", b"")
    assert landed[0]["state"] == "abc"
    assert (await client.gen_acs_tok(landed[0]["code"]))[1]["stat"] == "Ok"


async def test_without_a_way_back_the_browser_lands_on_a_page_with_the_code_in_its_address(serve):
    client = await serve(redirect_uri="")
    landed = await sign_in(f"{client.url}/OAuthlogin/authorize/oauth?client_id=FN0001_U")
    assert landed.startswith(f"{client.url}/OAuthlogin/landed?code=")


async def test_the_browser_says_why_it_was_not_let_in(serve):
    client = await serve()
    url = f"{client.url}/OAuthlogin/authorize/oauth"
    with pytest.raises(BrowserError, match="no sign-in form"):
        await sign_in(f"{client.url}/api/holiday-master")
    with pytest.raises(BrowserError, match="Wrong"):
        await sign_in(f"{url}?client_id=FN0001_U", Demo(password="guess"))


def test_arguments_become_settings(tmp_path):
    faults = tmp_path / "faults.json"
    faults.write_text('{"fault": "hang"}')
    config = config_of([
        "--date", "2026-11-19", "--time", "11:05", "--limits", "half", "--faults", str(faults), "--demo",
        "--socket-cap", "7", "--seed", "3",
    ])
    assert (str(config.day), config.time.hour, config.seed, config.socket_cap) == ("2026-11-19", 11, 3, 7)
    assert config.limits == ((10, 1.0), (100, 60.0))
    assert config.faults == ({"fault": "hang"},)
    assert config.underlyings == DEMO_UNDERLYINGS
    assert config_of(["--underlyings", "tcs, m&m"]).underlyings == ("TCS", "M&M")


@pytest.mark.parametrize("arguments", [
    ["--limits", "lots"], ["--faults", "/nowhere.json"], ["browser"], ["--firstock", "empty=nothing"]])
def test_what_cannot_be_used_is_said_with_exit_code_2(arguments, capsys):
    assert main(arguments) == 2
    assert capsys.readouterr().err


def test_more_users_can_be_let_in():
    assert config_of([]).demo == Demo()
    demo = config_of(["--users", "31"]).demo
    assert (len(demo.users), demo.users[-1], demo.user_of("FN0031_U")) == (31, "FN0031", "FN0031")
    assert config_of(["--users", "1"]).demo.users == ("FN0001",)
    with pytest.raises(ValueError, match="1 to 9999 users"):
        config_of(["--users", "0"])
