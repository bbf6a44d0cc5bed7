"""The notebooks run on a small lake of the market model, and their numbers are those of the market."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from fnolake.emulator.world import World
from fnolake.lake import open_lake
from fnolake.market.calendar import Calendar
from fnolake.store.store import Store
from tests.model_lake import fill

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
FIRST, LAST = date(2026, 10, 5), date(2026, 11, 20)
EXPIRY = date(2026, 11, 23)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """NIFTY: its futures over two expiries, on the last two sessions the options of the nearest expiry, too."""
    world = World.build(LAST, underlyings=("NIFTY",), since=FIRST)
    path = tmp_path_factory.mktemp("notebooks") / "lake"
    sessions = Calendar.bundled().sessions(FIRST, LAST)
    with Store.open(path, write=True) as store:
        fill(store, world, sessions[:-2], lambda one: one.kind == "future")
        fill(store, world, sessions[-2:], lambda one: one.kind == "future" or (one.kind == "option" and one.expiry == EXPIRY))
    with open_lake(path, environ={}) as opened:
        yield opened


def run(lake, name, asked, monkeypatch):
    """Execute a notebook in a kernel of its own, then ask it for a value."""
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    pytest.importorskip("matplotlib")
    monkeypatch.setenv("FNOLAKE_LAKE", str(lake.path))
    monkeypatch.setenv("MPLBACKEND", "module://matplotlib_inline.backend_inline")
    book = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    book.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({asked}, default=str))"))
    nbclient.NotebookClient(book, timeout=120, kernel_name="python3").execute()
    kinds = [output.output_type for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert "error" not in kinds
    said = [output.text for cell in book.cells if cell.cell_type == "code" for output in cell.outputs if output.output_type == "stream" and output.name == "stderr"]
    assert said == []
    pictures = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs if "image/png" in output.get("data", {})]
    assert pictures
    return json.loads(book.cells[-1].outputs[0].text)


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["oi_build_up", "roll_and_backtest", "straddle_over_a_day"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_tells_its_story_and_holds_no_data(path):
    book = json.loads(path.read_text(encoding="utf-8"))
    cells = book["cells"]
    assert cells[0]["cell_type"] == "markdown"
    assert cells[0]["source"][0].startswith("# ")
    assert "FNOLAKE_LAKE" in "".join(cells[0]["source"])
    assert cells[-1]["cell_type"] == "markdown", "a notebook ends with what to make of it"
    for cell in cells:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)
            compile("".join(cell["source"]), path.name, "exec")
    for link in ("../../docs/continuous.md",) if path.stem == "roll_and_backtest" else ():
        assert (path.parent / link).exists()


def test_the_straddle_is_that_of_the_day(lake, monkeypatch):
    got = run(lake, "straddle_over_a_day", '{"day": day, "strike": strike, **result}', monkeypatch)
    assert got["day"] == str(LAST)
    future = lake.bars("NIFTY", kind="future", expiry="near", start=LAST, end=LAST).filter(pl.col("ts").dt.strftime("%H:%M") == "09:20")
    assert abs(got["strike"] - future["close"].item()) <= 25.0
    worth = {
        clock: sum(
            lake.bars(f"NIFTY23NOV26{right}{got['strike']:.0f}", start=LAST, end=LAST).filter(pl.col("ts").dt.strftime("%H:%M") <= clock)["close"][-1]
            for right in "CP"
        )
        for clock in ("09:20", "15:20")
    }
    assert (got["sold at"], got["bought back at"]) == pytest.approx((worth["09:20"], worth["15:20"]))
    assert got["profit in rupees"] == pytest.approx((worth["09:20"] - worth["15:20"]) * got["lot"], abs=0.01)
    assert got["worst on the way"] <= got["profit in rupees"] <= got["best"]


def test_open_interest_is_that_of_both_closes(lake, monkeypatch):
    asked = '{"built": dict(change.select("symbol", "built").rows()), "last": day_line.row(-1), "days": [before, day]}'
    got = run(lake, "oi_build_up", asked, monkeypatch)
    assert got["days"] == ["2026-11-19", "2026-11-20"]
    options = lake.bars("NIFTY", kind="option", expiry=EXPIRY)
    closes = {key: rows.sort("ts")["oi"][-1] for key, rows in options.group_by("symbol", "session")}
    both = {symbol for symbol, day in closes if day == LAST and (symbol, date(2026, 11, 19)) in closes}
    assert got["built"] == {symbol: closes[symbol, LAST] - closes[symbol, date(2026, 11, 19)] for symbol in both}
    known = {symbol: closes.get((symbol, LAST), closes.get((symbol, date(2026, 11, 19)))) for symbol, _ in closes}
    calls, puts = (sum(oi for symbol, oi in known.items() if symbol[len("NIFTY23NOV26")] == right) for right in "CP")
    assert got["last"][1:] == pytest.approx([calls, puts, puts / calls])


def test_the_backtest_is_of_the_rolled_series_and_pays_for_what_it_does(lake, monkeypatch):
    asked = '{"rolls": rolls["session"].to_list(), "false": false_gain, "equity": tested["equity"][-1], "bars": len(tested)}'
    got = run(lake, "roll_and_backtest", asked, monkeypatch)
    rolls = lake.rolls("NIFTY", roll="days:3")
    assert got["rolls"] == [str(day) for day in rolls["session"]]
    assert got["false"] == pytest.approx(rolls["ratio"].product() - 1)
    bars = lake.continuous("NIFTY", roll="days:3", adjust="ratio", interval="15m")
    equity, position, closes = 1.0, 0.0, bars["close"].to_list()
    for n, (close, session) in enumerate(zip(closes, bars["session"], strict=True)):
        wanted = 0.0
        if n > 79:
            wanted = float((mean(closes, n, 20) > mean(closes, n, 80)) - (mean(closes, n, 20) < mean(closes, n, 80)))
        cost = abs(wanted - position) * 0.0002 + (abs(wanted) * 0.0004 if n and session in rolls["session"].to_list() and session != bars["session"][n - 1] else 0.0)
        equity *= 1 + (wanted * (close / closes[n - 1] - 1) if n else 0.0) - cost
        position = wanted
    assert got["bars"] == len(closes)
    assert got["equity"] == pytest.approx(equity, rel=1e-9)


def mean(closes, n, count):
    """Mean of the last closes before the n-th."""
    return sum(closes[n - count: n]) / count
