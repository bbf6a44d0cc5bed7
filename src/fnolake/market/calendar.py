"""
When NSE and BSE trade: dated sessions, special sessions, holidays. What is not known is said to be unknown.

The facts are in ``data/*.toml`` with their sources; ``facts`` reads them. Nothing here knows the time: the caller says
what now is. Invariant: a date is open, closed or unknown, never assumed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Literal

from fnolake.errors import UnknownSession
from fnolake.market.facts import ExchangeWord, Facts, Hours, Special, bundled
from fnolake.model.instrument import VENUES, Contract
from fnolake.model.session import MINUTE_US, Session, Window, ist_date, ist_midnight_us, utc_from_us

SETTLE_AFTER = timedelta(minutes=15)
"""A session is wanted this long after its last phase (design section 3)."""

_MOST_CLOSURES = 5
"""Of the weekdays of an expiry's weeks, at most so many are holidays."""

DayStatus = Literal["open", "closed", "unknown"]


class Calendar:
    """
    Sessions of both venues by date.

    Lookups are cached; a calendar may be shared between threads.
    """

    def __init__(self, facts: Facts, word: ExchangeWord | None = None) -> None:
        self._facts = facts
        self._auctions = (word or ExchangeWord()).auctions
        self._additions: Path | None = None
        self._hours = sorted(facts.hours, key=lambda row: row.start)
        self._cache: dict[tuple[str, str, date, bool], Session | None] = {}
        self._by_contract: dict[tuple[object, ...], Session | None] = {}

    @classmethod
    def bundled(cls, additions: Path | None = None, word: ExchangeWord | None = None) -> Calendar:
        """
        The calendar that comes with fnolake, with the exchange's word and a user's additions over it.

        Raises:
            ConfigError: The additions file cannot be read or a row of it is not understood.
        """
        made = cls(bundled(additions, word), word)
        made._additions = additions
        return made

    def learn(self, word: ExchangeWord) -> None:
        """Take the exchange's newer word over the old one; what was asked before may now have another answer."""
        facts = bundled(self._additions, word)
        self._facts, self._hours = facts, sorted(facts.hours, key=lambda row: row.start)
        self._auctions = word.auctions
        self._cache, self._by_contract = {}, {}

    def status(self, day: date) -> DayStatus:
        """Whether a date trades at either venue (they share their dates but for what the additions say)."""
        said = {self._status_at(venue, day) for venue in VENUES}
        return "open" if "open" in said else "unknown" if "unknown" in said else "closed"

    def session(self, venue: str, segment: str, day: date, *, closing_auction: bool = False) -> Session | None:
        """
        The session of a venue and segment on a date; None when closed.

        Args:
            venue: NSE or BSE.
            segment: CM or FO.
            day: Trading date, IST.
            closing_auction: Hours of contracts that take part in the closing auction (cash only).

        Raises:
            UnknownSession: Nobody told us whether, or when, that date trades.
        """
        key = (venue, segment, day, closing_auction)
        if key not in self._cache:
            self._cache[key] = self._find(*key)
        return self._cache[key]

    def session_for(self, contract: Contract, day: date) -> Session | None:
        """
        The session of one contract: its segment, auction and expiry rules applied; None when closed.

        India VIX keeps the derivatives' hours; options have no pre-open; a stock in a scheme of arrangement starts late. Who
        takes part in the closing auction is read from the newest security file of that date or before; without one, and at
        BSE, every F&O stock does.

        Raises:
            UnknownSession: Nobody told us whether, or when, that date trades.
        """
        expires = contract.kind != "spot" and contract.is_index and contract.expiry == day
        key = (contract.venue, contract.kind, contract.underlying, day, expires)
        if key not in self._by_contract:
            self._by_contract[key] = self._find_for(contract, day, expires=expires)
        return self._by_contract[key]

    def last_instant_us(self, contract: Contract) -> int:
        """
        UTC microseconds at which a contract that expires is traded for the last time: the end of its last session.

        Where nobody told us yet whether or when that date trades, the regular hours that are in force by then are taken.
        """
        expiry = contract.expiry
        assert expiry is not None, "a spot series has no last instant"
        try:
            session = self.session_for(contract, expiry)
        except UnknownSession:
            session = None
        if session is not None:
            return session.close_us
        row = self._regular(contract.venue, contract.segment, expiry, auction=False)
        end = row.expiring_index_end if contract.is_index else None
        return ist_midnight_us(expiry) + MINUTE_US * (end or max(w.end for w in row.windows if w.phase == "continuous"))

    def sessions(self, start: date, end: date) -> list[date]:
        """Open dates from ``start`` to ``end``, both inclusive, ascending; unknown dates are left out."""
        return [day for day in _days(start, end) if self.status(day) == "open"]

    def unknown(self, start: date, end: date) -> list[date]:
        """Dates from ``start`` to ``end``, both inclusive, of which we do not know whether or when they trade."""
        return [day for day in _days(start, end) if self.status(day) == "unknown"]

    def reaches(self, start: date, end: date, count: int, known: Collection[date] = ()) -> bool:
        """
        Whether there are ``count`` sessions or more after ``start`` up to ``end``, inclusive.

        Args:
            start: A date, not counted.
            end: The last date that counts.
            count: At least so many.
            known: Further dates that are known to have traded.

        Raises:
            UnknownSession: It hangs on dates of which nobody knows whether they trade.
        """
        days = _days(start + timedelta(days=1), end)
        sure = sum(day in known or self.status(day) == "open" for day in days)
        unsure = [day for day in days if day not in known and self.status(day) == "unknown"]
        likely = sum(day.weekday() < 5 for day in unsure)
        if sure + max(0, likely - _MOST_CLOSURES) >= count:
            return True
        if sure + len(unsure) < count:
            return False
        raise UnknownSession(f"{unsure[0]}: not known whether it trades, so nobody can count {count} sessions up to {end}; add it to the [calendar] additions file")

    def last_finished(self, now: datetime) -> date:
        """
        The latest session that is wanted at ``now`` (aware): its last phase ended 15 minutes ago or more.

        Raises:
            UnknownSession: No finished session within a year, so the calendar does not reach this date.
        """
        day = ist_date(now)
        for _ in range(366):
            if self.status(day) == "open" and self.wanted_from(day) <= now:
                return day
            day -= timedelta(days=1)
        raise UnknownSession(f"the calendar knows no session in the year before {ist_date(now)}; add its facts to the [calendar] additions file")

    def wanted_from(self, day: date) -> datetime:
        """The instant (UTC) from which an open date is wanted."""
        return self.trading_hours(day)[1] + SETTLE_AFTER

    def trading_hours(self, day: date) -> tuple[datetime, datetime]:
        """The instants (UTC) of an open date between which anything trades at either venue, pre-open and auctions included."""
        found = [
            session
            for venue in VENUES if self._status_at(venue, day) == "open"
            for segment, auction in (("CM", True), ("CM", False), ("FO", False))
            if (session := self.session(venue, segment, day, closing_auction=auction)) is not None
        ]
        first = min(window.start for one in found for window in one.windows)
        return utc_from_us(ist_midnight_us(day) + first * MINUTE_US), utc_from_us(max(one.end_us for one in found))

    def _status_at(self, venue: str, day: date) -> DayStatus:
        special = self._facts.special.get((venue, day))
        if special is not None:
            return "open" if special.windows is not None else "unknown"
        if day in self._facts.holidays or day.weekday() >= 5:
            return "closed"
        return "open" if day.year in self._facts.complete_years else "unknown"

    def _find(self, venue: str, segment: str, day: date, auction: bool) -> Session | None:  # noqa: FBT001 - a cache key
        special = self._facts.special.get((venue, day))
        if special is None:
            if self._status_at(venue, day) == "closed":
                return None
            if self._status_at(venue, day) == "unknown":
                raise UnknownSession(f"{day}: not known whether {venue} trades; add it to the [calendar] additions file")
        elif special.windows is None:
            raise UnknownSession(f"{day}: {special.name} trades, but its hours are not known; add them to the [calendar] additions file")
        row = self._regular(venue, segment, day, auction=auction)
        if special is None or not special.windows:
            return _regular_session(row, venue, day, special)
        return Session(day, venue, segment, auction, special.windows, special.source, special=special.name, mask_required=special.mask)

    def _regular(self, venue: str, segment: str, day: date, *, auction: bool) -> Hours:
        found = None
        for row in self._hours:
            if row.start <= day and venue in row.venues and row.segment == segment and row.closing_auction == (auction and segment == "CM"):
                found = row
        if found is None:
            raise UnknownSession(f"{day}: the hours of {venue} {segment} are not known; add them to the [calendar] additions file")
        return found

    def _find_for(self, contract: Contract, day: date, *, expires: bool) -> Session | None:
        segment, auction = ("FO", False)
        if contract.kind == "spot" and contract.underlying != "INDIAVIX":
            segment, auction = "CM", self._takes_part(contract, day)
        session = self.session(contract.venue, segment, day, closing_auction=auction)
        if session is None:
            return None
        if contract.kind == "option":
            session = replace(session, windows=tuple(w for w in session.windows if w.phase != "preopen"))
        late = self._facts.late_open.get((contract.underlying, day))
        if late is not None:
            session = _clip(session, start=late)
        special = self._facts.special.get((contract.venue, day))
        if expires and (special is None or not special.windows):
            end = self._regular(contract.venue, segment, day, auction=auction).expiring_index_end
            session = session if end is None else _clip(session, end=end)
        return session


    def _takes_part(self, contract: Contract, day: date) -> bool:
        """Whether a stock (or the stocks behind an index) trades in the closing auction."""
        if contract.is_index or contract.venue != "NSE":
            return True
        said = [symbols for since, symbols in self._auctions if since <= day]
        return contract.underlying in said[-1] if said else True


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((end - start).days + 1)]


def _regular_session(row: Hours, venue: str, day: date, special: Special | None) -> Session:
    """Regular hours on a regular or a special date."""
    name, source = (special.name, special.source) if special else ("", row.source)
    return Session(
        day, venue, row.segment, row.closing_auction, row.windows, source, special=name, confirmed=row.confirmed,
        mask_required=special is None or special.mask,
    )


def _clip(session: Session, start: int | None = None, end: int | None = None) -> Session:
    """Continuous windows cut to a later start or an earlier end."""
    cut = []
    for window in session.windows:
        if window.phase != "continuous":
            cut.append(window)
            continue
        first = max(window.start, start) if start is not None else window.start
        last = min(window.end, end) if end is not None else window.end
        if first < last:
            cut.append(Window("continuous", first, last))
    return replace(session, windows=tuple(cut))
