"""What one running emulator remembers: its market, clock, sign-ins, counters and scripted faults."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from datetime import time as wall_time
from typing import TYPE_CHECKING, Any

from fnolake.emulator.clock import EmulatedClock
from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.directory import Directory
from fnolake.emulator.faults import HISTORY, Faults, RandomFaults
from fnolake.emulator.firstock_settings import FirstockSettings
from fnolake.emulator.kept import Kept
from fnolake.emulator.limits import Limits, Windows
from fnolake.emulator.replay import Replay
from fnolake.emulator.sent import Sent
from fnolake.emulator.signins import SignIns
from fnolake.emulator.ticks import Tape
from fnolake.model import IST

if TYPE_CHECKING:
    from fnolake.emulator.listings import Listings
    from fnolake.emulator.world import Listing, Quote, World

BROKERS = ("shoonya", "firstock")
MASTERS_AT, STRIKES_AT = wall_time(8), wall_time(15, 45)
"""When a day's masters replace the last ones, and when the strikes that were added in the day stand in them."""

_LOG_LIMIT = 1_000_000


@dataclass(slots=True)
class Asked:
    """Everything that was asked, in order, so that a test can prove that nothing was asked twice."""

    counts: Counter[str] = field(default_factory=Counter)
    log: list[dict[str, Any]] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def note(self, route: str, **what: Any) -> dict[str, Any]:  # noqa: ANN401 - whatever a route finds worth noting
        """Count a request and log it; the entry may be completed with its outcome."""
        self.counts[route] += 1
        entry = {"route": route, "at": round(time.monotonic() - self.started, 6), **what}
        if len(self.log) < _LOG_LIMIT:
            self.log.append(entry)
        return entry

    def repeated(self) -> int:
        """How many history requests repeat an earlier (route, contract, span, interval)."""
        keys = ("route", "contract", "st", "et", "interval")
        asked = Counter(tuple(e[key] for key in keys) for e in self.log if e["route"] in HISTORY)
        return sum(n - 1 for n in asked.values())


def _own_symbol(listing: Listing) -> str:
    return listing.symbol


class State:
    """
    One emulator's memory; single-threaded, owned by its event loop.

    Args:
        config: What it was started with.
        world: The market.
        replay: Recorded answers that go before the market's.
    """

    def __init__(self, config: EmulatorConfig, world: World, replay: Replay) -> None:
        self.config = config
        self._world = world
        self.replay = replay
        self.clock = EmulatedClock(config.starts_at(world.day), rate=config.rate)
        self.faults = Faults(config.seed, config.faults, RandomFaults(config.fault_rate, config.fault_seed))
        self.signins = SignIns()
        self.firstock = config.firstock
        self.firstock_signins = SignIns()
        self.firstock_sockets: Counter[str] = Counter()
        self.down = {name: asyncio.Event() for name in BROKERS}
        self.asked = Asked()
        self.sent = Sent()
        self.closing = asyncio.Event()
        self.url = ""
        self.kept = Kept()
        self._windows: dict[tuple[str, str, str], Windows] = {}
        self._directories: dict[str, tuple[date, Directory]] = {}
        self._tapes: dict[tuple[str, int], tuple[Tape, Quote]] = {}
        self._tapes_of = date.min

    @property
    def world(self) -> World:
        """The market, with every contract that lives on any date the clock has been at since the start."""
        self._world = self._world.reaching(self.clock.now().date())
        return self._world

    @property
    def masters_of(self) -> tuple[date, bool]:
        """Date of the masters that are out now, and whether they are its morning's (no strike added in the day)."""
        now = self.clock.now()
        if now.time() < MASTERS_AT:
            return now.date() - timedelta(days=1), False
        return now.date(), now.time() < STRIKES_AT

    def in_masters(self) -> Listings:
        """What the masters that are out now hold."""
        day, morning = self.masters_of
        return self.world.in_master(day, morning=morning)

    def windows(self, uid: str) -> Windows:
        """The sliding windows of one user at Shoonya."""
        return self._windows_of("shoonya", uid, "all", self.config.limits)

    def firstock_windows(self, uid: str, kind: str) -> Windows:
        """The sliding windows of one user at Firstock for one kind of request (history, quotes, other)."""
        return self._windows_of("firstock", uid, kind, getattr(self.firstock, kind))

    def all_windows(self) -> Mapping[tuple[str, str, str], Windows]:
        """Every user's windows by (provider, user, kind of request)."""
        return self._windows

    def switch_firstock(self, settings: FirstockSettings) -> None:
        """Take other settings of Firstock; changed limits start with empty windows."""
        for key in [k for k in self._windows if k[0] == "firstock"]:
            if getattr(settings, key[2]) != getattr(self.firstock, key[2]):
                del self._windows[key]
        self.firstock = settings

    def _windows_of(self, provider: str, uid: str, kind: str, limits: Limits) -> Windows:
        key = provider, uid, kind
        if key not in self._windows:
            self._windows[key] = Windows(limits)
        return self._windows[key]

    def forget_asked(self) -> None:
        """Start the counters afresh; the limits' windows stay as they are."""
        self.asked = Asked()
        for windows in self._windows.values():
            windows.forget()

    def listing(self, exchange: str, token: str) -> Listing | None:
        """The listing of a token on the emulated date: None if unknown, not listed yet or (unless served) expired."""
        if not token.isdigit():
            return None
        today = self.clock.now().date()
        found = self.world.find(exchange, int(token), today)
        if found is None or found.ends is None or self.config.masters:
            return None if found is None or (found.expiry or today) < today else found
        too_early, too_late = found.listed > today, found.ends < today and not self.config.serve_expired
        return None if too_early or too_late else found

    def tape(self, listing: Listing, day: date) -> tuple[Tape, Quote]:
        """A contract's prints on a date, and its quote before the first; kept while sockets ask for that date."""
        if day != self._tapes_of:
            self._tapes_of, self._tapes = day, {}
        key = listing.exchange, listing.token
        if key not in self._tapes:
            night = datetime.combine(day, wall_time(), IST)
            self._tapes[key] = Tape(self.world.minutes(listing, day)), self.world.quote(listing, night)
        return self._tapes[key]

    async def directory(self, name: str = "shoonya", symbol_of: Callable[[Listing], str] = _own_symbol) -> Directory:
        """
        The day's listings by name and chain, made on first use, off the event loop; of the present day only.

        Args:
            name: Whose names: one directory is kept for each.
            symbol_of: A listing's trading symbol there.
        """
        today = self.clock.now().date()
        made, kept = self._directories.get(name, (None, None))
        if kept is None or made != today:
            whole = self.world.listings if self.config.serve_expired else self.world.in_master(today)
            kept = await asyncio.to_thread(Directory, whole, symbol_of)
            self._directories[name] = today, kept
        return kept

    def request_time(self) -> str:
        """The emulated instant as answers print it."""
        return self.clock.now().strftime("%H:%M:%S %d-%m-%Y")


def sha256(text: str) -> str:
    """Hex digest, as the sign-in wires want it."""
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(data: Mapping[str, Any], key: str) -> str:
    """A field as text; absent and null are empty."""
    value = data.get(key)
    return "" if value is None else str(value)
