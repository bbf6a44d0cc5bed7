"""A person signs in from the link of an alert, here or on another device; what answers another link is refused."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from tests.alerts.conftest import SECRET, Calendar, Hook
from typer.testing import CliRunner

from fnolake.cli.app import build_app
from fnolake.emulator import browser
from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.server import start
from fnolake.errors import DiskFull, LoginRefused
from fnolake.lake import Lake, open_lake
from fnolake.model import Event, Notice, Selection
from fnolake.provider.http import Http
from fnolake.provider.shoonya.signin_callback import CallbackListener
from fnolake.sync import person
from fnolake.sync.connect import make_provider
from fnolake.testing import Drawer

DAY = date(2026, 11, 20)
TOML = """
[account.mine]
uid = "FN0001"
secret_code = "env:FN_SECRET"
[sync]
limits = "off"
[alerts]
to = ["env:HOOK"]
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@dataclass
class Desk:
    """A lake with an OAuth account beside an emulator, as often opened as there are terminals."""

    folder: Path
    environ: dict[str, str]
    hook: Hook
    calendar: Calendar
    landing: str
    port: int
    said: list[Event] = field(default_factory=list)

    def open(self, *, write: bool = False) -> Lake:
        lake = open_lake(self.folder, write=write, environ=self.environ)
        lake._clock_value = self.calendar
        return lake

    async def link(self, number: int = 1) -> str:
        """The link of the newest message, once there are so many."""
        async with asyncio.timeout(30):
            while len(self.hook.got) < number:
                self.hook.arrived.clear()
                await self.hook.arrived.wait()
        found = re.search(r"Sign in here: (\S+)", self.hook.got[-1]["message"])
        assert found, self.hook.got[-1]
        return found[1]

    async def elsewhere(self, link: str) -> str:
        """The address at which a browser on another device ends."""
        return await browser.sign_in(f"{link}&redirect_uri={quote(self.landing, safe='')}")


