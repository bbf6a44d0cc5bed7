"""Faults that change the rows of a TPSeries answer. Slow on purpose: only a scripted answer comes this way."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta

from fnolake.emulator import broker_rows
from fnolake.emulator.faults import ROW_FAULTS, Ask, Fault
from fnolake.emulator.state import State
from fnolake.model import IST

Row = dict[str, str]
_FORMAT = "%d-%m-%Y %H:%M:%S"


def spoil(state: State, ask: Ask, rows: list[str], interval: str) -> list[str]:
    """The rows after every row fault that strikes this request; the same list if none does."""
    struck = state.faults.strike_all(ROW_FAULTS, ask)
    if not struck:
        return rows
    parsed: list[Row] = [json.loads(row) for row in rows]
    for fault in struck:
        if fault.name == "recycled_token":
            parsed = _recycled(state, ask, parsed, fault, interval)
        elif fault.name == "mock_saturday":
            parsed = _with_saturdays(state, ask, parsed, interval)
        elif fault.name in _CHANGES:
            scope = _scope(parsed, fault)
            parsed = _CHANGES[fault.name](parsed, scope, fault) if scope else parsed
    return [json.dumps(row, separators=(",", ":")) for row in parsed]


def _scope(rows: list[Row], fault: Fault) -> list[int]:
    """Positions of the rows that the fault may change."""
    if fault.session is None:
        return list(range(len(rows)))
    day = fault.session.strftime("%d-%m-%Y")
    return [at for at, row in enumerate(rows) if row["time"].startswith(day)]


def _malformed(rows: list[Row], scope: list[int], _fault: Fault) -> list[Row]:
    at = scope[len(scope) // 2]
    return [*rows[:at], {**rows[at], "into": "n/a"}, *rows[at + 1:]]


def _zero(rows: list[Row], scope: list[int], _fault: Fault) -> list[Row]:
    at = scope[len(scope) // 2]
    return [*rows[:at], {**rows[at], **dict.fromkeys(("into", "inth", "intl", "intc"), "0.00")}, *rows[at + 1:]]


def _missing(rows: list[Row], scope: list[int], _fault: Fault) -> list[Row]:
    at = scope[len(scope) // 2]
    return [*rows[:at], *rows[at + 1:]]


def _duplicate(rows: list[Row], scope: list[int], _fault: Fault) -> list[Row]:
    at = scope[len(scope) // 2]
    return [*rows[:at], rows[at], *rows[at:]]


def _wrong_zone(rows: list[Row], scope: list[int], _fault: Fault) -> list[Row]:
    """The wall time of those rows in UTC; ssboe stays true."""
    chosen = set(scope)
    return [{**row, "time": _shifted(row["time"], -330)} if at in chosen else row for at, row in enumerate(rows)]


def _late(rows: list[Row], scope: list[int], fault: Fault) -> list[Row]:
    """The newest ``minutes`` rows (default 1) are not there yet."""
    late = set(scope[: int(fault.options.get("minutes", 1))])
    return [row for at, row in enumerate(rows) if at not in late]


_CHANGES: dict[str, Callable[[list[Row], list[int], Fault], list[Row]]] = {
    "malformed_row": _malformed, "zero_row": _zero, "missing_minute": _missing, "duplicate": _duplicate,
    "wrong_zone": _wrong_zone, "late_last_bar": _late,
}


def _recycled(state: State, ask: Ask, rows: list[Row], fault: Fault, interval: str) -> list[Row]:
    """Rows before ``before`` (default: all) are those of the contract that had the token earlier."""
    before = date.fromisoformat(str(fault.options.get("before", date.max.isoformat())))
    exchange, _, token = ask.contract.partition("|")
    former = str(fault.options.get("from_token", "")) or _neighbour(state, exchange, token)
    kept = [row for row in rows if _day(row) >= before]
    if ask.first is None or ask.last is None or ask.first >= before:
        return kept
    last = min(ask.last, before - timedelta(days=1))
    old = broker_rows.rows_of(state, f"{exchange}|{former}", interval, _start(ask.first), _start(last) + 86_399)
    return kept + [json.loads(row) for row in old or []]


def _neighbour(state: State, exchange: str, token: str) -> str:
    """Another contract of the exchange with the same kind, the next in the master."""
    own = state.listing(exchange, token)
    peers = [o for o in state.world.listings if o.exchange == exchange and own is not None and o.kind == own.kind]
    at = next((n for n, one in enumerate(peers) if str(one.token) == token), 0)
    return str(peers[(at + 1) % len(peers)].token) if peers else token


def _with_saturdays(state: State, ask: Ask, rows: list[Row], interval: str) -> list[Row]:
    """A mock session on every Saturday of the span: an hour of rows like the last session's."""
    days = [] if ask.first is None or ask.last is None else [
        ask.first + timedelta(days=n) for n in range((ask.last - ask.first).days + 1)
    ]
    added: list[Row] = []
    for saturday in (day for day in days if day.weekday() == 5):
        for back in range(1, 6):
            day = saturday - timedelta(days=back)
            copied = broker_rows.rows_of(state, ask.contract, interval, _start(day), _start(day) + 86_399)
            if copied:
                added += [_moved(json.loads(row), back) for row in copied[-60:]]
                break
    return sorted([*rows, *added], key=lambda row: int(row["ssboe"]), reverse=True)


def _moved(row: Row, days: int) -> Row:
    return {**row, "time": _shifted(row["time"], days * 1440), "ssboe": str(int(row["ssboe"]) + days * 86_400)}


def _shifted(text: str, minutes: int) -> str:
    moved = datetime.strptime(text, _FORMAT).replace(tzinfo=IST) + timedelta(minutes=minutes)
    return moved.strftime(_FORMAT)


def _day(row: Row) -> date:
    return datetime.strptime(row["time"], _FORMAT).replace(tzinfo=IST).date()


def _start(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=IST).timestamp()
