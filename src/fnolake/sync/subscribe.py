"""
What to stream, the most wanted first: pinned contracts, spot and futures, then options around the money as the market moves. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from fnolake.model import Contract


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Attributes:
        strikes: Options of so many strikes on either side of the money; 0 = none.
        expiries: Of so many expiries, the nearest first; futures of all.
        underlyings: Only these; empty = all.
        pinned: Symbols that are streamed whatever the market does.
    """

    strikes: int = 10
    expiries: int = 1
    underlyings: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()


class Chooser:
    """
    Chooses from the contracts of a session.

    Args:
        contracts: ``model.instrument_schema``, those that are listed on the session.
        rule: What is wanted.
    """

    def __init__(self, contracts: pl.DataFrame, rule: Rule) -> None:
        self._rule = rule
        pinned = contracts["symbol"].is_in(list(rule.pinned))
        chosen = contracts.filter(pinned | (pl.lit(value=True) if not rule.underlyings else pl.col("underlying").is_in([*rule.underlyings])))
        self._contracts = chosen
        self._pinned = chosen.filter(pl.col("symbol").is_in(list(rule.pinned)))["contract"].to_list()
        self._steady = chosen.filter(pl.col("kind") != "option").sort("kind", "expiry", "contract", descending=[True, False, False], nulls_last=False)
        self._values: dict[int, Contract] = {}

    def wanted(self, prices: Mapping[int, int], at_open: Mapping[tuple[str, str], int]) -> list[Contract]:
        """
        Contracts to stream.

        Args:
            prices: Last price in paise by contract, as streamed.
            at_open: What an underlying was worth last, in paise by (venue, underlying), until it streams.

        Returns:
            Pinned ones, spot and futures, options by their distance from the money in strikes; each once.
        """
        return self.known([*self._pinned, *self._steady["contract"].to_list(), *self._options(prices, at_open)])

    def known(self, numbers: Iterable[int]) -> list[Contract]:
        """The contracts of these ids that may be chosen, each once, in their order."""
        chosen = dict.fromkeys(numbers)
        missing = [number for number in chosen if number not in self._values]
        for row in self._contracts.filter(pl.col("contract").is_in(missing)).iter_rows(named=True):
            self._values[row["contract"]] = Contract(**row)
        return [self._values[number] for number in chosen if number in self._values]

    def _options(self, prices: Mapping[int, int], at_open: Mapping[tuple[str, str], int]) -> Sequence[int]:
        options = self._contracts.filter(pl.col("kind") == "option")
        if not self._rule.strikes or options.is_empty():
            return []
        money = self._money(prices, at_open)
        strikes = (
            options.with_columns(order=pl.col("expiry").rank("dense").over("venue", "underlying"))
            .filter(pl.col("order") <= self._rule.expiries)
            .join(money, on=["venue", "underlying"])
            .with_columns(far=(pl.col("strike_paise") - pl.col("price_paise")).abs())
            .with_columns(step=pl.col("far").rank("dense").over("venue", "underlying", "expiry"))
        )
        return strikes.filter(pl.col("step") <= 2 * self._rule.strikes + 1).sort("step", "order", "contract")["contract"].to_list()

    def _money(self, prices: Mapping[int, int], at_open: Mapping[tuple[str, str], int]) -> pl.DataFrame:
        """One price an underlying: of its near future, else of its spot series, else what it was worth."""
        streamed = pl.DataFrame({"contract": list(prices), "price_paise": list(prices.values())}, schema={"contract": pl.Int64, "price_paise": pl.Int64})
        now = (
            self._steady.join(streamed, on="contract").sort("expiry", nulls_last=True)
            .unique(["venue", "underlying"], keep="first", maintain_order=True).select("venue", "underlying", "price_paise")
        )
        rows = [(venue, underlying, price) for (venue, underlying), price in at_open.items()]
        before = pl.DataFrame(rows, schema=now.schema, orient="row")
        return pl.concat([now, before.join(now, on=["venue", "underlying"], how="anti")])
