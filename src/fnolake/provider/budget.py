"""
The rate budget of one account: never more than the allowance in any sliding window, across restarts too, and nearly all
of it used while there is work.

A request reaches the provider at an unknown moment between its grant and its answer, so it counts from the one until a
window after the other. It learns: a rejection narrows it, quiet widens it again. Invariant: for each window (n, seconds),
at most n requests can reach the provider in any run of that many seconds, whatever processes came and went before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import msgspec

from fnolake.model import Clock, StatePort

NO_LIMITS = ((1_000_000, 1.0),)
"""Windows for an emulator."""
MARGIN_S = 0.01
"""Windows are kept this much longer than promised: their clock is not ours."""
NARROW = 0.7
WIDEN_STEP = 0.05
QUIET_S = 60.0
"""Allowance won back: one step after each quiet minute."""
FLOOR = 0.1
MOST_PAUSE_S = 300.0
"""Longest wait that a provider's advice is followed for."""
LEASE_S = 1.0
"""How far ahead grants are noted on disk: after a crash this much allowance may be lost, never exceeded."""
FLIGHT_S = 2.0
"""After a crash: how much later than granted a request may have reached the provider."""


def _nothing() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class BudgetState:
    """What a display shows: grants in the longest window, its allowance now, the share learned, the window's seconds."""

    used: int
    allowance: int
    share: float
    seconds: float = 60.0

    @property
    def limited(self) -> bool:
        """Whether there are limits at all."""
        return self.allowance < NO_LIMITS[0][0]

    @property
    def spent(self) -> bool:
        """Whether the next request has to wait."""
        return self.used >= self.allowance


@dataclass
class Hold:
    """A request granted ahead; ``used`` once it is sent."""

    used: bool = False


class _Noted(msgspec.Struct):
    grants: list[float]
    leased_until: float = 0.0
    share: float = 1.0


