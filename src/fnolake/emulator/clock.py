"""The emulator's own clock: a wall time that starts where it is told, runs at a rate, and can be set or advanced."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from fnolake.model import IST


class EmulatedClock:
    """
    Emulated IST wall time.

    Args:
        start: Aware instant shown at construction.
        rate: Emulated seconds per real second; 0 stands still.
        monotonic: Source of real seconds.
    """

    def __init__(
        self, start: datetime, *, rate: float = 1.0, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._monotonic = monotonic
        self._base = start.astimezone(IST)
        self._at = monotonic()
        self._rate = rate
        self._changed = asyncio.Event()

    @property
    def rate(self) -> float:
        """Emulated seconds per real second."""
        return self._rate

    def now(self) -> datetime:
        """The emulated instant, aware, in IST."""
        return self._base + timedelta(seconds=(self._monotonic() - self._at) * self._rate)

    def epoch(self) -> float:
        """The emulated instant in seconds since the epoch."""
        return self.now().timestamp()

    def set(self, instant: datetime) -> None:
        """Jump to an instant (without a zone: IST) and wake whoever waits."""
        aware = instant if instant.tzinfo else instant.replace(tzinfo=IST)
        self._base, self._at = aware.astimezone(IST), self._monotonic()
        self._wake()

    def advance(self, seconds: float) -> None:
        """Move on by emulated seconds and wake whoever waits."""
        self.set(self.now() + timedelta(seconds=seconds))

    def set_rate(self, rate: float) -> None:
        """Run at another rate from now on."""
        self._base, self._at = self.now(), self._monotonic()
        self._rate = rate
        self._wake()

    async def reach(self, epoch: float) -> None:
        """Return when the emulated time is at or after ``epoch``; jumps are noticed at once."""
        while (left := epoch - self.epoch()) > 0:
            changed = self._changed
            real = left / self._rate if self._rate > 0 else None
            try:
                async with asyncio.timeout(real):
                    await changed.wait()
            except TimeoutError:
                continue

    async def jumped(self) -> None:
        """Return when the clock is next set, advanced or given another rate."""
        await self._changed.wait()

    def _wake(self) -> None:
        woken, self._changed = self._changed, asyncio.Event()
        woken.set()