@pytest.fixture
async def desk(tmp_path: Path, hook: Hook, calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(person, "POLL_S", 0.01)
    port = free_port()
    redirect = f"http://127.0.0.1:{port}/callback"
    (tmp_path / "lake.toml").write_text(TOML + f'[provider.shoonya]\nredirect = "{redirect}"\n', encoding="utf-8")
    config = EmulatorConfig(day=DAY, underlyings=("TCS",), limits=(), redirect_uri=redirect)
    async with start(config) as emulator, asyncio.timeout(60):
        environ = {"FNOLAKE_EMULATOR": emulator.url, "FN_SECRET": "demo-secret", "HOOK": hook.address}
        yield Desk(tmp_path, environ, hook, calendar, f"{emulator.url}/OAuthlogin/landed", port)


async def test_the_link_of_the_alert_signs_in_on_this_machine(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with desk.open() as lake:
        assert not lake.accounts()[0].signed_in
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(lake.async_ask_people(asyncio.Event(), desk.said.append))
            landed = await browser.sign_in(await desk.link())
        assert asked.result() == ("mine",)
        assert lake.accounts()[0].signed_in
        assert desk.hook.titles == ["fnolake: sign in mine at shoonya"]
        assert [one for one in desk.said if isinstance(one, Notice) and "sign in at http" in one.text]
        with pytest.raises(LoginRefused, match="another sign-in"):
            await lake.async_login("mine", code=landed)
        drawer = "".join(str(file.read_bytes()) for file in (desk.folder / "state").iterdir())
    shown = [caplog.text, str(desk.hook.got), str(desk.said), drawer, repr(lake.alerts())]
    assert [text for text in shown if "demo-secret" in text or SECRET in text] == []


async def test_an_address_pasted_in_another_terminal_signs_in_and_ends_the_waiting(desk: Desk) -> None:
    with desk.open() as daemon, desk.open() as terminal:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(daemon.async_ask_people(asyncio.Event()))
            address = await desk.elsewhere(await desk.link())
            assert await terminal.async_login("mine", code=address) == "Demo User"
        assert asked.result() == ("mine",)


async def test_a_code_with_a_foreign_state_is_refused_and_not_spent(desk: Desk) -> None:
    with desk.open() as daemon, desk.open() as terminal:
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(daemon.async_ask_people(stop))
            link = await desk.link()
            address = await desk.elsewhere(link)
            state = parse_qs(urlsplit(link).query)["state"][0]
            with pytest.raises(LoginRefused, match="its state differs"):
                await terminal.async_login("mine", code=address.replace(state, "f" * len(state)))
            assert not daemon.accounts()[0].signed_in
            assert await terminal.async_login("mine", code=address)
        assert asked.result() == ("mine",)


async def test_an_address_of_a_link_that_nobody_sent_is_refused_in_one_line(desk: Desk) -> None:
    def login() -> tuple[int, str]:
        done = CliRunner().invoke(build_app(), ["--lake", str(desk.folder), "login", "--code", "http://127.0.0.1:8765/callback?code=abcd-1234&state=theirs"], env=desk.environ)
        return done.exit_code, done.output

    code, said = await asyncio.to_thread(login)
    assert (code, said.count("\n")) == (5, 1)
    assert "answers another sign-in" in said


async def test_a_restart_goes_on_with_the_link_and_reminders_come_by_the_hour(desk: Desk) -> None:
    async def morning(until: int) -> str:
        with desk.open() as lake:
            asked = asyncio.ensure_future(lake.async_ask_people(asyncio.Event()))
            try:
                return await desk.link(until)
            finally:
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)

    first = await morning(1)
    desk.calendar.forward(minutes=61)
    assert await morning(2) == first
    desk.calendar.forward(minutes=61)
    with desk.open() as lake:
        asked = asyncio.ensure_future(lake.async_ask_people(asyncio.Event()))
        assert await desk.link(3) == first
        desk.calendar.forward(minutes=59)
        await asyncio.to_thread(lake.status)
        assert len(desk.hook.got) == 3
        address = await desk.elsewhere(first)
        await lake.async_login("mine", code=address)
        assert await asked == ("mine",)


async def test_yesterdays_link_is_not_sent_again(desk: Desk) -> None:
    state = desk.open().store.state
    link = person.link_of(state, "mine", desk.calendar.now())
    person.remember(state, "mine", link)
    desk.calendar.forward(hours=19)
    assert person.link_of(state, "mine", desk.calendar.now()) == link
    desk.calendar.forward(hours=1)
    assert person.link_of(state, "mine", desk.calendar.now()).state != link.state
    assert link.state not in repr(link)


async def test_a_taken_port_leaves_the_other_ways_in(desk: Desk) -> None:
    async with CallbackListener(f"http://127.0.0.1:{desk.port}/callback"):
        with desk.open() as lake:
            stop = asyncio.Event()
            async with asyncio.TaskGroup() as group:
                asked = group.create_task(lake.async_ask_people(stop, desk.said.append))
                while not desk.hook.got:
                    desk.hook.arrived.clear()
                    await desk.hook.arrived.wait()
                assert desk.hook.got[0]["message"] == "Run: fnolake login mine"
                stop.set()
            assert asked.result() == ()
    assert any(isinstance(one, Notice) and "is taken" in one.text for one in desk.said)


class Full(Drawer):
    """A drawer on a full disk."""

    def save(self, key: str, value: bytes) -> None:
        raise DiskFull(f"no room for {key}")


async def test_a_link_that_cannot_be_remembered_is_one_error(desk: Desk) -> None:
    with desk.open() as lake:
        asking = person.Asking(lake.settings, Full(), desk.calendar, lake.calendar, desk.environ, lake._notifier.tell, desk.said.append)
        with pytest.raises(DiskFull, match="sign-in-link-mine"):
            await asking.bring_in("mine", asyncio.Event())


async def test_an_account_without_a_page_is_asked_for_by_its_command(desk: Desk) -> None:
    file = desk.folder / "lake.toml"
    file.write_text(file.read_text().replace('secret_code = "env:FN_SECRET"', 'provider = "firstock"'))
    with desk.open() as lake:
        async with asyncio.TaskGroup() as group:
            asked = group.create_task(lake.async_ask_people(asyncio.Event()))
            while not desk.hook.got:
                desk.hook.arrived.clear()
                await desk.hook.arrived.wait()
            assert desk.hook.got[0]["message"] == "Run: fnolake login mine"
            firstock = make_provider(lake.settings, "mine", Http(), lake.store.state, desk.calendar, desk.environ)
            firstock.adopt("a-token-made-elsewhere")
        assert asked.result() == ("mine",)


async def test_a_sync_that_nobody_is_signed_in_for_says_so_once(desk: Desk) -> None:
    for _ in range(2):
        with desk.open(write=True) as lake:
            report = await lake.async_sync(Selection(underlyings=("TCS",), start=DAY, end=DAY))
            assert "fnolake login mine" in report.stopped
            assert [one.key for one in lake.alerts()] == ["login_needed:mine"]
    assert desk.hook.titles == ["fnolake: sign in mine at shoonya"]
    assert "fnolake login mine" in desk.hook.got[0]["message"]


async def test_a_sync_tells_at_its_end_and_an_alert_that_fails_is_only_a_line(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _path: SimpleNamespace(total=10, used=10, free=0))
    with desk.open(write=True) as lake:
        person.remember(lake.store.state, "mine", link := person.link_of(lake.store.state, "mine", desk.calendar.now()))
        address = f"{desk.environ['FNOLAKE_EMULATOR']}/OAuthlogin/authorize/oauth?client_id=FN0001_U&state={link.state}"
        await lake.async_login("mine", code=await desk.elsewhere(address))
        desk.hook.status = 503
        report = await lake.async_sync(Selection(underlyings=("TCS",), kinds=("spot",), start=DAY, end=DAY), desk.said.append)
        assert report.outcomes == {"complete": 1}
        assert desk.hook.got == []
        lines = [one.text for one in desk.said if isinstance(one, Notice) and "alert" in one.text]
        assert lines == ["an alert was not delivered: env:HOOK: refused with HTTP 503: check the address"]
        desk.hook.status = 200
        await lake.async_sync(underlying="tcs", kind="spot", start=str(DAY), end=DAY)
        assert desk.hook.titles == ["fnolake: the disk has room for 0 more sessions"]


async def test_the_commands_try_the_addresses_and_show_what_was_sent(desk: Desk) -> None:
    async def typed(*words: str) -> tuple[int, str]:
        done = await asyncio.to_thread(CliRunner().invoke, build_app(), ["--lake", str(desk.folder), "alert", *words], env=desk.environ)
        return done.exit_code, done.output

    assert await typed("list", "--format", "table") == (0, "Nothing was sent yet.\n")
    assert (await typed("test", "--format", "csv")) == (0, "to,service,outcome,reason\nenv:HOOK,JSON,delivered,\n")
    desk.hook.status = 404
    code, said = await typed("test", "--format", "csv")
    assert code == 5
    assert "env:HOOK,JSON,failed,refused with HTTP 404: check the address" in said
    code, said = await typed("list", "--format", "table")
    assert re.search(r"\d\d \w{3} \d\d:\d\d +test +env:HOOK +delivered", said)
    assert "failed: refused with HTTP 404" in said
    code, said = await typed("list", "--format", "ndjson")
    assert (code, said.count("fnolake: a test"), said.count(SECRET)) == (0, 2, 0)
