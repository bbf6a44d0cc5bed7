"""
Months of emulated evenings under random faults, and at the end every contract-session against the truth.

``python -m tests.scenario.soak --help``; ``scripts/soak`` runs the whole form. The lake's claims are held against what the
emulator says happened and against the bars that are really stored, never against the lake's own word.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time as stopwatch
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path

import polars as pl
from tests.scenario.conftest import Desk, Emulator, started
from tests.scenario.soak_reasons import judged

from fnolake.emulator.universe_data import NOT_IN_MASTER
from fnolake.errors import FnolakeError
from fnolake.lake import Lake, open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import IST, Selection

TWENTY = (
    "NIFTY", "BANKNIFTY", "FINNIFTY", "NIFTYNXT50", "SENSEX", "BANKEX", "RELIANCE", "TCS", "INFY", "M&M", "BAJAJ-AUTO", "SBIN", "ITC",
    "VEDL", "TRENT", "HDFCBANK", "PAGEIND", "NAM-INDIA", "SUZLON", "INDIANB", "MARUTI",
)
AGAIN = timedelta(minutes=10)
EXCHANGE_OF = {("NSE", "CM"): "NSE", ("NSE", "FO"): "NFO", ("BSE", "CM"): "BSE", ("BSE", "FO"): "BFO"}


@dataclass(frozen=True)
class Soak:
    """What to run: the sessions of a span, some underlyings, a share of requests with a fault, sessions looked back at and syncs at most each evening."""

    first: date
    last: date
    underlyings: Sequence[str] = TWENTY
    rate: float = 0.02
    seed: int = 1
    look_back: int = 3
    runs: int = 30
    recycle: bool = False
    events: Path | None = None
    away: tuple[date, date] | None = None

    @property
    def sessions(self) -> list[date]:
        """Every session of the span, but for those (first, last) on which nobody was at the desk."""
        gone = self.away or (date.max, date.max)
        return [day for day in Calendar.bundled().sessions(self.first, self.last) if not gone[0] <= day <= gone[1]]


@dataclass
class Result:
    """What came of it: a row a contract-session (see ``judged``), and what it took."""

    rows: pl.DataFrame
    faults: Counter[str]
    requests: int
    seconds: float
    memory_mb: float
    stops: Counter[str] = field(default_factory=Counter)

    @property
    def traded(self) -> pl.DataFrame:
        return self.rows.filter("traded")

    @property
    def verified(self) -> pl.DataFrame:
        return self.traded.filter(pl.col("proof") == "verified")

    @property
    def false_verified(self) -> pl.DataFrame:
        """Called verified, and yet not what happened; or verified where nothing was traded."""
        return self.rows.filter((pl.col("proof") == "verified") & ~(pl.col("exact") & pl.col("traded")))

    @property
    def unexplained(self) -> pl.DataFrame:
        """Traded, not verified, and without a reason that is true."""
        return self.traded.filter((pl.col("proof") != "verified") & ~pl.col("reason_true"))

    def lines(self) -> list[str]:
        """The table for a person."""
        reasons = self.traded.group_by("status", "proof", "why").agg(sessions=pl.len(), true=pl.col("reason_true").sum()).sort("sessions", descending=True)
        text = [
            f"{self.traded.height:,} traded contract-sessions: {self.verified.height:,} verified, {len(self.false_verified)} of them false",
            f"{len(self.unexplained)} not verified without a true reason; {self.rows.height - self.traded.height:,} untraded",
            f"{self.requests:,} requests, {self.faults.total():,} with a fault; {self.seconds:,.0f} s, at most {self.memory_mb:,.0f} MB",
            "faults: " + ", ".join(f"{name} {n:,}" for name, n in self.faults.most_common()),
            *([f"stopped: {why} ({n} times)" for why, n in self.stops.most_common()]),
            f"{'status':<14}{'proof':<12}{'sessions':>9}{'true':>9}  why",
        ]
        return text + [f"{status:<14}{proof or '-':<12}{n:>9,}{true:>9,}  {why}" for status, proof, why, n, true in reasons.iter_rows()]


def run(soak: Soak, folder: Path, tell: Callable[[str], None] = lambda _line: None) -> Result:
    """Every evening at 18:30: masters, files, capture, publish; and one more evening after the last session."""
    begun = stopwatch.monotonic()
    words = [
        "--date", soak.sessions[0].isoformat(), "--underlyings", ",".join(soak.underlyings), "--limits", "off", "--rate", "0",
        "--fault-rate", str(soak.rate), "--fault-seed", str(soak.seed), *(["--recycle-tokens"] if soak.recycle else []),
        *(["--events", str(soak.events)] if soak.events else []),
    ]
    with started(*words) as emulator:
        desk = Desk(folder / "lake", emulator.url, {"FNOLAKE_HTTP__READ_S": "5"})
        _signed_in(desk)
        stops: Counter[str] = Counter()
        stopped: set[date] = set()
        for day, window in _evenings(soak):
            early = _evening(emulator, desk, day, window, soak.runs, tell)
            stops += early
            stopped |= {*window} if early else set()
        asked = json.loads(json.dumps(emulator.get("/emulator/asked?log=0")))
        with open_lake(desk.lake, write=False, environ=desk.environment()) as lake:
            rows = compared(lake, emulator, soak.sessions, stopped)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        struck = Counter(one["fault"] for one in _log(emulator))
    return Result(rows, struck, sum(asked["routes"].values()), stopwatch.monotonic() - begun, memory, stops)


def _evenings(soak: Soak) -> Iterator[tuple[date, Sequence[date]]]:
    """Each evening with the sessions it looks at; the last sessions are looked at once more the evening after."""
    for number, day in enumerate(soak.sessions):
        yield day, soak.sessions[max(number - soak.look_back, 0):number + 1]
    if soak.look_back:
        yield soak.sessions[-1] + timedelta(days=1), soak.sessions[-soak.look_back:]


def _signed_in(desk: Desk) -> None:
    """Set up and sign in, as often as the faults make it necessary."""
    tries: list[Callable[[], object]] = [desk.sign_in, *[lambda: desk.run("login", "demo")] * 7]
    for sign_in in tries:
        try:
            sign_in()
        except AssertionError:
            continue
        return
    raise AssertionError("no sign-in in eight tries")


def _evening(emulator: Emulator, desk: Desk, day: date, window: Sequence[date], runs: int, tell: Callable[[str], None]) -> Counter[str]:
    """One evening's syncs: again ten minutes later while one ended early or something failed, as an unattended desk would."""
    evening = datetime.combine(day, time(18, 30), IST)
    stops: Counter[str] = Counter()
    for number in range(runs):
        emulator.post("/emulator/clock", {"set": (evening + number * AGAIN).isoformat()})
        with open_lake(desk.lake, write=True, environ=desk.environment()) as lake:
            try:
                report = lake.sync(Selection(start=window[0], end=window[-1]))
            except FnolakeError as error:
                stops[f"{type(error).__name__}: {str(error)[:90]}"] += 1
                continue
        tell(f"{day} {report.requests:,} requests, {report.seconds:.1f} s, {report.gaps} gaps, {report.verified:,} of {report.listed:,} verified {report.stopped}")
        if report.stopped:
            stops[report.stopped[:100]] += 1
        elif not report.gaps or not report.requests:
            break
    return stops


