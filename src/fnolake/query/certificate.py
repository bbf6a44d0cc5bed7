"""
What each listed contract-session of a session is worth to a certificate, and what a certificate counts. Pure: tables in.

Invariant: every listed contract-session has one ``trade`` and one ``standing``, so that the counts add up by construction.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import polars as pl

from fnolake.model import Counts, Reason, Source, UnderlyingCounts, contract_symbol
from fnolake.query.coverage import COVERED

TRADED, UNTRADED, UNKNOWN = "traded", "untraded", "unknown"
VERIFIED, MISMATCH, UNVERIFIED, GAP = "verified", "mismatch", "unverified", "gap"

ROWS: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String, "session": pl.Date, "venue": pl.String, "segment": pl.String, "underlying": pl.String, "kind": pl.String,
    "expiry": pl.Date, "trade": pl.String, "standing": pl.String, "reason": pl.String, "detail": pl.String,
    "exchange_volume": pl.Int64, "bars": pl.Int64, "provider": pl.String,
}
"""
``trade`` is traded, untraded or unknown; ``standing`` verified, mismatch, unverified or gap, of the untraded ``untraded``.
``reason`` is empty for the verified and the untraded; ``detail`` is what the findings say, in units and paise.
"""

KNOWN: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "proof_reasons": pl.String, "findings": pl.String, "provider": pl.String,
}
"""What the winning attempt of a contract said; ``findings`` is JSON, a list of name, count, detail, refused."""

_NOT_NAMED = "in_no_master"


def certified_rows(
    statuses: pl.DataFrame, known: pl.DataFrame, indices: Collection[int], files: Collection[tuple[str, str]],
) -> pl.DataFrame:
    """
    Every listed contract of one session with its trade, its standing and why.

    Args:
        statuses: ``query.coverage.statuses`` of the session.
        known: ``KNOWN``, at most one row a contract.
        indices: Contracts that are an index's own series, which no exchange file names.
        files: (venue, segment) whose exchange file is here.

    Returns:
        ``ROWS``, by underlying, kind, expiry and symbol.
    """
    has_file = (pl.col("venue") + pl.col("segment")).is_in([venue + segment for venue, segment in files])
    rows = statuses.join(known, on="contract", how="left").with_columns(
        is_index=pl.col("contract").is_in(list(indices)), has_file=has_file, exchange_volume=pl.col("volume"),
        proof_reasons=pl.col("proof_reasons").fill_null(""), provider=pl.col("provider").fill_null(""),
    ).with_columns(trade=trade()).with_columns(standing=_standing()).with_columns(reason=_reason())
    return _shaped(rows.with_columns(_details(rows)))


def unnamed_rows(exchange: pl.DataFrame) -> pl.DataFrame:
    """
    Contracts that the exchange's file lists and no master names, as rows of a certificate: gaps if they traded.

    Args:
        exchange: session, venue, segment, underlying, kind, expiry, strike_paise, right, volume.
    """
    symbols = [
        contract_symbol(row["underlying"], row["kind"], row["expiry"], row["strike_paise"], row["right"], is_index=False)
        for row in exchange.iter_rows(named=True)
    ]
    traded = pl.col("volume") > 0
    return _shaped(exchange.with_columns(
        symbol=pl.Series(symbols, dtype=pl.String), trade=pl.when(traded).then(pl.lit(TRADED)).otherwise(pl.lit(UNTRADED)),
        standing=pl.when(traded).then(pl.lit(GAP)).otherwise(pl.lit(UNTRADED)), exchange_volume=pl.col("volume"), bars=pl.lit(0),
        reason=pl.when(traded).then(pl.lit(_NOT_NAMED)).otherwise(pl.lit("")), detail=pl.lit(""), provider=pl.lit(""),
    ))


def _shaped(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(pl.col(name).cast(kind) for name, kind in ROWS.items()).sort("underlying", "kind", "expiry", "symbol", nulls_last=False)


def _disputed() -> pl.Expr:
    """Bars, which nothing verified, of what the exchange says did not trade."""
    return (pl.col("volume") == 0) & (pl.col("bars") > 0) & (pl.col("proof") != VERIFIED)


def trade() -> pl.Expr:
    """By the exchange's volume; what is disputed counts as traded, so that it is an exception."""
    return (
        pl.when(pl.col("volume").is_null()).then(pl.lit(UNKNOWN))
        .when((pl.col("volume") > 0) | _disputed()).then(pl.lit(TRADED)).otherwise(pl.lit(UNTRADED))
    )


def _standing() -> pl.Expr:
    whole, unknown = (pl.col("status") == "complete") & (pl.col("bars") > 0), pl.col("trade") == UNKNOWN
    return (
        pl.when(pl.col("trade") == UNTRADED).then(pl.lit(UNTRADED))
        .when(unknown & ~pl.col("status").is_in(COVERED)).then(pl.lit(GAP)).when(unknown).then(pl.lit(UNVERIFIED))
        .when(_disputed()).then(pl.lit(MISMATCH)).when(~whole).then(pl.lit(GAP))
        .when(pl.col("proof").is_in([VERIFIED, MISMATCH])).then("proof").otherwise(pl.lit(UNVERIFIED))
    )


