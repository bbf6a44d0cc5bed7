"""The map says in numbers what it says in colour, and finds a picture that fits."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest

from fnolake.cli.heatmap import Tally, heat_map, mark, plain, style_of

START = date(2026, 11, 2)


def frame(names: int = 2, sessions: int = 5, covered: int = 9) -> pl.DataFrame:
    return pl.DataFrame([
        {
            "underlying": f"NAME{n:02d}", "kind": kind, "session": START + timedelta(days=d), "wanted": 10,
            "covered": 10 if d else covered, "complete": 5, "verified": 5,
        }
        for n in range(names) for d in range(sessions) for kind in ("spot", "future", "option")
    ])


def test_cells_are_percent_by_kind_when_they_fit() -> None:
    lines = plain(heat_map(frame(sessions=2), 100))
    assert lines[0].split() == ["Mon", "02", "Nov", "Tue", "03", "Nov"]
    assert lines[1].split() == ["S", "F", "O", "S", "F", "O", "covered", "verified", "wanted"]
    assert lines[2].split() == ["NAME00", "90", "90", "90", "100", "100", "100", "95", "%", "100", "%", "60"]
    assert lines[4].split() == ["all", "90", "90", "90", "100", "100", "100", "95", "%", "100", "%", "120"]
    assert lines[6] == "114 of 120 contract-sessions covered, 60 verified"


def test_letters_and_dates_stand_over_their_cells() -> None:
    lines = plain(heat_map(frame(sessions=2), 100))
    assert lines[1].index("S") == lines[2].index("90") + 1
    assert lines[1].rindex("O") == lines[2].index("100 100 100") + 10


@pytest.mark.parametrize("sessions", [1, 4, 12, 60, 250])
@pytest.mark.parametrize("width", [44, 80, 120, 200])
def test_no_line_of_the_picture_is_wider_than_the_window(sessions: int, width: int) -> None:
    lines = plain(heat_map(frame(sessions=sessions), width))
    picture = lines[:lines.index("")]
    assert max(map(len, picture)) <= width
    assert sum(line.startswith(("NAME", "all")) for line in picture) == 3


def test_sessions_that_do_not_fit_are_counted() -> None:
    lines = plain(heat_map(frame(sessions=250), 80))
    shown = len(lines[1].split()[1])
    assert lines[-1].startswith(f"{250 - shown} older sessions")


def test_a_hundred_means_all_of_them() -> None:
    almost = Tally(10_000, 9_999)
    assert (almost.percent, mark(almost)) == (99, "9")
    assert mark(Tally(3, 3)) == "#"
    assert (mark(Tally()), style_of(Tally())) == (" ", "")


def test_colour_goes_from_red_to_green_and_deepest_when_proven() -> None:
    assert style_of(Tally(10, 0)) == "black on #c63e3e"
    assert style_of(Tally(10, 10, 5, 0)) == "black on #96c454"
    assert style_of(Tally(10, 10, 4, 2)) == "black on #5c9f4d"
    assert style_of(Tally(10, 10, 5, 5)) == "white on #217a46"


def test_what_was_not_listed_is_blank() -> None:
    lines = plain(heat_map(frame(sessions=1).filter(pl.col("kind") != "future"), 100))
    assert lines[2].split() == ["NAME00", "90", "90", "90", "%", "100", "%", "20"]
