"""
Sessions: labelled trading dates with their hours, as values. The facts live in ``fnolake.market``.

Minutes are counted from midnight IST (09:15 = 555); every interval is half-open. No clock, no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone

IST = timezone(timedelta(hours=5, minutes=30), "IST")
MINUTE_US = 60_000_000
_IST_OFFSET_US = 19_800 * 1_000_000
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def ist_midnight_us(day: date) -> int:
    """UTC microseconds of 00:00 IST on ``day``."""
    return (day.toordinal() - _EPOCH_ORDINAL) * 86_400_000_000 - _IST_OFFSET_US


def ist_date(instant: datetime) -> date:
    """The IST calendar date of an aware instant."""
    return instant.astimezone(IST).date()


def utc_from_us(us: int) -> datetime:
    """An aware UTC datetime from microseconds since the epoch."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open run of minutes of a day, counted from midnight IST, with its phase."""

    phase: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Session:
    """
    One trading date at a venue and segment, for contracts with or without a closing auction.

    ``windows`` are in time order; phases are ``preopen``, ``continuous``, ``auction``. ``mask_required`` is False
    where sources disagree about the hours, so that no minute may be demanded. ``source`` cites the fact.
    """

    date: date
    venue: str
    segment: str
    closing_auction: bool
    windows: tuple[Window, ...]
    source: str
    special: str = ""
    confirmed: bool = True
    mask_required: bool = True

    @property
    def continuous(self) -> tuple[Window, ...]:
        """The windows in which bars are expected."""
        return tuple(w for w in self.windows if w.phase == "continuous")

    @property
    def open_us(self) -> int:
        """UTC microseconds of the first continuous minute."""
        return ist_midnight_us(self.date) + self.continuous[0].start * MINUTE_US

    @property
    def close_us(self) -> int:
        """UTC microseconds of the end of the last continuous minute (half-open)."""
        return ist_midnight_us(self.date) + self.continuous[-1].end * MINUTE_US

    @property
    def end_us(self) -> int:
        """UTC microseconds of the end of the last phase, auction included."""
        return ist_midnight_us(self.date) + max(w.end for w in self.windows) * MINUTE_US

    @property
    def minutes(self) -> int:
        """How many continuous minutes the session has."""
        return sum(w.end - w.start for w in self.continuous)

    def minute_starts_us(self) -> list[int]:
        """UTC microseconds of every expected continuous bar, ascending."""
        base = ist_midnight_us(self.date)
        return [base + m * MINUTE_US for w in self.continuous for m in range(w.start, w.end)]
