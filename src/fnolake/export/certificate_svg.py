"""
A certificate as a picture to share: one self-contained SVG, without prices, scripts, links or fonts of its own.

The same certificates give the same bytes. It is legible on light and on dark: the card brings its ground with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

from fnolake.errors import ConfigError
from fnolake.model import IST, Certificate, Counts
from fnolake.model.certificate import content_of, market_text, scope_text, share_line

WIDTH, EDGE = 760, 36
_INNER = WIDTH - 2 * EDGE
_CELL, _GAP = 14, 3
_CELL_HIGH = 22
_NAMED_FROM = 66
"""Points from which a cell of the strip is wide enough for its underlying's name."""

_LONG, _MANY = 20, 100_000
"""Characters and numbers from which the type is set smaller."""

_PARTS = (("verified", "good", "verified"), ("unverified", "plain", "unverified"), ("gaps", "warn", "gaps"), ("mismatch", "bad", "mismatch"))
_STYLE = """
.card{fill:#ffffff;stroke:#d5dbe3}.ink{fill:#16202c}.soft{fill:#5b6877}.rule{stroke:#e6eaef}.empty{fill:#e6eaef}
.good{fill:#1f8a4c}.fair{fill:#8cc152}.plain{fill:#8a97a8}.warn{fill:#e0a030}.bad{fill:#c63e3e}.on{fill:#ffffff}
.tick{fill:none;stroke:#ffffff;stroke-width:5;stroke-linecap:round;stroke-linejoin:round}
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
.mono{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace}
@media (prefers-color-scheme:dark){.card{fill:#10161e;stroke:#2b3542}.ink{fill:#eef2f6}.soft{fill:#9aa7b6}.rule{stroke:#27313d}.empty{fill:#27313d}}
"""


def write_svg(certificates: Sequence[Certificate], path: Path) -> None:
    """
    Write the picture; a file that is there is replaced.

    Raises:
        ConfigError: It cannot be written there.
    """
    try:
        path.write_text(render_svg(certificates), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}); give --svg another place") from error


def render_svg(certificates: Sequence[Certificate]) -> str:
    """One or more certificates (by session) as one card."""
    whole = list(certificates)
    total = sum((one.counts for one in whole), start=Counts())
    strip = _underlyings(whole)
    columns, cell = _columns(len(strip))
    rows = -(-len(strip) // columns) if strip else 0
    below = 282 + rows * (_CELL_HIGH + _GAP)
    high = below + 106
    body = [
        *_head(whole, total), *_bar(total), *_figures(total),
        _text(EDGE, 266, "underlyings, each by the share of its traded contracts that is verified", 12, "soft"),
        *_strip(strip, columns, cell, 276), *_foot(whole, below),
    ]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{high}" viewBox="0 0 {WIDTH} {high}" role="img" aria-labelledby="t">',
        f'<title id="t">{escape(share_line(whole))}</title>', f"<style>{_STYLE}</style>",
        f'<rect class="card" x="0.5" y="0.5" width="{WIDTH - 1}" height="{high - 1}" rx="14"/>', *body, "</svg>", "",
    ])


def _head(whole: list[Certificate], total: Counts) -> Iterator[str]:
    parts = [f"{len(whole)} sessions" if len(whole) > 1 else "", market_text(whole), scope_text(whole)]
    yield (
        f'<text x="{EDGE}" y="52"><tspan class="ink" font-size="17" font-weight="700">fnolake</tspan>'
        '<tspan class="soft" font-size="15" dx="10">certificate</tspan></text>'
    )
    proven = f"{total.verified:,} of {total.traded:,}"
    yield _text(EDGE, 112, proven, 44 if len(proven) <= _LONG else 32, "ink", weight=700)
    noun = "traded contracts" if len(whole) == 1 else "traded contract-sessions"
    yield _text(EDGE, 138, f"{noun} verified against the exchange's end-of-day file", 15, "soft")
    yield _text(WIDTH - EDGE - 84, 52, _days(whole[0].session, whole[-1].session), 15, "ink", anchor="end", weight=600)
    yield _text(WIDTH - EDGE - 84, 72, " · ".join(part for part in parts if part), 13, "soft", anchor="end")
    yield from _seal(max((one.exit_code for one in whole), default=0), total)


def _days(first: date, last: date) -> str:
    if first == last:
        return f"{last:%A} {last.day} {last:%B %Y}"
    year = f"{first: %Y}" if first.year != last.year else ""
    return f"{first.day} {first:%b}{year} to {last.day} {last:%b %Y}"


def _seal(code: int, total: Counts) -> Iterator[str]:
    """A round seal: a tick when all that traded is proven or explained, an exclamation mark when not."""
    x, y = WIDTH - EDGE - 30, 62
    yield f'<circle class="{_worst(code, total)}" cx="{x}" cy="{y}" r="30"/>'
    if code == 0 and total.traded:
        yield f'<path class="tick" d="M{x - 13} {y + 1}l9 9l17 -19"/>'
    else:
        yield f'<path class="tick" d="M{x} {y - 14}v16M{x} {y + 13}v0.1"/>'


def _worst(code: int, total: Counts) -> str:
    return "bad" if code == 4 else "warn" if code == 3 else "good" if total.traded else "plain"


