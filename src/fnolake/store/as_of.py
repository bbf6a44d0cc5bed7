"""
Stored bars as they were known at an instant: today's, without what was fetched later, with what that replaced. Reads only.

A capture's time is when its request was sent. Told from attempts, batches that are still there, and ``revisions``. Verdicts
that were passed later on stored bars (a late exchange file) have no time of their own and count as if always known.
Invariant: what cannot be told is an error, never a guess.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from fnolake.errors import NotCovered
from fnolake.model import bar_schema
from fnolake.store import bars as reading
from fnolake.store import revisions
from fnolake.store.batches import hot_rows
from fnolake.store.instruments import InstrumentBook
from fnolake.store.ledger import Ledger, days, from_days, micros
from fnolake.store.tables import scan_files

_LATER = "select distinct contract, session from attempts where fetched_us > ? and session between ? and ?"
_EARLIER = """
select a.contract, a.session, a.attempt, a.batch, a.rank, a.bars, a.fetched_us, a.payload_hash, coalesce(b.file, ''),
    coalesce((select s.kept from comparisons s where s.second_attempt = a.attempt), '')
from attempts a left join batches b on b.batch = a.batch
where a.fetched_us <= ? and a.session between ? and ? order by a.attempt
"""
_NOW = """
select c.contract, c.session, a.fetched_us, a.payload_hash from coverage c join attempts a on a.attempt = c.attempt
where c.bars > 0 and c.session between ? and ?
"""
Pair = tuple[int, int]
Fetch = tuple[int, str]
"""When a request was sent, in microseconds, and the hash of its answer: which capture it is, whatever was judged of it later."""


@dataclass(frozen=True, slots=True)
class _Capture:
    """One attempt that was known then."""

    contract: int
    session: int
    batch: int
    rank: int
    bars: int
    fetch: Fetch
    file: str
    fate: str


def read(
    lake: Path, ledger: Ledger, book: InstrumentBook, contracts: Sequence[int] | None, sessions: Sequence[date], instant: datetime,
) -> pl.LazyFrame:
    """
    Bars of contracts (None = all) on sessions as of ``instant``, in no promised order.

    Raises:
        NotCovered: Something was replaced since and is kept nowhere; ``missing`` says which.
    """
    now = reading.read(lake, ledger, book, contracts, sessions)
    if not sessions:
        return now
    bounds, moment = (days(min(sessions)), days(max(sessions))), micros(instant)
    wanted, days_of = None if contracts is None else set(contracts), {days(day) for day in sessions}
    with ledger.reading():
        later = {
            (int(str(c)), int(str(s))) for c, s in ledger.rows(_LATER, (moment, *bounds))
            if int(str(s)) in days_of and (wanted is None or int(str(c)) in wanted)
        }
        known = _winners(ledger.rows(_EARLIER, (moment, *bounds)), later) if later else {}
        at = reading.moment(ledger, list(sessions))
        current = {(int(str(c)), int(str(s))): (int(str(f)), str(h)) for c, s, f, h in ledger.rows(_NOW, bounds)} if later else {}
    if not later:
        return now
    gone = pl.DataFrame([(c, from_days(s)) for c, s in sorted(later)], schema={"contract": pl.Int64, "session": pl.Date}, orient="row")
    frames = [now.join(gone.lazy(), on=["contract", "session"], how="anti")]
    return pl.concat([*frames, *_Past(lake, now, at, later, current).frames(known, moment)])


def _winners(rows: Iterable[tuple[object, ...]], pairs: set[Pair]) -> dict[Pair, _Capture]:
    """What coverage named then, by the ledger's own rule; a capture that was only judged again is not there twice."""
    best: dict[Pair, _Capture] = {}
    seen: set[tuple[Pair, Fetch]] = set()
    for contract, session, _, batch, rank, count, fetched, payload, file, fate in rows:
        pair, fetch = (int(str(contract)), int(str(session))), (int(str(fetched)), str(payload))
        if pair not in pairs or (pair, fetch) in seen:
            continue
        seen.add((pair, fetch))
        one = _Capture(*pair, int(str(batch)), int(str(rank)), int(str(count)), fetch, str(file), str(fate))
        before = best.get(pair)
        better = before is None or (one.rank, one.fetch[0]) >= (before.rank, before.fetch[0])
        if fate != "first" and (fate == "second" or better):
            best[pair] = one
    return best


