"""
A user's file into raw rows: CSV (plain, gzip, in a zip), Parquet, or Kite's JSON. No judgement, no identity, nothing of a lake.

Invariant: every row of a file is a row of its sheet, in the file's order; what cannot be decoded is null or NaN there and is
counted by who reads on.
"""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from fnolake.errors import ConfigError, PayloadError
from fnolake.model import payload_hash
from fnolake.provider.files.layout import IST, Layout, symbol_in

ENDINGS = (".csv", ".csv.gz", ".txt", ".parquet", ".json", ".zip")
_LARGEST = 4 << 30
PRICES = ("open", "high", "low", "close")
SHEET: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String, "exchange": pl.String, "interval": pl.String, "stamp_s": pl.Int64,
    **dict.fromkeys(PRICES, pl.Float64), "volume": pl.Int64, "oi": pl.Int64,
}
"""
Columns of a sheet: ``symbol`` and ``exchange`` as written (empty: not said), ``interval`` empty where no column says it; ``stamp_s`` UTC
seconds of the label as the layout's zone has it, null: unreadable; rupees, NaN: none; ``volume`` and ``oi`` in the layout's own
units, -1: unreadable, or absent for ``oi``; 0 where the file has no volume column.
"""

_DATES = ("%Y-%m-%d", "%d-%m-%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y")
_CLOCKS = ("%H:%M:%S%.f", "%H:%M", "%H%M%S", "%I:%M:%S %p")
_OFFSET = r"(?:Z|[+-]\d{2}:?\d{2})$"
_FIRST_EPOCH, _LAST_EPOCH = 946_684_800, 4_102_444_799
_EPOCHS = {"epoch_s": 1, "epoch_ms": 1000}


@dataclass(frozen=True, slots=True)
class Sheet:
    """
    One file, or one member of a zip.

    Attributes:
        name: Of the file, with the member's after a slash.
        rows: Columns of ``SHEET``.
        payload_hash: Of the bytes as they are.
        wire_bytes: How many they are.
        has_volume: Whether there is a column of volume.
    """

    name: str
    rows: pl.DataFrame
    payload_hash: str
    wire_bytes: int
    has_volume: bool


def files_in(path: Path) -> list[Path]:
    """
    The files to read: the one that is named, or those of a folder and its folders that look like bars, by name.

    Raises:
        ConfigError: Nothing is there, or nothing of that kind.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise ConfigError(f"{path}: no such file or folder")
    found = sorted(one for one in path.rglob("*") if one.is_file() and one.name.lower().endswith(ENDINGS))
    if not found:
        raise ConfigError(f"{path}: no file that ends in {', '.join(ENDINGS)}")
    return found


def sheets(path: Path, layout: Layout) -> Iterator[Sheet]:
    """
    Read a file, member by member.

    Raises:
        PayloadError: It does not decode, or lacks a column that the layout names.
    """
    try:
        if path.stat().st_size > _LARGEST:
            raise PayloadError(f"{path.name}: larger than {_LARGEST >> 30} GB; split it", provider="files")
        body = path.read_bytes()
        if path.suffix.lower() != ".zip":
            yield _sheet(path.name, body, layout)
            return
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            for member in archive.infolist():
                if member.filename.lower().endswith(ENDINGS[:-1]) and member.file_size <= _LARGEST:
                    yield _sheet(f"{path.name}/{Path(member.filename).name}", archive.read(member), layout)
    except (OSError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        raise PayloadError(f"{path.name}: cannot be read: {error}", provider="files") from error


def _sheet(name: str, body: bytes, layout: Layout) -> Sheet:
    table = _table(name, body)
    table = table.rename({column: column.strip().lower().removeprefix("\ufeff") for column in table.columns})
    lacking = [key for key in ("time", *PRICES) if _column(table, getattr(layout, key)) is None]
    if layout.date and lacking == ["time"]:
        lacking = ["a time"]
    if lacking:
        raise PayloadError(
            f"{name}: no column for {', '.join(lacking)} in the layout {layout.name}; it has {', '.join(table.columns)[:200]}:"
            f" give another --preset, or --map {lacking[0]}=COLUMN", provider="files", payload=body,
        )
    return Sheet(name, _decoded(name, table, layout), payload_hash(body), len(body), _column(table, layout.volume) is not None)


def _table(name: str, body: bytes) -> pl.DataFrame:
    """The file's columns as text, but for what Parquet has typed."""
    lower = name.lower()
    try:
        if lower.endswith(".parquet"):
            return pl.read_parquet(io.BytesIO(body))
        if lower.endswith(".json"):
            return _candles(json.loads(body))
        return pl.read_csv(io.BytesIO(body), infer_schema=False, truncate_ragged_lines=True)
    except (pl.exceptions.PolarsError, ValueError, OSError) as error:
        raise PayloadError(f"{name}: cannot be read: {str(error).splitlines()[0]}", provider="files", payload=body) from error


def _candles(answer: object) -> pl.DataFrame:
    """Kite's answer ({data: {candles: [[…]]}}), its client's list of objects, or the bare rows."""
    if isinstance(answer, dict):
        data = answer.get("data", answer)
        answer = data.get("candles", data) if isinstance(data, dict) else data
    if not isinstance(answer, list) or not answer:
        raise ValueError("no list of candles in it")
    if isinstance(answer[0], dict):
        return pl.DataFrame([{key: str(one) for key, one in row.items()} for row in answer], infer_schema_length=None)
    names = ("date", *PRICES, "volume", "oi")[: len(answer[0])]
    return pl.DataFrame([[None if one is None else str(one) for one in row] for row in answer], schema=dict.fromkeys(names, pl.String), orient="row")


