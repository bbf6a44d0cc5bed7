"""What part of the market is meant, as a value, and how it is read from what a user gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, TypedDict, Unpack

from fnolake.errors import ConfigError
from fnolake.model.session import ist_date

Names = str | Sequence[str] | None
"""One name or several; None is no name, as an empty sequence is."""
Day = date | str | None
"""A date, its ISO text, or None; of an instant its date in IST."""


class Chosen(TypedDict, total=False):
    """What a :class:`Selection` can be made of."""

    underlying: Names
    kind: Names
    start: Day
    end: Day
    max_minutes: float | None
    backfill: bool
    wait: bool
    retry: bool


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

    @classmethod
    def of(cls, **chosen: Unpack[Chosen]) -> Selection:
        """
        From what a user gives: names in any case, dates or their text.

        Raises:
            ConfigError: A date is none.
        """
        given: dict[str, Any] = dict(chosen)
        kinds = tuple(name.lower() for name in names_of(given.pop("kind", ())))
        return cls(names_of(given.pop("underlying", ())), kinds, day_of(given.pop("start", None)), day_of(given.pop("end", None)), **given)


def names_of(given: Names) -> tuple[str, ...]:
    """Names as the lake spells them, each once."""
    names = (given,) if isinstance(given, str) else given
    return tuple(dict.fromkeys(name.strip().upper() for name in names or ()))


def day_of(given: Day) -> date | None:
    """
    A session that was given.

    Raises:
        ConfigError: It is no date.
    """
    if isinstance(given, datetime):
        return ist_date(given) if given.tzinfo else given.date()
    if not isinstance(given, str):
        return given
    try:
        return date.fromisoformat(given.strip())
    except ValueError as error:
        raise ConfigError(f"no date: {given!r}; give a session like 2026-11-20") from error