class _Past:
    """Where captures that are not the newest any more are found."""

    def __init__(self, lake: Path, now: pl.LazyFrame, at: reading.Moment, pairs: set[Pair], current: dict[Pair, Fetch]) -> None:
        self._lake, self._now, self._at, self._current = lake, now, at, current
        table = revisions.read(lake, sorted({from_days(session) for _, session in pairs}))
        self._replaced = {
            (int(str(number)), days(day)): part for (number, day), part in table.group_by("contract", "session")
        }
        self._pairs = pairs

    def frames(self, known: dict[Pair, _Capture], moment: int) -> list[pl.LazyFrame]:
        """Bars of the captures, and an error for those that are lost."""
        found, lost = [], []
        for pair in sorted(self._pairs):
            capture = known.get(pair)
            if capture is None:
                if self._was_known(pair, moment):
                    lost.append(pair)
                continue
            if not capture.bars:
                continue
            bars = self._of(pair, capture.fetch, capture)
            if bars is None or bars.height != capture.bars:
                lost.append(pair)
            else:
                found.append(bars.lazy())
        if lost:
            raise NotCovered(
                f"{len(lost):,} contract-sessions were replaced since and their bars of then are kept nowhere; leave out as_of, or these sessions",
                [(number, from_days(day)) for number, day in lost],
            )
        return found

    def _was_known(self, pair: Pair, moment: int) -> bool:
        """Whether something was replaced that no attempt tells of: the ledger was rebuilt since."""
        rows = self._replaced.get(pair)
        return rows is not None and bool((rows["was_fetched_at"].dt.epoch("us") <= moment).any())

    def _of(self, pair: Pair, fetch: Fetch, capture: _Capture | None) -> pl.DataFrame | None:
        """A capture's bars: the newest one, in a batch that is still there, or put together from what replaced it."""
        number, day = pair[0], from_days(pair[1])
        if self._current.get(pair) == fetch:
            return _only(self._now, number, day)
        if capture is not None and capture.file and (self._lake / capture.file).exists():
            named = pl.DataFrame({"batch": [capture.batch], "contract": [number], "session": [day]}, schema_overrides={"session": pl.Date})
            return hot_rows(self._lake, [capture.file], named).collect()
        rows = self._replaced.get(pair)
        old = None if rows is None else rows.filter(
            (pl.col("was_fetched_at").dt.epoch("us") == fetch[0]) & (pl.col("was_payload_hash") == fetch[1]),
        )
        if old is None or old.is_empty():
            return self._published(number, day)
        return self._merged(pair, old, None if capture is None else capture.bars)

    def _published(self, number: int, day: date) -> pl.DataFrame | None:
        """What was published last, where something newer is not published yet."""
        hot = self._at.hot.filter((pl.col("contract") == number) & (pl.col("session") == day))
        return None if hot.is_empty() else _only(scan_files(self._lake / reading.BARS.name, reading.BARS, self._at.published), number, day)

    def _merged(self, pair: Pair, old: pl.DataFrame, bars: int | None) -> pl.DataFrame | None:
        """Rows that were replaced, and those of the replacing capture that were the same."""
        last = old.filter(pl.col("by_attempt") == old["by_attempt"].min())
        own = last.select(*bar_schema()).unique("ts")
        if own.height == bars:
            return own
        by = last.row(0, named=True)
        base = self._of(pair, (micros(by["by_fetched_at"]), by["by_payload_hash"]), None)
        return None if base is None else pl.concat([own, base.join(own, on="ts", how="anti")])


def _only(rows: pl.LazyFrame, contract: int, session: date) -> pl.DataFrame:
    return rows.filter((pl.col("contract") == contract) & (pl.col("session") == session)).collect()
