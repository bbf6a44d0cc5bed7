"""
Coverage as a picture: underlyings down, sessions across, a coloured cell for each. Pure: a table in, segments out.

A cell says how many percent of its wanted contract-sessions are covered, rounded down, so that 100 means all of them.
The finest of three pictures that fits the width is taken: spot, future and option beside each other; one number a
session; one character a session. When even that does not fit, the latest sessions are shown and the rest counted.
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
_LOW, _MIDDLE, _HIGH, _WHOLE = (198, 62, 62), (232, 176, 64), (150, 196, 84), (33, 122, 70)

Segment = tuple[str, str]
"""Text and its style (a rich style, empty for none)."""
Line = list[Segment]


@dataclass(frozen=True, slots=True)
class Tally:
    """Contract-sessions: wanted, covered, complete ones, and those that the exchange's file verified."""

    wanted: int = 0
    covered: int = 0
    complete: int = 0
    verified: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.wanted + other.wanted, self.covered + other.covered, self.complete + other.complete, self.verified + other.verified,
        )

    @property
    def percent(self) -> int:
        """Covered in percent, rounded down."""
        return 100 * self.covered // self.wanted if self.wanted else 0

    @property
    def is_proven(self) -> bool:
        """Whether everything wanted is covered, and every complete capture agrees with the exchange."""
        return 0 < self.wanted == self.covered and 0 < self.complete == self.verified


Cells = Mapping[tuple[str, str, date], Tally]


def heat_map(frame: pl.DataFrame, width: int) -> list[Line]:
    """
    Draw a coverage summary.

    Args:
        frame: Columns underlying, kind, session, wanted, covered, complete; verified if there.
        width: Characters a line may have, at least 40.

    Returns:
        Lines of segments: dates, a heading, one line an underlying (by name), the total, and a legend.
    """
    cells = _cells(frame)
    names = sorted({name for name, _, _ in cells})
    sessions = sorted({day for _, _, day in cells})
    label = max(map(len, [*names, TOTAL])) + 2
    room = max(width, 40) - label - 6
    detail = next((n for n in (3, 2, 1) if len(sessions) * _cell_width(n) <= room), 1)
    shown = sessions[-(room // _cell_width(detail)):]
    lines = [*_heading(shown, label, detail)]
    for name in [*names, TOTAL]:
        row: Line = [(name.ljust(label), "bold" if name == TOTAL else "")]
        for day in shown:
            row += _day(cells, [name] if name != TOTAL else names, day, detail)
        whole = _sum(cells, [name] if name != TOTAL else names, [k for k, _ in KINDS], shown)
        lines.append([*row, (f"{whole.percent:>4} %", "bold")])
    return [*lines, [], *_legend(detail, len(sessions) - len(shown))]


def plain(lines: Iterable[Line]) -> list[str]:
    """The lines without their styles."""
    return ["".join(text for text, _ in line).rstrip() for line in lines]


def style_of(tally: Tally) -> str:
    """Red through amber to green; the deepest green is whole and proven."""
    if not tally.wanted:
        return ""
    red, green, blue = _WHOLE if tally.is_proven else _blend(tally.covered / tally.wanted)
    return f"{'white' if tally.is_proven else 'black'} on #{red:02x}{green:02x}{blue:02x}"


def mark(tally: Tally) -> str:
    """One character that says the same without colour: # all, 0 to 9 tenths, a space for nothing wanted."""
    if not tally.wanted:
        return " "
    return "#" if tally.percent == 100 else str(tally.percent // 10)


def _blend(share: float) -> tuple[int, int, int]:
    first, second, at = (_LOW, _MIDDLE, share * 2) if share < 0.5 else (_MIDDLE, _HIGH, share * 2 - 1)
    red, green, blue = (round(a + (b - a) * at) for a, b in zip(first, second, strict=True))
    return red, green, blue


def _cells(frame: pl.DataFrame) -> Cells:
    has_proof = "verified" in frame.columns
    cells: dict[tuple[str, str, date], Tally] = defaultdict(Tally)
    for row in frame.iter_rows(named=True):
        proven = row["verified"] if has_proof else 0
        cells[row["underlying"], row["kind"], row["session"]] += Tally(row["wanted"], row["covered"], row["complete"], proven)
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
    dates: Line = [(" " * label, ""), *[(f"{day:{form}}".center(_cell_width(detail) - 2) + "  ", "bold") for day in sessions]]
    if detail == 2:
        return [dates]
    letters = "".join(letter.rjust(3) + " " for _, letter in KINDS) + "  "
    return [dates, [(" " * label + letters * len(sessions), "dim")]]


def _legend(detail: int, older: int) -> list[Line]:
    kinds = "S spot, F future, O option; " if detail == 3 else ""
    cell = "a character a session: # all, 0-9 tenths" if detail == 1 else "percent of wanted contract-sessions covered"
    scale = [(f" {mark(tally)} " if detail == 1 else f" {tally.percent} ", style_of(tally)) for tally in (Tally(100, 0), Tally(100, 50), Tally(100, 99), Tally(100, 100))]
    proven: Line = [("  ", ""), (" all ", style_of(Tally(1, 1, 1, 1))), (" and proven by the exchange's file", "dim")]
    lines: list[Line] = [[(kinds + cell, "dim")], [*scale, *proven]]
    return [*lines, [(f"{older} older sessions do not fit: --from, --to or a wider window show them", "dim")]] if older else lines
