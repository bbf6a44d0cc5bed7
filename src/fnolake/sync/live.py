"""
The recorder: live ticks of a session to provisional minutes, from the first print to the last, whatever breaks.

Ticks are journalled before they count, so a crash loses what arrived since the last flush and no more; after a restart the
minutes go on from the journal, and those in which nobody listened are marked. Nothing here touches the ledger: live bars are
provisional until the provider's history replaces them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.minutes import Book, MinuteMaker, Windows
from fnolake.model import MINUTE_US, Clock, Contract, Event, Notice, ist_midnight_us
from fnolake.model.event import LiveSeen
from fnolake.model.tick import FeedState, Tick
from fnolake.provider.stream import Streams
from fnolake.provider.streams import Keeper, Streaming
from fnolake.store.journal import CHECKPOINT, TICKS, Journal
from fnolake.sync.subscribe import Chooser

FLUSH_S = 0.25
"""Seconds of the machine's clock between two flushes of the journal: what a crash can lose."""
CHECKPOINT_TICKS = 200_000
"""Ticks after which a new journal is begun: about ten seconds of replay at most."""
JOIN_PIECES = 60
GRACE_US = 1_000_000
"""After the end of a minute, by the calendar clock, before its bars are given out; what comes later amends them."""
_DECODE_BOOKS = msgspec.msgpack.Decoder(dict[int, Book])


class Away(msgspec.Struct):
    """A mark in the journal: contracts that are not heard from ``since_us`` on; none = only a sign of life."""

    since_us: int
    now_us: int
    contracts: tuple[int, ...] = ()


_DECODE_AWAY = msgspec.msgpack.Decoder(Away)


@dataclass
class LiveReport:
    """What a recording came to. ``bars`` counts provisional bars given out, amendments too; lag in seconds of
    the machine's clock, from the arrival of a tick until it counts.
    """

    session: date
    ticks: int = 0
    snapshots: int = 0
    outside: int = 0
    bars: int = 0
    outages: int = 0
    worst_lag_s: float = 0.0
    unserved: int = 0
    stopped: str = ""
    reasons: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """For a person."""
        rest = f"; {self.unserved:,} contracts were wanted and had no room" if self.unserved else ""
        return [
            f"{self.session}: {self.ticks:,} ticks, {self.bars:,} provisional bars, worst lag {self.worst_lag_s:.1f} s{rest}",
            *([f"{self.outages} times a connection was away; the minutes concerned are marked"] if self.outages else []),
            *([self.stopped] if self.stopped else []),
        ]