def compared(lake: Lake, emulator: Emulator, sessions: Sequence[date], stopped: Collection[date]) -> pl.DataFrame:
    """
    One row a contract-session that was alive by the truth: the truth, the claim, what is stored, and whether the reason is true.

    An index that stands in no master and in no file of the exchange is listed nowhere, so nobody can want it.
    """
    faults = _log(emulator)
    store = lake.store
    files = store.exchange_days()
    parts = []
    for day in sessions:
        said = emulator.get(f"/emulator/truth?session={day}")
        truth = pl.DataFrame(said["rows"], schema=list(map(str, said["columns"])), orient="row", infer_schema_length=None)
        venues = {exchange: key for key, exchange in EXCHANGE_OF.items()}
        truth = truth.with_columns(
            session=pl.lit(day), venue=pl.col("exchange").replace_strict({e: k[0] for e, k in venues.items()}),
            segment=pl.col("exchange").replace_strict({e: k[1] for e, k in venues.items()}),
        )
        known = store.instruments(day).select(
            "contract", "venue", "segment", "token", "is_index", known_as=pl.concat_str(
                "underlying", "kind", pl.col("expiry").cast(pl.String).fill_null(""), pl.col("strike_paise").fill_null(0), pl.col("right").fill_null("")),
        )
        claims = _claims(lake, day)
        joined = truth.join(known, on=["venue", "segment", "token"], how="left").join(claims, on="contract", how="left")
        parts.append(joined.with_columns(
            true_name=pl.concat_str("underlying", "kind", "expiry", pl.col("strike_paise").fill_null(0), pl.col("right").fill_null("")),
            has_file=pl.struct("venue", "segment").map_elements(lambda at, day=day: (at["venue"], at["segment"], day) in files, pl.Boolean),
        ))
    rows = pl.concat(parts, how="diagonal_relaxed")
    no_file_names_it = (pl.col("kind") == "spot") & pl.col("underlying").is_in(sorted(NOT_IN_MASTER)) & pl.col("contract").is_null()
    return judged(rows.filter(~no_file_names_it), faults, stopped)


