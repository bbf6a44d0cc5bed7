"""
The weekday rules of expiry, by product and date: a cross-check of what masters and exchange files say.

Expiries come from the master; these rules never replace it. The table is ``data/expiries.toml``, with a source on each
row. Invariant: where no rule or no calendar is known the answer is None or unconfirmed, never a guess.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files

from fnolake.errors import UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model.verdict import Finding

WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri")
_MUHURAT = "Muhurat"
_LONGEST_CLOSURE = 10


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """One row of the table; ``start`` and ``until`` are inclusive and count before any holiday shift."""

    venue: str
    underlying: str
    cycle: str
    weekday: int
    start: date
    until: date
    source: str


@dataclass(frozen=True, slots=True)
class Expiry:
    """
    One expiry by rule. ``nominal`` is the date before the holiday shift.

    ``confirmed`` is False where the calendar does not know yet whether that date trades.
    """

    day: date
    nominal: date
    cycle: str
    confirmed: bool = True


class Expiries:
    """Expiry dates by rule and calendar."""

    def __init__(self, rules: tuple[ExpiryRule, ...], calendar: Calendar) -> None:
        self._rules = rules
        self._calendar = calendar

    @classmethod
    def bundled(cls, calendar: Calendar) -> Expiries:
        """The rules that come with fnolake, over a calendar."""
        text = (files("fnolake.market") / "data" / "expiries.toml").read_text(encoding="utf-8")
        return cls(tuple(_rule(row) for row in tomllib.loads(text)["expiry"]), calendar)

    def monthly(self, venue: str, underlying: str, year: int, month: int, *, is_index: bool) -> Expiry | None:
        """The monthly expiry of a calendar month; None where no rule is known."""
        last = (date(year, month, 28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
        for rule in self._of(venue, underlying, "monthly", is_index=is_index):
            nominal = last - timedelta(days=(last.weekday() - rule.weekday) % 7)
            if rule.start <= nominal <= rule.until:
                return self._shifted(venue, nominal, "monthly")
        return None

    def weekly(self, venue: str, underlying: str, start: date, end: date) -> list[Expiry]:
        """
        Weekly expiries from ``start`` to ``end``, both inclusive, ascending.

        The week of a monthly expiry has no weekly of its own and is left out.
        """
        found = []
        for rule in self._of(venue, underlying, "weekly", is_index=True):
            first = max(rule.start, start)
            nominal = first + timedelta(days=(rule.weekday - first.weekday()) % 7)
            while nominal <= min(rule.until, end + timedelta(days=_LONGEST_CLOSURE)):
                if not self._monthly_in_week(venue, underlying, nominal):
                    found.append(self._shifted(venue, nominal, "weekly"))
                nominal += timedelta(days=7)
        return sorted((each for each in found if start <= each.day <= end), key=lambda each: each.day)

    def upcoming(self, venue: str, underlying: str, on: date, *, is_index: bool, months: int = 3, weeks: int = 4) -> list[Expiry]:
        """
        What should be listed on a date, ascending: the next serial months and, for an index, the next weeklies.

        Long-dated (quarterly and half-yearly) expiries of an index are not among them.
        """
        serial: list[Expiry] = []
        year, month = on.year, on.month
        for _ in range(months + 1):
            expiry = self.monthly(venue, underlying, year, month, is_index=is_index)
            if expiry is not None and expiry.day >= on:
                serial.append(expiry)
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
        near = self.weekly(venue, underlying, on, on + timedelta(days=7 * (weeks + 3))) if is_index else []
        return sorted(serial[:months] + near[:weeks], key=lambda each: each.day)

    def check(self, venue: str, underlying: str, expiry: date, *, is_index: bool) -> Finding | None:
        """
        Compare an expiry of a master with the rules.

        Returns:
            ``expiry_off_rule`` where the rules name other dates; None where they agree or do not know.
        """
        named = [self.monthly(venue, underlying, day.year, day.month, is_index=is_index) for day in (expiry, expiry + timedelta(days=_LONGEST_CLOSURE))]
        if is_index:
            named += self.weekly(venue, underlying, expiry, expiry)
        known = [each for each in named if each is not None]
        if not known or any(each.day == expiry or not each.confirmed for each in known):
            return None
        return Finding("expiry_off_rule", 1, f"{venue} {underlying} {expiry}: the rule says {min(each.day for each in known)}")

    def _of(self, venue: str, underlying: str, cycle: str, *, is_index: bool) -> list[ExpiryRule]:
        name = underlying if is_index else "*"
        return [rule for rule in self._rules if (rule.venue, rule.underlying, rule.cycle) == (venue, name, cycle)]

    def _monthly_in_week(self, venue: str, underlying: str, nominal: date) -> bool:
        monday = nominal - timedelta(days=nominal.weekday())
        for day in (monday, monday + timedelta(days=4)):
            expiry = self.monthly(venue, underlying, day.year, day.month, is_index=True)
            if expiry is not None and monday <= expiry.nominal <= monday + timedelta(days=4):
                return True
        return False

    def _shifted(self, venue: str, nominal: date, cycle: str) -> Expiry:
        day = nominal
        for _ in range(_LONGEST_CLOSURE):
            try:
                session = self._calendar.session(venue, "FO", day)
            except UnknownSession:
                return Expiry(nominal, nominal, cycle, confirmed=False)
            if session is not None and session.special != _MUHURAT:
                return Expiry(day, nominal, cycle)
            day -= timedelta(days=1)
        return Expiry(nominal, nominal, cycle, confirmed=False)


def _rule(row: dict[str, object]) -> ExpiryRule:
    start, until = row["from"], row.get("until", date.max)
    assert isinstance(start, date)
    assert isinstance(until, date)
    return ExpiryRule(
        str(row["venue"]), str(row["underlying"]), str(row["cycle"]), WEEKDAYS.index(str(row["weekday"])), start, until, str(row["source"])
    )
