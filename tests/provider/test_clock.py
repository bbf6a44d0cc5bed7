"""Two clocks: the machine's, and the same with an emulator's calendar."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from fnolake.errors import ConfigError
from fnolake.provider.clock import EmulatedClock, SystemClock, clock_of, emulated_clock

EVENING = "2026-11-20T18:30:00+05:30"
ANSWERS = {
    "good": {"now": EVENING, "rate": 1.0}, "fast": {"now": EVENING, "rate": 1e9}, "naive": {"now": "2026-11-20T18:30:00", "rate": 1.0}, "odd": ["now"],
}


async def told(request: web.Request) -> web.Response:
    return web.json_response(ANSWERS[request.match_info["kind"]])


@pytest.fixture
async def url() -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/{kind:.*}/emulator/clock", told)
    server = TestServer(app)
    await server.start_server()
    yield str(server.make_url("/"))
    await server.close()




async def test_the_calendar_is_the_emulators_and_the_machine_stays_the_machines(url: str) -> None:
    clock = await emulated_clock(url + "good/")
    assert abs(clock.now() - datetime.fromisoformat(EVENING)) < timedelta(seconds=30)
    assert abs(clock.wall() - SystemClock().wall()) < 30
    assert abs(clock.monotonic() - SystemClock().monotonic()) < 30


async def test_time_goes_on_after_it_was_asked(url: str) -> None:
    clock = await emulated_clock(url + "good/")
    before = clock.now()
    await clock.sleep(0)
    assert clock.now() > before


async def test_a_fast_emulators_calendar_runs_as_fast(url: str) -> None:
    clock = await emulated_clock(url + "fast/")
    assert clock.now() - datetime.fromisoformat(EVENING) > timedelta(days=1)


@pytest.mark.parametrize("path", ["nothing/else", "odd", "naive"])
async def test_what_is_no_emulator_is_a_settings_mistake(url: str, path: str) -> None:
    with pytest.raises(ConfigError, match="FNOLAKE_CLOCK"):
        await emulated_clock(url + path)


def test_both_speak_aware_utc() -> None:
    assert SystemClock().now().tzinfo is UTC
    assert EmulatedClock(datetime.fromisoformat(EVENING), 0).now().tzinfo is UTC


async def test_a_setting_names_the_clock_even_inside_a_running_loop(url: str) -> None:
    assert type(clock_of("")) is SystemClock
    clock = await asyncio.to_thread(clock_of, url + "good")
    assert abs(clock.now() - datetime.fromisoformat(EVENING)) < timedelta(seconds=30)
