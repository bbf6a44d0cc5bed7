"""A user's own files through the line: every row in one outcome, identities from the exchange's files, brokers' bars never unseated."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fnolake.errors import ConfigError
from fnolake.market.bhavcopy import ExchangeDay, exchange_schema
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    Batch,
    Event,
    Notice,
    Outcome,
    Proof,
    RawFile,
    RequestRecord,
    Verdict,
    quarantine_schema,
)
from fnolake.provider.files.layout import layout_of
from fnolake.store.store import Store
from fnolake.sync.imports import FileReport, Import, provider_name

CALENDAR = Calendar.bundled()
KOLKATA = ZoneInfo("Asia/Kolkata")
TUESDAY, WEDNESDAY, SATURDAY = date(2025, 7, 1), date(2025, 7, 2), date(2025, 7, 5)
EXPIRY = date(2025, 7, 31)
NOW = datetime(2025, 8, 20, 12, 0, tzinfo=UTC)
FUTURE, CALL = "NIFTY31JUL25FUT.NFO", "NIFTY31JUL2525000CE.NFO"
HEADER = "Ticker,Date,Time,Open,High,Low,Close,Volume,Open Interest"
Row = tuple[str, datetime, float, float, float, float, int, int]


def at(day: date, minute: int) -> datetime:
    return datetime(day.year, day.month, day.day, minute // 60, minute % 60, tzinfo=KOLKATA)


def rows_of(ticker: str, day: date, minutes: range | list[int], base: float) -> list[Row]:
    """Rows in which each minute has prices of its own."""
    return [(ticker, at(day, m), base + m / 20, base + m / 20 + 1.05, base - 0.35, base + m / 20 + 0.4, 75 * (1 + m % 3), 7500 + 75 * m) for m in minutes]


WHOLE = range(555, 930)
SOME = [556, 600, 601, 720, 928]


def gdf(folder: Path, rows: list[Row], name: str = "GFDLNFO_01072025.csv", *extra: str) -> Path:
    lines = [f"{ticker},{ts:%d/%m/%Y},{ts:%H:%M}:59,{o:.2f},{h:.2f},{low:.2f},{c:.2f},{v},{oi}" for ticker, ts, o, h, low, c, v, oi in rows]
    path = folder / name
    path.write_text("\n".join([HEADER, *lines, *extra]) + "\n")
    return path


def listed(token: int | None, kind: str, strike: int | None, right: str | None, rows: list[Row], expiry: date = EXPIRY) -> dict[str, object]:
    """The exchange's row of a contract whose day is these rows (none: it did not trade)."""
    paise = [round(price * 100) for row in rows for price in row[2:6]]
    last = round(rows[-1][5] * 100) if rows else 0
    return {
        "venue": "NSE", "segment": "FO", "token": token, "underlying": "NIFTY", "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right,
        "series": None, "open_paise": paise[0] if paise else 0, "high_paise": max(paise, default=0), "low_paise": min(paise, default=0),
        "close_paise": last, "last_paise": last, "settle_paise": last, "volume": sum(row[6] for row in rows), "oi": rows[-1][7] if rows else 0,
        "oi_change": 0, "value_rupees": 1.0, "trades": len(rows), "lot": 75, "name": f"{kind}{token}",
    }


def take_day(store: Store, day: date, *rows: dict[str, object]) -> None:
    frame = pl.DataFrame(list(rows), schema=exchange_schema())
    body = f"{day}{rows}".encode()
    store.take_exchange_day(ExchangeDay(day, "NSE", "FO", frame), RawFile("exchange", f"fo-{day}.csv", None, body, NOW, str(hash(body))))


