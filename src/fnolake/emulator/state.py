"""What one running emulator remembers: its market, clock, sign-ins, counters and scripted faults."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fnolake.emulator.clock import EmulatedClock
from fnolake.emulator.config import EmulatorConfig
from fnolake.emulator.directory import Directory
from fnolake.emulator.faults import Faults
from fnolake.emulator.limits import Windows
from fnolake.emulator.replay import Replay

if TYPE_CHECKING:
    from fnolake.emulator.world import Listing, World

CODE_LIFE_S = 300.0
_LOG_LIMIT = 1_000_000


@dataclass(frozen=True, slots=True)
class SignIn:
    """One sign-in; either token stands for it until it has ended."""

    uid: str
    access_token: str
    susertoken: str
    ended: asyncio.Event = field(default_factory=asyncio.Event, compare=False)


class SignIns:
    """Sign-ins and one-time codes. A user has one sign-in: a new one ends the older."""

    def __init__(self) -> None:
        self._by_token: dict[str, SignIn] = {}
        self._by_uid: dict[str, SignIn] = {}
        self._codes: dict[str, tuple[str, float]] = {}

    def open(self, uid: str) -> SignIn:
        """Sign a user in, ending the sign-in that was."""
        self.end(uid)
        signed = SignIn(uid, secrets.token_hex(32), secrets.token_hex(32))
        self._by_uid[uid] = signed
        self._by_token[signed.access_token] = self._by_token[signed.susertoken] = signed
        return signed

    def end(self, uid: str) -> None:
        """End the user's sign-in, if any."""
        signed = self._by_uid.pop(uid, None)
        if signed is not None:
            del self._by_token[signed.access_token], self._by_token[signed.susertoken]
            signed.ended.set()

    def of(self, token: str) -> SignIn | None:
        """The live sign-in that a token stands for."""
        return self._by_token.get(token)

    def uid_of(self, token: str) -> str | None:
        """Whose live sign-in a token stands for."""
        signed = self._by_token.get(token)
        return None if signed is None else signed.uid

    def live(self, uid: str) -> SignIn | None:
        """The user's live sign-in."""
        return self._by_uid.get(uid)

    def new_code(self, uid: str) -> str:
        """A one-time code for a user, good for :data:`CODE_LIFE_S` real seconds."""
        code = secrets.token_hex(16)
        self._codes[code] = (uid, time.monotonic())
        return code

    def take_code(self, code: str) -> str | None:
        """Whose code it is, using it up; None if unknown, used or too old."""
        uid, at = self._codes.pop(code, ("", 0.0))
        return uid if uid and time.monotonic() - at <= CODE_LIFE_S else None


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
        """How many TPSeries requests repeat an earlier (contract, span, interval)."""
        asked = Counter((e["contract"], e["st"], e["et"], e["interval"]) for e in self.log if e["route"] == "TPSeries")
        return sum(n - 1 for n in asked.values())


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
        self.asked = Asked()
        self.closing = asyncio.Event()
        self.url = ""
        self._windows: dict[str, Windows] = {}
        self._directory: Directory | None = None

    def windows(self, uid: str) -> Windows:
        """The sliding windows of one user."""
        if uid not in self._windows:
            self._windows[uid] = Windows(self.config.limits)
        return self._windows[uid]

    def all_windows(self) -> Iterator[Windows]:
        """Every user's windows."""
        return iter(self._windows.values())

    def forget_asked(self) -> None:
        """Start the counters afresh; the limits' windows stay as they are."""
        self.asked = Asked()
        for windows in self._windows.values():
            windows.rejections = 0
            windows.most = dict.fromkeys(windows.most, 0)

    def listing(self, exchange: str, token: str) -> Listing | None:
        """The live listing of a token: None if unknown or expired before the emulated date."""
        if not token.isdigit():
            return None
        found = self.world.find(exchange, int(token))
        if found is None or (found.expiry is not None and found.expiry < self.clock.now().date()):
            return None
        return found

    async def directory(self) -> Directory:
        """Listings by name and chain, made on first use, off the event loop."""
        if self._directory is None:
            self._directory = await asyncio.to_thread(Directory, self.world.listings)
        return self._directory

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
