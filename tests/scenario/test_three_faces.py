"""
One lake, three faces: each example of the public face gives the same rows in Python, on the command line and in SQL.

The lake is captured from the emulator. The queries are written by hand from the rules (a longer bar, a near expiry, a gap),
so that SQL is a second opinion wherever it is no view of the same name.
"""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from fnolake.errors import ConfigError
from fnolake.lake import Lake, open_lake
from fnolake.model import Selection
from fnolake.query.bars import BAR_COLUMNS

if TYPE_CHECKING:
    from tests.scenario.conftest import Desk

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::fnolake.errors.GapWarning")]
FIRST, MIDDLE, LAST = date(2026, 11, 18), date(2026, 11, 19), date(2026, 11, 20)
NAMES = ("RELIANCE", "TCS")
PAGE = Path(__file__).resolve().parents[2] / "docs" / "sql.md"
COLUMNS = ", ".join(f'"{name}"' for name in BAR_COLUMNS)
PAISE = {"strike_paise": "strike", "tick_paise": "tick"}

FIVE_MINUTES = """
with near as (
    select *, min(expiry) over (partition by session) as nearest from bars
    where underlying = 'RELIANCE' and kind = 'future' and phase = 'continuous' and session >= '2026-11-19'
)
select time_bucket(interval 5 minutes, ts, timestamptz '2026-11-02 09:15') as ts, session, symbol, underlying, kind, expiry, strike,
    near."right", arg_min(open, near.ts) as open, max(high) as high, min(low) as low, arg_max(close, near.ts) as close,
    sum(volume) as volume, arg_max(oi, near.ts) as oi, round(sum(round(vwap * 100) * volume) / sum(volume)) / 100 as vwap, phase
from near where expiry = nearest
group by all order by ts
"""
DAYS = f"""
with minutes as (select *, min(ts) over (partition by session) as opened from bars where symbol = 'TCS-EQ' and phase = 'continuous')
select opened as ts, session, symbol, underlying, kind, expiry, strike, minutes."right", arg_min(open, minutes.ts) as open,
    max(high) as high, min(low) as low, arg_max(close, minutes.ts) as close, sum(volume) as volume, arg_max(oi, minutes.ts) as oi,
    round(sum(round(vwap * 100) * volume) / sum(volume)) / 100 as vwap, phase
from minutes where session between '{FIRST}' and '{LAST}' group by all order by ts
"""
COUNTED = """
select underlying, kind, session, count(*) as wanted, count(*) filter (status in ('complete', 'untraded', 'empty_stated')) as covered,
    count(*) filter (status = 'complete') as complete, count(*) filter (status = 'untraded') as untraded,
    count(*) filter (status = 'empty_stated') as empty, count(*) filter (status = 'partial') as partial,
    count(*) filter (status in ('failed', 'quarantined', 'unavailable')) as failed, count(*) filter (status = 'missing') as missing,
    count(*) filter (status = 'complete' and proof = 'verified') as verified, count(*) filter (proof = 'mismatch') as mismatch,
    sum(bars) as bars
from contract_sessions group by underlying, kind, session order by underlying, kind <> 'spot', kind, session
"""
EXCHANGE = """
select (e.session + time '09:15')::timestamptz as ts, e.session, i.symbol, e.underlying, e.kind, e.expiry, e.strike, e.right as "right",
    e.open, e.high, e.low, e.close, e.last, e.settlement, e.volume, e.oi
from exchange_days e join instruments i using (venue, underlying, kind, expiry)
where e.underlying = 'RELIANCE' and e.kind = 'future'
qualify e.expiry = min(e.expiry) over (partition by e.session)
order by ts
"""
CHAIN = """
select strike, b.right as "right", symbol, arg_max(close, ts) as last,
    date_diff('minute', max(ts) + interval 1 minute, timestamptz '2026-11-20 11:05') as age, sum(volume) as volume
from bars b
where underlying = 'RELIANCE' and kind = 'option' and expiry = '2026-11-23' and phase = 'continuous'
    and session = '2026-11-20' and ts < '2026-11-20 11:05'
group by all order by strike, b.right
"""
CONTINUOUS = f"""
with front as (select * from bars where underlying = 'TCS' and kind = 'future' and phase = 'continuous'),
roll as (
    select arg_max(later.close / sooner.close, sooner.ts) as ratio from front sooner join front later using (ts)
    where sooner.session = '2026-11-19' and sooner.expiry = '2026-11-23' and later.expiry = '2026-12-29' and sooner.volume > 0 and later.volume > 0
), series as (
    select * replace (open * f as open, high * f as high, low * f as low, close * f as close, vwap * f as vwap)
    from (select *, if(session < '2026-11-20', (select ratio from roll), 1) as f from front)
    where expiry = if(session < '2026-11-20', date '2026-11-23', date '2026-12-29')
)
select {COLUMNS} from series order by ts
"""
VENUES_CLOSE = """
select b.symbol, b.session, arg_max(b.close, b.ts) as ours, any_value(e.last) as theirs
from bars b join exchange_days e using (session, venue, underlying, kind, expiry)
where b.kind = 'future' and b.phase = 'continuous' and b.volume > 0 group by all order by all
"""


