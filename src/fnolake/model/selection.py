"""What part of the market a command speaks of, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Selection:
    """
    Empty tuples and None mean "all" (for dates: the last finished session).

    ``start`` and ``end`` are inclusive sessions. ``max_minutes`` bounds the wall time of a sync; ``backfill`` takes
    everything the provider still serves. Without ``wait`` nothing waits for the exchange's file of its session. ``retry``
    asks again for findings that were given up, and for those of today.
    """

    underlyings: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    start: date | None = None
    end: date | None = None
    max_minutes: float | None = None
    backfill: bool = False
    wait: bool = True
    retry: bool = False
