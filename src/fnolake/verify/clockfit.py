"""
In which zone, and on which side of the minute, a file's labels are: what the session hours say. Pure.

Only evidence counts. The zone: nearly all rows fall into the hours after a shift of five and a half hours, and few without it.
The side: of a session whose minutes are mostly there, the label of the open is there and that of the close is not (starts), or
the other way round (ends). Invariant: where the rows do not tell, nothing is claimed and what was declared stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from fnolake.model import Session
from fnolake.normalize import CONTINUOUS, phase_table

Ints = NDArray[np.int64]
IST_S = 19_800
_DAY_S = 86_400
_EPOCH = date(1970, 1, 1).toordinal()
_SHIFTS = {IST_S: "UTC", -IST_S: "shifted by 5:30 twice"}
FITS, MISSES = 0.9, 0.5
"""Share of the rows inside the hours that another zone must have at least, and the declared one at most."""
DENSE = 0.6
"""Share of a session's minutes that must be there for the session to tell the side."""
_OUTVOTED = 3


@dataclass(frozen=True, slots=True)
class Fit:
    """
    What the rows tell of the labels.

    ``shift_s`` is added to the labels (0: the zone is as declared, or they do not tell); ``zone`` names what they are in then.
    ``side`` is start or end, ``side_told`` whether the rows tell it; ``inside`` the share of rows within the hours as declared,
    ``votes`` the sessions that say start and end.
    """

    shift_s: int
    zone: str
    side: str
    side_told: bool
    inside: float
    votes: tuple[int, int]


def fit(stamp_s: Ints, declared: str, session_of: Callable[[date], Session | None]) -> Fit:
    """
    Hold labels against the session hours.

    Args:
        stamp_s: Labels of a file, UTC seconds by the zone that was declared; any order, of any number of contracts.
        declared: start or end.
        session_of: The hours of a date, None where nothing trades or nobody knows.
    """
    stamps = np.unique(stamp_s)
    as_said = _inside(stamps, session_of)
    shift = 0
    if stamps.size and as_said <= MISSES:
        shares = {each: _inside(stamps + each, session_of) for each in _SHIFTS}
        best = max(shares, key=lambda each: shares[each])
        shift = best if shares[best] >= FITS else 0
    votes = _votes(stamps + shift, session_of)
    told = max(votes) > _OUTVOTED * min(votes)
    side = ("start", "end")[votes[1] > votes[0]] if told else declared
    return Fit(shift, _SHIFTS.get(shift, ""), side, told, as_said, votes)


def _by_day(stamps: Ints) -> list[tuple[date, Ints]]:
    """Ascending stamps by IST date, as seconds of the day."""
    local = stamps + IST_S
    day = local // _DAY_S
    edges = np.flatnonzero(np.diff(day, prepend=-1, append=-1))
    return [
        (date.fromordinal(_EPOCH + int(day[first])), local[first:last] - int(day[first]) * _DAY_S)
        for first, last in itertools.pairwise(edges)
    ] if stamps.size else []


def _inside(stamps: Ints, session_of: Callable[[date], Session | None]) -> float:
    """Share of the labels, of dates that trade, within the continuous hours, their end included."""
    inside = rows = 0
    for day, seconds in _by_day(stamps):
        session = session_of(day)
        if session is None:
            continue
        rows += seconds.size
        inside += int(np.count_nonzero(np.any([(seconds >= w.start * 60) & (seconds <= w.end * 60) for w in session.continuous], axis=0)))
    return inside / rows if rows else 1.0


def _votes(stamps: Ints, session_of: Callable[[date], Session | None]) -> tuple[int, int]:
    """How many sessions say that labels are starts, and ends; labels within a minute (09:15:59) are the same on both sides."""
    said = {"start": 0, "end": 0}
    for day, seconds in _by_day(stamps[stamps % 60 == 0]):
        session = session_of(day)
        if session is None:
            continue
        minutes = seconds // 60
        filled = int(np.count_nonzero(phase_table(session.windows)[minutes] == CONTINUOUS))
        has_open, has_close = session.continuous[0].start in minutes, session.continuous[-1].end in minutes
        if filled >= session.minutes * DENSE and has_open != has_close:
            said["start" if has_open else "end"] += 1
    return said["start"], said["end"]
