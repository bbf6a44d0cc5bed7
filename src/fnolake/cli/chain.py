"""The command that shows an option chain as it stood at a minute. It parses, asks the lake once, and renders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli.desk import desk_of
from fnolake.cli.options import FormatOption, day_of
from fnolake.cli.output import Format, chosen, console, render, render_value
from fnolake.errors import ConfigError

if TYPE_CHECKING:
    from datetime import date

    from fnolake.query.chain import Chain

NAMED = ("near", "next", "far")
AROUND = 10
WIDTH = 100
"""Characters of the table where stdout is no terminal."""


def register(app: typer.Typer) -> None:
    """Give the root command its command."""
    app.command()(chain)


def chain(
    context: typer.Context,
    underlying: Annotated[str, typer.Argument(metavar="UNDERLYING", help="NIFTY, SENSEX, RELIANCE …")],
    at: Annotated[str, typer.Option("--at", metavar="TIME", help='"2026-11-20 11:05"; a date is its close; 11:05 is of the last session here.')],
    expiry: Annotated[str, typer.Option("--expiry", metavar="near|next|far|DATE", help="Which expiry, weeklies included.")] = "near",
    greeks: Annotated[bool, typer.Option("--greeks/--no-greeks", help="With implied volatilities and greeks.")] = True,
    strikes: Annotated[int | None, typer.Option("--strikes", min=0, metavar="N", help="So many on either side of the money (10 in a table, else all); 0 is all.")] = None,
    max_age: Annotated[int, typer.Option("--max-age", min=0, metavar="MINUTES", help="No volatility is made of older prices.")] = 15,
    plot: Annotated[bool, typer.Option("--plot", help="Draw open interest by strike and the smile.")] = False,
    summary: Annotated[bool, typer.Option("--summary", help="Only forward, ATM, PCR, max pain.")] = False,
    form: FormatOption = None,
) -> None:
    """
    Show an option chain as it stood at a minute: prices, open interest, volatilities, greeks.

    In Python: lake.chain.

    Nothing after that minute is seen. Conventions: docs/chain.md.
    """
    as_table = chosen(form) is Format.TABLE or (plot and form is None)
    if plot and not as_table:
        raise ConfigError("--plot draws for people: leave out --format, or it")
    with desk_of(context).open() as lake:
        made: Chain = lake.chain(underlying, at=at, expiry=_expiry(expiry), greeks=greeks or plot, max_age=max_age)
    if summary:
        from fnolake.cli import chain_view

        render_value(made.summary(), form, ["".join(text for text, _ in line) for line in chain_view.title_lines(made)])
    elif as_table:
        _draw(made, AROUND if strikes is None else strikes, plot=plot)
    else:
        kept = made.rows if not strikes else made.rows.filter(made.rows["strike"].is_in(_shown(made, strikes)))
        render(kept, form)


def _expiry(text: str) -> date | str:
    """
    What was typed as a word or a date.

    Raises:
        ConfigError: It is neither.
    """
    word = text.strip().lower()
    if word in NAMED:
        return word
    try:
        found = day_of(word, "--expiry")
    except ConfigError as error:
        raise ConfigError(f"{error}, or near, next or far") from error
    return found or NAMED[0]


def _shown(made: Chain, strikes: int) -> list[float]:
    from fnolake.cli.chain_view import around

    shown: list[float] = around(made, strikes)["strike"].to_list()
    return shown


def _draw(made: Chain, strikes: int, *, plot: bool) -> None:
    """The table, or the pictures, in colour where stdout shows it."""
    from rich.text import Text

    from fnolake.cli import chain_view

    target = console()
    width = target.width if target.is_terminal else WIDTH
    rows = chain_view.around(made, strikes)
    lines = [*chain_view.title_lines(made), []]
    if plot:
        lines += [*chain_view.open_interest_lines(made, rows, width), [], *chain_view.smile_lines(made, rows, width)]
    else:
        lines += chain_view.table_lines(made, rows, width)
    for line in lines:
        target.print(Text.assemble(*line), no_wrap=True, overflow="ignore", crop=False)
    left = made.rows["strike"].n_unique() - rows.height
    if left:
        typer.echo(f"{left} more strikes: --strikes 0 shows all, --format csv writes everything")
