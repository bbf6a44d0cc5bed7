"""
Progress as frozen values, for the terminal, logs and the dashboard. Nobody acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class SyncStarted:
    """A plan is about to run: how much there is to do."""

    contracts: int
    contract_sessions: int
    requests: int


@dataclass(frozen=True, slots=True)
class PageDone:
    """One request ended. ``outcome`` as in RequestRecord; ``sessions`` contract-sessions were decided by it."""

    symbol: str
    account: str
    outcome: str
    sessions: int
    bars: int


@dataclass(frozen=True, slots=True)
class BatchCommitted:
    """A batch became durable."""

    attempts: int
    bars: int


@dataclass(frozen=True, slots=True)
class AccountSeen:
    """
    How an account stands now.

    ``state`` is working, waiting (for its budget), down (it does not answer; a probe a minute) or out (a person must act);
    ``reason`` says why. ``used`` of ``allowance`` requests in the last ``seconds``; allowance 0 = no limits.
    """

    account: str
    provider: str
    state: str
    reason: str = ""
    used: int = 0
    allowance: int = 0
    seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Notice:
    """One line for the user: a paused venue, a lost sign-in, a narrowed budget. ``level`` is info, warning, error."""

    level: str
    text: str


@dataclass(frozen=True, slots=True)
class DayChanged:
    """
    The unattended day went over to another state (``sync.day``, docs/daemon.md) at the calendar instant ``at``.

    ``session`` is what it is about, ``until`` when it ends by the clock; ``text`` says it in a line without its time.
    """

    state: str
    session: date | None
    at: datetime
    until: datetime | None
    text: str


@dataclass(frozen=True, slots=True)
class LiveSeen:
    """How a recording stands: ticks and provisional bars so far, contracts streamed and not served, the worst lag in seconds."""

    ticks: int
    bars: int
    streamed: int
    unserved: int
    lag_s: float


Event = SyncStarted | PageDone | BatchCommitted | AccountSeen | Notice | LiveSeen | DayChanged
