"""
One sync from beginning to end: masters, the exchange's files, plan, backfill, publish. Orders the stations, judges
nothing. Invariant: whatever interrupts it, the lake is what it was plus what was committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import polars as pl

from fnolake.config.settings import FreshnessSettings, RepairSettings
from fnolake.market.calendar import Calendar
from fnolake.model import (
    BarRequest,
    Clock,
    Event,
    Notice,
    RequestRecord,
    Selection,
    SyncStarted,
    ist_date,
)
from fnolake.provider.account import Account, Asked
from fnolake.provider.canary import Canary
from fnolake.provider.exchange.client import ExchangeClient
from fnolake.store.store import Store
from fnolake.sync import second_day
from fnolake.sync.again import prove_again
from fnolake.sync.backfill import Backfill
from fnolake.sync.certify import sign_off
from fnolake.sync.contracts import Contracts, MustFill, Witnesses, tasks, who_lists
from fnolake.sync.decide import Sings
from fnolake.sync.ex_dates import ExDates
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.sync.exchange_round import ExchangeRound
from fnolake.sync.expired import AfterExpiry, expired_sessions, priced, refused_before
from fnolake.sync.given_up import recorded_if_cancelled
from fnolake.sync.masters import MasterRound
from fnolake.sync.money import money
from fnolake.sync.outlook import warned
from fnolake.sync.plan import Plan
from fnolake.sync.report import AccountReport, SyncReport
from fnolake.sync.second_look import SecondLook
from fnolake.sync.sources import WAITS, source_lines
from fnolake.sync.status import widest
from fnolake.sync.wanted import Wanted, count_wanted, plan_wanted, wanted
from fnolake.sync.writer import LineSettings, Served, Tally


class Evening:
    """
    Runs syncs for one lake with every account that is usable.

    Args:
        store: Open for writing.
        accounts: Who is asked, all at once.
        exchange: The exchange's file server, or None without the user's consent.
        calendar: Hours of every session.
        clock: Calendar clock and machine clock.
        on_event: Told of progress; must not block.
        settings: Workers and batch limits.
        second_look: Share of contract-sessions that a second provider is asked for too.
        freshness: What may wait for a weekday; everything is asked in the evening of its session by default.
        hopes: Options wait for an exchange file that may still come (``wanted.hopes_for_files``).
        repair: How findings are asked again.
    """

    def __init__(
        self, store: Store, accounts: Sequence[Account], exchange: ExchangeClient | None, calendar: Calendar, clock: Clock,
        *, on_event: Callable[[Event], None], settings: LineSettings, second_look: float = 0.0, hopes: bool = False,
        repair: RepairSettings | None = None, freshness: FreshnessSettings | None = None,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._exchange = exchange
        self._calendar = calendar
        self._clock = clock
        self._settings = settings
        self._second_look = second_look
        self._freshness = freshness or FreshnessSettings()
        self._hopes = self._waits = hopes
        self._repair = repair or RepairSettings()
        self._tell = on_event
        self._notices: list[str] = []

    def _emit(self, event: Event) -> None:
        if isinstance(event, Notice) and event.level != "info":
            self._notices.append(event.text)
        self._tell(event)

    async def run(self, selection: Selection, stop: asyncio.Event) -> SyncReport:
        """
        Take everything the selection wants and the store does not have.

        Raises:
            ConfigError: The selection wants nothing that can be had.
            ProviderError: No master could be had and the lake has none.
            StoreError: Something could not be made durable.

        Cancel:
            Safe at any await; what was committed stays.
        """
        started = self._clock.monotonic()
        await self.prepare(selection, stop)
        proven = await asyncio.to_thread(prove_again, self._store, self._calendar)
        if proven:
            self._emit(Notice("info", proven))
        now = self._clock.now()
        chosen = await asyncio.to_thread(wanted, self._store, selection, self._calendar, now, self._freshness)
        for day in chosen.unknown:
            self._emit(Notice("warning", f"{day}: the hours of this session are unknown; add them to the [calendar] additions file"))
        plan = await asyncio.to_thread(self.plan, chosen)
        for warning in plan.warnings:
            self._emit(Notice("info", warning))
        if plan.waiting:
            held = [line for line in source_lines(plan.sources) if "wait for" in line]
            self._emit(Notice("info", f"{plan.waiting:,} contract-sessions wait: {'; '.join(held)}"))
        tally = await self._backfill(plan, chosen, stop, selection.max_minutes)
        interrupted = stop.is_set() and not tally.stopped
        if not interrupted:
            await self._look_twice(chosen, stop, tally, selection.max_minutes and started + selection.max_minutes * 60)
            await self._publish()
        signed = () if interrupted or selection.kinds else await self._sign_off(chosen, plan, changed=bool(proven or tally.requests))
        left = await asyncio.to_thread(self.plan, chosen) if plan.warnings else plan
        for warning in left.warnings:
            self._emit(Notice("warning", warning))
        spoken_of = replace(chosen, sessions=chosen.asked_for, since=None)
        report = await asyncio.to_thread(self._report, spoken_of, tally, self._clock.monotonic() - started, interrupted=interrupted)
        return replace(report, waiting=plan.not_due, gaps=max(report.gaps - plan.not_due, 0), certificates=signed)

    async def prepare(self, selection: Selection, stop: asyncio.Event) -> None:
        """
        Take the masters of the day and the exchange's files of the selected sessions, where they are not here, until ``stop``.

        What was dropped, and symbol changes, go before the masters: a rename must be known before a master shows it.
        Masters taken earlier in the day are taken once more when today's file lists contracts that they did not.
        """
        await asyncio.to_thread(self._files().take_dropped)
        fresh = await self.take_masters()
        chosen = await asyncio.to_thread(wanted, self._store, selection, self._calendar, self._clock.now(), self._freshness)
        await self.take_exchange_files(chosen, stop)
        if not fresh and not stop.is_set():
            await self._masters().take_after_close()
        self._waits = self._hopes and selection.wait

    def plan(self, chosen: Wanted) -> Plan:
        """What would be asked now, with what will not be had in time. Blocking: call it in a thread."""
        now, per_minute = self._clock.now(), sum(one.per_minute for one in self._accounts)
        plan = plan_wanted(
            self._store, chosen, self._calendar, now, per_minute, self._freshness, tries=self._repair.tries, waits=self._waits,
            max_days=widest([one.max_days for one in self._accounts]),
        )
        return warned(self._store, plan, chosen, self._calendar, now, self._freshness)

    async def take_masters(self, *, again: bool = False) -> list[dict[str, object]]:
        """The masters of the day from every provider, see ``masters.MasterRound.take``."""
        return await self._masters().take(again=again)

    def _masters(self) -> MasterRound:
        return MasterRound(self._store, self._accounts, self._clock, self._emit, self._files().take_renames)

    def _files(self) -> ExchangeRound:
        return ExchangeRound(self._store, self._exchange, self._calendar, self._clock, self._emit)

    async def take_exchange_files(self, chosen: Wanted, stop: asyncio.Event) -> None:
        """Take the reference files that are due, and the end-of-day files that the wanted sessions need."""
        taker = self._files()
        in_files = ~(pl.col("is_index") & (pl.col("kind") == "spot"))
        needed = set(chosen.contracts.filter(in_files).select("venue", "segment").unique().iter_rows())
        if chosen.sessions and needed:
            await taker.take_references(max(chosen.sessions), stop)
        await taker.take_days(chosen.sessions, needed, stop)

    async def _backfill(self, plan: Plan, chosen: Wanted, stop: asyncio.Event, max_minutes: float | None) -> Tally:
        self._emit(SyncStarted(plan.contracts if plan.requests else 0, plan.contract_sessions, plan.requests))
        if not plan.requests:
            return Tally()
        book = await asyncio.to_thread(ExchangeBook.read, self._store, plan.sessions)
        known = await asyncio.to_thread(self._store.instruments, kinds=("future",))
        witnesses = Witnesses(known, ist_date(self._clock.now()))
        providers = {one.name: one.provider_name for one in self._accounts}
        listed = await asyncio.to_thread(self._who_lists, plan, set(providers.values()))
        line = Backfill(
            self._accounts, self._store.commit, self._calendar, self._canaries(witnesses), exchange=book.row, now=self._clock.now,
            must_fill=MustFill(chosen.contracts), on_event=self._emit, settings=self._settings,
            late=await asyncio.to_thread(self._late, plan),
            stored=lambda contract, day: self._store.bars([contract], [day]).sort("ts").collect(),
            actions=(await asyncio.to_thread(ExDates.read, self._store)).since,
        )
        timer = asyncio.get_running_loop().call_later(max_minutes * 60, stop.set) if max_minutes else None
        try:
            return await line.run(tasks(plan.rows, Contracts(chosen.contracts), providers, listed), stop)
        finally:
            if timer is not None:
                timer.cancel()

    def _who_lists(self, plan: Plan, providers: set[str]) -> dict[int, frozenset[str]]:
        """Whom to ask for the plan's contracts; what no account's provider lists is said once and not asked."""
        listed = who_lists(self._store.listed_by(plan.rows["contract"].unique()), set(self._store.masters()["provider"]), providers)
        nobodys = sum(1 for names in listed.values() if providers.isdisjoint(names))
        if nobodys:
            others = ", ".join(sorted({name for names in listed.values() if providers.isdisjoint(names) for name in names}))
            self._emit(Notice("warning", f"{nobodys:,} contracts are listed only by {others}, of which no account is signed in: not asked"))
        return listed

    def _late(self, plan: Plan) -> AfterExpiry:
        """What judges the answers about contracts that have expired."""
        if not plan.asked_late:
            return AfterExpiry()
        before = refused_before(self._store.refusals(), ist_date(self._clock.now()))
        return AfterExpiry(before, priced(money(self._store, expired_sessions(plan.rows))))

    def _canaries(self, witnesses: Witnesses) -> dict[str, Sings]:
        """Each provider's own: what one provider answers says nothing of another's health."""
        def record(request: RequestRecord) -> None:
            self._store.record_requests([request])

        names = dict.fromkeys(account.provider_name for account in self._accounts)
        return {name: Canary(partial(self._ask_witness, name), witnesses.canary, self._clock, record).alive for name in names}

    async def _ask_witness(self, provider: str, request: BarRequest) -> Asked:
        own = [account for account in self._accounts if account.provider_name == provider]
        account = next((one for one in own if not (one.is_out or one.is_down)), own[0])
        with recorded_if_cancelled(self._store, self._clock, (provider, account.name), "minutes", request.contract.symbol):
            return await account.ask_minutes(request)

    async def _look_twice(self, chosen: Wanted, stop: asyncio.Event, tally: Tally, until: float | None) -> None:
        """Ask second witnesses, and yesterday's sample once more, to the machine's second ``until``."""
        left = None if until is None else asyncio.get_running_loop().time() + until - self._clock.monotonic()
        look = SecondLook(
            self._store, self._accounts, self._calendar, self._clock.now, self._emit, share=self._second_look, workers=self._settings.workers,
            count=tally.add_looks,
        )
        await look.run(chosen, stop, left)
        if chosen.repairs:
            due = await asyncio.to_thread(second_day.due_again, self._store, chosen.contracts, self._repair.second_day, self._clock.now())
            anew = SecondLook(
                self._store, self._accounts, self._calendar, self._clock.now, self._emit, share=1.0, workers=self._settings.workers,
                way=second_day.WAY, count=tally.add_looks,
            )
            await anew.look(due, chosen, stop, left)

    async def _publish(self) -> None:
        finished = self._calendar.last_finished(self._clock.now())
        for day in await asyncio.to_thread(self._store.unpublished):
            if day <= finished:
                self._emit(Notice("info", f"publishing {day}"))
                await asyncio.to_thread(self._store.publish, day)

    async def _sign_off(self, chosen: Wanted, plan: Plan, *, changed: bool) -> tuple[str, ...]:
        """Certificates of the sessions that are finished and proven as far as they will be this evening."""
        held = {one.session for one in plan.sources if one.kind == WAITS}
        sessions = [day for day in chosen.asked_for if day not in held]
        return await asyncio.to_thread(sign_off, self._store, sessions, self._clock.now(), changed=changed)

    def _report(self, chosen: Wanted, tally: Tally, seconds: float, *, interrupted: bool) -> SyncReport:
        counts = count_wanted(self._store, chosen)
        return SyncReport(
            outcomes=tally.outcomes, bars=tally.bars, requests=tally.requests, failed_requests=tally.failed_requests,
            seconds=seconds, sessions=chosen.sessions, gaps=counts.listed - counts.covered, listed=counts.listed,
            covered=counts.covered, verified=counts.verified, notices=tuple(dict.fromkeys(self._notices)),
            stopped=tally.stopped, interrupted=interrupted, accounts=tuple(self._account_report(one, tally) for one in self._accounts),
        )

    def _account_report(self, account: Account, tally: Tally) -> AccountReport:
        did = tally.accounts.get(account.name, Served())
        return AccountReport(account.name, account.provider_name, did.requests, did.failed_requests, did.sessions, did.bars, did.reason)
