"""
What will be lost at which deadline, at the rate that the accounts allow. Pure: requests in, a table out.

Requests are taken in the plan's order, soonest deadline first, then by value; an evening takes as many as the accounts
allow in its minutes. What a deadline finds untaken is lost. Invariant: nothing is called lost that a sync of that many
minutes every evening would have asked for in time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

RISK_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "deadline": pl.Date, "contract_sessions": pl.Int64, "contracts": pl.Int64, "requests": pl.Int64, "minutes_needed": pl.Float64,
    "evenings": pl.Int64, "minutes_left": pl.Float64, "lost_requests": pl.Int64, "lost": pl.Int64, "lost_spot": pl.Int64,
    "lost_future": pl.Int64, "lost_option": pl.Int64,
}


@dataclass(frozen=True, slots=True)
class Evenings:
    """
    What can be asked until when.

    Attributes:
        today: IST date; ``minutes_today`` are left of its evening.
        days: The evenings after it, ascending.
        per_minute: Requests of all accounts together; 0: no limit.
        minutes: Of each coming evening.
        minutes_today: Of this one.
        load: Requests that every coming session brings by itself.
    """

    today: date
    days: Sequence[date]
    per_minute: int
    minutes: float
    minutes_today: float
    load: int = 0

    def until(self, deadline: date) -> int:
        """How many evenings there are up to a deadline, today's and the deadline's included."""
        return (self.minutes_today > 0) + sum(day <= deadline for day in self.days)

    def room(self, deadline: date) -> int:
        """How many requests fit up to a deadline, beside what the coming sessions bring."""
        tonight = int(self.per_minute * self.minutes_today)
        an_evening = max(int(self.per_minute * self.minutes) - self.load, 0)
        return tonight + an_evening * sum(day <= deadline for day in self.days)


def at_risk(requests: pl.DataFrame, evenings: Evenings) -> pl.DataFrame:
    """
    What is wanted by each deadline, what it takes and what will be lost.

    Args:
        requests: A plan's rows in their order: contract, kind, sessions, deadline, expired (these have no deadline left
            and are left out).
        evenings: What can be asked until when.

    Returns:
        ``RISK_SCHEMA``, by deadline: contract-sessions not captured, requests and minutes that they take, evenings and
        minutes of budget until then (of all deadlines together), and how many requests and contract-sessions do not fit:
        the least valuable of them.
    """
    rows = []
    taken = 0
    for deadline, due in _by_deadline(requests):
        fits = due.height if not evenings.per_minute else min(due.height, max(evenings.room(deadline) - taken, 0))
        taken += fits
        lost = due.slice(fits)
        counts = dict(lost.group_by("kind").agg(pl.col("count").sum()).iter_rows())
        minutes = due.height / evenings.per_minute if evenings.per_minute else 0.0
        left = evenings.room(deadline) / evenings.per_minute if evenings.per_minute else None
        rows.append((
            deadline, due["count"].sum(), due["contract"].n_unique(), due.height, minutes, evenings.until(deadline), left,
            lost.height, lost["count"].sum(), *(counts.get(kind, 0) for kind in ("spot", "future", "option")),
        ))
    return pl.DataFrame(rows, schema=RISK_SCHEMA, orient="row")


def _by_deadline(requests: pl.DataFrame) -> list[tuple[date, pl.DataFrame]]:
    live = requests.filter(~pl.col("expired")).select("contract", "kind", "deadline", count=pl.col("sessions").list.len().cast(pl.Int64))
    parts = live.partition_by("deadline", maintain_order=True, as_dict=True)
    return sorted(((_day(key[0]), part) for key, part in parts.items()), key=lambda each: each[0])


def _day(value: object) -> date:
    assert isinstance(value, date)
    return value


def risk_line(risk: pl.DataFrame, today: date) -> str:
    """One line on what will not be had in time, or on what expires today; empty when all is well."""
    lost = risk.filter(pl.col("lost") > 0)
    if lost.height:
        first = lost.row(0, named=True)
        rest = f" ({int(lost['lost'].sum()):,} by all deadlines)" if lost.height > 1 else ""
        return f"{first['lost']:,} contract-sessions will not fit before they are lost on {first['deadline']:%d %b %Y}{rest}: see `fnolake gaps --at-risk`"
    now = risk.filter(pl.col("deadline") <= today)
    if now.height:
        row = now.row(0, named=True)
        return (
            f"{row['contract_sessions']:,} contract-sessions of {row['contracts']:,} contracts are not captured and lost after today:"
            f" {row['requests']:,} requests"
        )
    return ""
