"""The command that reads a continuous future and shows its rolls. Parses, asks the lake, and renders."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli import view
from fnolake.cli.desk import desk_of, warned
from fnolake.cli.options import FormatOption, FromOption, SessionOption, ToOption, span_of
from fnolake.cli.output import Format, chosen, render, write_lines
from fnolake.errors import GapWarning

if TYPE_CHECKING:
    import polars as pl


def register(app: typer.Typer) -> None:
    """Give the root command this one."""
    app.command()(continuous)


def continuous(
    context: typer.Context,
    underlying: Annotated[str, typer.Argument(metavar="UNDERLYING", help="BANKNIFTY, RELIANCE …")],
    roll: Annotated[str, typer.Option("--roll", metavar="expiry|days:N|volume|oi", help="When to leave a contract; days:3: the last session held is the third before expiry.")] = "expiry",
    adjust: Annotated[str, typer.Option("--adjust", metavar="none|difference|ratio", help="Move earlier prices so that the rolls leave no jump; the last contract keeps its own.")] = "none",
    which: Annotated[str, typer.Option("--which", metavar="near|next", help="The front contract, or the one after it.")] = "near",
    rolls: Annotated[bool, typer.Option("--rolls", help="Show the rolls instead of the bars.")] = False,
    session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    interval: Annotated[str, typer.Option("--interval", "-i", metavar="5m|1d|1w|1mo", help="Length of the bars: any whole minutes, a day, week or month.")] = "1m",
    strict: Annotated[bool, typer.Option("--strict", help="Fail (exit 3) where a gap would be warned of.")] = False,
    form: FormatOption = None,
) -> None:
    """
    Read an underlying's futures as one series, rolled and adjusted.

    In Python: lake.continuous and lake.rolls.
    """
    first, last = span_of(session, start, end)
    as_table = chosen(form) is Format.TABLE
    with desk_of(context).open() as lake, warned():
        frame = None if rolls else lake.continuous(
            underlying, roll=roll, adjust=adjust, which=which, start=first, end=last, interval=interval, strict=strict,
        )
        with warnings.catch_warnings():
            if frame is not None:
                warnings.simplefilter("ignore", GapWarning)
            table = lake.rolls(underlying, roll=roll, which=which, start=first, end=last, strict=strict) if rolls or as_table else None
    if frame is not None:
        render(view.without_echoes(frame) if as_table else frame, form, nothing="No bars of its futures in these sessions: fnolake gaps says why, fnolake sync fetches them")
    if table is not None and rolls:
        render(_for_people(table) if as_table else table, form, nothing="No roll in these sessions.")
    elif table is not None:
        write_lines(_roll_lines(table))


def _for_people(rolls: pl.DataFrame) -> pl.DataFrame:
    """The roll table for a terminal: what matters first, ratios to six places."""
    import polars as pl

    return rolls.select(
        "session", pl.col("from_symbol").alias("from"), pl.col("to_symbol").alias("to"), "reason", "gap",
        pl.col("ratio").map_elements("{:.6f}".format, return_dtype=pl.String), pl.col("measured_at").dt.strftime("%d %b %H:%M").alias("at"),
        "from_price", "to_price", "measured", "offset", pl.col("factor").map_elements("{:.6f}".format, return_dtype=pl.String), "from_total", "to_total",
    )


def _roll_lines(rolls: pl.DataFrame) -> Iterator[str]:
    """One line a roll, under a table of bars."""
    for row in rolls.iter_rows(named=True):
        prices = "never traded in one session: not adjusted" if row["gap"] is None else (
            f"{row['from_price']:,.2f} to {row['to_price']:,.2f} at {row['measured_at']:%d %b %H:%M}, gap {row['gap']:+,.2f}"
        )
        yield f"roll {row['session']} ({row['reason']}): {row['from_symbol']} to {row['to_symbol']}, {prices}"
