"""
Making bytes durable, and saying in one line when the disk will not take them. Knows files, no tables.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.errors import DiskFull

if TYPE_CHECKING:
    import polars as pl

_NO_ROOM = {errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
_WORDS = ("no space left", "disk is full", "readonly database", "read-only file system", "permission denied")


@contextlib.contextmanager
def disk_guard(path: Path) -> Iterator[None]:
    """
    Turn "no room" and "not allowed" of any library into one error.

    Raises:
        DiskFull: The system, SQLite or a Parquet writer could not write below ``path``.
    """
    try:
        yield
    except DiskFull:
        raise
    except Exception as error:
        if not _is_full(error):
            raise
        raise DiskFull(f"cannot write to {path}: {error}; nothing was recorded; free space or mend the folder, then run again") from error


def _is_full(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return True
    foreign = isinstance(error, (sqlite3.OperationalError, OSError)) or type(error).__module__.startswith(("polars", "pyarrow"))
    return foreign and any(word in str(error).lower() for word in _WORDS)


def fsync_file(path: Path) -> None:
    """Push a file's bytes to the disk."""
    handle = os.open(path, os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def fsync_folder(path: Path) -> None:
    """Push a folder's entries to the disk; Windows keeps them itself."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folder(path: Path) -> Path:
    """Create a folder and its parents durably."""
    if not path.is_dir():
        make_folder(path.parent)
        path.mkdir(exist_ok=True)
        fsync_folder(path.parent)
    return path


def write_atomic(path: Path, body: bytes, *, mode: int = 0o644) -> None:
    """Replace ``path`` by ``body`` so that a crash leaves the old file or the new one."""
    handle, name = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(mode)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    fsync_folder(path.parent)


def write_table(path: Path, table: pl.DataFrame, *, level: int | None = None, statistics: bool = True) -> None:
    """Replace a Parquet file (zstd) so that a crash leaves the old one or the new one; for tables that fit into memory as bytes."""
    body = io.BytesIO()
    table.write_parquet(body, compression="zstd", compression_level=level, statistics=statistics)
    write_atomic(path, body.getvalue())


def file_hash(path: Path) -> str:
    """Hex blake2b-128 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
