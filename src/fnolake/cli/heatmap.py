"""
Coverage as a picture: underlyings down, sessions across, a coloured cell for each. Pure: a table in, segments out.

A cell says how many percent of its wanted contract-sessions are covered, rounded down, so that 100 means all of them.
The finest of three pictures that fits the width is taken: spot, future and option beside each other; one number a
session; one character a session. When even that does not fit, the latest sessions are shown and the rest counted.
Red to light green is how much is covered; light to deep green how much of the capture the exchange's file verified.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

KINDS = (("spot", "S"), ("future", "F"), ("option", "O"))
TOTAL = "all"
_TAIL = (("covered", 9), ("verified", 10), ("wanted", 9))
_ROOMY = 72
"""Characters from which a line ends in all the totals; below it ends in the covered share only."""
_LOW, _MIDDLE, _HIGH, _WHOLE = (198, 62, 62), (232, 176, 64), (150, 196, 84), (33, 122, 70)

Segment = tuple[str, str]
"""Text and its style (a rich style, empty for none)."""
Line = list[Segment]


@dataclass(frozen=True, slots=True)
class Tally:
    """Contract-sessions: wanted, covered, complete ones, and those that the exchange's file verified; and bars."""

    wanted: int = 0
    covered: int = 0
    complete: int = 0
    verified: int = 0
    bars: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.wanted + other.wanted, self.covered + other.covered, self.complete + other.complete, self.verified + other.verified,
            self.bars + other.bars,
        )

    @property
    def percent(self) -> int:
        """Covered in percent, rounded down."""
        return 100 * self.covered // self.wanted if self.wanted else 0

    @property
    def proof(self) -> float:
        """Share of the captured that is verified, 0 to 1."""
        return self.verified / self.complete if self.complete else 0.0

    @property
    def is_proven(self) -> bool:
        """Whether everything wanted is covered, and every complete capture agrees with the exchange."""
        return 0 < self.wanted == self.covered and 0 < self.complete == self.verified


Cells = Mapping[tuple[str, str, date], Tally]


