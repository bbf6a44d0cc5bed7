"""SQL over a lake: what lake.bars gives, from the exact files of a moment, and nothing that a query's text should not reach."""

from __future__ import annotations

import os
import re
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pytest

from fnolake.errors import QueryError
from fnolake.lake import Lake, open_lake
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    Proof,
    RawFile,
    Verdict,
    bar_schema,
    contract_symbol,
    listing_schema,
    quarantine_schema,
)
from fnolake.query.bars import BAR_COLUMNS
from fnolake.query.view_sources import _in_rupees
from fnolake.query.views import VIEWS
from fnolake.store.store import Store

MON, TUE, WED = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)
OLD, NEW = date(2026, 11, 24), date(2026, 11, 23)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
KEY = ["session", "symbol", "ts"]


def listing(token: int, kind: str, expiry: date | None = None, strike: int | None = None, underlying: str = "TCS") -> dict[str, object]:
    right = "CE" if kind == "option" else None
    symbol = contract_symbol(underlying, kind, expiry, strike, right, is_index=False)
    return {
        "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": token, "symbol": symbol, "underlying": underlying,
        "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right, "lot": 175, "tick_paise": 5,
        "provider_symbol": symbol, "is_index": False,
    }


SPOT, OPTION, FAR = listing(1, "spot"), listing(2, "option", date(2026, 12, 29), 31_255), listing(4, "future", date(2026, 12, 29))
MOVED = [listing(3, "future", OLD), listing(3, "future", NEW)]


