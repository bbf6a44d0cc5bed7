"""
What we have of every contract-session, and what is missing and why. Pure: tables in, tables out.

A contract-session is *listed* when its contract was valid on that session and, where the exchange's file is here, is
named in it. Invariant: every listed pair has exactly one ``status``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date

import polars as pl

EXCHANGE_COLUMNS = {"contract": pl.Int64, "session": pl.Date, "volume": pl.Int64, "trades": pl.Int64}
FATE = pl.Enum(["listed", "untraded", "unlisted", "gone", "waiting", "later", "unwanted"])
COVERED = ("complete", "untraded", "empty_stated")


@dataclass(frozen=True, slots=True)
class ExchangeSaid:
    """
    The exchange's files, as far as they are here.

    ``rows``: contract int64, session date, volume int64 (units), trades int64. ``days``: (venue, segment, session)
    for which the file is here.
    """

    rows: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=EXCHANGE_COLUMNS))
    days: frozenset[tuple[str, str, date]] = frozenset()




def pairs(contracts: pl.DataFrame, sessions: Iterable[date]) -> pl.DataFrame:
    """Every (contract, session) on which the contract was valid: ``contract`` int64, ``session`` date."""
    days = pl.DataFrame({"session": list(sessions)}, schema={"session": pl.Date})
    return alive(contracts.select("contract").join(days, how="cross"), contracts)


def alive(wanted: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    """The pairs of ``wanted`` whose contract was listed and not expired on the session."""
    facts = contracts.select("contract", "expiry", "valid_from", "valid_to")
    return (
        wanted.join(facts, on="contract")
        .filter(
            (pl.col("expiry").is_null() | (pl.col("session") <= pl.col("expiry")))
            & (pl.col("valid_from").is_null() | (pl.col("session") >= pl.col("valid_from")))
            & (pl.col("valid_to").is_null() | (pl.col("session") <= pl.col("valid_to")))
        )
        .select("contract", "session")
    )


def exchange_fates(wanted: pl.DataFrame, contracts: pl.DataFrame, said: ExchangeSaid) -> pl.DataFrame:
    """
    What the exchange's files say of pairs.

    Returns:
        contract, session, ``volume``, ``trades`` and ``fate`` (an Enum): ``untraded`` (volume 0), ``unlisted`` (the file
        is here and does not name it) or ``listed``; in the order of ``wanted``.
    """
    if not said.days:
        nothing = pl.lit(None, pl.Int64)
        return wanted.select("contract", "session", volume=nothing, trades=nothing, fate=pl.lit("listed", FATE))
    # A cash file lists only what traded and no index, so its silence says nothing of a spot contract.
    derivatives = contracts.filter(pl.col("kind") != "spot").select("contract", place=pl.col("venue") + pl.col("segment"))
    days = pl.DataFrame(
        [(venue + segment, day) for venue, segment, day in sorted(said.days)], schema={"place": pl.String, "session": pl.Date}, orient="row"
    )
    places = pl.Enum(sorted({*derivatives["place"].unique(), *days["place"]}))
    named = wanted.join(derivatives.cast({"place": places}), on="contract", how="left", maintain_order="left").join(
        days.cast({"place": places}).with_columns(has_file=pl.lit(value=True)), on=["place", "session"], how="left", maintain_order="left"
    )
    rows = named.join(said.rows.select(*EXCHANGE_COLUMNS), on=["contract", "session"], how="left", maintain_order="left")
    return rows.select(
        "contract", "session", "volume", "trades",
        fate=pl.when(pl.col("volume") == 0).then(pl.lit("untraded", FATE))
        .when(pl.col("has_file") & pl.col("volume").is_null()).then(pl.lit("unlisted", FATE)).otherwise(pl.lit("listed", FATE)),
    )


def statuses(contracts: pl.DataFrame, sessions: Iterable[date], known: pl.DataFrame, said: ExchangeSaid) -> pl.DataFrame:
    """
    One row a listed contract-session.

    Args:
        contracts: ``model.instrument_schema``, one row a contract.
        sessions: The sessions to speak of.
        known: The ledger's coverage: contract, session, outcome, proof, bars, reasons.
        said: The exchange's files.

    Returns:
        contract, session, venue, segment, underlying, kind, symbol, expiry, volume (the exchange's), ``status`` (an
        outcome, or ``missing`` where nothing was asked yet), proof, bars, reasons (text).
    """
    facts = contracts.select("contract", "symbol", "venue", "segment", "underlying", "kind", "expiry")
    listed = exchange_fates(pairs(contracts, sessions), contracts, said).filter(pl.col("fate") != "unlisted").join(facts, on="contract")
    have = known.select("contract", "session", "outcome", "proof", "bars", "reasons")
    return (
        listed.join(have, on=["contract", "session"], how="left")
        .with_columns(
            status=pl.coalesce(
                pl.when(pl.col("outcome").is_in(COVERED)).then("outcome"),
                pl.when(pl.col("fate") == "untraded").then(pl.lit("untraded")), "outcome", pl.lit("missing"),
            ),
            bars=pl.col("bars").fill_null(0), reasons=pl.col("reasons").fill_null(""), proof=pl.col("proof").fill_null(""),
        )
        .select(
            "contract", "session", "venue", "segment", "underlying", "kind", "symbol", "expiry", "volume", "status",
            "proof", "bars", "reasons",
        )
    )


def summary(rows: pl.DataFrame) -> pl.DataFrame:
    """
    Coverage by underlying, kind and session, for people and machines.

    Returns:
        underlying, kind, session, wanted, covered, complete, untraded, empty, partial, failed, missing, verified,
        mismatch, bars; sorted by underlying, kind (spot, future, option), session. ``failed`` counts every other
        outcome that is not covered.
    """
    status = pl.col("status")
    order = pl.col("kind").replace_strict({"spot": 0, "future": 1, "option": 2}, return_dtype=pl.Int8)
    return (
        rows.group_by("underlying", "kind", "session")
        .agg(
            wanted=pl.len().cast(pl.Int64), covered=status.is_in(COVERED).sum().cast(pl.Int64),
            complete=(status == "complete").sum().cast(pl.Int64), untraded=(status == "untraded").sum().cast(pl.Int64),
            empty=(status == "empty_stated").sum().cast(pl.Int64), partial=(status == "partial").sum().cast(pl.Int64),
            failed=status.is_in(["failed", "quarantined", "unavailable"]).sum().cast(pl.Int64),
            missing=(status == "missing").sum().cast(pl.Int64),
            verified=((status == "complete") & (pl.col("proof") == "verified")).sum().cast(pl.Int64),
            mismatch=(pl.col("proof") == "mismatch").sum().cast(pl.Int64), bars=pl.col("bars").sum().cast(pl.Int64),
        )
        .sort("underlying", order, "session")
    )


def gaps(rows: pl.DataFrame) -> pl.DataFrame:
    """What is not covered: symbol, session, underlying, kind, expiry, status, reasons; soonest expiry first."""
    return (
        rows.filter(~pl.col("status").is_in(COVERED))
        .select("symbol", "session", "underlying", "kind", "expiry", "status", "reasons", "contract")
        .sort("expiry", "session", "symbol", nulls_last=True)
    )