@dataclass(frozen=True)
class Example:
    """
    One example: Python's frame, the words of the command that shows it, the query that is it.

    ``ordered``: the order is said. ``exact``: SQL to the last bit, else to nine digits. ``part``: what of it SQL can say.
    """

    python: Callable[[Lake], pl.DataFrame]
    command: tuple[str, ...]
    query: str
    ordered: bool = True
    exact: bool = True
    part: Callable[[pl.DataFrame], pl.DataFrame] = lambda frame: frame


def bars_of(where: str) -> str:
    return f"select {COLUMNS} from bars where phase = 'continuous' and {where} order by underlying, kind, expiry, contract, ts"


EXAMPLES = {
    "bars of an underlying": Example(
        lambda lake: lake.bars("RELIANCE"), ("bars", "RELIANCE"), bars_of("underlying = 'RELIANCE' and kind = 'spot'"),
    ),
    "bars of the near future by five minutes": Example(
        lambda lake: lake.bars("RELIANCE", kind="future", expiry="near", start=MIDDLE, interval="5m"),
        ("bars", "RELIANCE", "--kind", "future", "--expiry", "near", "--from", "2026-11-19", "--interval", "5m"), FIVE_MINUTES,
    ),
    "bars of an option": Example(
        lambda lake: lake.bars("RELIANCE23NOV26C1400", start=FIRST), ("bars", "RELIANCE23NOV26C1400", "--from", "2026-11-18"),
        bars_of("symbol = 'RELIANCE23NOV26C1400' and session >= '2026-11-18'"),
    ),
    "bars by day": Example(
        lambda lake: lake.bars("TCS", start=FIRST, end=LAST, interval="1d"),
        ("bars", "TCS", "--from", "2026-11-18", "--to", "2026-11-20", "--interval", "1d"), DAYS,
    ),
    "a scan of options": Example(
        lambda lake: lake.scan("TCS", kind="option", start=MIDDLE).collect(), ("bars", "TCS", "--kind", "option", "--from", "2026-11-19"),
        bars_of("underlying = 'TCS' and kind = 'option' and session >= '2026-11-19'"), ordered=False,
    ),
    "the exchange's days": Example(
        lambda lake: lake.bars("RELIANCE", kind="future", expiry="near", interval="1d", source="exchange"),
        ("bars", "RELIANCE", "--kind", "future", "--expiry", "near", "--interval", "1d", "--source", "exchange"), EXCHANGE,
    ),
    "a chain with greeks": Example(
        lambda lake: lake.chain("RELIANCE", at="2026-11-20 11:05", expiry="near", greeks=True).rows,
        ("chain", "RELIANCE", "--at", "2026-11-20 11:05", "--expiry", "near"), CHAIN,
        part=lambda rows: rows.filter(pl.col("last").is_not_null()).select("strike", "right", "symbol", "last", "age", "volume"),
    ),
    "a continuous future": Example(
        lambda lake: lake.continuous("TCS", roll="days:2", adjust="ratio"),
        ("continuous", "TCS", "--roll", "days:2", "--adjust", "ratio"), CONTINUOUS, exact=False,
    ),
    "coverage": Example(lambda lake: lake.coverage(), ("coverage",), "from coverage"),
    "coverage, counted": Example(lambda lake: lake.coverage(), ("coverage",), COUNTED),
    "gaps": Example(lambda lake: lake.gaps(), ("gaps",), "from gaps"),
    "gaps, filtered": Example(
        lambda lake: lake.gaps().drop("repair"), ("sql", "select * exclude (repair) from gaps"),
        "select symbol, session, underlying, kind, expiry, status, reasons, contract from contract_sessions "
        "where status not in ('complete', 'untraded', 'empty_stated')", ordered=False,
    ),
    "instruments": Example(
        lambda lake: lake.instruments(underlying="TCS"), ("instruments", "--underlying", "TCS"),
        "from instruments where underlying = 'TCS' order by contract",
    ),
    "sql": Example(
        lambda lake: pl.concat(_last_closes(lake)).sort("symbol", "session"), ("sql", VENUES_CLOSE),
        VENUES_CLOSE,
    ),
}
"""Each row of design section 7's Python block, and what else reads."""


