"""
The settings as frozen values: what each key of ``lake.toml`` means is said here once, beside its field.

No reading and no checking here. Base addresses that are left empty are the provider's own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from types import MappingProxyType
from typing import Final

FILE_NAME: Final = "lake.toml"
PROVIDERS: Final = ("shoonya", "firstock")
GENERATIONS: Final = ("oauth", "legacy")
LIMITS: Final = ("official", "off")
TIERS: Final = ("daily", "weekly")
CAUSES: Final = ("login_needed", "at_risk", "failed_proof", "disk_low", "certificate")


@dataclass(frozen=True, slots=True)
class AccountSettings:
    """
    One login at one provider, table ``[account.NAME]``. Secrets are references (``fnolake.secret``), never values.

    ``reserve`` is the share of the budget that is left to your other programs, 0 to 1; None is half while the market
    is open and none after. Which fields are needed depends on the provider and, at Shoonya, the generation; sign-in says
    what is missing.
    """

    provider: str = "shoonya"
    generation: str = "oauth"
    uid: str = ""
    client_id: str = ""
    secret_code: SecretReference = ""
    password: SecretReference = ""
    totp: SecretReference = ""
    vendor_code: str = ""
    api_secret: SecretReference = ""
    api_key: SecretReference = ""
    imei: str = ""
    reserve: float | None = None


SecretReference = str
"""A text like ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``; empty = not given."""

Hours = str
"""Two times of day like ``22:00-07:00``, IST; empty = none."""


@dataclass(frozen=True, slots=True)
class ShoonyaSettings:
    """Table ``[provider.shoonya]``: addresses without a slash at the end; empty = the provider's own."""

    rest_oauth: str = ""
    rest_legacy: str = ""
    socket_oauth: str = ""
    socket_legacy: str = ""
    masters: str = ""
    authorize: str = ""
    redirect: str = ""


@dataclass(frozen=True, slots=True)
class FirstockSettings:
    """Table ``[provider.firstock]``: addresses without a slash at the end; empty = the provider's own."""

    rest: str = ""
    socket: str = ""


@dataclass(frozen=True, slots=True)
class ExchangeSettings:
    """
    Table ``[exchange]``. Without ``consent`` no file of the exchange is fetched. Empty addresses = the exchange's.

    ``wait``: on the evening of a session, options that do not expire wait for its file until the next morning, if there is
    consent or a ``drop`` folder in the lake.
    """

    consent: bool = False
    wait: bool = True
    nse_archives: str = ""
    bse: str = ""
    nse: str = ""


@dataclass(frozen=True, slots=True)
class SyncSettings:
    """
    Table ``[sync]``: a batch closes on ``batch_rows`` or ``batch_s`` seconds; nothing before ``start`` is wanted.

    ``limits`` is ``official``, or ``off`` against an emulator.
    """

    workers: int = 12
    batch_rows: int = 250_000
    batch_s: float = 10.0
    start: date | None = None
    limits: str = "official"


@dataclass(frozen=True, slots=True)
class FreshnessSettings:
    """
    Table ``[freshness]``: how soon each part of the market is asked for, ``daily`` or ``weekly`` (docs/deadlines.md).

    ``near`` are options within ``near_strikes`` strikes of the money on either side, ``rest`` the other options.
    ``evening_minutes`` is how long a sync can run in an evening, by which is judged what will not fit.
    """

    spot: str = "daily"
    futures: str = "daily"
    near: str = "daily"
    near_strikes: int = 10
    rest: str = "daily"
    evening_minutes: float = 240.0


@dataclass(frozen=True, slots=True)
class CompareSettings:
    """Table ``[compare]``: ``sample`` is the share of contract-sessions that a second provider is asked for too, 0 to 1."""

    sample: float = 0.02


@dataclass(frozen=True, slots=True)
class RepairSettings:
    """
    Table ``[repair]``: a finding is asked again on ``tries`` evenings before it is given up.

    ``second_day`` is the share of complete contract-sessions that are asked again on the next evening, to compare, 0 to 1.
    """

    tries: int = 3
    second_day: float = 0.01


@dataclass(frozen=True, slots=True)
class AnalyticsSettings:
    """
    Table ``[analytics]``: ``rate`` discounts option prices, per year and continuously, as a fraction (0.053 = 5.3 %).

    The default is the 91-day Treasury bill: cut-off yield 5.34 % in the Reserve Bank's auction of 2026-02-04
    (https://htsyndication.com/capital-market/article/treasury-bills-auction-sees-strong-demand/97295636, read 2026-11-21).
    """

    rate: float = 0.053


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """
    Table ``[alerts]``: where messages go and which (docs/alerts.md). Without ``to`` nothing is sent.

    ``to`` are references to addresses in apprise's form, which are secrets; ``on`` some of ``CAUSES``. In the hours
    ``quiet`` (``22:00-07:00``, IST) nothing is sent. Who has to sign in is reminded every ``remind_minutes``; the disk is
    low when fewer than ``disk_sessions`` more fit.
    """

    to: tuple[SecretReference, ...] = ()
    on: tuple[str, ...] = CAUSES[:4]
    quiet: Hours = ""
    remind_minutes: float = 60.0
    disk_sessions: int = 10


@dataclass(frozen=True, slots=True)
class LiveSettings:
    """
    Table ``[live]``: what ``fnolake live`` streams, besides all spot series and futures.

    ``strikes`` options on either side of the money (0 = none), of the nearest ``expiries``; ``pinned`` symbols, separated by
    commas, whatever the market does; ``silence_s`` seconds without a frame after which a connection is probed.
    """

    strikes: int = 10
    expiries: int = 1
    pinned: str = ""
    silence_s: float = 15.0


@dataclass(frozen=True, slots=True)
class CalendarSettings:
    """Table ``[calendar]``: ``additions`` is a file of your own facts, relative to the lake."""

    additions: Path | None = None


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Table ``[http]``: seconds to connect, of silence while reading, and for a whole request."""

    connect_s: float = 10.0
    read_s: float = 30.0
    total_s: float = 90.0


@dataclass(frozen=True, slots=True)
class Settings:
    """
    Everything that can be set.

    ``emulator`` is the address of an emulator that stands for the broker and the exchange (it also fills every address
    that is not set in the environment or by a flag); ``clock`` the address of one whose calendar clock is used. ``others``
    has the texts of ``[provider.NAME]`` for providers of third parties, by name.
    """

    lake: Path
    accounts: Mapping[str, AccountSettings] = field(default_factory=lambda: MappingProxyType({}))
    shoonya: ShoonyaSettings = field(default_factory=ShoonyaSettings)
    firstock: FirstockSettings = field(default_factory=FirstockSettings)
    others: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: MappingProxyType({}))
    exchange: ExchangeSettings = field(default_factory=ExchangeSettings)
    sync: SyncSettings = field(default_factory=SyncSettings)
    freshness: FreshnessSettings = field(default_factory=FreshnessSettings)
    compare: CompareSettings = field(default_factory=CompareSettings)
    repair: RepairSettings = field(default_factory=RepairSettings)
    live: LiveSettings = field(default_factory=LiveSettings)
    calendar: CalendarSettings = field(default_factory=CalendarSettings)
    analytics: AnalyticsSettings = field(default_factory=AnalyticsSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    alerts: AlertSettings = field(default_factory=AlertSettings)
    emulator: str = ""
    clock: str = ""

    @property
    def file(self) -> Path:
        """Where the file of this lake is, there or not."""
        return self.lake / FILE_NAME
