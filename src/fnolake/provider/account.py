"""
One account that can be asked: a provider's client with budget, retries, breaker and records around it.

Adapters stay ignorant of all this. Invariant: every ask ends in exactly one :class:`~fnolake.model.RequestRecord`, and
what comes back is a page or an error of the tree, never both, never an exception.
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from fnolake.errors import (
    AuthError,
    ConfigError,
    FnolakeError,
    ProviderError,
    ProviderFault,
    RateLimited,
    SignedInElsewhere,
    SignInLost,
    SpanTimeout,
)
from fnolake.model import BarRequest, Clock, Page, RawFile, RequestRecord
from fnolake.provider.base import Provider
from fnolake.provider.breaker import Breaker
from fnolake.provider.budget import Budget, BudgetState, Hold

T = TypeVar("T")
TRIES = 5
BACKOFF_S = 0.5
BACKOFF_MAX_S = 20.0
RENEWAL_PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits between sign-ins that found nobody there; a refused one is never repeated."""
WAR_S = 600.0
"""A sign-in lost twice within this time is another program's (design section 5)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A page or an error, and always a record."""

    page: Page | None
    error: ProviderError | None
    record: RequestRecord


@dataclass(frozen=True, slots=True)
class _Done(Generic[T]):
    value: T | None
    error: ProviderError | None
    tries: int


@dataclass
class Turn:
    """Leave to send one request at once: breaker passed, budget granted. :meth:`Account.ready` makes it."""

    account: Account
    held: Hold
    probe: bool
    used: bool = False

    async def ask_minutes(self, request: BarRequest, may_leave: Callable[[], bool] = lambda: False) -> Asked:
        """As :meth:`Account.ask_minutes`; the first request needs not wait."""
        return await self.account.ask_minutes(request, self, may_leave)