def _last_closes(lake: Lake) -> Iterator[pl.DataFrame]:
    """The last traded close of each future and session beside the exchange's last price, by polars."""
    said = lake.store.exchange_rows([FIRST, MIDDLE, LAST]).select("contract", "session", theirs=(pl.col("last_paise") / 100).round(2))
    known = lake.instruments(kind="future").select("contract", "symbol")
    for name in NAMES:
        for expiry in lake.instruments(underlying=name, kind="future")["expiry"].unique():
            bars = lake.bars(name, kind="future", expiry=expiry).filter(pl.col("volume") > 0)
            last = bars.sort("ts").group_by("symbol", "session").agg(ours=pl.col("close").last())
            yield last.join(known, on="symbol").join(said, on=["contract", "session"]).drop("contract")


@pytest.fixture(scope="module")
def desk_with_lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Desk, Lake]]:
    from tests.scenario.conftest import Desk, started

    with started("--underlyings", ",".join(NAMES), "--limits", "off", "--rate", "0") as emulator:
        desk = Desk(tmp_path_factory.mktemp("faces") / "lake", emulator.url)
        desk.sign_in()
        chosen = [word for name in NAMES for word in ("--underlying", name)]
        desk.run("sync", "--from", "2026-11-19", "--to", "2026-11-20", *chosen)
        emulator.post("/emulator/faults", {"fault": "missing_minute", "route": "TPSeries", "share": 0.1})
        desk.run("sync", "--session", "2026-11-18", *chosen, expect=3)
        environ = {name: value for name, value in desk.environment().items() if name.startswith("FN")}
        with open_lake(desk.lake, environ=environ) as lake:
            yield desk, lake


def shown(desk: Desk, command: tuple[str, ...], schema: pl.Schema) -> pl.DataFrame:
    """What a command prints as JSON lines, in the types of a schema; instants keep their offset until they are compared."""
    text = desk.run(*command, "--format", "ndjson").stdout
    rows = pl.read_ndjson(io.StringIO(text), schema={name: _printed(dtype) for name, dtype in schema.items()})
    assert rows.columns == list(schema)
    return rows.with_columns(
        pl.col(name).str.to_datetime("%+", time_unit="us").dt.convert_time_zone("Asia/Kolkata") if isinstance(dtype, pl.Datetime)
        else pl.col(name).str.to_date() if dtype == pl.Date else pl.col(name) for name, dtype in schema.items()
    )