def _reason() -> pl.Expr:
    """In words of the ledger: a status and its reasons, or what the proof lacks."""
    said = pl.col("proof_reasons").str.replace_all(",", ", ")
    nobody = (
        pl.when(pl.col("is_index")).then(pl.lit("index_in_no_exchange_file"))
        .when(~pl.col("has_file")).then(pl.lit("no_exchange_file")).otherwise(pl.lit("not_in_exchange_file"))
    )
    why = pl.col("reasons").str.replace_all(",", ", ")
    status = pl.when(pl.col("status") == "missing").then(pl.lit("never_asked")).when(pl.col("status").is_in(COVERED)).then(
        pl.lit("no_bars_though_traded")).otherwise(pl.col("status"))
    gap = pl.when(why != "").then(pl.format("{}: {}", status, why)).otherwise(status)
    against = pl.when((pl.col("proof") == MISMATCH) & (said != "")).then(pl.format("{} ({})", gap, said)).otherwise(gap)
    return (
        pl.when(pl.col("standing").is_in([VERIFIED, UNTRADED])).then(pl.lit(""))
        .when(pl.col("standing") == GAP).then(against)
        .when(_disputed()).then(pl.lit("bars_though_untraded"))
        .when(pl.col("trade") == UNKNOWN).then(nobody)
        .when(said != "").then(said).otherwise(pl.lit("no_reason_recorded"))
    )


def _details(rows: pl.DataFrame) -> pl.Series:
    """The findings of exceptions as text: ``missing_minutes 3; volume_below_exchange (minutes 1150, exchange 1200)``."""
    findings = rows.select(pl.when(pl.col("reason") == "").then(None).otherwise("findings").fill_null("[]")).to_series()
    told = {text: "; ".join(_told(*finding[:3]) for finding in json.loads(text)) for text in findings.unique()}
    return pl.Series("detail", [told[text] for text in findings], dtype=pl.String)


def _told(name: str, count: int, detail: str) -> str:
    return name + (f" {count}" if count != 1 else "") + (f" ({detail})" if detail else "")


def exceptions_of(rows: pl.DataFrame) -> pl.DataFrame:
    """What is neither verified nor untraded, ``ROWS``: mismatches first, then gaps, then the unverified."""
    order = {MISMATCH: 0, GAP: 1, UNVERIFIED: 2}
    left = rows.filter(~pl.col("standing").is_in([VERIFIED, UNTRADED]))
    place = pl.col("standing").replace_strict(order, return_dtype=pl.Int8)
    return left.sort(pl.col("trade") == UNKNOWN, place, "underlying", "kind", "expiry", "symbol", nulls_last=False)


def reasons_of(rows: pl.DataFrame) -> tuple[Reason, ...]:
    """Exceptions by reason, most first; the standing of what no exchange file speaks of is ``unknown``, of its gaps ``gap``."""
    standing = pl.when((pl.col("trade") == UNKNOWN) & (pl.col("standing") == UNVERIFIED)).then(pl.lit(UNKNOWN)).otherwise("standing")
    counted = exceptions_of(rows).group_by(standing.alias("standing"), "reason").len().sort("len", "standing", "reason", descending=[True, False, False])
    return tuple(Reason(str(word), str(reason), int(count)) for word, reason, count in counted.iter_rows())


def counts_of(rows: pl.DataFrame) -> Counts:
    """The counts of rows (``ROWS``)."""
    return Counts(**rows.select(_aggregates()).row(0, named=True))


def underlyings_of(rows: pl.DataFrame) -> tuple[UnderlyingCounts, ...]:
    """The counts by underlying, by name."""
    counted = rows.group_by("underlying").agg(_aggregates()).sort("underlying")
    return tuple(UnderlyingCounts(row.pop("underlying"), Counts(**row)) for row in counted.to_dicts())


def sources_of(rows: pl.DataFrame) -> tuple[Source, ...]:
    """Providers and of how many contract-sessions the bars are theirs, by name."""
    counted = rows.filter((pl.col("bars") > 0) & (pl.col("provider") != "")).group_by("provider").len().sort("provider")
    return tuple(Source(str(name), int(count)) for name, count in counted.iter_rows())


def missing_files(statuses: pl.DataFrame, indices: Collection[int], files: Collection[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """(venue, segment) of what would be in an exchange file that is not here."""
    places = statuses.filter(~pl.col("contract").is_in(list(indices))).select("venue", "segment").unique()
    return tuple(sorted((str(venue), str(segment)) for venue, segment in places.iter_rows() if (venue, segment) not in files))


def _aggregates() -> list[pl.Expr]:
    trade, standing = pl.col("trade"), pl.col("standing")
    traded = trade == TRADED
    whole = (standing.is_in([VERIFIED, MISMATCH, UNVERIFIED])) & (pl.col("bars") > 0)
    counted: dict[str, Any] = {
        "listed": pl.len(), "traded": traded.sum(), "untraded": (trade == UNTRADED).sum(), "unknown": (trade == UNKNOWN).sum(),
        "captured": whole.sum(), "verified": (traded & (standing == VERIFIED)).sum(), "mismatch": (traded & (standing == MISMATCH)).sum(),
        "unverified": (traded & (standing == UNVERIFIED)).sum(), "gaps": (traded & (standing == GAP)).sum(),
        "unknown_gaps": ((trade == UNKNOWN) & (standing == GAP)).sum(),
    }
    return [expression.cast(pl.Int64).alias(name) for name, expression in counted.items()]
