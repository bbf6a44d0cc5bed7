"""The queries of the design's figures, in one run: fnolake, DuckDB's own file, SQLite, CSV per symbol and ArcticDB holding the same rows."""

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from datetime import time as day_time
from pathlib import Path

import polars as pl
from peers import market
from peers.arctic import Arctic
from peers.asked import BARS, LAST, SO_FAR, Engine, Question, same
from peers.csvs import Csvs
from peers.duck import DuckFile
from peers.lite import Lite
from peers.ours import Ours

from fnolake.errors import GapWarning
from fnolake.model import IST
from fnolake.store.store import Store

ENGINES: tuple[type[Engine], ...] = (Ours, DuckFile, Lite, Csvs, Arctic)
QUERIES = {
    "chain": ("chain at a minute", LAST, 50), "so_far": ("chain with volume so far", SO_FAR, 50), "whole": ("a contract's every session", BARS, 100),
    "last": ("last bar of every contract", LAST, 200), "day": ("an underlying's session", BARS, None),
}
"""Heading, columns compared, and the limit in ms where the design has one."""

ENOUGH_S = 6.0
"""An engine whose answer takes longer is asked that question fewer times."""


def main() -> None:
    warnings.simplefilter("ignore", GapWarning)
    given = arguments()
    with kept(given.folder) as folder:
        lake = folder / "lake"
        sessions, bars, bytes_a_bar = filled_lake(folder, lake, given.sessions, given.bars)
        chosen = [engine for engine in ENGINES if engine is Ours or not given.engines or engine.name.split()[0].lower() in given.engines]
        engines = [made(engine, folder, lake) for engine in chosen]
        question = asked_of(lake)
        print(f"{sessions} sessions, {bars:,} bars, {bars / sessions:,.0f} a session; {market.contracts(lake).height:,} contracts traded\n"
              f"asked: {question.underlying} options of {question.expiry} at {question.at.astimezone(IST):%Y-%m-%d %H:%M}; every bar of {question.symbol}; "
              f"the session {question.session}\n", flush=True)
        results = measured(engines, question, given.times)
        print("\n".join(report(results, engines, bars, bytes_a_bar)), flush=True)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=20)
    parser.add_argument("--bars", type=int, default=2_000_000, help="bars a session")
    parser.add_argument("--times", type=int, default=9, help="how often each question is asked when warm")
    parser.add_argument("--folder", type=Path, help="keep what is filled here, and use it again")
    parser.add_argument("--engines", nargs="*", default=[], help="first words of the peers' names; all by default")
    return parser.parse_args()


def kept(folder: Path | None):
    if folder is None:
        held = tempfile.TemporaryDirectory(prefix="fnolake-queries-")
        return _Opened(Path(held.name), held.cleanup)
    folder.mkdir(parents=True, exist_ok=True)
    return _Opened(folder, lambda: None)


class _Opened:
    def __init__(self, folder: Path, end: Callable[[], None]) -> None:
        self.folder, self.end = folder, end

    def __enter__(self) -> Path:
        return self.folder

    def __exit__(self, *_: object) -> None:
        self.end()


def apart(work: Callable[..., object], *given: object) -> tuple[float, float]:
    """Run in a process of its own: seconds, and its memory in MB."""
    context = multiprocessing.get_context("spawn")
    ear, mouth = context.Pipe(duplex=False)
    process = context.Process(target=_told, args=(mouth, work, given))
    process.start()
    process.join()
    assert process.exitcode == 0, f"{work} failed"
    return ear.recv()


