"""
Reads the dated facts (hours, special sessions, holidays) from TOML: ours, then the user's additions over them.

Judges nothing about a date: that is ``calendar``. Invariant: every row has a source, and a bad row is one
:class:`~fnolake.errors.ConfigError` that names the file and the row.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from fnolake.errors import ConfigError
from fnolake.model.instrument import SEGMENTS, VENUES
from fnolake.model.session import Window

PHASES = ("preopen", "continuous", "auction")
_KEYS = {
    "hours": {"from", "venues", "segment", "closing_auction", "windows", "confirmed", "expiring_index_end", "source"},
    "special": {"date", "venues", "name", "windows", "hours_unknown", "mask", "source"},
    "holidays": {"year", "dates", "complete", "source"},
    "late_open": {"date", "underlying", "start", "source"},
}
_FLAGS = {"closing_auction", "confirmed", "hours_unknown", "mask", "complete"}


WHOLE_YEAR = 8
"""Weekday holidays that make a list a whole year's: 2023 to 2026 have 13 to 16."""


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


@dataclass(frozen=True, slots=True)
class ExchangeWord:
    """
    What the exchange's own files say of its calendar.

    Attributes:
        holidays: Closed date → its name and whether a Muhurat session is held on it.
        auctions: By date ascending: the NSE symbols (series EQ) that take part in the closing auction from it on.
    """

    holidays: Mapping[date, tuple[str, bool]] = field(default_factory=dict)
    auctions: tuple[tuple[date, frozenset[str]], ...] = ()


def bundled(additions: Path | None = None, word: ExchangeWord | None = None) -> Facts:
    """
    Our facts, the exchange's holiday master with them, and the user's over both.

    Raises:
        ConfigError: The additions file is missing, is no TOML, or a row of it is not understood.
    """
    facts = Facts()
    folder = files("fnolake.market") / "data"
    for name in ("hours.toml", "special.toml", "holidays.toml"):
        _take(facts, tomllib.loads((folder / name).read_text(encoding="utf-8")), name)
    if word is not None:
        _take_word(facts, word)
    if additions is not None:
        try:
            table = tomllib.loads(additions.read_text(encoding="utf-8"))
        except OSError as error:
            raise ConfigError(f"{additions}: {error.strerror}; create it or remove [calendar] additions") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
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
                _check_keys(key, row)
                takers[key](facts, row)
            except (KeyError, ValueError, TypeError) as error:
                why = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
                raise ConfigError(f"{name}: [[{key}]] number {number}: {why}") from error


def _take_word(facts: Facts, word: ExchangeWord) -> None:
    """
    Add the exchange's closed dates; a session that we know on one of them stays a session.

    A year of which it names many weekdays is complete: NSE issues a year's list as a whole, in December (market.md section 2).
    A date marked for Muhurat trades at hours that are notified later: they stay unknown.
    """
    source = "NSE holiday master"
    weekdays = Counter(day.year for day in word.holidays if day.weekday() < 5)
    facts.complete_years |= {year for year, count in weekdays.items() if count >= WHOLE_YEAR}
    for day, (name, is_special) in word.holidays.items():
        if any((venue, day) in facts.special for venue in VENUES):
            continue
        if is_special:
            facts.special |= {(venue, day): Special(day, VENUES, f"Muhurat ({name})", None, source) for venue in VENUES}
        else:
            facts.holidays.setdefault(day, f"{source}: {name}")


def _check_keys(table: str, row: object) -> None:
    """A misspelt key must not become a silent default: only known keys, a source, and true booleans."""
    if not isinstance(row, dict):
        raise TypeError(f"write [[{table}]] and its keys below it")
    unknown = sorted(set(row) - _KEYS[table])
    if unknown:
        raise ValueError(f"{unknown[0]!r} is not known; use {', '.join(sorted(_KEYS[table]))}")
    for key in _FLAGS & set(row):
        if not isinstance(row[key], bool):
            raise TypeError(f"{key} is true or false, without quotes")
    if not isinstance(row.get("source"), str) or not row["source"].strip():
        raise ValueError("a source is needed")


def minute_of_day(text: str) -> int:
    """``"09:15"`` → 555."""
    hours, _, minutes = text.strip().partition(":")
    value = int(hours) * 60 + int(minutes)
    if not 0 <= value <= 1440 or int(minutes) > 59:
        raise ValueError(f"{text!r} is no time of day; write HH:MM")
    return value


def _windows(rows: object) -> tuple[Window, ...]:
    if not isinstance(rows, list) or not all(isinstance(text, str) for text in rows):
        raise TypeError('windows is a list, for example ["continuous 18:15-19:15"]')
    found: list[Window] = []
    for text in rows:
        phase, _, span = text.partition(" ")
        start, _, end = span.partition("-")
        if phase not in PHASES or not end:
            raise ValueError(f'{text!r}: write "continuous HH:MM-HH:MM" (or preopen, auction)')
        found.append(Window(phase, minute_of_day(start), minute_of_day(end)))
        if found[-1].start >= found[-1].end or (len(found) > 1 and found[-2].end > found[-1].start):
            raise ValueError(f"{text!r}: windows must be in order and not overlap")
    if not any(window.phase == "continuous" for window in found):
        raise ValueError("windows need a continuous one")
    return tuple(found)


def _venues(row: dict[str, Any]) -> tuple[str, ...]:
    venues = row.get("venues", list(VENUES))
    if not isinstance(venues, list) or not venues or not all(venue in VENUES for venue in venues):
        raise ValueError(f"venues is a list of {', '.join(VENUES)}")
    return tuple(venues)


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
    windows = None if row.get("hours_unknown", False) else _windows(row["windows"]) if "windows" in row else ()
    for venue in venues:
        facts.special[venue, day] = Special(day, venues, row.get("name", "special"), windows, row["source"], bool(row.get("mask", True)))
    facts.holidays.pop(day, None)


def _take_holidays(facts: Facts, row: dict[str, Any]) -> None:
    year, days = row["year"], row["dates"]
    if not isinstance(days, list):
        raise TypeError('dates is a list, for example ["01-26"]')
    for text in days:
        day = date.fromisoformat(f"{year}-{text}")
        facts.holidays[day] = row["source"]
        for venue in VENUES:
            facts.special.pop((venue, day), None)
    if row.get("complete", False):
        facts.complete_years.add(year)


def _take_late_open(facts: Facts, row: dict[str, Any]) -> None:
    facts.late_open[str(row["underlying"]), _day(row["date"])] = minute_of_day(row["start"])
