"""The stations of one recording, opened and closed together; one recorder a lake."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from fnolake.config import Settings
from fnolake.errors import ConfigError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, Event, Notice, ist_date
from fnolake.provider.account import Account
from fnolake.provider.stream import Streams
from fnolake.store.journal import FOLDER
from fnolake.store.lock import WriterLock
from fnolake.store.store import Store
from fnolake.sync import pending
from fnolake.sync.connect import connected
from fnolake.sync.live import Recorder, worth
from fnolake.sync.money import money
from fnolake.sync.subscribe import Chooser, Rule

LOOK_BACK_DAYS = 10
"""Calendar days of sessions in which an underlying's last price is looked for."""


@contextlib.asynccontextmanager
async def open_recorder(
    settings: Settings, store: Store, clock: Clock, calendar: Calendar, environ: Mapping[str, str], on_event: Callable[[Event], None],
    accounts: Sequence[str] = (), underlyings: Sequence[str] = (),
) -> AsyncIterator[Recorder]:
    """
    A recorder of today's session with every account that has a live feed, or the named ones.

    Args:
        settings: Everything that is set.
        store: Open for reading; the ledger is not touched.
        clock: Both clocks.
        calendar: Hours.
        environ: For ``env:`` references.
        on_event: Told of progress, and of who was left out.
        accounts: Stream by these only.
        underlyings: Only these; empty = all.

    Raises:
        ConfigError: No session today, no contract known, or no account that can stream.
        StoreLocked: Another process records into this lake.
    """
    session = _session(calendar, ist_date(clock.now()))
    rule = settings.live
    contracts = await asyncio.to_thread(store.instruments, session)
    if contracts.is_empty():
        raise ConfigError("no contract is known yet; run `fnolake instruments sync` before the market opens")
    pinned = tuple(word.strip().upper() for word in rule.pinned.split(",") if word.strip())
    chooser = Chooser(contracts, Rule(rule.strikes, rule.expiries, tuple(underlyings), pinned))
    before = calendar.sessions(session - timedelta(days=LOOK_BACK_DAYS), session - timedelta(days=1))
    at_open = worth(await asyncio.to_thread(money, store, before))
    lock = WriterLock(store.path / FOLDER)
    try:
        async with connected(settings, store.state, clock, calendar, environ, accounts) as found:
            for why in found.left_out:
                on_event(Notice("warning", why))
            feeds = [feed for one in found.accounts if (feed := _feed(one, rule.silence_s)) is not None]
            if not feeds:
                raise ConfigError("no account has a live feed; add one of Shoonya or Firstock with `fnolake account add`")
            yield Recorder(store.path, session, feeds, chooser, at_open, calendar, clock, on_event)
            for account in found.accounts:
                for record in account.drain_sign_ins():
                    pending.remember(store.state, record)
    finally:
        lock.release()


def _session(calendar: Calendar, today: date) -> date:
    if calendar.status(today) == "open":
        return today
    ahead = calendar.sessions(today, today + timedelta(days=LOOK_BACK_DAYS))
    raise ConfigError(f"{today} is no session: {f'the next is {ahead[0]}' if ahead else 'and the calendar knows none soon'}")


def _feed(account: Account, silence_s: float) -> tuple[Account, Streams] | None:
    """The account with its feed, if its provider has one."""
    provider: object = account.provider
    if not isinstance(provider, Streams):
        return None
    provider.feed_facts = replace(provider.feed_facts, silence_s=silence_s)
    return account, provider
