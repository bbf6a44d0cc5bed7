"""The picture of a certificate: well-formed, self-contained, escaped, the same every time, and without a price."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fnolake.errors import ConfigError
from fnolake.export.certificate_svg import WIDTH, render_svg, write_svg
from fnolake.model import Certificate, Content, Counts, UnderlyingCounts

FRIDAY = date(2026, 11, 20)
PROVEN = Counts(listed=10, traded=4, untraded=6, captured=4, verified=4)


def certificate(count: int = 3, each: Counts = PROVEN, session: date = FRIDAY) -> Certificate:
    names = tuple(UnderlyingCounts(f"M&M<{place:03}>", each) for place in range(count))
    return Certificate(
        session=session, made_at=datetime(2026, 11, 20, 13, 0, tzinfo=UTC), version="0.1.0", venues=("NSE",),
        counts=sum((one.counts for one in names), start=Counts()), underlyings=names, known_underlyings=count, reasons=(),
        exchange_files=(), missing_files=(), masters=(), sources=(), content=Content("ab" * 32, 1000, 4),
    )


@pytest.mark.parametrize("made", [
    [certificate(0)], [certificate()], [certificate(216)], [certificate(9, Counts(listed=1, unknown=1))],
    [certificate(40, Counts(10_000, 9_000, 500, 500, 8_000, 7_000, 1, 999, 1_000, 1))], [certificate(session=date(2025, 12, 31)), certificate()],
])
def test_it_is_well_formed_and_everything_lies_inside_the_card(made: list[Certificate]) -> None:
    root = ET.fromstring(render_svg(made))
    high = float(root.attrib["height"])
    for one in root.iter("{http://www.w3.org/2000/svg}rect"):
        x, y, width, height = (float(one.attrib[name]) for name in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + width <= WIDTH + 0.1
        assert y + height <= high
    for one in root.iter("{http://www.w3.org/2000/svg}text"):
        assert float(one.attrib["y"]) < high


def test_it_is_the_same_every_time_and_names_are_escaped() -> None:
    drawn = render_svg([certificate()])
    assert drawn == render_svg([certificate()])
    assert "M&amp;M&lt;000&gt;" in drawn
    assert "4 of 4 verified" in drawn


def test_it_needs_nothing_from_elsewhere() -> None:
    drawn = render_svg([certificate(216)]).replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.search(r"https?:|href|@import|@font-face|url\((?!#b\))|<script|<image", drawn)
    assert "prefers-color-scheme:dark" in drawn


def test_colours_say_what_is_wrong() -> None:
    gap, wrong = Counts(listed=2, traded=2, captured=1, verified=1, gaps=1), Counts(listed=2, traded=2, captured=2, verified=1, mismatch=1)
    for counts, style in ((PROVEN, "good"), (gap, "warn"), (wrong, "bad")):
        assert f'<circle class="{style}" cx="694" cy="62"' in render_svg([certificate(1, counts)])


def test_it_is_written_where_the_user_says(tmp_path: Path) -> None:
    made = [certificate(), replace(certificate(), session=date(2026, 11, 23))]
    write_svg(made, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == render_svg(made)
    with pytest.raises(ConfigError, match="another place"):
        write_svg(made, tmp_path / "missing" / "a.svg")
