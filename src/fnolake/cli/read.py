"""Commands that read: status, instruments, coverage, gaps, compare. Each parses, asks the lake once, and renders."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli import view
from fnolake.cli.desk import Desk, desk_of, on_terminal, run, say
from fnolake.cli.options import (
    DryRunOption,
    FormatOption,
    FromOption,
    KindOption,
    KindsOption,
    SessionOption,
    ToOption,
    UnderlyingsOption,
    day_of,
    span_of,
)
from fnolake.cli.output import Format, chosen, console, render, render_rows, render_value
from fnolake.model.selection import names_of

if TYPE_CHECKING:
    import polars as pl

DIFFERENT = 4
"""Exit code: an integrity finding."""

instruments = typer.Typer(help="Find contracts (lake.instruments).", invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.command()(status)
    app.add_typer(instruments, name="instruments")
    app.command()(coverage)
    app.command()(gaps)
    app.command()(compare)


def status(context: typer.Context, form: FormatOption = None) -> None:
    """
    Show the lake at a glance and what to type next.

    In Python: lake.status.
    """
    desk = desk_of(context)
    if not desk.is_there:
        render_value({"path": desk.lake, "next_command": "fnolake init"}, form, [f"No lake at {desk.lake} yet.", "", "Next: fnolake init"])
        return
    with desk.open() as lake:
        seen = lake.status()
    render_value(seen, form, view.status_lines(seen))


@instruments.callback()
def instruments_find(
    context: typer.Context,
    underlying: Annotated[str | None, typer.Option("--underlying", "-u", metavar="NAME", help="Only this one.")] = None,
    kind: KindOption = None,
    expiry: Annotated[str | None, typer.Option("--expiry", metavar="DATE", help="Only this expiry.")] = None,
    on: Annotated[str | None, typer.Option("--on", metavar="DATE", help="As they stood on that session.")] = None,
    differing: Annotated[bool, typer.Option("--differing", help="Only those that two providers list differently.")] = False,
    form: FormatOption = None,
) -> None:
    """
    Find contracts, with each provider's symbol.

    In Python: lake.instruments.
    """
    if context.invoked_subcommand:
        return
    with desk_of(context).open() as lake:
        frame = lake.instruments(
            underlying=underlying.strip().upper() if underlying else None, kind=kind.value if kind else None,
            expiry=day_of(expiry, "--expiry"), on=day_of(on, "--on"),
        )
    if differing:
        frame = frame.drop_nulls("differs") if "differs" in frame.columns else frame.clear()
        render(frame, form, nothing="No contract is listed differently by two providers.")
        return
    render(frame, form, nothing="No such contract here: fnolake instruments sync takes today's masters")


@instruments.command("sync")
def instruments_sync(context: typer.Context, dry_run: DryRunOption = False, form: FormatOption = None) -> None:
    """
    Take today's symbol masters and say what changed.

    In Python: lake.async_take_masters.
    """
    from fnolake.cli.progress import progress

    if dry_run:
        with desk_of(context).open() as lake:
            held = lake.instruments().height
        say(f"would take today's symbol masters and compare them with the {held:,} contracts that are known; nothing was taken")
        return
    with desk_of(context).open(write=True) as lake, progress() as shown:
        rows = run(lake.async_take_masters(shown))
    render_rows(rows, form, nothing="Today's masters are here already.")


@instruments.command("history")
def instruments_history(
    context: typer.Context,
    contract: Annotated[str, typer.Argument(metavar="CONTRACT", help="A symbol it has or had, or its id.")],
    form: FormatOption = None,
) -> None:
    """
    Show a contract's life: listed, amended, renamed, ended, and which master said so.

    In Python: lake.instrument_history.
    """
    with desk_of(context).open() as lake:
        frame = lake.instrument_history(contract)
    render(frame, form)


def coverage(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None, form: FormatOption = None,
) -> None:
    """
    Show what is covered: a map on a terminal, rows elsewhere.

    In Python: lake.coverage.
    """
    first, last = span_of(session, start, end)
    with desk_of(context).open() as lake:
        frame = lake.coverage(start=first, end=last, underlying=names_of(underlying))
    if form is Format.TABLE or (form is None and on_terminal()):
        draw(frame)
    else:
        render(frame, form)


def draw(frame: pl.DataFrame) -> None:
    """The heat map, in colour where stdout shows it."""
    from rich.text import Text

    from fnolake.cli.heatmap import heat_map

    if frame.is_empty():
        typer.echo("Nothing is known yet: fnolake sync")
        return
    target = console()
    for line in heat_map(frame, target.width):
        target.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False)


def gaps(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None, kind: KindsOption = None,
    at_risk: Annotated[bool, typer.Option("--at-risk", help="By deadline: what is wanted, what it takes, what will be lost.")] = False,
    repairs: Annotated[bool, typer.Option("--repairs", help="What was found instead, mismatches included, and what was tried.")] = False,
    form: FormatOption = None,
) -> None:
    """
    List what is missing and why.

    In Python: lake.gaps, lake.repairs, lake.at_risk.
    """
    first, last = span_of(session, start, end)
    kinds = tuple(one.value for one in kind or ())
    if at_risk:
        _show_risk(desk_of(context), (first, last), names_of(underlying), kinds, form)
        return
    if repairs:
        with desk_of(context).open() as lake:
            found = lake.repairs(underlying=names_of(underlying), kind=kinds)
        found = found.filter((found["session"] >= (first or date.min)) & (found["session"] <= (last or date.max)))
        render(found, form, nothing="Nothing was found that is to be asked again.")
        return
    with desk_of(context).open() as lake:
        frame = lake.gaps(start=first, end=last, underlying=names_of(underlying), kind=kinds)
    render(frame, form, nothing="No gaps in what is known: fnolake coverage shows it.")
    if chosen(form) is Format.TABLE and frame.height:
        for line in view.gap_lines(frame):
            typer.echo(line)


def _show_risk(
    desk: Desk, span: tuple[date | None, date | None], names: tuple[str, ...], kinds: tuple[str, ...], form: Format | None
) -> None:
    with desk.open() as lake:
        frame = lake.at_risk(*span, names, kinds)
    render(frame, form, nothing="Nothing is at risk: what can still be had is here.")
    if chosen(form) is Format.TABLE and frame.height:
        for line in view.risk_lines(frame):
            typer.echo(line)


def compare(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None, kind: KindsOption = None,
    summary: Annotated[bool, typer.Option("--summary", help="Only the counts of each provider.")] = False,
    form: FormatOption = None,
) -> None:
    """
    Show where two providers differ, minute by minute.

    In Python: lake.compare.

    A sync compares a share of what it took ([compare] sample). Exit 4 if there are differences.
    """
    first, last = span_of(session, start, end)
    names, kinds = names_of(underlying), tuple(one.value for one in kind or ())
    with desk_of(context).open() as lake:
        counts = lake.compare(first, last, names, kinds, summary=True)
        differences = lake.compare(first, last, names, kinds)
    as_table = chosen(form) is Format.TABLE
    if summary or as_table:
        render(counts, form, nothing="Nothing was compared yet: a sync does it with accounts of two providers and [compare] sample above 0")
    if not summary and (counts.height or not as_table):
        render(differences, form, nothing="The providers agree in everything that was compared.")
    if differences.height:
        raise typer.Exit(DIFFERENT)