def bars(row: dict[str, object], contract: int, session: date, count: int = 3, price: int = 31_255) -> pl.DataFrame:
    start = datetime(session.year, session.month, session.day, 3, 38, tzinfo=UTC)
    same = {name: row[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right")}
    return pl.DataFrame([
        {
            "session": session, "ts": start + timedelta(minutes=n + 7 * (n > 0)), "contract": contract, **same, "open_paise": price + n,
            "high_paise": price + 9, "low_paise": price - 3, "close_paise": price + 1, "volume": 175 * n, "oi": n or None,
            "vwap_paise": price if n else None, "phase": "continuous" if n else "preopen", "provider": "shoonya",
        } for n in range(count)
    ], schema=bar_schema())


def commit(store: Store, *tables: pl.DataFrame, proof: Proof = Proof.UNVERIFIED, empty: tuple[tuple[int, date], ...] = ()) -> None:
    rows = pl.concat(tables) if tables else pl.DataFrame(schema=bar_schema())
    tries = [Attempt(c, s, Verdict(Outcome.COMPLETE, bars=n, proof=proof), "shoonya", "main", NOW) for c, s, n in rows.group_by("contract", "session").len().rows()]
    tries += [Attempt(c, s, Verdict(Outcome.COMPLETE, bars=0, proof=Proof.VERIFIED), "shoonya", "main", NOW) for c, s in empty]
    store.commit(Batch(tuple(tries), rows, pl.DataFrame(schema=quarantine_schema())))


def take(store: Store, day: date, *rows: dict[str, object]) -> None:
    master = Master("shoonya", "NFO", day, len(rows), pl.DataFrame(list(rows), schema=listing_schema()), payload_hash=str(day))
    store.take_master(master, RawFile("shoonya", "NFO", NOW, str(day).encode(), NOW, "0"))


def fill(folder: Path) -> None:
    """Monday published and partly refetched (one pair to other bars, one to none); Tuesday published, a future's expiry moved; Wednesday hot."""
    with Store.open(folder, write=True) as store:
        take(store, MON, SPOT, OPTION, MOVED[0], FAR)
        take(store, TUE, SPOT, OPTION, MOVED[1], FAR)
        for day, future in ((MON, MOVED[0]), (TUE, MOVED[1])):
            commit(store, bars(SPOT, 1, day), bars(OPTION, 2, day), bars(future, 3, day, 5), bars(FAR, 4, day, 2))
            store.publish(day)
        commit(store, bars(SPOT, 1, MON, 4, 40_007), bars(MOVED[1], 3, WED), proof=Proof.VERIFIED, empty=((4, MON),))


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lake]:
    folder = tmp_path_factory.mktemp("sql") / "lake"
    fill(folder)
    with open_lake(folder, environ={}) as opened:
        opened.store.state.save("drawer", b"a secret")
        yield opened


def sessions_read(lake: Lake, query: str) -> set[str]:
    """Sessions whose published files DuckDB opened."""
    plan = "".join(lake.sql("explain analyze " + query)["explain_value"])
    assert re.search(r"Total Files Read: \d+", plan), plan
    return set(re.findall(r"session=([\d-]+)/part", plan))


def test_rupees_are_to_the_bit_what_python_makes_of_them() -> None:
    """Every price to 10,000 rupees, as Python divides and as it reads the decimal text."""
    with duckdb.connect() as connection:
        connection.execute("create table paise as select range::integer as close_paise from range(1000001)")
        made = connection.execute(f"select {_in_rupees(['close_paise'])} from paise").fetchnumpy()["close"].tolist()
    assert made == [paise / 100 for paise in range(1_000_001)]
    assert made == [float(f"{paise // 100}.{paise % 100:02d}") for paise in range(1_000_001)]


@pytest.mark.filterwarnings("ignore::fnolake.errors.GapWarning")
def test_bars_are_those_of_python_whichever_tier_holds_them(lake: Lake) -> None:
    asked = lake.sql("from bars").sort(KEY)
    told = pl.concat([lake.bars(symbol, phases=()) for symbol in ("TCS", "TCS29DEC26C312.55", "TCS23NOV26F", "TCS29DEC26F")]).sort(KEY)
    assert asked.select(BAR_COLUMNS).equals(told)
    assert asked.select(BAR_COLUMNS).schema == told.schema
    assert asked.filter(pl.col("session") == MON, pl.col("contract") == 1)["open"].to_list() == [400.07, 400.08, 400.09, 400.1]
    assert asked.filter(pl.col("session") == MON, pl.col("contract") == 4).is_empty()
    assert asked.filter(pl.col("contract") == 3).select("session", "symbol").unique().sort("session").rows() == [
        (MON, "TCS24NOV26F"), (TUE, "TCS23NOV26F"), (WED, "TCS23NOV26F"),
    ]
    assert not asked.select("contract", "ts").is_duplicated().any()


def test_only_files_of_the_sessions_asked_for_are_opened(lake: Lake) -> None:
    assert sessions_read(lake, "select sum(close) from bars where session = '2026-11-17'") == {"2026-11-17"}
    assert sessions_read(lake, "select sum(close) from bars where session <= '2026-11-16' and contract = 2") == {"2026-11-16"}
    assert sessions_read(lake, "select sum(close) from bars") == {"2026-11-16", "2026-11-17"}


def test_a_symbol_reaches_the_files_as_its_contract_and_underlying(lake: Lake) -> None:
    plan = "".join(lake.sql("explain analyze select * from bars where symbol = 'TCS29DEC26C312.55'")["explain_value"])
    filters = re.findall(r"Dynamic Filters:([^│]*)", plan)
    assert any("contract = 2" in one and "underlying = 'TCS'" in one for one in filters), plan


def test_times_are_ist_in_the_answer_and_in_the_question(lake: Lake) -> None:
    rows = lake.sql("select ts, extract(hour from ts) as hour from bars where ts = '2026-11-17 09:16' and symbol = 'TCS-EQ'")
    assert rows.schema["ts"] == pl.Datetime("us", "Asia/Kolkata")
    assert (rows["ts"][0].isoformat(), rows["hour"][0]) == ("2026-11-17T09:16:00+05:30", 9)
    aware = datetime(2026, 11, 17, 3, 46, tzinfo=UTC)
    assert lake.sql("select count(*) as n from bars where ts = ? and contract = 1", [aware])["n"].to_list() == [1]


@pytest.mark.parametrize(("query", "params"), [
    ("select symbol from bars where contract = ? and session = ? limit 1", [2, TUE]),
    ("select symbol from bars where contract = $1 and session = $2 limit 1", (2, TUE)),
    ("select symbol from bars where contract = $of and session = $day limit 1", {"of": 2, "day": TUE}),
])
def test_parameters_by_place_and_by_name(lake: Lake, query: str, params: object) -> None:
    assert lake.sql(query, params)["symbol"].to_list() == ["TCS29DEC26C312.55"]  # type: ignore[arg-type]


def test_sums_of_whole_numbers_are_whole_numbers(lake: Lake) -> None:
    rows = lake.sql("select sum(volume) as v, sum(volume) * 170141183460469231::hugeint * 1000000000 as huge from bars where contract = 2")
    assert rows.schema["v"] == pl.Int64
    assert rows["v"].item() == 2 * 175 * 3
    assert rows.schema["huge"] == pl.Decimal(38, 0)


def test_a_pivot_a_summary_and_a_list_of_the_views_are_questions_too(lake: Lake) -> None:
    wide = lake.sql("pivot bars on kind using count(*) group by session").sort("session")
    assert wide.columns == ["session", "future", "option", "spot"]
    assert wide["spot"].to_list() == [4, 3, 0]
    assert set(lake.sql("show tables")["name"]) == set(VIEWS)
    assert lake.sql("summarize select close from bars;")["count"].item() == lake.sql("select count(*) from bars").item()


def test_every_view_is_what_its_description_says(lake: Lake) -> None:
    for name, view in VIEWS.items():
        asked = lake.sql(f"describe {name}").select("column_name", pl.col("column_type").str.to_lowercase()).rows()
        short = [(column, dtype.replace("timestamp with time zone", "timestamptz")) for column, dtype in asked]
        told = [(column.replace("PROVIDER", "shoonya"), dtype) for column, dtype, _meaning in view.columns if column != "differs"]
        assert short == told, name
        assert lake.sql(f"from {name}").columns == [column for column, _dtype in told]


def test_the_page_lists_every_view_and_column() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "sql.md").read_text(encoding="utf-8")
    sections = {part.split("`", 1)[0]: part for part in text.split("\n### `")[1:]}
    assert list(sections) == [name for name in VIEWS if name != "views"]
    for name, part in sections.items():
        assert VIEWS[name].about in part
        assert re.findall(r"^\| `(\S+)` \| (\S+) \| (.*) \|$", part, flags=re.MULTILINE) == list(VIEWS[name].columns), name


