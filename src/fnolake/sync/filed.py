"""
A user's files on their way to the line: read, held against the hours, named. What ``imports`` and ``audits`` share.

Nothing is written. Invariant: every row of a file is in a :class:`Filed` series, or counted in its ``left`` by reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.errors import PayloadError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import BarRequest, Contract, Page, RawBars, Session, ist_date, ist_midnight_us, utc_from_us
from fnolake.provider.files.layout import Layout
from fnolake.provider.files.reader import Sheet, sheets
from fnolake.provider.files.rows import ONE_MINUTE, minutes_apart, raw_bars, series
from fnolake.provider.files.symbols import is_continuous, readings
from fnolake.sync.identities import CONTINUOUS, UNNAMED, Wanted
from fnolake.verify.clockfit import Fit, fit

OTHER_INTERVAL = "other_interval"
_DAY_US = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Line:
    """One series of a file: its symbol as it is written and as it reads, its rows."""

    wanted: Wanted
    rows: pl.DataFrame


@dataclass(slots=True)
class Filed:
    """
    A file, read.

    Attributes:
        name: Of the file.
        sheet: As it was read; None if it was refused.
        lines: Its series.
        clock: What its rows tell of zone and side; None without rows.
        interval: Minutes between its rows.
        left: Rows that are in no series, by reason.
        refused: Why nothing of it is taken; empty: it is.
    """

    name: str
    sheet: Sheet | None = None
    lines: list[Line] = field(default_factory=list)
    clock: Fit | None = None
    interval: int = 1
    left: Counter[str] = field(default_factory=Counter)
    refused: str = ""

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return self.sheet.rows.height if self.sheet else 0


def read_filed(path: Path, layout: Layout, calendar: Calendar) -> Iterator[Filed]:
    """A file's sheets, held against the hours and split into series; one that cannot be read is refused in words."""
    try:
        for sheet in sheets(path, layout):
            yield _filed(sheet, layout, calendar)
    except PayloadError as error:
        yield Filed(path.name, refused=str(error))


def _filed(sheet: Sheet, layout: Layout, calendar: Calendar) -> Filed:
    filed = Filed(sheet.name, sheet)
    rows = sheet.rows
    odd = ~rows["interval"].str.to_lowercase().is_in(ONE_MINUTE)
    if odd.any():
        filed.left[OTHER_INTERVAL] += int(odd.sum())
        rows = rows.filter(~odd)
    stamps = rows["stamp_s"].drop_nulls().to_numpy()
    if stamps.size:
        filed.clock = fit(stamps, layout.label, session_in(calendar, rows["symbol"][0], rows["exchange"][0], layout))
    filed.interval = minutes_apart(rows)
    shift = filed.clock.shift_s if filed.clock else 0
    for symbol, exchange, part in series(rows):
        meant = readings(symbol, exchange, layout.grammars)
        if not meant:
            filed.left[CONTINUOUS if is_continuous(symbol) else UNNAMED] += part.height
            continue
        days = ((part["stamp_s"].drop_nulls() + shift + 19_800) // 86_400).unique().sort().to_list()
        sessions = tuple(date.fromordinal(date(1970, 1, 1).toordinal() + day) for day in days)
        filed.lines.append(Line(Wanted(f"{exchange}:{symbol}" if exchange else symbol, meant, sessions), part))
    return filed


def session_in(calendar: Calendar, symbol: str, exchange: str, layout: Layout) -> Callable[[date], Session | None]:
    """The hours that a file's first series keeps, for the fit of its clock."""
    meant = readings(symbol, exchange, layout.grammars)
    contract = stand_in(Wanted(symbol, meant, ()), 0) if meant else None

    def session(day: date) -> Session | None:
        try:
            return calendar.session_for(contract, day) if contract else calendar.session("NSE", "FO", day)
        except UnknownSession:
            return None

    return session


def stand_in(wanted: Wanted, number: int) -> Contract:
    """A contract that is as its symbol reads, where no lake says what it is."""
    named = wanted.readings[0]
    segment = "CM" if named.kind == "spot" else "FO"
    return Contract(
        number, named.venue or "NSE", segment, 0, wanted.text, named.underlying, named.kind, named.until, named.strike_paise, named.right, 1, 1,
        wanted.text, is_index=named.is_index,
    )


def page_of(filed: Filed, line: Line, contract: Contract, layout: Layout, provider: str, now: datetime, side: str, shift_s: int = 0) -> Page:
    """A series as a provider's page would be, its span the whole of its days."""
    assert filed.sheet is not None
    raw = raw_bars(
        line.rows, side, shift_s, contract.lot if layout.volume_in == "lots" else 1, contract.lot if layout.oi_in == "lots" else 1,
    )
    first, last = _span(raw)
    return Page(BarRequest(contract, first, last), provider, filed.name, now, filed.sheet.payload_hash, raw, wire_bytes=filed.sheet.wire_bytes)


def _span(raw: RawBars) -> tuple[datetime, datetime]:
    if not len(raw):
        return utc_from_us(0), utc_from_us(0)
    first, last = (ist_date(utc_from_us(int(each) * 1_000_000)) for each in (np.min(raw.epoch_s), np.max(raw.epoch_s)))
    return utc_from_us(ist_midnight_us(first)), utc_from_us(ist_midnight_us(last) + _DAY_US)
