"""Commands that fill and keep the lake: plan, sync, upkeep; and the emulator."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli.desk import Desk, Interrupted, desk_of, on_terminal, run_stoppable, say
from fnolake.cli.options import (
    AccountsOption,
    BackfillOption,
    DryRunOption,
    FormatOption,
    FromOption,
    KindsOption,
    MinutesOption,
    SessionOption,
    ToOption,
    UnderlyingsOption,
    WaitOption,
    selection_of,
    span_of,
)
from fnolake.cli.output import Format, render, render_value, write_lines
from fnolake.errors import ConfigError

if TYPE_CHECKING:
    from fnolake.model.selection import Selection
    from fnolake.sync.report import SyncReport

GAPS_LEFT = 3
REFUSED = 5
CORRUPT = 4


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.command()(plan)
    app.command()(sync)
    app.command()(upkeep)
    app.command(
        context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False,
    )(emulator)


def plan(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None, kind: KindsOption = None, backfill: BackfillOption = False, wait: WaitOption = True,
    form: FormatOption = None,
) -> None:
    """
    Show what sync would do.

    In Python: lake.plan.

    Nothing is fetched. The formats csv, json and ndjson list the requests in their order.
    """
    selection = selection_of(span_of(session, start, end), underlying, kind, backfill=backfill, wait=wait)
    _show_plan(desk_of(context), selection, form)


def _show_plan(desk: Desk, selection: Selection, form: Format | None) -> None:
    with desk.open() as lake:
        made = lake.plan(selection)
    if form is None or form is Format.TABLE:
        write_lines(made.lines)
    else:
        render(made.rows, form)


def sync(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None, kind: KindsOption = None, max_minutes: MinutesOption = None, backfill: BackfillOption = False,
    account: AccountsOption = None, wait: WaitOption = True,
    retry: Annotated[bool, typer.Option("--retry", help="Ask again for findings that were given up.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before a backfill.")] = False,
    dry_run: DryRunOption = False,
    form: FormatOption = None,
) -> None:
    """
    Fetch, check and keep what is missing.

    In Python: lake.async_sync.

    By default of the last finished session, by every account that is usable. Exit 3 if gaps remain, 5 if the provider shut us out.
    """
    desk = desk_of(context)
    selection = selection_of(
        span_of(session, start, end), underlying, kind, max_minutes=max_minutes, backfill=backfill, wait=wait, retry=retry,
    )
    asks = backfill and not yes
    if asks and not dry_run and not on_terminal():
        raise ConfigError("a backfill asks before it starts, and this is no terminal: add --yes, or see what it would do with --dry-run")
    if dry_run or asks:
        _show_plan(desk, selection, form if dry_run else None)
        if dry_run or not typer.confirm("Go on?", default=True, err=True):
            return
    report, pressed = _synced(desk, selection, account or [])
    told = [line for line in report.lines if line not in report.notices or line == report.stopped]
    render_value(report, form, dict.fromkeys(told))
    code = exit_code(report, pressed=pressed)
    if code:
        raise typer.Exit(code)


def _synced(desk: Desk, selection: Selection, names: list[str]) -> tuple[SyncReport, bool]:
    from fnolake.cli.progress import progress

    def on_stop() -> None:
        say("committing what is verified… (Ctrl-C again stops at once; nothing committed is lost)")

    with desk.open(write=True) as lake:
        named = [one for one in lake.accounts() if not names or one.name in names]
        asked = [one.per_minute for one in named if one.signed_in] or [one.per_minute for one in named]
        with progress(sum(asked) if all(asked) else 0) as shown:
            return run_stoppable(lambda stop: lake.async_sync(selection, shown, stop, names), on_stop)


def exit_code(report: SyncReport, *, pressed: bool) -> int:
    """130 after Ctrl-C, 5 when the provider shut us out, 3 with gaps, else 0."""
    if pressed:
        raise Interrupted
    if report.stopped:
        return REFUSED
    return GAPS_LEFT if report.gaps else 0


def upkeep(
    context: typer.Context,
    rebuild_ledger: Annotated[bool, typer.Option("--rebuild-ledger", help="Restore a lost ledger from what is published.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Read every file again and compare its hash.")] = False,
    dry_run: DryRunOption = False,
) -> None:
    """
    Publish, clean and check the lake's files.

    In Python: lake.upkeep.
    """
    with desk_of(context).open(write=not dry_run, lost=rebuild_ledger) as lake:
        kept = lake.upkeep(check=check, rebuild_ledger=rebuild_ledger, dry_run=dry_run)
    if dry_run:
        for said, what in ((rebuild_ledger, "would fill the ledger from what is published"), (check, "would read every file again")):
            if said:
                typer.echo(what)
        typer.echo("would clean up what is no longer named, and back up the ledger; nothing was changed")
    write_lines(kept.lines)
    if kept.corrupt:
        raise typer.Exit(CORRUPT)


def emulator(context: typer.Context) -> None:
    """Serve emulated brokers and exchange (--help for options)."""
    from fnolake.emulator.__main__ import main

    raise typer.Exit(main(list(context.args)))
