"""
The folder that an export is written into: files put there whole or not at all, a manifest and a notice beside them.

Knows nothing of bars. Invariant: a file under its final name is complete, and one that was there is replaced only on demand.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from fnolake import __version__
from fnolake.errors import ConfigError

MANIFEST = "fnolake-export.json"
NOTICE = "fnolake-export.txt"
SCRATCH = ".fnolake-part-"
_UNFIT = re.compile(r'[<>:"/\\|?*\x00-\x1f]')
PERSONAL = (
    "For personal use only. Prices came through a broker's API under your own account: its terms and those of the exchange apply,"
    " and passing the files on to others needs a licence of the exchange."
)


def fit(name: str) -> str:
    """A name that every file system takes: what some refuse becomes ``_``."""
    return _UNFIT.sub("_", name)


@dataclass(slots=True)
class Folder:
    """
    Where files are put.

    Args:
        path: Made when the first file is written.
        overwrite: Replace what is there; otherwise it stays.
        dry_run: Write nothing, count everything.

    ``written`` and ``kept``: rows by relative path; ``bars``: how many of them were written; ``stale``: kept ones that were written with other rows than there are now.
    """

    path: Path
    overwrite: bool = False
    dry_run: bool = False
    written: dict[str, int] = field(default_factory=dict)
    kept: dict[str, int] = field(default_factory=dict)
    stale: list[str] = field(default_factory=list)
    bars: int = 0
    _before: dict[str, int] = field(default_factory=dict)

    def claim(self, target: str) -> None:
        """
        Look what an earlier export left here.

        Raises:
            ConfigError: It was for another target, whose files could bear the same names.
        """
        before = self._manifest()
        others = {run["target"] for run in before.get("exports", [])} - {target}
        if others:
            raise ConfigError(f"{self.path} holds an export for {', '.join(sorted(others))}: give {target} a folder of its own")
        self._before = {name: int(rows) for name, rows in before.get("files", {}).items()}

    def put(self, name: str, rows: int, write: Callable[[Path], object], *, bars: int | None = None) -> bool:
        """
        Write a file, unless it is there.

        Args:
            name: Relative to the folder, with ``/``.
            rows: What it will hold.
            write: Writes it to the path that it is given.
            bars: How many bars no other file holds; all of its rows by default.

        Returns:
            Whether it was written, or would be.

        Raises:
            ConfigError: It cannot be written there.
        """
        target = self.path / PurePosixPath(name)
        if target.exists() and not self.overwrite:
            self.keep(name, rows)
            return False
        self.written[name] = rows
        self.bars += rows if bars is None else bars
        if not self.dry_run:
            self._write(target, write)
        return True

    def lay(self, name: str, text: str) -> None:
        """Write a small file that belongs to the others; what is there stays."""
        target = self.path / PurePosixPath(name)
        if not self.dry_run and (self.overwrite or not target.exists()):
            self._write(target, lambda path: path.write_bytes(text.encode()))

    def keep(self, name: str, rows: int) -> None:
        """Note that a file is there and stays; ``rows`` is what it would hold now."""
        self.kept[name] = rows
        if self._before.get(name, rows) != rows:
            self.stale.append(name)

    def _write(self, target: Path, write: Callable[[Path], object]) -> None:
        part = target.with_name(f"{SCRATCH}{os.getpid()}-{target.name}")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            try:
                write(part)
                sync_file(part)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)
        except OSError as error:
            raise ConfigError(f"{target} cannot be written ({error.strerror or error}); free space or give another folder") from error

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """
        A folder for what is on its way, on the same disk, removed at the end.

        Raises:
            ConfigError: It cannot be made.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            made = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=self.path))
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be written ({error.strerror}); give another folder") from error
        try:
            yield made
        finally:
            shutil.rmtree(made, ignore_errors=True)

    def sign(self, run: Mapping[str, object], lines: list[str]) -> None:
        """Write manifest and notice: this run joins those before; ``lines`` say what the folder holds."""
        if self.dry_run:
            return
        before = self._manifest()
        files = {**self._before, **self.written}
        manifest = {
            "fnolake": __version__, "notice": PERSONAL, "files": dict(sorted(files.items())), "exports": [*before.get("exports", []), dict(run)],
        }
        text = "\n".join([f"Exported by fnolake {__version__}.", *lines, "", PERSONAL, f"What each file holds: {MANIFEST}", ""])
        self._write(self.path / MANIFEST, lambda path: path.write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8"))
        self._write(self.path / NOTICE, lambda path: path.write_text(text, encoding="utf-8"))

    def _manifest(self) -> dict[str, Any]:
        try:
            read = json.loads((self.path / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ConfigError(f"{self.path / MANIFEST} cannot be read: move it away, or give another folder") from error
        if not isinstance(read, dict):
            raise ConfigError(f"{self.path / MANIFEST} is none of ours: move it away, or give another folder")
        return read


def sync_file(path: Path) -> None:
    """Have the disk hold a file before it gets its name."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
