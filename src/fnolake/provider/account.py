"""
One account that can be asked: a provider's client with budget, retries, breaker and records around it.

Adapters stay ignorant of all this. Invariant: every ask ends in exactly one :class:`~fnolake.model.RequestRecord`, and
what comes back is a page or an error of the tree, never both, never an exception.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from fnolake.errors import (
    AddressNotAllowed,
    AuthError,
    FnolakeError,
    ProviderError,
    RateLimited,
    SignedInElsewhere,
    SignInLost,
    SpanTimeout,
)
from fnolake.model import BarRequest, Clock, Page, RawFile, RequestRecord
from fnolake.provider.base import Provider
from fnolake.provider.breaker import Breaker
from fnolake.provider.budget import Budget, BudgetState

T = TypeVar("T")
TRIES = 5
BACKOFF_S = 0.5
BACKOFF_MAX_S = 20.0
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

    @property
    def per_minute(self) -> int:
        """Requests a minute that the budget allows."""
        return self._budget.per_minute

    @property
    def budget(self) -> BudgetState:
        """What is used and allowed now."""
        return self._budget.snapshot()

    async def ask_minutes(self, request: BarRequest) -> Asked:
        """
        Ask for the bars of one contract, with budget, retries and renewal.

        Returns:
            A page, or the error that was left; and the record of the request.

        Cancel:
            Safe at any await; nothing was written.
        """
        started, clock = self._clock.now(), time.monotonic()
        done = await self._ask(lambda: self.provider.minutes(request))
        page = done.value
        record = self._record(
            "minutes", f"{request.contract.symbol} {request.start:%Y-%m-%d}", started, clock, done,
            outcome=None if page is None else "empty" if page.is_empty else "answered",
            wire_bytes=page.wire_bytes if page else 0, payload_hash=page.payload_hash if page else "",
        )
        return Asked(page, done.error, record)

    async def ask_masters(self, day: date) -> list[tuple[RawFile | None, RequestRecord]]:
        """Today's masters, one after the other, each with its record."""
        answers = []
        for name in self.provider.master_names():
            started, clock = self._clock.now(), time.monotonic()
            done = await self._ask(lambda name=name: self.provider.master(name, day))  # type: ignore[misc]
            raw = done.value
            record = self._record(
                f"master {name}", "", started, clock, done, outcome="answered" if raw else None,
                wire_bytes=len(raw.body) if raw else 0, payload_hash=raw.payload_hash if raw else "",
            )
            answers.append((raw, record))
        return answers

    def release(self) -> None:
        """Note the budget for the next process."""
        self._budget.release()

    def _record(
        self, route: str, detail: str, started: datetime, clock: float, done: _Done[T], *, outcome: str | None, wire_bytes: int, payload_hash: str
    ) -> RequestRecord:
        error = done.error
        return RequestRecord(
            key=uuid.uuid4().hex, provider=self.provider.name, account=self.name, route=route, outcome=outcome or "failed",
            started_at=started, elapsed_s=time.monotonic() - clock, tries=done.tries,
            error=type(error).__name__ if error else "", detail=str(error)[:300] if error else detail, wire_bytes=wire_bytes,
            payload_hash=payload_hash,
        )

    async def _ask(self, call: Callable[[], Awaitable[T]]) -> _Done[T]:
        """Until there is an answer, a final error, or no tries are left."""
        error: ProviderError | None = None
        for attempt in range(1, self._tries + 1):
            if self._over is not None:
                return _Done(None, self._over, attempt - 1)
            sign_in = self._sign_in
            try:
                return _Done(await self._once(call), None, attempt)
            except SignInLost as lost:
                error = await self._renew(sign_in, lost)
            except AuthError as refused:
                self._over = error = refused
            except ProviderError as failed:
                error = failed
                if isinstance(failed, SpanTimeout) or not failed.is_transient:
                    return _Done(None, failed, attempt)
                if attempt < self._tries:
                    await self._back_off(failed, attempt)
        return _Done(None, self._over or error, self._tries)

    async def _once(self, call: Callable[[], Awaitable[T]]) -> T:
        """One request on the wire, its news told to breaker and budget."""
        probe = await self._breaker.enter()
        well = True
        try:
            async with self._budget.slot():
                answer = await call()
        except RateLimited as error:
            self._budget.reject(error.retry_after_s)
            raise
        except ProviderError as error:
            well = isinstance(error, SpanTimeout) or not error.is_transient
            raise
        finally:
            self._breaker.left(well=well, probe=probe)
        self._budget.succeed()
        return answer

    async def _back_off(self, error: ProviderError, attempt: int) -> None:
        if isinstance(error, RateLimited):
            return
        await self._clock.sleep(self._rng.uniform(0.0, min(BACKOFF_S * 2.0**attempt, BACKOFF_MAX_S)))

    async def _renew(self, sign_in: int, lost: SignInLost) -> ProviderError:
        """One renewal for all workers; a second loss within ten minutes is another program's sign-in."""
        async with self._renewing:
            if self._over is not None or self._sign_in != sign_in:
                return self._over or lost
            now = self._clock.monotonic()
            if self._lost_at is not None and now - self._lost_at < WAR_S:
                self._over = SignedInElsewhere(
                    f"{self.name}: signed in by another program twice in ten minutes; it keeps the sign-in, this sync stops. "
                    f"End that program, or share its sign-in: fnolake login {self.name} --token-from FILE",
                    provider=self.provider.name,
                )
                return self._over
            self._lost_at = now
            if self.provider.adopted:
                self._over = SignInLost(
                    f"{self.name}: the sign-in that was adopted has ended; fnolake login {self.name} --token-from … again",
                    provider=self.provider.name,
                )
                return self._over
            try:
                await self.provider.renew()
            except (AuthError, AddressNotAllowed) as refused:
                self._over = refused
            except FnolakeError as failed:
                self._over = SignInLost(f"{self.name}: signed out, and signing in again failed: {failed}", provider=self.provider.name)
            else:
                self._sign_in += 1
        return self._over or lost

