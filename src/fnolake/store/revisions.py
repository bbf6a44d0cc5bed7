"""
Bars that a later fetch replaced, kept in the Delta table ``revisions`` with both provenances.

Gathered while a session is published, from the rows that it replaces. Invariant: a row is there once for each attempt
that replaced it, and only if the new capture does not hold the same row or has minutes that the old one lacked.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from pathlib import Path

import polars as pl

from fnolake.model import bar_schema
from fnolake.store.bars import BARS, Moment
from fnolake.store.batches import hot_rows
from fnolake.store.ledger import Ledger, days
from fnolake.store.tables import TableSpec, head_files, replace_partition, scan_files, write_file

_PROVENANCE: dict[str, pl.DataType | type[pl.DataType]] = {
    "was_attempt": pl.Int64, "was_payload_hash": pl.String, "was_fetched_at": pl.Datetime("us", "UTC"), "by_attempt": pl.Int64,
    "by_provider": pl.String, "by_payload_hash": pl.String, "by_fetched_at": pl.Datetime("us", "UTC"),
}
REVISIONS = TableSpec(
    "revisions", {**bar_schema(), **_PROVENANCE}, ("session",), delta_encoded=BARS.delta_encoded,
    dictionary=(*BARS.dictionary, "was_payload_hash", "by_provider", "by_payload_hash"),
)
_REPLACED = """
select a.batch, a.contract, a.session, b.file, a.attempt, a.payload_hash, a.fetched_us, w.attempt, w.provider,
    w.payload_hash, w.fetched_us
from attempts a join coverage c on c.session = a.session and c.contract = a.contract
    join attempts w on w.attempt = c.attempt join batches b on b.batch = a.batch
where a.session = ? and a.attempt < c.attempt and a.bars > 0 and c.batch > 0
    and not exists (select 1 from comparisons s where s.second_attempt = a.attempt and s.kept = 'first')
order by a.rank, a.attempt
"""
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "batch": pl.Int64, "contract": pl.Int64, "session": pl.Date, "file": pl.String, **_PROVENANCE,
}


class Replaced:
    """
    Collects what a session's new rows replace.

    Args:
        lake: Folder of the lake.
        ledger: Its ledger, before the publication is recorded.
        session: The session that is being published.
        at: The moment that is being published.
    """

    def __init__(self, lake: Path, ledger: Ledger, session: date, at: Moment) -> None:
        self._root, self._session = lake / REVISIONS.name, session
        known = ledger.frame(_REPLACED, _SCHEMA, (days(session),))
        self._old = _old_rows(lake, at, known)
        self._found: list[pl.DataFrame] = []

    def watch(self, pieces: Iterable[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Pass the new rows on, a piece at a time, and keep the old ones that they do not hold."""
        for piece in pieces:
            if self._old is not None and piece.height:
                low, high = piece["underlying"][0], piece["underlying"][-1]
                old = self._old.filter(pl.col("underlying").is_between(pl.lit(low), pl.lit(high))).collect()
                self._found.append(_replaced(old, piece))
            yield piece

    def keep(self) -> int:
        """Add what was found to the table; returns how many rows of the session it holds then, 0 when nothing was added."""
        rows = pl.concat(self._found) if self._found else None
        if rows is None or rows.is_empty():
            return 0
        here = [path for path, values in head_files(self._root) if values["session"] == self._session.isoformat()]
        known = scan_files(self._root, REVISIONS, here).collect()
        merged = pl.concat([known, rows.select(*REVISIONS.schema)]).unique().sort("contract", "ts", "was_attempt", "by_attempt")
        replace_partition(self._root, REVISIONS, write_file(self._root, REVISIONS, {"session": self._session.isoformat()}, [merged]))
        return merged.height


def _replaced(old: pl.DataFrame, new: pl.DataFrame) -> pl.DataFrame:
    """Old rows that the new do not hold; all of a capture that lacked minutes of the new one, so that it can be read as it was."""
    changed = old.join(new, on=list(bar_schema()), how="anti", nulls_equal=True)
    by = ["contract", "was_attempt"]
    same = old.join(new, on=["contract", "ts"], how="semi").group_by(by).len("same")
    counts = old.select(by).unique().join(new.group_by("contract").len("new"), on="contract").join(same, on=by, how="left")
    lacking = counts.filter(pl.col("same").fill_null(0) < pl.col("new"))
    return pl.concat([changed.join(lacking, on=by, how="anti"), old.join(lacking, on=by, how="semi")])


def _old_rows(lake: Path, at: Moment, known: pl.DataFrame) -> pl.LazyFrame | None:
    """Rows that were stored for the replaced attempts: in batches that are still there, or in the published file."""
    if known.is_empty():
        return None
    by = ["contract", "session"]
    sources = []
    hot = known.filter(pl.col("file") != "")
    for part in hot.partition_by("batch"):
        rows = hot_rows(lake, part["file"].unique().to_list(), part.select("batch", *by))
        sources.append(rows.join(part.drop("batch", "file").lazy(), on=by))
    if at.published:
        last = known.filter(pl.col("file") == "").unique(by, keep="last", maintain_order=True).drop("batch", "file")
        sources.append(scan_files(lake / BARS.name, BARS, at.published).join(last.lazy(), on=by))
    return pl.concat([source.select(*REVISIONS.schema) for source in sources]) if sources else None


def read(lake: Path, sessions: Sequence[date] | None) -> pl.DataFrame:
    """Rows of the table's newest version for some sessions (None = all), by contract and ts."""
    wanted = None if sessions is None else {day.isoformat() for day in sessions}
    root = lake / REVISIONS.name
    files = [path for path, values in head_files(root) if wanted is None or values["session"] in wanted]
    return scan_files(root, REVISIONS, files).collect().sort("contract", "ts", "was_attempt")
