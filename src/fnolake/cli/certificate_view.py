"""
A certificate as a person reads it in a terminal: one card, or a table and the heat map of several. Pure: values to renderables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fnolake.cli.heatmap import Tally, heat_map, mark, style_of
from fnolake.cli.view import clock
from fnolake.model.certificate import SHORT, Certificate, Counts, market_text, scope_text

if TYPE_CHECKING:
    import polars as pl
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

WIDEST = 100
REASONS_SHOWN = 12
_LOWEST_BAR = 10
_COLOURS = {0: "green", 3: "yellow", 4: "red"}
_VERDICTS = {0: "proven", 3: "with gaps", 4: "with mismatches"}
_STANDINGS = {"mismatch": "red", "gap": "yellow", "unverified": "cyan", "unknown": "dim"}
_COUNTS = (("listed", "traded", "untraded", "unknown", "captured"), ("verified", "mismatch", "unverified", "gaps"))


def card(certificate: Certificate, width: int) -> RenderableType:
    """One certificate as a framed card at most ``WIDEST`` characters wide."""
    from rich.console import Group
    from rich.panel import Panel
    from rich.text import Text

    inner = min(width, WIDEST) - 6
    colour = _COLOURS[certificate.exit_code]
    parts = [part for section in (_top(certificate, inner), _exceptions(certificate), _strip(certificate, inner), _against(certificate), _foot(certificate))
             for part in (*section, Text(""))]
    return Panel(
        Group(*parts[:-1]), title=Text(f" certificate · {certificate.session:%A %d %B %Y} ", style="bold"), title_align="left",
        subtitle=Text(f" {_VERDICTS[certificate.exit_code]} ", style=f"bold {colour}"), subtitle_align="right", border_style=colour,
        padding=(1, 2), width=min(width, WIDEST),
    )


def _top(certificate: Certificate, inner: int) -> Iterator[RenderableType]:
    from rich.text import Text

    counts = certificate.counts
    colour = _COLOURS[certificate.exit_code]
    yield Text.assemble((f"{counts.verified:,} of {counts.traded:,}", f"bold {colour}"), (" traded contracts verified against the exchange", "bold"))
    if counts.traded:
        wide = max(min(inner, 60), _LOWEST_BAR)
        full = wide * counts.verified // counts.traded
        yield Text.assemble(("█" * full, colour), ("░" * (wide - full), "dim"), f"  {100 * counts.verified // counts.traded} %")
    scope = scope_text([certificate]) or f"all {certificate.known_underlyings} underlyings of this lake"
    yield Text(f"{market_text([certificate])} · {scope}", style="dim")
    yield Text("")
    yield _figures(counts)


def _figures(counts: Counts) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 3))
    for names in _COUNTS:
        grid.add_row(*[_figure(name, getattr(counts, name)) for name in names])
    return grid


def _figure(name: str, count: int) -> Text:
    from rich.text import Text

    colour = {"verified": "green", "mismatch": "red", "gaps": "yellow"}.get(name, "")
    return Text.assemble((f"{count:>7,}", f"bold {colour}".strip() if count else "dim"), (f" {name}", "dim"))


def _exceptions(certificate: Certificate) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    if not certificate.reasons:
        yield Text("No exceptions.", style="green")
        return
    yield Text("Exceptions", style="bold")
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right")
    for one in certificate.reasons[:REASONS_SHOWN]:
        grid.add_row(Text(f"{one.count:,}"), Text(one.standing, style=_STANDINGS[one.standing]), Text(one.reason))
    yield grid
    left = certificate.reasons[REASONS_SHOWN:]
    if left:
        yield Text(f"and {sum(one.count for one in left):,} for {len(left)} other reasons; --exceptions lists every one", style="dim")


def _strip(certificate: Certificate, inner: int) -> Iterator[RenderableType]:
    """One cell an underlying, by name; wrapped."""
    from rich.text import Text

    each = certificate.underlyings
    named = len(each) <= REASONS_SHOWN
    yield Text("Underlyings" + ("" if named else f", {each[0].underlying} to {each[-1].underlying}"), style="bold")
    cells = [_tally(one.counts) for one in each]
    if named:
        from rich.table import Table

        grid = Table.grid(padding=(0, 2))
        for one, tally in zip(each, cells, strict=True):
            told = f"{one.counts.verified:,} of {one.counts.traded:,}" if one.counts.traded else "in no exchange file" if one.counts.unknown else "untraded"
            grid.add_row(Text(one.underlying), Text(f" {mark(tally)} ", style=style_of(tally)), Text(told, style="dim"))
        yield grid
        return
    per_line = max(inner // 2, 1)
    for first in range(0, len(cells), per_line):
        yield Text.assemble(*[(f"{mark(tally)} ", style_of(tally)) for tally in cells[first : first + per_line]])
    yield Text("a cell an underlying: # all covered, 0-9 tenths; deep green is proven", style="dim")


def _tally(counts: Counts) -> Tally:
    covered = counts.traded - counts.gaps
    return Tally(counts.traded, covered, covered, counts.verified)


def _against(certificate: Certificate) -> Iterator[RenderableType]:
    from rich.table import Table
    from rich.text import Text

    yield Text("Checked against", style="bold")
    grid = Table.grid(padding=(0, 2))
    for file in certificate.exchange_files:
        taken = clock(file.taken_at) if file.taken_at else "given by hand"
        grid.add_row(Text(f"{file.venue} {file.segment}"), Text(file.name or "file not named any more"), Text(f"sha256 {file.sha256[:SHORT] or 'unknown'}"), Text(taken, style="dim"))
    for venue, segment in certificate.missing_files:
        grid.add_row(Text(f"{venue} {segment}"), Text("no exchange file is here", style="yellow"), Text(""), Text(""))
    yield grid
    yield Text("contracts by the masters " + _masters(certificate), style="dim")
    yield Text("bars from " + (", ".join(f"{one.provider} ({one.contract_sessions:,})" for one in certificate.sources) or "nobody"), style="dim")


def _masters(certificate: Certificate) -> str:
    """Exchanges by provider and day: ``shoonya BFO, NFO of 2026-11-20``."""
    groups: dict[tuple[str, str], list[str]] = {}
    for one in certificate.masters:
        groups.setdefault((one.provider, f"{one.day}"), []).append(one.exchange)
    return "; ".join(f"{provider} {', '.join(exchanges)} of {day}" for (provider, day), exchanges in groups.items()) or "of nobody"


def _foot(certificate: Certificate) -> Iterator[RenderableType]:
    from rich.text import Text

    content = certificate.content
    yield Text(f"{content.bars:,} bars of {content.contracts:,} contracts", style="bold")
    yield Text(f"sha256 {content.sha256}", style="dim", overflow="fold")
    yield Text(f"fnolake {certificate.version} · {clock(certificate.made_at)} · certificate {certificate.hash[:SHORT]}", style="dim")
    if certificate.supersedes:
        changed = "; ".join(certificate.changes) or "nothing is different"
        yield Text(f"supersedes {certificate.supersedes[:SHORT]}: {changed}", style="dim")


def several(certificates: Sequence[Certificate], coverage: pl.DataFrame, width: int) -> Iterator[RenderableType]:
    """Several sessions: a table of them, then the heat map of underlyings by sessions."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("session", "listed", "traded", "verified", "mismatch", "unverified", "gaps", "sha256", ""):
        table.add_column(name, justify="left" if name in {"session", "sha256", ""} else "right", no_wrap=True)
    for one in certificates:
        counts = one.counts
        numbers = (counts.listed, counts.traded, counts.verified, counts.mismatch, counts.unverified, counts.gaps + counts.unknown_gaps)
        verdict = Text(_VERDICTS[one.exit_code], style=_COLOURS[one.exit_code])
        table.add_row(Text(f"{one.session:%a %d %b %Y}"), *[Text(f"{number:,}") for number in numbers], Text(one.content.sha256[:SHORT]), verdict)
    yield table
    for line in heat_map(coverage, width):
        yield Text.assemble(*line)
