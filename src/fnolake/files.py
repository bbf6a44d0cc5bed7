"""
Files that come in and go out: the exchange's, the user's own, and what other tools read. A half of the facade.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.errors import GapWarning
from fnolake.model import Event, day_of
from fnolake.provider.files.layout import layout_of
from fnolake.reads import LakeReads
from fnolake.sync.exchange_round import ExchangeRound, Taken

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl

    from fnolake.export.targets import Exported
    from fnolake.sync.imports import FileReport


def ignore(_event: Event) -> None:
    """Nobody is told."""


class LakeFiles(LakeReads):
    """The half of a lake that takes and gives files."""

    def take_files(self, paths: Sequence[Path] = ()) -> list[Taken]:
        """Take files of the exchange by their content; without ``paths`` what lies in the lake's ``drop`` folder, which leaves it."""
        taker = ExchangeRound(self.store, None, self._calendar, self.clock, ignore)
        return taker.take_files(paths) if paths else taker.take_dropped()

    def import_files(
        self, path: Path, preset: str | None = None, mapping: Mapping[str, str] | None = None, *, name: str | None = None,
        on_event: Callable[[Event], None] = ignore, dry_run: bool = False,
    ) -> list[FileReport]:
        """
        Take minute bars of files that the user owns, through the same line as a broker's answers; see docs/import.md.

        Args:
            path: A CSV, Parquet, JSON or zip file, or a folder of them.
            preset: openalgo, kite, gdf or truedata.
            mapping: Columns and ways of writing, instead of the preset's or of a layout of the user's own.
            name: Bars are marked ``import:NAME``; the preset's by default.
            on_event: Told of each file.
            dry_run: Only say what would come of it; the lake need not be open for writing.

        Returns:
            One report a file; every row of it in one outcome.

        Raises:
            ConfigError: No such file, preset or mapping.
            StoreError: Something could not be made durable.
        """
        from fnolake.sync.imports import Import, provider_name

        layout = layout_of(preset, mapping)
        marked = provider_name(name or layout.name)
        return Import(self.store, self._calendar, layout, marked, self.clock.now(), on_event, dry_run=dry_run).run(path)

    def export(
        self, target: str, folder: Path | str, symbol: str, *, kind: str | None = None, expiry: date | str | None = None,
        start: date | str | None = None, end: date | str | None = None, interval: str = "1m", phases: Sequence[str] = ("continuous",),
        by: str | None = None, overwrite: bool = False, dry_run: bool = False, strike: float | str | None = None, right: str | None = None,
        moneyness: str | None = None,
    ) -> Exported:
        """
        Write bars for another tool, for your own use.

        Args:
            target: One of ``export.targets.TARGETS``: csv, parquet, backtesting, vectorbt, nautilus, lean, amibroker.
            folder: Where to; outside this lake. Made when the first file is written.
            symbol: As in :meth:`bars`.
            kind: As in :meth:`bars`.
            expiry: As in :meth:`bars`.
            start: First session, inclusive; a date or its text.
            end: Last session, inclusive.
            interval: As in :meth:`bars`.
            phases: As in :meth:`bars`.
            by: A file a ``contract`` or a ``day``, where the target leaves the choice.
            overwrite: Replace files that are there; otherwise they stay, and the same call again adds what is new.
            dry_run: Read and count, write nothing.
            strike: As in :meth:`bars`; so are ``right`` and ``moneyness``.
            right: As in :meth:`bars`.
            moneyness: As in :meth:`bars`.

        Raises:
            QueryError: Nothing to export.
            ConfigError: No such target, or the folder cannot be written.
        """
        from fnolake.export.folder import Folder
        from fnolake.export.selection import outside, select
        from fnolake.export.targets import export, target_of
        from fnolake.export.work import Choice

        def read(first: date, last: date) -> pl.DataFrame:
            with warnings.catch_warnings(action="ignore", category=GapWarning):
                return self.bars(
                    symbol, kind=kind, expiry=expiry, start=first, end=last, phases=phases, interval=interval, strike=strike, right=right, moneyness=moneyness,
                )

        chosen = Choice(symbol, kind, expiry, day_of(start), day_of(end), interval, tuple(phases), strike, right, moneyness)
        place = Folder(outside(self.path, Path(folder)), overwrite=overwrite, dry_run=dry_run)
        return export(target_of(target), select(self.store, self._calendar, chosen, read, self._is_due), place, self.clock.now(), by=by)

    def to_pandas(
        self, symbol: str, *, kind: str | None = None, expiry: date | str | None = None, start: date | str | None = None,
        end: date | str | None = None, interval: str = "1m", phases: Sequence[str] = ("continuous",), strike: float | str | None = None,
        right: str | None = None, moneyness: str | None = None,
    ) -> pd.DataFrame:
        """
        Bars as pandas programs expect them; needs the extra ``fnolake[pandas]``.

        Args:
            symbol: As in :meth:`bars`.
            kind: As in :meth:`bars`.
            expiry: As in :meth:`bars`.
            start: First session, inclusive; a date or its text.
            end: Last session, inclusive.
            interval: As in :meth:`bars`.
            phases: As in :meth:`bars`.
            strike: As in :meth:`bars`.
            right: As in :meth:`bars`.
            moneyness: As in :meth:`bars`.

        Returns:
            Index ``Datetime`` (Asia/Kolkata, start of the bar), Open High Low Close (rupees, float64), Volume (int64),
            OpenInterest (float64, NaN where not sent); of several contracts the first column is ``Symbol``.

        Raises:
            ConfigError: pandas is not installed.
        """
        from fnolake.export.pandas import frame_of

        return frame_of(self.bars(
            symbol, kind=kind, expiry=expiry, start=start, end=end, interval=interval, phases=phases, strike=strike, right=right, moneyness=moneyness,
        ))
