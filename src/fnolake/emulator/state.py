"""What one running emulator remembers: its market, clock, sign-ins, counters and scripted faults."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fnolake.emulator.clock import EmulatedClock
from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.directory import Directory
from fnolake.emulator.faults import HISTORY, Faults
from fnolake.emulator.firstock_settings import FirstockSettings
from fnolake.emulator.kept import Kept
from fnolake.emulator.limits import Limits, Windows
from fnolake.emulator.replay import Replay
from fnolake.emulator.signins import SignIns

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing, World

BROKERS = ("shoonya", "firstock")
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
        self.world = world
        self.replay = replay
        self.clock = EmulatedClock(config.starts_at(world.day), rate=config.rate)
        self.faults = Faults(config.seed, config.faults)
        self.signins = SignIns()
        self.firstock = config.firstock
        self.firstock_signins = SignIns()
        self.firstock_sockets: Counter[str] = Counter()
        self.down = {name: asyncio.Event() for name in BROKERS}
        self.asked = Asked()
        self.closing = asyncio.Event()
        self.url = ""
        self.kept = Kept()
        self._windows: dict[tuple[str, str, str], Windows] = {}
        self._directories: dict[str, Directory] = {}

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
        """The live listing of a token: None if unknown or (unless such are served) expired before the emulated date."""
        if not token.isdigit():
            return None
        found = self.world.find(exchange, int(token))
        if found is None or self.config.serves_expired:
            return found
        return None if found.expiry is not None and found.expiry < self.clock.now().date() else found

    async def directory(self, name: str = "shoonya", symbol_of: Callable[[Listing], str] = _own_symbol) -> Directory:
        """
        Listings by name and chain, made on first use, off the event loop.

        Args:
            name: Whose names: one directory is kept for each.
            symbol_of: A listing's trading symbol there.
        """
        if name not in self._directories:
            self._directories[name] = await asyncio.to_thread(Directory, self.world.listings, symbol_of)
        return self._directories[name]

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