def _claims(lake: Lake, day: date) -> pl.DataFrame:
    """What the lake says of each contract of a session, and what it really stores."""
    store = lake.store
    claimed = store.coverage([day]).select("contract", "outcome", "proof", "reasons", "attempt")
    tried = store.attempts([day]).select("attempt", "proof_reasons", "findings")
    bars = store.bars(None, [day]).sort("contract", "ts").group_by("contract").agg(
        have_bars=pl.len(), have_volume=pl.col("volume").sum(), have_high=pl.col("high_paise").max(), have_low=pl.col("low_paise").min(),
        have_last=pl.col("close_paise").last(),
    ).collect()
    return claimed.join(tried, on="attempt", how="left").join(bars, on="contract", how="full", coalesce=True)


def _log(emulator: Emulator) -> list[dict[str, str]]:
    found = emulator.get("/emulator/faults?log=1")["log"]
    assert isinstance(found, list)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, print the table; 1 if the lake claims what is not so."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    add = parser.add_argument
    add("--from", dest="first", type=date.fromisoformat, default=date(2026, 7, 1))
    add("--to", dest="last", type=date.fromisoformat, default=date(2026, 9, 30))
    add("--underlyings", default=",".join(TWENTY))
    add("--rate", type=float, default=0.02, help="share of requests with a fault")
    add("--seed", type=int, default=1)
    add("--look-back", type=int, default=Soak.look_back, help="sessions that each evening looks back at")
    add("--runs", type=int, default=Soak.runs, help="syncs an evening at most")
    add("--recycle-tokens", action="store_true")
    add("--events", type=Path, help="JSON file with what happens to contracts, see fnolake.emulator.events")
    add("--out", type=Path, help="write every contract-session here, as Parquet")
    given = parser.parse_args(arguments)
    soak = Soak(given.first, given.last, tuple(given.underlyings.split(",")), given.rate, given.seed, given.look_back, given.runs, given.recycle_tokens, given.events)
    with tempfile.TemporaryDirectory() as folder:
        result = run(soak, Path(folder), lambda line: print(line, file=sys.stderr, flush=True))
    print("\n".join(result.lines()))
    if given.out:
        result.rows.write_parquet(given.out)
    return int(bool(len(result.false_verified) or len(result.unexplained)))


if __name__ == "__main__":
    raise SystemExit(main())
