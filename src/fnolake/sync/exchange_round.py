"""
The exchange's files into the lake: fetched with the user's consent, or taken from where the user put them.

Judges no row: the readers do. Invariant: every request is recorded, a file that is not there is not asked for again before
the next sync, and a file that is refused is named in one line and left where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path

from fnolake.errors import FnolakeError, PayloadError
from fnolake.market.bhavcopy import ExchangeDay
from fnolake.market.calendar import Calendar
from fnolake.market.exchange_file import day_in_name, read_exchange_file
from fnolake.market.reference import AUCTION_FROM, ReferenceFile
from fnolake.model import Clock, Event, Notice, RawFile, ist_date, payload_hash
from fnolake.provider.exchange.client import ExchangeClient
from fnolake.store.store import Store
from fnolake.sync.given_up import recorded_if_cancelled
from fnolake.sync.wanted import DROP

ASK_AGAIN = {
    "symbol_changes": timedelta(days=1), "corporate_actions": timedelta(days=7), "holidays": timedelta(days=7), "market_lots": timedelta(days=30),
}
"""How many days after that of a request, answered or not, a reference file is asked for again; the security file is one a session."""
_LARGEST = 64_000_000


@dataclass(frozen=True, slots=True)
class Taken:
    """One file that was given: what it is and how many rows it has, or why it was ``refused``."""

    path: Path
    what: str = ""
    rows: int = 0
    refused: str = ""

    @property
    def line(self) -> str:
        """What came of it, for a person."""
        return f"{self.path.name}: {self.refused}" if self.refused else f"{self.path.name}: {self.what}, {self.rows:,} rows"


class ExchangeRound:
    """
    Takes exchange files into one lake.

    Args:
        store: Open for writing.
        exchange: The exchange's file server, or None without the user's consent.
        calendar: Learns what holiday masters and security files say.
        clock: For the day of a file that names none.
        emit: Told of what is taken and refused.
    """

    def __init__(self, store: Store, exchange: ExchangeClient | None, calendar: Calendar, clock: Clock, emit: Callable[[Event], None]) -> None:
        self._store = store
        self._exchange = exchange
        self._calendar = calendar
        self._clock = clock
        self._emit = emit

    def take_dropped(self) -> list[Taken]:
        """Take what lies in the lake's ``drop`` folder; a file that was taken is in ``raw/`` and leaves the folder. Blocking."""
        folder = self._store.path / DROP
        files = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")) if folder.is_dir() else []
        done = self.take_files(files, remove=True)
        for one in done:
            self._emit(Notice("warning" if one.refused else "info", f"{DROP}/{one.line}"))
        return done

    def take_files(self, paths: Iterable[Path], *, remove: bool = False) -> list[Taken]:
        """Take files by their content, whatever they are called; a refused one stays where it is. Blocking."""
        return [self._take_path(path, remove=remove) for path in paths]

    def _take_path(self, path: Path, *, remove: bool) -> Taken:
        try:
            if path.stat().st_size > _LARGEST:
                return Taken(path, refused=f"larger than {_LARGEST / 1e6:g} MB: no file of the exchange is")
            body = path.read_bytes()
            taken = self._keep(self._raw(path.name, body), day_in_name(path.name))
        except OSError as error:
            return Taken(path, refused=f"cannot be read: {error.strerror or error}")
        except PayloadError as error:
            return Taken(path, refused=str(error))
        if remove:
            path.unlink()
        return Taken(path, *taken)

    def _raw(self, name: str, body: bytes) -> RawFile:
        return RawFile("exchange", name, None, body, self._clock.now(), payload_hash(body))

    def _keep(self, raw: RawFile, day: date | None) -> tuple[str, int]:
        """Read a file and keep it: what it is, and how many rows it has."""
        found = read_exchange_file(raw.body, day=day)
        if isinstance(found, ExchangeDay):
            self._store.take_exchange_day(found, raw)
            return f"{found.venue} {found.segment} of {found.day}", found.rows.height
        return self._keep_reference(found, raw, day)

    def _keep_reference(self, file: ReferenceFile, raw: RawFile, day: date | None) -> tuple[str, int]:
        if file.kind == "securities" and day is None:
            raise PayloadError("the security file does not name its date; keep its name, NSE_CM_security_DDMMYYYY", provider="exchange", payload=raw.body)
        of = day if file.kind == "securities" and day is not None else ist_date(raw.fetched_at)
        rows = self._store.references.take(file, raw, of)
        if file.kind in {"holidays", "securities"}:
            self._calendar.learn(self._store.references.word())
        return f"{file.kind.replace('_', ' ')} of {of}", rows

    async def take_days(self, sessions: Iterable[date], needed: Iterable[tuple[str, str]], stop: asyncio.Event) -> None:
        """
        Fetch the end-of-day files of these sessions that are not here.

        Args:
            sessions: In the order in which they are asked.
            needed: (venue, segment) of what is wanted.
            stop: Once set, nothing more is asked.

        Cancel:
            Safe; what was taken stays.
        """
        if self._exchange is None:
            return
        here = self._store.exchange_days()
        late: list[str] = []
        for day in sessions:
            for venue, segment in sorted(needed):
                if stop.is_set():
                    return
                if (venue, segment, day) not in here and not await self._take_day(venue, segment, day):
                    late.append(f"{venue} {segment} {day}")
        if late:
            names = ", ".join(late[:3]) + (f" and {len(late) - 3} more" if len(late) > 3 else "")
            self._emit(Notice("info", f"exchange files not there yet: {names}"))

    async def _take_day(self, venue: str, segment: str, day: date) -> bool:
        assert self._exchange is not None
        with recorded_if_cancelled(self._store, self._clock, ("exchange", ""), f"bhavcopy {venue} {segment}", str(day)):
            raw, record = await self._exchange.bhavcopy(venue, segment, day)
        await asyncio.to_thread(self._store.record_requests, [record])
        if raw is None:
            return False
        return await asyncio.to_thread(self._keep_day, raw, (venue, segment, day))

    def _keep_day(self, raw: RawFile, asked: tuple[str, str, date]) -> bool:
        """Keep an end-of-day file if it is the one that was asked for."""
        try:
            found = read_exchange_file(raw.body)
        except PayloadError as error:
            self._emit(Notice("warning", f"{raw.name}: {error}"))
            return False
        if not isinstance(found, ExchangeDay) or (found.venue, found.segment, found.day) != asked:
            self._emit(Notice("warning", f"{raw.name}: the exchange sent another file ({found.day}); it was not taken"))
            return False
        self._store.take_exchange_day(found, raw)
        return True

    async def take_renames(self) -> None:
        """
        Fetch today's symbol changes if they are not here; to be called before masters are taken.

        Cancel:
            Safe.
        """
        today = ist_date(self._clock.now())
        if self._exchange is not None and ("symbol_changes", today) not in self._store.references.here():
            await self._take_reference("symbol_changes", today)

    async def take_references(self, last: date, stop: asyncio.Event) -> None:
        """
        Fetch the reference files that are due; ``last`` is the session whose security file is wanted. A file that is refused,
        not there or not read is a record and one line at most, and never stops a sync.

        Cancel:
            Safe; what was taken stays.
        """
        if self._exchange is None:
            return
        now = self._clock.now()
        for kind in self._due(last, now):
            if stop.is_set():
                return
            await self._take_reference(kind, last)

    async def _take_reference(self, kind: str, day: date) -> None:
        assert self._exchange is not None
        with recorded_if_cancelled(self._store, self._clock, ("exchange", ""), kind, str(day)):
            raw, record = await self._exchange.reference(kind, day)
        await asyncio.to_thread(self._store.record_requests, [record])
        if raw is None:
            return
        try:
            await asyncio.to_thread(self._keep, raw, day)
        except FnolakeError as error:
            self._emit(Notice("warning", f"{raw.name}: {error}"))

    def _due(self, last: date, now: datetime) -> list[str]:
        shelf = self._store.references
        today = ist_date(now)
        due = [kind for kind, rest in ASK_AGAIN.items() if (asked := shelf.asked(kind)) is None or ist_date(asked) + rest <= today]
        asked = shelf.asked("securities")
        if last >= AUCTION_FROM and ("securities", last) not in shelf.here() and (asked is None or asked + timedelta(hours=1) <= now):
            due.append("securities")
        return due