def _told(mouth, work: Callable[..., object], given: tuple[object, ...]) -> None:
    start = time.perf_counter()
    said = work(*given)
    took = said if isinstance(said, float) else time.perf_counter() - start
    mouth.send((took, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def once(marker: Path, work: Callable[..., object], *given: object) -> dict[str, float]:
    """Fill, unless the marker says that it was; the marker's words."""
    if not marker.exists():
        took, memory = apart(work, *given)
        marker.write_text(json.dumps({"seconds": took, "memory_mb": memory}))
        print(f"filled {marker.parent.name} in {took:,.0f} s, {memory:,.0f} MB at most", flush=True)
    return json.loads(marker.read_text())


def filled_lake(folder: Path, lake: Path, sessions: int, bars: int) -> tuple[int, int, float]:
    once(folder / "lake.json", market.fill, lake, sessions, bars)
    with Store.open(lake, write=False) as store:
        counts = store.counts()
        return len(store.sessions()), counts["published_bars"], counts["published_bytes"] / counts["published_bars"]


def made(kind: type[Engine], folder: Path, lake: Path) -> Engine:
    own = folder / kind.name.replace(" ", "-").lower()
    own.mkdir(exist_ok=True)
    engine = kind(own, lake)
    engine.filled = {} if kind is Ours else once(own / "filled.json", engine.fill)
    return engine


def asked_of(lake: Path) -> Question:
    """The busiest underlying's nearest expiry at 11:05 of the last session, and its option with the most bars in all."""
    with Store.open(lake, write=False) as store:
        session = store.sessions()[-1]
        facts = store.instruments().select("contract", "symbol", "underlying", "kind", "expiry")
        sizes = store.coverage().join(facts, on="contract")
        busiest = sizes.filter((pl.col("session") == session) & (pl.col("kind") == "option")).group_by("underlying").agg(pl.sum("bars")).sort("bars")["underlying"][-1]
        options = sizes.filter((pl.col("underlying") == busiest) & (pl.col("kind") == "option"))
        expiry = options.filter(pl.col("session") == session)["expiry"].min()
        contract, symbol = options.group_by("contract", "symbol").agg(pl.sum("bars")).sort("bars", "contract").select("contract", "symbol").row(-1)
    return Question(busiest, expiry, session, datetime.combine(session, day_time(11, 5), IST).astimezone(UTC),
                    *(datetime.combine(session + timedelta(days), day_time(0), IST).astimezone(UTC) for days in (0, 1)), contract, symbol)


def measured(engines: list[Engine], question: Question, times: int) -> pl.DataFrame:
    """engine, query, cold and warm in ms: each question asked of every engine in turn, round after round, so that all see the same machine."""
    cold, warm = {}, {}
    for query, (_, columns, _) in QUERIES.items():
        truth = None
        for engine in engines:
            forget(engine.lake if isinstance(engine, Ours) else engine.folder)
            engine.open()
            cold[engine.name, query], answer = timed(engine, query, question)
            found = same(engine.plain(answer, columns) if isinstance(engine, Ours) else answer, columns)
            truth = found if truth is None else truth
            assert found.equals(truth), f"{engine.name} answers {query} otherwise: {found} {truth}"
        spent = {engine.name: [timed(engine, query, question)[0]] for engine in engines if cold[engine.name, query] < 5 * ENOUGH_S * 1000}
        for _ in range(times):
            for engine in engines:
                if sum(spent.get(engine.name, [1e9])) < ENOUGH_S * 1000:
                    spent[engine.name].append(timed(engine, query, question)[0])
        for engine in engines:
            each = spent.get(engine.name, [cold[engine.name, query]])
            warm[engine.name, query] = statistics.median(each[1:] or each)
            engine.close()
        print(f"{query}: {truth.height:,} rows, every engine the same", flush=True)
    return pl.DataFrame([(*key, cold[key], warm[key]) for key in warm], schema=["engine", "query", "cold", "warm"], orient="row")


def timed(engine: Engine, query: str, question: Question) -> tuple[float, pl.DataFrame]:
    start = time.perf_counter()
    answer = getattr(engine, query)(question)
    return (time.perf_counter() - start) * 1000, answer


def forget(folder: Path) -> None:
    """Ask the system to drop a folder's pages from its cache, so that the next reader starts at the disk."""
    for path in folder.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)


def report(results: pl.DataFrame, engines: list[Engine], bars: int, ours: float) -> Iterator[str]:
    """Times of each, how many times ours they are, and what a bar takes on disk and in filling."""
    yield f"\n{'ms (times fnolake)':<30}" + "".join(f"{engine.name:>26}" for engine in engines)
    for temperature in ("warm", "cold"):
        value = {(engine, query): ms for engine, query, ms in results.select("engine", "query", temperature).iter_rows()}
        for query, (heading, _, limit) in QUERIES.items():
            base = value["fnolake", query]
            cells = "".join(f"{value[engine.name, query]:>16,.1f} {'(' + format(value[engine.name, query] / base, ',.2f') + ')':>9}" for engine in engines)
            yield f"{heading[:24]:<25}{temperature:<5}{cells}" + (f"   limit {limit} ms" if limit and temperature == "warm" else "")
    sizes = [ours if isinstance(engine, Ours) else engine.bytes() / bars for engine in engines]
    yield f"{'bytes a bar':<30}" + "".join(f"{size:>16,.1f} {'(' + format(size / ours, ',.2f') + ')':>9}" for size in sizes)
    yield f"{'seconds to fill':<30}" + "".join(f"{engine.filled.get('seconds', 0) or _lake_seconds(engine):>16,.0f} {'':>9}" for engine in engines)


def _lake_seconds(engine: Engine) -> float:
    return json.loads((engine.lake.parent / "lake.json").read_text())["seconds"]


if __name__ == "__main__":
    main()
