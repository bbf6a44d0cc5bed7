"""Commands for the exchange's files: exchange take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fnolake.cli.desk import desk_of
from fnolake.cli.options import FormatOption
from fnolake.cli.output import render_rows, write_lines

exchange = typer.Typer(help="The exchange's own files in this lake.", no_args_is_help=True)
REFUSED = 4
COLUMNS = ("file", "what", "rows", "refused")


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.add_typer(exchange, name="exchange")


@exchange.command("take")
def take(
    context: typer.Context,
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE...", help="Whatever they are called; default: the lake's folder drop/.", show_default=False)] = None,
    form: FormatOption = None,
) -> None:
    """
    Take files of NSE or BSE that you fetched yourself.

    In Python: lake.take_files.

    End-of-day files of every format, symbol changes, securities, corporate actions, holidays and lots are recognised by their
    content. Exit 4 if one is refused.
    """
    with desk_of(context).open(write=True) as lake:
        done = lake.take_files([path.expanduser() for path in files or ()])
    if form is None:
        write_lines([one.line for one in done] or ["nothing to take: name files, or put them into the folder drop/ of the lake"])
    else:
        render_rows([{"file": str(one.path), "what": one.what, "rows": one.rows, "refused": one.refused} for one in done], form, columns=COLUMNS)
    if any(one.refused for one in done):
        raise typer.Exit(REFUSED)
