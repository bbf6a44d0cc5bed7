"""
The emulated market: every listing of a date, its minutes, quotes and files, all by key.

Pure: no sockets, no clock, no state but caches. ``(seed, exchange, token, session)`` gives the same bars for ever, and
the exchange's files are totals of those bars. Built for a span of dates, or over real master files of one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from fnolake.emulator import eod_files, master_files, real_masters, truth, universe
from fnolake.emulator.engine import Engine
from fnolake.emulator.events import Event, as_of, eras, relisted, repriced
from fnolake.emulator.hashing import Integers
from fnolake.emulator.listings import EXCHANGES, SPOT, Listing, Listings, Underlying
from fnolake.emulator.minutes import NO_MINUTES, Minutes
from fnolake.emulator.prices import Daily, daily
from fnolake.market.calendar import Calendar
from fnolake.model import ist_date

SEED = 20261120
_BACK, _MONTHS, _AHEAD = timedelta(days=500), timedelta(days=200), timedelta(days=70)

__all__ = ["SEED", "Listing", "Minutes", "Quote", "World"]


@dataclass(frozen=True, slots=True)
class Quote:
    """
    A contract at an instant, prices in paise: last, open, high, low, previous close, average, bid, ask.

    ``v`` and ``oi`` are units; ``o``, ``h``, ``l``, ``ap`` are 0 while nothing has traded.
    """

    lp: int
    o: int
    h: int
    l: int  # noqa: E741 - the wire's own word
    c: int
    v: int
    oi: int
    ap: int
    bid: int
    ask: int


@dataclass(frozen=True)
class _Era:
    """A market between two events."""

    listings: Listings
    engine: Engine


class World:
    """A market. Holds its listings as columns and nothing per trade; may be shared between threads."""

    def __init__(
        self,
        span: tuple[date, date],
        calendar: Calendar,
        listings: Listings,
        days: Daily,
        seed: int,
        files: Mapping[str, bytes] | None = None,
        *,
        recycle: bool = False,
        events: Sequence[Event] = (),
    ) -> None:
        self.since, self.day = span
        self.calendar, self.listings = calendar, listings
        self._names = [und.name for und in listings.underlyings]
        self._files, self._seed, self._recycle, self._events = files, seed, recycle, tuple(events)
        self._begins = eras(events, *span)
        self._eras = [self._era_of(begin, days) for begin in self._begins]

    def _era_of(self, begin: int, days: Daily) -> _Era:
        listings = self.listings
        if self._events:
            columns, unds = as_of(listings.columns, listings.underlyings, self._events, begin)
            listings = Listings(columns, unds)
        return _Era(listings, Engine(listings.columns, listings.underlyings, days, self.calendar, self._seed))

    @property
    def events(self) -> tuple[Event, ...]:
        """What happens to contracts in their lives, as it was scripted."""
        return self._events

    def _on(self, day: date) -> _Era:
        """Listings and trades as they stand on a date."""
        return self._eras[max(bisect_right(self._begins, day.toordinal()) - 1, 0)]

    @classmethod
    def build(
        cls,
        day: date,
        *,
        underlyings: Sequence[str] | None = None,
        seed: int = SEED,
        since: date | None = None,
        recycle: bool = False,
        events: Sequence[Event] = (),
    ) -> World:
        """
        The invented market, with every contract that lives on any date of a span.

        Args:
            day: Last date of the span: that of the newest masters.
            underlyings: Names to keep; None = all 216, about 35,000 contracts a date. India VIX is always there.
            seed: Another seed is another history.
            since: First date of the span; None = ``day``. What expired before it is not there.
            recycle: Whether stocks' tokens are given again to later contracts.
            events: What happens to contracts in their lives.

        Raises:
            ValueError: An underlying this market does not have.
        """
        calendar = Calendar.bundled()
        unds = universe.underlyings(underlyings)
        span = (since or day, day)
        days = repriced(_daily(unds, span, universe.ANCHOR, calendar, seed), unds, events)
        columns = universe.build_columns(unds, span, calendar, days.closes, days.ordinals, recycle=recycle)
        listings = Listings(relisted(columns, unds, events), unds)
        return cls(span, calendar, listings, days, seed, recycle=recycle, events=events)

    def reaching(self, day: date) -> World:
        """This world, or one that covers ``day`` too; one over real masters stays as it is."""
        if self._files is not None or self.since <= day <= self.day:
            return self
        return World.build(
            max(day, self.day),
            underlyings=self._names,
            seed=self._seed,
            since=min(day, self.since),
            recycle=self._recycle,
            events=self._events,
        )

    @classmethod
    def from_masters(
        cls, files: Mapping[str, bytes], day: date, *, underlyings: Sequence[str] | None = None, seed: int = SEED
    ) -> World:
        """
        A market over real master files: their contracts, tokens and lots, with prices inferred from the strikes.

        Args:
            files: Text of the masters by exchange (NSE, NFO, BSE, BFO; others are served as they are).
            day: Date the masters are of.
            underlyings: Names to serve; None = all. The files themselves are served whole.
            seed: Another seed is another history.

        Raises:
            PayloadError: A file is no master of its exchange.
            ValueError: A named underlying has no derivatives in them.
        """
        calendar = Calendar.bundled()
        columns, unds = real_masters.read(files, day, underlyings)
        days = _daily(unds, (day, day), day, calendar, seed)
        return cls((day, day), calendar, Listings(columns, unds, real_masters.Rows(files)), days, seed, files)

    def master(self, exchange: str, day: date | None = None, *, morning: bool = False) -> bytes:
        """
        The text of an exchange's symbol master: the given file, or one made from the listings; LF line ends.

        Args:
            exchange: NSE, NFO, BSE, BFO and what the broker has besides.
            day: Date of the file; None = the world's last.
            morning: Without the strikes that are added in the course of the day.
        """
        if self._files is not None and exchange in self._files:
            return self._files[exchange]
        return master_files.text(exchange, self._of_exchange(exchange, self.in_master(day or self.day, morning=morning)))

    def in_master(self, day: date, *, morning: bool = False) -> Listings:
        """What the masters of a date hold, see :meth:`master`; everything, if the world is over real ones."""
        if self._files is not None:
            return self.listings
        c = self.listings.columns
        return self._alive(day, c.shown if morning else c.listed)

    def find(self, exchange: str, token: int, on: date | None = None) -> Listing | None:
        """The listing of a token on a date (None = the last), whether or not it is alive then."""
        listings = self._on(on or self.day).listings
        row = listings.row(exchange, token, on)
        return None if row is None else listings.at(row)

    def search(self, exchange: str, text: str, on: date | None = None) -> list[Listing]:
        """Listings of a date whose trading symbol holds every word, spot first, then by expiry."""
        words = text.upper().split()
        found = (
            [one for one in self._of_exchange(exchange, self.in_master(on or self.day)) if all(word in one.symbol.upper() for word in words)]
            if words
            else []
        )
        return sorted(
            found, key=lambda one: (one.kind != "spot", one.expiry or date.min, one.strike_paise or 0, one.symbol)
        )

    def minutes(self, listing: Listing, session: date) -> Minutes:
        """
        Bars of one contract-session; empty if it did not trade, was not listed, or the date has no (known) session.

        They are those of the contract that had the token on that session.
        """
        era = self._on(session)
        row = era.listings.row(listing.exchange, listing.token, session)
        return NO_MINUTES if row is None else era.engine.minutes(row, session)

    def quote(self, listing: Listing, at: datetime) -> Quote:
        """The contract as a quote shows it at an aware instant."""
        day = ist_date(at)
        era = self._on(day)
        row = era.listings.row(listing.exchange, listing.token, day)
        if row is None:
            return Quote(*[0] * 10)
        m = era.engine.minutes(row, day)
        seen = int(m.epoch_s.searchsorted(at.timestamp(), "right"))
        before = _close_before(era.engine, row, day)
        if not seen:
            return Quote(before, 0, 0, 0, before, 0, 0, 0, *_sides(before, listing.tick_paise))
        last, bought = int(m.close[seen - 1]), int(m.cumulative[seen - 1])
        paid = int((m.vwap_paise[:seen] * m.volume[:seen]).sum())
        return Quote(
            last,
            int(m.open[0]),
            int(m.high[:seen].max()),
            int(m.low[:seen].min()),
            before,
            bought,
            int(m.oi[seen - 1]),
            paid // bought if bought else 0,
            *_sides(last, listing.tick_paise),
        )

    def listed_on(self, session: date) -> Listings:
        """Contracts that were listed and had not expired on a date, as they stood on it."""
        return self._alive(session, self.listings.columns.listed)

    def _alive(self, day: date, first: NDArray[np.int32]) -> Listings:
        """What lives on a date; ``first`` says from which date each contract counts."""
        listings, ordinal = self._on(day).listings, day.toordinal()
        c = listings.columns
        return listings.only(np.flatnonzero((c.kind == SPOT) | ((c.ends >= ordinal) & (first <= ordinal))))

    def truth(self, session: date) -> list[truth.Row]:
        """What happened to every contract that was alive on a session; empty without one."""
        return list(truth.rows(self._on(session).engine, session))

    def bhavcopy(self, venue: str, segment: str, session: date) -> bytes | None:
        """The exchange's end-of-day file as plain CSV in the UDiFF layout; None if there was no session."""
        return eod_files.bhavcopy(self._on(session).engine, venue, segment, session)

    def holiday_master(self, year: int | None = None) -> bytes:
        """NSE's holiday list of a year (None = of the world's last date), as JSON."""
        return eod_files.holiday_master(self.calendar, year or self.day.year)

    @staticmethod
    def _of_exchange(exchange: str, among: Listings) -> Listings:
        code = EXCHANGES.index(exchange) if exchange in EXCHANGES else 99
        return among.only(among.rows[among.columns.exchange[among.rows] == code])


def _close_before(engine: Engine, row: int, day: date) -> int:
    number = int(engine.columns.und[row])
    column = int(engine.days.ordinals.searchsorted(day.toordinal())) - 1
    return int(engine.theory(number, max(column, 1), np.array([row]))[0])


def _daily(
    unds: list[Underlying], span: tuple[date, date], anchor: date, calendar: Calendar, seed: int
) -> Daily:
    """Closes from long before the span; the first session depends on the anchor where it can, so that worlds agree."""
    first = min(span[0], anchor - _MONTHS) - _BACK
    open_days = calendar.sessions(first, max(span[1], anchor) + _AHEAD)
    ordinals: Integers = np.array([d.toordinal() for d in open_days], np.int64)
    return daily(unds, seed, ordinals, anchor.toordinal())


def _sides(price: int, tick: int) -> tuple[int, int]:
    return max(price - tick, tick), price + tick
