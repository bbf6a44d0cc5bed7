"""
One writer a lake, by a lock of the operating system that ends with its process, however that ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO

from fnolake.errors import StoreLocked
from fnolake.store.disk import disk_guard, make_folder

LOCK_FILE = "writer.lock"
DAEMON_LOCK = "daemon.lock"
"""Held by the one process that runs the lake's day; it is no writer's lock, which is taken only while a step writes."""
_LOCK_AT = 1 << 20
"""Windows locks a byte range and refuses reads of it: lock a byte that nobody reads."""


class WriterLock:
    """
    The lake's writer lock, or another of its kind, held from construction to ``release``.

    Args:
        lake: Its folder.
        name: The file that is locked.
        doing: What the holder is doing with the lake, for the error.

    Raises:
        StoreLocked: Another process, or another Store of this one, holds it.
        DiskFull: The folder cannot be written.
    """

    def __init__(self, lake: Path, name: str = LOCK_FILE, doing: str = "being written") -> None:
        path = lake / name
        with disk_guard(lake):
            make_folder(lake)
            self._file: IO[bytes] | None = path.open("a+b")
        try:
            _take(self._file)
        except OSError as error:
            holder = _holder(self._file)
            self._file.close()
            raise StoreLocked(f"{lake} is {doing} by another process{holder}; wait for it, or stop it, then run again") from error
        with disk_guard(lake):
            self._file.seek(0)
            self._file.truncate()
            self._file.write(str(os.getpid()).encode())
            self._file.flush()

    def release(self) -> None:
        """Let the next writer in; nothing happens the second time."""
        if self._file is not None:
            self._file.close()
            self._file = None


def lock_holder(lake: Path, name: str) -> int | None:
    """The process that holds a lock of the lake now, None if nobody does; 0 where it has not said who it is."""
    try:
        with (lake / name).open("rb") as file:
            try:
                _take(file)
            except OSError:
                return int("".join(filter(str.isdigit, _holder(file))) or 0)
    except FileNotFoundError:
        pass
    return None


def _holder(file: IO[bytes]) -> str:
    file.seek(0)
    text = file.read(20).decode("ascii", "replace").strip()
    return f" (process {text})" if text.isdigit() else ""


if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(_LOCK_AT)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
