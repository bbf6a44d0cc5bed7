"""History answers: minute arrays in, windows of bars and TPSeries rows out, newest first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fnolake.emulator.world import Minutes

INTERVALS = ("1", "2", "3", "5", "10", "15", "30", "60", "120", "240")
_DAY_S = 86_400
_IST_S = 19_800
_OPEN_MINUTE = 555
_CLOCK = [f"{m // 60:02d}:{m % 60:02d}:00" for m in range(1440)]
_ROW = (
    '{"stat":"Ok","time":"%s%s","ssboe":"%d","into":"%.2f","inth":"%.2f","intl":"%.2f","intc":"%.2f",'
    '"intvwap":"%.2f","intv":"%d","intoi":"%d","v":"%d","oi":"%d"}'
)

Integers = NDArray[np.int64]


def dates_between(first_s: float, last_s: float) -> list[date]:
    """IST dates touched by a span of epoch seconds, newest first; empty if the span is."""
    first, last = ist_date_of(first_s), ist_date_of(last_s)
    return [last - timedelta(days=n) for n in range((last - first).days + 1)]


def ist_date_of(epoch_s: float) -> date:
    """The IST date of an epoch."""
    return date.fromordinal(719_163 + int((epoch_s + _IST_S) // _DAY_S))


def rows_text(minutes: Minutes, interval: str, first_s: float, last_s: float, now_s: float) -> list[str]:
    """JSON rows of one session's :func:`window`, newest first."""
    newest = window(minutes, int(interval), first_s, last_s, now_s)
    if newest is None:
        return []
    day = ist_date_of(float(newest[0][0])).strftime("%d-%m-%Y ")
    clock = clock_of(newest[0])
    prices = [(column / 100).tolist() for column in newest[1:6]]
    counts = [column.tolist() for column in newest[6:]]
    days = [day] * len(clock)
    return [_ROW % row for row in zip(days, clock, newest[0].tolist(), *prices, *counts, strict=True)]


def clock_of(start: Integers) -> list[str]:
    """The IST wall times of whole minutes, such as ``09:15:00``."""
    return [_CLOCK[m] for m in ((start + _IST_S) % _DAY_S // 60).tolist()]


def window(minutes: Minutes, width: int, first_s: float, last_s: float, now_s: float) -> list[Integers] | None:
    """
    Columns of one session's bars in a window, newest first; None if there are none.

    They are start, open, high, low, close, vwap, volume, change of open interest, cumulative volume, open interest.
    A bar is served if its start is in [first_s, last_s] and it has ended by ``now_s``. Intervals above one
    minute leave the pre-open out and are anchored at 09:15, except 2, which is anchored at even minutes (as live).
    """
    columns = _columns(minutes) if width == 1 else _resampled(minutes, width)
    start = columns[0]
    low = int(np.searchsorted(start, first_s, "left"))
    high = int(np.searchsorted(start, min(last_s, now_s - 60 * width), "right"))
    return [column[low:high][::-1] for column in columns] if low < high else None


def _columns(m: Minutes) -> list[Integers]:
    """The columns of :func:`window`, a whole session ascending."""
    change = np.diff(m.oi, prepend=m.oi[:1])
    return [m.epoch_s, m.open, m.high, m.low, m.close, m.vwap_paise, m.volume, change, m.cumulative, m.oi]


def _resampled(m: Minutes, width: int) -> list[Integers]:
    """The same columns over wider bars."""
    traded = m.phase != 0
    start, *values = [column[traded] for column in _columns(m)]
    if not len(start):
        return [start, *values]
    minute = (start + _IST_S) % _DAY_S // 60
    anchor = 0 if width == 2 else _OPEN_MINUTE
    label = (minute - anchor) // width * width + anchor
    cuts = np.flatnonzero(np.diff(label, prepend=label[0] - 1))
    last = np.append(cuts[1:], len(label)) - 1
    opened, high, low, close, vwap, volume, change, cumulative, oi = values
    sold = np.add.reduceat(volume, cuts)
    mean = np.add.reduceat(vwap * volume, cuts) // np.maximum(sold, 1)
    return [
        start[cuts] - (minute[cuts] - label[cuts]) * 60, opened[cuts], np.maximum.reduceat(high, cuts),
        np.minimum.reduceat(low, cuts), close[last], mean, sold, np.add.reduceat(change, cuts), cumulative[last],
        oi[last],
    ]


def body(rows: Sequence[str]) -> bytes:
    """The bare JSON list that the broker answers with."""
    return ("[" + ",".join(rows) + "]").encode()
