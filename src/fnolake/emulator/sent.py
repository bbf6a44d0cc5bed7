"""
What the sockets have sent, counted as it leaves: the truth that a recorder's losses are measured against. Pure.

A print counts as sent where its frame was handed to a connection that was open and not made silent; what a fault kept back
counts as swallowed. Invariant: snapshots + prints + swallowed of a contract is all that fell due while it was subscribed.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

KEPT = 500
"""Ended connections whose contracts are kept apart; of older ones only the sums are."""
COLUMNS = ("snapshots", "prints", "told", "swallowed", "last_at")


@dataclass(slots=True)
class Count:
    """
    One contract: snapshots and prints that left, prints that did not, and when the last sent one was (epoch seconds).

    ``told`` of the prints said something of price, volume or open interest, or of what has no volume (an index) a later time;
    the others changed none of these.
    """

    snapshots: int = 0
    prints: int = 0
    told: int = 0
    swallowed: int = 0
    last_at: int = 0

    def note(self, at: int, *, left: bool, told: bool) -> None:
        """A print that fell due."""
        if not left:
            self.swallowed += 1
            return
        self.prints += 1
        self.told += told
        self.last_at = at

    def add(self, other: Count) -> None:
        """Count what the other counted too."""
        for name in COLUMNS[:-1]:
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.last_at = max(self.last_at, other.last_at)

    def clear(self) -> None:
        """Begin at zero."""
        self.snapshots = self.prints = self.told = self.swallowed = self.last_at = 0

    def row(self) -> list[int]:
        """The values of :data:`COLUMNS`."""
        return [getattr(self, name) for name in COLUMNS]


@dataclass(slots=True)
class Line:
    """One connection; times are emulated epoch seconds."""

    number: int
    provider: str
    opened: float
    user: str = ""
    closed: float | None = None
    ended: str = ""
    frames: int = 0
    capped: list[str] = field(default_factory=list)
    contracts: dict[str, Count] = field(default_factory=dict)

    def of(self, contract: str) -> Count:
        """The counters of a contract such as ``NFO|12345``."""
        found = self.contracts.get(contract)
        if found is None:
            found = self.contracts[contract] = Count()
        return found

    def shown(self, *, contracts: bool) -> dict[str, Any]:
        """As JSON values."""
        total = _sum(self.contracts.values())
        rows = {"contracts": {name: count.row() for name, count in self.contracts.items()}} if contracts else {}
        return {
            "connection": self.number, "provider": self.provider, "user": self.user, "opened": self.opened, "closed": self.closed,
            "ended": self.ended, "frames": self.frames, "capped": self.capped, **dict(zip(COLUMNS, total.row(), strict=True)), **rows,
        }


class Sent:
    """Every connection since the start, or since it was last told to forget."""

    def __init__(self) -> None:
        self._lines: deque[Line] = deque()
        self._older: dict[str, dict[str, Count]] = {}
        self._number = 0

    def open(self, provider: str, now_s: float) -> Line:
        """A new connection's counters."""
        self._number += 1
        line = Line(self._number, provider, now_s)
        self._lines.append(line)
        if len(self._lines) > KEPT and self._lines[0].closed is not None:
            self._fold(self._older, self._lines.popleft())
        return line

    def forget(self) -> None:
        """Start afresh; connections that are open go on, at zero."""
        self._older.clear()
        self._lines = deque(line for line in self._lines if line.closed is None)
        for line in self._lines:
            line.frames, line.capped = 0, []
            for count in line.contracts.values():
                count.clear()

    def shown(self, *, contracts: bool) -> dict[str, Any]:
        """All as JSON values: connections, and by provider the sums of every connection there was."""
        sums: dict[str, dict[str, Count]] = {}
        for provider, older in self._older.items():
            self._fold(sums, Line(0, provider, 0, contracts=older))
        for line in self._lines:
            self._fold(sums, line)
        return {
            "columns": list(COLUMNS), "connections": [line.shown(contracts=contracts) for line in self._lines],
            "providers": dict(self._providers(sums, contracts=contracts)),
        }

    @staticmethod
    def _providers(sums: dict[str, dict[str, Count]], *, contracts: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        for provider, counts in sums.items():
            total = dict(zip(COLUMNS, _sum(counts.values()).row(), strict=True))
            yield provider, total | ({"contracts": {name: count.row() for name, count in counts.items()}} if contracts else {})

    @staticmethod
    def _fold(into: dict[str, dict[str, Count]], line: Line) -> None:
        sums = into.setdefault(line.provider, {})
        for name, count in line.contracts.items():
            sums.setdefault(name, Count()).add(count)


def _sum(counts: Iterable[Count]) -> Count:
    total = Count()
    for one in counts:
        total.add(one)
    return total
