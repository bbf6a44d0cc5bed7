"""
What ``fnolake status`` and ``fnolake doctor`` say, as values. Reads the store; asks no provider.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.config.settings import FreshnessSettings
from fnolake.errors import ConfigError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import Selection, ist_date
from fnolake.query.certificate import TRADED, UNKNOWN, trade
from fnolake.query.coverage import gaps
from fnolake.store.store import Store
from fnolake.sync.doing import doing
from fnolake.sync.outlook import outlook
from fnolake.sync.risk import risk_line
from fnolake.sync.sources import source_lines
from fnolake.sync.wanted import SESSIONS_AT_ONCE, Wanted, plan_sources, selected_contracts, status_rows, wanted_sessions


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """
    One account: whether it is signed in, and how much of its allowance (0: no limits) in ``seconds`` is used now.

    ``max_days``: calendar days that one of its requests may span, None = any number.
    """

    name: str
    provider: str
    generation: str
    signed_in: bool
    until: datetime | None = None
    allowance: int = 0
    used: int = 0
    seconds: float = 60.0
    max_days: int | None = None

    @property
    def per_minute(self) -> int:
        """Requests a minute that it may send, 0 without limits."""
        return round(self.allowance * 60.0 / self.seconds)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that doctor looked at, and how to mend it."""

    name: str
    ok: bool
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """
    The lake at a glance.

    ``counts`` (contract-sessions of ``last_session``): listed, traded (by the exchange's file, as a certificate counts),
    unknown (no file says: indices, and all before the file is here), captured, verified, gaps. ``lost_next`` says what
    will be lost when, or None; ``at_risk`` what will not be had in time at the present rate, or nothing. ``next_command`` is
    what to type now. ``certificate`` is the line of the latest session's certificate in force, empty when there is none.
    """

    path: Path
    accounts: tuple[AccountStatus, ...]
    last_session: date
    counts: dict[str, int]
    gaps_by_reason: dict[str, int]
    lost_next: str | None
    disk_bytes: int
    disk_days: int | None
    bars: int
    next_command: str
    sessions: int = 0
    contracts: int = 0
    certificate: str = ""
    at_risk: str = ""
    extras: dict[str, str] = field(default_factory=dict)


def differing_line(differences: pl.DataFrame) -> str:
    """Where two providers list contracts differently, in a sentence; empty where they do not."""
    if differences.is_empty():
        return ""
    names = differences.group_by("provider", "name").len().sort("provider", "name")
    words = ", ".join(f"{count:,} {name} at {provider}" for provider, name, count in names.iter_rows())
    count = differences["contract"].n_unique()
    return f"{count:,} contract{'s are' if count != 1 else ' is'} not listed alike by all providers ({words}); what was listed first is kept: fnolake instruments --differing"


def need_a_session(selection: Selection, calendar: Calendar, now: datetime) -> None:
    """
    Say why there is nothing in the dates of a selection, before anything is asked.

    Raises:
        ConfigError: Nothing of it is finished, or no hours are known (UnknownSession).
    """
    start, end = selection.start, selection.end
    if start is None and end is None:
        return
    try:
        sessions, unknown = wanted_sessions(selection, calendar, now)
    except ConfigError as error:
        if start is None or start != end:
            raise
        raise ConfigError(f"{_why_closed(start, ist_date(now))}; the last finished one is {calendar.last_finished(now)}") from error
    if not sessions:
        raise UnknownSession(f"{unknown[0]}: the calendar does not know whether it traded; add its hours to the [calendar] additions file")


def _why_closed(day: date, today: date) -> str:
    """Why a date is no finished session, for a person."""
    if day > today:
        return f"{day} is still to come"
    if day == today:
        return f"{day} is not finished yet"
    return f"{day} is a {day:%A}: no session" if day.weekday() >= 5 else f"{day} is a holiday: no session"


def per_minute(accounts: Sequence[AccountStatus]) -> int:
    """Requests a minute of those that are signed in, of all if none is; 200 without any; 0: no limits."""
    ready = [one for one in accounts if one.signed_in] or list(accounts)
    return sum(one.per_minute for one in ready) if ready else 200


def longest_span(accounts: Sequence[AccountStatus]) -> int | None:
    """Calendar days that a request may span at most at those of :func:`per_minute`; None: any number."""
    spans = [one.max_days for one in accounts if one.signed_in] or [one.max_days for one in accounts]
    return widest(spans)


def widest(spans: Sequence[int | None]) -> int | None:
    """The widest of some spans, None = any number; None without any."""
    known = [days for days in spans if days is not None]
    return max(known) if known and len(known) == len(spans) else None


