"""Parquet: ``query.bars.BAR_COLUMNS`` as they are, ``ts`` with its zone (Asia/Kolkata), zstd."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.export.folder import fit

if TYPE_CHECKING:
    import polars as pl

    from fnolake.export.folder import Folder
    from fnolake.export.work import Work


def export(work: Work, folder: Folder, by: str) -> None:
    """``UNDERLYING/SYMBOL.parquet`` for each contract, or ``SELECTION/DATE.parquet`` for each session."""
    write_pieces(work, folder, by, "parquet", _write)


def _write(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd")


def write_pieces(work: Work, folder: Folder, by: str, extension: str, write: Callable[[pl.DataFrame, Path], None]) -> None:
    """One file a contract or a session, in whatever way ``write`` writes a frame."""
    suffix = work.choice.suffix
    if by == "day":
        for piece in work.by_day():
            frame = piece.read()
            folder.put(f"{work.choice.label}/{piece.name}{suffix}.{extension}", piece.rows, lambda path, frame=frame: write(frame, path))  # type: ignore[misc]
        return
    of = dict(work.named().select("symbol", "underlying").iter_rows())
    with nullcontext() if folder.dry_run else folder.scratch() as scratch:
        for piece in work.spool(scratch).by_contract():
            name = f"{fit(of[piece.name])}/{fit(piece.name)}{suffix}.{extension}"
            folder.put(name, piece.rows, lambda path, piece=piece: write(piece.read(), path))  # type: ignore[misc]
