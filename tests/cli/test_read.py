"""Reading commands ask the lake once and render rows as asked."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.cli.output import NARROWEST, Format, render

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal

FRIDAY = date(2026, 11, 20)
PLAIN = {
    "kind": None, "expiry": None, "strike": None, "right": None, "moneyness": None, "start": None, "end": None, "interval": "1m",
    "phases": ("continuous",), "source": "minutes", "fill": None, "adjust": None, "strict": False, "as_of": None, "live": False,
}


def test_the_bare_command_is_status_and_ends_with_what_to_type(terminal: Terminal) -> None:
    done = terminal()
    assert done.exit_code == 0
    assert done.stdout == terminal("status").stdout
    assert done.stdout.rstrip().endswith("Next: fnolake sync")
    for words in ("1,234,567 bars", "signed in until 21 Nov 06:00 IST", "140 of 200 requests left", "1,201 listed", "91 % covered", "90 missing", "18.2 MB"):
        assert words in done.stdout


def test_status_is_one_object_for_machines(terminal: Terminal) -> None:
    seen = json.loads(terminal("status", "--format", "json").stdout)
    assert (seen["last_session"], seen["counts"]["gaps"], seen["accounts"][0]["name"]) == ("2026-11-20", 100, "demo")
    rows = {row["name"]: row["value"] for row in csv.DictReader(io.StringIO(terminal("status", "--format", "csv").stdout))}
    assert rows["bars"] == "1234567"


def test_away_from_a_terminal_rows_are_csv(terminal: Terminal) -> None:
    assert terminal("bars", "TCS").stdout.splitlines() == [
        "ts,symbol,close,volume", "2026-11-20T09:15:00+05:30,TCS-EQ,3100.5,1200", "2026-11-20T09:16:00+05:30,TCS-EQ,3101.0,",
    ]


def test_the_other_formats_hold_the_same_rows(terminal: Terminal) -> None:
    whole = json.loads(terminal("bars", "TCS", "--format", "json").stdout)
    lines = [json.loads(line) for line in terminal("bars", "TCS", "--format", "ndjson").stdout.splitlines()]
    assert whole == lines
    assert whole[1] == {"ts": "2026-11-20T09:16:00+05:30", "symbol": "TCS-EQ", "close": 3101.0, "volume": None}
    table = terminal("bars", "TCS", "--format", "table").stdout
    assert "3,100.50" in table
    assert "\x1b" not in table


def test_a_long_or_wide_frame_says_what_its_table_leaves_out(capsys: pytest.CaptureFixture[str]) -> None:
    frame = pl.DataFrame({f"column{n:02d}": [n, n + 1] * 50 for n in range(30)}).with_columns(nothing=None, always=pl.lit(7))
    render(frame, Format.TABLE)
    said = capsys.readouterr().out
    assert "column00" in said
    assert "not shown here: column14" in said
    assert "nothing" not in said
    assert "in every row: always 7" in said
    assert "100 rows" in said
    assert max(map(len, said.splitlines()[:20])) <= NARROWEST


def test_no_rows_are_an_empty_list_a_header_or_a_word(terminal: Terminal) -> None:
    assert json.loads(terminal("gaps", "--format", "json").stdout) == []
    assert terminal("gaps", "--format", "ndjson").stdout == ""
    assert terminal("gaps", "--format", "csv").stdout == "symbol,session\n"
    assert terminal("gaps", "--format", "table").stdout == "No gaps in what is known: fnolake coverage shows it.\n"


def test_what_is_typed_reaches_the_lake(terminal: Terminal) -> None:
    terminal("bars", "TCS", "--kind", "future", "--expiry", "near", "--from", "2026-11-20")
    terminal("bars", "TCS", "--expiry", "2026-11-24", "--session", "2026-11-20", "--interval", "5m")
    terminal("coverage", "--to", "2026-11-20", "-u", "tcs", "-u", "NIFTY", "-u", "TCS")
    terminal("gaps", "--kind", "spot", "--kind", "future")
    terminal("instruments", "--underlying", "tcs", "--kind", "option", "--on", "2026-11-20")
    assert terminal.lake.asked == [
        ("bars", ("TCS", {**PLAIN, "kind": "future", "expiry": "near", "start": "2026-11-20"})),
        ("bars", ("TCS", {**PLAIN, "expiry": "2026-11-24", "start": "2026-11-20", "end": "2026-11-20", "interval": "5m"})),
        ("coverage", {"start": None, "end": FRIDAY, "underlying": ("TCS", "NIFTY")}),
        ("gaps", {"start": None, "end": None, "underlying": (), "kind": ("spot", "future")}),
        ("instruments", {"underlying": "TCS", "kind": "option", "expiry": None, "on": FRIDAY}),
    ]
    assert not terminal.lake.written


def test_instruments_are_shown_as_the_lake_gives_them(terminal: Terminal) -> None:
    assert terminal("instruments").stdout.splitlines() == ["symbol,strike,lot,token", "TCS23NOV26C312.5,312.5,1,45161"]
    assert " 45161" in terminal("instruments", "--format", "table").stdout


def test_contracts_that_providers_list_differently_can_be_asked_for(terminal: Terminal) -> None:
    done = terminal("instruments", "--differing")
    assert (done.exit_code, done.stdout.strip()) == (0, "symbol,strike,lot,token")
    assert "No contract is listed differently" in terminal("instruments", "--differing", "--format", "table").output


def test_instruments_sync_takes_the_masters_for_writing(terminal: Terminal) -> None:
    done = terminal("instruments", "sync")
    assert done.stdout == "exchange,rows,new\nNFO,3,1\n"
    assert "taking NFO" in done.stderr
    assert terminal.lake.asked == [("masters", None)]
    assert terminal.lake.written


def test_coverage_is_a_map_as_a_table_and_rows_otherwise(terminal: Terminal) -> None:
    drawn = terminal("coverage", "--format", "table").stdout
    assert "Fri 20 Nov" in drawn
    assert [line.split() for line in drawn.splitlines() if line.startswith(("NIFTY", "TCS"))] == [["NIFTY", "100", "100", "%", "100", "%", "1,000"], ["TCS", "100", "50", "50", "%", "100", "%", "201"]]
    assert terminal("coverage").stdout.startswith("underlying,kind,session,wanted")


def test_a_comparison_shows_the_summary_and_the_differences_and_says_so_by_its_exit(terminal: Terminal) -> None:
    done = terminal("compare", "--format", "table", "--from", "2026-11-16", "-u", "tcs", "-k", "future")
    assert done.exit_code == 4
    assert "clipped_extremes" in done.stdout
    assert "clipped_high" in done.stdout
    assert terminal.lake.asked[-1] == ("compare", (date(2026, 11, 16), None, ("TCS",), ("future",)))


def test_the_other_formats_have_one_of_the_two(terminal: Terminal) -> None:
    assert terminal("compare", "--format", "csv").stdout.splitlines() == ["symbol,field,finding,size", "TCS23NOV26F,high,clipped_high,-4.35"]
    assert terminal("compare", "--format", "json", "--summary").stdout.count("provider") == 2


def test_providers_that_agree_end_well(terminal: Terminal) -> None:
    terminal.lake.differs = False
    done = terminal("compare", "--format", "table")
    assert done.exit_code == 0
    assert "The providers agree in everything" in done.stdout


def test_a_contracts_life_is_asked_by_any_of_its_names(terminal: Terminal) -> None:
    assert terminal("instruments", "history", "TCS23NOV26F").stdout.splitlines() == ["day,event,what,before,after", "2026-11-20,amended,lot,175,200"]
    assert terminal.lake.asked == [("history", "TCS23NOV26F")]


def test_what_is_at_risk_is_shown_by_deadline_with_what_to_do(terminal: Terminal) -> None:
    done = terminal("gaps", "--at-risk", "--underlying", "tcs", "--format", "table")
    assert "2026-11-23" in done.stdout
    assert "7 contract-sessions will not fit" in done.stdout
    assert terminal.lake.asked == [("at_risk", (None, None, ("TCS",), ()))]
