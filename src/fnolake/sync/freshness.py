"""
When a contract-session is asked for: in the evening of its session, or once a week on the contract's own weekday. Pure.

A waiting contract-session is *due* on its contract's turn, or at its deadline if that comes first: the contract's last
session, or the last one before its minutes leave the provider's horizon. Invariant: nothing is due after its deadline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from fnolake.config.settings import FreshnessSettings

WEEKDAYS = 5
BEHIND_DAYS = 13
"""Calendar days before the last finished session in which something may have waited: a week's turn, holidays included."""

AHEAD_DAYS = 21
"""Calendar days after it in which a turn is looked for."""

MONEY_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {"venue": pl.String, "underlying": pl.String, "session": pl.Date, "price_paise": pl.Int64}
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_GROUP = ("venue", "underlying", "expiry")


@dataclass(frozen=True, slots=True)
class Fresh:
    """
    What decides when something is due.

    Attributes:
        rule: The user's tiers.
        as_of: The last finished session; its evening is now.
        turns: session, weekday (int8), due (date): the turn of that weekday's contracts that takes the session.
        ladder: contract, group, place: where an option's strike stands among those of its underlying and expiry.
        centre: group, session, centre: place of the strike at or below the money.
    """

    rule: FreshnessSettings
    as_of: date
    turns: pl.DataFrame
    ladder: pl.DataFrame
    centre: pl.DataFrame


@dataclass(frozen=True, slots=True)
class Saving:
    """What waiting saves in a week, judged by ``sessions`` sessions: requests of these contracts taken daily and weekly."""

    daily: int = 0
    weekly: int = 0
    sessions: int = WEEKDAYS

    @property
    def line(self) -> str:
        """For a person."""
        about = "about" if self.sessions >= WEEKDAYS else "at most"
        return f"waiting saves {about} {self.daily - self.weekly:,} requests a week: {self.weekly:,} instead of {self.daily:,}"


def has_weekly(rule: FreshnessSettings) -> bool:
    """Whether anything waits under a rule."""
    return "weekly" in {rule.spot, rule.futures, rule.near, rule.rest}


def fresh(
    rule: FreshnessSettings, contracts: pl.DataFrame, money: pl.DataFrame, open_days: Sequence[date], as_of: date
) -> Fresh:
    """
    Prepare what decides when something is due.

    Args:
        rule: The user's tiers.
        contracts: All selected contracts: a ladder of strikes needs every one of them.
        money: ``MONEY_SCHEMA``: the underlying's price at a session's end; a session without one makes all strikes near.
        open_days: Sessions from ``BEHIND_DAYS`` before ``as_of`` to three weeks after it, ascending.
        as_of: The last finished session.
    """
    ladder = _ladder(contracts)
    return Fresh(rule, as_of, turns(open_days), ladder.select("contract", "group", "place"), _centres(ladder, money))


def turns(open_days: Sequence[date]) -> pl.DataFrame:
    """
    The turn that takes each session, for contracts of each weekday: session, weekday, due.

    A week's turn is the first session on or after the weekday, else the week's last. Sessions after the last turn known
    are due at once.
    """
    weeks: dict[tuple[int, int], list[date]] = {}
    for day in open_days:
        weeks.setdefault(day.isocalendar()[:2], []).append(day)
    rows = []
    for weekday in range(WEEKDAYS):
        ends = [next((day for day in days if day.weekday() >= weekday), days[-1]) for days in weeks.values()]
        rows += [(day, weekday, next((end for end in ends if end >= day), day)) for day in open_days]
    return pl.DataFrame(rows, schema={"session": pl.Date, "weekday": pl.Int8, "due": pl.Date}, orient="row")


def weekday_of(contracts: pl.DataFrame) -> pl.Series:
    """Each contract's weekday, 0 to 4, by a hash of its token, so that the week's load is even."""
    mixed = contracts["token"].cast(pl.Int64).to_numpy().astype(np.uint64) * _GOLDEN
    return pl.Series("weekday", ((mixed >> np.uint64(33)) % np.uint64(WEEKDAYS)).astype(np.int8))


