"""
The exchange's corporate actions, asked by contract and session: what may have made a provider re-base a stock's history.

Reads the store, writes nothing. Symbols are followed through renames.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

import polars as pl

from fnolake.errors import FnolakeError
from fnolake.model import Contract
from fnolake.store.store import Store
from fnolake.verify import NOTHING, Actions

SIZED, UNSIZED = ("split", "bonus"), ("demerger", "rights", "special_dividend")
Since = Callable[[Contract, date, date], Actions]
"""The actions of a contract's stock with an ex-date after a session, up to a day."""


def nothing_known(_contract: Contract, _session: date, _until: date) -> Actions:
    """What is known without the exchange's list."""
    return NOTHING


@dataclass(frozen=True, slots=True)
class _Action:
    ex_date: date
    factor: Fraction | None
    words: str


class ExDates:
    """
    Ex-dates by stock.

    Args:
        actions: ``market.reference.SCHEMAS["corporate_actions"]``.
        renames: Old symbol → present one.
    """

    def __init__(self, actions: pl.DataFrame, renames: Mapping[str, str]) -> None:
        self._told = actions.height > 0
        self._renames = renames
        self._of: dict[str, list[_Action]] = {}
        rows = actions.filter(pl.col("kind").is_in([*SIZED, *UNSIZED])).unique(["symbol", "ex_date", "kind", "factor"]).sort("ex_date", "kind")
        for symbol, day, kind, factor in rows.select("symbol", "ex_date", "kind", "factor").iter_rows():
            size = Fraction(factor).limit_denominator(1000) if factor else None
            self._of.setdefault(renames.get(symbol, symbol), []).append(_Action(day, size, f"{kind.replace('_', ' ')} of {day:%d %b %Y}"))

    @classmethod
    def read(cls, store: Store) -> ExDates:
        """Those of the files that are here; a file that can no longer be read says nothing."""
        try:
            actions = store.references.corporate_actions()
        except (OSError, FnolakeError):
            return cls(pl.DataFrame(schema={"symbol": pl.String, "ex_date": pl.Date, "kind": pl.String, "factor": pl.Float64}), {})
        return cls(actions, store.renames())

    def since(self, contract: Contract, session: date, until: date) -> Actions:
        """A stock's actions with an ex-date after ``session``, up to ``until``; nothing of a derivative or an index."""
        if contract.kind != "spot" or contract.is_index:
            return NOTHING
        name = self._renames.get(contract.underlying, contract.underlying)
        found = [one for one in self._of.get(name, ()) if session < one.ex_date <= until]
        sized = [one for one in found if one.factor]
        return Actions(_products(sized), ", ".join(one.words for one in found if not one.factor), self._told)


def _products(actions: Iterable[_Action]) -> dict[Fraction, str]:
    """The factor of every run of neighbouring actions: a provider may have applied the first of them only, or stored ones may hold it."""
    found: dict[Fraction, str] = {}
    known = list(actions)
    for first in range(len(known)):
        factor, words = Fraction(1), list[str]()
        for one in known[first:]:
            factor, words = factor * (one.factor or 1), [*words, one.words]
            if factor != 1:
                found.setdefault(factor, " and the ".join(words))
    return found
