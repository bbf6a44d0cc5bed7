"""The stations of one sync, opened and closed together. Judges nothing; what was noted by a reader is recorded first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence

from fnolake.config import Settings
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, Event, Notice
from fnolake.store.store import Store
from fnolake.sync import pending
from fnolake.sync.connect import connected
from fnolake.sync.evening import Evening
from fnolake.sync.writer import LineSettings


@contextlib.asynccontextmanager
async def open_evening(
    settings: Settings, store: Store, clock: Clock, calendar: Calendar, environ: Mapping[str, str], on_event: Callable[[Event], None],
    accounts: Sequence[str] = (), *, hopes: bool = False,
) -> AsyncIterator[Evening]:
    """
    An evening with every account that is usable, or of the named ones.

    Args:
        settings: Everything that is set.
        store: Open for writing.
        clock: Both clocks.
        calendar: Learns what the exchange says.
        environ: For ``env:`` references.
        on_event: Told of progress, and of who was left out.
        accounts: Ask only these.
        hopes: Options wait for an exchange file that may still come.

    Raises:
        ConfigError: No account can be used.
    """
    kept = pending.take(store.state)
    if kept:
        await asyncio.to_thread(store.record_requests, kept)
        pending.forget(store.state)
    async with connected(settings, store.state, clock, calendar, environ, accounts) as found:
        for why in found.left_out:
            on_event(Notice("warning", why))
        line = LineSettings(settings.sync.workers, settings.sync.batch_rows, settings.sync.batch_s)
        yield Evening(
            store, found.accounts, found.exchange, calendar, clock, on_event=on_event, settings=line, second_look=settings.compare.sample,
            hopes=hopes, repair=settings.repair, freshness=settings.freshness,
        )
