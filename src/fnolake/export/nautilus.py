"""
nautilus_trader: instruments and bars in a ParquetDataCatalog, written by its own code; needs the extra ``fnolake[nautilus]``.

A bar is stamped by its close (``ts_event`` = ``ts_init`` = start + length). Quantities are units as the exchange counts them: the
lot is ``lot_size`` and the multiplier 1, so that a lot's amendment changes no volume. nautilus_trader reads no ``&`` in names: it is ``_``.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import date, time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from fnolake.errors import ConfigError
from fnolake.model import ist_midnight_us

if TYPE_CHECKING:
    from fnolake.export.folder import Folder
    from fnolake.export.work import Work

PAISA = "0.01"
_MIC = {"NSE": "XNSE", "BSE": "XBOM"}
_CLOSE = time(15, 30)
"""End of a session whose hours are unknown."""


def export(work: Work, folder: Folder, by: str) -> None:
    """
    ``data/{equity,index_instrument,futures_contract,option_contract}/ID`` and ``data/bar/BARTYPE``; bars that are there stay.

    Raises:
        ConfigError: nautilus_trader is not installed.
    """
    del by
    try:
        from nautilus_trader.persistence.catalog import ParquetDataCatalog
    except ImportError as error:
        raise ConfigError("nautilus_trader is not installed: pip install 'fnolake[nautilus]'") from error
    contracts = {row["symbol"]: row for row in work.named().iter_rows(named=True)}
    there = ParquetDataCatalog(str(folder.path)) if (folder.path / "data").is_dir() else None
    with nullcontext() if folder.dry_run else folder.scratch() as scratch:
        fresh = None if scratch is None else ParquetDataCatalog(str(scratch / "catalog"))
        for piece in work.spool(scratch).by_contract():
            _Contract(work, folder, contracts[piece.name], there, fresh).write(piece.read() if fresh else None, piece.rows)


class _Contract:
    """One contract on its way into a catalog: made in ``fresh``, then moved to where it belongs."""

    def __init__(self, work: Work, folder: Folder, row: dict[str, Any], there: Any, fresh: Any) -> None:  # noqa: ANN401 - catalogs ship no types
        from nautilus_trader.model.data import BarType

        self.work, self.folder, self.row, self.there, self.fresh = work, folder, row, there, fresh
        self.instrument = instrument_of(row, _expires(work, row))
        minutes = work.interval.minutes
        self.kind = BarType.from_str(f"{self.instrument.id}-{minutes or 1}-{'MINUTE' if minutes else 'DAY'}-LAST-EXTERNAL")

    def write(self, bars: pl.DataFrame | None, rows: int) -> None:
        """Instrument, then what the catalog does not hold of its bars; without bars (a dry run) only count."""
        if bars is None or self.fresh is None:
            self._count(rows)
            return
        self.fresh.write_data([self.instrument])
        self._move()
        stamped = bars.with_columns(end=pl.Series(ends_us(self.work, self.row, bars), dtype=pl.Int64) * 1000)
        for run in self._new(stamped):
            self.fresh.write_data(bars_of(self.kind, run))
            self._move(run.height)

    def _count(self, rows: int) -> None:
        """For a dry run: what is there is not looked into."""
        name = f"data/bar/{self.kind}"
        if self.there and not self.folder.overwrite and (self.folder.path / name).exists():
            self.folder.keep(name, rows)
        else:
            self.folder.put(name, rows, Path.touch)

    def _new(self, stamped: pl.DataFrame) -> Iterator[pl.DataFrame]:
        from nautilus_trader.model.data import Bar

        identifier = str(self.kind)
        held = self.there.get_intervals(Bar, identifier) if self.there else []
        if held and self.folder.overwrite:
            self.there.delete_data_range(Bar, identifier, int(stamped["end"][0]), int(stamped["end"][-1]))
            held = self.there.get_intervals(Bar, identifier)
        inside = [pl.col("end").is_between(first, last) for first, last in held]
        new = stamped.filter(~pl.any_horizontal(inside)) if inside else stamped
        if new.height < stamped.height:
            self.folder.keep(f"data/bar/{identifier}", stamped.height - new.height)
        before = pl.sum_horizontal([pl.col("end") > last for _, last in held]) if held else pl.lit(0)
        yield from new.partition_by("run", maintain_order=True) if (new := new.with_columns(run=before)).height else ()

    def _move(self, rows: int = 0) -> None:
        """Files that the catalog's own code made, to where they belong."""
        root = Path(self.fresh.path)
        for made in sorted(root.rglob("*.parquet")):
            self.folder.put(made.relative_to(root).as_posix(), rows, made.replace)
        shutil.rmtree(root / "data")