def test_the_views_of_methods_are_what_the_methods_say(lake: Lake) -> None:
    assert lake.sql("from coverage").equals(lake.coverage())
    assert lake.sql("from gaps").equals(lake.gaps())
    assert lake.sql("from instruments").equals(lake.instruments())
    counted = lake.sql("select underlying, kind, session, count(*) as wanted, sum(bars) as bars from contract_sessions group by all")
    assert counted.sort(pl.all()).equals(lake.coverage().select(counted.columns).sort(pl.all()))


@pytest.mark.parametrize("query", [
    "copy (select 1) to '{out}'", "copy bars to '{out}'", "explain analyze copy (select 1) to '{file}' (use_tmp_file false)",
    "with x as (copy (select 1) to '{file}' (use_tmp_file false)) select * from x",
    "with x as (CoPy/**/(select 1) to '{file}' (use_tmp_file false)) from x",
    "with x as (insert into lake.stored select * from lake.stored returning *) from x",
    "create table t as select 1", "insert into lake.names select * from lake.names", "drop view bars", "set threads = 64",
    "set enable_external_access = true", "reset lock_configuration", "pragma database_list", "call pragma_version()",
    "attach '{out}'", "attach '{lake}/ledger.sqlite' (type sqlite)", "install httpfs", "load httpfs", "export database '{out}'",
    "select * from '{lake}/lake.toml'", "select * from read_text('{lake}/state/drawer')", "from read_csv('/etc/passwd')",
    "from read_parquet('{lake}/bars/**/*.parquet')", "from glob('{lake}/*')", "from read_blob('{lake}/ledger.sqlite')",
    "from sniff_csv('/etc/passwd')", "select getenv('HOME')", "from 'https://example.com/x.parquet'", "from secret_frame",
    "begin transaction", "commit", "use lake", "prepare p as select 1", "checkpoint", "vacuum", "",
    "select 1; select 2", "select 1; copy (select 1) to '{out}'", "  ; ", "-- nothing",
])
def test_a_query_reaches_and_changes_nothing_else(lake: Lake, tmp_path: Path, query: str) -> None:
    secret_frame = pl.DataFrame({"mine": [1]})
    published = next((lake.path / "bars").rglob("*.parquet"))
    before = {path: path.read_bytes() for path in lake.path.rglob("*") if path.is_file()}
    text = query.format(out=tmp_path / "out", file=published, lake=lake.path)
    with pytest.raises(QueryError) as refused:
        lake.sql(f"{text} " if "{file}" not in query else text.replace(" from x", " from x, bars"))
    assert "\n" not in str(refused.value)
    assert "a secret" not in str(refused.value)
    assert not (tmp_path / "out").exists()
    assert {path: path.read_bytes() for path in lake.path.rglob("*") if path.is_file()} == before
    assert secret_frame.height == 1


