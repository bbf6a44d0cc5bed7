"""
The second look: a share of what one provider delivered is asked of another, compared, and committed with the comparison.

Runs after the main work, in the order of deadlines, inside the accounts' budgets. Invariant: every request ends in one
recorded outcome, and what is stored changes only where the rule of ``verify.keep`` says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from typing import Protocol

import polars as pl

from fnolake.errors import AuthError
from fnolake.market.calendar import Calendar
from fnolake.model import (
    SECOND,
    Attempt,
    BarRequest,
    Batch,
    Compared,
    Contract,
    Event,
    Finding,
    Notice,
    Outcome,
    PageDone,
    RequestRecord,
    Verdict,
    bar_schema,
    ist_date,
    quarantine_schema,
)
from fnolake.normalize import normalize
from fnolake.provider.account import Asked
from fnolake.store.store import Store
from fnolake.sync.ask import attempt_of, cancel_when, failure, request_of, to_the_end
from fnolake.sync.contracts import Contracts, MustFill
from fnolake.sync.ex_dates import ExDates, Since
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.sync.given_up import interrupted
from fnolake.sync.sample import due_looks
from fnolake.sync.wanted import Wanted
from fnolake.verify import Witness, compare, judge, keep, refused_rows, unless_rebased

PIECE = 200
"""Contract-sessions whose stored bars are in memory at once, and that are committed together."""


class Asks(Protocol):
    """An account that can be asked for minutes."""

    name: str

    @property
    def provider_name(self) -> str:
        """The provider's name."""

    @property
    def falters(self) -> bool:
        """Whether asking waits for a probe: too long for a sample."""

    def drain_sign_ins(self) -> list[RequestRecord]:
        """Records of the renewals since the last call."""

    async def ask_minutes(self, request: BarRequest, *, may_leave: Callable[[], bool]) -> Asked:
        """Ask once, with retries and budget; never raises for what the provider does."""


@dataclass
class _Piece:
    """What a piece came to, until it is committed."""

    requests: list[RequestRecord] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    bars: list[pl.DataFrame] = field(default_factory=list)
    refused: list[pl.DataFrame] = field(default_factory=list)
    compared: list[Compared] = field(default_factory=list)

    def close(self) -> Batch:
        """The piece as a batch."""
        return Batch(
            tuple(self.attempts), pl.concat([pl.DataFrame(schema=bar_schema()), *self.bars]),
            pl.concat([pl.DataFrame(schema=quarantine_schema()), *self.refused]), tuple(self.requests), tuple(self.compared),
        )


@dataclass(frozen=True, slots=True)
class Way:
    """
    Whom a look asks, and what its lines call it.

    ``anew``: anybody, the stored bars' own provider first, and where no rule says whose bars are better the newer answer
    is taken; else only another provider is asked, and the stored bars stay.
    """

    name: str = "second look"
    whom: str = "another provider"
    agree: str = "between the providers"
    anew: bool = False


@dataclass(frozen=True, slots=True)
class _Terms:
    """What judging needs beside an answer."""

    way: Way
    calendar: Calendar
    book: ExchangeBook
    must_fill: MustFill
    now: Callable[[], datetime]
    actions: Since


@dataclass(frozen=True, slots=True)
class _Look:
    """One contract-session to be asked again, with what is stored of it."""

    contract: Contract
    session: date
    provider: str
    attempt: int
    stored: Witness


