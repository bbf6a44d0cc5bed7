"""
What a series of a user's files is worth: points lost, each with its reason. Pure; the rows were normalized and judged before.

A series begins with 100 points and loses some for each kind of fault, in proportion to how much of it is hurt. Invariant: a
series that loses nothing has no fault that is looked for here, and one with a fault never has 100.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from fnolake.model import Contract, Session, Verdict
from fnolake.normalize import CONTINUOUS, Normalized
from fnolake.verify.case import ExchangeRow

FULL = 100.0
LEAST = 0.1
"""What any fault costs at least."""

LONGER_FROM = date(2026, 8, 3)
"""Derivatives trade to 15:40 from here on (market.md, section 1); files made by older programs stop at 15:30."""
_OLD_CLOSE = 15 * 60 + 30
_DENSE = 0.8
_LOT_SLACK = 0.02
_HURTS_FULLY = 0.1
"""Share of bad rows at which a fault of rows costs all its points."""

COSTS: dict[str, tuple[float, str]] = {
    "not_one_minute": (100.0, "rows are not one minute apart"),
    "nothing_usable": (100.0, "no row is a bar of a session of this contract"),
    "wrong_zone": (30.0, "stamps are in another zone"),
    "wrong_side": (20.0, "labels are on the other side of the minute"),
    "sessions_absent": (30.0, "sessions without a row"),
    "minutes_missing": (30.0, "minutes missing in sessions that have rows"),
    "last_minutes_missing": (10.0, "15:30 to 15:40 missing since 2026-08-03"),
    "mock_rows": (10.0, "rows on dates that are no session"),
    "rows_outside_hours": (10.0, "rows outside the session hours"),
    "rows_after_expiry": (10.0, "rows after the expiry"),
    "duplicates": (5.0, "the same row twice"),
    "conflicting_duplicates": (15.0, "two different rows of one minute"),
    "crossed_prices": (20.0, "high below, or low above, open or close"),
    "bad_values": (20.0, "prices or volumes that are none"),
    "unreadable_stamps": (15.0, "stamps that cannot be read"),
    "constant_oi": (5.0, "open interest never changes"),
    "volume_in_lots": (20.0, "volume counts lots, not units"),
    "volume_differs": (20.0, "summed volume is not the exchange's"),
    "range_differs": (25.0, "high, low or last price are not the exchange's"),
    "not_this_contract": (40.0, "bars of another contract, by the exchange's range"),
}
"""Points that a fault costs at most, and what it is called."""

_ROW_FAULTS = {
    "no_session": "mock_rows", "unknown_session": "mock_rows", "outside_hours": "rows_outside_hours", "after_expiry": "rows_after_expiry",
    "duplicate": "duplicates", "conflicting_duplicate": "conflicting_duplicates", "crossed": "crossed_prices", "not_a_price": "bad_values",
    "zero_prices": "bad_values", "price_out_of_range": "bad_values", "volume_unreadable": "bad_values", "volume_wrapped": "bad_values",
}
_RANGE = frozenset({"outside_exchange_range", "high_below_exchange", "low_above_exchange", "last_price_differs"})
_VOLUME = frozenset({"volume_below_exchange", "volume_above_exchange"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason that cost points: how many things it concerns (rows, minutes or sessions), and what they are of."""

    name: str
    points: float
    count: int
    of: str
    detail: str = ""

    @property
    def text(self) -> str:
        """As a person reads it."""
        return f"-{self.points:.1f} {COSTS[self.name][1]} ({self.count:,} {self.of}{f', {self.detail}' if self.detail else ''})"


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What is known of a series.

    Attributes:
        contract: What it is.
        table: Its rows, normalized.
        rows: How many there were.
        judged: Verdict of each session that has rows.
        sessions: Every session that it should have rows of, with its hours: those of the calendar between its first and last row.
        exchange: The exchange's row where a file is here.
        of_file: Faults of the file as a whole: name, count, of what, detail.
    """

    contract: Contract
    table: Normalized
    rows: int
    judged: Mapping[date, Verdict]
    sessions: Sequence[Session]
    exchange: Mapping[date, ExchangeRow] = field(default_factory=dict)
    of_file: Sequence[tuple[str, int, str, str]] = ()


def faults(seen: Evidence) -> list[Fault]:
    """Everything that is wrong with a series, the dearest first."""
    found = [Fault(name, COSTS[name][0], count, of, detail) for name, count, of, detail in seen.of_file]
    if any(one.name == "not_one_minute" for one in found):
        return found
    if not seen.table.spans:
        found.append(Fault("nothing_usable", COSTS["nothing_usable"][0], seen.rows, "rows"))
    found += [*_rows(seen), *_time(seen), *_interest(seen), *_exchange(seen)]
    return sorted(found, key=lambda one: (-one.points, one.name))


def score(found: Sequence[Fault]) -> float:
    """Points that are left, 0 to 100."""
    return round(max(0.0, FULL - sum(one.points for one in found)), 1)


def _cost(name: str, share: float) -> float:
    return round(max(LEAST, COSTS[name][0] * min(1.0, share)), 1)


def _rows(seen: Evidence) -> Iterator[Fault]:
    counts: dict[str, int] = {"unreadable_stamps": seen.table.undecoded} if seen.table.undecoded else {}
    for some in seen.table.findings.values():
        for finding in some:
            name = _ROW_FAULTS.get(finding.name)
            if name:
                counts[name] = counts.get(name, 0) + finding.count
    for name, count in counts.items():
        detail = ""
        if name == "mock_rows":
            days = sorted(day for day, some in seen.table.findings.items() if any(_ROW_FAULTS.get(one.name) == name for one in some))
            detail = _dates(days)
        yield Fault(name, _cost(name, count / seen.rows / _HURTS_FULLY), count, "rows", detail)


def _fills(seen: Evidence) -> dict[date, tuple[int, int]]:
    """Continuous minutes that each session has, and its last minute with a row."""
    found = {}
    for day, (first, end) in seen.table.spans.items():
        minutes = seen.table.facts.minute[first:end][seen.table.facts.phase[first:end] == CONTINUOUS]
        if minutes.size:
            found[day] = (int(minutes.size), int(minutes[-1]))
    return found


def _time(seen: Evidence) -> Iterator[Fault]:
    """Missing sessions and minutes: of spot and of what trades nearly every minute; of others, sessions that the exchange says traded."""
    fills = _fills(seen)
    shares = [fills[one.date][0] / one.minutes for one in seen.sessions if one.date in fills]
    dense = seen.contract.kind == "spot" or bool(shares and float(np.median(shares)) >= _DENSE and seen.contract.kind == "future")
    traded = {day for day, row in seen.exchange.items() if row.volume > 0}
    absent = [one.date for one in seen.sessions if one.date not in fills and (dense or one.date in traded)]
    if absent:
        expected = len(seen.sessions) if dense else len(traded)
        yield Fault("sessions_absent", _cost("sessions_absent", len(absent) / expected), len(absent), f"of {expected} sessions", _dates(absent))
    if not dense:
        return
    late = [one for one in seen.sessions if one.date in fills and _stops_early(one, fills[one.date][1])]
    if late:
        yield Fault("last_minutes_missing", _cost("last_minutes_missing", len(late) / len(fills)), len(late), "sessions", _dates([one.date for one in late]))
    cut = {one.date: one.continuous[-1].end - _OLD_CLOSE for one in late}
    missing = {one.date: one.minutes - fills[one.date][0] - cut.get(one.date, 0) for one in seen.sessions if one.date in fills and one.mask_required}
    lacking, expected = sum(max(0, each) for each in missing.values()), sum(one.minutes for one in seen.sessions if one.date in fills)
    if lacking:
        worst = max(missing, key=lambda day: missing[day])
        detail = f"most on {worst}: {missing[worst]}"
        yield Fault("minutes_missing", _cost("minutes_missing", lacking / expected), lacking, f"of {expected:,} minutes", detail)


def _stops_early(session: Session, last: int) -> bool:
    return session.date >= LONGER_FROM and not session.special and session.continuous[-1].end > _OLD_CLOSE and last < _OLD_CLOSE


def _interest(seen: Evidence) -> Iterator[Fault]:
    """Open interest that is the same in every row of several sessions, or in a long one with volume, was filled in by somebody."""
    facts = seen.table.facts
    oi = facts.oi[facts.oi >= 0]
    if seen.contract.kind != "spot" and oi.size >= 60 and len(seen.table.spans) > 1 and (oi == oi[0]).all() and facts.volume.any() and oi[0] > 0:
        yield Fault("constant_oi", COSTS["constant_oi"][0], int(oi.size), "rows", f"always {int(oi[0]):,}")


def _exchange(seen: Evidence) -> Iterator[Fault]:
    compared = [day for day in seen.judged if day in seen.exchange]
    if not compared:
        return
    names = {day: {finding.name for finding in seen.judged[day].findings} for day in compared}
    foreign = [day for day in compared if names[day] & {"not_this_contract", "price_rebased"}]
    if foreign:
        yield _sessions_fault("not_this_contract", foreign, compared)
    lots = [day for day in compared if _in_lots(seen, day)]
    if lots and len(lots) * 2 >= len(compared):
        yield Fault("volume_in_lots", COSTS["volume_in_lots"][0], len(lots), f"of {len(compared)} sessions", f"lot {seen.contract.lot}")
    volumes = [day for day in compared if day not in lots and day not in foreign and names[day] & _VOLUME]
    if volumes:
        yield _sessions_fault("volume_differs", volumes, compared)
    ranges = [day for day in compared if day not in foreign and names[day] & _RANGE]
    if ranges:
        yield _sessions_fault("range_differs", ranges, compared)


def _sessions_fault(name: str, hurt: Sequence[date], of: Sequence[date]) -> Fault:
    return Fault(name, _cost(name, len(hurt) / len(of)), len(hurt), f"of {len(of)} sessions", _dates(hurt))


def _in_lots(seen: Evidence, day: date) -> bool:
    first, end = seen.table.spans.get(day, (0, 0))
    ours, theirs, lot = int(seen.table.facts.volume[first:end].sum()), seen.exchange[day].volume, seen.contract.lot
    return lot > 1 and ours > 0 and abs(theirs / ours / lot - 1) <= _LOT_SLACK


def _dates(days: Sequence[date]) -> str:
    shown = ", ".join(str(day) for day in sorted(days)[:3])
    return shown + (f" and {len(days) - 3} more" if len(days) > 3 else "")
