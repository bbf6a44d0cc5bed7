"""
What two providers said of the same contract-session, as values: the differences, and which capture is kept and why.

Invariant: two witnesses agree exactly when there is no row of differences.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from fnolake.model.verdict import Finding

if TYPE_CHECKING:
    import polars as pl

FIRST, SECOND = "first", "second"
"""The witness that was stored when the comparison was made, and the one that was asked for it."""


def difference_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """
    Polars schema of differences, by ts and field; (ts, field) is unique in a comparison.

    ============  =================  ==========================================================================
    ts            Datetime(us, UTC)  start of the minute
    field         String             open, high, low, close, vwap, volume, oi; minute where one has no bar at all
    first         Int64              paise or units; of a minute 1 where the bar is, null where it is missing
    second        Int64              the same
    size          Int64              second minus first; null for a minute
    finding       String             its name, snake_case and stable
    ============  =================  ==========================================================================
    """
    import polars as pl

    return {
        "ts": pl.Datetime("us", "UTC"), "field": pl.String, "first": pl.Int64, "second": pl.Int64, "size": pl.Int64, "finding": pl.String,
    }


@dataclass(frozen=True, slots=True)
class Comparison:
    """Differences of two captures of one contract-session: ``findings`` by name, ``rows`` of :func:`difference_schema`."""

    findings: tuple[Finding, ...]
    rows: pl.DataFrame

    @property
    def agreed(self) -> bool:
        """Whether there is no difference."""
        return not self.findings


@dataclass(frozen=True, slots=True)
class Compared:
    """
    A comparison that is to be recorded with the attempt of its second witness, which is in the same batch.

    ``kept`` is ``first`` or ``second``, ``why`` the rule's word; ``first_attempt`` names the stored capture.
    """

    contract: int
    session: date
    first_provider: str
    first_attempt: int
    comparison: Comparison
    kept: str
    why: str
