"""The masters of a day, taken from every provider of the pool: fetched, recorded, decoded, diffed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import date

from fnolake.errors import PayloadError, ProviderFault
from fnolake.model import Clock, Event, Master, Notice, RawFile, ist_date
from fnolake.provider.account import Account
from fnolake.provider.base import Provider
from fnolake.store.store import Store
from fnolake.sync.given_up import recorded_if_cancelled
from fnolake.sync.status import differing_line


class MasterRound:
    """
    Takes masters, once a day from each provider.

    Args:
        store: Open for writing.
        accounts: Of any providers; the next one of a provider is asked where the one before got nothing.
        clock: Says which day it is.
        on_event: Told of what could not be had.
        learn_renames: Awaited before masters are asked for: one that is diffed before a rename is known makes new contracts.
    """

    def __init__(
        self, store: Store, accounts: Sequence[Account], clock: Clock, on_event: Callable[[Event], None],
        learn_renames: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._clock = clock
        self._emit = on_event
        self._learn_renames = learn_renames

    async def take(self, *, again: bool = False) -> list[dict[str, object]]:
        """
        Take and diff the masters of the day, once a day unless ``again``.

        Returns:
            One row a master: provider, exchange, rows, listings, out_of_scope, findings, and what ``Store.take_master`` counts.

        Raises:
            ProviderError: None could be had, and no contract is known yet.
        """
        today = ist_date(self._clock.now())
        rows: list[dict[str, object]] = []
        wanted = [name for name in dict.fromkeys(one.provider_name for one in self._accounts)
                  if again or not self._store.masters_taken(today, name)]
        if wanted and self._learn_renames is not None:
            await self._learn_renames()
        for name in wanted:
            rows += await self._of_provider([one for one in self._accounts if one.provider_name == name], today)
        if rows and (unlike := differing_line(await asyncio.to_thread(self._store.listing_differences))):
            self._emit(Notice("info", unlike))
        if wanted and not rows and self._store.instruments(None).is_empty():
            raise ProviderFault(
                "no symbol master could be read, so no contract is known; try again in a few minutes", provider=wanted[0])
        return rows

    async def take_after_close(self) -> list[dict[str, object]]:
        """
        Take the masters once more when the exchange's file of today lists what they did not: strikes are added while the market is open.

        Once a day, and only of those who answer; rows as :meth:`take` returns them.
        """
        today = ist_date(self._clock.now())
        if self._store.masters_after_close() == today:
            return []
        missing = await asyncio.to_thread(self._store.unlisted, today)
        if missing.is_empty():
            return []
        names = ", ".join(missing["underlying"].unique().sort().head(3).to_list())
        self._emit(Notice("info", f"{missing.height:,} contracts were listed today after the masters were taken ({names}): taking them once more"))
        rows = await self.take(again=True)
        if rows:
            await asyncio.to_thread(self._store.note_masters_after_close, today)
        return rows

    async def _of_provider(self, accounts: Sequence[Account], today: date) -> list[dict[str, object]]:
        files: list[RawFile] = []
        lost = ""
        for account in accounts:
            files, lost = await self._fetch(account, today)
            if files:
                break
        if lost:
            self._emit(Notice("warning", f"masters not taken: {lost} of {accounts[0].provider_name}; run `fnolake instruments sync` later"))
        return await asyncio.to_thread(self._diff, accounts[0].provider, files)

    async def _fetch(self, account: Account, today: date) -> tuple[list[RawFile], str]:
        """The files that could be had, and the names of the others."""
        who = (account.provider_name, account.name)
        with recorded_if_cancelled(self._store, self._clock, who, "masters", str(today)):
            answers = await account.ask_masters(today)
        records = [*(record for _, record in answers), *account.drain_sign_ins()]
        await asyncio.to_thread(self._store.record_requests, records)
        lost = ", ".join(record.route for raw, record in answers if raw is None)
        return [raw for raw, _ in answers if raw is not None], lost

    def _diff(self, provider: Provider, files: Sequence[RawFile]) -> list[dict[str, object]]:
        decoded: list[tuple[Master, RawFile]] = []
        for raw in files:
            try:
                decoded.append((provider.decode_master(raw), raw))
            except (PayloadError, ProviderFault) as error:
                self._emit(Notice("warning", f"{raw.name}: {error}"))
        scoped = provider.in_scope([master for master, _ in decoded])
        rows: list[dict[str, object]] = []
        for master, raw in zip(scoped, [raw for _, raw in decoded], strict=True):
            counts = self._store.take_master(master, raw)
            rows.append({
                "provider": provider.name, "exchange": master.exchange, "rows": master.rows, "listings": master.listings.height,
                "out_of_scope": sum(master.out_of_scope.values()), "findings": sum(f.count for f in master.findings), **counts,
            })
        return rows
