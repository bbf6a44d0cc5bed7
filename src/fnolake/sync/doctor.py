"""What is wrong, and how to mend it: one check after the other, each a value. Asks each provider one cheap question."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from fnolake.config import AccountSettings, Settings
from fnolake.errors import FnolakeError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock
from fnolake.model.session import IST
from fnolake.provider.http import Http
from fnolake.secret import resolve
from fnolake.store.store import Store
from fnolake.sync.checkup import lake_checks
from fnolake.sync.connect import SECRETS, make_provider, open_http
from fnolake.sync.status import Check

HOSTS: Mapping[str, str] = {"shoonya": "https://api.shoonya.com", "firstock": "https://api.firstock.in"}
"""Whose clock is looked at: the providers' own hosts, where no address is set."""
SLOW_S, WRONG_S = 5.0, 25.0
"""A Date header has whole seconds and came a while ago; one-time passwords change every 30 s."""


async def examine(settings: Settings, store: Store, calendar: Calendar, clock: Clock, environ: Mapping[str, str]) -> list[Check]:
    """All checks, in the order in which they should be mended."""
    checks = [_accounts(settings)]
    checks += [check for name in settings.accounts for check in _secrets(settings, name, environ)]
    async with open_http(settings) as http:
        addresses = {account.provider: _address(settings, account) for account in settings.accounts.values()}
        checks += [await clock_check(http, provider, address, clock) for provider, address in addresses.items() if address]
        for name in settings.accounts:
            checks.append(await _sign_in(settings, name, http, store, clock, environ))
    return [*lake_checks(settings, store, calendar, clock.now()), *checks]


def _accounts(settings: Settings) -> Check:
    count = len(settings.accounts)
    return Check("accounts", bool(count), f"{count} set up", "" if count else "fnolake account add NAME --uid UID --secret-code env:VARIABLE")


def _secrets(settings: Settings, name: str, environ: Mapping[str, str]) -> list[Check]:
    checks = []
    for setting in SECRETS:
        reference = getattr(settings.accounts[name], setting)
        if reference:
            try:
                resolve(reference, environ)
            except FnolakeError as error:
                checks.append(Check(f"{name}.{setting}", ok=False, detail="cannot be read", mend=str(error)))
            else:
                checks.append(Check(f"{name}.{setting}", ok=True, detail=f"readable from {reference.partition(':')[0]}"))
    return checks


def _address(settings: Settings, account: AccountSettings) -> str:
    """A place of the account's provider that answers without a sign-in; empty for third parties."""
    given = {
        "shoonya": settings.shoonya.rest_legacy if account.generation == "legacy" else settings.shoonya.rest_oauth,
        "firstock": settings.firstock.rest,
    }.get(account.provider, "")
    return given or HOSTS.get(account.provider, "")


async def clock_check(http: Http, provider: str, address: str, clock: Clock) -> Check:
    """This machine's clock against the Date header of the provider; whatever else it answers does not matter."""
    name = f"clock and {provider}"
    try:
        said = (await http.get(f"{address}/")).headers.get("date", "")
    except FnolakeError as error:
        return Check(name, ok=False, detail="no answer", mend=str(error))
    try:
        off_s = clock.wall() - parsedate_to_datetime(said).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return Check(name, ok=True, detail="reachable; it says no time to compare with")
    mend = "let the system set the clock by itself (timedatectl set-ntp true): one-time passwords depend on it"
    if abs(off_s) <= SLOW_S:
        return Check(name, ok=True, detail=f"reachable, in step within {SLOW_S:g} s")
    way = "ahead" if off_s > 0 else "behind"
    return Check(name, abs(off_s) <= WRONG_S, f"this machine is {abs(off_s):,.0f} s {way}", mend, warn=True)


async def _sign_in(settings: Settings, name: str, http: Http, store: Store, clock: Clock, environ: Mapping[str, str]) -> Check:
    try:
        provider = make_provider(settings, name, http, store.state, clock, environ)
        if not provider.signed_in:
            return Check(f"{name} sign-in", ok=False, detail="not signed in", mend=f"fnolake login {name}")
        return Check(f"{name} sign-in", ok=True, detail=f"works: {await provider.check()}{_until(provider.signed_in_until)}")
    except FnolakeError as error:
        return Check(f"{name} sign-in", ok=False, detail=type(error).__name__, mend=str(error))


def _until(instant: datetime | None) -> str:
    return f", until {instant.astimezone(IST):%Y-%m-%d %H:%M}" if instant else ""
