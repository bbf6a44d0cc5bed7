"""Commands that try the alerts and show what was sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from fnolake.cli.desk import desk_of, run, say
from fnolake.cli.options import FormatOption
from fnolake.cli.output import Format, chosen, render_rows
from fnolake.model.session import IST

if TYPE_CHECKING:
    from fnolake.model import Delivery

alert = typer.Typer(help="Messages to people: try them, and see what was sent.", no_args_is_help=True)
REFUSED = 5
COLUMNS = ("at", "cause", "title", "to", "service", "outcome", "reason")


def register(app: typer.Typer) -> None:
    """Give the root command these."""
    app.add_typer(alert, name="alert")


@alert.command("test")
def alert_test(context: typer.Context, form: FormatOption = None) -> None:
    """
    Send a test message to every address of [alerts]; exit 5 if one does not take it.

    In Python: lake.async_alert(test=True).
    """
    with desk_of(context).open() as lake:
        made: tuple[Delivery, ...] = run(lake.async_alert(test=True))
    render_rows(_rows(made, ("to", "service", "outcome", "reason")), form, columns=("to", "service", "outcome", "reason"))
    failed = sum(one.outcome == "failed" for one in made)
    if failed:
        say(f"fnolake: {failed} of {len(made)} addresses did not take it")
        raise typer.Exit(REFUSED)


@alert.command("list")
def alert_list(context: typer.Context, form: FormatOption = None) -> None:
    """
    What was sent lately and where to, the newest last; what failed is sent again next time.

    In Python: lake.alerts.
    """
    with desk_of(context).open() as lake:
        made = lake.alerts()
        places = lake.settings.alerts.to
    nothing = "Nothing was sent yet." if places else 'Nothing is sent: lake.toml has no [alerts] to = ["env:…"] (docs/alerts.md).'
    render_rows(_for_people(made) if chosen(form) is Format.TABLE else _rows(made, COLUMNS), form, nothing=nothing, columns=COLUMNS)


def _for_people(made: Iterable[Delivery]) -> list[dict[str, Any]]:
    """A row for a terminal: what it was about, where it went, and what became of it, in short."""
    return [
        {
            "at": f"{one.at.astimezone(IST):%d %b %H:%M}", "about": one.key, "to": one.to,
            "outcome": f"{one.outcome}: {one.reason.partition(':')[0]}" if one.reason else one.outcome,
        }
        for one in made
    ]


def _rows(made: Iterable[Delivery], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{name: one.at.astimezone(IST) if name == "at" else getattr(one, name) or None for name in columns} for one in made]
