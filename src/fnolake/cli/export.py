"""The command that writes for other tools: export. It parses, asks the lake once, and says what was written."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fnolake.cli.desk import desk_of
from fnolake.cli.options import (
    DryRunOption,
    FormatOption,
    FromOption,
    KindOption,
    MoneyOption,
    RankOption,
    RightOption,
    SessionOption,
    StrikeOption,
    ToOption,
    span_of,
)
from fnolake.cli.output import Format, render_rows, render_value
from fnolake.errors import ConfigError

GAPS_LEFT = 3


def register(app: typer.Typer) -> None:
    """Give the root command its command."""
    app.command()(export)


def export(
    context: typer.Context,
    target: Annotated[str | None, typer.Argument(metavar="TARGET", help="See --list.", show_default=False)] = None,
    symbol: Annotated[str | None, typer.Argument(metavar="SYMBOL", help="As for bars: a contract or an underlying.", show_default=False)] = None,
    into: Annotated[Path | None, typer.Option("--into", "-o", metavar="FOLDER", help="Where to; made if it is not there.")] = None,
    kind: KindOption = None, expiry: RankOption = None, strike: StrikeOption = None, right: RightOption = None, moneyness: MoneyOption = None,
    session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    interval: Annotated[str, typer.Option("--interval", "-i", metavar="5m|1d|1w|1mo", help="Length of the bars: any whole minutes, a day, week or month.")] = "1m",
    by: Annotated[str | None, typer.Option("--by", metavar="contract|day", help="A file for each contract or each day.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace files that are there.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List the targets.")] = False,
    dry_run: DryRunOption = False, form: FormatOption = None,
) -> None:
    """
    Write bars for another tool, for your own use.

    In Python: lake.export, lake.to_pandas.

    Files that are there stay, so the same command again adds what is new. Exit 3 if the selection has gaps.
    """
    if listed or target is None:
        _list(form)
        return
    if symbol is None or into is None:
        raise ConfigError(f"say what and where: fnolake export {target} {symbol or 'RELIANCE'} --into FOLDER")
    first, last = span_of(session, start, end)
    with desk_of(context).open() as lake:
        done = lake.export(
            target, into, symbol, kind=kind.value if kind else None, expiry=expiry, strike=strike, right=right, moneyness=moneyness, start=first, end=last,
            interval=interval, by=by, overwrite=overwrite, dry_run=dry_run,
        )
    render_value(done, form, done.lines)
    if done.coverage.uncovered:
        raise typer.Exit(GAPS_LEFT)


def _list(form: Format | None) -> None:
    from fnolake.export.targets import TARGETS

    rows = [{"target": one.name, "by": " or ".join(one.by), "writes": one.says} for one in TARGETS.values()]
    render_rows(rows, form)
