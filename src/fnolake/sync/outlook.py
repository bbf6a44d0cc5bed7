"""What a plan means for the deadlines ahead, by the calendar and the accounts' budget."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta

import polars as pl

from fnolake.config.settings import FreshnessSettings
from fnolake.market.calendar import Calendar
from fnolake.model import IST, ist_date
from fnolake.store.store import Store
from fnolake.sync.plan import Plan
from fnolake.sync.risk import Evenings, at_risk, risk_line
from fnolake.sync.wanted import Wanted, plan_wanted


def evenings_of(calendar: Calendar, now: datetime, last_deadline: date, per_minute: int, minutes: float, load: int) -> Evenings:
    """What can be asked until a deadline; after an evening's midnight brokers answer nothing, so today ends there."""
    today = ist_date(now)
    local = now.astimezone(IST)
    left = 24 * 60 - local.hour * 60 - local.minute
    days = calendar.sessions(today + timedelta(days=1), last_deadline) if last_deadline > today else []
    return Evenings(today, days, per_minute, minutes, min(minutes, left), load)


def risk_of(store: Store, plan: Plan, chosen: Wanted, calendar: Calendar, now: datetime, rule: FreshnessSettings) -> pl.DataFrame:
    """``risk.at_risk`` of a plan; a coming session is taken to bring as many requests as the last one did or will."""
    end = plan.rows["deadline"].max()
    assert end is None or isinstance(end, date)
    load = _load(store, plan, chosen)
    return at_risk(plan.rows, evenings_of(calendar, now, end or ist_date(now), plan.per_minute, rule.evening_minutes, load))


def _load(store: Store, plan: Plan, chosen: Wanted) -> int:
    """Contracts of the last session that were asked for or will be."""
    if not chosen.sessions or plan.rows.is_empty():
        return 0
    last = chosen.sessions[-1]
    asked = store.coverage([last]).select("contract").join(chosen.contracts.select("contract"), on="contract")["contract"]
    due = plan.rows.filter(pl.col("sessions").list.last() == last)["contract"]
    return pl.concat([asked, due]).n_unique()


def warned(store: Store, plan: Plan, chosen: Wanted, calendar: Calendar, now: datetime, rule: FreshnessSettings) -> Plan:
    """The plan with a line on what will not fit, or is lost after today."""
    line = risk_line(risk_of(store, plan, chosen, calendar, now, rule), ist_date(now))
    return replace(plan, warnings=(*plan.warnings, line)) if line else plan


def outlook(
    store: Store, chosen: Wanted, calendar: Calendar, now: datetime, per_minute: int, rule: FreshnessSettings, max_days: int | None = None,
) -> pl.DataFrame:
    """What will be lost when, of everything that is wanted and not here, whether or not it waits for a weekday."""
    now_wanted = replace(chosen, since=None, patient=False)
    plan = plan_wanted(store, now_wanted, calendar, now, per_minute, max_days=max_days)
    return risk_of(store, plan, now_wanted, calendar, now, rule)
