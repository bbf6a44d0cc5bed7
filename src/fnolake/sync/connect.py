"""
From settings to accounts that can be asked. The only place that turns secret references into secrets.

Nothing is sent here. Invariant: a budget without limits exists only against an emulator.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime

from fnolake.config import AccountSettings, Settings
from fnolake.errors import ConfigError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, StatePort, ist_date, utc_from_us
from fnolake.provider.account import Account
from fnolake.provider.base import Provider
from fnolake.provider.budget import NO_LIMITS, Budget, BudgetState
from fnolake.provider.exchange.client import PACE_S, ExchangeClient, ExchangeUrls
from fnolake.provider.http import Http, Timeouts
from fnolake.provider.registry import Setup, factory
from fnolake.secret import resolve

SECRETS = {"secret_code": "secret_code", "password": "password", "totp": "totp_secret", "api_secret": "api_secret", "api_key": "api_key"}
"""Setting → name of the secret at the provider."""
OPEN_RESERVE = 0.5
"""Share of the budget left to the user's other programs while the market is open (design section 5)."""


def choose_account(settings: Settings, name: str | None) -> str:
    """
    The account of that name, or the only one.

    Raises:
        ConfigError: There is none, several, or none of that name.
    """
    names = list(settings.accounts)
    if name is not None and name not in names:
        raise ConfigError(f"no account {name}; there {'are ' + ', '.join(names) if names else 'is none: run `fnolake account add`'}")
    if name is None and not names:
        raise ConfigError("no account yet; run `fnolake account add`")
    return name or names[0]


def open_http(settings: Settings) -> Http:
    """The door to the network with the user's time-outs; enter it before use."""
    times = settings.http
    return Http(Timeouts(times.connect_s, times.read_s, times.total_s))


def make_provider(
    settings: Settings, name: str, http: Http, state: StatePort, clock: Clock, environ: Mapping[str, str], *, strict: bool = False
) -> Provider:
    """
    The client of one account.

    Args:
        settings: Everything that is set.
        name: The account.
        http: Open, or never used.
        state: Where sign-ins live.
        clock: Both clocks.
        environ: For ``env:`` references.
        strict: A secret that cannot be read is an error now; otherwise only when a renewal needs it.

    Raises:
        ConfigError: An unknown provider, or (strict) a secret that cannot be read.
    """
    account = settings.accounts[name]
    plain = {
        **_addresses(settings, account), "uid": account.uid, "client_id": account.client_id, "vendor_code": account.vendor_code,
        "imei": account.imei,
    }
    secrets = _secrets(account, environ, strict=strict)
    return factory(account.provider)(Setup(name, http, state, clock, plain, secrets))


def _addresses(settings: Settings, account: AccountSettings) -> dict[str, str]:
    """What is set for an account's provider: addresses (empty = its own), a generation, a third party's own texts."""
    if account.provider == "firstock":
        return asdict(settings.firstock)
    if account.provider != "shoonya":
        return dict(settings.others.get(account.provider, {}))
    urls = settings.shoonya
    rest = urls.rest_legacy if account.generation == "legacy" else urls.rest_oauth
    socket = urls.socket_legacy if account.generation == "legacy" else urls.socket_oauth
    return {"generation": account.generation, "rest": rest, "socket": socket, "authorize": urls.authorize, "masters": urls.masters}


def _secrets(account: AccountSettings, environ: Mapping[str, str], *, strict: bool) -> dict[str, str]:
    found = {}
    for setting, name in SECRETS.items():
        reference = getattr(account, setting)
        if not reference:
            continue
        with contextlib.nullcontext() if strict else contextlib.suppress(ConfigError):
            found[name] = resolve(reference, environ).reveal()
    return found


def make_account(settings: Settings, name: str, provider: Provider, state: StatePort, clock: Clock, calendar: Calendar) -> Account:
    """
    The provider with its budget around it.

    Raises:
        ConfigError: Limits are off and it is no emulator that would be asked.
    """
    own = settings.accounts[name].reserve

    def reserve() -> float:
        if own is not None:
            return own
        return OPEN_RESERVE if market_is_open(calendar, clock.now()) else 0.0

    if settings.sync.limits == "off":
        if not settings.emulator:
            raise ConfigError("sync.limits = off is for an emulator only: remove it from lake.toml or the environment")
        return Account(name, provider, Budget(NO_LIMITS, clock, None, name), clock)
    return Account(name, provider, Budget(provider.dialect.windows, clock, state, name, reserve=reserve), clock)


