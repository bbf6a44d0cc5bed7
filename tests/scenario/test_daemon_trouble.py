"""The daemon inside a program: a recorder that it starts and ends, one that dies, a file that does not come, another writer."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest
from tests.scenario.test_daemon import FRIDAY, MONDAY, at, certified, set_clock

from fnolake.lake import open_lake
from fnolake.model import DayChanged, Event, Notice
from fnolake.store.store import Store
from fnolake.sync.daemon import Daemon, Live

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk, Emulator

SATURDAY = FRIDAY + timedelta(days=1)


def run_days(
    desk: Desk, emulator: Emulator, until: datetime, live: Live | None = None, on_event: Callable[[Event], None] = lambda _event: None
) -> list[Event]:
    """The daemon of a lake in this process, the emulator's clock jumping to what it waits for, until that is after ``until``."""
    told: list[Event] = []
    stop = asyncio.Event()

    def hear(event: Event) -> None:
        told.append(event)
        on_event(event)
        if isinstance(event, DayChanged) and event.until is not None:
            if event.until > until:
                stop.set()
            elif event.state != "live":
                set_clock(emulator, event.until)

    with open_lake(desk.lake, environ=desk.environment()) as lake:
        writer = partial(open_lake, desk.lake, write=True, environ=desk.environment())
        asyncio.run(asyncio.wait_for(Daemon(lake, writer, desk.environment(), hear, live).run(stop), 120))
    return told


def notices(told: list[Event]) -> str:
    return "\n".join(event.text for event in told if isinstance(event, Notice))


@pytest.mark.slow
def test_the_recorder_gets_its_session_and_ends_with_it_and_one_that_dies_is_started_again(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(FRIDAY))
    here = desk(emulator)
    seen: list[date] = []

    async def record(session: date, ends: asyncio.Event) -> None:
        seen.append(session)
        if len(seen) == 1:
            raise OSError("the socket is gone")
        set_clock(emulator, at(session, 15, 41))
        await ends.wait()
        seen.append(session)

    told = run_days(here, emulator, at(MONDAY, 15, 50), record)
    assert seen == [MONDAY, MONDAY, MONDAY]
    assert "the socket is gone" in notices(told)
    states = [event.state for event in told if isinstance(event, DayChanged) and event.session == MONDAY]
    assert states == ["done", "pre-open", "pre-open", "live", "retry", "live", "after close"]


@pytest.mark.slow
def test_a_file_that_comes_in_the_night_is_taken_in_the_morning_and_the_certificate_made_anew(
    emulate: Callable[..., Emulator], desk: Callable[..., Desk]
) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(FRIDAY))
    emulator.post("/emulator/faults", {"fault": "empty_body", "provider": "exchange", "route": "bhavcopy"})
    here = desk(emulator)
    evening: dict[date, int] = {}

    def hear(event: Event) -> None:
        if isinstance(event, DayChanged) and event.until is not None and event.until == at(SATURDAY, 7):
            evening.update(certified(here))
            urllib.request.urlopen(urllib.request.Request(emulator.url + "/emulator/faults", method="DELETE"), timeout=10).close()

    told = run_days(here, emulator, at(SATURDAY, 23), on_event=hear)
    assert "exchange file of 2026-11-20: went on without it" in notices(told)
    assert evening == {FRIDAY: 3}
    assert certified(here) == {FRIDAY: 0}


@pytest.mark.slow
def test_a_step_waits_for_another_writer_and_says_who_it_is(emulate: Callable[..., Emulator], desk: Callable[..., Desk]) -> None:
    emulator = emulate("--underlyings", "RELIANCE", "--limits", "off", "--rate", "0", "--date", str(FRIDAY))
    here = desk(emulator)
    other = [Store.open(here.lake, write=True)]

    def hear(event: Event) -> None:
        if isinstance(event, DayChanged) and event.state == "retry" and other:
            other.pop().close()

    told = run_days(here, emulator, at(SATURDAY, 23), on_event=hear)
    assert "masters of 2026-11-20: " in notices(told)
    assert "is being written by another process" in notices(told)
    assert certified(here) == {FRIDAY: 0}
