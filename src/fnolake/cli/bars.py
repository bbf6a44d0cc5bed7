"""
The command that reads bars: one call of ``lake.bars``, rendered.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from fnolake.cli import view
from fnolake.cli.desk import desk_of, warned
from fnolake.cli.options import (
    FormatOption,
    KindOption,
    MoneyOption,
    RankOption,
    RightOption,
    SessionOption,
    StrikeOption,
)
from fnolake.cli.output import Format, chosen, render
from fnolake.errors import ConfigError


class Source(StrEnum):
    """Where days come from."""

    MINUTES = "minutes"
    EXCHANGE = "exchange"


class Fill(StrEnum):
    """How quiet minutes are filled."""

    FORWARD = "forward"


class Adjust(StrEnum):
    """What is taken out of prices."""

    SPLITS = "splits"


class Phase(StrEnum):
    """A part of the session."""

    CONTINUOUS = "continuous"
    PREOPEN = "preopen"
    AUCTION = "auction"


StartOption = Annotated[str | None, typer.Option("--from", metavar="DATE|TIME", help='First session, or an instant in IST: "2026-11-20 09:30".')]
EndOption = Annotated[str | None, typer.Option("--to", metavar="DATE|TIME", help="Last session, inclusive, or the instant before which bars begin.")]


def register(app: typer.Typer) -> None:
    """Give the root command this one."""
    app.command()(bars)


def bars(
    context: typer.Context,
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="RELIANCE, NIFTY, RELIANCE23NOV26F, RELIANCE23NOV26C1400 …")],
    kind: KindOption = None, expiry: RankOption = None, strike: StrikeOption = None, right: RightOption = None,
    moneyness: MoneyOption = None, session: SessionOption = None, start: StartOption = None, end: EndOption = None,
    interval: Annotated[str, typer.Option("--interval", "-i", metavar="5m|1d|1w|1mo", help="Length of the bars: any whole minutes, a day, week or month.")] = "1m",
    phase: Annotated[list[Phase] | None, typer.Option("--phase", metavar="|".join(Phase), help="Part of the session; repeat for more.")] = None,
    source: Annotated[Source, typer.Option("--source", metavar="|".join(Source), help="Of 1d, 1w, 1mo: from minutes, or the exchange's own rows.")] = Source.MINUTES,
    fill: Annotated[Fill | None, typer.Option("--fill", metavar="forward", help="Add quiet bars with the last close, marked as filled.")] = None,
    adjust: Annotated[Adjust | None, typer.Option("--adjust", metavar="splits", help="Take splits and bonuses out of a stock's spot prices.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 3 where something is missing, instead of a warning.")] = False,
    live: Annotated[bool, typer.Option("--live", help="With recorded minutes that are not final yet, marked as such.")] = False,
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="TIME", help='What was known then, for example "2026-11-21 08:00".')] = None,
    form: FormatOption = None,
) -> None:
    """
    Read bars in rupees and IST.

    In Python: lake.bars.
    """
    if session and (start or end):
        raise ConfigError("--session is one session: leave out --from and --to, or it")
    with desk_of(context).open() as lake, warned():
        frame = lake.bars(
            symbol, kind=kind.value if kind else None, expiry=expiry, strike=strike, right=right, moneyness=moneyness,
            start=session or start, end=session or end, interval=interval, phases=tuple(one.value for one in phase or (Phase.CONTINUOUS,)),
            source=source.value, fill=fill.value if fill else None, adjust=adjust.value if adjust else None, strict=strict, as_of=as_of, live=live,
        )
    if chosen(form) is Format.TABLE:
        frame = view.without_echoes(frame)
    render(frame, form, nothing="No bars of it in these sessions: fnolake gaps says why, fnolake sync fetches them")
