"""
The targets, and one export from the selection to its report.

A target is a module of this folder with ``export(work, folder, by)``; it is imported when it is asked for. Invariant: every
export leaves a manifest that says what was selected, what was written and what is not covered.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path

from fnolake.errors import ConfigError, QueryError
from fnolake.export.folder import Folder
from fnolake.export.work import Coverage, Work
from fnolake.model import IST


@dataclass(frozen=True, slots=True)
class Target:
    """A tool or a form of files: ``by`` names how its files may be cut, the first is the usual way."""

    name: str
    module: str
    says: str
    by: tuple[str, ...]
    longest: str = "month"
    """The longest bars that it takes: minute (one), minutes, day, month."""

    def cut(self, by: str | None) -> str:
        """
        How its files are cut.

        Raises:
            ConfigError: Not in that way.
        """
        if by is not None and by not in self.by:
            raise ConfigError(f"{self.name} is written by {' or '.join(self.by)}: leave out --by, or say --by {self.by[0]}")
        return by or self.by[0]


TARGETS = {
    target.name: target for target in (
        Target("csv", "csvfiles", "CSV: rupees, IST with offset", ("contract", "day")),
        Target("parquet", "parquet", "Parquet: rupees, IST", ("contract", "day")),
        Target("backtesting", "backtesting", "backtesting.py: a pandas frame a contract (Parquet)", ("contract",)),
        Target("vectorbt", "vectorbt", "vectorbt: wide pandas frames, a column a contract (Parquet)", ("field",)),
        Target("nautilus", "nautilus", "nautilus_trader: a catalog of instruments and bars", ("contract",), "day"),
        Target("lean", "lean", "QuantConnect Lean: its data folder, market india", ("day",), "minute"),
        Target("amibroker", "amibroker", "AmiBroker: ASCII quotations and their .format", ("contract", "day")),
    )
}
_LENGTHS = ("minute", "minutes", "day", "month")
_TOO_LONG = {"minute": "takes bars of one minute: leave out --interval", "day": "takes bars up to a day: give --interval 1d or less"}


def target_of(name: str) -> Target:
    """
    The target of that name.

    Raises:
        ConfigError: There is none.
    """
    word = name.strip().lower()
    if word not in TARGETS:
        near = get_close_matches(word, TARGETS, n=1)
        known = f"did you mean {near[0]}?" if near else f"there are {', '.join(TARGETS)}"
        raise ConfigError(f"no target {name}; {known}")
    return TARGETS[word]


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export did: files and bars written, files that were there and ``kept``, of these the ``stale`` ones."""

    target: str
    folder: Path
    files: int
    bars: int
    kept: int
    stale: int
    coverage: Coverage
    left_out: tuple[str, ...] = ()
    dry_run: bool = False

    @property
    def lines(self) -> list[str]:
        """Sentences for a person."""
        said = [f"{'would write' if self.dry_run else 'wrote'} {count(self.files, 'file')}, {count(self.bars, 'bar')}, to {self.folder}"]
        if self.kept:
            older = f", {self.stale:,} of them with other rows than the lake has now" if self.stale else ""
            said.append(f"{count(self.kept, 'file')} {'was' if self.kept == 1 else 'were'} there and stayed{older}; --overwrite replaces")
        said += [f"left out: {line}" for line in self.left_out]
        return [*said, gap_line(self.coverage)]


def count(number: int, noun: str) -> str:
    """``1 file``, ``2,000 files``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def gap_line(coverage: Coverage) -> str:
    """One line on what is not covered."""
    if not coverage.uncovered:
        many = coverage.wanted != 1
        return f"{'all' if many else 'the'} {count(coverage.wanted, 'contract-session')} of the selection {'are' if many else 'is'} covered"
    why = ", ".join(f"{number:,} {status}" for status, number in sorted(coverage.by_status.items()))
    return f"{coverage.uncovered:,} of {count(coverage.wanted, 'contract-session')} not covered ({why}); fnolake gaps says which"


def export(target: Target, work: Work, folder: Folder, now: datetime, *, by: str | None = None) -> Exported:
    """
    Write a selection in a target's form.

    Raises:
        QueryError: The selection holds no bars.
        ConfigError: The target does not take such bars, or the folder cannot be written.
    """
    cut = target.cut(by)
    _fits(target, work, cut)
    folder.claim(target.name)
    if not work.sessions:
        raise QueryError("nothing to export: no bars of it in these sessions; fnolake gaps says why, fnolake sync fetches them")
    importlib.import_module(f"fnolake.export.{target.module}").export(work, folder, cut)
    if not folder.written and not folder.kept:
        raise QueryError("nothing to export: no bars of it in this phase of these sessions; fnolake gaps says why")
    done = Exported(
        target.name, folder.path, len(folder.written), folder.bars, len(folder.kept), len(folder.stale), work.coverage,
        tuple(work.left_out), dry_run=folder.dry_run,
    )
    folder.sign(_manifest(done, work, cut, now), [f"Made {now.astimezone(IST):%Y-%m-%d %H:%M} IST.", *done.lines])
    return done


def _fits(target: Target, work: Work, cut: str) -> None:
    interval = work.interval
    length = "month" if interval.period in {"week", "month"} else interval.period or ("minute" if interval.minutes == 1 else "minutes")
    if _LENGTHS.index(length) > _LENGTHS.index(target.longest):
        raise ConfigError(f"{target.name} {_TOO_LONG[target.longest]}")
    if cut == "day" and length == "month":
        raise ConfigError("bars of a week or a month do not fit files by day: say --by contract")


def _manifest(done: Exported, work: Work, cut: str, now: datetime) -> Mapping[str, object]:
    return {
        "created": now.astimezone(IST).isoformat(timespec="seconds"), "target": done.target, "by": cut,
        "selection": asdict(work.choice), "sessions": [str(day) for day in work.sessions], "files": done.files, "bars": done.bars,
        "kept": done.kept, "coverage": {"wanted": done.coverage.wanted, "covered": done.coverage.covered, "uncovered": done.coverage.by_status},
        "left_out": list(done.left_out),
    }
