"""
One sync from beginning to end: masters, the exchange's files, plan, backfill, publish. Orders the stations, judges
nothing. Invariant: whatever interrupts it, the lake is what it was plus what was committed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from fnolake.errors import PayloadError, ProviderFault
from fnolake.market.bhavcopy import read_cm, read_fo
from fnolake.market.calendar import Calendar
from fnolake.model import (
    BarRequest,
    Clock,
    Event,
    Master,
    Notice,
    RawFile,
    Selection,
    SyncStarted,
    ist_date,
)
from fnolake.provider.account import Account, Asked
from fnolake.provider.canary import Canary
from fnolake.provider.exchange.client import ExchangeClient
from fnolake.store.store import Store
from fnolake.sync.again import prove_again
from fnolake.sync.backfill import Backfill, LineSettings, Tally, interrupted
from fnolake.sync.contracts import Contracts, MustFill, Witnesses, tasks
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.sync.plan import Plan
from fnolake.sync.status import differing_line
from fnolake.sync.wanted import Wanted, count_wanted, plan_wanted, wanted


@dataclass(frozen=True, slots=True)
class SyncReport:
    """
    What a sync did. ``outcomes`` counts contract-sessions decided now; ``gaps`` what is left of the selection.

    ``stopped`` says why it ended early (empty when it did not); ``seconds`` are the machine's.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    bars: int = 0
    requests: int = 0
    failed_requests: int = 0
    seconds: float = 0.0
    sessions: tuple[date, ...] = ()
    gaps: int = 0
    listed: int = 0
    covered: int = 0
    verified: int = 0
    notices: tuple[str, ...] = ()
    stopped: str = ""
    interrupted: bool = False

    @property
    def lines(self) -> list[str]:
        """The report in a few sentences for a person."""
        decided = sum(self.outcomes.values())
        if not self.requests:
            head = "Nothing to do: every wanted contract-session is covered." if not self.gaps else "Nothing was asked."
        else:
            rate = decided / self.seconds if self.seconds else 0.0
            head = (
                f"{decided:,} contract-sessions and {self.bars:,} bars by {self.requests:,} requests in "
                f"{self.seconds:,.0f} s ({rate:,.0f} a second)"
            )
        words = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items(), key=lambda item: -item[1]))
        text = [head] + ([words] if words else [])
        text.append(f"{self.covered:,} of {self.listed:,} listed contract-sessions are covered, {self.verified:,} verified against the exchange")
        if self.gaps:
            text.append(f"{self.gaps:,} are not: see `fnolake gaps`")
        return text + list(self.notices) + ([self.stopped] if self.stopped else [])