def _bar(total: Counts) -> Iterator[str]:
    """What became of the traded ones, to scale; anything that is there at all is at least two points wide."""
    yield f'<clipPath id="b"><rect x="{EDGE}" y="158" width="{_INNER}" height="14" rx="7"/></clipPath>'
    yield f'<rect class="empty" x="{EDGE}" y="158" width="{_INNER}" height="14" rx="7"/>'
    counts = [getattr(total, name) for name, _, _ in _PARTS]
    place = float(EDGE)
    for width, (_, style, name), count in zip(_widths(counts), _PARTS, counts, strict=True):
        if count:
            yield f'<rect class="{style}" x="{place:.1f}" y="158" width="{width:.1f}" height="14" clip-path="url(#b)"><title>{count:,} {name}</title></rect>'
            place += width


def _widths(counts: Sequence[int]) -> list[float]:
    whole = sum(counts)
    if not whole:
        return [0.0 for _ in counts]
    wide = [max(2.0, _INNER * count / whole) if count else 0.0 for count in counts]
    most = wide.index(max(wide))
    wide[most] -= sum(wide) - _INNER
    return wide


def _figures(total: Counts) -> Iterator[str]:
    figures = [
        ("listed", total.listed, ""), ("traded", total.traded, ""), ("untraded", total.untraded, ""), ("captured", total.captured, ""),
        ("verified", total.verified, "good"), ("unverified", total.unverified, "plain"), ("gaps", total.gaps + total.unknown_gaps, "warn"),
        ("mismatch", total.mismatch, "bad"),
    ]
    step = _INNER / len(figures)
    for place, (name, count, style) in enumerate(figures):
        x = EDGE + place * step
        if style:
            yield f'<circle class="{style}" cx="{x + 4:.1f}" cy="226" r="4"/>'
        yield _text(x, 210, f"{count:,}", 19 if count < _MANY else 14, "ink", weight=600)
        yield _text(x + (13 if style else 0), 230, name, 12, "soft")


def _underlyings(whole: list[Certificate]) -> list[tuple[str, Counts]]:
    found: dict[str, Counts] = {}
    for one in whole:
        for each in one.underlyings:
            found[each.underlying] = found.get(each.underlying, Counts()) + each.counts
    return sorted(found.items())


def _columns(count: int) -> tuple[int, float]:
    """How many cells a row of the strip has and how wide one is: few are wide enough for their names."""
    most = (_INNER + _GAP) // (_CELL + _GAP)
    columns = max(min(count, most), 1)
    wide = (_INNER + _GAP) // (_NAMED_FROM + 20 + _GAP)
    if columns <= 2 * wide:
        columns = min(columns, wide)
    return columns, (_INNER + _GAP) / columns - _GAP


def _strip(strip: list[tuple[str, Counts]], columns: int, cell: float, top: int) -> Iterator[str]:
    for place, (name, counts) in enumerate(strip):
        x, y = EDGE + (place % columns) * (cell + _GAP), top + (place // columns) * (_CELL_HIGH + _GAP)
        style, told = _shade(counts)
        yield f'<rect class="{style}" x="{x:.1f}" y="{y}" width="{cell:.1f}" height="{_CELL_HIGH}" rx="4"><title>{escape(f"{name}: {told}")}</title></rect>'
        if cell >= _NAMED_FROM:
            yield _text(x + cell / 2, y + 15, name, 11, "soft" if style == "empty" else "on", anchor="middle", weight=600)


def _shade(counts: Counts) -> tuple[str, str]:
    if not counts.traded:
        return "empty", f"{counts.unknown:,} in no exchange file" if counts.unknown else "nothing traded"
    told = f"{counts.verified:,} of {counts.traded:,} verified"
    if counts.mismatch:
        return "bad", told
    if counts.gaps:
        return "warn", told
    return ("good" if counts.verified == counts.traded else "fair" if counts.verified * 2 >= counts.traded else "plain"), told


def _foot(whole: list[Certificate], top: int) -> Iterator[str]:
    files = sum(len(one.exchange_files) for one in whole)
    lacking = sorted({f"{venue} {segment}" for one in whole for venue, segment in one.missing_files})
    bars, last = sum(one.content.bars for one in whole), whole[-1]
    against = f"{files} exchange file{'s' * (files != 1)}" + (f", none of {', '.join(lacking)}" if lacking else "")
    yield f'<path class="rule" d="M{EDGE} {top + 12}h{_INNER}"/>'
    yield _text(EDGE, top + 38, f"{bars:,} minute bars, held against {against}", 13, "ink")
    yield _text(EDGE, top + 60, f"sha256 {content_of(whole)}", 12, "soft", mono=True)
    made = f"{last.made_at.astimezone(IST):%Y-%m-%d %H:%M} IST"
    yield _text(EDGE, top + 82, f"fnolake {last.version} · {made} · certificate {last.hash[:12]}", 12, "soft")


def _text(x: float, y: float, text: str, size: int, style: str, *, anchor: str = "start", weight: int = 400, mono: bool = False) -> str:
    kind = quoteattr(f"{style} mono" if mono else style)
    return f'<text class={kind} x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}">{escape(text)}</text>'
