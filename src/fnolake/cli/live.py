"""The command that records today's session from the brokers' sockets: live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli.desk import desk_of, run_stoppable, say
from fnolake.cli.options import AccountsOption, FormatOption, SessionOption, UnderlyingsOption, day_of
from fnolake.cli.output import render, render_value
from fnolake.model.selection import names_of

if TYPE_CHECKING:
    from fnolake.model import Event

REFUSED = 5


def register(app: typer.Typer) -> None:
    """Give the root command its command."""
    app.command()(live)


def live(
    context: typer.Context, underlying: UnderlyingsOption = None, account: AccountsOption = None,
    score: Annotated[bool, typer.Option("--score", help="Show how recorded minutes compare with the final ones.")] = False,
    session: SessionOption = None, form: FormatOption = None,
) -> None:
    """
    Record today's session from the brokers' sockets.

    In Python: lake.async_live, lake.bars(..., live=True), lake.live_score.

    Spot, futures and options around the money are streamed; minutes are readable as they close, and provisional until a sync
    replaces them. Ends with the session; Ctrl-C keeps what was recorded. Exit 5 if no account can stream.
    """
    desk = desk_of(context)
    if score:
        with desk.open() as lake:
            day = day_of(session, "--session") or lake.calendar.last_finished(lake.clock.now())
            frame = lake.live_score(day)
        render(frame, form, nothing=f"Nothing was recorded on {day}, or no final bars are there yet: fnolake sync")
        return
    with desk.open() as lake:
        report, _ = run_stoppable(
            lambda stop: lake.async_live(_tell, stop, accounts=account or [], underlyings=names_of(underlying)),
            lambda: say("keeping what was recorded…"),
        )
    render_value(report, form, report.lines)
    if report.stopped:
        raise typer.Exit(REFUSED)


def _tell(event: Event) -> None:
    from fnolake.model import LiveSeen, Notice

    if isinstance(event, Notice):
        say(event.text)
    elif isinstance(event, LiveSeen):
        rest = f", {event.unserved:,} without room" if event.unserved else ""
        say(f"{event.streamed:,} contracts, {event.ticks:,} ticks, {event.bars:,} bars, worst lag {event.lag_s:.1f} s{rest}")
