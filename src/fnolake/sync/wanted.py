"""
What is wanted, from a selection: sessions, contracts and the facts that the plan needs. Reads the store, writes nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import polars as pl

from fnolake.config.settings import ExchangeSettings, FreshnessSettings
from fnolake.errors import ConfigError, UnknownInstrument
from fnolake.market.calendar import Calendar
from fnolake.model import Selection, ist_date
from fnolake.query.coverage import COVERED, ExchangeSaid, alive, statuses
from fnolake.store.store import Store
from fnolake.sync import repair
from fnolake.sync.fates import PlanFacts
from fnolake.sync.freshness import AHEAD_DAYS, BEHIND_DAYS, MONEY_SCHEMA, Fresh, fresh, has_weekly
from fnolake.sync.money import money
from fnolake.sync.plan import Plan, make_plan, merge_plans
from fnolake.sync.sources import Source, sources_of, waiting

HORIZON_DAYS = 300
"""About ten months, what Shoonya was seen to keep (protocols/shoonya.md, 2026-01-14)."""


DROP = "drop"
"""Folder below the lake for files of the exchange that the user fetched."""
SESSIONS_AT_ONCE = 10
PAIRS_AT_ONCE = 1_500_000
"""Bounds of what is held in memory: 100 bytes a pair."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Selected contracts (``model.instrument_schema``, one row each) and open, finished sessions, ascending.

    Sessions before ``since`` are wanted only of what waits for a weekday; ``patient``: something may wait, for no date
    was named. ``repairs``: findings of other sessions are asked again too; ``retry``: those that were given up as well.
    """

    contracts: pl.DataFrame
    sessions: tuple[date, ...]
    unknown: tuple[date, ...] = ()
    since: date | None = None
    patient: bool = False
    repairs: bool = False
    retry: bool = False

    @property
    def asked_for(self) -> tuple[date, ...]:
        """The sessions that the user speaks of, without those that are looked at for what waited."""
        return self.sessions if self.since is None else tuple(day for day in self.sessions if day >= self.since)


def wanted_sessions(selection: Selection, calendar: Calendar, now: datetime) -> tuple[tuple[date, ...], tuple[date, ...]]:
    """
    The finished sessions of a selection and the dates whose hours nobody knows.

    Raises:
        ConfigError: The span is the wrong way round, or nothing of it is finished.
    """
    finished = calendar.last_finished(now)
    first = ist_date(now) - timedelta(days=HORIZON_DAYS) if selection.backfill else selection.end or finished
    start = selection.start or first
    end = selection.end or (finished if selection.start is None or selection.start <= finished else selection.start)
    if start > end:
        raise ConfigError(f"--from {start} is after --to {end}; give the earlier date first")
    sessions = tuple(day for day in calendar.sessions(start, min(end, finished)))
    unknown = tuple(calendar.unknown(start, min(end, finished)))
    if not sessions and not unknown:
        raise ConfigError(f"no finished session from {start} to {end}; the last one is {finished}")
    return sessions, unknown


def wanted(store: Store, selection: Selection, calendar: Calendar, now: datetime, freshness: FreshnessSettings | None = None) -> Wanted:
    """
    Contracts and sessions of a selection.

    With a weekly tier, what was missed since the lake began, two weeks back at most, is wanted beside the last session.

    Raises:
        ConfigError: No finished session in the selection.
        UnknownInstrument: An underlying that no master named.
    """
    sessions, unknown = wanted_sessions(selection, calendar, now)
    dated = selection.start is not None or selection.end is not None
    now_only = Wanted(selected_contracts(store, selection), sessions, unknown, repairs=not dated, retry=selection.retry)
    if freshness is None or not has_weekly(freshness) or (dated and not selection.backfill):
        return now_only
    if selection.backfill or not sessions:
        return replace(now_only, patient=True)
    first = max(min(store.sessions(), default=sessions[-1]), sessions[-1] - timedelta(days=BEHIND_DAYS))
    behind = tuple(day for day in calendar.sessions(first, sessions[-1]) if day < sessions[0])
    return replace(now_only, sessions=behind + sessions, since=sessions[0], patient=True)


def from_start(selection: Selection | None, first: date | None) -> Selection:
    """The selection without what lies before ``first``, the first session that the user ever wants."""
    chosen = selection or Selection()
    if first is None or not chosen.backfill or (chosen.start is not None and chosen.start >= first):
        return chosen
    return replace(chosen, start=first)


def selected_contracts(store: Store, selection: Selection) -> pl.DataFrame:
    """The latest row of every selected contract."""
    rows = store.instruments(None)
    if rows.height:
        _known_underlyings(rows, selection.underlyings)
    if selection.underlyings:
        rows = rows.filter(pl.col("underlying").is_in(selection.underlyings))
    return rows.filter(pl.col("kind").is_in(selection.kinds)) if selection.kinds else rows


def captured_selection(store: Store, selection: Selection) -> Selection:
    """The selection narrowed to underlyings captured of late, where it names none and there are any."""
    if selection.underlyings:
        return selection
    lately = store.sessions()[-SESSIONS_AT_ONCE:]
    if not lately:
        return selection
    ids = pl.Series(store.captured(lately[0]), dtype=pl.Int64)
    names = store.instruments(None).filter(pl.col("contract").is_in(ids.implode()))["underlying"].unique().sort()
    return replace(selection, underlyings=tuple(names))


def _known_underlyings(rows: pl.DataFrame, names: Iterable[str]) -> None:
    known = rows["underlying"].unique().to_list()
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else "see `fnolake instruments`"
            raise UnknownInstrument(f"no underlying {name} in this lake; {hint}")


def exchange_said(store: Store, sessions: Iterable[date]) -> ExchangeSaid:
    """What the exchange's files of these sessions say, matched to contracts; read some sessions at a time."""
    days = tuple(sessions)
    here = frozenset(key for key in store.exchange_days() if key[2] in set(days))
    if not here:
        return ExchangeSaid()
    parts = [
        store.exchange_rows(days[first : first + SESSIONS_AT_ONCE]).select("contract", "session", "volume", "trades")
        for first in range(0, len(days), SESSIONS_AT_ONCE)
    ]
    return ExchangeSaid(pl.concat(parts), here)


