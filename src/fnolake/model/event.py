"""
Progress as frozen values, for the terminal, logs and the dashboard. Nobody acts on them.
"""

from __future__ import annotations

from dataclasses import dataclass


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
class Notice:
    """One line for the user: a paused venue, a lost sign-in, a narrowed budget. ``level`` is info, warning, error."""

    level: str
    text: str


Event = SyncStarted | PageDone | BatchCommitted | Notice
