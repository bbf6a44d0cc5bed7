"""
What a read lacks: wanted minus covered (design section 3), and how it is told. Reads the store.

A contract-session that did not trade, or of which a provider said nothing while it was well, is covered and no gap.
Invariant: what is told is one line, whatever is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

import polars as pl

from fnolake.errors import NotCovered
from fnolake.query.coverage import COVERED, ExchangeSaid, pairs, statuses
from fnolake.store.store import Store

GAPS = {"contract": pl.Int64, "symbol": pl.String, "session": pl.Date, "reason": pl.String}
"""What a read lacks; ``contract`` is null where no master names it. Sorted by session and symbol."""
SHOWN = 3
_AT_ONCE = 10
_KEY = ("contract", "session")
Span = tuple[str, date, date, str]


@dataclass(frozen=True, slots=True)
class Gaps:
    """What a read lacks (:data:`GAPS`), of how many ``wanted``; ``days``: its sessions, ascending."""

    rows: pl.DataFrame
    wanted: int
    days: tuple[date, ...] = ()
    mend: str = "`fnolake gaps` says why, `fnolake sync` fetches what is still served"

    def __bool__(self) -> bool:
        return not self.rows.is_empty()

    @property
    def spans(self) -> tuple[Span, ...]:
        """(symbol, first session, last session, reason), sessions in a row being one; by first session and symbol."""
        place = {day: number for number, day in enumerate(self.days)}
        rows = self.rows.sort("symbol", "reason", "session").select("symbol", "reason", "session").iter_rows()
        found = []
        for (symbol, reason), same in groupby(rows, key=lambda row: row[:2]):
            days = [(place.get(day, 0), day) for _, _, day in same]
            for _, run in groupby(enumerate(days), key=lambda one: one[1][0] - one[0]):
                inside = [day for _, (_, day) in run]
                found.append((symbol, inside[0], inside[-1], reason))
        return tuple(sorted(found, key=lambda span: (span[1], span[0])))

    @property
    def message(self) -> str:
        """One line: how much, the first of it, what to do."""
        spans = self.spans
        named = [f"{symbol} {first}{'' if first == last else f' to {last}'} ({reason})" for symbol, first, last, reason in spans[:SHOWN]]
        more = f" and {len(spans) - SHOWN:,} more" if len(spans) > SHOWN else ""
        return f"{self.rows.height:,} of {self.wanted:,} contract-sessions are not covered: {', '.join(named)}{more}; {self.mend}"

    def error(self) -> NotCovered:
        """The same as an error."""
        named = self.rows.drop_nulls("contract")
        return NotCovered(self.message, list(named.select(*_KEY).iter_rows()), self.spans)


def gaps_of(
    store: Store, contracts: pl.DataFrame, sessions: Sequence[date], known: pl.DataFrame, *,
    only: pl.DataFrame | None = None, lost: pl.DataFrame | None = None, finished: Callable[[date], bool],
) -> Gaps:
    """
    What is missing of contracts on sessions.

    Args:
        store: The lake's, asked for the exchange's files only where something is not captured.
        contracts: ``model.instrument_schema``.
        sessions: Those that are read.
        known: ``known.OUTCOMES`` of these contracts.
        only: (contract, session) that are meant; None: all on which a contract was listed.
        lost: (symbol, session, reason) of what is meant and has no contract.
        finished: Whether a session is wanted by now.
    """
    wanted = pairs(contracts, sessions) if only is None else only
    covered = known.filter(pl.col("outcome").is_in(COVERED))
    open_pairs = wanted.join(covered, on=_KEY, how="anti")
    missing = _missing(store, contracts, open_pairs, known)
    named = missing if lost is None else pl.concat([missing, unnamed(lost)])
    over = {day: finished(day) for day in named["session"].unique().sort()}
    named = named.filter(pl.col("session").is_in([day for day, is_over in over.items() if is_over]))
    return Gaps(named.sort("session", "symbol"), wanted.height + (0 if lost is None else lost.height), tuple(sorted(sessions)))


def unnamed(lost: pl.DataFrame) -> pl.DataFrame:
    """(symbol, session, reason) of what has no contract, as :data:`GAPS`."""
    return lost.select(pl.lit(None, pl.Int64).alias("contract"), "symbol", "session", "reason")


def _missing(store: Store, contracts: pl.DataFrame, open_pairs: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Open pairs that the exchange does not excuse: :data:`GAPS`."""
    if open_pairs.is_empty():
        return pl.DataFrame(schema=GAPS)
    chosen = contracts.filter(pl.col("contract").is_in(open_pairs["contract"].unique().implode()))
    days = open_pairs["session"].unique().sort().to_list()
    rows = statuses(chosen, days, known, _said(store, chosen, days)).join(open_pairs, on=_KEY, how="semi")
    why = pl.when(pl.col("reasons") == "").then("status").otherwise(pl.format("{}: {}", "status", "reasons"))
    return rows.filter(~pl.col("status").is_in(COVERED)).select("contract", "symbol", "session", reason=why)


def _said(store: Store, contracts: pl.DataFrame, days: list[date]) -> ExchangeSaid:
    """What the exchange's files of these days say of contracts."""
    here = frozenset(key for key in store.exchange_days() if key[2] in set(days))
    if not here or (contracts["kind"] == "spot").all():
        return ExchangeSaid()
    ids = contracts["contract"].to_list()
    dated = sorted({day for _, _, day in here})
    parts = [
        store.exchange_rows(dated[first : first + _AT_ONCE], ids).select("contract", "session", "volume", "trades")
        for first in range(0, len(dated), _AT_ONCE)
    ]
    return ExchangeSaid(pl.concat(parts), here)
