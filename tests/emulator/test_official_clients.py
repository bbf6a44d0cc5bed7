"""The brokers' own Python clients, unmodified but for the address, see the emulated market as it is."""

import asyncio
import hashlib
import json
import shutil
import subprocess
import sys
from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pytest

from fnolake.emulator.config import Demo, EmulatorConfig
from fnolake.emulator.server import build_world
from fnolake.emulator.totp import one_time_password
from fnolake.model import IST

pytestmark = pytest.mark.slow

HERE = Path(__file__).resolve().parent
VENVS = HERE.parents[1] / ".venvs"
PINNED = HERE / "clients" / "requirements.txt"
DEMO = Demo()
DAY = date(2026, 11, 20)
OPEN, NOW = (datetime.combine(DAY, clock, IST).timestamp() for clock in (time(9, 15), time(11)))


def interpreter(client: str) -> Path:
    """The interpreter of a virtual environment with that client and what it imports; made once, kept in .venvs."""
    folder = VENVS / client.replace("==", "-")
    python, ready = folder / "bin" / "python", folder / "ready"
    wanted = hashlib.sha256(client.encode() + sys.version.encode() + PINNED.read_bytes()).hexdigest()
    if python.exists() and ready.exists() and ready.read_text() == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps", client, "-r", str(PINNED)]
    done = subprocess.run(install, check=False, capture_output=True, text=True)
    assert done.returncode == 0, f"{client} cannot be installed from this machine's package index:\n{done.stderr}"
    ready.write_text(wanted)
    return python