class Recorder:
    """
    Records one session.

    Args:
        lake: Folder of the lake.
        session: Its date.
        accounts: Each with its provider's feed.
        chooser: What to stream.
        at_open: What underlyings were worth before, paise by (venue, underlying).
        calendar: Hours.
        clock: Calendar clock for minutes, machine clock for flushing.
        on_event: Told of progress; must not block.
    """

    def __init__(
        self, lake: Path, session: date, accounts: Iterable[tuple[Streaming, Streams]], chooser: Chooser, at_open: dict[tuple[str, str], int],
        calendar: Calendar, clock: Clock, on_event: Callable[[Event], None],
    ) -> None:
        self._session, self._chooser, self._at_open = session, chooser, at_open
        self._calendar, self._clock, self._emit = calendar, clock, on_event
        self._keeper = Keeper(accounts, clock, self._hear, self._see)
        self._journal = Journal(lake, session)
        self._windows: dict[int, Windows] = {}
        self._maker = MinuteMaker(self._windows)
        self._items: list[Tick | Away] = []
        self._streamed: set[int] = set()
        self._closed_minute = 0
        self._waiting_since = 0.0
        self._since_checkpoint = 0
        self._pieces = 0
        self._giving: asyncio.Future[None] | None = None
        self.report = LiveReport(session)

    async def run(self, stop: asyncio.Event) -> LiveReport:
        """
        Until ``stop``, the end of the session's last phase, or until every account needs a person.

        Raises:
            StoreError: Ticks could not be made durable.

        Cancel:
            Safe; what was flushed stays.
        """
        await asyncio.to_thread(self._recall)
        ending = asyncio.Event()
        self._follow()
        keeping = asyncio.ensure_future(self._keeper.run(ending))
        try:
            while not (stop.is_set() or keeping.done() or self._is_over()):
                await _either(stop, keeping, FLUSH_S)
                await self._flush()
        finally:
            ending.set()
            await keeping
            await self._flush(whole=True)
            await asyncio.to_thread(self._journal.join_pieces)
            self._journal.close()
        self.report.unserved = len(self._keeper.unserved)
        self.report.stopped = "" if self._is_over() or stop.is_set() else "no account can stream until somebody signs in"
        return self.report

    def _hear(self, tick: Tick) -> None:
        if not self._items:
            self._waiting_since = asyncio.get_running_loop().time()
        self._items.append(tick)

    def _see(self, state: FeedState) -> None:
        if state.away:
            self.report.outages += 1
            self._items.append(Away(state.away_since_us or self._now_us(), self._now_us(), state.away))
        if state.reason and state.reason not in self.report.reasons:
            self.report.reasons.append(state.reason)
            self._emit(Notice("warning", f"{state.account}: {state.reason}"))

    def _recall(self) -> None:
        """Go on from an earlier life of this session; what it had open is away since its last sign of life."""
        alive_us, books = 0, {}
        replay: list[Tick | Away] = []
        for kind, payload in self._journal.recall():
            if kind == CHECKPOINT and isinstance(payload, bytes):
                books = _DECODE_BOOKS.decode(payload)
            elif kind == TICKS and isinstance(payload, list):
                replay += payload
            elif isinstance(payload, bytes):
                mark = _DECODE_AWAY.decode(payload)
                alive_us = max(alive_us, mark.now_us)
                replay.append(mark)
        self._maker = MinuteMaker(self._windows, books)
        self._learn_hours([*books, *(item.contract for item in replay if isinstance(item, Tick))])
        for item in replay:
            self._apply(item)
        known = list(self._maker.state())
        if known:
            since = max([alive_us, *(item.at_us for item in replay if isinstance(item, Tick))])
            self._maker.away(known, since or ist_midnight_us(self._session))
        self._checkpoint()

    def _checkpoint(self) -> None:
        """A new journal; what was not heard and is in no file yet is written first, for the books do not hold it."""
        self._journal.add_absences(self._maker.absences())
        self._journal.begin(msgspec.msgpack.encode(self._maker.state()))

    def _follow(self) -> None:
        """Stream what the rule wants at the market's present prices."""
        wanted = self._chooser.wanted(self._maker.prices, self._at_open)
        self._know(wanted)
        numbers = {one.contract for one in wanted}
        gone = tuple(sorted(self._streamed - numbers))
        if gone:
            self._items.append(Away(self._now_us(), self._now_us(), gone))
        self._streamed = numbers
        self._keeper.want(wanted)

    def _know(self, contracts: Sequence[Contract]) -> None:
        for one in contracts:
            if one.contract not in self._windows:
                self._windows[one.contract] = windows_of(one, self._session, self._calendar)

    def _learn_hours(self, numbers: Iterable[int]) -> None:
        self._know(self._chooser.known(numbers))

    async def _flush(self, *, whole: bool = False) -> None:
        """Make durable what arrived, then let it count; once a minute has ended, give its bars out."""
        items, self._items = self._items, []
        since = self._waiting_since
        now_us = self._now_us()
        packed: list[Tick | bytes] = [item if isinstance(item, Tick) else msgspec.msgpack.encode(item) for item in items]
        packed.append(msgspec.msgpack.encode(Away(0, now_us)))
        await asyncio.to_thread(self._journal.append, packed)
        for item in items:
            self._apply(item)
        if items:
            self.report.worst_lag_s = max(self.report.worst_lag_s, asyncio.get_running_loop().time() - since)
        ended = (now_us - GRACE_US) // MINUTE_US
        if ended > self._closed_minute or whole:
            self._closed_minute = ended
            bars = self._maker.close(2**62 if whole and self._is_over() else ended * MINUTE_US)
            absences = self._maker.absences(now_us if whole else 0)
            await self._given_out()
            self._giving = asyncio.ensure_future(self._give_out(bars, absences))
            self._follow()
        checkpoint = self._since_checkpoint >= CHECKPOINT_TICKS
        if checkpoint or whole:
            await self._given_out()
        if checkpoint:
            self._since_checkpoint = 0
            await asyncio.to_thread(self._checkpoint)

    async def _given_out(self) -> None:
        """Until the bars of the minute before are readable; ticks go on arriving, and being flushed, meanwhile."""
        if self._giving is not None:
            await self._giving

    async def _give_out(self, bars: pl.DataFrame, absences: pl.DataFrame) -> None:
        await asyncio.to_thread(self._journal.add_minutes, bars)
        await asyncio.to_thread(self._journal.add_absences, absences)
        self._pieces += bars.height > 0
        if self._pieces >= JOIN_PIECES:
            self._pieces = 0
            await asyncio.to_thread(self._journal.join_pieces)
        self.report.bars += bars.height
        self.report.outside = self._maker.outside
        lag = self.report.worst_lag_s
        self._emit(LiveSeen(self.report.ticks, self.report.bars, len(self._streamed), len(self._keeper.unserved), lag))

    def _apply(self, item: Tick | Away) -> None:
        if isinstance(item, Away):
            if item.contracts:
                self._maker.away(item.contracts, item.since_us)
            return
        self._maker.take(item)
        self._since_checkpoint += 1
        self.report.snapshots += item.snapshot
        self.report.ticks += not item.snapshot

    def _now_us(self) -> int:
        return int(self._clock.now().timestamp() * 1_000_000)

    def _is_over(self) -> bool:
        return bool(self._windows) and self._now_us() >= max(windows[-1][1] for windows in self._windows.values() if windows) + MINUTE_US


def windows_of(contract: Contract, session: date, calendar: Calendar) -> Windows:
    """A contract's hours on a session as UTC microseconds; empty where it does not trade."""
    hours = calendar.session_for(contract, session)
    if hours is None:
        return ()
    base = ist_midnight_us(session)
    return tuple((base + one.start * MINUTE_US, base + one.end * MINUTE_US, one.phase) for one in hours.windows)


def worth(money: pl.DataFrame) -> dict[tuple[str, str], int]:
    """The newest price of each underlying, of a ``sync.money.money`` table."""
    newest = money.sort("session").unique(["venue", "underlying"], keep="last")
    return {(venue, underlying): price for venue, underlying, price in newest.select("venue", "underlying", "price_paise").iter_rows()}


async def _either(stop: asyncio.Event, keeping: asyncio.Future[None], within_s: float) -> None:
    """Until one of them, or the time is up."""
    ends: set[asyncio.Future[Any]] = {asyncio.ensure_future(stop.wait()), keeping}
    try:
        await asyncio.wait(ends, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for one in ends - {keeping}:
            one.cancel()

