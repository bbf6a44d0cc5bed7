"""A clock that only moves when somebody sleeps."""

from __future__ import annotations

import asyncio
import heapq
from datetime import UTC, datetime, timedelta


class FakeClock:
    """Time goes to the earliest sleeper once every task waits."""

    def __init__(self, start: float = 1_000_000.0) -> None:
        self.at = start
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._count = 0

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 13, 0, tzinfo=UTC) + timedelta(seconds=self.at - 1_000_000.0)

    def wall(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._count += 1
        heapq.heappush(self._sleepers, (self.at + seconds, self._count, future))
        await future

    async def run(self, work: asyncio.Task[object], until: float = float("inf")) -> None:
        """Let ``work`` go on, moving the time whenever nothing else can happen."""
        while not work.done() and self.at < until:
            for _ in range(50):
                await asyncio.sleep(0)
            if work.done() or not self._sleepers:
                continue
            wake, _, future = heapq.heappop(self._sleepers)
            self.at = max(self.at, wake)
            if not future.done():
                future.set_result(None)
