"""
What an export reads: one selection of bars, a session or a contract at a time. Writes only what is on its way, into a scratch folder.

Memory holds one session of the selection, or ``ROWS_AT_ONCE`` bars of some contracts. Knows no target.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path

import polars as pl

from fnolake.export.folder import fit
from fnolake.market.calendar import Calendar
from fnolake.query.interval import Interval

ROWS_AT_ONCE = 500_000
Reader = Callable[[date, date], pl.DataFrame]


@dataclass(frozen=True, slots=True)
class Choice:
    """What is exported, as it was asked for."""

    symbol: str
    kind: str | None = None
    expiry: date | str | None = None
    start: date | None = None
    end: date | None = None
    interval: str = "1m"
    phases: tuple[str, ...] = ("continuous",)
    strike: float | str | None = None
    right: str | None = None
    moneyness: str | None = None

    @property
    def label(self) -> str:
        """Its name in file names: ``NIFTY-option-near-ATM+1``."""
        parts = (self.symbol.strip().upper(), self.kind, self.expiry, self.strike, self.right, self.moneyness)
        return fit("-".join(str(part) for part in parts if part))

    @property
    def suffix(self) -> str:
        """What tells it from minutes of the continuous phase: ``_5m``."""
        parts = ["" if self.interval == "1m" else self.interval, "" if self.phases == ("continuous",) else "+".join(self.phases)]
        return "".join(f"_{part}" for part in parts if part)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Contract-sessions of a selection: how many were wanted, and how many of them are covered or not, by status."""

    wanted: int = 0
    covered: int = 0
    by_status: dict[str, int] = field(default_factory=dict)

    @property
    def uncovered(self) -> int:
        """Wanted minus covered."""
        return self.wanted - self.covered


@dataclass(frozen=True, slots=True)
class Piece:
    """Bars that belong together: ``name`` is a contract's symbol or a date, ``read`` gives ``query.bars.BAR_COLUMNS`` by contract and ts."""

    name: str
    rows: int
    read: Callable[[], pl.DataFrame]


@dataclass(slots=True)
class Work:
    """
    A selection to export.

    Args:
        choice: What was asked.
        interval: The length of the bars.
        read: Bars of the selection from one session to another, inclusive.
        sessions: Those that hold bars of it, ascending.
        listings: What the contracts were, a row a revision: ``store.instrument_history()``.
        calendar: For the hours of a session.
        coverage: How much of the selection is there.

    ``left_out``: what a target could not hold, one line each.
    """

    choice: Choice
    interval: Interval
    read: Reader
    sessions: Sequence[date]
    listings: pl.DataFrame
    calendar: Calendar
    coverage: Coverage = field(default_factory=Coverage)
    left_out: list[str] = field(default_factory=list)

    def by_day(self) -> Iterator[Piece]:
        """Every session (or week, or month, by its first session) with bars, in order."""
        for days in self._spans():
            frame = self.read(days[0], days[-1])
            if frame.height:
                yield Piece(str(days[0]), frame.height, lambda frame=frame: frame)  # type: ignore[misc]

    def spool(self, folder: Path | None) -> Spool:
        """Read everything once, a session at a time, into a folder; without one only count."""
        parts: list[Path] = []
        counts: dict[str, int] = {}
        for piece in self.by_day():
            frame = piece.read()
            for symbol, rows in frame.group_by("symbol", maintain_order=True).len().iter_rows():
                counts[symbol] = counts.get(symbol, 0) + rows
            if folder is not None:
                parts.append(folder / f"{piece.name}.parquet")
                frame.write_parquet(parts[-1], compression="lz4")
        return Spool(counts, parts)

    def named(self) -> pl.DataFrame:
        """The contracts' latest names and facts, one row a symbol: ``store.instrument_history()``."""
        return self.listings.sort("contract", "revision").unique("symbol", keep="last", maintain_order=True)

    def on(self, day: date) -> pl.DataFrame:
        """What the contracts were on a session, one row a symbol: symbol, lot, is_index; the latest where that is unknown."""
        then = self.listings.filter(
            (pl.col("valid_from").is_null() | (pl.col("valid_from") <= day)) & (pl.col("valid_to").is_null() | (pl.col("valid_to") >= day)),
        )
        facts = pl.concat([then, self.named()]).unique("symbol", keep="first", maintain_order=True)
        return facts.select("symbol", "lot", "is_index")

    def _spans(self) -> Iterator[list[date]]:
        for _, days in groupby(self.sessions, key=self.interval.first_day):
            yield list(days)


@dataclass(frozen=True, slots=True)
class Spool:
    """Bars on their way: how many of each symbol, and the files that hold them, ascending in time."""

    counts: dict[str, int]
    parts: list[Path]

    def by_contract(self) -> Iterator[Piece]:
        """Every contract, in the order of the first read; what ``read`` gives is shared by neighbours."""
        for symbols in _chunks(self.counts):
            held = _Held(self.parts, symbols)
            for symbol in symbols:
                yield Piece(symbol, self.counts[symbol], lambda symbol=symbol, held=held: held.of(symbol))  # type: ignore[misc]

    def by_day(self) -> Iterator[pl.DataFrame]:
        """What was read, a session at a time."""
        return (pl.read_parquet(part, glob=False) for part in self.parts)


@dataclass(slots=True)
class _Held:
    """Bars of a few neighbours, read when the first of them is asked for."""

    parts: list[Path]
    symbols: list[str]
    frames: dict[str, pl.DataFrame] = field(default_factory=dict)

    def of(self, symbol: str) -> pl.DataFrame:
        if not self.frames:
            rows = pl.scan_parquet(self.parts, glob=False).filter(pl.col("symbol").is_in(self.symbols)).collect()
            self.frames = {str(key): frame for (key,), frame in rows.partition_by("symbol", as_dict=True, maintain_order=True).items()}
        return self.frames.pop(symbol)


def _chunks(counts: dict[str, int]) -> Iterator[list[str]]:
    chunk: list[str] = []
    rows = 0
    for symbol, count in counts.items():
        if chunk and rows + count > ROWS_AT_ONCE:
            yield chunk
            chunk, rows = [], 0
        chunk.append(symbol)
        rows += count
    if chunk:
        yield chunk