def hopes_for_files(store: Store, exchange: ExchangeSettings, selection: Selection | None) -> bool:
    """Whether an exchange file that is not here may come and is worth waiting for: by consent, or by the user's own hand."""
    wanted_so = exchange.wait and (selection is None or selection.wait)
    return wanted_so and (exchange.consent or (store.path / DROP).is_dir())


def plan_sources(store: Store, chosen: Wanted, now: datetime, *, waits: bool) -> tuple[Source, ...]:
    """Who says what was listed, for every venue and session of the wanted derivatives."""
    venues = chosen.contracts.filter(pl.col("segment") == "FO")["venue"].unique().to_list()
    return sources_of(venues, chosen.sessions, frozenset(store.exchange_days()), now, waits=waits)


def with_waiting(store: Store, chosen: Wanted, last: date, now: datetime, *, waits: bool) -> Wanted:
    """The wanted with the last finished session too, where options of it wait for their file, whatever of it is here."""
    if last in chosen.sessions or not waiting(plan_sources(store, replace(chosen, sessions=(last,)), now, waits=waits)):
        return chosen
    return replace(chosen, sessions=(*chosen.sessions, last))


def plan_wanted(
    store: Store, chosen: Wanted, calendar: Calendar, now: datetime, per_minute: int = 200, freshness: FreshnessSettings | None = None,
    *, tries: int = repair.TRIES, waits: bool = False, max_days: int | None = None,
) -> Plan:
    """
    What is missing of the wanted, and what is to be asked again because of a finding, as requests.

    Some contracts at a time, so that memory does not grow with contracts times sessions.

    Args:
        store: Open.
        chosen: What is wanted.
        calendar: For the minutes of a session.
        now: Aware.
        per_minute: Requests a minute of all accounts.
        freshness: What may wait for a weekday; None: nothing.
        tries: How often a finding is asked again.
        waits: Options wait for an exchange file that may still come.
        max_days: Calendar days that a request may span at every account.
    """
    sources = plan_sources(store, chosen, now, waits=waits)
    held = waiting(sources)
    found = repair.states(store, now, tries=tries, retry=chosen.retry)
    _, due = repair.split(found.select("contract", "session"), found, chosen.contracts, None if chosen.repairs else chosen.sessions)
    days = tuple(sorted({*chosen.sessions, *due["session"].unique().to_list()}))
    said, mean = exchange_said(store, days), store.mean_rows()
    minutes = session_minutes(calendar, days)
    size = max(PAIRS_AT_ONCE // max(len(chosen.sessions), 1), 1)
    due_when = fresh_of(store, chosen, calendar, now, freshness) if freshness is not None else None
    refusals, reused = store.refusals(), reused_tokens(store.instruments(None))
    plans = []
    for contracts in chosen.contracts.sort("contract").iter_slices(size):
        ids = contracts["contract"]
        inside = pl.col("contract").is_between(ids[0], ids[-1])
        missing = store.missing(contracts, list(chosen.sessions))
        facts = PlanFacts(
            contracts=contracts, missing=missing, sessions=days, today=ist_date(now),
            exchange=ExchangeSaid(said.rows.filter(inside), said.days), mean_rows=mean.filter(inside), minutes=minutes,
            horizon_days=HORIZON_DAYS, waiting=held, refusals=refusals, reused=reused, fresh=due_when, since=chosen.since if due_when else None,
            max_days=max_days,
        )
        spans, alone = repair.split(alive(missing, contracts), found, contracts, None if chosen.repairs else chosen.sessions)
        plans.append(make_plan(replace(facts, missing=spans), per_minute))
        if alone.height:
            again = make_plan(replace(facts, missing=alone, max_rows=1, fresh=None, since=None), per_minute)
            plans.append(replace(again, rows=repair.named(again.rows, found)))
    return replace(merge_plans(plans, per_minute), sources=sources)


def fresh_of(store: Store, chosen: Wanted, calendar: Calendar, now: datetime, rule: FreshnessSettings) -> Fresh | None:
    """What decides when something is due; None when nothing waits."""
    if not chosen.patient or not has_weekly(rule) or not chosen.sessions:
        return None
    as_of = calendar.last_finished(now)
    open_days = calendar.sessions(as_of - timedelta(days=BEHIND_DAYS), as_of + timedelta(days=AHEAD_DAYS))
    lately = [day for day in chosen.sessions if day in set(open_days)]
    prices = money(store, lately) if rule.near != rule.rest else pl.DataFrame(schema=MONEY_SCHEMA)
    return fresh(rule, chosen.contracts, prices, open_days, as_of)


def reused_tokens(contracts: pl.DataFrame) -> pl.Series:
    """Contracts whose token is a later contract's now."""
    key = ("venue", "segment", "token")
    return contracts.filter(pl.col("contract") < pl.col("contract").max().over(*key))["contract"]


def session_minutes(calendar: Calendar, sessions: Iterable[date]) -> dict[tuple[str, date], int]:
    """Continuous minutes of each session by segment, for the expected rows."""
    found = {}
    for day in sessions:
        for segment in ("CM", "FO"):
            session = calendar.session("NSE", segment, day, closing_auction=segment == "CM")
            if session is not None:
                found[segment, day] = session.minutes
    return found


def status_rows(store: Store, chosen: Wanted, sources: Iterable[Source] = ()) -> pl.DataFrame:
    """``query.coverage.statuses`` of the wanted contracts and sessions; what waits by ``sources`` says so as its reason."""
    known = store.coverage(list(chosen.sessions))
    rows = statuses(chosen.contracts, chosen.sessions, known, exchange_said(store, chosen.sessions))
    held = waiting(sources)
    if not held:
        return rows
    waits = pl.struct("venue", "session").is_in([{"venue": venue, "session": day} for venue, day in sorted(held)])
    quiet = (pl.col("status") == "missing") & (pl.col("kind") == "option") & (pl.col("expiry") > pl.col("session"))
    return rows.with_columns(reasons=pl.when(waits & quiet).then(pl.lit("waits_for_exchange_file")).otherwise("reasons"))


@dataclass(frozen=True, slots=True)
class Counts:
    """Listed contract-sessions, and how many of them are covered and verified."""

    listed: int = 0
    covered: int = 0
    verified: int = 0


def count_wanted(store: Store, chosen: Wanted) -> Counts:
    """What there is of the wanted; some sessions at a time, so that memory does not grow with their number."""
    listed = covered = verified = 0
    for first in range(0, len(chosen.sessions), SESSIONS_AT_ONCE):
        rows = status_rows(store, Wanted(chosen.contracts, chosen.sessions[first : first + SESSIONS_AT_ONCE]))
        listed += rows.height
        covered += rows.filter(pl.col("status").is_in(COVERED)).height
        verified += rows.filter(pl.col("proof") == "verified").height
    return Counts(listed, covered, verified)
