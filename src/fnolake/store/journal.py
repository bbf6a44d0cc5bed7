"""
The live journal: ticks on the disk before they count, and the provisional minutes made of them.

Below the lake, in ``live/DATE/``: ``ticks-N.journal`` (blocks of a length, a checksum and fixed records; a torn block ends the
file), ``minutes-N.parquet`` and ``absences-N.parquet`` (pieces, later ones win) and, once the session is signed off,
``findings.parquet``. A new journal begins with a checkpoint, so that a restart reads only the newest. Invariant: a minute is
readable only once the ticks it is made of, or the checkpoint after them, are durable.
"""

from __future__ import annotations

import contextlib
import os
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

import polars as pl

from fnolake.minutes import absence_schema
from fnolake.model.tick import Tick
from fnolake.store.disk import disk_guard, fsync_folder, make_folder, write_table

FOLDER = "live"
_BLOCK = struct.Struct("<BII")
_TICK = struct.Struct("<qqqqqqB")
CHECKPOINT, TICKS, MARK = 1, 2, 3
_NAME = re.compile(r"ticks-(\d+)\.journal")
_PIECE = re.compile(r"minutes-(\d+)\.parquet")
_FINDINGS = "findings.parquet"
_ABSENCE = re.compile(r"absences-(\d+)\.parquet")


