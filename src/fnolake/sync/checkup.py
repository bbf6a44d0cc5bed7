"""
What doctor looks at inside the lake: its folder, room, files, calendar, masters, findings and certificate. Asks nobody.

Each check is one value and stands alone. Invariant: nothing is changed, and no secret is read.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta

from fnolake.config import Settings
from fnolake.market.calendar import Calendar
from fnolake.model import ist_date
from fnolake.store.lock import LOCK_FILE, lock_holder
from fnolake.store.schema import LEDGER_VERSION
from fnolake.store.store import Store
from fnolake.sync.status import Check, differing_line, disk_days, disk_used

ROOM_BYTES = 2 << 30
"""Free space below which nothing should be captured: a whole session takes about 60 MB, its making twice that."""
FEW_SESSIONS = 20
"""A month of sessions: fewer that fit are worth a warning."""
AHEAD = timedelta(days=60)
"""How far ahead the calendar has to know, for the expiry rules and a month of plans."""
LOOK_BACK = timedelta(days=30)


def lake_checks(settings: Settings, store: Store, calendar: Calendar, now: datetime) -> list[Check]:
    """All checks of the lake itself, in the order in which they should be mended."""
    last = calendar.last_finished(now)
    return [
        _folder(store), _ledger(store), _writer(store), _private(store), *_room(store), *_calendar(calendar, ist_date(now)),
        _masters(store, calendar, now), *_agreement(store), _findings(store, last), _certificate(store, last), _consent(settings),
        _log(settings), _alerts(settings),
    ]


def _folder(store: Store) -> Check:
    ok = os.access(store.path, os.W_OK)
    return Check("lake", ok, f"{store.path} can be written" if ok else f"{store.path} cannot be written", f"give it to your user: chown -R $USER {store.path}")


def _ledger(store: Store) -> Check:
    found = store.ledger_version()
    old = found < LEDGER_VERSION
    detail = f"version {found}" + (f", this fnolake writes {LEDGER_VERSION}" if old else "")
    return Check("ledger", ok=True, warn=old, detail=detail, mend="fnolake upkeep brings it up; an older fnolake cannot write it then")


def _writer(store: Store) -> Check:
    holder = lock_holder(store.path, LOCK_FILE)
    if holder is None:
        return Check("writer", ok=True, detail="nobody writes this lake now")
    who = f"process {holder}" if holder else "another process"
    return Check("writer", ok=True, detail=f"{who} is writing this lake; what else writes has to wait for it")


def _private(store: Store) -> Check:
    """Sign-ins are for their owner's eyes."""
    folder = store.path / "state"
    if sys.platform == "win32" or not folder.is_dir():
        return Check("private files", ok=True, detail="no sign-in is kept" if not folder.is_dir() else "kept by the folder's permissions")
    loose = [one for one in (folder, *sorted(folder.iterdir())) if stat.S_IMODE(one.stat().st_mode) & 0o077]
    mend = f"chmod 700 {folder}; chmod 600 {folder}/*; then sign in again if this machine has other users"
    detail = f"{len(loose)} of state/ can be read by others, {loose[0].name} first" if loose else "sign-ins can be read by you alone"
    return Check("private files", not loose, detail, mend)


def _room(store: Store) -> Iterator[Check]:
    free = shutil.disk_usage(store.path).free
    yield Check("disk", free > ROOM_BYTES, f"{free / 1e9:.1f} GB free", f"free {(ROOM_BYTES - free) / 1e9 + 1:.0f} GB, or move the lake")
    sessions = len(store.sessions())
    fit = disk_days(store.path, disk_used(store.path), sessions) if sessions else None
    if fit is not None:
        few = fit < FEW_SESSIONS
        yield Check("disk ahead", ok=True, warn=few, detail=f"about {fit:,} more sessions fit", mend="free some space, or move the lake, before it is full")


def _calendar(calendar: Calendar, today: date) -> Iterator[Check]:
    status, mend = calendar.status(today), "add its hours to the [calendar] additions file, with their source"
    yield Check("calendar", status != "unknown", f"{today} is {status}", mend)
    unknown = [day for day in calendar.unknown(today + timedelta(days=1), today + AHEAD) if day.weekday() < 5]
    if unknown:
        known = f"until {unknown[0] - timedelta(days=1)}; {len(unknown)} weekdays of the {AHEAD.days} days ahead are not known"
        how = "a sync takes the exchange's holidays with your consent; else put its holiday file into drop/, or add them to [calendar] additions"
        yield Check("calendar ahead", ok=True, warn=True, detail=known, mend=how)
    else:
        yield Check("calendar ahead", ok=True, detail=f"the next {AHEAD.days} days are known")


def _masters(store: Store, calendar: Calendar, now: datetime) -> Check:
    taken = store.masters()["day"].max()
    mend = "fnolake instruments sync"
    if not isinstance(taken, date):
        return Check("masters", ok=False, detail="none was ever taken: no contract is known", mend=mend)
    stale = taken < calendar.last_finished(now)
    when = "today's are taken" if taken >= ist_date(now) else f"the last are of {taken}"
    return Check("masters", ok=True, warn=stale, detail=when + (", contracts listed since are not known" if stale else ""), mend=mend)


def _agreement(store: Store) -> list[Check]:
    """What two providers list differently; nothing where only one has been asked. Nobody can mend it here, so it is never wrong."""
    if store.masters()["provider"].n_unique() < 2:
        return []
    return [Check("providers agree", ok=True, detail=differing_line(store.listing_differences()) or "on every contract that both list")]


def _findings(store: Store, last: date) -> Check:
    """What is open of the last month: mismatches, cuts and refusals that a sync asks again."""
    found, _ = store.open_findings(last - LOOK_BACK, last - LOOK_BACK)
    wrong = found.filter(found["proof"] == "mismatch").height
    detail = f"{found.height:,} contract-sessions of the last {LOOK_BACK.days} days wait" + (f", {wrong:,} of them not as the exchange says" if wrong else "")
    return Check("findings", ok=True, warn=bool(found.height), detail=detail if found.height else "none waits", mend="fnolake gaps shows them; fnolake sync asks again")


def _certificate(store: Store, last: date) -> Check:
    signed = store.certificates_in_force()
    if signed and signed[-1].session >= last:
        return Check("certificate", ok=True, detail=signed[-1].line)
    detail = f"the last is of {signed[-1].session}" if signed else "none yet"
    return Check("certificate", ok=True, warn=True, detail=f"{detail}; the last session is {last}", mend=f"fnolake sync, then fnolake verify --session {last}")


def _consent(settings: Settings) -> Check:
    asked = settings.exchange.consent
    mend = "set consent = true under [exchange] in lake.toml: fewer requests, and every session is proven; or put the files into drop/"
    return Check("exchange files", ok=True, warn=not asked, detail="fetched with your consent" if asked else "not fetched", mend=mend)


def _log(settings: Settings) -> Check:
    file = settings.log.file
    return Check("log", ok=True, detail=f"{file}, level {settings.log.level}" if file else "none is kept; set log.file, or give --log-file")


def _alerts(settings: Settings) -> Check:
    count = len(settings.alerts.to)
    said = f"{count} address{'es are' if count != 1 else ' is'} told; fnolake alert test tries them"
    return Check("alerts", ok=True, detail=said if count else "nobody is told; see [alerts]")
