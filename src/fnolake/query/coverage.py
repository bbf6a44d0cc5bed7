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
        The pairs with ``venue segment underlying kind symbol expiry``, ``volume``, ``trades`` and ``fate``:
        ``untraded`` (volume 0), ``unlisted`` (the file is here and does not name it) or ``listed``.
    """
    facts = contracts.select("contract", "symbol", "venue", "segment", "underlying", "kind", "expiry")
    days = pl.DataFrame(
        sorted(said.days), schema={"venue": pl.String, "segment": pl.String, "session": pl.Date}, orient="row"
    ).with_columns(has_file=pl.lit(True))
    # A cash file lists only what traded and no index, so its silence says nothing of a spot contract.
    silent = pl.col("has_file").fill_null(value=False) & pl.col("volume").is_null() & (pl.col("kind") != "spot")
    return (
        wanted.join(facts, on="contract")
        .join(days, on=["venue", "segment", "session"], how="left")
        .join(said.rows.select(*EXCHANGE_COLUMNS), on=["contract", "session"], how="left")
        .with_columns(
            fate=pl.when(pl.col("volume") == 0).then(pl.lit("untraded")).when(silent).then(pl.lit("unlisted"))
            .otherwise(pl.lit("listed"))
        )
        .drop("has_file")
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
    listed = exchange_fates(pairs(contracts, sessions), contracts, said).filter(pl.col("fate") != "unlisted")
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