class Journal:
    """
    One session's journal, open for appending by one process.

    Args:
        lake: Folder of the lake.
        session: The session.
    """

    def __init__(self, lake: Path, session: date) -> None:
        self.folder = lake / FOLDER / session.isoformat()
        make_folder(self.folder)
        self._pieces = max(_numbers(self.folder, _PIECE) + _numbers(self.folder, _ABSENCE), default=0)
        self._number = max(_numbers(self.folder, _NAME), default=0)
        self._file: BinaryIO | None = None

    def recall(self) -> Iterator[tuple[int, bytes | list[Tick]]]:
        """Blocks of the newest journal that holds a checkpoint, in order: (CHECKPOINT or MARK, bytes) or (TICKS, ticks)."""
        for number in sorted(_numbers(self.folder, _NAME), reverse=True):
            blocks = blocks_of(self.folder / f"ticks-{number}.journal")
            first = next(blocks, None)
            if first is not None and first[0] == CHECKPOINT:
                yield first
                yield from blocks
                return

    def begin(self, checkpoint: bytes) -> None:
        """Start a new journal with all that is known; the older ones are removed once it is durable."""
        old, self._number = self._file, self._number + 1
        path = self.folder / f"ticks-{self._number}.journal"
        with disk_guard(self.folder):
            self._file = path.open("ab", buffering=0)
            self._file.write(_block(CHECKPOINT, checkpoint))
            os.fsync(self._file.fileno())
            fsync_folder(self.folder)
        if old is not None:
            old.close()
        for number in _numbers(self.folder, _NAME):
            if number < self._number:
                (self.folder / f"ticks-{number}.journal").unlink(missing_ok=True)

    def append(self, items: Iterable[Tick | bytes]) -> None:
        """
        Make ticks and marks durable, in their order.

        Raises:
            DiskFull: They are not.
        """
        assert self._file is not None, "begin() first"
        with disk_guard(self.folder):
            for marks, run in groupby(items, key=lambda item: isinstance(item, bytes)):
                if marks:
                    blocks = b"".join(_block(MARK, item) for item in run if isinstance(item, bytes))
                else:
                    blocks = _block(TICKS, b"".join(
                        _TICK.pack(t.contract, t.at_us, t.received_us, t.last_paise, t.volume, t.oi, t.snapshot) for t in run if isinstance(t, Tick)
                    ))
                self._file.write(blocks)
            os.fsync(self._file.fileno())

    def add_minutes(self, bars: pl.DataFrame) -> None:
        """Make provisional bars durable and readable, whole or not at all."""
        self._add("minutes", bars)

    def add_absences(self, spans: pl.DataFrame) -> None:
        """Make what was not heard (``minutes.absence_schema``) durable and readable, whole or not at all."""
        self._add("absences", spans)

    def join_pieces(self) -> None:
        """Put all pieces of a kind into one, so that reading stays quick."""
        for name, pattern, read in (("minutes", _PIECE, pieces), ("absences", _ABSENCE, absences)):
            numbers = sorted(_numbers(self.folder, pattern))
            if len(numbers) > 1:
                self._add(name, read(self.folder))
                for number in numbers:
                    (self.folder / f"{name}-{number:06d}.parquet").unlink(missing_ok=True)

    def _add(self, name: str, rows: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        self._pieces += 1
        with disk_guard(self.folder):
            write_table(self.folder / f"{name}-{self._pieces:06d}.parquet", rows, level=1, statistics=False)

    def close(self) -> None:
        """Close the file; what was appended stays."""
        if self._file is not None:
            self._file.close()
            self._file = None


def blocks_of(path: Path) -> Iterator[tuple[int, bytes | list[Tick]]]:
    """Whole blocks of a journal, in order; a torn one ends it."""
    with path.open("rb") as file:
        while len(head := file.read(_BLOCK.size)) == _BLOCK.size:
            kind, length, check = _BLOCK.unpack(head)
            payload = file.read(length)
            if len(payload) < length or _check(kind, payload) != check:
                return
            yield kind, [_tick(row) for row in _TICK.iter_unpack(payload)] if kind == TICKS else payload


def pieces(folder: Path) -> pl.DataFrame:
    """Provisional bars of a session's folder, the latest word on each (contract, ts), by both."""
    frames = _read(folder, "minutes", _PIECE)
    return pl.concat(frames).unique(["contract", "ts"], keep="last", maintain_order=True).sort("contract", "ts") if frames else pl.DataFrame()


def absences(folder: Path) -> pl.DataFrame:
    """What was not heard of a session (``minutes.absence_schema``), by contract and first minute; spans may overlap."""
    frames = _read(folder, "absences", _ABSENCE)
    return pl.concat(frames).unique().sort("contract", "first", "last") if frames else pl.DataFrame(schema=absence_schema())


def _read(folder: Path, name: str, pattern: re.Pattern[str]) -> list[pl.DataFrame]:
    """Every piece in order; a recorder that joins them meanwhile is waited for by looking again."""
    for _ in range(3):
        with contextlib.suppress(FileNotFoundError):
            return [pl.read_parquet(folder / f"{name}-{number:06d}.parquet", glob=False) for number in sorted(_numbers(folder, pattern))]
    return []


def keep_findings(lake: Path, session: date, findings: pl.DataFrame) -> None:
    """Keep what a recording is known to have got wrong, in the place of what was known before; whole or not at all."""
    folder = lake / FOLDER / session.isoformat()
    with disk_guard(folder):
        write_table(folder / _FINDINGS, findings, statistics=False)


def kept_findings(lake: Path) -> list[pl.DataFrame]:
    """What was kept of each session's recording, by session."""
    found = (lake / FOLDER / day.isoformat() / _FINDINGS for day in recorded(lake))
    return [pl.read_parquet(path, glob=False) for path in found if path.exists()]


def recorded(lake: Path) -> list[date]:
    """Sessions with a journal or provisional minutes, ascending."""
    folder = lake / FOLDER
    names = [one.name for one in folder.iterdir() if one.is_dir()] if folder.exists() else []
    return sorted(date.fromisoformat(name) for name in names)


def _numbers(folder: Path, pattern: re.Pattern[str]) -> list[int]:
    if not folder.exists():
        return []
    return [int(match[1]) for one in folder.iterdir() if (match := pattern.fullmatch(one.name))]


def _block(kind: int, payload: bytes) -> bytes:
    return _BLOCK.pack(kind, len(payload), _check(kind, payload)) + payload


def _check(kind: int, payload: bytes) -> int:
    """Of the kind too: a block that is damaged in its first byte would else be another kind of block."""
    return zlib.crc32(payload, kind)


def _tick(row: tuple[int, int, int, int, int, int, int]) -> Tick:
    contract, at_us, received_us, last, volume, oi, snapshot = row
    return Tick(contract, at_us, received_us, last, volume, oi, bool(snapshot))
