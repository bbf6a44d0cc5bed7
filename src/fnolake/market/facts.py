"""
Reads the dated facts (hours, special sessions, holidays) from TOML: ours, then the user's additions over them.

Judges nothing about a date: that is ``calendar``. Invariant: every row has a source, and a bad row is one
:class:`~fnolake.errors.ConfigError` that names the file and the row.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from fnolake.errors import ConfigError
from fnolake.model.instrument import SEGMENTS, VENUES
from fnolake.model.session import Window

PHASES = ("preopen", "continuous", "auction")


@dataclass(frozen=True, slots=True)
class Hours:
    """Regular hours of a segment from a date on."""

    start: date
    venues: tuple[str, ...]
    segment: str
    closing_auction: bool
    windows: tuple[Window, ...]
    source: str
    confirmed: bool = True
    expiring_index_end: int | None = None


@dataclass(frozen=True, slots=True)
class Special:
    """A date of its own kind. ``windows`` is empty for regular hours, None while the hours are unknown."""

    day: date
    venues: tuple[str, ...]
    name: str
    windows: tuple[Window, ...] | None
    source: str
    mask: bool = True


@dataclass
class Facts:
    """All facts, later ones over earlier ones."""

    hours: list[Hours] = field(default_factory=list)
    special: dict[tuple[str, date], Special] = field(default_factory=dict)
    holidays: dict[date, str] = field(default_factory=dict)
    complete_years: set[int] = field(default_factory=set)
    late_open: dict[tuple[str, date], int] = field(default_factory=dict)


def bundled(additions: Path | None = None) -> Facts:
    """
    Our facts, and the user's over them.

    Raises:
        ConfigError: The additions file is missing, is no TOML, or a row of it is not understood.
    """
    facts = Facts()
    folder = files("fnolake.market") / "data"
    for name in ("hours.toml", "special.toml", "holidays.toml"):
        _take(facts, tomllib.loads((folder / name).read_text(encoding="utf-8")), name)
    if additions is not None:
        try:
            table = tomllib.loads(additions.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{additions}: {error.strerror}; create it or remove [calendar] additions") from error
        except tomllib.TOMLDecodeError as error:
            raise ConfigError(f"{additions}: not a TOML file: {error}") from error
        _take(facts, table, str(additions))
    return facts


def _take(facts: Facts, table: dict[str, Any], name: str) -> None:
    takers = {"hours": _take_hours, "special": _take_special, "holidays": _take_holidays, "late_open": _take_late_open}
    for key, rows in table.items():
        if key not in takers:
            raise ConfigError(f"{name}: [[{key}]] is not known; use one of {', '.join(takers)}")
        if not isinstance(rows, list):
            raise ConfigError(f"{name}: write [[{key}]] with double brackets")
        for number, row in enumerate(rows, start=1):
            try:
                _sourced(row)
                takers[key](facts, row)
            except (KeyError, ValueError, TypeError, AttributeError) as error:
                why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                raise ConfigError(f"{name}: [[{key}]] number {number}: {why}") from error


def _sourced(row: dict[str, Any]) -> None:
    if not str(row.get("source", "")).strip():
        raise ValueError("a source is needed")


def minute_of_day(text: str) -> int:
    """``"09:15"`` → 555."""
    hours, _, minutes = text.strip().partition(":")
    value = int(hours) * 60 + int(minutes)
    if not 0 <= value <= 1440 or int(minutes) > 59:
        raise ValueError(f"{text!r} is no time of day; write HH:MM")
    return value


def _windows(rows: list[str]) -> tuple[Window, ...]:
    found = []
    for text in rows:
        phase, _, span = text.partition(" ")
        start, _, end = span.partition("-")
        if phase not in PHASES or not end:
            raise ValueError(f'{text!r}: write "continuous HH:MM-HH:MM" (or preopen, auction)')
        found.append(Window(phase, minute_of_day(start), minute_of_day(end)))
        if found[-1].start >= found[-1].end or (len(found) > 1 and found[-2].end > found[-1].start):
            raise ValueError(f"{text!r}: windows must be in order and not overlap")
    return tuple(found)


def _venues(row: dict[str, Any]) -> tuple[str, ...]:
    venues = tuple(row.get("venues", VENUES))
    if not set(venues) <= set(VENUES):
        raise ValueError(f"venues are {', '.join(VENUES)}")
    return venues


def _day(value: object) -> date:
    if type(value) is not date:
        raise ValueError(f"{value!r} is no date; write 2026-11-08 without quotes")
    return value


def _take_hours(facts: Facts, row: dict[str, Any]) -> None:
    if row["segment"] not in SEGMENTS:
        raise ValueError(f"segment is one of {', '.join(SEGMENTS)}")
    early = row.get("expiring_index_end")
    facts.hours.append(Hours(
        _day(row["from"]), _venues(row), row["segment"], bool(row.get("closing_auction", False)), _windows(row["windows"]),
        row["source"], confirmed=bool(row.get("confirmed", True)), expiring_index_end=minute_of_day(early) if early else None,
    ))


def _take_special(facts: Facts, row: dict[str, Any]) -> None:
    day, venues = _day(row["date"]), _venues(row)
    windows = None if row.get("hours_unknown", False) else _windows(row.get("windows", []))
    for venue in venues:
        facts.special[venue, day] = Special(day, venues, row.get("name", "special"), windows, row["source"], bool(row.get("mask", True)))
    facts.holidays.pop(day, None)


def _take_holidays(facts: Facts, row: dict[str, Any]) -> None:
    year = int(row["year"])
    for text in row["dates"]:
        day = date.fromisoformat(f"{year}-{text}")
        facts.holidays[day] = row["source"]
        for venue in VENUES:
            facts.special.pop((venue, day), None)
    if row.get("complete", True):
        facts.complete_years.add(year)


def _take_late_open(facts: Facts, row: dict[str, Any]) -> None:
    facts.late_open[str(row["underlying"]), _day(row["date"])] = minute_of_day(row["start"])
