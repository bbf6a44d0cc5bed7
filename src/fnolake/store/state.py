"""
The state drawer: small values that outlive a process, as files that only their owner may read.
"""

from __future__ import annotations

import re
from pathlib import Path

from fnolake.store.disk import disk_guard, fsync_folder, make_folder, write_atomic


class StateFolder:
    """
    ``model.StatePort`` in a folder: one file a key, mode 0600, replaced atomically.

    Small letters, digits and ``. _ - @`` stand in file names as they are; anything else is escaped, so that no two keys
    share a file on any system.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, key: str) -> bytes | None:
        """The value last saved under ``key``, or None."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def save(self, key: str, value: bytes) -> None:
        """
        Replace the value under ``key``.

        Raises:
            DiskFull: It could not be written; the old value stays.
        """
        with disk_guard(self._folder):
            if not self._folder.is_dir():
                make_folder(self._folder)
                self._folder.chmod(0o700)
            write_atomic(self._path(key), value, mode=0o600)

    def delete(self, key: str) -> None:
        """Forget ``key``; nothing happens when it is not there."""
        with disk_guard(self._folder):
            if self._folder.is_dir():
                self._path(key).unlink(missing_ok=True)
                fsync_folder(self._folder)

    def _path(self, key: str) -> Path:
        return self._folder / re.sub(r"[^a-z0-9._@-]|^\.", lambda found: f"%{ord(found.group()):04x}", key)
