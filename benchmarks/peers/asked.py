"""What is asked of each engine, and the one form of its answers."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl


@dataclass(frozen=True)
class Question:
    """
    One run's questions.

    ``chain``: options of ``underlying`` and ``expiry`` on ``session`` as of ``at``; ``symbol`` (contract ``contract``): the one whose
    every session is read; ``opens``, ``closes``: the UTC bounds of ``session``, half open.
    """

    underlying: str
    expiry: date
    session: date
    at: datetime
    opens: datetime
    closes: datetime
    contract: int
    symbol: str


class Engine(ABC):
    """A store that holds the rows. Answers are polars tables with these columns first, paise, by contract and ts."""

    name: str

    def __init__(self, folder: Path, lake: Path) -> None:
        self.folder, self.lake = folder, lake
        self.filled: dict[str, float] = {}

    @abstractmethod
    def fill(self) -> None:
        """Take every row of the lake."""

    @abstractmethod
    def open(self) -> None:
        """Be ready to answer."""

    @abstractmethod
    def close(self) -> None:
        """Let go of every file."""

    @abstractmethod
    def chain(self, q: Question) -> pl.DataFrame:
        """Of each option of an expiry the last bar that began before ``at``: contract, ts, close_paise, oi."""

    @abstractmethod
    def so_far(self, q: Question) -> pl.DataFrame:
        """The chain with what was traded until then: contract, ts, close_paise, oi, volume."""

    @abstractmethod
    def whole(self, q: Question) -> pl.DataFrame:
        """Every bar of a contract: contract, ts, open_paise, high_paise, low_paise, close_paise, volume, oi."""

    @abstractmethod
    def last(self, q: Question) -> pl.DataFrame:
        """The last bar of every contract of a session: contract, ts, close_paise, oi."""

    @abstractmethod
    def day(self, q: Question) -> pl.DataFrame:
        """Every bar of every contract of an underlying on a session: as ``whole``."""

    def bytes(self) -> int:
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file() and path.name != "filled.json")


LAST = ("contract", "ts", "close_paise", "oi")
SO_FAR = (*LAST, "volume")
BARS = ("contract", "ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi")
TYPES = {"ts": pl.Datetime("us", "UTC"), **{name: pl.Int64 for name in (*LAST, *BARS) if name != "ts"}}


def same(answer: pl.DataFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """An answer in the form in which they are compared."""
    return answer.select(pl.col(name).cast(TYPES[name]) for name in columns).sort("contract", "ts")
