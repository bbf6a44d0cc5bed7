"""
The emulated market: every listing of a date, its minutes, quotes and files, all by key.

Pure: no sockets, no clock, no state but caches. ``(seed, exchange, token, session)`` gives the same bars for ever, and
the exchange's files are totals of those bars. Built for a date, or over real master files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np

from fnolake.emulator import eod_files, master_files, real_masters, universe
from fnolake.emulator.engine import Engine
from fnolake.emulator.hashing import Integers
from fnolake.emulator.listings import EXCHANGES, SPOT, Listing, Listings, Underlying
from fnolake.emulator.minutes import NO_MINUTES, Minutes
from fnolake.emulator.prices import Daily, daily
from fnolake.market.calendar import Calendar
from fnolake.model import ist_date

SEED = 20261120
_BACK, _AHEAD = timedelta(days=500), timedelta(days=70)

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


class World:
    """A market. Holds its listings as columns and nothing per trade; may be shared between threads."""

    def __init__(
        self,
        day: date,
        calendar: Calendar,
        listings: Listings,
        days: Daily,
        seed: int,
        files: Mapping[str, bytes] | None = None,
    ) -> None:
        self.day, self.calendar, self.listings = day, calendar, listings
        self._engine = Engine(listings.columns, listings.underlyings, days, calendar, seed)
        self._files = files

    @classmethod
    def build(cls, day: date, *, underlyings: Sequence[str] | None = None, seed: int = SEED) -> World:
        """
        The invented market as its masters stood on ``day``.

        Args:
            day: Date of the masters.
            underlyings: Names to keep; None = all 216, about 35,000 contracts. India VIX is always there.
            seed: Another seed is another history.

        Raises:
            ValueError: An underlying this market does not have.
        """
        calendar = Calendar.bundled()
        unds = universe.underlyings(underlyings)
        days = _daily(unds, day, universe.ANCHOR, calendar, seed)
        columns = universe.build_columns(unds, day, calendar, days.closes, [int(o) for o in days.ordinals])
        return cls(day, calendar, Listings(columns, unds), days, seed)

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
        days = _daily(unds, day, day, calendar, seed)
        return cls(day, calendar, Listings(columns, unds, real_masters.Rows(files)), days, seed, files)

    def master(self, exchange: str) -> bytes:
        """The text of an exchange's symbol master: the given file, or one made from the listings; LF line ends."""
        if self._files is not None and exchange in self._files:
            return self._files[exchange]
        return master_files.text(exchange, self._of_exchange(exchange))

    def find(self, exchange: str, token: int) -> Listing | None:
        """The listing of a token, whether or not it has expired."""
        row = self.listings.row(exchange, token)
        return None if row is None else self.listings.at(row)

    def search(self, exchange: str, text: str) -> list[Listing]:
        """Listings whose trading symbol holds every word, spot first, then by expiry."""
        words = text.upper().split()
        found = (
            [one for one in self._of_exchange(exchange) if all(word in one.symbol.upper() for word in words)]
            if words
            else []
        )
        return sorted(
            found, key=lambda one: (one.kind != "spot", one.expiry or date.min, one.strike_paise or 0, one.symbol)
        )

    def minutes(self, listing: Listing, session: date) -> Minutes:
        """Bars of one contract-session; empty if it did not trade, was not listed, or the date has no (known) session."""
        row = self.listings.row(listing.exchange, listing.token)
        return NO_MINUTES if row is None else self._engine.minutes(row, session)

    def quote(self, listing: Listing, at: datetime) -> Quote:
        """The contract as a quote shows it at an aware instant."""
        row, day = self.listings.row(listing.exchange, listing.token), ist_date(at)
        if row is None:
            return Quote(*[0] * 10)
        m = self._engine.minutes(row, day)
        seen = int(m.epoch_s.searchsorted(at.timestamp(), "right"))
        before = self._close_before(row, day)
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
        """Contracts of this world that were listed and had not expired on a date."""
        c, ordinal = self.listings.columns, session.toordinal()
        return self.listings.only(np.flatnonzero((c.kind == SPOT) | ((c.expiry >= ordinal) & (c.listed <= ordinal))))

    def bhavcopy(self, venue: str, segment: str, session: date) -> bytes | None:
        """The exchange's end-of-day file as plain CSV in the UDiFF layout; None if there was no session."""
        return eod_files.bhavcopy(self._engine, venue, segment, session)

    def holiday_master(self) -> bytes:
        """NSE's holiday list of the year, as JSON."""
        return eod_files.holiday_master(self.calendar, self.day.year)

    def _of_exchange(self, exchange: str) -> Listings:
        code = EXCHANGES.index(exchange) if exchange in EXCHANGES else 99
        return self.listings.only(np.flatnonzero(self.listings.columns.exchange == code))

    def _close_before(self, row: int, day: date) -> int:
        number = int(self.listings.columns.und[row])
        days = self._engine.days
        column = int(days.ordinals.searchsorted(day.toordinal())) - 1
        at = int(self._engine.rows_of[number].searchsorted(row))
        return int(self._engine.theory(number, max(column, 1))[at])


def _daily(unds: list[Underlying], day: date, anchor: date, calendar: Calendar, seed: int) -> Daily:
    open_days = calendar.sessions(min(day, anchor) - _BACK, max(day, anchor) + _AHEAD)
    ordinals: Integers = np.array([d.toordinal() for d in open_days], np.int64)
    return daily(unds, seed, ordinals, anchor.toordinal())


def _sides(price: int, tick: int) -> tuple[int, int]:
    return max(price - tick, tick), price + tick
