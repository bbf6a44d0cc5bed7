"""
The seams through which the outside world enters: a clock and a small state drawer. Types only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """
    Two clocks: the calendar (which an emulator may set) and the machine's (time-outs, budgets).
    """

    def now(self) -> datetime:
        """The calendar instant, aware UTC."""

    def wall(self) -> float:
        """The machine's real seconds since the epoch, for budgets that outlive a process."""

    def monotonic(self) -> float:
        """Seconds that never go back, for intervals inside a process."""

    async def sleep(self, seconds: float) -> None:
        """Wait on the machine's clock."""


class StatePort(Protocol):
    """A drawer of small values that outlive a process (budget windows, sign-in tokens). Writes are atomic, 0600."""

    def load(self, key: str) -> bytes | None:
        """The value last saved under ``key``, or None."""

    def save(self, key: str, value: bytes) -> None:
        """Replace the value under ``key``."""

    def delete(self, key: str) -> None:
        """Forget ``key``; nothing happens when it is not there."""
