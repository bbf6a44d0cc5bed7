"""The options that several commands share, each declared once; dates and months are read here, nothing else."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import Annotated

import typer

from fnolake.cli.output import Format
from fnolake.errors import ConfigError
from fnolake.model.selection import Selection, names_of


class Kind(StrEnum):
    """What is traded."""

    SPOT = "spot"
    FUTURE = "future"
    OPTION = "option"


KINDS = "|".join(Kind)
FormatOption = Annotated[Format | None, typer.Option("--format", metavar="table|csv|json|ndjson", help="How rows come out; a table on a terminal, csv otherwise.")]
SessionOption = Annotated[str | None, typer.Option("--session", metavar="DATE", help="One session, for example 2026-11-20.")]
FromOption = Annotated[str | None, typer.Option("--from", metavar="DATE", help="First session, inclusive.")]
ToOption = Annotated[str | None, typer.Option("--to", metavar="DATE", help="Last session, inclusive.")]
UnderlyingsOption = Annotated[list[str] | None, typer.Option("--underlying", "-u", metavar="NAME", help="Only this one; repeat for more.")]
AccountsOption = Annotated[list[str] | None, typer.Option("--account", metavar="NAME", help="Ask only this one; repeat for more.")]
KindsOption = Annotated[list[Kind] | None, typer.Option("--kind", "-k", metavar=KINDS, help="Only this kind; repeat for more.")]
KindOption = Annotated[Kind | None, typer.Option("--kind", "-k", metavar=KINDS, help="Only this kind.")]
RankOption = Annotated[str | None, typer.Option("--expiry", metavar="DATE|near|next|far", help="An expiry, or the first, second or third on each session.")]
StrikeOption = Annotated[str | None, typer.Option("--strike", metavar="RUPEES", help="Of options: the strike.")]
RightOption = Annotated[str | None, typer.Option("--right", metavar="CE|PE", help="Of options: calls or puts.")]
MoneyOption = Annotated[
    str | None, typer.Option("--moneyness", metavar="ATM|ATM+2|OTM3", help="Of options: strikes from the money at each session's open."),
]
MinutesOption = Annotated[float | None, typer.Option("--max-minutes", min=0.01, metavar="MINUTES", help="Stop in good order after so many minutes.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
BackfillOption = Annotated[bool, typer.Option("--backfill", help="Everything that is still served, by deadline.")]

WaitOption = Annotated[bool, typer.Option("--wait/--no-wait", help="Let options wait for the exchange's file of their session (until the next morning).")]


def day_of(text: str | None, option: str) -> date | None:
    """
    A date that was typed, None when it was not.

    Raises:
        ConfigError: It is no date.
    """
    try:
        return date.fromisoformat(text) if text else None
    except ValueError as error:
        raise ConfigError(f"{option} {text}: give a date like 2026-11-20") from error


def span_of(session: str | None, start: str | None, end: str | None) -> tuple[date | None, date | None]:
    """
    First and last session, inclusive, from --session or --from and --to.

    Raises:
        ConfigError: No date, both ways at once, or the wrong way round.
    """
    if session and (start or end):
        raise ConfigError("--session is one session: leave out --from and --to, or it")
    if session:
        return day_of(session, "--session"), day_of(session, "--session")
    first, last = day_of(start, "--from"), day_of(end, "--to")
    if first and last and first > last:
        raise ConfigError(f"--from {first} is after --to {last}: give the earlier date first")
    return first, last


def selection_of(
    span: tuple[date | None, date | None], underlyings: list[str] | None, kinds: list[Kind] | None,
    *, max_minutes: float | None = None, backfill: bool = False, wait: bool = True, retry: bool = False,
) -> Selection:
    """The selection that was typed."""
    start, end = span
    return Selection(
        underlyings=names_of(underlyings), kinds=tuple(dict.fromkeys(kind.value for kind in kinds or ())), start=start, end=end,
        max_minutes=max_minutes, backfill=backfill, wait=wait, retry=retry,
    )