def dated(pairs: pl.DataFrame, contracts: pl.DataFrame, said: Fresh, horizon_days: int) -> pl.DataFrame:
    """
    When each pair is due.

    Args:
        pairs: contract, session; other columns are kept, and the order too.
        contracts: ``model.instrument_schema`` rows of them.
        said: From :func:`fresh`.
        horizon_days: Calendar days that the provider keeps.

    Returns:
        ``pairs`` with ``weekly`` (whether its tier waits), ``due`` and ``capped`` (due at its deadline, before its turn).
    """
    facts = contracts.select("contract", "kind", "expiry", weekday_of(contracts))
    rows = pairs.join(facts, on="contract", how="left", maintain_order="left").join(
        said.turns, on=["session", "weekday"], how="left", maintain_order="left",
    )
    rows = _with_near(rows, said)
    leaves = pl.col("session") + timedelta(days=horizon_days)
    rows = _with_last_chance(rows.with_columns(deadline=pl.min_horizontal("expiry", leaves)), said)
    weekly = _is_weekly(said.rule) & pl.col("due").is_not_null()
    turn = pl.when(weekly).then("due").otherwise("session")
    capped = weekly & (pl.col("last_chance") < turn)
    due = pl.when(capped).then(pl.max_horizontal("last_chance", "session")).otherwise(turn)
    return rows.with_columns(weekly=weekly, capped=capped, due=due).select(*pairs.columns, "weekly", "due", "capped")


def _with_last_chance(rows: pl.DataFrame, said: Fresh) -> pl.DataFrame:
    """Add ``last_chance``: the last known session that is not after the deadline."""
    known = said.turns.select(last_chance="session").unique().sort("last_chance")
    ends = rows.select("deadline").unique().drop_nulls().sort("deadline")
    chances = ends.join_asof(known, left_on="deadline", right_on="last_chance", coalesce=False)
    return rows.join(chances, on="deadline", how="left", maintain_order="left")


def _is_weekly(rule: FreshnessSettings) -> pl.Expr:
    kind, weekly = pl.col("kind"), "weekly"
    return (
        pl.when(kind == "spot").then(pl.lit(rule.spot == weekly))
        .when(kind == "future").then(pl.lit(rule.futures == weekly))
        .when("near").then(pl.lit(rule.near == weekly)).otherwise(pl.lit(rule.rest == weekly))
    )


def _with_near(rows: pl.DataFrame, said: Fresh) -> pl.DataFrame:
    """Add ``near``: within the rule's strikes of the money, or where the money is not known."""
    placed = rows.join(said.ladder, on="contract", how="left", maintain_order="left").join(
        said.centre, on=["group", "session"], how="left", maintain_order="left",
    )
    away = pl.col("place") - pl.col("centre")
    count = said.rule.near_strikes
    return placed.with_columns(near=((away > -count) & (away <= count)).fill_null(value=True))


def _ladder(contracts: pl.DataFrame) -> pl.DataFrame:
    """Options with the number of their group and their strike's place in it."""
    options = contracts.filter(pl.col("kind") == "option").select("contract", *_GROUP, "strike_paise").sort(*_GROUP, "strike_paise")
    return options.with_columns(
        group=pl.struct(_GROUP).rank("dense").cast(pl.Int32),
        place=pl.col("strike_paise").rank("dense").over(*_GROUP).cast(pl.Int32),
    )


def _centres(ladder: pl.DataFrame, money: pl.DataFrame) -> pl.DataFrame:
    """For each group and session of which the price is known: the place of the highest strike at or below it, else 0."""
    groups = ladder.select("venue", "underlying", "group").unique()
    priced = money.join(groups, on=["venue", "underlying"]).select("group", "session", strike_paise="price_paise").sort("strike_paise")
    strikes = ladder.select("group", "strike_paise", centre="place").unique().sort("strike_paise")
    found = priced.join_asof(strikes, on="strike_paise", by="group", check_sortedness=False)
    return found.select("group", "session", pl.col("centre").fill_null(0))


def saving(pairs: pl.DataFrame, sessions: int) -> Saving:
    """
    What waiting saves, from the weekly tier's contract-sessions of some sessions, taken daily or weekly.

    Args:
        pairs: contract, capped: those that traded, as far as is known; all of the weekly tier.
        sessions: How many sessions they are of.
    """
    weekly = pairs.group_by("capped").agg(pl.col("contract").n_unique())["contract"].sum() if pairs.height else 0
    return Saving(pairs.height, int(weekly), sessions)
