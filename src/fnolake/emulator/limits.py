"""Request limits as the broker counts them: sliding windows per user over all routes, with its exact words."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

_UNIT = {1.0: "second", 60.0: "minute"}
_SPANS = {"s": 1.0, "sec": 1.0, "min": 60.0, "m": 60.0}

Limits = tuple[tuple[int, float], ...]


class Windows:
    """
    Sliding windows of one user. Every arrival counts, rejected ones too.

    Args:
        limits: Pairs (requests, seconds); empty = nothing is rejected.
        monotonic: Source of real seconds; limits are real time whatever the emulated clock does.
    """

    def __init__(
        self, limits: Limits, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._monotonic = monotonic
        self._seen: dict[float, deque[float]] = {span: deque() for span in {1.0, 60.0, *(s for _, s in limits)}}
        self.most: dict[float, int] = dict.fromkeys(self._seen, 0)
        self.rejections = 0

    def arrive(self) -> str | None:
        """Count one request; the broker's rejection text, or None if it may pass."""
        now = self._monotonic()
        for span, seen in self._seen.items():
            seen.append(now)
            while seen[0] <= now - span:
                seen.popleft()
            self.most[span] = max(self.most[span], len(seen))
        for limit, span in self._limits:
            count = len(self._seen[span])
            if count > limit:
                self.rejections += 1
                return rejection_text(count, span, limit)
        return None

    def forget(self) -> None:
        """Start the counters afresh; the windows stay as they are."""
        self.rejections = 0
        self.most = dict.fromkeys(self.most, 0)


def rejection_text(count: int, span: float, limit: int) -> str:
    """The text that live Noren systems answer with, misspelling included."""
    unit = _UNIT.get(span, f"{span:g} seconds")
    return f"Invalid Input :  Order Recieved {count} in a current {unit} exceeds Limit {limit} for user"


def windows_of(text: str) -> Limits:
    """
    Sliding windows from text such as ``10/s,100/min``.

    Raises:
        ValueError: The text is not of that form.
    """
    windows = []
    for part in text.split(","):
        count, _, unit = part.strip().partition("/")
        if not count.isdigit() or int(count) < 1 or unit not in _SPANS:
            raise ValueError(f"limits {text!r}: write official, off, half or for example 10/s,100/min")
        windows.append((int(count), _SPANS[unit]))
    return tuple(windows)
