"""Alerts arrive, once for one cause; what fails is sent again; no address is ever shown."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from datetime import UTC, date, datetime

import polars as pl
import pytest
from tests.alerts.conftest import SECRET, Calendar, Hook, Mailbox

from fnolake.config import CAUSES, AlertSettings
from fnolake.errors import ConfigError
from fnolake.model import Message
from fnolake.notify import KEPT, Notifier
from fnolake.sync.causes import Facts, Wanted, messages
from fnolake.sync.risk import RISK_SCHEMA
from fnolake.testing import Drawer

DAY = date(2026, 11, 20)
RISK = pl.DataFrame(
    {"deadline": [date(2026, 11, 24)], "contract_sessions": [40], "contracts": [20], "requests": [20], "lost_requests": [7], "lost": [7], "lost_spot": [1],
     "lost_future": [0], "lost_option": [6]}, schema_overrides=RISK_SCHEMA,
)
BAD = Facts(
    today=DAY, last_session=DAY, sign_ins=(Wanted("mine", "shoonya", "http://127.0.0.1/authorize?state=s"),), risk=RISK, evening=True, mismatches=3,
    disk_sessions=4,
)
WELL = Facts(today=DAY, last_session=DAY, disk_sessions=400)


def notifier(*to: str, calendar: Calendar, drawer: Drawer | None = None, on: tuple[str, ...] = CAUSES, quiet: str = "") -> Notifier:
    names = {f"ALERT_{number}": address for number, address in enumerate(to)}
    settings = AlertSettings(to=tuple(f"env:{name}" for name in names), on=on, quiet=quiet)
    return Notifier(settings, drawer if drawer is not None else Drawer(), calendar, names)


async def test_each_cause_arrives_at_the_hook_and_by_mail(hook: Hook, mailbox: Mailbox, calendar: Calendar) -> None:
    told = messages(BAD, AlertSettings())
    made = await notifier(hook.address, mailbox.address, calendar=calendar).tell(told, looked_at=CAUSES)
    assert [(one.cause, one.outcome, one.reason) for one in made] == [(one.cause, "delivered", "") for one in told for _ in range(2)]
    assert {one.cause for one in made} == set(CAUSES) - {"certificate"}
    assert len({one.service for one in made}) == 2
    assert hook.titles == [one.title for one in told]
    for mail, message in zip(mailbox.got, told, strict=True):
        assert mail["Subject"] == message.title
        body = mail.get_body(("plain", "html"))
        assert body is not None
        assert message.text.splitlines()[0][:40] in body.get_content().replace("&amp;", "&")


async def test_one_cause_is_told_once_until_it_ends_or_a_day_is_over(hook: Hook, calendar: Calendar) -> None:
    drawer = Drawer()

    async def look(facts: Facts) -> list[str]:
        before = len(hook.got)
        await notifier(hook.address, calendar=calendar, drawer=drawer).tell(messages(facts, AlertSettings()), looked_at=CAUSES)
        return [title.split(":")[1].split()[0] for title in hook.titles[before:]]

    assert len(await look(BAD)) == 4
    calendar.forward(hours=23)
    assert await look(BAD) == []
    calendar.forward(hours=1)
    assert len(await look(BAD)) == 4
    assert await look(WELL) == []
    assert len(await look(BAD)) == 4, "what ended and came again is a new cause"


async def test_looking_at_one_cause_ends_no_other(hook: Hook, calendar: Calendar) -> None:
    drawer = Drawer()
    told = notifier(hook.address, calendar=calendar, drawer=drawer)
    await told.tell(messages(BAD, AlertSettings()), looked_at=CAUSES)
    await told.tell((), looked_at=("disk_low",))
    await told.tell(messages(BAD, AlertSettings()), looked_at=CAUSES)
    assert [title for title in hook.titles if hook.titles.count(title) > 1] == ["fnolake: the disk has room for 4 more sessions"] * 2


async def test_an_event_is_told_once_for_ever_and_a_reminder_again(hook: Hook, calendar: Calendar) -> None:
    told = notifier(hook.address, calendar=calendar)
    signed = Message("certificate", "certificate:2026-11-20:ab", "signed off", "13 of 13", once=True)
    for _ in range(3):
        await told.tell((signed,), looked_at=CAUSES)
        calendar.forward(days=2)
    assert hook.titles == ["signed off"]
    await told.tell((signed,), again=True)
    assert hook.titles == ["signed off"] * 2


async def test_causes_that_are_not_wanted_are_not_told(hook: Hook, calendar: Calendar) -> None:
    await notifier(hook.address, calendar=calendar, on=("disk_low",)).tell(messages(BAD, AlertSettings()))
    assert hook.titles == ["fnolake: the disk has room for 4 more sessions"]


async def test_what_one_place_did_not_take_is_sent_there_again_and_only_there(hook: Hook, mailbox: Mailbox, calendar: Calendar) -> None:
    told = notifier(hook.address, mailbox.address, calendar=calendar)
    bad = messages(BAD, AlertSettings())
    hook.status = 500
    first = await told.tell(bad, looked_at=CAUSES)
    assert [one.reason for one in first if one.outcome == "failed"] == ["refused with HTTP 500: check the address"] + ["the message before it could not be delivered"] * 3
    assert len(mailbox.got) == 4
    hook.status = 200
    again = await told.tell(bad, looked_at=CAUSES)
    assert [(one.to, one.outcome) for one in again] == [("env:ALERT_0", "delivered")] * 4
    assert (len(hook.got), len(mailbox.got)) == (4, 4)
    assert await told.tell(bad, looked_at=CAUSES) == ()
    assert [one.outcome for one in told.record().deliveries].count("failed") == 4


async def test_quiet_hours_hold_back_what_lasts_and_lose_nothing(hook: Hook, calendar: Calendar) -> None:
    calendar.instant = datetime(2026, 11, 20, 18, 30, tzinfo=UTC)  # midnight in India
    told = notifier(hook.address, calendar=calendar, quiet="22:00-07:00")
    bad = messages(BAD, AlertSettings())
    assert {one.outcome for one in await told.tell(bad)} == {"quiet"}
    calendar.forward(hours=6, minutes=59)
    assert {one.outcome for one in await told.tell(bad)} == {"quiet"}
    calendar.forward(minutes=1)
    assert {one.outcome for one in await told.tell(bad)} == {"delivered"}
    assert len(hook.got) == 4


@pytest.mark.parametrize(("address", "why"), [
    (f"nonsense://{SECRET}", "not an address that apprise knows"), (SECRET, "not an address that apprise knows"),
    (f"tgram://{SECRET}", "not an address that apprise knows"), (f"json://user:{SECRET}@127.0.0.1:9/{SECRET}", "no connection"),
    (f"mailto://user:{SECRET}@127.0.0.1:9?from=a@example.com&to=b@example.com&mode=insecure", "no connection"),
])
async def test_a_place_that_cannot_be_reached_is_a_line_and_shows_no_secret(
    address: str, why: str, calendar: Calendar, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    drawer = Drawer()
    told = notifier(address, calendar=calendar, drawer=drawer)
    made = await told.tell(messages(BAD, AlertSettings())[:1])
    assert made[0].outcome == "failed"
    assert why in made[0].reason
    shown = [caplog.text, *capfd.readouterr(), repr(made), repr(told), repr(told.record()), *map(str, drawer.held.values())]
    assert [text for text in shown if SECRET in text] == []


async def test_a_hook_that_echoes_the_secret_back_gets_it_into_nothing(
    hook: Hook, mailbox: Mailbox, calendar: Calendar, caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    drawer = Drawer()
    told = notifier(hook.address, mailbox.address, calendar=calendar, drawer=drawer)
    hook.status = 401
    made = await told.test()
    hook.status = 200
    made += await told.test()
    assert [one.outcome for one in made] == ["failed", "delivered", "delivered", "delivered"]
    mails = [str(mail) for mail in mailbox.got]
    assert [text for text in (caplog.text, repr(made), *map(str, drawer.held.values()), *map(str, hook.got), *mails) if SECRET in text] == []


async def test_a_missing_reference_or_library_is_one_clear_line(hook: Hook, calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Notifier(AlertSettings(to=("env:NOWHERE",)), Drawer(), calendar, {})
    assert (await told.tell(messages(BAD, AlertSettings())))[0].reason.startswith("environment variable NOWHERE is not set")
    with pytest.raises(ConfigError, match=r"\[alerts\] to ="):
        await Notifier(AlertSettings(), Drawer(), calendar, {}).test()
    monkeypatch.setitem(sys.modules, "apprise", None)
    told = notifier(hook.address, calendar=calendar)
    with pytest.raises(ConfigError, match=r"install `fnolake\[alerts\]`"):
        await told.test()
    assert "install `fnolake[alerts]`" in (await told.tell(messages(BAD, AlertSettings())))[0].reason


@pytest.mark.parametrize("ticks", range(6))
async def test_a_stop_that_comes_with_the_answer_is_heard(ticks: int, calendar: Calendar, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go = threading.Event(), threading.Event()

    def notify(_self: object, **_what: object) -> bool:
        begun.set()
        go.wait(10)
        return True

    monkeypatch.setattr("apprise.Apprise.notify", notify)
    told = notifier("json://127.0.0.1", calendar=calendar)

    async def forever() -> None:
        while True:
            await told.tell(messages(BAD, AlertSettings())[:1], again=True)
            await asyncio.sleep(0.01)

    task = asyncio.ensure_future(forever())
    await asyncio.to_thread(begun.wait, 10)
    go.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    task.cancel()
    assert done, "it went on"


async def test_without_an_address_nothing_is_sent_or_written(calendar: Calendar) -> None:
    drawer = Drawer()
    assert await Notifier(AlertSettings(), drawer, calendar, {}).tell(messages(BAD, AlertSettings())) == ()
    assert drawer.held == {}


async def test_the_record_stays_small_and_a_damaged_one_is_begun_anew(hook: Hook, calendar: Calendar) -> None:
    drawer = Drawer()
    drawer.save("alerts", b"{nonsense")
    told = notifier("env-is-unused", calendar=calendar, drawer=drawer)
    for number in range(0, KEPT + 50, 50):
        await told.tell([Message("disk_low", f"k{number + one}", "t", "x", once=True) for one in range(50)])
    record = told.record()
    assert (len(record.deliveries), len(record.told)) == (KEPT, KEPT)
    assert "k0" not in record.told
