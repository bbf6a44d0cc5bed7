"""
What becomes of every missing contract-session: asked now, not traded, not listed, gone, or waiting for another day. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from fnolake.query.coverage import FATE, ExchangeSaid, exchange_fates, pairs
from fnolake.sync.freshness import WEEKDAYS, Fresh, Saving, dated, saving

ROWS_A_REQUEST = 4000
"""Rows that one answer should hold (design section 5, Span)."""

REFUSED_DAYS = 3
"""An expired contract is asked until it was refused on so many different days."""


@dataclass(frozen=True, slots=True)
class PlanFacts:
    """
    What planning must know.

    Attributes:
        contracts: ``model.instrument_schema`` rows that are selected.
        missing: Pairs (contract int64, session date) not covered yet.
        sessions: Open sessions, ascending: adjacency in this list makes a span.
        minutes: Continuous minutes of a session by (segment, session); 385 where not given.
        exchange: What the exchange's files say, as far as they are here.
        mean_rows: Columns contract, mean_rows: rows a session so far.
        today: IST date, for what is gone.
        horizon_days: Calendar days that the provider keeps.
        refusals: Columns contract, days, last: on how many days it was refused after its expiry, and on which last.
        reused: Contracts whose token is another's now: nobody can be asked for them.
        fresh: What waits for its weekday; None: nothing does.
        since: Of the daily tier nothing before it is wanted; None: everything is.
        waiting: (venue, session) whose exchange file is still to come and is waited for.
        max_rows: Rows a request may be expected to bring.
        max_days: Calendar days that a request may span; None: any number.
    """

    contracts: pl.DataFrame
    missing: pl.DataFrame
    sessions: tuple[date, ...]
    today: date
    exchange: ExchangeSaid = field(default_factory=ExchangeSaid)
    mean_rows: pl.DataFrame | None = None
    minutes: dict[tuple[str, date], int] = field(default_factory=dict)
    horizon_days: int = 300
    refusals: pl.DataFrame | None = None
    reused: pl.Series | None = None
    fresh: Fresh | None = None
    since: date | None = None
    waiting: frozenset[tuple[str, date]] = frozenset()
    max_rows: int = ROWS_A_REQUEST
    max_days: int | None = None


def fated(facts: PlanFacts) -> pl.DataFrame:
    """Missing pairs, ascending, with what the exchange says of them, whether they can still be had, and when they are ``due``."""
    kept_from = facts.today - timedelta(days=facts.horizon_days)
    lost = (pl.col("session") < kept_from) | pl.col("contract").is_in(_given_up(facts).implode())
    fates = exchange_fates(facts.missing.sort("contract", "session"), facts.contracts, facts.exchange)
    listed = pl.col("fate") == "listed"
    fates = fates.with_columns(fate=pl.when(listed & lost).then(pl.lit("gone", FATE)).otherwise("fate"), due=pl.lit(None, pl.Date))
    again = facts.today + timedelta(days=1)
    refused_today = listed & pl.col("contract").is_in(_refused_today(facts).implode())
    fates = fates.with_columns(
        fate=pl.when(refused_today).then(pl.lit("later", FATE)).otherwise("fate"), due=pl.when(refused_today).then(again).otherwise("due"),
    )
    fates = _told_to_wait(fates, facts) if facts.waiting else fates
    return fates if facts.fresh is None else _waiting(fates, facts, facts.fresh)


def _told_to_wait(judged: pl.DataFrame, facts: PlanFacts) -> pl.DataFrame:
    """Options that live longer than their session and whose file is still to come are ``waiting``, in the same order."""
    options = facts.contracts.filter(pl.col("kind") == "option").select("contract", "venue", "expiry")
    days = pl.DataFrame(sorted(facts.waiting), schema={"venue": pl.String, "session": pl.Date}, orient="row").with_columns(waits=pl.lit(value=True))
    joined = judged.join(options, on="contract", how="left", maintain_order="left").join(
        days, on=["venue", "session"], how="left", maintain_order="left",
    )
    held = (pl.col("fate") == "listed") & pl.col("waits").fill_null(value=False) & (pl.col("expiry") > pl.col("session"))
    return joined.with_columns(fate=pl.when(held).then(pl.lit("waiting", FATE)).otherwise("fate")).select(judged.columns)


def _given_up(facts: PlanFacts) -> pl.Series:
    """Expired contracts that are asked no more: refused on enough days, or their token is another's."""
    expired = facts.contracts.filter(pl.col("expiry") < facts.today)["contract"]
    often = facts.refusals.filter(pl.col("days") >= REFUSED_DAYS)["contract"] if facts.refusals is not None else pl.Series(dtype=pl.Int64)
    reused = facts.reused if facts.reused is not None else pl.Series(dtype=pl.Int64)
    return expired.filter(expired.is_in(often.implode()) | expired.is_in(reused.implode()))


def _refused_today(facts: PlanFacts) -> pl.Series:
    if facts.refusals is None:
        return pl.Series(dtype=pl.Int64)
    return facts.refusals.filter(pl.col("last") >= facts.today)["contract"]


def _waiting(fates: pl.DataFrame, facts: PlanFacts, said: Fresh) -> pl.DataFrame:
    """
    The pairs with what is not due yet as ``later``, and what is daily and before ``since`` as ``unwanted``.

    Whoever is asked now is asked for what waits too: it costs no request more.
    """
    first = said.turns["session"].min()
    recent = (pl.col("session") >= first) & (pl.col("fate") == "listed")
    rows = dated(fates.filter(recent).drop("due"), facts.contracts, said, facts.horizon_days)
    early = ~pl.col("weekly") & (pl.col("session") < facts.since) if facts.since is not None else pl.lit(value=False)
    rows = rows.with_columns(
        fate=pl.when(early).then(pl.lit("unwanted", FATE)).when(pl.col("due") > said.as_of).then(pl.lit("later", FATE)).otherwise("fate"),
    )
    rest = fates.filter(~recent.fill_null(value=False))
    asked = pl.concat([part.filter(pl.col("fate") == "listed")["contract"] for part in (rows, rest)]).unique()
    along = (pl.col("fate") == "later") & pl.col("contract").is_in(asked.implode())
    rows = rows.with_columns(fate=pl.when(along).then(pl.lit("listed", FATE)).otherwise("fate"))
    return pl.concat([rest, rows.select(rest.columns)]).sort("contract", "session")


def count_not_due(fates: pl.DataFrame, facts: PlanFacts) -> int:
    """How many of the selection's own sessions wait for a weekday."""
    spoken_of = pl.col("session") >= facts.since if facts.since is not None else pl.lit(value=True)
    return fates.filter((pl.col("fate") == "later") & spoken_of & ~pl.col("contract").is_in(_refused_today(facts).implode())).height


def week_saving(facts: PlanFacts) -> Saving | None:
    """What waiting saves a week, by the latest sessions; None where nothing waits."""
    if facts.fresh is None:
        return None
    latest = [day for day in facts.sessions if day <= facts.fresh.as_of][-WEEKDAYS:]
    listed = exchange_fates(pairs(facts.contracts, latest), facts.contracts, facts.exchange).filter(pl.col("fate") == "listed")
    rows = dated(listed.select("contract", "session"), facts.contracts, facts.fresh, facts.horizon_days)
    return saving(rows.filter("weekly"), len(latest))
