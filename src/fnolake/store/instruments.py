"""
The point-in-time master in the ledger: reading it.

Rows are revisions of a contract, each valid over inclusive dates (null = unknown, open). Invariant: an id, once given,
means the same listing for ever; older masters taken later insert history and renumber nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from fnolake.model import instrument_schema
from fnolake.store.ledger import Ledger, days

_COLUMNS = (
    "contract, revision, venue, segment, token, symbol, underlying, kind, expiry, strike_paise, option_right, lot, "
    "tick_paise, provider_symbol, is_index, valid_from, valid_to, first_seen, last_seen"
)
_SELECT = "select " + _COLUMNS + " from instruments order by contract, revision"  # noqa: S608
INSERT = "insert into instruments (" + _COLUMNS + ") values (" + ", ".join("?" * 19) + ")"  # noqa: S608
GENERATION = "instruments_generation"


def history_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """Columns of the history: ``instrument_schema`` with revision, first_seen and last_seen (dates of masters)."""
    given = instrument_schema()
    return {"contract": given.pop("contract"), "revision": pl.Int64, **given, "first_seen": pl.Date, "last_seen": pl.Date}


class InstrumentBook:
    """Reads the instruments of a ledger; keeps the last table while nobody has changed it."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._kept: tuple[str | None, pl.DataFrame] | None = None

    def history(self) -> pl.DataFrame:
        """Every revision of every contract, by contract and revision."""
        with self._ledger.reading():
            generation = self._ledger.meta(GENERATION)
            if self._kept is None or self._kept[0] != generation:
                self._kept = (generation, self._ledger.frame(_SELECT, history_schema()))
            return self._kept[1]

    def on(self, day: date | None, underlyings: Sequence[str], kinds: Sequence[str]) -> pl.DataFrame:
        """
        One row a contract, ``model.instrument_schema``, by contract.

        With a day, what was in force on it; without one, each contract's latest attributes with the dates of its whole life.
        """
        rows = self.history()
        rows = _latest(rows) if day is None else _in_force(rows, day)
        if underlyings:
            rows = rows.filter(pl.col("underlying").is_in(list(underlyings)))
        if kinds:
            rows = rows.filter(pl.col("kind").is_in(list(kinds)))
        return rows.select(*instrument_schema())


def _latest(rows: pl.DataFrame) -> pl.DataFrame:
    if not rows["contract"].is_duplicated().any():
        return rows
    return rows.with_columns(pl.col("valid_from").first().over("contract")).unique("contract", keep="last", maintain_order=True)


def _in_force(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    return rows.filter(
        (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day))
        & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= day))
        & (pl.col("expiry").is_null() | (pl.col("expiry") >= day))
    )


def read_renames(ledger: Ledger, day: date) -> dict[str, str]:
    """
    Old name → present name of renames in force on ``day``, chains followed.

    Only those after the first master count: of an older one every master knows the new name already, and the exchange gives
    old names to others again.
    """
    asked = "select old, new from renames where since <= ? and since > (select coalesce(min(day), 0) from masters) order by since"
    direct = {str(old): str(new) for old, new in ledger.rows(asked, (days(day),))}
    found = {}
    for old in direct:
        new, seen = old, {old}
        while new in direct and direct[new] not in seen:
            new = direct[new]
            seen.add(new)
        found[old] = new
    return found
