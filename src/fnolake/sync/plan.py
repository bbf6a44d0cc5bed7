"""
What to ask, in which order: wanted minus covered, cut into spans. Pure: tables in, a table out.

A contract-session is *wanted* when the contract was listed on that session (in its bhavcopy, or, without one, in the
master in force). What the exchange says did not trade is never asked for. Requests are ordered by deadline, then by
value. Invariant: every missing pair is in exactly one of ``requests``, ``untraded``, ``unlisted``, ``gone``, ``waiting`` (for
the exchange's file) or ``later``, but for those before ``PlanFacts.since`` that nobody waits for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from fnolake.sync.fates import REFUSED_DAYS, PlanFacts, count_not_due, fated, week_saving
from fnolake.sync.freshness import Saving
from fnolake.sync.sources import Source, source_lines

OPTION_ROWS_A_MINUTE = 0.1
BYTES_A_ROW = 230
"""Size of one TPSeries row on the wire, measured against the emulator; for the estimate only."""

PLAN_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "symbol": pl.String, "kind": pl.String, "underlying": pl.String, "venue": pl.String, "first": pl.Date,
    "last": pl.Date, "sessions": pl.List(pl.Date), "expected_rows": pl.Float64, "deadline": pl.Date,
    "expired": pl.Boolean,
    "repair": pl.String, "last_account": pl.String,
}
_KIND_VALUE = {"spot": 0, "future": 1, "option": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What ``sync`` would do.

    ``rows`` has one row a request, in order: contract, symbol, kind, underlying, venue, first, last (sessions,
    inclusive), sessions (list of dates), expected_rows, deadline, expired (asked after its expiry, by its archived token),
    repair (the finding that asks for it, empty = none), last_account (who was asked before it was found). The counts are
    contract-sessions. ``waits`` counts them by the day they wait for; ``not_due`` are those of the selection's sessions that
    wait for a weekday. ``second_look`` is how many requests more a second provider is asked at most, after these, to
    compare. ``warnings`` say what will not be had in time.
    """

    rows: pl.DataFrame
    untraded: int = 0
    unlisted: int = 0
    gone: int = 0
    waiting: int = 0
    sources: tuple[Source, ...] = ()
    listed_by: str = "master"
    per_minute: int = 200
    second_look: int = 0
    waits: Mapping[date, int] = field(default_factory=dict)
    not_due: int = 0
    saving: Saving | None = None
    warnings: tuple[str, ...] = ()

    @property
    def later(self) -> int:
        """How many contract-sessions wait for another day."""
        return sum(self.waits.values())

    @property
    def requests(self) -> int:
        """How many requests it takes when nothing fails."""
        return self.rows.height

    @property
    def sessions(self) -> tuple[date, ...]:
        """Sessions that are asked for, ascending."""
        return tuple(self.rows["sessions"].explode().drop_nulls().unique().sort().to_list())

    @property
    def contracts(self) -> int:
        """How many contracts have something missing."""
        return self.rows["contract"].n_unique()

    @property
    def contract_sessions(self) -> int:
        """How many contract-sessions are missing and still served."""
        return int(self.rows["sessions"].list.len().sum()) if self.rows.height else 0

    @property
    def minutes_of_budget(self) -> float:
        """Minutes that the requests take under the account's per-minute allowance (0 = no limits)."""
        return self.requests / self.per_minute if self.per_minute else 0.0

    @property
    def bytes(self) -> int:
        """Bytes on the wire, estimated from the expected rows."""
        return int(self.rows["expected_rows"].sum() * BYTES_A_ROW) if self.rows.height else 0

    @property
    def _pace(self) -> str:
        minutes = f"about {self.minutes_of_budget:,.1f} minutes at {self.per_minute} requests a minute"
        return minutes if self.per_minute else "no limits on requests"

    @property
    def lines(self) -> list[str]:
        """The plan in a few sentences for a person."""
        if not self.requests:
            text = ["Nothing to fetch now." if self.waiting or self.later else "Nothing to fetch: every wanted contract-session is covered."]
        else:
            text = [
                f"{self.contract_sessions:,} contract-sessions of {self.contracts:,} contracts in {self.requests:,} requests",
                f"{self._pace}, about {self.bytes / 1e6:,.0f} MB on the wire",
                f"first deadline {self.rows['deadline'].min()!s}",
            ]
        repairs = self.rows.filter(pl.col("repair") != "").height
        if repairs:
            text.append(f"{repairs:,} of them ask again for what was found not to be as the exchange says, or doubtful (`fnolake gaps --repairs`)")
        if self.untraded:
            text.append(f"{self.untraded:,} untraded by the exchange's file: no request")
        if self.unlisted:
            text.append(f"{self.unlisted:,} not in the exchange's file of that day: not listed")
        if self.gone:
            text.append(f"{self.gone:,} cannot be saved: expired, or older than the provider keeps")
        text += self._waiting_lines
        if self.second_look:
            text.append(f"up to {self.second_look:,} more requests after these: a second provider is asked, to compare ([compare] sample)")
        if self.waiting:
            text.append(f"{self.waiting:,} wait for the exchange's file, which may say that they did not trade: no request yet")
        text += source_lines(self.sources) or [f"listed contracts are taken from the {self.listed_by}"]
        return [*text, *self.warnings]

    @property
    def _waiting_lines(self) -> list[str]:
        """What waits for which day, and what that saves."""
        text = []
        if self.waits:
            days = ", ".join(f"{day:%a %d %b} {count:,}" for day, count in sorted(self.waits.items()))
            text.append(f"{self.later:,} contract-sessions wait for their day ([freshness], docs/deadlines.md): {days}")
        if self.saving is not None and self.saving.daily:
            text.append(self.saving.line)
        if self.asked_late:
            text.append(f"{self.asked_late:,} requests are for expired contracts, by their archived tokens, until refused on {REFUSED_DAYS} days")
        return text

    @property
    def asked_late(self) -> int:
        """How many requests are for contracts that have expired."""
        return int(self.rows["expired"].sum())