class SecondLook:
    """
    Asks second witnesses.

    Args:
        store: Open for writing.
        accounts: Everybody who can be asked; one of another provider than the stored bars' is.
        calendar: Hours of every session.
        now: The calendar clock.
        on_event: Told of progress; must not block.
        share: Of contract-sessions that are looked at twice, 0 to 1.
        workers: Requests under way at once.
        way: Whom to ask, and what to keep.
        count: Told of each request.
    """

    def __init__(
        self, store: Store, accounts: Sequence[Asks], calendar: Calendar, now: Callable[[], datetime], on_event: Callable[[Event], None],
        *, share: float, workers: int = 12, way: Way | None = None, count: Callable[[RequestRecord], None] = lambda _record: None,
    ) -> None:
        self._store, self._accounts, self._calendar = store, accounts, calendar
        self._now, self._emit, self._share, self._workers = now, on_event, share, workers
        self._way, self._on_request = way or Way(), count
        self._out: set[str] = set()
        self._asking: dict[str, int] = {}

    async def run(self, chosen: Wanted, stop: asyncio.Event, until: float | None = None) -> int:
        """
        Look twice at what is due of the wanted.

        Args:
            chosen: Contracts and sessions.
            stop: Once set, requests in flight are dropped and what was compared is committed.
            until: The same, at that time of the running loop.

        Returns:
            How many contract-sessions were compared.

        Raises:
            StoreError: A piece could not be made durable; nothing of it was recorded.

        Cancel:
            Safe; the open piece is dropped, a commit under way is waited for.
        """
        providers = {account.provider_name for account in self._accounts}
        if not self._share or len(providers) < 2:
            return 0
        looks = await asyncio.to_thread(due_looks, self._store, chosen, self._share, providers, ist_date(self._now()))
        return await self.look(looks, chosen, stop, until)

    async def look(self, looks: pl.DataFrame, chosen: Wanted, stop: asyncio.Event, until: float | None = None) -> int:
        """
        Ask again for given contract-sessions.

        Args:
            looks: contract, session, provider, attempt, rank of what is stored, in the order to ask.
            chosen: Their contracts at least.
            stop: As for :meth:`run`.
            until: As for :meth:`run`.

        Returns:
            How many contract-sessions were compared.

        Raises:
            StoreError: A piece could not be made durable; nothing of it was recorded.

        Cancel:
            As :meth:`run`.
        """
        if looks.is_empty():
            return 0
        self._emit(Notice("info", f"{self._way.name}: {looks.height:,} contract-sessions are asked of {self._way.whom}"))
        book = await asyncio.to_thread(ExchangeBook.read, self._store, looks["session"].unique().sort().to_list())
        terms = _Terms(self._way, self._calendar, book, MustFill(chosen.contracts), self._now, (await asyncio.to_thread(ExDates.read, self._store)).since)
        compared: list[Compared] = []
        for rows in looks.iter_slices(PIECE):
            if stop.is_set() or (until is not None and asyncio.get_running_loop().time() >= until):
                break
            compared += await self._piece(await asyncio.to_thread(self._loaded, rows, chosen.contracts), terms, stop, until)
        self._tell(compared, looks.height)
        return len(compared)

    def _loaded(self, rows: pl.DataFrame, table: pl.DataFrame) -> list[_Look]:
        """The piece's looks, in order, with their stored bars."""
        pairs = rows.select("contract", "session")
        bars = self._store.bars(rows["contract"].unique().to_list(), rows["session"].unique().to_list())
        stored = bars.join(pairs.lazy(), on=["contract", "session"], how="semi").collect().partition_by("contract", "session", as_dict=True)
        contracts = Contracts(table)
        return [
            _Look(contracts[number], day, provider, attempt, Witness(stored[number, day], rank))
            for number, day, provider, attempt, rank in rows.iter_rows() if (number, day) in stored
        ]

    async def _piece(self, looks: list[_Look], terms: _Terms, stop: asyncio.Event, until: float | None) -> list[Compared]:
        piece, left = _Piece(), iter(looks)
        async with asyncio.TaskGroup() as group:
            workers = [group.create_task(self._work(left, piece, terms)) for _ in range(min(self._workers, len(looks)))]
            watch = group.create_task(cancel_when(stop, workers, until))
            if workers:
                await asyncio.wait(workers)
            watch.cancel()
        await self._commit(piece)
        return piece.compared

    async def _work(self, looks: Iterator[_Look], piece: _Piece, terms: _Terms) -> None:
        for look in looks:
            account = self._free(look.provider)
            if account is None:
                continue
            with self._turn(account):
                asked = await self._ask(account, look, piece)
            if isinstance(asked.error, AuthError) or account.falters:
                self._out.add(account.name)
            _decide(look, asked, terms, piece)
            self._emit(PageDone(look.contract.symbol, account.name, asked.record.outcome, 0, 0))

    def _free(self, provider: str) -> Asks | None:
        """The least busy account that works of those that this look may ask."""
        able = [one for one in self._accounts if one.name not in self._out and not one.falters]
        own = [one for one in able if one.provider_name == provider]
        able = own or able if self._way.anew else [one for one in able if one not in own]
        return min(able, key=lambda one: self._asking.get(one.name, 0), default=None)

    @contextlib.contextmanager
    def _turn(self, account: Asks) -> Iterator[None]:
        self._asking[account.name] = self._asking.get(account.name, 0) + 1
        try:
            yield
        finally:
            self._asking[account.name] -= 1

    async def _ask(self, account: Asks, look: _Look, piece: _Piece) -> Asked:
        try:
            asked = await account.ask_minutes(_request(look), may_leave=lambda: True)
        except asyncio.CancelledError:
            given_up = interrupted(account.provider_name, account.name, "minutes", self._now(), look.contract.symbol)
            piece.requests.append(given_up)
            self._on_request(given_up)
            raise
        piece.requests.append(asked.record)
        self._on_request(asked.record)
        return asked

    async def _commit(self, piece: _Piece) -> None:
        piece.requests += [record for account in self._accounts for record in account.drain_sign_ins()]
        if not piece.requests:
            return
        await to_the_end(partial(self._store.commit, piece.close()))

    def _tell(self, compared: Sequence[Compared], wanted: int) -> None:
        agreed = sum(each.comparison.agreed for each in compared)
        text = f"{self._way.name}: {agreed:,} of {len(compared):,} contract-sessions agree {self._way.agree}"
        if len(compared) < wanted:
            text += f", {wanted - len(compared):,} are left for the next sync"
        if agreed < len(compared):
            text += "; `fnolake compare` shows the differences"
        self._emit(Notice("info" if agreed == len(compared) else "warning", text))


