"""The brokers' own Python clients, unmodified but for the address, work against the emulator."""

import asyncio
import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from fnolake.emulator.config import Demo
from fnolake.emulator.totp import one_time_password
from fnolake.model import IST

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
VENVS = HERE.parents[1] / ".venvs"
WITH = ("requests", "websocket-client", "pandas", "PyYAML")
DEMO = Demo()


def interpreter(client: str) -> Path:
    """The interpreter of a virtual environment that holds only that client; made once, kept in .venvs."""
    folder = VENVS / client.replace("==", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        done = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", client, *WITH], check=False, capture_output=True, text=True,
        )
        if done.returncode:
            pytest.skip(f"{client} cannot be installed here: {done.stderr.strip().splitlines()[-1:]}")
        ready.touch()
    return python


async def drive(python: Path, given: dict) -> dict:
    process = await asyncio.create_subprocess_exec(
        str(python), str(HERE / "clients" / "drive.py"), json.dumps(given),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()[-2000:]
    return json.loads(out.splitlines()[-1])


def span():
    first = datetime(2026, 11, 20, 9, 15, tzinfo=IST).timestamp()
    return {"st": first, "et": first + 9 * 60}


async def given_for(client, generation: str) -> dict:
    location = (await client.code())[1] if generation == "oauth" else ""
    return {
        "generation": generation, "url": client.url, "uid": DEMO.uid, "password": DEMO.password,
        "secret_code": DEMO.secret_code, "client_id": DEMO.client_id, "vendor_code": DEMO.vendor_code,
        "api_secret": DEMO.api_secret, "imei": DEMO.imei, "otp": one_time_password(DEMO.totp_secret),
        "code": location.partition("code=")[2].partition("&")[0], **span(),
    }


@pytest.mark.parametrize(("client_name", "generation"), [
    ("NorenRestApiOAuth==0.0.41", "oauth"), ("NorenRestApi==0.0.32", "legacy"),
])
async def test_the_official_client_works_unmodified(serve, client_name, generation):
    python = await asyncio.to_thread(interpreter, client_name)
    client = await serve(rate=0, time=datetime(2026, 11, 20, 11, 5).time())
    given = await given_for(client, generation) | {
        "contract": ["NFO", "52509", "M&M24NOV26F"], "spot": ["NSE", "26000", "Nifty 50"], "strike": 3080,
    }
    found = await drive(python, given)
    assert found["signed_in"]
    assert len(found["series"]) == 10
    assert found["series"][0]["time"] == "20-11-2026 09:24:00"
    assert [row["time"][11:] for row in found["five"]] == ["09:20:00", "09:15:00"]
    assert found["no_data"] is None
    assert found["search"]["values"][0]["tsym"] == "M&M24NOV26F"
    assert found["search_nothing"] is None
    assert (found["quote"]["stat"], found["info"]["tsym"]) == ("Ok", "M&M24NOV26F")
    assert len(found["chain"]["values"]) == 8
    assert found["daily"]
    socket = found["socket"]
    assert (socket["opened"], socket["acked"], socket["moved"], socket["errors"]) == (True, True, True, [])
    assert (socket["first"][0]["t"], socket["next"][0]["t"]) == ("tk", "tf")
    assert found["logged_out"]["stat"] == "Ok"
    assert (await client.control("GET", "asked"))["rejections"] == 0
