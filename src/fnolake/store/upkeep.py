"""
Keeping a lake in order: garbage of crashes, replaced files past their grace, checkpoints, backups, hashes.

Nothing that the ledger or a table's newest version names is ever removed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fnolake.errors import CorruptFile
from fnolake.model import ist_date
from fnolake.store.bars import BARS
from fnolake.store.batches import HOT, REFUSED, check_hash, remove_files
from fnolake.store.disk import fsync_file, fsync_folder, make_folder
from fnolake.store.exchange import EXCHANGE_DAYS
from fnolake.store.ledger import Ledger
from fnolake.store.publish import COVERAGE, drop_retired
from fnolake.store.revisions import REVISIONS
from fnolake.store.tables import LOG, TableSpec, head_files

BACKUP = "backup"
BACKUPS_KEPT = 7
TABLES: tuple[TableSpec, ...] = (BARS, COVERAGE, EXCHANGE_DAYS, REVISIONS)
_NAMED = {
    BARS.name: "select bars_file from published", COVERAGE.name: "select coverage_file from published",
    EXCHANGE_DAYS.name: "select file from exchange_days",
}


@dataclass(slots=True)
class UpkeepReport:
    """
    What upkeep did: files removed and their bytes, batches dropped, tables checkpointed, the backup, files whose hash was
    read again and those that differ.
    """

    removed: int = 0
    freed_bytes: int = 0
    dropped_batches: int = 0
    checkpoints: tuple[str, ...] = ()
    backup: str = ""
    checked: int = 0
    corrupt: list[CorruptFile] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The report in a few sentences for a person."""
        text = [f"{self.removed:,} files removed ({self.freed_bytes / 1e6:,.1f} MB), {self.dropped_batches:,} published batches dropped"]
        if self.backup:
            text.append(f"the ledger is copied to {self.backup}")
        if self.checked:
            text.append(f"{self.checked:,} files read again, {len(self.corrupt)} differ from their recorded hash")
        return text + [str(error) for error in self.corrupt]


def upkeep(lake: Path, ledger: Ledger, now: datetime, grace_s: float, *, check: bool) -> UpkeepReport:
    """
    Put a lake in order. The caller is the only writer.

    Args:
        lake: Folder of the lake.
        ledger: Its ledger, open for writing.
        now: Calendar instant, for the name of the day's backup.
        grace_s: Replaced files younger than this stay.
        check: Read every file again and compare its hash.
    """
    report = UpkeepReport(dropped_batches=drop_retired(lake, ledger, grace_s))
    _remove(report, _unnamed_batches(lake, ledger))
    for spec in TABLES:
        _remove(report, _unnamed_files(lake, ledger, spec, time.time() - grace_s))
    report.checkpoints = tuple(spec.name for spec in TABLES if _checkpoint(lake / spec.name))
    report.backup = _backup(lake, ledger, now)
    if check:
        _check(lake, ledger, report)
    return report


def _remove(report: UpkeepReport, paths: list[Path]) -> None:
    report.removed += len(paths)
    report.freed_bytes += sum(path.stat().st_size for path in paths)
    remove_files(paths)


def _unnamed_batches(lake: Path, ledger: Ledger) -> list[Path]:
    """Files of batches whose transaction never came: the writer is alone, so nothing is under way."""
    named = {str(name) for pair in ledger.rows("select file, refused_file from batches") for name in pair}
    found = [path for folder in (HOT, REFUSED) if (lake / folder).is_dir() for path in (lake / folder).iterdir()]
    return [path for path in found if path.relative_to(lake).as_posix() not in named]


def _unnamed_files(lake: Path, ledger: Ledger, spec: TableSpec, before: float) -> list[Path]:
    """Files of a table that neither the ledger nor its newest version names, older than the grace."""
    root = lake / spec.name
    if not root.is_dir():
        return []
    named = {str(row[0]) for row in (ledger.rows(_NAMED[spec.name]) if spec.name in _NAMED else [])} | {path for path, _ in head_files(root)}
    pattern = "/".join("*=*" for _ in spec.partition) + "/*.parquet"
    return [path for path in root.glob(pattern) if path.relative_to(root).as_posix() not in named and path.stat().st_mtime <= before]


def _checkpoint(root: Path) -> bool:
    """Write a Delta checkpoint where the log has grown since the last one; True when one was written."""
    from deltalake import DeltaTable

    if not (root / LOG).is_dir():
        return False
    table = DeltaTable(root)
    if table.version() == 0 or (root / LOG / f"{table.version():020d}.checkpoint.parquet").exists():
        return False
    table.create_checkpoint()
    for path in (root / LOG).glob(f"{table.version():020d}.checkpoint*"):
        fsync_file(path)
    fsync_file(root / LOG / "_last_checkpoint")
    fsync_folder(root / LOG)
    return True


def _backup(lake: Path, ledger: Ledger, now: datetime) -> str:
    """Copy the ledger once a day, keep the last week's; returns today's copy below the lake, empty if it was there."""
    folder = make_folder(lake / BACKUP)
    target = folder / f"ledger-{ist_date(now)}.sqlite"
    if target.exists():
        return ""
    fresh = folder / f".new-{target.name}"
    fresh.unlink(missing_ok=True)
    ledger.backup(fresh)
    fsync_file(fresh)
    fresh.replace(target)
    fsync_folder(folder)
    remove_files(sorted(folder.glob("ledger-*.sqlite"))[:-BACKUPS_KEPT])
    return target.relative_to(lake).as_posix()


def _check(lake: Path, ledger: Ledger, report: UpkeepReport) -> None:
    """Compare every recorded hash with its file."""
    recorded = [(lake / str(file), str(digest)) for file, digest in ledger.rows("select file, file_hash from batches where file <> ''")]
    recorded += [(lake / str(f), str(d)) for f, d in ledger.rows("select refused_file, refused_hash from batches where refused_file <> ''")]
    recorded += [
        (lake / BARS.name / str(f), str(d)) for f, d in ledger.rows("select bars_file, file_hash from published where bars_file <> ''")
    ]
    for path, digest in recorded:
        report.checked += 1
        try:
            check_hash(path, digest)
        except CorruptFile as error:
            report.corrupt.append(error)