def make_plan(facts: PlanFacts, per_minute: int = 200) -> Plan:
    """
    Cut the missing pairs into requests.

    Returns:
        The plan, its rows sorted by deadline, then spot, futures, options, then contract.
    """
    found = fated(facts)
    counted: dict[str, int] = dict(found.group_by(pl.col("fate").cast(pl.String)).len().iter_rows())
    untraded, unlisted, gone, held = (counted.get(name, 0) for name in ("untraded", "unlisted", "gone", "waiting"))
    waits = found.filter(pl.col("fate") == "later").group_by("due").len().sort("due")
    return Plan(
        _requests(_with_expected(_runs(found), facts), facts), untraded, unlisted, gone, held,
        listed_by="exchange's files" if facts.exchange.days else "master", per_minute=per_minute, waits=dict(waits.iter_rows()),
        not_due=count_not_due(found, facts), saving=week_saving(facts),
    )


def merge_plans(plans: Sequence[Plan], per_minute: int = 200) -> Plan:
    """Plans of different contracts as one, in the order of :func:`make_plan`."""
    if not plans:
        return Plan(pl.DataFrame(schema=PLAN_SCHEMA), per_minute=per_minute)
    rows = pl.concat([plan.rows for plan in plans])
    waits: dict[date, int] = {}
    for plan in plans:
        for day, count in plan.waits.items():
            waits[day] = waits.get(day, 0) + count
    saved = [plan.saving for plan in plans if plan.saving is not None]
    return Plan(
        in_order(rows), untraded=sum(plan.untraded for plan in plans),
        unlisted=sum(plan.unlisted for plan in plans), gone=sum(plan.gone for plan in plans),
        waiting=sum(plan.waiting for plan in plans), listed_by=plans[0].listed_by,
        per_minute=per_minute, waits=waits, not_due=sum(plan.not_due for plan in plans),
        saving=Saving(sum(one.daily for one in saved), sum(one.weekly for one in saved), saved[0].sessions) if saved else None,
    )


