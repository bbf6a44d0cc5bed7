"""
SQL over the lake: ``fnolake sql``. Reads; everything else is ``lake.sql``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli.desk import desk_of
from fnolake.cli.options import FormatOption
from fnolake.cli.output import Format, chosen, render
from fnolake.errors import ConfigError

if TYPE_CHECKING:
    import polars as pl

_VIEWS = "select * from views"
_EXPLAINED = ["explain_key", "explain_value"]


def register(app: typer.Typer) -> None:
    """Give the root command this command."""
    app.command()(sql)


def sql(
    context: typer.Context,
    query: Annotated[str | None, typer.Argument(metavar="QUERY", help="The query, @FILE that holds it, or - for stdin.")] = None,
    views: Annotated[bool, typer.Option("--views", "--tables", help="List the views and their columns, with units.")] = False,
    form: FormatOption = None,
) -> None:
    """
    Ask the lake in SQL (DuckDB), read only, in rupees and IST.

    In Python: lake.sql.

    For example: fnolake sql "select symbol, ts, close from bars where underlying = 'TCS' and kind = 'future' limit 5"
    """
    if views == (query is not None):
        raise ConfigError("give a query (or @FILE, or - for stdin), or --views")
    asked = _VIEWS if query is None else text_of(query)
    with desk_of(context).open() as lake:
        frame = lake.sql(asked)
    if chosen(form) is not Format.TABLE:
        render(_without_structs(frame), form)
    elif views:
        _show_views(frame)
    elif frame.columns == _EXPLAINED:
        typer.echo("\n".join(frame["explain_value"]))
    else:
        render(_readable(_without_structs(frame)), form)


def text_of(query: str) -> str:
    """
    The query itself: of a file after ``@``, of stdin for ``-``.

    Raises:
        ConfigError: There is no such file, or it holds no text.
    """
    if query == "-":
        return sys.stdin.read()
    if not query.startswith("@"):
        return query
    path = Path(query[1:]).expanduser()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: no query can be read from it ({getattr(error, 'strerror', None) or 'not UTF-8'}); give a text file after @") from error


def _show_views(frame: pl.DataFrame) -> None:
    """Every view with what it holds, and a line for each column."""
    from fnolake.query.views import VIEWS

    for view in VIEWS.values():
        typer.echo(f"{view.name}: {view.about}")
        rows = frame.filter(frame["view"] == view.name).rows()
        for _view, name, dtype, meaning in rows:
            typer.echo(f"  {name:<17} {dtype:<12} {meaning}")
        typer.echo()
    typer.echo('right is a word of SQL: write it as "right". Queries that name the sessions they want read only those.')


def _without_structs(frame: pl.DataFrame) -> pl.DataFrame:
    """Structs, maps and lists of lists as JSON, bytes as hexadecimal digits, fit for every format."""
    import json

    import polars as pl

    def plain(name: str) -> pl.Series:
        values = frame[name].to_list()
        return pl.Series(name, [None if one is None else json.dumps(one, default=str, ensure_ascii=False) for one in values], pl.String)

    raw = [name for name, kind in frame.schema.items() if kind == pl.Binary]
    return frame.with_columns(pl.col(raw).bin.encode("hex"), *(plain(name) for name, kind in frame.schema.items() if _is_deep(kind)))


def _is_deep(kind: pl.DataType) -> bool:
    import polars as pl

    return kind.inner.is_nested() if isinstance(kind, pl.List) else kind.is_nested()


def _readable(frame: pl.DataFrame) -> pl.DataFrame:
    """Numbers that two decimals would blur get more of them in a table; rupees stay as they are."""
    import polars as pl

    def finer(name: str) -> pl.Series | None:
        values = frame[name]
        known = values.filter(values.is_finite()).abs()
        if known.len() < values.len() - values.null_count() or not (known - known.round(2) > 1e-9).any():
            return None
        largest = known.max()
        decimals = 6 if isinstance(largest, float) and largest < 1 else 4
        return values.round(decimals).cast(pl.Decimal(38, decimals)) if isinstance(largest, float) and largest < 1e12 else None

    fine = [finer(name) for name, kind in frame.schema.items() if kind in (pl.Float64, pl.Float32)]
    return frame.with_columns(one for one in fine if one is not None)
