"""
Who asks and who is told: the accounts of a lake, signing them in, and messages to people. A part of the facade.

Adds no logic of its own. Invariant: what goes wrong with a message never stops what it speaks of.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial

from fnolake.config import CAUSES
from fnolake.errors import FnolakeError
from fnolake.files import LakeFiles, ignore
from fnolake.model import FAILED, Delivery, Event, Notice
from fnolake.notify import Notifier
from fnolake.provider.base import SignInHelp
from fnolake.provider.http import Http
from fnolake.secret import resolve
from fnolake.sync import person
from fnolake.sync.causes import messages, needs_a_person
from fnolake.sync.connect import budget_used, choose_account, make_account, make_provider, open_http
from fnolake.sync.facts import look
from fnolake.sync.report import SyncReport
from fnolake.sync.sign_in import sign_in
from fnolake.sync.status import AccountStatus


class LakePeople(LakeFiles):
    """The part of a lake that has to do with people and their accounts."""

    def accounts(self) -> tuple[AccountStatus, ...]:
        """Every account that is set up, and whether it is signed in."""
        found = []
        for name, account in self.settings.accounts.items():
            provider = make_provider(self.settings, name, Http(), self.store.state, self.clock, self._environ)
            budget = budget_used(self.settings, name, provider, self.store.state, self.clock, self._calendar)
            found.append(AccountStatus(
                name, account.provider, account.generation if account.provider == "shoonya" else "",
                provider.signed_in, provider.signed_in_until,
                budget.allowance if budget.limited else 0, budget.used if budget.limited else 0, budget.seconds,
                provider.dialect.max_days,
            ))
        return tuple(found)

    # -- signing in --------------------------------------------------------------------------------------------------

    async def async_login(
        self, name: str | None = None, *, code: str | None = None, token_ref: str | None = None,
        open_browser: Callable[[str], object] | None = None, on_address: Callable[[str], None] = lambda _address: None,
    ) -> str:
        """
        Sign in one account; its outcome is recorded.

        Args:
            name: The account; the only one by default.
            code: OAuth: a code or the pasted redirected address.
            token_ref: Adopt a token made elsewhere, ``env:``, ``file:`` or ``keyring:``; never renewed or ended by us.
            open_browser: OAuth: opens the broker's page.
            on_address: OAuth: told the page's address.

        Returns:
            Who is signed in, by the provider's word.

        Raises:
            LoginRefused: With the provider's text.
            ConfigError: Something to sign in with is missing.
        """
        chosen = choose_account(self.settings, name)
        async with open_http(self.settings) as http:
            provider = make_provider(self.settings, chosen, http, self.store.state, self.clock, self._environ, strict=not token_ref)
            account = make_account(self.settings, chosen, provider, self.store.state, self.clock, self._calendar)
            redirect = self.settings.shoonya.redirect if provider.name == "shoonya" else ""
            token = resolve(token_ref, self._environ).reveal() if token_ref else ""
            link = person.link_of(self.store.state, chosen, self.clock.now())
            shown = partial(person.opened, self.store.state, chosen, link, on_address)
            who = await sign_in(
                account, self.store.state, self.clock, SignInHelp(code or "", redirect, shown, open_browser, state=link.state), token=token,
            )
        person.forget(self.store.state, chosen)
        self._note("signed_in", account=chosen, adopted=bool(token))
        return who

    def _note(self, what: str, **fields: object) -> None:
        """A line for the log, where there is one."""

    async def async_ask_people(self, stop: asyncio.Event, on_event: Callable[[Event], None] = ignore, refused: str = "") -> tuple[str, ...]:
        """
        Bring people in: every account that is signed out and cannot sign in by itself, see ``sync.person.Asking.bring_in``.

        Args:
            stop: Ends it.
            on_event: Told who is waited for.
            refused: Why those could not that sign in by themselves; then they are waited for as well.

        Returns:
            Who of them is signed in then; without ``stop`` all of them.

        Raises:
            StoreError: A link could not be remembered.

        Cancel:
            Safe; a link that was sent stays valid.
        """
        asking = person.Asking(
            self.settings, self.store.state, self.clock, self._calendar, self._environ, self._notifier.tell, on_event, refused,
        )
        names = [one.name for one in self.accounts() if not one.signed_in and (refused or needs_a_person(self.settings.accounts[one.name]))]
        try:
            async with asyncio.TaskGroup() as group:
                made = {name: group.create_task(asking.bring_in(name, stop)) for name in names}
        except BaseExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        return tuple(name for name, task in made.items() if task.result())

    async def async_logout(self, name: str | None = None) -> str:
        """End the sign-in of one account (an adopted one is only forgotten); returns its name."""
        chosen = choose_account(self.settings, name)
        async with open_http(self.settings) as http:
            await make_provider(self.settings, chosen, http, self.store.state, self.clock, self._environ).logout()
        self._note("signed_out", account=chosen)
        return chosen

    # -- telling people ------------------------------------------------------------------------------------------------

    @property
    def _notifier(self) -> Notifier:
        return Notifier(self.settings.alerts, self.store.state, self.clock, self._environ)

    async def async_alert(self, report: SyncReport | None = None, *, test: bool = False) -> tuple[Delivery, ...]:
        """
        Tell people what there is to tell now, each cause once (docs/alerts.md); every sync ends with it.

        Args:
            report: Of the sync that has just ended: why accounts stopped.
            test: Send a test message to every place instead.

        Returns:
            Every try to deliver a message; one that fails is made again next time.

        Raises:
            ConfigError: ``test``, and there is no place to send to.
            StoreError: The lake cannot be read.
        """
        if test or not self.settings.alerts.to:
            return await self._notifier.test() if test else ()
        facts = await asyncio.to_thread(
            look, self.store, self.path, self.settings, self.accounts(), self._calendar, self.clock.now(), report,
        )
        return await self._notifier.tell(messages(facts, self.settings.alerts), looked_at=CAUSES)

    def alerts(self) -> tuple[Delivery, ...]:
        """The latest tries to deliver a message, oldest first."""
        return self._notifier.record().deliveries

    async def _tell_of(self, on_event: Callable[[Event], None], report: SyncReport | None = None) -> None:
        """Tell people at the end of a sync; what goes wrong with that is a line, never the sync's failure."""
        try:
            failed = [f"{one.to}: {one.reason}" for one in await self.async_alert(report) if one.outcome == FAILED]
        except FnolakeError as error:
            failed = [str(error)]
        for why in failed:
            on_event(Notice("warning", f"an alert was not delivered: {why}"))