def in_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Requests by deadline, then spot, futures, options, then contract; what has expired after what expires today."""
    return rows.sort("deadline", "expired", _value("kind"), "contract", "first")


def _value(kind: str) -> pl.Expr:
    """Spot before futures before options."""
    return pl.col(kind).replace_strict(_KIND_VALUE, return_dtype=pl.Int8)


def _runs(fated: pl.DataFrame) -> pl.DataFrame:
    """The listed pairs with ``gap``: how many sessions before it the exchange says did not trade, asked for at no cost."""
    if not (fated["fate"] == "untraded").any():
        return fated.filter(pl.col("fate") == "listed").select("contract", "session", "trades", gap=pl.lit(0, pl.Int32))
    kept = fated.filter(pl.col("fate").is_in(["listed", "untraded"]))
    silent = (pl.col("fate") == "untraded").cast(pl.Int32).cum_sum()
    rows = kept.with_columns(silent=silent).filter(pl.col("fate") == "listed")
    return rows.select("contract", "session", "trades", gap=pl.col("silent") - pl.col("silent").shift(1).fill_null(0))


def _with_expected(pairs: pl.DataFrame, facts: PlanFacts) -> pl.DataFrame:
    """
    Pairs with ``nth`` (place of the session) and ``expected`` rows: min(trades, minutes), else the mean, else by kind.

    Only narrow columns ride along: there may be five million pairs.
    """
    days = pl.DataFrame(
        [(day, nth, facts.minutes.get(("CM", day), 385), facts.minutes.get(("FO", day), 385)) for nth, day in enumerate(facts.sessions)],
        schema={"session": pl.Date, "nth": pl.Int32, "cash": pl.Int32, "derivatives": pl.Int32}, orient="row",
    )
    kinds = facts.contracts.select("contract", spot=pl.col("kind") == "spot", option=pl.col("kind") == "option")
    rows = pairs.join(days, on="session", how="left", maintain_order="left").join(kinds, on="contract", how="left", maintain_order="left")
    minutes = pl.when("spot").then("cash").otherwise("derivatives").cast(pl.Float64)
    known: list[pl.Expr] = [pl.min_horizontal(pl.col("trades").cast(pl.Float64), minutes) if facts.exchange.days else pl.lit(None, pl.Float64)]
    if facts.mean_rows is not None and facts.mean_rows.height:
        rows = rows.join(facts.mean_rows, on="contract", how="left", maintain_order="left")
        known.append(pl.col("mean_rows"))
    traded = pl.when(pl.col("trades").is_not_null()).then(known[0])
    by_kind = pl.when("option").then(minutes * OPTION_ROWS_A_MINUTE).otherwise(minutes)
    return rows.select("contract", "session", "nth", "gap", expected=pl.coalesce(traded, *known[1:], by_kind))


def _requests(rows: pl.DataFrame, facts: PlanFacts) -> pl.DataFrame:
    """
    One row a request: runs of adjacent sessions of one contract, cut at the limits of rows and days. ``rows`` are ascending.

    Sessions in between that did not trade do not part a run.
    """
    follows = pl.col("nth") == pl.col("nth").shift(1) + 1 + pl.col("gap")
    apart = ((pl.col("contract") != pl.col("contract").shift(1)) | ~follows).fill_null(value=True)
    total = pl.col("expected").cum_sum()
    before = pl.when("apart").then(total - pl.col("expected")).forward_fill()
    part = ((total - before - 1).clip(0) / facts.max_rows).floor().cast(pl.Int32)
    since = (pl.col("session") - pl.when("apart").then("session").forward_fill()).dt.total_days()
    span = since // facts.max_days if facts.max_days else pl.lit(0, pl.Int64)
    ends = (pl.col("part") != pl.col("part").shift(1)) | (pl.col("span") != pl.col("span").shift(1))
    cut = (
        rows.with_columns(apart=apart).with_columns(part=part, span=span)
        .with_columns(request=(pl.col("apart") | ends).cum_sum())
    )
    names = facts.contracts.select("contract", "symbol", "kind", "underlying", "venue", "expiry")
    kept = timedelta(days=facts.horizon_days)
    until = pl.min_horizontal(pl.col("expiry"), pl.col("first") + kept)
    made = (
        cut.group_by("request", maintain_order=True)
        .agg(
            pl.col("contract").first(), first=pl.col("session").first(), last=pl.col("session").last(), sessions=pl.col("session"),
            expected_rows=pl.col("expected").sum(),
        )
        .join(names, on="contract", how="left")
        .with_columns(
            deadline=pl.max_horizontal(until, pl.lit(facts.today)), expired=(pl.col("expiry") < facts.today).fill_null(value=False),
            repair=pl.lit(""), last_account=pl.lit(""),
        )
    )
    return in_order(made).select(list(PLAN_SCHEMA))
