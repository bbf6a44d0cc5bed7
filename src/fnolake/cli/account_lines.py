"""One line for each account of a running sync, from the line's events. Decides nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from fnolake.model.event import AccountSeen, PageDone

RATE_WINDOW_S = 60.0
_STATES = {"working": "working", "waiting": "waiting for its budget", "down": "down", "out": "stopped"}


@dataclass
class AccountLine:
    """What is known of one account: how it stands, and when its answers came within the last minute."""

    seen: AccountSeen
    recent: deque[float] = field(default_factory=deque)

    def text(self, instant: float) -> str:
        """Name, provider, requests against the budget, and state."""
        while self.recent and instant - self.recent[0] > RATE_WINDOW_S:
            self.recent.popleft()
        seen = self.seen
        state = _STATES.get(seen.state, seen.state) + (f": {seen.reason}" if seen.reason else "")
        return f"{seen.account} ({seen.provider}): {self._pace(instant)}, {state}"

    def _pace(self, instant: float) -> str:
        seen = self.seen
        if seen.allowance and seen.seconds >= RATE_WINDOW_S:
            return f"{seen.used:,} of {seen.allowance:,} requests in a minute"
        span = instant - self.recent[0] if self.recent else 0.0
        rate = f"{(len(self.recent) - 1) / span if len(self.recent) > 1 and span > 0 else 0.0:.1f}"
        return f"{rate} of {seen.allowance / seen.seconds:g} requests/s" if seen.allowance else f"{rate} requests/s"


@dataclass
class AccountLines:
    """
    Every account of a sync, in the order in which it was first told of.

    Args:
        now: Monotonic seconds.
    """

    now: Callable[[], float]
    accounts: dict[str, AccountLine] = field(default_factory=dict)

    def add(self, event: AccountSeen | PageDone) -> None:
        """Take one event into account."""
        if isinstance(event, AccountSeen):
            self.accounts.setdefault(event.account, AccountLine(event)).seen = event
        elif event.account in self.accounts:
            self.accounts[event.account].recent.append(self.now())

    @property
    def texts(self) -> list[str]:
        """A line for each account."""
        instant = self.now()
        return [line.text(instant) for line in list(self.accounts.values())]
