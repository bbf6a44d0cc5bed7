"""Which accounts take part in a sync, and the masters that are taken from each of their providers."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from tests.provider.fakes import FakeClock
from tests.provider.test_account import Scripted
from tests.store.conftest import listing, master

from fnolake.config import Settings, load
from fnolake.errors import ConfigError, FnolakeError, Unreachable
from fnolake.market.calendar import Calendar
from fnolake.model import Event, Master, Notice, RawFile
from fnolake.provider.account import Account
from fnolake.provider.budget import Budget
from fnolake.store.store import Store
from fnolake.sync.connect import Connected, connected
from fnolake.sync.masters import MasterRound
from fnolake.testing import Drawer

LEGACY = 'generation = "legacy"\nuid = "{0}"\npassword = "env:{0}_PASSWORD"\ntotp = "env:{0}_TOTP"\n'
SECRETS = {"ONE_PASSWORD": "x", "ONE_TOTP": "JBSWY3DPEHPK3PXP"}


def settings_of(tmp_path: Path, *names: str) -> Settings:
    tables = (f"[account.{name}]\n" + LEGACY.format(name.upper()) for name in names)
    (tmp_path / "lake.toml").write_text("\n".join(tables), encoding="utf-8")
    return load(tmp_path, {}, {})


async def who(settings: Settings, environ: dict[str, str], *names: str) -> Connected:
    async with connected(settings, Drawer(), FakeClock(), Calendar.bundled(), environ, names) as found:
        return found


async def test_every_account_takes_part_with_a_budget_of_its_own(tmp_path: Path) -> None:
    both = {**SECRETS, "TWO_PASSWORD": "x", "TWO_TOTP": "JBSWY3DPEHPK3PXP"}
    drawer = Drawer()
    async with connected(settings_of(tmp_path, "one", "two"), drawer, FakeClock(), Calendar.bundled(), both) as found:
        assert [account.name for account in found.accounts] == ["one", "two"]
        async with found.accounts[0].turn():
            assert [account.budget.used for account in found.accounts] == [1, 0]
    assert {"budget-one", "budget-two"} <= set(drawer.held)


async def test_an_account_without_its_secret_is_left_out_with_one_line(tmp_path: Path) -> None:
    found = await who(settings_of(tmp_path, "one", "two"), SECRETS)
    assert [account.name for account in found.accounts] == ["one"]
    assert len(found.left_out) == 1
    assert found.left_out[0].startswith("two is left out: not signed in, and ")


async def test_a_second_account_of_one_login_is_left_out(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, "one", "two")
    settings = replace(settings, accounts={name: replace(account, uid="FN0001") for name, account in settings.accounts.items()})
    found = await who(settings, {**SECRETS, "TWO_PASSWORD": "x", "TWO_TOTP": "JBSWY3DPEHPK3PXP"})
    assert [account.name for account in found.accounts] == ["one"]
    assert found.left_out == ("two is left out: it is the same login as one, shoonya FN0001",)


async def test_where_no_account_is_usable_all_are_tried_and_say_why(tmp_path: Path) -> None:
    found = await who(settings_of(tmp_path, "one", "two"), {})
    assert [account.name for account in found.accounts] == ["one", "two"]
    assert found.left_out == ()


async def test_only_the_named_accounts_take_part(tmp_path: Path) -> None:
    found = await who(settings_of(tmp_path, "one", "two", "three"), {}, "three", "one", "three")
    assert [account.name for account in found.accounts] == ["three", "one"]
    with pytest.raises(ConfigError, match="no account four"):
        await who(settings_of(tmp_path, "one"), SECRETS, "four")


class Publishing(Scripted):
    """A provider with one master."""

    def __init__(self, name: str, *script: FnolakeError) -> None:
        super().__init__(*script)
        self.name = name
        self.fetched = 0

    def master_names(self) -> list[str]:
        return ["NFO"]

    async def master(self, exchange: str, day: object) -> RawFile:
        self.fetched += 1
        return await super().master(exchange, day)  # type: ignore[arg-type]

    def decode_master(self, raw: RawFile) -> Master:
        return replace(master([listing(10)], FakeClock().now().date()), provider=self.name)


def accounts_of(*providers: Publishing) -> list[Account]:
    clock = FakeClock()
    return [
        Account(f"a{number}", provider, Budget(((20, 1.0),), clock, None, "a"), clock, rng=random.Random(1), tries=1)
        for number, provider in enumerate(providers)
    ]


async def taken(store: Store, *providers: Publishing) -> tuple[list[dict[str, object]], list[str]]:
    events: list[Event] = []
    rows = await MasterRound(store, accounts_of(*providers), FakeClock(), events.append).take()
    return rows, [event.text for event in events if isinstance(event, Notice)]


async def test_masters_are_taken_from_every_provider_once_a_day(tmp_path: Path) -> None:
    first, second, third = Publishing("shoonya"), Publishing("firstock"), Publishing("shoonya")
    with Store.open(tmp_path / "lake", write=True) as store:
        rows, _ = await taken(store, first, second, third)
        assert [row["provider"] for row in rows] == ["shoonya", "firstock"]
        assert await taken(store, first, second, third) == ([], [])
    assert [one.fetched for one in (first, second, third)] == [1, 1, 0]


async def test_the_next_account_of_a_provider_is_asked_where_the_first_got_nothing(tmp_path: Path) -> None:
    first, second = Publishing("shoonya", Unreachable("x")), Publishing("shoonya")
    with Store.open(tmp_path / "lake", write=True) as store:
        rows, notices = await taken(store, first, second)
    assert len(rows) == 1
    assert notices == []


async def test_one_provider_without_masters_is_told_of_and_the_others_are_enough(tmp_path: Path) -> None:
    with Store.open(tmp_path / "lake", write=True) as store:
        rows, notices = await taken(store, Publishing("shoonya", Unreachable("x")), Publishing("firstock"))
        assert [row["provider"] for row in rows] == ["firstock"]
        assert notices == ["masters not taken: master NFO of shoonya; run `fnolake instruments sync` later"]
