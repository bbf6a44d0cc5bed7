"""
The exact files of a lake at one moment, for readers that open Parquet themselves. Lists, reads no rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fnolake.store import known
from fnolake.store.bars import Moment, moment
from fnolake.store.ledger import Ledger
from fnolake.store.revisions import REVISIONS
from fnolake.store.tables import head_files


@dataclass(frozen=True, slots=True)
class Exact:
    """
    ``bars``: the moment of every session; ``exchange_days`` and ``revisions``: files below those tables' folders.

    Invariant: ``bars`` and ``exchange_days`` are what one ledger transaction names; ``revisions`` is the newest Delta version.
    """

    bars: Moment
    exchange_days: list[str]
    revisions: list[str]


def exact(lake: Path, ledger: Ledger) -> Exact:
    """Every file that counts now; it stays readable for the grace, whatever a writer does meanwhile."""
    with ledger.reading():
        files = [str(row[0]) for row in ledger.rows("select file from exchange_days where file <> '' order by session, venue, segment")]
        bars = moment(ledger, known.sessions(ledger))
    return Exact(bars, files, [path for path, _values in head_files(lake / REVISIONS.name)])
