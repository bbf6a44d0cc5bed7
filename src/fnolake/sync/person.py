"""
Asking a person to sign in: the link that is open, the page it comes back to, reminders, and noticing a sign-in made elsewhere.

The link's state is remembered in the state drawer, so that a redirected address pasted in another terminal is held against
it. Invariant: one link an account and day, whoever shows it; an address that answers another one is refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

import msgspec

from fnolake.config import Settings
from fnolake.errors import FnolakeError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, Event, Message, Notice, StatePort
from fnolake.provider.base import Provider, SignInHelp
from fnolake.provider.http import Http
from fnolake.sync.causes import Wanted, login_needed, needs_a_person
from fnolake.sync.connect import make_account, make_provider, open_http
from fnolake.sync.sign_in import sign_in

LIFE: Final = timedelta(hours=20)
"""So long a link is shown and its answer taken; then there is a new one."""
POLL_S: Final = 1.0
"""How often it is looked whether somebody signed in elsewhere."""
RETRY_S: Final = 300.0
"""After a page that could not be opened, or a refusal."""


@dataclass(frozen=True, slots=True)
class Link:
    """A broker's page to sign in at: the state that goes along, its address (empty: not open yet), since when, last told when."""

    state: str
    since: datetime
    address: str = ""
    told: datetime | None = None

    def __repr__(self) -> str:
        return f"Link(since={self.since.isoformat()}, told={self.told})"


class Tell(Protocol):
    """Brings messages to people, see ``notify.Notifier.tell``."""

    def __call__(self, messages: tuple[Message, ...], *, again: bool) -> Awaitable[object]:
        """Tell them; never raises for a message that does not arrive."""


def link_of(state: StatePort, account: str, now: datetime) -> Link:
    """The link of an account that is remembered, or a fresh one where there is none, or only an old one."""
    saved = state.load(_key(account))
    try:
        found = msgspec.json.decode(saved, type=Link) if saved else None
    except msgspec.DecodeError:
        found = None
    if found is not None and found.state and timedelta() <= now - found.since < LIFE:
        return found
    return Link(secrets.token_urlsafe(24), now)


def remember(state: StatePort, account: str, link: Link) -> None:
    """Keep a link for other processes of this lake."""
    state.save(_key(account), msgspec.json.encode(link))


def forget(state: StatePort, account: str) -> None:
    """The link was answered: what still comes back from it is refused."""
    state.delete(_key(account))


def opened(state: StatePort, account: str, link: Link, on_address: Callable[[str], None], address: str) -> None:
    """The page of a link is open: remember it and show it."""
    remember(state, account, replace(link, address=address))
    on_address(address)


def open_links(state: StatePort, accounts: Mapping[str, object], now: datetime) -> dict[str, str]:
    """The pages that are open now, by account."""
    return {name: link.address for name in accounts if (link := link_of(state, name, now)).address}


def _key(account: str) -> str:
    return f"sign-in-link-{account}"


@dataclass(slots=True)
class _Page:
    """A page under way: whether it is open (or cannot be), whether somebody came through it, and who trades the code."""

    ready: asyncio.Event = field(default_factory=asyncio.Event)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    provider: Provider | None = None

    @property
    def is_proving(self) -> bool:
        """Whether it has the sign-in itself and asks who that is."""
        return self.provider is not None and self.provider.signed_in


@dataclass(frozen=True, slots=True)
class Asking:
    """
    Brings people in.

    Attributes:
        settings: Everything that is set.
        state: Where links and sign-ins live.
        clock: The calendar's instants.
        calendar: For the account's budget.
        environ: For ``env:`` references.
        tell: Brings the link to people.
        on_event: Told of it too.
        refused: Why accounts that sign in by themselves could not, if they are asked for as well.
    """

    settings: Settings
    state: StatePort
    clock: Clock
    calendar: Calendar
    environ: Mapping[str, str]
    tell: Tell
    on_event: Callable[[Event], None]
    refused: str = ""

    async def bring_in(self, name: str, stop: asyncio.Event) -> bool:
        """
        Wait until somebody has signed an account in: at the page that comes back here, or in another terminal.

        The link is told once and then every ``[alerts] remind_minutes``; a restart goes on with the same link.

        Returns:
            Whether it is signed in; False once ``stop`` is set before.

        Raises:
            StoreError: The link could not be remembered.

        Cancel:
            Safe; the listener is closed, the link stays valid for a pasted address.
        """
        page = _Page()
        try:
            async with asyncio.TaskGroup() as group:
                task = group.create_task(self._keep_open(name, page))
                await self._wait(name, page, stop)
                task.cancel()
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        return self.signed_in(name)

    async def _wait(self, name: str, page: _Page, stop: asyncio.Event) -> None:
        """Until somebody signed in, here or elsewhere; reminds meanwhile."""
        while not (page.came.is_set() or stop.is_set() or (self.signed_in(name) and not page.is_proving)):
            if page.ready.is_set() and not page.is_proving:
                await self._remind(name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_S):
                    await page.came.wait()

    def signed_in(self, name: str) -> bool:
        """Whether the drawer holds a sign-in of an account."""
        return make_provider(self.settings, name, Http(), self.state, self.clock, self.environ).signed_in

    async def _keep_open(self, name: str, page: _Page) -> None:
        """Keep the broker's page open, where it has one, until somebody came through it."""
        account = self.settings.accounts[name]
        if (account.provider, account.generation) != ("shoonya", "oauth"):
            page.ready.set()
            return
        while not page.came.is_set():
            try:
                await self._once(name, page)
            except FnolakeError as error:
                page.provider = None
                self.on_event(Notice("warning", f"{name}: {error}"))
                page.ready.set()
                await self.clock.sleep(RETRY_S)
            else:
                page.came.set()

    async def _once(self, name: str, page: _Page) -> None:
        link = link_of(self.state, name, self.clock.now())
        how = SignInHelp(
            redirect=self.settings.shoonya.redirect, state=link.state, patience_s=LIFE.total_seconds(),
            on_address=partial(opened, self.state, name, link, lambda _address: page.ready.set()),
        )
        async with open_http(self.settings) as http:
            page.provider = make_provider(self.settings, name, http, self.state, self.clock, self.environ, strict=True)
            account = make_account(self.settings, name, page.provider, self.state, self.clock, self.calendar)
            await sign_in(account, self.state, self.clock, how)
        forget(self.state, name)

    async def _remind(self, name: str) -> None:
        now = self.clock.now()
        link = link_of(self.state, name, now)
        if link.told is not None and now - link.told < timedelta(minutes=self.settings.alerts.remind_minutes):
            return
        remember(self.state, name, replace(link, told=now))
        where = f"sign in at {link.address}" if link.address else f"run `fnolake login {name}`"
        self.on_event(Notice("warning", f"{name} waits for a person: {where}"))
        account = self.settings.accounts[name]
        why = "" if needs_a_person(account) else self.refused
        await self.tell((login_needed(Wanted(name, account.provider, link.address, why)),), again=True)