def _printed(dtype: pl.DataType) -> pl.DataType | type[pl.DataType]:
    return pl.String if dtype.is_temporal() else dtype


@pytest.mark.parametrize("name", EXAMPLES)
def test_python_the_command_line_and_sql_agree(desk_with_lake: tuple[Desk, Lake], name: str) -> None:
    desk, lake = desk_with_lake
    example = EXAMPLES[name]
    python = example.python(lake)
    command, sql = shown(desk, example.command, python.schema), lake.sql(example.query)
    if not example.ordered:
        python, command, sql = (frame.sort(pl.all()) for frame in (python, command, sql))
    assert_same(command, python)
    assert_same(sql, example.part(python), exact=example.exact)


def assert_same(other: pl.DataFrame, python: pl.DataFrame, *, exact: bool = True) -> None:
    """Some rows, and every name, type and value."""
    from polars.testing import assert_frame_equal

    assert python.height > 0
    assert other.schema == python.schema
    assert_frame_equal(other, python, check_exact=exact, rel_tol=1e-9, abs_tol=0)


def test_a_selection_is_said_in_words_as_well(desk_with_lake: tuple[Desk, Lake]) -> None:
    desk, lake = desk_with_lake
    said = lake.plan(underlying="tcs", kind=["future", "spot"], start="2026-11-16", end=FIRST)
    assert said.rows.equals(lake.plan(Selection(("TCS",), ("future", "spot"), date(2026, 11, 16), FIRST)).rows)
    command = desk.run("plan", "--underlying", "TCS", "--kind", "future", "--kind", "spot", "--from", "2026-11-16", "--to", str(FIRST), "--format", "json")
    assert len(json.loads(command.stdout)) == said.rows.height > 0
    with pytest.raises(ConfigError, match="not both"):
        lake.plan(Selection(), underlying="TCS")
    with pytest.raises(ConfigError, match="no date: 'soon'"):
        lake.coverage("soon")


def test_the_command_line_asks_what_lake_sql_asks(desk_with_lake: tuple[Desk, Lake]) -> None:
    """A query of its own words, of a file, and of stdin."""
    desk, lake = desk_with_lake
    query = bars_of("underlying = 'TCS' and kind = 'future' and session = '2026-11-20'")
    asked = desk.lake.parent / "asked.sql"
    asked.write_text(f"{query};\n", encoding="utf-8")
    told = lake.sql(query)
    for words in (query, f"@{asked}"):
        assert_same(shown(desk, ("sql", words), told.schema), told)


def test_the_queries_of_the_page_give_rows(desk_with_lake: tuple[Desk, Lake]) -> None:
    """docs/sql.md, as it stands; a session, underlying or strike that it names is in this lake as in the demo's."""
    _desk, lake = desk_with_lake
    queries = re.findall(r"^```sql\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert len(queries) == 5
    for query in queries:
        rows = lake.sql(query)
        assert rows.height > 0, query
        assert rows.select(pl.any_horizontal(pl.all().is_not_null()).all()).item(), query
    for block in re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL):
        names: dict[str, object] = {"lake": lake}
        exec(block, names)
        assert isinstance(names["rows"], pl.DataFrame)
        assert names["rows"].height > 0


def test_a_lake_of_older_files_answers_too(desk_with_lake: tuple[Desk, Lake], tmp_path: Path) -> None:
    _, lake = desk_with_lake
    folder = tmp_path / "older"
    shutil.copytree(lake.path, folder)
    with open_lake(folder, environ={}) as older:
        files = [folder / "exchange_days" / file for file in older.store.exact_files().exchange_days]
        assert files
        for file in files:
            pl.read_parquet(file, hive_partitioning=False).drop("stated_expiry").write_parquet(file)
        rows = older.sql("select session, expiry, stated_expiry from exchange_days where kind = 'future'")
    assert rows["stated_expiry"].is_null().all()
    assert rows["expiry"].is_not_null().all()
