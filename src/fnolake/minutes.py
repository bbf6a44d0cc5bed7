"""
Live ticks to provisional minute bars: trades are where the day's volume grows. Pure; the clock is given.

A tick belongs to the minute of the feed's own time; one that comes late amends its minute. While a connection is away the
minutes between are marked, for nobody knows what happened in them. Invariant: the volume of a contract's complete bars is
exactly the growth of the day's volume that the feed showed in those minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import msgspec

from fnolake.model import MINUTE_US
from fnolake.model.tick import UNSAID, Tick

if TYPE_CHECKING:
    import polars as pl

KEPT = 5
"""Minutes of a contract that a late tick can still amend."""
Windows = tuple[tuple[int, int, str], ...]
"""(start, end, phase) in UTC microseconds, half-open, ascending."""


def live_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Polars schema of provisional bars: as ``model.bar_schema`` says, and ``complete``: nothing was away in that minute."""
    import polars as pl

    return {
        "contract": pl.Int64, "ts": pl.Datetime("us", "UTC"), "open_paise": pl.Int32, "high_paise": pl.Int32, "low_paise": pl.Int32,
        "close_paise": pl.Int32, "volume": pl.Int64, "oi": pl.Int64, "phase": pl.String, "complete": pl.Boolean,
    }


def absence_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Polars schema of what nobody heard: the minutes of a contract from ``first`` to ``last``, both inclusive, within one phase of its hours."""
    import polars as pl

    return {"contract": pl.Int64, "first": pl.Datetime("us", "UTC"), "last": pl.Datetime("us", "UTC"), "phase": pl.String}


class Bar(msgspec.Struct):
    """One minute under way: paise and units; ``told`` once it was given out as it now is."""

    open: int
    high: int
    low: int
    close: int
    volume: int
    oi: int
    told: bool = False


class Book(msgspec.Struct):
    """
    What is known of one contract: the day's volume (-1 = none shown yet), since when it is away (0 = it is not).

    ``blind``: spans in which nobody saw it, (from, until) with both ends, UTC microseconds.
    """

    volume: int = UNSAID
    oi: int = UNSAID
    last: int = 0
    away_us: int = 0
    blind: list[tuple[int, int]] = msgspec.field(default_factory=list)
    bars: dict[int, Bar] = msgspec.field(default_factory=dict)


class MinuteMaker:
    """
    Bars of many contracts of one session.

    Args:
        windows: Hours by contract; ticks outside them are counted and make no bar.
        books: What an earlier life knew, see :meth:`state`.
    """

    def __init__(self, windows: Mapping[int, Windows], books: dict[int, Book] | None = None) -> None:
        self._windows = windows
        self._books = books or {}
        self._dirty: set[int] = set()
        self._absences: list[tuple[int, int, int]] = []
        self.ticks = 0
        self.outside = 0
        for number, book in self._books.items():
            if any(not bar.told for bar in book.bars.values()):
                self._dirty.add(number)

    @property
    def prices(self) -> dict[int, int]:
        """Last price in paise by contract."""
        return {number: book.last for number, book in self._books.items() if book.last}

    def state(self) -> dict[int, Book]:
        """All that a next life needs; msgspec can encode it."""
        return self._books

    def away(self, contracts: Iterable[int], since_us: int) -> None:
        """
        These are not heard from ``since_us`` on, until their next snapshot.

        A silence is noticed late: bars since then that were given out as complete are given out again.
        """
        for number in contracts:
            book = self._books.setdefault(number, Book())
            book.away_us = book.away_us or since_us
            for minute, bar in book.bars.items():
                if minute + MINUTE_US > since_us and bar.told:
                    bar.told = False
                    self._dirty.add(number)

    def take(self, tick: Tick) -> None:
        """One tick, in order of arrival."""
        self.ticks += 1
        book = self._books.get(tick.contract)
        if book is None:
            book = self._books[tick.contract] = Book(away_us=1)
        grown = _growth(book, tick)
        told = tick.snapshot and not self._returned(book, tick, grown)
        book.last, book.oi = tick.last_paise, tick.oi
        if grown >= 0 and not told:
            self._print(book, tick, grown)

    def _print(self, book: Book, tick: Tick, grown: int) -> None:
        """A trade, an index value (no volume at all), or a word about open interest."""
        minute = tick.at_us - tick.at_us % MINUTE_US
        bar = book.bars.get(minute)
        if grown == 0 and tick.volume != UNSAID:
            if bar is not None and bar.oi != tick.oi:
                bar.oi, bar.told = tick.oi, False
                self._dirty.add(tick.contract)
            return
        if self._phase(tick.contract, minute) is None:
            self.outside += 1
            return
        price = tick.last_paise
        if bar is None:
            book.bars[minute] = Bar(price, price, price, price, grown, tick.oi)
        else:
            bar.high, bar.low, bar.close = max(bar.high, price), min(bar.low, price), price
            bar.volume, bar.oi, bar.told = bar.volume + grown, tick.oi, False
        self._dirty.add(tick.contract)

    def _returned(self, book: Book, tick: Tick, grown: int) -> bool:
        """
        A snapshot ends an absence; whether its growth can be given to its minute.

        Where the day's volume did not grow nothing was missed; where the absence began in the snapshot's own minute, what grew
        was traded in it. One that was asked for again in no absence is a print like any other.
        """
        since, book.away_us = book.away_us, 0
        if not since:
            return grown > 0
        if grown == 0 and tick.volume != UNSAID:
            return False
        until = max(tick.at_us, since)
        book.blind.append((since, until))
        self._absences.append((tick.contract, since, until + 1))
        return grown > 0 and since // MINUTE_US == tick.at_us // MINUTE_US

    def _phase(self, contract: int, minute: int) -> str | None:
        return next((phase for start, end, phase in self._windows.get(contract, ()) if start <= minute < end), None)

    def close(self, until_us: int) -> pl.DataFrame:
        """
        Bars whose minute has ended by ``until_us`` and that were not given out yet, or not as they now are.

        Returns:
            ``live_schema``, by contract and ts; later rows of a (contract, ts) replace earlier ones.
        """
        import polars as pl

        rows = [row for number in sorted(self._dirty) for row in self._closing(number, until_us)]
        return pl.DataFrame(rows, schema=live_schema(), orient="row")

    def absences(self, until_us: int = 0) -> pl.DataFrame:
        """
        What was not heard and was not told yet, ``absence_schema``; with ``until_us`` also of those that are still away, up to then.

        A minute that is heard in part is in it; a minute in it may have had no trade.
        """
        import polars as pl

        spans, self._absences = self._absences, []
        if until_us:
            spans += [(number, book.away_us, until_us) for number, book in self._books.items() if 0 < book.away_us < until_us]
        rows = [
            (number, max(since, start) // MINUTE_US * MINUTE_US, (min(until, end) - 1) // MINUTE_US * MINUTE_US, phase)
            for number, since, until in spans for start, end, phase in self._windows.get(number, ()) if since < end and start < until
        ]
        return pl.DataFrame(rows, schema=absence_schema(), orient="row")

    def _closing(self, number: int, until_us: int) -> list[tuple[object, ...]]:
        book = self._books[number]
        rows: list[tuple[object, ...]] = []
        waiting = False
        for minute in sorted(book.bars):
            bar = book.bars[minute]
            if bar.told or minute + MINUTE_US > until_us:
                waiting = waiting or not bar.told
                continue
            bar.told = True
            ends = minute + MINUTE_US
            complete = not 0 < book.away_us < ends and not any(start < ends and minute <= end for start, end in book.blind)
            oi = None if bar.oi == UNSAID else bar.oi
            volume = max(bar.volume, 0)
            rows.append((number, minute, bar.open, bar.high, bar.low, bar.close, volume, oi, self._phase(number, minute), complete))
        for minute in sorted(book.bars)[:-KEPT]:
            if book.bars[minute].told:
                del book.bars[minute]
        book.blind = book.blind[-KEPT:]
        if not waiting:
            self._dirty.discard(number)
        return rows


def _growth(book: Book, tick: Tick) -> int:
    """Units since the last tick: -1 where nothing was known before; the book's volume moves on."""
    if tick.volume == UNSAID:
        return 0
    before, book.volume = book.volume, max(tick.volume, book.volume)
    return -1 if before == UNSAID else max(tick.volume - before, 0)
