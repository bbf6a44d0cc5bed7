"""
Amendments that a master shows of contracts which later masters know: where they lie between what is known before and after.

Pure, as ``diff`` is. Revisions may move up to make room; contract ids never do.
"""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from fnolake.store.changes import Changes
from fnolake.store.identity import ATTRIBUTES, KEY
from fnolake.store.ledger import days
from fnolake.store.listings import Standing

SHIFT = 1_000_000
"""Revisions are moved out of the way by so much and back, so that no two of a contract are ever equal."""

_DAY = timedelta(days=1)


class Between:
    """
    Settles what lies between.

    Args:
        changes: Gets the statements.
        now: The providers before this master.
    """

    def __init__(self, changes: Changes, now: Standing) -> None:
        self._changes = changes
        self._day = now.day
        self._now = now

    def settle(self, moved: pl.DataFrame, after: pl.DataFrame) -> pl.DataFrame:
        """
        Settle amendments of contracts that are known after this master's day too; return the others.

        Args:
            moved: Pairs (this master's row, the last row known before as ``old_…``).
            after: First known row of each token after the day.
        """
        if self._now.is_late:
            moved = self._begun_by_another(moved)
            moved = self._changes.certain(moved, moved.filter(~pl.col("taken") & (pl.col("old_last_seen") > self._day)))
        names = ("contract", "revision", *ATTRIBUTES)
        known = moved.join(after.select(*KEY, *(pl.col(name).alias(f"after_{name}") for name in names)), on=KEY)
        if known.is_empty():
            return moved
        doubtful = pl.col("taken") | (pl.col("old_first_seen") == self._day) | (pl.col("old_last_seen") > self._day)
        self._part(self._changes.certain(known, known.filter(doubtful)))
        return moved.join(known, on=KEY, how="anti")

    def _part(self, rows: pl.DataFrame) -> None:
        """Where the row after says the same it begins on this day; else a revision is inserted between the two."""
        self._changes.counts["amended"] += rows.height
        self._changes.update("update instruments set valid_to = ? where contract = ? and revision = ?", [
            (days(self._day - _DAY), *pair) for pair in rows.select("old_contract", "old_revision").iter_rows()
        ])
        continued = pl.col("after_contract") == pl.col("old_contract")
        alike = continued & pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(f"after_{name}")) for name in ATTRIBUTES))
        begun = rows.filter(alike).select("after_contract", "after_revision").rows()
        self._changes.said += begun
        self._changes.update("update instruments set first_seen = ?, valid_from = ? where contract = ? and revision = ?",
                             [(days(self._day), days(self._day), *pair) for pair in begun])
        new = rows.filter(~alike)
        self._make_room(new.filter(continued).select("after_contract", "after_revision").rows())
        self._changes.insert(self._day, new, pl.col("old_contract"), pl.col("old_revision") + 1, pl.lit(self._day), pl.col("old_valid_to"))

    def _begun_by_another(self, moved: pl.DataFrame) -> pl.DataFrame:
        """
        Settle contracts that only another provider's master let begin on this day, with values that this one gave later.

        They begin with what this one says now; the values that are known begin with its next master. Return the others.
        """
        following = self._now.following
        if following is None:
            return moved
        begun = ~pl.col("taken") & (pl.col("old_first_seen") == self._day) & (pl.col("old_last_seen") >= following)
        rows = moved.filter(begun)
        self._changes.counts["amended"] += rows.height
        pairs = rows.select("old_contract", "old_revision").rows()
        self._changes.update("update instruments set first_seen = ?, valid_from = ? where contract = ? and revision = ?",
                             [(days(following), days(following), *pair) for pair in pairs])
        self._make_room(pairs)
        self._changes.insert(self._day, rows, pl.col("old_contract"), pl.col("old_revision"), pl.col("old_valid_from"), pl.lit(following - _DAY))
        return moved.filter(~begun)

    def _make_room(self, pairs: list[tuple[object, ...]]) -> None:
        """Move revisions of contracts up by one, from the given ones on."""
        for shift in (SHIFT, 1 - SHIFT):
            self._changes.update("update instruments set revision = revision + ? where contract = ? and revision >= ?",
                                 [(shift, *pair) for pair in pairs])