def _decide(look: _Look, asked: Asked, terms: _Terms, piece: _Piece) -> None:
    """Judge one answer as the line does, compare it with what is stored, and add both to the piece."""
    row = terms.book.row(look.contract.contract, look.session)
    if asked.page is None or asked.page.is_empty:
        piece.attempts.append(_attempt(look, asked, _without_rows(asked)))
        return
    session = terms.calendar.session_for(look.contract, look.session)
    assert session is not None, f"{look.contract.symbol}: {look.session} has bars and is no session"
    table = normalize(asked.page, terms.calendar)
    actions = terms.actions(look.contract, look.session, ist_date(terms.now()))
    judged = judge(
        table, _request(look), [session], terms.now(), {look.session: row}, must_fill=terms.must_fill(look.contract, look.session),
        actions={look.session: actions},
    )
    day, verdict, bars = judged[0]
    if look.contract.kind == "spot":
        verdict = unless_rebased(verdict, bars, look.stored.bars, actions)
        judged = [(day, verdict, bars.head(verdict.bars))]
    piece.attempts.append(_attempt(look, asked, verdict))
    piece.refused.append(refused_rows(table, judged))
    if not verdict.bars:
        return
    comparison = compare(look.stored.bars, bars)
    kept, why = keep(look.stored, Witness(bars, verdict.rank), comparison, None if row is None else row.volume)
    if terms.way.anew and why == "first_stays" and verdict.rank >= look.stored.rank:
        kept, why = SECOND, "newer"
    piece.compared.append(Compared(look.contract.contract, look.session, look.provider, look.attempt, comparison, kept, why))
    if kept == SECOND:
        piece.bars.append(bars)


def _without_rows(asked: Asked) -> Verdict:
    """A failure by its name; "nothing" where another provider has bars is doubtful."""
    if asked.error is None:
        return Verdict(Outcome.FAILED, ("doubtful_empty",), (Finding("other_provider_has_bars"),))
    return failure(asked.error)


def _attempt(look: _Look, asked: Asked, verdict: Verdict) -> Attempt:
    return attempt_of(look.contract, look.session, verdict, asked.record)


def _request(look: _Look) -> BarRequest:
    return request_of(look.contract, look.session, look.session)