class Account:
    """
    Asks one provider under one sign-in.

    Args:
        name: As in ``lake.toml``.
        provider: The client.
        budget: Shared by everything this account asks.
        clock: Calendar for records, machine for waiting.
        rng: Jitter.
        tries: Most attempts for one request.
    """

    def __init__(
        self, name: str, provider: Provider, budget: Budget, clock: Clock, *, rng: random.Random | None = None, tries: int = TRIES
    ) -> None:
        self.name = name
        self.provider = provider
        self._budget = budget
        self._clock = clock
        self._rng = rng or random.Random()
        self._tries = tries
        self._breaker = Breaker(clock)
        self._renewing = asyncio.Lock()
        self._sign_in = 0
        self._lost_at: float | None = None
        self._over: AuthError | None = None
        self._renewals: list[RequestRecord] = []

    @property
    def provider_name(self) -> str:
        """The provider's name."""
        return self.provider.name

    @property
    def per_minute(self) -> int:
        """Requests a minute that the budget allows."""
        return self._budget.per_minute

    @property
    def max_rows(self) -> int:
        """Rows that one request should expect at most."""
        return self.provider.dialect.max_rows

    @property
    def max_days(self) -> int | None:
        """Calendar days that one request may span; None = any number."""
        return self.provider.dialect.max_days

    @property
    def budget(self) -> BudgetState:
        """What is used and allowed now."""
        return self._budget.snapshot()

    @asynccontextmanager
    async def ready(self) -> AsyncIterator[Turn]:
        """
        Wait until a request would be sent at once, before it is known which: so no work waits where it cannot be served.

        A provider that is down is waited for, until its next probe. A turn that is not used costs nothing.

        Cancel:
            Safe.
        """
        probe = await self._breaker.enter(patient=True)
        turn: Turn | None = None
        try:
            async with self._budget.hold() as held:
                turn = Turn(self, held, probe)
                yield turn
        finally:
            if turn is None or not turn.used:
                self._breaker.unused(probe=probe)

    async def ask_minutes(
        self, request: BarRequest, turn: Turn | None = None, may_leave: Callable[[], bool] = lambda: False
    ) -> Asked:
        """
        Ask for the bars of one contract, with budget, retries and renewal.

        Args:
            request: The contract and the span.
            turn: What :meth:`ready` gave; without one, this waits for breaker and budget first.
            may_leave: Whether somebody else can be asked: a provider that falters is then left, not waited for.

        Returns:
            A page, or the error that was left; and the record of the request.

        Cancel:
            Safe at any await; nothing was written.
        """
        started, begun = self._clock.now(), self._clock.monotonic()
        done = await self._ask(lambda: self.provider.minutes(request), turn, may_leave)
        page = done.value
        record = self._record(
            "minutes", f"{request.contract.symbol} {request.start:%Y-%m-%d}", started, begun, done,
            outcome=None if page is None else "empty" if page.is_empty else "answered",
            wire_bytes=page.wire_bytes if page else 0, payload_hash=page.payload_hash if page else "",
        )
        return Asked(page, done.error, record)

    async def ask_masters(self, day: date) -> list[tuple[RawFile | None, RequestRecord]]:
        """Today's masters, one after the other, each with its record."""
        answers = []
        for name in self.provider.master_names():
            started, begun = self._clock.now(), self._clock.monotonic()
            done = await self._ask(lambda name=name: self.provider.master(name, day))  # type: ignore[misc]
            raw = done.value
            record = self._record(
                f"master {name}", "", started, begun, done, outcome="answered" if raw else None,
                wire_bytes=len(raw.body) if raw else 0, payload_hash=raw.payload_hash if raw else "",
            )
            answers.append((raw, record))
        return answers

    def turn(self) -> AbstractAsyncContextManager[None]:
        """One request outside the asks (a sign-in made by a person): waits for the budget and counts in it."""
        return self._budget.slot()

    @property
    def is_down(self) -> bool:
        """Whether the provider has not answered for so long that asks fail at once (but for a probe a minute)."""
        return self._breaker.is_broken

    @property
    def falters(self) -> bool:
        """Whether the provider has failed so often in a row that asks wait for a probe."""
        return self._breaker.is_open

    @property
    def is_out(self) -> bool:
        """Whether it can do nothing more until somebody signs in."""
        return self._over is not None

    @property
    def sign_in_mark(self) -> int:
        """Which sign-in is in force, to be given back to :meth:`renew_after`."""
        return self._sign_in

    async def renew_after(self, mark: int, lost: SignInLost) -> AuthError | None:
        """
        What a long-lived connection does when it loses the sign-in it began with: one renewal serves everybody.

        Returns:
            None if there is a new sign-in; else why there will be none until somebody signs in.
        """
        await self._renew(mark, lost)
        return self._over

    def drain_sign_ins(self) -> list[RequestRecord]:
        """Records of the renewals since the last call."""
        drained, self._renewals = self._renewals, []
        return drained

    def release(self) -> None:
        """Note the budget for the next process."""
        self._budget.release()

    def _record(
        self, route: str, detail: str, started: datetime, begun: float, done: _Done[T], *, outcome: str | None, wire_bytes: int, payload_hash: str
    ) -> RequestRecord:
        error = done.error
        return RequestRecord(
            key=uuid.uuid4().hex, provider=self.provider.name, account=self.name, route=route, outcome=outcome or "failed",
            started_at=started, elapsed_s=self._clock.monotonic() - begun, tries=done.tries,
            error=type(error).__name__ if error else "", detail=str(error)[:300] if error else detail, wire_bytes=wire_bytes,
            payload_hash=payload_hash,
        )

    async def _ask(
        self, call: Callable[[], Awaitable[T]], turn: Turn | None = None, may_leave: Callable[[], bool] = lambda: False
    ) -> _Done[T]:
        """Until there is an answer, a final error, or no tries are left; a renewed sign-in costs no try."""
        used = self._sign_in

        async def send() -> T:
            nonlocal used
            if self._over is not None:
                raise self._over
            used = self._sign_in
            return await call()

        error: ProviderError | None = None
        tries, most = 0, self._tries
        while tries < most and self._over is None and not (tries and self.falters and may_leave()):
            try:
                probe = await self._enter(turn)
            except ProviderFault as closed:
                return _Done(None, closed, tries)
            tries += 1
            try:
                return _Done(await self._once(send, probe=probe, held=turn.held if turn else None), None, tries)
            except SignInLost as lost:
                error = await self._renew(used, lost)
                most += 1
            except AuthError as refused:
                self._over = error = refused
            except ProviderError as failed:
                error = failed
                if isinstance(failed, SpanTimeout) or not failed.is_transient:
                    break
                if tries < most:
                    await self._back_off(failed, tries)
        return _Done(None, self._over if error is None or isinstance(error, AuthError) else error, tries)

    async def _enter(self, turn: Turn | None) -> bool:
        """Pass the breaker, or spend the turn that already has; whether this is its probe."""
        if turn is None or turn.used:
            return await self._breaker.enter()
        turn.used = True
        return turn.probe

    async def _once(self, send: Callable[[], Awaitable[T]], *, probe: bool, held: Hold | None) -> T:
        """One request on the wire, its news told to breaker and budget."""
        well: bool | None = None
        try:
            async with self._budget.slot(held):
                answer = await send()
            well = True
        except RateLimited as error:
            well = True
            self._budget.reject(error.retry_after_s)
            raise
        except SpanTimeout:
            raise
        except ProviderError as error:
            well = not error.is_transient
            raise
        except ConfigError as error:
            raise AuthError(str(error), provider=self.provider.name) from error
        except Exception as error:
            raise self._broke(error) from error
        finally:
            self._breaker.left(well=well, probe=probe)
        self._budget.succeed()
        return answer

    def _broke(self, error: Exception) -> ProviderError:
        """What a third party's adapter may not let out, as an error of the tree."""
        return ProviderError(
            f"the {self.provider.name} adapter failed with {type(error).__name__}; please report it", provider=self.provider.name
        )

    async def _back_off(self, error: ProviderError, tries: int) -> None:
        if isinstance(error, RateLimited):
            return
        await self._clock.sleep(self._rng.uniform(0.0, min(BACKOFF_S * 2.0**tries, BACKOFF_MAX_S)))

    async def _renew(self, used: int, lost: SignInLost) -> ProviderError:
        """One renewal for all workers; a second loss within ten minutes is another program's sign-in."""
        async with self._renewing:
            if self._over is not None or self._sign_in != used:
                return self._over or lost
            now = self._clock.monotonic()
            if self.provider.adopted:
                self._over = SignInLost(
                    f"{self.name}: the sign-in that was adopted has ended; fnolake login {self.name} --token-from … again",
                    provider=self.provider.name,
                )
            elif self._lost_at is not None and now - self._lost_at < WAR_S:
                self._over = SignedInElsewhere(
                    f"{self.name}: signed in by another program twice in ten minutes; it keeps the sign-in, this sync stops. "
                    f"End that program, or share its sign-in: fnolake login {self.name} --token-from FILE",
                    provider=self.provider.name,
                )
            else:
                self._lost_at = now
                self._over = await self._sign_in_again()
                self._sign_in += self._over is None
        return self._over or lost

    async def _sign_in_again(self) -> AuthError | None:
        """Renew, however often it takes until the provider answers; its error, or None when it worked. Recorded."""
        started, begun = self._clock.now(), self._clock.monotonic()
        error: FnolakeError | None = None
        tries = 0
        for pause_s in (*RENEWAL_PAUSES_S, None):
            tries += 1
            error = await self._renew_once()
            if error is None or not error.is_transient:
                break
            if pause_s is not None:
                await self._clock.sleep(pause_s)
        refused = error if error is None or isinstance(error, AuthError) else SignInLost(
            f"{self.name}: signed out, and signing in again failed: {error}", provider=self.provider.name
        )
        done: _Done[None] = _Done(None, refused, tries)
        self._renewals.append(self._record(
            "sign-in", "", started, begun, done, outcome=None if refused else "answered", wire_bytes=0, payload_hash=""))
        return refused

    async def _renew_once(self) -> FnolakeError | None:
        try:
            async with self._budget.slot():
                await self.provider.renew()
        except RateLimited as error:
            self._budget.reject(error.retry_after_s)
            return error
        except FnolakeError as error:
            return error
        except Exception as error:  # noqa: BLE001 — see _broke
            return self._broke(error)
        return None