def both(day: date, *, token: int | None = 1) -> tuple[dict[str, object], ...]:
    """The exchange's rows of the future and the call as :func:`rows_of` makes them."""
    return (
        listed(token and token, "future", None, None, rows_of(FUTURE, day, WHOLE, 25_000)),
        listed(token and token + 1, "option", 2_500_000, "CE", rows_of(CALL, day, SOME, 200)),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lake", write=True) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


def run(store: Store, path: Path, *, dry: bool = False, now: datetime = NOW, preset: str | None = "gdf", said: Callable[[Event], None] = lambda _event: None,
        **mapping: str) -> list[FileReport]:
    return Import(store, CALENDAR, layout_of(preset, mapping), "import:mine", now, said, dry_run=dry).run(path)


def bars(store: Store) -> pl.DataFrame:
    return store.bars(store.instruments()["contract"].to_list(), store.sessions()).collect().sort("contract", "ts")


def state(store: Store) -> tuple[object, ...]:
    """Everything that an import could change."""
    return (
        store.coverage().rows(), store.attempts().rows(), store.requests().rows(), store.masters().rows(), store.instruments().rows(), store.unpublished(),
        sorted(str(one.relative_to(store.path)) for one in store.path.rglob("*.parquet")),
    )


def test_what_the_exchanges_file_confirms_is_verified_and_exact(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    rows = [*rows_of(FUTURE, TUESDAY, WHOLE, 25_000), *rows_of(CALL, TUESDAY, SOME, 200)]
    [report] = run(store, gdf(folder, rows))
    assert (report.rows, dict(report.outcomes), report.sessions, dict(report.proofs)) == (380, {"imported": 380}, 2, {"verified": 2})
    stored = bars(store)
    assert stored["provider"].unique().to_list() == ["import:mine"]
    ours = stored.select("ts", *(f"{name}_paise" for name in ("open", "high", "low", "close")), "volume", "oi").rows()
    assert ours == [(ts.astimezone(UTC), *(round(price * 100) for price in (o, h, low, c)), v, oi) for _, ts, o, h, low, c, v, oi in rows]
    assert store.instruments().select("symbol", "token", "lot", "expiry").rows() == [("NIFTY31JUL25F", 1, 75, EXPIRY), ("NIFTY31JUL25C25000", 2, 75, EXPIRY)]
    assert store.unpublished() == []


def test_the_same_file_again_changes_nothing(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    path = gdf(folder, [*rows_of(FUTURE, TUESDAY, WHOLE, 25_000), *rows_of(CALL, TUESDAY, SOME, 200), *rows_of(CALL, SATURDAY, SOME, 200)])
    run(store, path)
    before = state(store)
    [again] = run(store, path, now=NOW + timedelta(days=1))
    assert dict(again.outcomes) == {"here_already": 385}
    assert state(store) == before


def test_a_dry_run_says_the_same_and_writes_nothing(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    path = gdf(folder, [*rows_of(FUTURE, TUESDAY, WHOLE, 25_000), *rows_of(CALL, TUESDAY, SOME, 200), *rows_of(CALL, SATURDAY, SOME, 200)])
    before = state(store)
    said = run(store, path, dry=True)
    assert state(store) == before
    assert run(store, path) == said


def test_without_the_exchanges_file_an_identity_is_missing_and_named(store: Store, folder: Path) -> None:
    [report] = run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME, 200)))
    assert dict(report.outcomes) == {"unknown_symbol": 5}
    [advice] = report.unknown
    assert "NSE's FO file of 2025-07-01" in advice
    assert "fnolake exchange take FILE" in advice
    take_day(store, TUESDAY, both(TUESDAY)[0])
    [report] = run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME, 200)))
    assert list(report.unknown) == ["neither a master nor NSE's FO file of its days lists it"]


def test_a_file_without_tokens_gives_an_identity_too(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY, token=None))
    [report] = run(store, gdf(folder, [*rows_of(FUTURE, TUESDAY, WHOLE, 25_000), *rows_of(CALL, TUESDAY, SOME, 200)]))
    assert dict(report.proofs) == {"verified": 2}
    assert (store.instruments()["token"] < 0).all()


def test_what_is_listed_by_one_days_file_stays_when_another_day_lists_more(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME, 200)))
    put = listed(9, "option", 2_400_000, "PE", rows_of("x", WEDNESDAY, SOME, 90))
    take_day(store, WEDNESDAY, *both(WEDNESDAY), put)
    [report] = run(store, gdf(folder, rows_of("NIFTY31JUL2524000PE.NFO", WEDNESDAY, SOME, 90), "second.csv"))
    assert dict(report.proofs) == {"verified": 1}
    assert store.instruments()["valid_to"].null_count() == store.instruments().height == 3


