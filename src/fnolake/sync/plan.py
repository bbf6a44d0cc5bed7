"""
What to ask, in which order: wanted minus covered, cut into spans. Pure: tables in, a table out.

A contract-session is *wanted* when the contract was listed on that session (in its bhavcopy, or, without one, in the
master in force). What the exchange says did not trade is never asked for. Requests are ordered by deadline, then by
value. Invariant: every missing pair is in exactly one of ``requests``, ``untraded``, ``unlisted`` or ``gone``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta

import polars as pl

from fnolake.query.coverage import ExchangeSaid, exchange_fates

ROWS_A_REQUEST = 4000
"""Rows that one answer should hold (design section 5, Span)."""

OPTION_ROWS_A_MINUTE = 0.1
BYTES_A_ROW = 230
"""Size of one TPSeries row on the wire, measured against the emulator; for the estimate only."""

_KIND_VALUE = {"spot": 0, "future": 1, "option": 2}


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
        max_rows: Rows a request may be expected to bring.
    """

    contracts: pl.DataFrame
    missing: pl.DataFrame
    sessions: tuple[date, ...]
    today: date
    exchange: ExchangeSaid = field(default_factory=ExchangeSaid)
    mean_rows: pl.DataFrame | None = None
    minutes: dict[tuple[str, date], int] = field(default_factory=dict)
    horizon_days: int = 300
    max_rows: int = ROWS_A_REQUEST


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What ``sync`` would do.

    ``rows`` has one row a request, in order: contract, symbol, kind, underlying, venue, first, last (sessions,
    inclusive), sessions (list of dates), expected_rows, deadline. The counts are contract-sessions.
    """

    rows: pl.DataFrame
    untraded: int = 0
    unlisted: int = 0
    gone: int = 0
    listed_by: str = "master"
    per_minute: int = 200

    @property
    def requests(self) -> int:
        """How many requests it takes when nothing fails."""
        return self.rows.height

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
        """Minutes that the requests take under the account's per-minute allowance."""
        return self.requests / self.per_minute

    @property
    def bytes(self) -> int:
        """Bytes on the wire, estimated from the expected rows."""
        return int(self.rows["expected_rows"].sum() * BYTES_A_ROW) if self.rows.height else 0

    @property
    def lines(self) -> list[str]:
        """The plan in a few sentences for a person."""
        if not self.requests:
            text = ["Nothing to fetch: every wanted contract-session is covered."]
        else:
            text = [
                f"{self.contract_sessions:,} contract-sessions of {self.contracts:,} contracts in {self.requests:,} requests",
                f"about {self.minutes_of_budget:,.1f} minutes at {self.per_minute} requests a minute, {self.bytes / 1e6:,.0f} MB",
                f"first deadline {self.rows['deadline'].min()!s}",
            ]
        if self.untraded:
            text.append(f"{self.untraded:,} untraded by the exchange's file: no request")
        if self.unlisted:
            text.append(f"{self.unlisted:,} not in the exchange's file of that day: not listed")
        if self.gone:
            text.append(f"{self.gone:,} cannot be saved: expired, or older than the provider keeps")
        text.append(f"listed contracts are taken from the {self.listed_by}")
        return text


def make_plan(facts: PlanFacts, per_minute: int = 200) -> Plan:
    """
    Cut the missing pairs into requests.

    Returns:
        The plan, its rows sorted by deadline, then spot, futures, options, then contract.
    """
    pairs = _with_exchange(facts)
    counts = {name: int(pairs.filter(pl.col("fate") == name).height) for name in ("untraded", "unlisted", "gone")}
    listed_by = "exchange's files" if facts.exchange.days else "master"
    return Plan(_requests(pairs.filter(pl.col("fate") == "ask"), facts), **counts, listed_by=listed_by, per_minute=per_minute)


def _with_exchange(facts: PlanFacts) -> pl.DataFrame:
    """Missing pairs with contract facts, what the exchange says of them, and their fate."""
    kept_from = facts.today - timedelta(days=facts.horizon_days)
    lost = (pl.col("session") < kept_from) | (pl.col("expiry") < facts.today).fill_null(value=False)
    return exchange_fates(facts.missing, facts.contracts, facts.exchange).with_columns(
        fate=pl.when(pl.col("fate") != "listed").then("fate").when(lost).then(pl.lit("gone")).otherwise(pl.lit("ask"))
    )


def _expected_rows(pairs: pl.DataFrame, facts: PlanFacts) -> pl.DataFrame:
    """Rows each session will bring: min(trades, minutes), else the mean so far, else by kind."""
    hours = pl.DataFrame(
        [(segment, day, n) for (segment, day), n in facts.minutes.items()],
        schema={"segment": pl.String, "session": pl.Date, "minutes": pl.Int64}, orient="row",
    )
    mean = facts.mean_rows
    if mean is None:
        mean = pl.DataFrame(schema={"contract": pl.Int64, "mean_rows": pl.Float64})
    traded = pl.when(pl.col("trades").is_not_null()).then(pl.min_horizontal("trades", "minutes").cast(pl.Float64))
    by_kind = pl.when(pl.col("kind") == "option").then(pl.col("minutes") * OPTION_ROWS_A_MINUTE).otherwise(pl.col("minutes") * 1.0)
    return (
        pairs.join(hours, on=["segment", "session"], how="left")
        .with_columns(pl.col("minutes").fill_null(385))
        .join(mean, on="contract", how="left")
        .with_columns(
            expected=pl.coalesce(traded, "mean_rows", by_kind)
        )
    )


def _requests(pairs: pl.DataFrame, facts: PlanFacts) -> pl.DataFrame:
    """One row a request: runs of adjacent sessions of one contract, cut at the row limit."""
    index = pl.DataFrame(
        {"session": list(facts.sessions), "nth": list(range(len(facts.sessions)))},
        schema={"session": pl.Date, "nth": pl.Int64},
    )
    rows = (
        _expected_rows(pairs, facts).join(index, on="session", how="left").sort("contract", "session")
        .with_columns(run=(pl.col("nth").diff().over("contract").fill_null(1) != 1).cum_sum().over("contract"))
        .with_columns(part=((pl.col("expected").cum_sum().over("contract", "run") - 1).clip(0) // facts.max_rows))
    )
    kept = timedelta(days=facts.horizon_days)
    return (
        rows.group_by("contract", "run", "part", maintain_order=True)
        .agg(
            pl.col("symbol", "kind", "underlying", "venue", "expiry").first(),
            first=pl.col("session").min(), last=pl.col("session").max(), sessions=pl.col("session"),
            expected_rows=pl.col("expected").sum(),
        )
        .with_columns(
            deadline=pl.min_horizontal(pl.col("expiry"), pl.col("first") + kept),
            value=pl.col("kind").replace_strict(_KIND_VALUE, return_dtype=pl.Int8),
        )
        .sort("deadline", "value", "contract", "first")
        .select("contract", "symbol", "kind", "underlying", "venue", "first", "last", "sessions", "expected_rows", "deadline")
    )