def lake_status(
    store: Store, path: Path, accounts: tuple[AccountStatus, ...], calendar: Calendar, now: datetime, selection: Selection,
    freshness: FreshnessSettings | None = None, *, waits: bool = False,
) -> Status:
    """
    The lake at a glance, for the underlyings and kinds of ``selection`` (its dates are not looked at).

    ``waits``: an exchange file that is not here may still come (``wanted.hopes_for_files``).
    """
    last = calendar.last_finished(now)
    contracts = selected_contracts(store, selection) if store.instruments(None).height else store.instruments(None)
    chosen = Wanted(contracts, (last,))
    sources = plan_sources(store, chosen, now, waits=waits)
    daemon = doing(path, store.state)
    rows = status_rows(store, chosen, sources)
    missing, traded = gaps(rows), rows.select(trade=trade())["trade"]
    counts = {
        "listed": rows.height,
        "traded": traded.filter(traded == TRADED).len(),
        "unknown": traded.filter(traded == UNKNOWN).len(),
        "captured": rows.filter(pl.col("status").is_in(["complete", "empty_stated"])).height,
        "verified": rows.filter(pl.col("proof") == "verified").height,
        "gaps": missing.height,
    }
    used = disk_used(path)
    sessions = len(store.sessions())
    return Status(
        path=path, accounts=accounts, last_session=last, counts=counts, gaps_by_reason=_reasons(missing),
        lost_next=_lost_next(missing, ist_date(now)), at_risk=_at_risk(store, contracts, calendar, now, accounts, freshness), disk_bytes=used, disk_days=disk_days(path, used, sessions),
        bars=store.counts()["bars"], next_command=_next(accounts, contracts, counts), sessions=sessions,
        contracts=contracts.height, certificate=_certificate(store), extras={"exchange": "\n".join(source_lines(sources)), **({"daemon": daemon.line} if daemon else {})},
    )


def _certificate(store: Store) -> str:
    signed = store.certificates_in_force()
    return signed[-1].line if signed else ""


def risk_lately(
    store: Store, contracts: pl.DataFrame, calendar: Calendar, now: datetime, accounts: Sequence[AccountStatus], freshness: FreshnessSettings | None = None
) -> pl.DataFrame | None:
    """``sync.risk.at_risk`` of the sessions that the lake knows of late; None before there is any."""
    lately = tuple(store.sessions()[-SESSIONS_AT_ONCE:])
    if contracts.is_empty() or not lately:
        return None
    rule = freshness or FreshnessSettings()
    return outlook(store, Wanted(contracts, lately), calendar, now, per_minute(accounts), rule, longest_span(accounts))


def _at_risk(
    store: Store, contracts: pl.DataFrame, calendar: Calendar, now: datetime, accounts: Sequence[AccountStatus], freshness: FreshnessSettings | None
) -> str:
    risk = risk_lately(store, contracts, calendar, now, accounts, freshness)
    return "" if risk is None else risk_line(risk, ist_date(now))


def disk_used(path: Path) -> int:
    """Bytes of every file of a lake."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _reasons(missing: pl.DataFrame) -> dict[str, int]:
    label = pl.when(pl.col("reasons") == "").then("status").otherwise(pl.format("{}: {}", "status", "reasons"))
    counted = missing.select(label.alias("why")).group_by("why").len().sort("len", "why", descending=[True, False])
    return dict(counted.iter_rows())


def _lost_next(missing: pl.DataFrame, today: date) -> str | None:
    """What is lost first if nothing is done."""
    dated = missing.filter(pl.col("expiry") >= today)
    if dated.is_empty():
        return None
    first = dated["expiry"].min()
    assert isinstance(first, date)
    count = dated.filter(pl.col("expiry") == first).height
    left = (first - today).days
    when = "today" if left == 0 else f"in {left} day{'s' * (left != 1)}"
    return f"{count:,} contract-sessions are lost with the expiry of {first:%d %b %Y}, {when}"


def disk_days(path: Path, used: int, sessions: int) -> int | None:
    """How many more sessions fit, at the present size of one; None before there is any."""
    return int(shutil.disk_usage(path).free // max(used // sessions, 1)) if sessions else None


def _next(accounts: tuple[AccountStatus, ...], contracts: pl.DataFrame, counts: dict[str, int]) -> str:
    if not accounts:
        return "fnolake account add NAME --uid UID --secret-code env:VARIABLE"
    if not any(account.signed_in for account in accounts):
        return f"fnolake login {accounts[0].name}"
    if contracts.is_empty() or counts["gaps"]:
        return "fnolake sync"
    return "fnolake coverage"
