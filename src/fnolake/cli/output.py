"""
Rows to stdout as a table, CSV, JSON or one JSON object a line. Knows nothing of lakes.

Invariant: the machine formats hold every row and no colour; instants are ISO 8601 with their offset, dates ISO, and
missing values are empty (CSV) or null (JSON).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fnolake.cli.desk import on_terminal

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console

CHUNK_ROWS = 100_000
TABLE_ROWS = 20
_GAP = 3
_IDENTITIES = frozenset({"contract", "token"})
NARROWEST = 160
"""Columns that a table may use when stdout is no terminal."""
_INSTANT = "%Y-%m-%dT%H:%M:%S%:z"
_MINUTE = "%Y-%m-%d %H:%M"


class Format(StrEnum):
    """How rows leave; without a choice: table on a terminal, csv otherwise."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


def chosen(given: Format | None) -> Format:
    """The format that was asked for, else the one that suits where stdout goes."""
    return given or (Format.TABLE if on_terminal() else Format.CSV)


def render(frame: pl.DataFrame, given: Format | None, *, nothing: str = "No rows.") -> None:
    """
    Write a frame to stdout.

    Args:
        frame: Any frame; lists become text joined by spaces.
        given: The format asked for, or None.
        nothing: What a table says instead of no rows.
    """
    form = chosen(given)
    flat = flatten(frame, _MINUTE if form is Format.TABLE else _INSTANT)
    match form:
        case Format.TABLE:
            _table(flat, nothing)
        case Format.CSV:
            _csv(flat)
        case Format.JSON:
            _json(flat)
        case Format.NDJSON:
            for part in flat.iter_slices(CHUNK_ROWS):
                typer.echo(part.write_ndjson(), nl=False)


def render_rows(
    rows: Sequence[Mapping[str, object]], given: Format | None, *, nothing: str = "No rows.", columns: Sequence[str] = ()
) -> None:
    """Write plain mappings as :func:`render` writes frames; ``columns``, else the first row, names the columns."""
    import polars as pl

    names = list(rows[0]) if rows else list(columns)
    keep = datetime if chosen(given) is Format.TABLE else ()
    made = [{name: row.get(name) if keep and isinstance(row.get(name), keep) else _plain(row.get(name)) for name in names} for row in rows]
    frame = pl.DataFrame(made, schema=None if rows else names, infer_schema_length=None)
    zoned = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Datetime) and kind.time_zone]
    render(frame.with_columns(pl.col(zoned).dt.convert_time_zone("Asia/Kolkata")) if zoned else frame, given, nothing=nothing)


def render_value(value: object, given: Format | None, lines: Iterable[str]) -> None:
    """One value: sentences for a person, unless a machine format was asked for."""
    if given is None or given is Format.TABLE:
        write_lines(lines)
        return
    fields = _plain(value)
    assert isinstance(fields, dict)
    if given is Format.CSV:
        render_rows([{"name": name, "value": one if isinstance(one, str) else json.dumps(one)} for name, one in fields.items()], given)
    else:
        typer.echo(json.dumps(fields, indent=2 if given is Format.JSON else None))


def write_lines(lines: Iterable[str]) -> None:
    """Sentences to stdout, broken between words where a terminal is too narrow."""
    import shutil
    import textwrap

    width = shutil.get_terminal_size().columns if on_terminal() else 0
    for line in lines:
        if not width or len(line) <= width:
            typer.echo(line)
            continue
        indent = " " * (len(line) - len(line.lstrip()) + 2)
        for part in textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False, drop_whitespace=True):
            typer.echo(part)


def flatten(frame: pl.DataFrame, instants: str = _INSTANT) -> pl.DataFrame:
    """The same rows with lists joined and instants written out, fit for every format."""
    import polars as pl
    import polars.selectors as cs

    lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]
    return frame.with_columns(
        *[pl.col(name).cast(pl.List(pl.String)).list.join(" ") for name in lists], cs.datetime().dt.to_string(instants),
    )


def _csv(frame: pl.DataFrame) -> None:
    typer.echo(frame.head(0).write_csv(), nl=False)
    for part in frame.iter_slices(CHUNK_ROWS):
        typer.echo(part.write_csv(include_header=False), nl=False)


def _json(frame: pl.DataFrame) -> None:
    between = "[\n"
    for part in frame.iter_slices(CHUNK_ROWS):
        if part.height:
            typer.echo(between + ",\n".join(part.write_ndjson().splitlines()), nl=False)
            between = ",\n"
    typer.echo("\n]" if between == ",\n" else "[]")


def _table(frame: pl.DataFrame, nothing: str) -> None:
    if frame.is_empty():
        typer.echo(nothing)
        return
    from rich import box
    from rich.table import Table

    target = console()
    ends = frame if frame.height <= TABLE_ROWS else frame.head(TABLE_ROWS // 2).vstack(frame.tail(TABLE_ROWS // 2))
    names = frame.columns
    rows = [[cell(one, grouped=name not in _IDENTITIES) for name, one in zip(names, row, strict=True)] for row in ends.iter_rows()]
    if frame.height > TABLE_ROWS:
        rows.insert(TABLE_ROWS // 2, ["…"] * frame.width)
    same = [] if _width(frame.columns, rows) <= target.width else _constant(frame)
    shown = _fitting(frame.columns, rows, same, target.width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place in shown:
        table.add_column(frame.columns[place], justify="right" if frame.dtypes[place].is_numeric() else "left", no_wrap=True)
    for row in rows:
        table.add_row(*[row[place] for place in shown])
    if same:
        typer.echo("in every row: " + ", ".join(f"{frame.columns[place]} {rows[0][place]}" for place in same))
    target.print(table)
    hidden = [name for place, name in enumerate(frame.columns) if place not in {*shown, *same} and any(row[place].strip("…") for row in rows)]
    if hidden:
        typer.echo(f"not shown here: {', '.join(hidden)}")
    if hidden or frame.height > TABLE_ROWS:
        typer.echo(f"{frame.height:,} rows; --format csv writes everything")


def _constant(frame: pl.DataFrame) -> list[int]:
    """Places of the columns that say the same in every row of several."""
    if frame.height < 2:
        return []
    return [place for place, one in enumerate(frame.iter_columns()) if one.null_count() == 0 and one.n_unique() == 1]


def _width(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    return sum(max(len(name), *(len(row[place]) for row in rows)) + _GAP for place, name in enumerate(names))


def _fitting(names: Sequence[str], rows: Sequence[Sequence[str]], without: Sequence[int], width: int) -> list[int]:
    """Places of the columns that hold something and fit from the left; at least one."""
    shown: list[int] = []
    for place in range(len(names)):
        if place in without or not any(row[place].strip("…") for row in rows):
            continue
        wider = [*shown, place]
        if shown and _width([names[at] for at in wider], [[row[at] for at in wider] for row in rows]) > width:
            break
        shown = wider
    return shown or [0]


def cell(value: object, *, grouped: bool = True) -> str:
    """A value as a person reads it in a table."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.2f}"
    return f"{value:,}" if grouped and isinstance(value, int) else str(value)


def console(*, err: bool = False) -> Console:
    """A rich console on stdout (or stderr) that heeds NO_COLOR and does not guess at markup."""
    from rich.console import Console

    made = Console(stderr=err, highlight=False, markup=False, emoji=False, soft_wrap=False)
    return made if made.is_terminal else Console(stderr=err, highlight=False, markup=False, emoji=False, width=NARROWEST)


def _plain(value: object) -> object:
    """Dataclasses, dates, paths and tuples as JSON knows them."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, (date, datetime)) else str(value) if isinstance(value, Path) else value
