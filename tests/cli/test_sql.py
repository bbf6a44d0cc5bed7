"""``fnolake sql``: queries of words, files and stdin; answers of every type in every format."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from fnolake.cli.app import build_app
from fnolake.cli.sql import _readable
from fnolake.query.views import VIEWS
from fnolake.store.store import Store

Ask = Callable[..., Result]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    """Ask a lake that holds nothing."""
    Store.open(tmp_path / "lake", write=True).close()
    return lambda *words, **more: CliRunner().invoke(build_app(), ["--lake", str(tmp_path / "lake"), "sql", *words], **more)


def test_a_query_comes_from_words_a_file_or_stdin(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text("-- of a file\nselect 1 as one;\n", encoding="utf-8")
    answers = [ask("select 1 as one"), ask(f"@{tmp_path / 'one.sql'}"), ask("-", input="select 1 as one\n")]
    assert [(one.exit_code, one.stdout) for one in answers] == [(0, "one\n1\n")] * 3


@pytest.mark.parametrize(("words", "told"), [
    ((), "give a query (or @FILE, or - for stdin), or --views"),
    (("select 1", "--views"), "give a query (or @FILE, or - for stdin), or --views"),
    (("@no-such-file",), "no-such-file: no query can be read from it"),
    (("select clos from bars",), "no column clos there; near it: close"),
    (("   ",), "the query is empty"),
])
def test_a_mistake_is_one_line_and_exit_2(ask: Ask, words: tuple[str, ...], told: str) -> None:
    done = ask(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr
    assert done.stderr.count("\n") == 1


def test_views_are_listed_with_their_columns_for_people_and_machines(ask: Ask) -> None:
    shown = ask("--views", "--format", "table").stdout
    assert all(f"{view.name}: {view.about}" in shown for view in VIEWS.values())
    assert max(len(line) for line in shown.splitlines()) <= 120
    rows = list(csv.DictReader(io.StringIO(ask("--tables").stdout)))
    assert [row["view"] for row in rows] == [view.name for view in VIEWS.values() for _column in view.columns]


def test_a_plan_is_shown_as_it_is_drawn(ask: Ask) -> None:
    assert ask("explain select 1", "--format", "table").stdout.startswith("╭─ ")


def test_every_type_leaves_in_every_format(ask: Ask) -> None:
    query = "select {'a': 1} s, [1, 2] l, [{'b': 2}] n, map {'k': 1} m, 'x'::blob b, 1.5::decimal(9, 2) d, time '10:00' t, null nothing, true f"
    (row,) = json.loads(ask(query, "--format", "json").stdout)
    assert row == {"s": '{"a": 1}', "l": "1 2", "n": '[{"b": 2}]', "m": '{"k": 1}', "b": "78", "d": "1.50", "t": "10:00:00", "nothing": None, "f": True}
    (cells,) = csv.DictReader(io.StringIO(ask(query, "--format", "csv").stdout))
    assert cells["s"] == '{"a": 1}'
    assert '[{"b": 2}]' in ask(query, "--format", "table").stdout


def test_a_table_does_not_blur_small_numbers_and_leaves_rupees_alone() -> None:
    shown = _readable(pl.DataFrame({"close": [1408.1, None], "iv": [0.12345678, 0.5], "mean": [22094.77219, 1.0], "odd": [float("nan"), 0.001]}))
    assert shown.schema == {"close": pl.Float64, "iv": pl.Decimal(38, 6), "mean": pl.Decimal(38, 4), "odd": pl.Float64}
    assert str(shown["iv"][0]) == "0.123457"
