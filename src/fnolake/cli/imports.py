"""Commands for files that the user owns already: import and audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fnolake.cli.desk import desk_of
from fnolake.cli.options import DryRunOption, FormatOption
from fnolake.cli.output import Format, chosen, render, render_rows, write_lines
from fnolake.errors import ConfigError

if TYPE_CHECKING:
    from fnolake.sync.audits import Audit
    from fnolake.sync.imports import FileReport

GAPS, FINDINGS = 3, 4
SHOWN = 10
PresetOption = Annotated[str | None, typer.Option("--preset", metavar="kite|openalgo|gdf|truedata", help="The layout of the files.")]
MapOption = Annotated[list[str] | None, typer.Option("--map", metavar="KEY=VALUE", help="A column or way of writing, see docs/import.md; repeat, or part with commas.")]
COLUMNS = ("file", "rows", "imported", "not_better", "here_already", "refused_rows", "unknown_rows", "contract_sessions", "verified", "near", "mismatch", "unverified", "outcomes", "refused")


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.command("import")(import_files)
    app.command()(audit)


def import_files(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder: CSV (also .gz, .zip), Parquet, Kite's JSON.", show_default=False)],
    preset: PresetOption = None, mapping: MapOption = None,
    name: Annotated[str | None, typer.Option("--name", metavar="WORD", help="Bars are marked import:WORD; default: the preset.")] = None,
    dry_run: DryRunOption = False, form: FormatOption = None,
) -> None:
    """
    Take minute bars of files that you own already.

    In Python: lake.import_files.

    They are checked as a broker's are, and never replace a broker's bars that are as good. Exit 3 if rows were not taken.
    """
    from fnolake.cli.progress import progress

    given = mapped(mapping)
    if preset is None and not given:
        raise ConfigError("say how the files are laid out: --preset kite|openalgo|gdf|truedata, or --map time=… (docs/import.md)")
    with desk_of(context).open(write=not dry_run) as lake, progress() as shown:
        done = lake.import_files(path.expanduser(), preset, given, name=name, on_event=shown, dry_run=dry_run)
    if form is None or form is Format.TABLE:
        write_lines(import_lines(done, dry_run=dry_run))
    else:
        render_rows([_flat(one) for one in done], form, columns=COLUMNS)
    if any(one.refused or _lost(one) for one in done):
        raise typer.Exit(GAPS)


def audit(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A file, or a folder of files.", show_default=False)],
    preset: PresetOption = None, mapping: MapOption = None, form: FormatOption = None,
) -> None:
    """
    Score files of minute bars without taking them.

    In Python: lake.audit.

    Against the calendar, and the exchange's files where there is a lake that has them. Exit 4 if anything costs points.
    """
    desk, given = desk_of(context), mapped(mapping)
    if desk.is_there:
        with desk.open() as lake:
            found = lake.audit(path.expanduser(), preset, given)
    else:
        from fnolake.lake import audit_files

        found = audit_files(path.expanduser(), preset, given)
    if chosen(form) is Format.TABLE or form is None:
        write_lines(audit_lines(found))
    else:
        render(found.series, form)
    if not found.is_clean:
        raise typer.Exit(FINDINGS)


def mapped(pairs: Sequence[str] | None) -> dict[str, str]:
    """
    ``KEY=VALUE`` pairs, several parted by commas where every part has its own ``=``.

    Raises:
        ConfigError: One is no pair.
    """
    found: dict[str, str] = {}
    for text in pairs or ():
        parts = text.split(",")
        for pair in parts if all("=" in part for part in parts) else [text]:
            key, equals, value = pair.partition("=")
            if not equals or not key.strip():
                raise ConfigError(f"--map {pair}: give KEY=VALUE, for example time=datetime")
            found[key.strip().lower()] = value
    return found


def import_lines(done: Sequence[FileReport], *, dry_run: bool) -> Iterator[str]:
    """What became of the files, for a person."""
    total: Counter[str] = Counter()
    proofs: Counter[str] = Counter()
    for one in done:
        total += one.outcomes
        proofs += one.proofs
    for one in done[:SHOWN]:
        yield from _file_lines(one)
    if len(done) > SHOWN:
        yield f"… and {len(done) - SHOWN:,} more files; --format csv writes everything"
    rows, sessions = sum(one.rows for one in done), sum(one.sessions for one in done)
    yield ""
    verb = "would be imported" if dry_run else "imported"
    yield f"{total['imported']:,} of {rows:,} rows {verb}: {sessions:,} contract-sessions{_said(proofs)}"
    left = {name: count for name, count in total.most_common() if name != "imported"}
    if left:
        yield "the other rows: " + ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in left.items())


def _file_lines(one: FileReport) -> Iterator[str]:
    if one.refused:
        yield f"{one.file}: not taken: {one.refused.removeprefix(f'{one.file}: ')}"
        return
    yield f"{one.file}: {one.outcomes['imported']:,} of {one.rows:,} rows, {one.sessions:,} contract-sessions{_said(one.proofs)}"
    left = [f"{count:,} {name.replace('_', ' ')}" for name, count in one.outcomes.most_common() if name != "imported"]
    if left:
        yield f"    {', '.join(left)}"
    for advice, (count, example) in list(one.unknown.items())[:3]:
        yield f"    {example}{f' and {count - 1:,} more' if count > 1 else ''}: {advice.removeprefix(f'{example} ')}"


def _said(proofs: Counter[str]) -> str:
    words = [f"{proofs[name]:,} {name}" for name in ("verified", "near", "mismatch", "unverified") if proofs[name]]
    return f" ({', '.join(words)})" if words else ""


def _lost(one: FileReport) -> int:
    """Rows that are in the lake neither by this import nor as good or better."""
    return sum(one.outcomes.values()) - sum(one.outcomes[name] for name in ("imported", "not_better", "here_already", "duplicate", "untraded"))


def _flat(one: FileReport) -> dict[str, object]:
    unknown = sum(one.outcomes[name] for name in ("unknown_symbol", "ambiguous_symbol", "continuous_series", "no_symbol"))
    return {
        "file": one.file, "rows": one.rows, **{name: one.outcomes[name] for name in ("imported", "not_better", "here_already")},
        "refused_rows": _lost(one) - unknown, "unknown_rows": unknown, "contract_sessions": one.sessions,
        **{name: one.proofs[name] for name in ("verified", "near", "mismatch", "unverified")},
        "outcomes": " ".join(f"{name}={count}" for name, count in sorted(one.outcomes.items())), "refused": one.refused,
    }


def audit_lines(found: Audit) -> Iterator[str]:
    """The score and what cost points, the worst series first."""
    against = f"the calendar and the exchange's files ({found.compared:,} contract-sessions)" if found.compared else "the calendar only"
    yield f"{found.score:.1f} of 100: {found.series.height:,} series, {found.series['rows'].sum():,} rows, held against {against}"
    hurt = found.series.filter(found.series["score"] < 100.0)
    for row in hurt.head(SHOWN).iter_rows(named=True):
        yield ""
        span = f" in {row['sessions']:,} session{'s'[: row['sessions'] != 1]}, {row['first']} to {row['last']}" if row["first"] else ""
        yield f"{row['score']:5.1f}  {row['symbol'] or row['file']}: {row['rows']:,} rows{span}"
        if row["symbol"]:
            yield f"       {row['file']}"
        for reason in row["reasons"]:
            yield f"       {reason}"
    if hurt.height > SHOWN:
        yield f"\n… and {hurt.height - SHOWN:,} more; --format csv writes every series"
    clean = found.series.height - hurt.height
    if clean:
        yield f"\n100.0  {clean:,} series without a finding"
