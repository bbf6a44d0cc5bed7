"""Commands for who watches: metrics. The doctor is among the commands that set up."""

from __future__ import annotations

import typer

from fnolake.cli.desk import desk_of


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.command()(metrics)


def metrics(context: typer.Context) -> None:
    """
    Figures for a monitor, in Prometheus's text format.

    In Python: lake.metrics.

    What the lake knows; no provider is asked. With metrics.file set, each sync writes the same to that file.
    """
    with desk_of(context).open() as lake:
        typer.echo(lake.metrics(), nl=False)