def budget_used(settings: Settings, name: str, provider: Provider, state: StatePort, clock: Clock, calendar: Calendar) -> BudgetState:
    """The account's allowance of the longest window and what is used of it now, as far as was noted."""
    return make_account(settings, name, provider, state, clock, calendar).budget


def market_is_open(calendar: Calendar, now: datetime) -> bool:
    """Whether derivatives trade at NSE at this instant; False where the calendar does not know."""
    day = ist_date(now)
    session = calendar.session("NSE", "FO", day) if calendar.status(day) == "open" else None
    return session is not None and utc_from_us(session.open_us) <= now < utc_from_us(session.close_us)


@dataclass(frozen=True, slots=True)
class Connected:
    """Accounts that can be asked, at least one; the exchange's file server with the user's consent; who was left out and why."""

    accounts: tuple[Account, ...]
    exchange: ExchangeClient | None
    left_out: tuple[str, ...] = ()


@contextlib.asynccontextmanager
async def connected(
    settings: Settings, state: StatePort, clock: Clock, calendar: Calendar, environ: Mapping[str, str], names: Sequence[str] = ()
) -> AsyncIterator[Connected]:
    """
    Every account that is usable, or of the named ones, each with its own budget, sign-in and breaker; closed and noted at the end.

    One that is not signed in and lacks what it signs in with is left out while there is another, and so is a second
    account of the same login: they share one allowance and would end each other's sign-in. Whether a sign-in
    still works, the first request shows: nothing is sent here, and no sign-in is made that nobody needs.

    Raises:
        ConfigError: No account, none of that name, or a provider that is not installed.
    """
    chosen = [choose_account(settings, name) for name in dict.fromkeys(names)] or [*settings.accounts] or [choose_account(settings, None)]
    async with open_http(settings) as http:
        providers = {name: make_provider(settings, name, http, state, clock, environ) for name in chosen}
        lacking = {name: why for name, provider in providers.items() if (why := _lacks(settings, name, provider, environ))}
        lacking |= _doubles(settings, {name: provider for name, provider in providers.items() if name not in lacking})
        usable = {name: provider for name, provider in providers.items() if name not in lacking} or providers
        left_out = tuple(f"{name} is left out: {why}" for name, why in lacking.items() if name not in usable)
        accounts = tuple(make_account(settings, name, provider, state, clock, calendar) for name, provider in usable.items())
        try:
            yield Connected(accounts, exchange_client(settings, http, clock), left_out)
        finally:
            for account in accounts:
                account.release()
            for provider in providers.values():
                await provider.aclose()


def _doubles(settings: Settings, providers: Mapping[str, Provider]) -> dict[str, str]:
    """Accounts whose login another one has, with that as the reason; one that is signed in goes before one that is not."""
    first: dict[tuple[str, str], str] = {}
    found = {}
    for name in sorted(providers, key=lambda one: not providers[one].signed_in):
        account = settings.accounts[name]
        other = first.setdefault((account.provider, account.uid.upper() or name), name)
        if other != name:
            found[name] = f"it is the same login as {other}, {account.provider} {account.uid}"
    return found


def _lacks(settings: Settings, name: str, provider: Provider, environ: Mapping[str, str]) -> str:
    """Why an account cannot sign in, empty where it has, or has all its secrets."""
    if provider.signed_in:
        return ""
    try:
        secrets = _secrets(settings.accounts[name], environ, strict=True)
    except ConfigError as error:
        return f"not signed in, and {error}"
    return "" if secrets else f"not signed in; run `fnolake login {name}`"


def exchange_client(settings: Settings, http: Http, clock: Clock) -> ExchangeClient | None:
    """The exchange's file server, or None without the user's consent."""
    if not settings.exchange.consent:
        return None
    known = {one.name for one in fields(ExchangeUrls)}
    given = {key: value for key, value in asdict(settings.exchange).items() if key in known and value}
    pace_s = 0.0 if settings.emulator else PACE_S
    return ExchangeClient(http, ExchangeUrls(**given, pace_s=pace_s), clock)
