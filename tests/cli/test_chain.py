"""The chain command over a real lake: the same rows as in Python, and pictures that fit."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from tests.query.chains import MON, MONTH, TUE, Market
from typer.testing import CliRunner, Result

from fnolake.cli.app import build_app
from fnolake.cli.chain_view import around, open_interest_lines, smile_lines, table_lines, title_lines, units
from fnolake.lake import open_lake
from fnolake.query.chain import CHAIN_COLUMNS, Chain
from fnolake.query.greeks import price
from fnolake.store.store import Store

STRIKES = tuple(range(25_000, 27_001, 50))
AT = "2026-11-17 11:05"


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty-one strikes of NIFTY, priced at 14 %, with open interest of two sessions."""
    path = tmp_path_factory.mktemp("chain") / "lake"
    with Store.open(path, write=True) as store:
        market = Market(store)
        market.list(expiries=(MONTH,), strikes=STRIKES)
        for session, more in ((MON, 0), (TUE, 1)):
            told = {market.future(MONTH): [("11:04", 26_010.0, 65, 1)]}
            for place, strike in enumerate(STRIKES):
                for right in ("CE", "PE"):
                    paid = round(float(price(26_010, strike, 6.19 / 365, 0.14, 0.053, right == "CE")), 2)
                    change = more * 90_000 * (-1 if right == "CE" else 3)
                    told[market.option(MONTH, strike, right)] = [("11:03", max(paid, 0.05), 40_000 * (place + 1), 6_000_000 + change + 50_000 * place)]
            market.trade(session, told)
    return path


@pytest.fixture(scope="module")
def chain(lake: Path) -> Chain:
    with open_lake(lake, environ={}) as opened:
        return opened.chain("NIFTY", at=AT)


@pytest.fixture
def typed(lake: Path) -> Callable[..., Result]:
    def run(*words: str) -> Result:
        return CliRunner(env={"FNOLAKE_LAKE": str(lake), "NO_COLOR": "1"}).invoke(build_app(), ["chain", *words])
    return run


def test_machines_get_the_same_rows_as_python(typed: Callable[..., Result], chain: Chain) -> None:
    done = typed("nifty", "--at", AT)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert tuple(rows[0]) == CHAIN_COLUMNS
    assert [float(row["strike"]) for row in rows] == chain.rows["strike"].to_list()
    assert [float(row["iv"]) if row["iv"] else None for row in rows] == chain.rows["iv"].to_list()
    lines = [json.loads(line) for line in typed("NIFTY", "--at", "11:05", "--format", "ndjson").stdout.splitlines()]
    assert pl.DataFrame(lines, infer_schema_length=None)["theta"].to_list() == chain.rows["theta"].to_list()
    assert "iv" not in typed("NIFTY", "--at", AT, "--no-greeks").stdout
    assert len(typed("NIFTY", "--at", AT, "--strikes", "2").stdout.splitlines()) == 1 + 5 * 2
    summary = json.loads(typed("NIFTY", "--at", AT, "--summary", "--format", "json").stdout)
    assert summary["forward"] == 26_010.0
    assert summary["max_pain"] == chain.max_pain


def test_a_person_sees_calls_left_and_puts_right_and_where_the_money_is(typed: Callable[..., Result]) -> None:
    done = typed("NIFTY", "--at", AT, "--format", "table")
    lines = done.stdout.splitlines()
    assert lines[0].startswith("NIFTY 23 Nov 2026 at 2026-11-17 11:05 IST, 6 d 5 h")
    assert lines[1].startswith("forward 26,010.00 (future, 0 min old) · ATM 26000 · PCR 1.0")
    money = [line for line in lines if "▸" in line]
    assert len(money) == 1
    assert "▸26000◂" in money[0]
    assert len([line for line in lines if " 14.0 " in line]) >= 15
    assert lines[-1] == "20 more strikes: --strikes 0 shows all, --format csv writes everything"
    assert max(map(len, lines)) <= 100
    assert "more strikes" not in typed("NIFTY", "--at", AT, "--format", "table", "--strikes", "0").stdout


def test_the_plot_has_open_interest_and_a_smile_within_a_hundred_columns(typed: Callable[..., Result]) -> None:
    lines = typed("NIFTY", "--at", AT, "--plot").stdout.splitlines()
    assert max(map(len, lines)) <= 100
    assert sum("█" in line for line in lines) == 21
    dots = "".join(lines)
    assert dots.count("○") - 1 + dots.count("●") - 1 == 21  # one each in the legend


@pytest.mark.parametrize("width", [72, 80, 100, 140])
def test_everything_fits_the_width(chain: Chain, width: int) -> None:
    for rows in (around(chain, 10), around(chain, 0)):
        for line in (*table_lines(chain, rows, width), *open_interest_lines(chain, rows, width), *smile_lines(chain, rows, width)):
            assert sum(len(text) for text, _ in line) <= width


def test_strikes_are_counted_from_the_money(chain: Chain) -> None:
    assert around(chain, 1)["strike"].to_list() == [25_950.0, 26_000.0, 26_050.0]
    assert around(chain, 0).height == around(chain, 500).height == 41
    assert "".join(text for text, _ in title_lines(chain)[1]).endswith(f"max pain {chain.max_pain:.0f}")


@pytest.mark.parametrize(("number", "text"), [
    (None, ""), (0, "0"), (99_999, "99,999"), (-99_999, "-99,999"), (125_000, "1.25L"), (1_250_000, "12.5L"), (-1_250_000, "-12.5L"),
    (9_994_000, "99.9L"), (9_999_999, "1.00Cr"), (12_500_000, "1.25Cr"), (125_000_000, "12.5Cr"), (1_250_000_000, "125Cr"),
])
def test_units_are_short(number: int | None, text: str) -> None:
    assert units(number) == text


@pytest.mark.parametrize(("words", "said"), [
    (("NIFTY", "--at", "2026-11-18 11:05"), "nothing of 2026-11-18 is in this lake; the nearest session here is 2026-11-17"),
    (("NIFTY", "--at", "noon"), "noon is no instant"), (("NIFTY", "--at", AT, "--expiry", "soon"), "give a date like 2026-11-20, or near, next or far"),
    (("NIFTI", "--at", AT), "did you mean NIFTY"), (("NIFTY", "--at", AT, "--plot", "--format", "csv"), "--plot draws for people"),
    (("NIFTY",), "missing option '--at'"),
])
def test_what_is_wrong_is_one_line(typed: Callable[..., Result], words: tuple[str, ...], said: str) -> None:
    done = typed(*words)
    assert done.exit_code == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""