@pytest.mark.parametrize(("query", "told"), [
    ("from bar", "no view bar: there are bars, instruments, "),
    ("select clos from bars", "no column clos there; near it: close"),
    ("select b.symbl from bars b", "no column symbl there; near it: symbol"),
    ("select strik_e from instruments", "no column strik_e there; near it: strike"),
    ("select symbol, right from bars", 'right is a word of SQL: write it as "right"'),
    ("select symbol\nfrom bars\nwhere where", 'syntax error at or near "where" (line 3)'),
    ("select interval 1 day", "cast it, as in x::varchar"),
    ("select * from bars where contract = ?", "parameter"),
    ("copy bars to 'x'", "a query reads the lake's views and nothing else"),
    ("select 1; select 2", "2 statements were given: give one at a time"),
])
def test_what_is_wrong_is_said_in_one_line_with_what_there_is(lake: Lake, query: str, told: str) -> None:
    with pytest.raises(QueryError) as refused:
        lake.sql(query)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_right_as_a_word_of_sql_stays_what_it_is(lake: Lake) -> None:
    rows = lake.sql('select distinct b.right, "right" as other from bars b right join (select contract from instruments) i using (contract) where right(b.symbol, 2) = \'55\'')
    assert rows.rows() == [("CE", "CE")]


@pytest.mark.parametrize("name", ["plain", "a=b", "contract=5", "session=2020-01-01", "it's \"mine\" ₹", "[old] *lake?", "a=[b]"])
def test_a_lake_may_lie_in_any_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name / "lake"
    folder.mkdir(parents=True)
    fill(folder)
    with open_lake(folder, environ={}) as lake:
        counts = lake.sql("select session, contract, count(*) as n from bars group by all order by all").rows()
        assert lake.store.bars(None, lake.store.sessions()).collect().height == sum(n for _, _, n in counts)
    assert counts == [(MON, 1, 4), (MON, 2, 3), (MON, 3, 5), (TUE, 1, 3), (TUE, 2, 3), (TUE, 3, 5), (TUE, 4, 2), (WED, 3, 3)]


def test_an_empty_lake_answers_with_no_rows(tmp_path: Path) -> None:
    Store.open(tmp_path / "lake", write=True).close()
    with open_lake(tmp_path / "lake", environ={}) as lake:
        for name in set(VIEWS) - {"views"}:
            assert lake.sql(f"from {name}").is_empty(), name
        assert lake.sql("from bars").columns == [column for column, _dtype, _meaning in VIEWS["bars"].columns]


def test_what_spills_is_gone_afterwards(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spill").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "spill"))
    rows = lake.sql("select current_setting('temp_directory') as t, current_setting('memory_limit') as m, current_setting('threads') as n")
    assert rows["t"].item().startswith(str(tmp_path / "spill"))
    assert (rows["m"].item(), rows["n"].item() <= 4) == ("953.6 MiB", True)
    with pytest.raises(QueryError):
        lake.sql("select error('no')")
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.mark.parametrize("after_s", [0.0, 0.1, 0.3, 0.5])
def test_ctrl_c_ends_a_query_wherever_it_is(lake: Lake, after_s: float) -> None:
    """Without it this query takes days."""
    pressed = threading.Timer(after_s, lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - it may come as soon as the timer runs
        pressed.start()
        lake.sql("select sum(a.range * b.range) from range(10000000) a, range(10000000) b")
    pressed.join()
    assert not [one for one in threading.enumerate() if one.name.startswith("fnolake-sql")]


def test_an_answer_is_of_one_moment_though_a_writer_commits_meanwhile(tmp_path: Path) -> None:
    """The first table is made, then a batch is committed, then the files are listed: the answer knows nothing of the batch."""
    fill(tmp_path / "lake")
    with open_lake(tmp_path / "lake", environ={}) as lake:
        from fnolake.query.sql import ask

        def while_asked(then: Callable[[], pl.DataFrame]) -> Callable[[], pl.DataFrame]:
            def told() -> pl.DataFrame:
                rows = then()
                with Store.open(tmp_path / "lake", write=True) as store:
                    commit(store, bars(SPOT, 1, WED))
                return rows
            return told

        query = "select (select count(*) from instruments) as known, (select count(*) from bars where session = '2026-11-18') as n"
        assert ask(lake.store, {"instruments": while_asked(lake.instruments)}, query).row(0) == (4, 3)
        assert lake.sql(query).row(0) == (4, 6)
