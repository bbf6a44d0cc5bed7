"""
Faults that change the rows of a history answer, whatever the wire. Slow on purpose: only a scripted answer comes this way.

Rows are JSON texts, newest first; a :class:`Shape` says how a wire spells them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from fnolake.emulator.faults import ROW_FAULTS, Ask, Fault
from fnolake.emulator.series import ist_date_of
from fnolake.emulator.state import State
from fnolake.model import IST

Row = dict[str, Any]
_WRONG_ZONE_S = -19_800


@dataclass(frozen=True, slots=True)
class Shape:
    """
    How one wire spells a bar: its members' names, and values.

    ``cumulative`` is empty where the wire has none; ``label`` gives the wall time of an epoch, ``whole`` an integer as
    the wire writes it, ``zero`` its price of nothing, and ``rows_of`` a contract's clean rows, newest first.
    """

    open: str
    high: str
    low: str
    close: str
    volume: str
    cumulative: str
    epoch: str
    time: str
    label: Callable[[int], str]
    zero: Any
    whole: Callable[[int], Any]
    rows_of: Callable[[State, str, str, float, float], list[str] | None]


@dataclass(frozen=True, slots=True)
class _Struck:
    """One fault about to change some rows; ``scope`` are their positions."""

    fault: Fault
    scope: list[int]
    shape: Shape
    lot: int

    @property
    def middle(self) -> int:
        return self.scope[len(self.scope) // 2]

    def nearest(self, fits: Callable[[int], bool]) -> int | None:
        """The position nearest to the middle that fits."""
        centre = self.middle
        return next((at for at in sorted(self.scope, key=lambda at: abs(at - centre)) if fits(at)), None)


def spoil(state: State, ask: Ask, rows: list[str], interval: str, shape: Shape) -> list[str]:
    """The rows after every row fault that strikes this request; the same list if none does."""
    struck = state.faults.strike_all(ROW_FAULTS, ask)
    if not struck:
        return rows
    parsed: list[Row] = [json.loads(row) for row in rows]
    for fault in struck:
        if fault.name == "recycled_token":
            parsed = _recycled(state, ask, parsed, fault, interval, shape)
        elif fault.name == "mock_saturday":
            parsed = _with_saturdays(state, ask, parsed, interval, shape)
        else:
            scope = [at for at, row in enumerate(parsed) if fault.session in (None, _day(row, shape))]
            if scope:
                parsed = _CHANGES[fault.name](parsed, _Struck(fault, scope, shape, _lot(state, ask)))
    return [json.dumps(row, separators=(",", ":")) for row in parsed]


def _lot(state: State, ask: Ask) -> int:
    listing = state.listing(*ask.contract.partition("|")[::2])
    return 1 if listing is None else listing.lot


def _replaced(rows: list[Row], at: int, **members: Any) -> list[Row]:  # noqa: ANN401 - a wire's values
    return [*rows[:at], {**rows[at], **members}, *rows[at + 1:]]


def _malformed(rows: list[Row], struck: _Struck) -> list[Row]:
    return _replaced(rows, struck.middle, **{struck.shape.open: "n/a"})


def _zero(rows: list[Row], struck: _Struck) -> list[Row]:
    shape = struck.shape
    prices = dict.fromkeys((shape.open, shape.high, shape.low, shape.close), shape.zero)
    return _replaced(rows, struck.middle, **prices)


def _missing(rows: list[Row], struck: _Struck) -> list[Row]:
    return [*rows[:struck.middle], *rows[struck.middle + 1:]]


def _duplicate(rows: list[Row], struck: _Struck) -> list[Row]:
    return [*rows[:struck.middle], rows[struck.middle], *rows[struck.middle:]]


def _wrong_zone(rows: list[Row], struck: _Struck) -> list[Row]:
    """The wall time of those rows in UTC; the epoch stays true."""
    shape, chosen = struck.shape, set(struck.scope)
    return [
        {**row, shape.time: shape.label(int(row[shape.epoch]) + _WRONG_ZONE_S)} if at in chosen else row
        for at, row in enumerate(rows)
    ]


def _late(rows: list[Row], struck: _Struck) -> list[Row]:
    """The newest ``minutes`` rows (default 1) are not there yet."""
    late = set(struck.scope[: int(struck.fault.options.get("minutes", 1))])
    return [row for at, row in enumerate(rows) if at not in late]


def _clip_high(rows: list[Row], struck: _Struck) -> list[Row]:
    """One bar's high is only the higher of its open and close; the bar nearest to the middle that shows it."""
    shape = struck.shape

    def body(at: int) -> Any:  # noqa: ANN401 - a price as the wire writes it
        return max(rows[at][shape.open], rows[at][shape.close], key=float)

    at = struck.nearest(lambda at: float(rows[at][shape.high]) > float(body(at)))
    return rows if at is None else _replaced(rows, at, **{shape.high: body(at)})