class Evening:
    """
    Runs syncs for one lake with one account.

    Args:
        store: Open for writing.
        account: Who is asked.
        exchange: The exchange's file server, or None without the user's consent.
        calendar: Hours of every session.
        clock: Calendar clock and machine clock.
        on_event: Told of progress; must not block.
        settings: Workers and batch limits.
    """

    def __init__(
        self, store: Store, account: Account, exchange: ExchangeClient | None, calendar: Calendar, clock: Clock,
        *, on_event: Callable[[Event], None], settings: LineSettings,
    ) -> None:
        self._store = store
        self._account = account
        self._exchange = exchange
        self._calendar = calendar
        self._clock = clock
        self._settings = settings
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
        chosen = await asyncio.to_thread(wanted, self._store, selection, self._calendar, now)
        for day in chosen.unknown:
            self._emit(Notice("warning", f"{day}: the hours of this session are unknown; add them to the [calendar] additions file"))
        plan = await asyncio.to_thread(self.plan, chosen)
        tally = await self._backfill(plan, chosen, stop, selection.max_minutes)
        interrupted = stop.is_set() and not tally.stopped
        if not interrupted:
            await self._publish()
        return await asyncio.to_thread(self._report, chosen, tally, self._clock.monotonic() - started, interrupted=interrupted)

    async def prepare(self, selection: Selection, stop: asyncio.Event) -> None:
        """Take the masters of the day and the exchange's files of the selected sessions, where they are not here, until ``stop``."""
        await self.take_masters()
        chosen = await asyncio.to_thread(wanted, self._store, selection, self._calendar, self._clock.now())
        await self.take_exchange_files(chosen, stop)

    def plan(self, chosen: Wanted) -> Plan:
        """What would be asked now. Blocking: call it in a thread."""
        return plan_wanted(self._store, chosen, self._calendar, self._clock.now(), self._account.per_minute)

    async def take_masters(self, *, again: bool = False) -> list[dict[str, object]]:
        """
        Take and diff the masters of the day, once a day unless ``again``.

        Returns:
            One row a master: exchange, rows, listings, out_of_scope, findings, new, amended.

        Raises:
            ProviderError: None could be had, and no contract is known yet.
        """
        today = ist_date(self._clock.now())
        if not again and self._store.masters_taken(today):
            return []
        with self._given_up(self._account.provider_name, self._account.name, "masters", str(today)):
            answers = await self._account.ask_masters(today)
        await asyncio.to_thread(self._store.record_requests, [record for _, record in answers])
        files = [raw for raw, _ in answers if raw is not None]
        if len(files) < len(answers):
            lost = ", ".join(record.route for raw, record in answers if raw is None)
            self._emit(Notice("warning", f"masters not taken: {lost}; run `fnolake instruments sync` later"))
        return await asyncio.to_thread(self._take_masters, files)

    def _take_masters(self, files: list[RawFile]) -> list[dict[str, object]]:
        decoded: list[tuple[Master, RawFile]] = []
        for raw in files:
            try:
                decoded.append((self._account.provider.decode_master(raw), raw))
            except (PayloadError, ProviderFault) as error:
                self._emit(Notice("warning", f"{raw.name}: {error}"))
        if not decoded:
            if self._store.instruments(None).is_empty():
                raise ProviderFault("no symbol master could be read, so no contract is known; try again in a few minutes", provider=self._account.provider.name)
            return []
        scoped = self._account.provider.in_scope([master for master, _ in decoded])
        rows = []
        for master, raw in zip(scoped, [raw for _, raw in decoded], strict=True):
            counts = self._store.take_master(master, raw)
            rows.append({
                "exchange": master.exchange, "rows": master.rows, "listings": master.listings.height,
                "out_of_scope": sum(master.out_of_scope.values()), "findings": sum(f.count for f in master.findings), **counts,
            })
        if unlike := differing_line(self._store.differences()):
            self._emit(Notice("info", unlike))
        return rows

    async def take_exchange_files(self, chosen: Wanted, stop: asyncio.Event) -> None:
        """Read the exchange's end-of-day files that the wanted sessions need and that are not here."""
        if self._exchange is None:
            return
        in_files = ~(pl.col("is_index") & (pl.col("kind") == "spot"))
        needed = set(chosen.contracts.filter(in_files).select("venue", "segment").unique().iter_rows())
        here = self._store.exchange_days()
        late: list[str] = []
        for day in chosen.sessions:
            for venue, segment in sorted(needed):
                if stop.is_set():
                    return
                if (venue, segment, day) not in here and not await self._take_exchange_file(venue, segment, day):
                    late.append(f"{venue} {segment} {day}")
        if late:
            names = ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
            self._emit(Notice("info", f"exchange files not there yet: {names}; contracts are taken from the masters"))

    async def _take_exchange_file(self, venue: str, segment: str, day: date) -> bool:
        assert self._exchange is not None
        with self._given_up("exchange", "", f"bhavcopy {venue} {segment}", str(day)):
            raw, record = await self._exchange.bhavcopy(venue, segment, day)
        await asyncio.to_thread(self._store.record_requests, [record])
        if raw is None:
            return False
        try:
            parsed = await asyncio.to_thread(read_fo if segment == "FO" else read_cm, raw.body)
        except PayloadError as error:
            self._emit(Notice("warning", f"{raw.name}: {error}"))
            return False
        await asyncio.to_thread(self._store.take_exchange_day, parsed, raw)
        return True

    async def _backfill(self, plan: Plan, chosen: Wanted, stop: asyncio.Event, max_minutes: float | None) -> Tally:
        self._emit(SyncStarted(plan.contracts if plan.requests else 0, plan.contract_sessions, plan.requests))
        if not plan.requests:
            return Tally()
        book = await asyncio.to_thread(ExchangeBook.read, self._store, chosen.sessions)
        known = await asyncio.to_thread(self._store.instruments, kinds=("future",))
        witnesses = Witnesses(known, ist_date(self._clock.now()))
        canary = Canary(self._ask_witness, witnesses.canary, self._clock, lambda record: self._store.record_requests([record]))
        line = Backfill(
            self._account, self._store.commit, self._calendar, canary.alive, exchange=book.row, now=self._clock.now,
            must_fill=MustFill(chosen.contracts), on_event=self._emit, settings=self._settings,
        )
        timer = asyncio.get_running_loop().call_later(max_minutes * 60, stop.set) if max_minutes else None
        try:
            return await line.run(tasks(plan.rows, Contracts(chosen.contracts)), stop)
        finally:
            if timer is not None:
                timer.cancel()

    async def _ask_witness(self, request: BarRequest) -> Asked:
        with self._given_up(self._account.provider_name, self._account.name, "minutes", request.contract.symbol):
            return await self._account.ask_minutes(request)

    @contextlib.contextmanager
    def _given_up(self, provider: str, account: str, route: str, detail: str) -> Iterator[None]:
        """Record a request that is cancelled on its way (rule zero)."""
        try:
            yield
        except asyncio.CancelledError:
            self._store.record_requests([interrupted(provider, account, route, self._clock.now(), detail)])
            raise

    async def _publish(self) -> None:
        finished = self._calendar.last_finished(self._clock.now())
        for day in await asyncio.to_thread(self._store.unpublished):
            if day <= finished:
                self._emit(Notice("info", f"publishing {day}"))
                await asyncio.to_thread(self._store.publish, day)

    def _report(self, chosen: Wanted, tally: Tally, seconds: float, *, interrupted: bool) -> SyncReport:
        counts = count_wanted(self._store, chosen)
        return SyncReport(
            outcomes=tally.outcomes, bars=tally.bars, requests=tally.requests, failed_requests=tally.failed_requests,
            seconds=seconds, sessions=chosen.sessions, gaps=counts.listed - counts.covered, listed=counts.listed,
            covered=counts.covered, verified=counts.verified, notices=tuple(dict.fromkeys(self._notices)),
            stopped=tally.stopped, interrupted=interrupted,
        )
