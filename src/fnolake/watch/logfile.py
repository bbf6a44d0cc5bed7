"""
A log file that begins anew each day, for several processes at once. Knows nothing of what the lines say.

Invariant: every line is one append of a file that only its owner may read; lines of an earlier day are moved to
``NAME.YYYY-MM-DD`` beside it, and those older than the days to keep are removed.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path

from fnolake.errors import ConfigError

_DAY = re.compile(rb"\d{4}-\d{2}-\d{2}")
_FIRST_BYTES = 64


class LogFile:
    """
    One log on disk.

    Args:
        path: The file of today.
        keep_days: Earlier days that stay.
        today: The day that a line written now belongs to.

    Raises:
        ConfigError: It cannot be written.
    """

    def __init__(self, path: Path, keep_days: int, today: Callable[[], date]) -> None:
        self._path = path
        self._keep_days = keep_days
        self._today = today
        self._day: date | None = None
        with self._guard():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._append(b"")

    def __call__(self, line: str) -> None:
        """
        Append one line.

        Raises:
            ConfigError: It cannot be written.
        """
        today = self._today()
        with self._guard():
            if today != self._day:
                self._turn(today)
                self._day = today
            self._append(f"{line}\n".encode())

    def _append(self, body: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(handle, body)
        finally:
            os.close(handle)

    def _turn(self, today: date) -> None:
        """Put away what is of an earlier day, and what is too old."""
        began = self._began()
        if began is not None and began < today:
            kept = self._path.with_name(f"{self._path.name}.{began}")
            if not kept.exists():
                self._path.rename(kept)
        oldest = today - timedelta(days=self._keep_days)
        for old in self._path.parent.glob(f"{self._path.name}.????-??-??"):
            with contextlib.suppress(ValueError):
                if date.fromisoformat(old.name[-10:]) < oldest:
                    old.unlink(missing_ok=True)

    def _began(self) -> date | None:
        """The day of the file's first line, None where there is none."""
        try:
            with self._path.open("rb") as file:
                found = _DAY.search(file.read(_FIRST_BYTES))
            return date.fromisoformat(found.group().decode()) if found else None
        except (FileNotFoundError, ValueError):
            return None

    @contextlib.contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigError(f"the log {self._path} cannot be written ({error.strerror}): name another with --log-file or log.file") from error
