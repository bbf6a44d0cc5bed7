"""What a lake knows that people may have to be told of. Reads the store; asks no provider; judges nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import polars as pl

from fnolake.config import Settings
from fnolake.market.calendar import Calendar
from fnolake.model import Selection, ist_date
from fnolake.store.store import Store
from fnolake.sync.causes import Facts, who_is_wanted
from fnolake.sync.person import open_links
from fnolake.sync.report import SyncReport
from fnolake.sync.status import AccountStatus, disk_days, disk_used, risk_lately
from fnolake.sync.wanted import captured_selection, selected_contracts


def look(
    store: Store, path: Path, settings: Settings, seen: tuple[AccountStatus, ...], calendar: Calendar, now: datetime, report: SyncReport | None = None
) -> Facts:
    """
    The facts of this moment. Blocking: call it in a thread.

    Args:
        store: Open.
        path: The lake's folder.
        settings: Everything that is set.
        seen: The accounts as they stand.
        calendar: Which dates are sessions.
        now: Calendar instant.
        report: Of the sync that has just ended, which says why accounts stopped.
    """
    last, sessions = calendar.last_finished(now), store.sessions()
    known = store.instruments(None)
    contracts = selected_contracts(store, captured_selection(store, Selection())) if known.height else known
    certificates = store.certificates_in_force()
    return Facts(
        today=ist_date(now), last_session=last, evening=last >= ist_date(now),
        sign_ins=who_is_wanted(settings.accounts, seen, open_links(store.state, settings.accounts, now), _stopped(report)),
        risk=risk_lately(store, contracts, calendar, now, seen, settings.freshness),
        mismatches=store.coverage([last]).filter(pl.col("proof") == "mismatch").height,
        disk_sessions=disk_days(path, disk_used(path), len(sessions)),
        certificate=certificates[-1] if certificates else None,
    )


def _stopped(report: SyncReport | None) -> Mapping[str, str]:
    return {one.account: one.reason for one in report.accounts if one.reason} if report else {}
