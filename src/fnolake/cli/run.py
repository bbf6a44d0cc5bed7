"""The unattended day: run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from fnolake.cli.desk import desk_of, run_stoppable, say
from fnolake.model.session import IST

if TYPE_CHECKING:
    from fnolake.model.event import Event


def register(app: typer.Typer) -> None:
    """Give the root command this command."""
    app.command()(run)


def run(context: typer.Context) -> None:
    """
    Keep the lake by itself, day after day.

    In Python: lake.async_run.

    Every change of state is a line on stderr, with what went wrong; other commands work beside it. Ctrl-C and SIGTERM end it between
    two commits with exit 0; the next run goes on from there. `fnolake init --service` has the system start it.
    """
    desk = desk_of(context)
    with desk.open() as lake:
        run_stoppable(lambda stop: lake.async_run(stop, _show), lambda: say("ending when what is under way is committed…"))


def _show(event: Event) -> None:
    from fnolake.model.event import DayChanged, Notice

    match event:
        case DayChanged():
            say(f"{event.at.astimezone(IST):%Y-%m-%d %H:%M}  {event.text}")
        case Notice() if event.level != "info":
            say(f"                  {event.level}: {event.text}")
        case _:
            return