class Budget:
    """
    Grants requests.

    Args:
        windows: (requests, seconds); all hold at once.
        clock: ``monotonic`` inside the process, ``wall`` for what outlives it, ``sleep`` to wait.
        state: Where grants are kept for the next process; None keeps none.
        key: Name in ``state``.
        reserve: Says which share of every window is not to be used at this moment, from 0 to below 1.
    """

    def __init__(self, windows: tuple[tuple[int, float], ...], clock: Clock, state: StatePort | None, key: str, *, reserve: Callable[[], float] = _nothing) -> None:
        self._windows = windows
        self._clock = clock
        self._state = state
        self._key = f"budget-{key}"
        self._reserve = reserve
        self._share = 1.0
        self._ended: list[float] = []
        self._flying = 0
        self._longest = max(seconds for _, seconds in windows)
        self._turn = asyncio.Lock()
        self._landed = asyncio.Event()
        self._leased = 0.0
        self._not_before = 0.0
        self._last_change = clock.monotonic()
        self._restore()

    @property
    def per_minute(self) -> int:
        """Requests a minute that the longest window allows now, reserve taken off."""
        count, seconds = max(self._windows, key=lambda window: window[1])
        return max(int(self._allowed(count) * 60.0 / seconds), 1)

    def snapshot(self) -> BudgetState:
        """What a display shows."""
        count, seconds = max(self._windows, key=lambda window: window[1])
        since = self._clock.monotonic() - seconds
        return BudgetState(self._flying + sum(at > since for at in self._ended), self._allowed(count), self._share, seconds)

    @contextlib.asynccontextmanager
    async def hold(self) -> AsyncIterator[Hold]:
        """
        A request granted before it is known: give it to :meth:`slot`. What is not used does not count.

        Cancel:
            Safe.
        """
        await self._acquire()
        held = Hold()
        try:
            yield held
        finally:
            if not held.used:
                self._flying -= 1
                self._landed.set()

    @contextlib.asynccontextmanager
    async def slot(self, held: Hold | None = None) -> AsyncIterator[None]:
        """
        One request: waits until it is within every window (unless it is ``held``), and counts until it is answered.

        Cancel:
            Safe: while waiting nothing is counted; in flight it counts as sent.
        """
        if held is None or held.used:
            await self._acquire()
        else:
            held.used = True
        try:
            yield
        finally:
            self._flying -= 1
            self._ended.append(self._clock.monotonic())
            self._landed.set()

    async def _acquire(self) -> None:
        async with self._turn:
            while (wait := self._wait_s()) != 0.0:
                if wait is None:
                    self._landed.clear()
                    await self._landed.wait()
                else:
                    await self._clock.sleep(wait)
            now = self._clock.monotonic()
            if now >= self._leased:
                self._lease(now)
            self._flying += 1

    def reject(self, retry_after_s: float = 1.0) -> None:
        """The provider says it was too much: narrow, and hold everything for ``retry_after_s``."""
        now = self._clock.monotonic()
        if now - self._last_change >= 1.0 or self._share == 1.0:
            self._share = max(self._share * NARROW, FLOOR)
            self._last_change = now
        self._not_before = max(self._not_before, now + min(max(retry_after_s, 0.0), MOST_PAUSE_S))
        self._lease(now)

    def succeed(self) -> None:
        """An answer came: after a quiet minute a step is won back."""
        now = self._clock.monotonic()
        if self._share < 1.0 and now - self._last_change >= QUIET_S:
            self._share = min(self._share + WIDEN_STEP, 1.0)
            self._last_change = now

    def _allowed(self, count: int) -> int:
        return max(int(count * (1.0 - self._reserve()) * self._share + 1e-9), 1)

    def _wait_s(self) -> float | None:
        """Seconds until one more is within every window: 0 is now, None is when a request in flight has ended."""
        now = self._clock.monotonic()
        horizon = now - self._longest - 1.0
        self._ended = [at for at in self._ended if at > horizon]
        wait = max(self._not_before - now, 0.0)
        for count, seconds in self._windows:
            since = now - seconds - MARGIN_S
            recent = sorted(at for at in self._ended if at > since)
            surplus = len(recent) + self._flying - self._allowed(count) + 1
            if surplus > len(recent):
                return None
            if surplus > 0:
                wait = max(wait, recent[surplus - 1] - since)
        return wait

    def _lease(self, now: float) -> None:
        """Note what was granted, and that more may follow until the lease ends."""
        self._leased = now + LEASE_S
        self._note(self._leased)

    def release(self) -> None:
        """Note exactly what was granted: the process ends in order. Asking again afterwards takes a new lease."""
        self._leased = 0.0
        self._note(0.0)

    def _note(self, leased_until: float) -> None:
        """Save in wall time, since monotonic seconds mean nothing to the next process."""
        if self._state is None:
            return
        shift = self._clock.wall() - self._clock.monotonic()
        flying = [max(leased_until, self._clock.monotonic())] * self._flying
        noted = _Noted([at + shift for at in self._ended + flying], leased_until + shift if leased_until else 0.0, self._share)
        self._state.save(self._key, msgspec.json.encode(noted))

    def _restore(self) -> None:
        """
        Take over from the process before.

        What it granted under its last lease is not known: the most that the windows allowed is assumed, as late as it
        can have reached the provider. What lies in the future (the wall clock was set back) counts as just now.
        """
        body = self._state.load(self._key) if self._state is not None else None
        if body is None:
            return
        now, wall = self._clock.monotonic(), self._clock.wall()
        try:
            noted = msgspec.json.decode(body, type=_Noted)
        except msgspec.DecodeError:
            # A torn note says nothing: assume that everything was used just now.
            noted = _Noted([wall] * self._most_in(self._longest))
        self._share = min(max(noted.share, FLOOR), 1.0)
        ends = list(noted.grants)
        if noted.leased_until:
            ends += [noted.leased_until + FLIGHT_S] * self._most_in(LEASE_S)
        self._ended = [now - max(wall - at, 0.0) for at in ends if wall - at < self._longest + 1.0]

    def _most_in(self, span_s: float) -> int:
        """Most grants that fit in ``span_s`` under every window."""
        return min(int(count * max(-(-span_s // seconds), 1.0)) for count, seconds in self._windows)