def _volume_shift(rows: list[Row], struck: _Struck) -> list[Row]:
    """Half of one minute's lots, rounded down, are told a minute later; the session's sum stays what it is."""
    shape, scope = struck.shape, set(struck.scope)

    def moved(at: int) -> int:
        return int(rows[at][shape.volume]) // struck.lot // 2 * struck.lot

    at = struck.nearest(
        lambda at: moved(at) > 0 and at - 1 in scope and _day(rows[at], shape) == _day(rows[at - 1], shape)
    )
    if at is None:
        return rows
    changed = _replaced(rows, at, **_with_volume(rows[at], shape, -moved(at)))
    later = {shape.volume: shape.whole(int(rows[at - 1][shape.volume]) + moved(at))}
    return _replaced(changed, at - 1, **later)


def _with_volume(row: Row, shape: Shape, change: int) -> Row:
    names = [name for name in (shape.volume, shape.cumulative) if name]
    return {name: shape.whole(int(row[name]) + change) for name in names}


_CHANGES: dict[str, Callable[[list[Row], _Struck], list[Row]]] = {
    "malformed_row": _malformed, "zero_row": _zero, "missing_minute": _missing, "duplicate": _duplicate,
    "wrong_zone": _wrong_zone, "late_last_bar": _late, "clip_high": _clip_high, "volume_shift": _volume_shift,
}


def _recycled(
    state: State, ask: Ask, rows: list[Row], fault: Fault, interval: str, shape: Shape
) -> list[Row]:
    """Rows before ``before`` (default: all) are those of the contract that had the token earlier."""
    before = date.fromisoformat(str(fault.options.get("before", date.max.isoformat())))
    exchange, _, token = ask.contract.partition("|")
    former = str(fault.options.get("from_token", "")) or _neighbour(state, exchange, token)
    kept = [row for row in rows if _day(row, shape) >= before]
    if ask.first is None or ask.last is None or ask.first >= before:
        return kept
    last = min(ask.last, before - timedelta(days=1))
    old = shape.rows_of(state, f"{exchange}|{former}", interval, _start(ask.first), _start(last) + 86_399)
    return kept + [json.loads(row) for row in old or []]


def _neighbour(state: State, exchange: str, token: str) -> str:
    """Another contract of the exchange with the same kind, the next in the master."""
    own = state.listing(exchange, token)
    peers = [o for o in state.in_masters() if o.exchange == exchange and own is not None and o.kind == own.kind]
    at = next((n for n, one in enumerate(peers) if str(one.token) == token), 0)
    return str(peers[(at + 1) % len(peers)].token) if peers else token


def _with_saturdays(state: State, ask: Ask, rows: list[Row], interval: str, shape: Shape) -> list[Row]:
    """A mock session on every Saturday of the span: an hour of rows like the last session's."""
    days = [] if ask.first is None or ask.last is None else [
        ask.first + timedelta(days=n) for n in range((ask.last - ask.first).days + 1)
    ]
    added: list[Row] = []
    for saturday in (day for day in days if day.weekday() == 5):
        for back in range(1, 6):
            day = saturday - timedelta(days=back)
            copied = shape.rows_of(state, ask.contract, interval, _start(day), _start(day) + 86_399)
            if copied:
                added += [_moved(json.loads(row), back, shape) for row in copied[-60:]]
                break
    return sorted([*rows, *added], key=lambda row: int(row[shape.epoch]), reverse=True)


def _moved(row: Row, days: int, shape: Shape) -> Row:
    epoch = int(row[shape.epoch]) + days * 86_400
    return {**row, shape.time: shape.label(epoch), shape.epoch: shape.whole(epoch)}


def _day(row: Row, shape: Shape) -> date:
    return ist_date_of(int(row[shape.epoch]))


def _start(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=IST).timestamp()
