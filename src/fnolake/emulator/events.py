"""
What happens to contracts in their lives, as real ones met it (market.md sections 3 to 5), scripted as JSON. Pure.

``{"event": "expiry_moved", "underlying": "TCS", "expiry": "2026-09-29", "to": "2026-09-28", "on": "2026-09-01"}``

============  =====================================================================================================
lot           contracts expiring from ``from_expiry`` have ``lot`` (NSE/FAOP/73549 of 2026-03-30)
expiry_moved  from ``on``, all contracts of ``expiry`` expire on ``to`` (NSE/FAOP/71876 of 2025-12-29)
dividend      on ``on``, price and all strikes listed before fall by ``paise`` (NCL/CMPT/74060, 2026-06-10)
rename        from ``on``, the underlying and its symbols are called ``to`` (LTIM, 2026-02-27)
demerger      all contracts end the day before ``on`` (the file's actual expiry; the nominal one stays: inferred from its two
              columns) and are listed again on it, same symbols, other tokens; the price falls by ``paise`` (VEDL, 2026-04-30)
============  =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from fnolake.emulator.hashing import Integers
from fnolake.emulator.listings import OPTION, SPOT, Columns, Underlying
from fnolake.emulator.prices import Daily

KINDS = ("lot", "expiry_moved", "dividend", "rename", "demerger")
_RELISTED = 5_000_000


@dataclass(frozen=True, slots=True)
class Event:
    """One event; fields that its kind does not have are empty."""

    kind: str
    underlying: str
    on: int = 0
    expiry: int = 0
    to: str = ""
    lot: int = 0
    paise: int = 0

    @classmethod
    def of(cls, script: Mapping[str, Any]) -> Event:
        """
        An event from its script.

        Raises:
            ValueError: The kind is unknown, or a value is missing or has the wrong shape.
        """
        kind = str(script.get("event"))
        if kind not in KINDS:
            raise ValueError(f"no event is called {kind!r}; known: {', '.join(KINDS)}")
        try:
            expiry = script["from_expiry"] if kind == "lot" else script.get("expiry")
            made = cls(
                kind,
                str(script["underlying"]),
                0 if kind == "lot" else date.fromisoformat(script["on"]).toordinal(),
                date.fromisoformat(expiry).toordinal() if expiry else 0,
                str(script.get("to", "")),
                int(script["lot"]) if kind == "lot" else 0,
                int(script["paise"]) if kind in ("dividend", "demerger") else 0,
            )
        except (KeyError, TypeError) as error:
            raise ValueError(f"a {kind} event lacks {error}: {dict(script)}") from error
        if kind == "expiry_moved":
            date.fromisoformat(made.to)
        return made

    @property
    def begins(self) -> int:
        """The first date (ordinal) of which masters and files show it; 0 = always."""
        return 0 if self.kind == "demerger" else self.on


def repriced(days: Daily, unds: Sequence[Underlying], events: Sequence[Event]) -> Daily:
    """Closes before an ex-date raised by what the price falls by on it, so that levels of later dates stay."""
    closes, gaps = days.closes.copy(), days.gaps.copy()
    for number, event in _numbered(unds, events):
        at = int(days.ordinals.searchsorted(event.on))
        if event.paise and 0 < at < len(days.ordinals):
            fall = float(np.log1p(event.paise / np.exp(closes[number, at - 1])))
            closes[number, :at] += fall
            gaps[number, at] -= fall
    return replace(days, closes=closes, gaps=gaps)


def relisted(columns: Columns, unds: Sequence[Underlying], events: Sequence[Event]) -> Columns:
    """The columns with revised lots, and with an end and a second listing of every contract that a demerger meets."""
    for number, event in _numbered(unds, events):
        mine = (columns.und == number) & (columns.kind != SPOT)
        if event.kind == "lot":
            columns = replace(columns, lot=np.where(mine & (columns.expiry >= event.expiry), event.lot, columns.lot).astype(np.int32))
        if event.kind == "demerger":
            again = np.flatnonzero(mine & (columns.listed < event.on) & (columns.expiry >= event.on))
            columns = _with_copies(columns, again, event.on)
    return columns


def as_of(
    columns: Columns, unds: Sequence[Underlying], events: Sequence[Event], day: int
) -> tuple[Columns, list[Underlying]]:
    """Columns and underlyings as masters and files of a date show them."""
    named = list(unds)
    for number, event in _numbered(unds, events):
        if day < event.begins:
            continue
        mine = (columns.und == number) & (columns.kind != SPOT) & (columns.listed < (event.on or day))
        if event.kind == "expiry_moved":
            to = date.fromisoformat(event.to).toordinal()
            moved = (columns.und == number) & (columns.expiry == event.expiry)
            expiry, ends = (np.where(moved, to, old).astype(np.int32) for old in (columns.expiry, columns.ends))
            columns = replace(columns, expiry=expiry, ends=ends)
        elif event.kind == "dividend":
            adjusted = mine & (columns.kind == OPTION) & (columns.expiry >= event.on)
            columns = replace(columns, strike=np.where(adjusted, columns.strike - event.paise, columns.strike))
        elif event.kind == "rename":
            named[number] = replace(named[number], name=event.to)
    return columns, named


def eras(events: Sequence[Event], since: date, until: date) -> list[int]:
    """The dates (ordinals) of a span from which something is shown otherwise than before; the first is ``since``."""
    inside = {event.begins for event in events if since.toordinal() < event.begins <= until.toordinal()}
    return [since.toordinal(), *sorted(inside)]


def _with_copies(columns: Columns, rows: Integers, on: int) -> Columns:
    whole = {name: np.concatenate([getattr(columns, name), getattr(columns, name)[rows]]) for name in Columns.__annotations__}
    first = len(columns)
    whole["ends"][rows] = on - 1
    whole["token"][first:] += _RELISTED
    whole["listed"][first:] = on
    whole["shown"][first:] = on
    order = np.lexsort((whole["expiry"], whole["token"], whole["exchange"]))
    return Columns(**{name: np.ascontiguousarray(values[order]) for name, values in whole.items()})


def _numbered(unds: Sequence[Underlying], events: Sequence[Event]) -> list[tuple[int, Event]]:
    numbers = {und.name: number for number, und in enumerate(unds)}
    return [(numbers[event.underlying], event) for event in events if event.underlying in numbers]

