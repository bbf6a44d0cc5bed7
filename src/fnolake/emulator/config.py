"""What an emulator is started with, as one frozen value. No I/O; paths are read by the server."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, time
from pathlib import Path
from typing import Any

from fnolake.emulator.firstock_settings import FirstockSettings
from fnolake.emulator.limits import Limits, windows_of
from fnolake.model import IST

WallTime = time
DEFAULT_DAY = date(2026, 11, 20)
DEFAULT_TIME = time(18, 30)
DEFAULT_QUIET_UNTIL = time(7)
DEFAULT_SEED = 20261120
DEFAULT_REDIRECT = "http://127.0.0.1:8765/callback"
OFFICIAL_LIMITS = ((20, 1.0), (200, 60.0))
MOST_USERS = 9999
DEMO_UNDERLYINGS = (
    "RELIANCE", "TCS", "NIFTY", "BANKNIFTY", "FINNIFTY", "MIDCPNIFTY", "SENSEX", "HDFCBANK", "INFY", "ICICIBANK",
    "SBIN", "M&M",
)


@dataclass(frozen=True, slots=True)
class Demo:
    """
    The emulated user, with everything that both generations of Shoonya's sign-in and Firstock's ask for.

    Users ``also`` have the same secrets, and ``<uid>_U`` as client id and vendor code: for pools of accounts.
    At Firstock everybody's vendor code is ``<uid>_API``.
    """

    uid: str = "FN0001"
    name: str = "Demo User"
    password: str = "demo-password"  # noqa: S105 - everybody may know the demo user\'s
    totp_secret: str = "JBSWY3DPEHPK3PXP"  # noqa: S105 - everybody may know the demo user\'s
    client_id: str = "FN0001_U"
    secret_code: str = "demo-secret"  # noqa: S105 - everybody may know the demo user\'s
    vendor_code: str = "FN0001_U"
    api_secret: str = "demo-secret"  # noqa: S105 - everybody may know the demo user\'s
    imei: str = "abc1234"
    api_key: str = "0123456789abcdef0123456789abcdef"
    also: tuple[str, ...] = ("FN0002", "FN0003")

    def client_of(self, uid: str) -> str:
        """The client id (and vendor code) of a user; empty if there is no such user."""
        if uid == self.uid:
            return self.client_id
        return f"{uid}_U" if uid in self.also else ""

    @property
    def users(self) -> tuple[str, ...]:
        """Everybody who can sign in."""
        return (self.uid, *self.also)

    def firstock_vendor_of(self, uid: str) -> str:
        """The vendor code of a user at Firstock; empty if there is no such user."""
        return f"{uid}_API" if self.client_of(uid) else ""

    def user_of(self, client_id: str) -> str:
        """Whose client id it is; empty if nobody's."""
        return next((uid for uid in self.users if self.client_of(uid) == client_id), "")


@dataclass(frozen=True, slots=True)
class EmulatorConfig:
    """
    Settings of one emulator.

    Args:
        host: Address to listen on; the loopback unless you know why.
        port: TCP port, 0 = any free one.
        day: Trading date on which the emulated clock starts; None = the date of the served masters, or 2026-11-20.
        time: IST wall time at which the emulated clock starts.
        rate: Emulated seconds per real second; 0 stands still until the clock is set or advanced.
        seed: Seed of the market and of scripted shares of faults.
        underlyings: Only these underlyings (and INDIAVIX); None = all.
        masters: Real Shoonya master files (txt or zip) to serve instead of the generated ones.
        rows: Folder of recorded TPSeries answers, see :mod:`fnolake.emulator.replay`.
        limits: Sliding windows (requests, seconds) per user over all of Shoonya's routes; empty = off.
        faults: Scripted faults as decoded JSON, see :mod:`fnolake.emulator.faults`.
        fault_rate: Share of all requests that carry one fault each, drawn by ``fault_seed`` (see ``faults.RandomFaults``).
        fault_seed: Another seed draws other faults.
        recycle_tokens: Stocks' tokens are given again to later contracts, and history is by token.
        serve_expired: Contracts that have expired while the emulator runs are still served; nobody knows what the brokers do
            (protocols/shoonya.md, firstock.md: unknown), refusing is the default.
        events: What happens to contracts in their lives, as decoded JSON, see :mod:`fnolake.emulator.events`.
        socket_cap: Tokens that one socket streams; the rest is silently dropped, as live. 0 = all.
        history_days: Calendar days back that minutes are served.
        quiet_until: From midnight until then every series is "no data", as users met it at night; 00:00 = never.
        session_expired_status: HTTP status of "Session Expired" (nobody knows the live one).
        rate_limited_status: HTTP status of a rate rejection (likewise).
        redirect_uri: The demo user's registered address, which the OAuth page returns to unless the authorize
            address names another; empty = a page of the emulator's own.
        demo: The emulated user, the same at both brokers.
        firstock: Settings of the emulated Firstock.
    """

    host: str = "127.0.0.1"
    port: int = 0
    day: date | None = None
    time: WallTime = DEFAULT_TIME
    rate: float = 1.0
    seed: int = DEFAULT_SEED
    underlyings: tuple[str, ...] | None = None
    masters: tuple[Path, ...] = ()
    rows: Path | None = None
    limits: Limits = OFFICIAL_LIMITS
    faults: tuple[dict[str, Any], ...] = ()
    fault_rate: float = 0.0
    fault_seed: int = 1
    recycle_tokens: bool = False
    serve_expired: bool = False
    events: tuple[dict[str, Any], ...] = ()
    socket_cap: int = 100
    history_days: int = 304
    quiet_until: WallTime = DEFAULT_QUIET_UNTIL
    session_expired_status: int = 401
    rate_limited_status: int = 400
    redirect_uri: str = DEFAULT_REDIRECT
    demo: Demo = field(default_factory=Demo)
    firstock: FirstockSettings = field(default_factory=FirstockSettings)

    def starts_at(self, day: date) -> datetime:
        """The aware instant at which the emulated clock starts on ``day``."""
        return datetime.combine(day, self.time, IST)


def demo_of(users: int) -> Demo:
    """
    The demo user, with so many users in all.

    Raises:
        ValueError: Fewer than one, or more than have names.
    """
    if not 1 <= users <= MOST_USERS:
        raise ValueError(f"there can be 1 to {MOST_USERS} users, not {users}")
    return Demo(also=tuple(f"FN{number:04}" for number in range(2, users + 1)))


def parse_limits(text: str) -> Limits:
    """
    Windows from ``official``, ``off``, ``half`` or ``N/s,M/min`` (either part alone too).

    Raises:
        ValueError: The text is none of these.
    """
    known: dict[str, Limits] = {
        "official": OFFICIAL_LIMITS, "off": (), "half": tuple((n // 2, s) for n, s in OFFICIAL_LIMITS),
    }
    if text in known:
        return known[text]
    return windows_of(text)