def test_a_file_that_nobody_confirms_is_no_more_than_partial_until_one_does(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    path = gdf(folder, [*rows_of(CALL, TUESDAY, SOME, 200), *rows_of(CALL, WEDNESDAY, SOME, 200)])
    run(store, path)
    assert store.coverage().select("session", "outcome", "reasons").rows() == [(TUESDAY, "complete", ""), (WEDNESDAY, "partial", "not_proven")]
    take_day(store, WEDNESDAY, *both(WEDNESDAY))
    [report] = run(store, path)
    assert dict(report.proofs) == {"verified": 2}
    assert store.coverage()["proof"].to_list() == ["verified", "verified"]


def broker(store: Store, contract: int, outcome: Outcome, proof: Proof) -> None:
    """A broker's capture of a contract-session, as the import's own bars but for the provider."""
    have = bars(store).filter(pl.col("contract") == contract).with_columns(provider=pl.lit("shoonya"))
    verdict = Verdict(outcome, () if outcome is Outcome.COMPLETE else ("cut",), (), have.height, 0, 0, 1, proof)
    fetched = NOW + timedelta(hours=1)
    attempt = Attempt(contract, TUESDAY, verdict, "shoonya", "a", fetched, "h", f"k{outcome}")
    store.commit(Batch((attempt,), have, pl.DataFrame(schema=quarantine_schema()), (RequestRecord(f"k{outcome}", "shoonya", "a", "minutes", "answered", fetched, 0.0),)))


@pytest.mark.parametrize(("outcome", "proof", "keeps"), [
    (Outcome.COMPLETE, Proof.VERIFIED, True), (Outcome.COMPLETE, Proof.UNVERIFIED, False), (Outcome.PARTIAL, Proof.UNVERIFIED, False),
])
def test_a_verified_import_takes_only_what_is_not_verified(store: Store, folder: Path, outcome: Outcome, proof: Proof, *, keeps: bool) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME[:2], 200), "part.csv"))
    [call] = store.instruments().filter(pl.col("kind") == "option")["contract"]
    broker(store, call, outcome, proof)
    assert store.coverage()["provider"].to_list() == ["shoonya"]
    [report] = run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME, 200)), now=NOW + timedelta(days=1))
    assert store.coverage()["provider"].to_list() == ["shoonya" if keeps else "import:mine"]
    assert dict(report.outcomes) == {"not_better" if keeps else "imported": 5}
    assert store.attempts()["provider"].to_list()[-1] == "import:mine"
    assert bars(store)["provider"].unique().to_list() == ["shoonya" if keeps else "import:mine"]


def test_a_broker_takes_the_place_of_an_import_that_is_as_good(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    run(store, gdf(folder, rows_of(CALL, TUESDAY, SOME, 200)))
    [call] = store.instruments().filter(pl.col("kind") == "option")["contract"]
    have = bars(store).with_columns(provider=pl.lit("shoonya"))
    attempt = Attempt(call, TUESDAY, Verdict(Outcome.COMPLETE, (), (), 5, 0, 0, 1, Proof.VERIFIED), "shoonya", "a", NOW + timedelta(hours=1), "h", "k")
    store.commit(Batch((attempt,), have, pl.DataFrame(schema=quarantine_schema())))
    assert store.coverage()["provider"].to_list() == ["shoonya"]


MESSY = {
    "good": rows_of(CALL, TUESDAY, SOME, 200), "twice": rows_of(CALL, TUESDAY, SOME[:1], 200), "other": rows_of(CALL, TUESDAY, SOME[1:2], 201),
    "mock": rows_of(CALL, SATURDAY, SOME, 200), "early": rows_of(CALL, TUESDAY, [500, 940], 200), "late": rows_of(CALL, date(2025, 8, 1), SOME, 200),
    "crossed": [(CALL, at(TUESDAY, 700), 5.0, 4.0, 3.0, 5.0, 75, 1)], "negative": [(CALL, at(TUESDAY, 701), 5.0, 6.0, 3.0, 5.0, -75, 1)],
    "zero": [(CALL, at(TUESDAY, 702), 0.0, 0.0, 0.0, 0.0, 0, 1)], "stranger": rows_of("NIFTY31JUL2599000CE.NFO", TUESDAY, SOME, 1),
    "series": rows_of("NIFTY-I.NFO", TUESDAY, SOME, 1), "nameless": rows_of("", TUESDAY, SOME, 1), "future": rows_of(FUTURE, WEDNESDAY, SOME, 25_000),
}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(sorted(MESSY)), min_size=1, max_size=8), st.integers(0, 2), st.randoms(use_true_random=False))
def test_every_row_ends_in_one_outcome(tmp_path_factory: pytest.TempPathFactory, chosen: list[str], unreadable: int, order: object) -> None:
    rows = [row for name in chosen for row in MESSY[name]]
    order.shuffle(rows)  # type: ignore[attr-defined]
    where = tmp_path_factory.mktemp("messy")
    with Store.open(where / "lake", write=True) as store:
        take_day(store, TUESDAY, *both(TUESDAY))
        [report] = run(store, gdf(where, rows, "x.csv", *[f"{CALL},99/99/2025,10:00:59,1,1,1,1,1,1"] * unreadable))
        assert report.rows == len(rows) + unreadable == sum(report.outcomes.values())
        assert bars(store).height == report.outcomes["imported"]
        refused = [pl.read_parquet(one) for one in (store.path / "refused").glob("*.parquet")]
        known = {"imported", "duplicate", "unreadable", "unknown_symbol", "continuous_series", "no_symbol", "not_better", "here_already", "untraded"}
        assert sum(one.height for one in refused) == sum(count for name, count in report.outcomes.items() if name not in known)