def heat_map(frame: pl.DataFrame, width: int) -> list[Line]:
    """
    Draw a coverage summary.

    Args:
        frame: Columns underlying, kind, session, wanted, covered, complete; verified and bars if there.
        width: Characters a line may have, at least 40.

    Returns:
        Lines of segments: dates, a heading, one line an underlying (by name), the total, and a legend.
    """
    cells = _cells(frame)
    names = sorted({name for name, _, _ in cells})
    sessions = sorted({day for _, _, day in cells})
    label = max(map(len, [*names, TOTAL])) + 2
    tail = _TAIL if width >= _ROOMY else _TAIL[:1]
    room = max(width, 40) - label - sum(size for _, size in tail)
    detail = next((n for n in (3, 2, 1) if len(sessions) * _cell_width(n) <= room), 1)
    shown = sessions[-(room // _cell_width(detail)):]
    lines = _heading(shown, label, detail)
    if lines:
        lines[-1].append(("".join(name.rjust(size) for name, size in tail), "dim"))
    for name in [*names, TOTAL]:
        row: Line = [(name.ljust(label), "bold" if name == TOTAL else "")]
        for day in shown:
            row += _day(cells, [name] if name != TOTAL else names, day, detail)
        whole = _sum(cells, [name] if name != TOTAL else names, [k for k, _ in KINDS], shown)
        lines.append([*row, *_totals(whole, [size for _, size in tail])])
    return [*lines, [], [(_sentence(whole), "bold")], *_legend(detail, len(sessions) - len(shown))]


def plain(lines: Iterable[Line]) -> list[str]:
    """The lines without their styles."""
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def style_of(tally: Tally) -> str:
    """Red through amber to green; the deepest green is whole and proven."""
    if not tally.wanted:
        return ""
    whole = tally.covered == tally.wanted
    red, green, blue = _between(_HIGH, _WHOLE, tally.proof) if whole else _blend(tally.covered / tally.wanted)
    return f"{'white' if whole and tally.proof >= 0.6 else 'black'} on #{red:02x}{green:02x}{blue:02x}"


def mark(tally: Tally) -> str:
    """One character that says the same without colour: # all, 0 to 9 tenths, a space for nothing wanted."""
    if not tally.wanted:
        return " "
    return "#" if tally.percent == 100 else str(tally.percent // 10)


def _totals(tally: Tally, sizes: Sequence[int]) -> Line:
    verified = f"{int(100 * tally.proof)} %" if tally.complete else "-"
    texts = (f"{tally.percent} %", verified, f"{tally.wanted:,}")
    return [(text.rjust(size), style) for text, size, style in zip(texts, sizes, ("bold", "", "dim"), strict=False)]


def _sentence(tally: Tally) -> str:
    bars = f"; {tally.bars:,} bars" if tally.bars else ""
    return f"{tally.covered:,} of {tally.wanted:,} contract-sessions covered, {tally.verified:,} verified{bars}"


Colour = tuple[int, int, int]


def _blend(share: float) -> Colour:
    return _between(_LOW, _MIDDLE, share * 2) if share < 0.5 else _between(_MIDDLE, _HIGH, share * 2 - 1)


def _between(first: Colour, second: Colour, at: float) -> Colour:
    red, green, blue = (round(a + (b - a) * at) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _cells(frame: pl.DataFrame) -> Cells:
    cells: dict[tuple[str, str, date], Tally] = defaultdict(Tally)
    for row in frame.iter_rows(named=True):
        cells[row["underlying"], row["kind"], row["session"]] += Tally(
            row["wanted"], row["covered"], row["complete"], row.get("verified", 0), row.get("bars", 0),
        )
    return cells


def _sum(cells: Cells, names: Sequence[str], kinds: Sequence[str], days: Sequence[date]) -> Tally:
    nothing = Tally()
    return sum((cells.get((name, kind, day), nothing) for name in names for kind in kinds for day in days), start=nothing)


def _cell_width(detail: int) -> int:
    return {3: 14, 2: 7, 1: 1}[detail]


def _day(cells: Cells, names: Sequence[str], day: date, detail: int) -> Line:
    if detail == 3:
        each = [_sum(cells, names, [kind], [day]) for kind, _ in KINDS]
        return [*[_number(tally, 4) for tally in each], ("  ", "")]
    whole = _sum(cells, names, [kind for kind, _ in KINDS], [day])
    return [_number(whole, 6), (" ", "")] if detail == 2 else [(mark(whole), style_of(whole))]


def _number(tally: Tally, width: int) -> Segment:
    text = str(tally.percent) if tally.wanted else ""
    return text.rjust(width - 1) + " ", style_of(tally)


def _heading(sessions: Sequence[date], label: int, detail: int) -> list[Line]:
    if detail == 1:
        return [[(" " * label + f"{sessions[0]} to {sessions[-1]}", "bold")]] if sessions else []
    form = "%a %d %b" if detail == 3 else "%d %b"
    gap = " " * (2 if detail == 3 else 1)
    dates: Line = [(" " * label, ""), *[(f"{day:{form}}".center(_cell_width(detail) - len(gap)) + gap, "bold") for day in sessions]]
    if detail == 2:
        return [dates]
    letters = "".join(letter.rjust(3) + " " for _, letter in KINDS) + "  "
    return [dates, [(" " * label + letters * len(sessions), "dim")]]


def _legend(detail: int, older: int) -> list[Line]:
    kinds = "S spot, F future, O option; " if detail == 3 else ""
    cell = "a character a session: # all, 0-9 tenths covered" if detail == 1 else "a cell is the percent covered"
    shares = [(f" {mark(tally)} " if detail == 1 else f" {tally.percent} ", style_of(tally)) for tally in (Tally(100, 0), Tally(100, 50), Tally(100, 99))]
    whole = [(text, style_of(Tally(4, 4, 4, proven))) for text, proven in ((" all ", 0), ("   ", 1), ("   ", 2), ("   ", 3), (" all, proven by the exchange's file ", 4))]
    lines: list[Line] = [[(kinds + cell, "dim")], [*shares, *whole, (" (an index is in none)", "dim")]]
    return [*lines, [(f"{older} older sessions do not fit: --from, --to or a wider window show them", "dim")]] if older else lines
