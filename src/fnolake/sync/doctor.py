"""What is wrong, and how to mend it: one check after the other, each a value. Asks the provider one cheap question."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping

from fnolake.config import Settings
from fnolake.errors import FnolakeError
from fnolake.market.calendar import Calendar
from fnolake.model import Clock, ist_date
from fnolake.provider.http import Http
from fnolake.secret import resolve
from fnolake.store.store import Store
from fnolake.sync.connect import SECRETS, make_provider, open_http
from fnolake.sync.status import Check, differing_line

ROOM_BYTES = 2 << 30
"""Free space below which a warning is due: a whole session takes about 60 MB, its making twice that."""


async def examine(settings: Settings, store: Store, calendar: Calendar, clock: Clock, environ: Mapping[str, str]) -> list[Check]:
    """All checks, in the order in which they should be mended."""
    checks = [_folder(store), _room(store), _calendar(calendar, clock), _accounts(settings)]
    checks += [check for name in settings.accounts for check in _secrets(settings, name, environ)]
    async with open_http(settings) as http:
        for name in settings.accounts:
            checks.append(await _sign_in(settings, name, http, store, clock, environ))
    checks += [_masters(store, clock), *_agreement(store), _consent(settings)]
    return checks


def _folder(store: Store) -> Check:
    ok = os.access(store.path, os.W_OK)
    return Check("lake", ok, f"{store.path} can be written" if ok else f"{store.path} cannot be written", "" if ok else "change its owner or mode")


def _room(store: Store) -> Check:
    free = shutil.disk_usage(store.path).free
    return Check("disk", free > ROOM_BYTES, f"{free / 1e9:.1f} GB free", "" if free > ROOM_BYTES else "free some space, or move the lake")


def _calendar(calendar: Calendar, clock: Clock) -> Check:
    today = ist_date(clock.now())
    status = calendar.status(today)
    mend = "" if status != "unknown" else "add its hours to the [calendar] additions file, with their source"
    return Check("calendar", status != "unknown", f"{today} is {status}", mend)


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


async def _sign_in(settings: Settings, name: str, http: Http, store: Store, clock: Clock, environ: Mapping[str, str]) -> Check:
    try:
        provider = make_provider(settings, name, http, store.state, clock, environ)
        if not provider.signed_in:
            return Check(f"{name} sign-in", ok=False, detail="not signed in", mend=f"fnolake login {name}")
        return Check(f"{name} sign-in", ok=True, detail=f"works: {await provider.check()}")
    except FnolakeError as error:
        return Check(f"{name} sign-in", ok=False, detail=type(error).__name__, mend=str(error))


def _masters(store: Store, clock: Clock) -> Check:
    taken = store.masters_taken(ist_date(clock.now()))
    return Check("masters", taken, "today's are taken" if taken else "today's are not taken", "" if taken else "fnolake instruments sync")


def _agreement(store: Store) -> list[Check]:
    """What two providers list differently; nothing where only one has been asked. Nobody can mend it here, so it is never wrong."""
    if store.masters()["provider"].n_unique() < 2:
        return []
    return [Check("providers agree", ok=True, detail=differing_line(store.listing_differences()) or "on every contract that both list")]


def _consent(settings: Settings) -> Check:
    asked = settings.exchange.consent
    mend = "" if asked else "set consent = true under [exchange] in lake.toml: fewer requests, and every session is proven"
    return Check("exchange files", asked, "fetched with your consent" if asked else "not fetched", mend)