@pytest.mark.parametrize(("layout", "stamp", "words"), [
    ({"zone": "Asia/Kolkata"}, lambda ts: ts.astimezone(UTC), "give --map zone=UTC"), ({}, lambda ts: ts + timedelta(minutes=1), "give --map label=end"),
])
def test_a_file_that_is_not_as_declared_is_refused_whole(
    store: Store, folder: Path, layout: dict[str, str], stamp: Callable[[datetime], datetime], words: str
) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    rows = rows_of("NIFTY25JULFUT", TUESDAY, WHOLE, 25_000)
    lines = [f"{stamp(ts):%Y-%m-%d %H:%M:%S},{o:.2f},{h:.2f},{low:.2f},{c:.2f},{v},{oi}" for _, ts, o, h, low, c, v, oi in rows]
    path = folder / "NIFTY25JULFUT.csv"
    path.write_text("\n".join(["date,open,high,low,close,volume,oi", *lines]))
    [report] = run(store, path, preset="kite", **layout)
    assert words in report.refused
    assert dict(report.outcomes) == {"refused": 375}
    mended = dict([words.removeprefix("give --map ").split("=")])
    [report] = run(store, path, preset="kite", **{**layout, **mended})
    assert dict(report.proofs) == {"verified": 1}


def test_other_intervals_are_refused(store: Store, folder: Path) -> None:
    [report] = run(store, gdf(folder, rows_of(FUTURE, TUESDAY, list(WHOLE)[::5], 25_000)))
    assert "5 minutes apart" in report.refused


def test_lots_are_counted_out(store: Store, folder: Path) -> None:
    take_day(store, TUESDAY, *both(TUESDAY))
    rows = [(*row[:6], row[6] // 75, row[7] // 75) for row in rows_of(CALL, TUESDAY, SOME, 200)]
    [report] = run(store, gdf(folder, rows), volume_in="lots", oi_in="lots")
    assert dict(report.proofs) == {"verified": 1}
    assert bars(store)["oi"].to_list() == [row[7] for row in rows_of(CALL, TUESDAY, SOME, 200)]


def test_progress_is_told_of_many_files(store: Store, folder: Path) -> None:
    for number in range(26):
        gdf(folder, rows_of("NIFTY-I.NFO", TUESDAY, SOME, 1), f"{number:02d}.csv")
    said: list[Event] = []
    assert len(run(store, folder, said=said.append)) == 26
    assert [one.text for one in said if isinstance(one, Notice)] == ["file 25 of 26: 24.csv"]


@pytest.mark.parametrize("name", ["", "a b", "import:", "x" * 41, "a/b"])
def test_a_name_is_one_short_word(name: str) -> None:
    with pytest.raises(ConfigError, match="short word"):
        provider_name(name)
    assert provider_name("GDF-2024") == provider_name("import:gdf-2024") == "import:gdf-2024"