async def drive(python: Path, given: dict, script: str = "drive.py", folder: Path = HERE) -> dict:
    process = await asyncio.create_subprocess_exec(
        str(python), str(HERE / "clients" / script), json.dumps(given), cwd=folder,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, err.decode()[-2000:]
    return json.loads(out.splitlines()[-1])


async def credentials(client, generation: str) -> dict:
    location = (await client.code())[1] if generation == "oauth" else ""
    return {
        "generation": generation, "url": client.url, "uid": DEMO.uid, "password": DEMO.password,
        "secret_code": DEMO.secret_code, "client_id": DEMO.client_id, "vendor_code": DEMO.vendor_code,
        "api_secret": DEMO.api_secret, "imei": DEMO.imei, "otp": one_time_password(DEMO.totp_secret),
        "code": location.partition("code=")[2].partition("&")[0],
    }


@pytest.fixture(scope="module")
def market():
    """The generated market, as ``python -m fnolake.emulator --underlyings`` has it."""
    return build_world(EmulatorConfig(day=DAY, underlyings=("M&M", "NIFTY")))


@pytest.fixture(scope="module")
def future(market):
    return min((o for o in market.listings if o.underlying == "M&M" and o.kind == "future"), key=lambda o: o.expiry)


@pytest.fixture(params=[("NorenRestApiOAuth==0.0.41", "oauth"), ("NorenRestApi==0.0.32", "legacy")], ids=["oauth", "legacy"])
async def found(request, serve, market, future):
    """Everything that one client was told at 11:00 of a session, and what it then heard of the next minute."""
    name, generation = request.param
    python = await asyncio.to_thread(interpreter, name)
    client = await serve(world=market, rate=0, time=time(11))
    spot = market.find("NSE", 26000)
    given = await credentials(client, generation) | {
        "contract": ["NFO", str(future.token), future.symbol], "spot": ["NSE", "26000", spot.master_fields[3]],
        "strike": 3680, "st": OPEN, "et": NOW,
    }
    told = await drive(python, given)
    return told | {"asked": await client.control("GET", "asked")}


def rupees(paise) -> str:
    return f"{int(paise) / 100:.2f}"


async def test_an_official_client_works_unmodified_and_sees_the_generated_market(found, market, future):
    assert found["refused"] is None
    assert found["signed_in"]
    assert_series(found, market.minutes(future, DAY))
    assert found["no_data"] is None
    assert_facts(found, market, future)
    assert_ticks(found["socket"], market, future)
    assert found["logged_out"]["stat"] == "Ok"
    assert found["asked"]["rejections"] == 0


def assert_series(found, minutes):
    """One row a finished minute, newest first, with the prices, volumes and open interest of the market."""
    till_now = (minutes.epoch_s >= OPEN) & (minutes.epoch_s < NOW)
    assert till_now.sum() == 105
    columns = (minutes.open, minutes.high, minutes.low, minutes.close, minutes.volume, minutes.cumulative, minutes.oi)
    true = [tuple(map(int, row)) for row in np.stack(columns, axis=1)[till_now][::-1]]
    assert [
        (*(round(float(row[name]) * 100) for name in ("into", "inth", "intl", "intc")), int(row["intv"]), int(row["v"]), int(row["oi"]))
        for row in found["series"]
    ] == true
    assert (found["series"][0]["time"], found["series"][-1]["time"]) == ("20-11-2026 10:59:00", "20-11-2026 09:15:00")
    assert len(found["five"]) == 21
    assert sum(int(row["intv"]) for row in found["five"]) == sum(row[4] for row in true)


def assert_facts(found, market, future):
    quote = market.quote(future, datetime.fromtimestamp(NOW, IST))
    assert (found["quote"]["stat"], found["quote"]["lp"], found["quote"]["v"]) == ("Ok", rupees(quote.lp), str(quote.v))
    assert [(one["tsym"], one["token"]) for one in found["search"]["values"]] == [(future.symbol, str(future.token))]
    assert found["search_nothing"] is None
    assert found["info"]["tsym"] == future.symbol
    chain = {one["tsym"] for one in found["chain"]["values"]}
    options = {o.symbol for o in market.listings if o.kind == "option" and o.expiry == future.expiry}
    assert len(chain) == 8
    assert chain <= options
    assert len(found["daily"]) > 35


def assert_ticks(socket, market, future):
    """An acknowledgement for each contract, then four prints each that end where the market then stands."""
    assert (socket["opened"], socket["acked"], socket["moved"], socket["errors"]) == (True, True, True, [])
    for listing in (future, market.find("NSE", 26000)):
        frames = [tick for tick in socket["ticks"] if (tick["e"], tick["tk"]) == (listing.exchange, str(listing.token))]
        assert [tick["t"] for tick in frames] == ["tk", "tf", "tf", "tf", "tf"]
        minutes = market.minutes(listing, DAY)
        at = int(np.searchsorted(minutes.epoch_s, NOW))
        assert minutes.epoch_s[at + 1] == NOW + 60
        assert frames[0]["lp"] == rupees(minutes.open[at])
        standing = {key: value for tick in frames for key, value in tick.items()}
        assert standing["lp"] == rupees(minutes.open[at + 1])
        if listing is future:
            assert standing["v"] == str(minutes.cumulative[at] + minutes.volume[at + 1] // 4)


@pytest.fixture
async def told(serve_firstock, market, future, tmp_path):
    """Everything that Firstock's SDK was told at 11:00 of a session, and what it then heard of the next minute."""
    python = await asyncio.to_thread(interpreter, "firstock==1.2.11")
    client = await serve_firstock(world=market, time=time(11))
    given = {
        "url": client.url, "uid": DEMO.uid, "password": DEMO.password, "otp": one_time_password(DEMO.totp_secret),
        "vendor_code": "FN0001_API", "api_key": DEMO.api_key, "contract": ["NFO", future.symbol, f"NFO:{future.token}"],
        "spot": ["NSE", "NIFTY", "NSE:26000"], "start": "09:15:00 20-11-2026", "end": "15:29:00 20-11-2026",
        "chain": {"symbol": "NIFTY", "expiry": "23NOV26", "count": "2", "strikePrice": "26000"},
    }
    return await drive(python, given, "drive_firstock.py", tmp_path)


async def test_firstocks_sdk_sees_the_same_market(told, market, future):
    assert told["refused"]["status"] == "failed"
    assert told["signed_in"]["message"] == "Login successful"
    assert told["details"]["data"]["actid"] == DEMO.uid
    assert_bars(told, market.minutes(future, DAY))
    assert told["no_interval"]["error"] == {"field": "interval", "message": "interval cannot be empty"}
    assert told["no_symbol"]["name"] == "BAD_REQUEST"
    assert_told(told, market, future)
    assert_frames(told["socket"], market, future)
    assert told["logged_out"]["message"] == "Successfully logged out"
    assert told["after"]["name"] == "INVALID_JKEY"


def assert_bars(told, minutes):
    """The finished minutes, ascending, with the prices, volumes and open interest of the market."""
    till_now = (minutes.epoch_s >= OPEN) & (minutes.epoch_s < NOW)
    columns = (minutes.epoch_s, minutes.open, minutes.high, minutes.low, minutes.close, minutes.volume, minutes.oi)
    assert [
        (row["epochTime"], *(round(row[name] * 100) for name in ("open", "high", "low", "close")), row["volume"], row["oi"])
        for row in told["series"]["data"]
    ] == [tuple(map(int, row)) for row in np.stack(columns, axis=1)[till_now]]
    assert len(told["series"]["data"]) == 105
    assert len(told["five"]["data"]) == 21


def assert_told(told, market, future):
    quote = market.quote(future, datetime.fromtimestamp(NOW, IST))
    assert told["quote"]["data"]["lastTradedPrice"] == rupees(quote.lp)
    assert [one["identifier"] for one in told["quotes"]["data"]] == [f"NFO:{future.symbol}", "NSE:NIFTY"]
    assert told["info"]["data"]["token"] == str(future.token)
    assert [one["token"] for one in told["search"]["data"]] == [str(future.token)]
    assert {"NIFTY", "INDIAVIX"} <= {one["tradingSymbol"] for one in told["indices"]["data"]}
    assert told["expiries"]["data"]["expiryDates"][0] == "23NOV2026"
    assert len(told["chain"]["data"]) == 8


def assert_frames(socket, market, future):
    """One frame with both snapshots, then four with what has changed of both, that end where the market then stands."""
    assert (socket["error"], socket["snapped"], socket["moved"], socket["closed"]) == (None, True, True, None)
    assert len(socket["frames"]) == 5
    for listing in (future, market.find("NSE", 26000)):
        key, minutes = f"{listing.exchange}:{listing.token}", market.minutes(listing, DAY)
        at = int(np.searchsorted(minutes.epoch_s, NOW))
        standing = {name: value for frame in socket["frames"] for name, value in frame[key].items()}
        assert socket["frames"][0][key]["i_last_traded_price"] == minutes.open[at]
        assert standing["i_last_traded_price"] == minutes.open[at + 1]
        assert "c_symbol" not in socket["frames"][1][key]
        if listing is future:
            assert standing["i_volume_traded_today"] == minutes.cumulative[at] + minutes.volume[at + 1] // 4
