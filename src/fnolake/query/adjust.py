"""
Splits and bonuses taken out of a stock's cash prices, from the exchange's corporate actions. Reads the store.

Stored bars stay as they were traded; what is adjusted is the answer. Special dividends, rights and demergers are left as
they are. Derivatives are never adjusted: the exchange itself adjusts their strikes and lots (docs/identity.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.errors import QueryError
from fnolake.query.gaps import GAPS
from fnolake.store.store import Store

ADJUSTMENTS = ("splits",)
FACTORS = {"underlying": pl.String, "ex_date": pl.Date, "factor": pl.Float64}
"""Of each ex-date of an underlying the product of its factors: units after by units before."""
_PRICES = ("open", "high", "low", "close", "vwap", "last", "settlement")


@dataclass(frozen=True, slots=True)
class Factors:
    """
    The actions that count (:data:`FACTORS`), and the first ex-date of the files that are here.
    """

    rows: pl.DataFrame
    since: date

    def apply(self, bars: pl.DataFrame) -> pl.DataFrame:
        """
        Bars in the units of today.

        Args:
            bars: Prices in rupees, with ``underlying`` and ``session``.

        Returns:
            Prices divided and volume multiplied (to the nearest unit) by ``factor`` (Float64, a column of its own): the
            product of the factors of later ex-dates. Prices are not rounded. The order stays.
        """
        days = bars.select("underlying", "session").unique()
        later = days.join(self.rows, on="underlying").filter(pl.col("ex_date") > pl.col("session"))
        known = later.group_by("underlying", "session").agg(factor=pl.col("factor").product())
        joined = bars.join(known, on=["underlying", "session"], how="left", maintain_order="left").with_columns(pl.col("factor").fill_null(1.0))
        return joined.with_columns(
            *(pl.col(name) / pl.col("factor") for name in _PRICES if name in bars.columns),
            volume=(pl.col("volume") * pl.col("factor")).round().cast(pl.Int64),
        )

    def unknown(self, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
        """``gaps.GAPS`` of what is older than the files reach: a split between might not be known."""
        early = pl.DataFrame({"session": [day for day in sessions if day < self.since]}, schema={"session": pl.Date})
        why = pl.lit(f"corporate actions here begin {self.since}")
        return contracts.select("contract", "symbol").join(early, how="cross").select("contract", "symbol", "session", reason=why).cast(GAPS)  # type: ignore[arg-type]


def check_adjust(adjust: str | None, contracts: pl.DataFrame) -> None:
    """
    Refuse what cannot be adjusted.

    Raises:
        QueryError: No way to adjust, or contracts that are no spot series.
    """
    if adjust is None:
        return
    if adjust not in ADJUSTMENTS:
        raise QueryError(f"no adjustment {adjust!r}: give splits (splits and bonuses of a stock's spot series)")
    if not (contracts["kind"] == "spot").all():
        raise QueryError("only spot series are adjusted; of futures and options the exchange itself adjusts strikes and lots (`fnolake instruments history`)")


def factors_of(store: Store, contracts: pl.DataFrame, until: date) -> Factors:
    """
    The splits and bonuses of contracts up to a date: those that are announced for later do not count yet.

    Args:
        store: The lake's.
        contracts: ``model.instrument_schema``, spot series.
        until: The last ex-date that counts.

    Raises:
        QueryError: No list of corporate actions is in the lake.
    """
    actions = store.references.corporate_actions()
    if actions.is_empty():
        raise QueryError(
            "no corporate actions are in this lake: put NSE's list (CF-CA-equities-….csv) into its folder drop/ and run `fnolake sync`,"
            " or read it with `fnolake exchange take FILE`",
        )
    ids = contracts["contract"].implode()
    names = store.instrument_history().filter(pl.col("contract").is_in(ids)).select("contract", symbol="underlying").unique()
    named = names.join(contracts.select("contract", "underlying"), on="contract").select("symbol", "underlying").unique()
    ours = actions.filter(pl.col("kind").is_in(["split", "bonus"]) & (pl.col("ex_date") <= until)).drop_nulls("factor")
    once = ours.unique(["symbol", "ex_date", "kind", "factor"]).join(named, on="symbol")
    rows = once.group_by("underlying", "ex_date").agg(factor=pl.col("factor").product()).sort("underlying", "ex_date")
    first = actions["ex_date"].min()
    assert isinstance(first, date)
    return Factors(rows.select(*FACTORS), first)