def _column(table: pl.DataFrame, names: tuple[str, ...]) -> str | None:
    return next((name for name in names if name in table.columns), None)


def _decoded(name: str, table: pl.DataFrame, layout: Layout) -> pl.DataFrame:
    symbol, exchange = symbol_in(layout, name)
    texts = {"symbol": symbol, "exchange": exchange, "interval": ""}
    columns = {key: _text(table, getattr(layout, key), otherwise) for key, otherwise in texts.items()}
    numbers = {key: _number(table, getattr(layout, key)) for key in (*PRICES, "volume", "oi")}
    volume = pl.lit(0, pl.Int64) if _column(table, layout.volume) is None else _whole(numbers["volume"])
    return table.select(
        **columns, stamp_s=_sane(_stamps(table, layout)), **{key: numbers[key].fill_null(float("nan")) for key in PRICES},
        volume=volume, oi=_whole(numbers["oi"]),
    ).cast(SHEET)  # type: ignore[arg-type]


def _text(table: pl.DataFrame, names: tuple[str, ...], otherwise: str) -> pl.Expr:
    column = _column(table, names)
    return pl.lit(otherwise) if column is None else pl.col(column).cast(pl.String).str.strip_chars().fill_null(otherwise)


def _number(table: pl.DataFrame, names: tuple[str, ...]) -> pl.Expr:
    column = _column(table, names)
    if column is None:
        return pl.lit(None, pl.Float64)
    if table.schema[column] == pl.String:
        return pl.col(column).str.strip_chars().str.replace_all(",", "", literal=True).cast(pl.Float64, strict=False)
    return pl.col(column).cast(pl.Float64, strict=False)


def _whole(number: pl.Expr) -> pl.Expr:
    """Whole numbers from 0 on; -1 for anything else."""
    return pl.when((number >= 0) & (number < 2**53) & (number == number.round())).then(number).otherwise(-1.0).cast(pl.Int64)


def _stamps(table: pl.DataFrame, layout: Layout) -> pl.Series:
    """UTC seconds of each label; null where the text is no time."""
    time = _column(table, layout.time)
    assert time is not None
    column = table[time]
    if layout.time_format in _EPOCHS or (column.dtype.is_numeric() and not layout.time_format):
        return _epochs(column, layout.time_format)
    if isinstance(column.dtype, pl.Datetime):
        return _from_wall(column, layout.zone)
    text = column.cast(pl.String).str.strip_chars()
    day = _column(table, tuple(one for one in layout.date if one != time))
    if day is not None:
        text = table[day].cast(pl.String).str.strip_chars().str.head(10) + " " + text
    return _from_text(text, layout)


def _sane(stamps: pl.Series) -> pl.Series:
    """Instants of this century; what is none of them is no stamp."""
    return stamps.set(~stamps.is_between(_FIRST_EPOCH, _LAST_EPOCH), None)


def _epochs(column: pl.Series, form: str) -> pl.Series:
    number = column.cast(pl.Float64, strict=False)
    largest = number.max()
    divisor = _EPOCHS.get(form) or (1000 if isinstance(largest, float) and largest > 1e11 else 1)
    return (number / divisor).floor().cast(pl.Int64, strict=False)


def _from_wall(column: pl.Series, zone: str) -> pl.Series:
    dtype = column.dtype
    assert isinstance(dtype, pl.Datetime)
    aware = column if dtype.time_zone else column.dt.replace_time_zone(zone, ambiguous="null", non_existent="null")
    return aware.dt.epoch("s")


def _from_text(text: pl.Series, layout: Layout) -> pl.Series:
    clean = text.str.replace("T", " ", literal=True)
    offset = clean.str.contains(_OFFSET).fill_null(value=False) & (clean.str.len_chars() > 16)
    if layout.time_format and not offset.any():
        return _from_wall(clean.str.to_datetime(layout.time_format.replace("T", " "), strict=False, time_unit="us"), layout.zone)
    forms = [f"{day} {clock}" for day in _DATES for clock in _CLOCKS]
    if offset.any():
        zoned = clean.str.replace(r"Z$", "+0000")
        found = _best(zoned, [f"{form}{gap}%z" for form in forms for gap in ("", " ")])
        return found.dt.epoch("s").zip_with(offset, pl.Series([None], dtype=pl.Int64).new_from_index(0, text.len())) if found is not None else _none(text)
    found = _best(clean, forms)
    return _none(text) if found is None else _from_wall(found, layout.zone or IST)


def _none(text: pl.Series) -> pl.Series:
    return pl.Series([None], dtype=pl.Int64).new_from_index(0, text.len())


def _best(text: pl.Series, forms: list[str]) -> pl.Series | None:
    """The column by the format that reads most of it: tried on its first rows, so that a day is never read as a month."""
    head = text.drop_nulls().head(200)
    read = [(head.str.to_datetime(form, strict=False, time_unit="us").count(), form) for form in forms]
    count, form = max(read, key=lambda each: each[0], default=(0, ""))
    return text.str.to_datetime(form, strict=False, time_unit="us") if count else None