def bars_of(kind: Any, rows: pl.DataFrame) -> list[Any]:  # noqa: ANN401 - nautilus_trader ships no types for these
    """Bars of a type from open, high, low, close, volume and ``end`` (nanoseconds)."""
    from nautilus_trader.model.data import Bar

    numbers = [rows[name].cast(pl.Float64).to_numpy(writable=True) for name in ("open", "high", "low", "close", "volume")]
    end = rows["end"].cast(pl.UInt64).to_numpy(writable=True)
    made: list[Any] = Bar.from_raw_arrays_to_list(kind, 2, 0, *numbers, end, end)
    return made


def ends_us(work: Work, row: dict[str, Any], bars: pl.DataFrame) -> list[int]:
    """Ends of bars in UTC microseconds: a length after the start, not beyond the close of a continuous phase."""
    length = (work.interval.minutes or 1440) * 60_000_000
    closes = {day: close_us(work, row, day) for day in bars["session"].unique().to_list()}
    starts = bars["ts"].dt.epoch("us").to_list()
    return [
        min(start + length, closes[day]) if start < closes[day] else start + length
        for start, day in zip(starts, bars["session"].to_list(), strict=True)
    ]


def close_us(work: Work, row: dict[str, Any], day: date) -> int:
    """End of a contract's continuous phase on a date, UTC microseconds; 15:30 where the hours are unknown."""
    from fnolake.errors import UnknownSession
    from fnolake.model import Contract

    fields = {name: row[name] for name in Contract.__slots__ if name in row}
    try:
        session = work.calendar.session_for(Contract(**fields), day)
    except UnknownSession:
        session = None
    return session.close_us if session else ist_midnight_us(day) + (_CLOSE.hour * 60 + _CLOSE.minute) * 60_000_000


def _expires(work: Work, row: dict[str, Any]) -> int:
    """When a contract expires, in nanoseconds; 0 for a spot series."""
    return close_us(work, row, row["expiry"]) * 1000 if row["expiry"] else 0


def instrument_of(row: dict[str, Any], expires_ns: int) -> Any:  # noqa: ANN401 - as above
    """
    The instrument that a contract is.

    Args:
        row: ``model.instrument_schema``.
        expires_ns: End of its last session.
    """
    from nautilus_trader.model.currencies import INR
    from nautilus_trader.model.enums import AssetClass, OptionKind
    from nautilus_trader.model.identifiers import InstrumentId, Symbol, Venue
    from nautilus_trader.model.instruments import Equity, FuturesContract, IndexInstrument, OptionContract
    from nautilus_trader.model.objects import Price, Quantity

    tick = Price.from_str(f"{row['tick_paise'] / 100:.2f}" if row["tick_paise"] else PAISA)
    shared = {
        "instrument_id": InstrumentId(Symbol(row["symbol"].replace("&", "_")), Venue(row["venue"])), "raw_symbol": Symbol(row["symbol"]),
        "currency": INR, "price_precision": 2, "price_increment": tick, "ts_event": 0, "ts_init": 0,
    }
    one, lot = Quantity.from_int(1), Quantity.from_int(row["lot"])
    if row["kind"] == "spot" and row["is_index"]:
        return IndexInstrument(**shared, size_precision=0, size_increment=one)
    if row["kind"] == "spot":
        return Equity(**shared, lot_size=one)
    since = ist_midnight_us(row["valid_from"]) * 1000 if row["valid_from"] else 0
    shared |= {
        "asset_class": AssetClass.INDEX if row["is_index"] else AssetClass.EQUITY, "multiplier": one, "lot_size": lot,
        "underlying": row["underlying"], "activation_ns": since, "expiration_ns": expires_ns, "exchange": _MIC.get(row["venue"]),
    }
    if row["kind"] == "future":
        return FuturesContract(**shared)
    strike = Price.from_str(f"{row['strike_paise'] / 100:.2f}")
    return OptionContract(**shared, option_kind=OptionKind.CALL if row["right"] == "CE" else OptionKind.PUT, strike_price=strike)
