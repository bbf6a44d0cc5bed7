"""The command that signs off: verify. It parses, asks the lake once, and renders."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fnolake.cli.desk import desk_of, say
from fnolake.cli.options import (
    DryRunOption,
    FormatOption,
    FromOption,
    SessionOption,
    ToOption,
    UnderlyingsOption,
    span_of,
)
from fnolake.cli.output import Format, console, render, render_rows
from fnolake.model.selection import names_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fnolake.sync.certify import Certified


def register(app: typer.Typer) -> None:
    """Give the root command its command."""
    app.command()(verify)


def verify(
    context: typer.Context, session: SessionOption = None, start: FromOption = None, end: ToOption = None,
    underlying: UnderlyingsOption = None,
    exceptions: Annotated[bool, typer.Option("--exceptions", help="List everything that is neither verified nor untraded, and why.")] = False,
    line: Annotated[bool, typer.Option("--line", help="Only the one line to share.")] = False,
    svg: Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Also draw it, without prices, to this file.")] = None,
    dry_run: DryRunOption = False, form: FormatOption = None,
) -> None:
    """
    Sign off a session: what is proven against the exchange, what is not and why.

    In Python: lake.verify.

    By default the last finished session. The certificate is kept in the lake. Exit 3 with gaps, 4 with a mismatch.
    """
    first, last = span_of(session, start, end)
    with desk_of(context).open(write=not dry_run) as lake:
        made: Sequence[Certified] = lake.verify(first, last, names_of(underlying), dry_run=dry_run)
    if svg is not None and not dry_run:
        from fnolake.export.certificate_svg import write_svg

        write_svg([each.certificate for each in made], svg)
        say(f"drawn to {svg}")
    if dry_run:
        say("nothing was recorded" + (f"; {svg} would be drawn" if svg else ""))
    _show(made, form, exceptions=exceptions, line=line)
    code = max((each.certificate.exit_code for each in made), default=0)
    if code:
        raise typer.Exit(code)


def _show(made: Sequence[Certified], form: Format | None, *, exceptions: bool, line: bool) -> None:
    from fnolake.model.certificate import share_line

    if line:
        typer.echo(share_line([each.certificate for each in made]))
    elif exceptions:
        import polars as pl

        render(pl.concat([each.exceptions for each in made]), form, nothing="No exceptions: everything that traded is verified.")
    elif form in {Format.JSON, Format.NDJSON}:
        _json(made, form)
    elif form is Format.CSV:
        render_rows([_row(each) for each in made], form)
    else:
        _cards(made)


def _json(made: Sequence[Certified], form: Format | None) -> None:
    """Certificates with their exceptions: a list, or one a line."""
    import json

    rows = [{**each.certificate.to_json(), "number": each.number, "exceptions": _plain_rows(each)} for each in made]
    if form is Format.JSON:
        typer.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    for row in rows:
        typer.echo(json.dumps(row, ensure_ascii=False))


def _plain_rows(each: Certified) -> list[dict[str, Any]]:
    import polars as pl

    return each.exceptions.with_columns(pl.col(pl.Date).dt.to_string("%Y-%m-%d")).to_dicts()


def _row(each: Certified) -> dict[str, object]:
    from dataclasses import asdict

    one = each.certificate
    return {
        "session": one.session, **asdict(one.counts), "bars": one.content.bars, "content_sha256": one.content.sha256,
        "certificate": one.hash, "made_at": one.made_at,
    }


def _cards(made: Sequence[Certified]) -> None:
    import polars as pl

    from fnolake.cli.certificate_view import card, several
    from fnolake.model.certificate import share_line

    target = console()
    certificates = [each.certificate for each in made]
    if len(made) == 1:
        target.print(card(certificates[0], target.width))
    else:
        for part in several(certificates, pl.concat([each.coverage for each in made]), target.width):
            target.print(part, no_wrap=True, overflow="ignore", crop=False)
    typer.echo("\n" + share_line(certificates))
