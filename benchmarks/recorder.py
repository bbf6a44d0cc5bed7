"""
A session recorded as a user records it, `fnolake live` in its own process, and whether what it kept is true: ticks lost by count, every
minute that is called complete against the emulated market's, every minute of the market that is in no live bar and not marked, lag, CPU.
Then the evening: a sync, and whether each recorded contract is final and verified.

    python benchmarks/recorder.py [--contracts 3000] [--cap 500] [--rate 60] [--kills 10] [--drops] [--restarts 2]

With trouble, ticks are lost and are not counted; the minutes must still be exact or marked. Exit 1 if a limit is broken.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from desk import Desk, desk

from fnolake.emulator.config import DEMO_UNDERLYINGS
from fnolake.emulator.minutes import CONTINUOUS
from fnolake.emulator.world import World
from fnolake.lake import open_lake
from fnolake.model import bar_schema
from fnolake.query.live import SCORE, provisional
from fnolake.store.journal import absences

DAY = date(2026, 11, 20)
BEGINS = "09:00:30"
LAG_S, CORES = 1.0, 1.0
SILENCE_S = 2
DOWN_MINUTES = 5
EXCHANGE = {("NSE", "CM"): "NSE", ("NSE", "FO"): "NFO", ("BSE", "CM"): "BSE", ("BSE", "FO"): "BFO"}
VALUES = ["open_paise", "high_paise", "low_paise", "close_paise", "volume"]


class Market:
    """The emulator's clock and its faults."""

    def __init__(self, url: str) -> None:
        self._url = url

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/emulator/{path}", timeout=30) as answer:
            return json.load(answer)

    def post(self, path: str, body: object) -> None:
        request = urllib.request.Request(f"{self._url}/emulator/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()

    def at(self, instant: str, rate: float) -> None:
        self.post("clock", {"set": f"{DAY}T{instant}+05:30", "rate": rate})

    def now(self) -> float:
        return float(self.get("clock")["epoch"])

    def sleep_until(self, epoch: float, rate: float) -> None:
        time.sleep(max((epoch - self.now()) / rate, 0))


class Recorders:
    """The recorder's process, over its lives: what it said, its CPU."""

    def __init__(self, made: Desk) -> None:
        self._desk = made
        self.cpu_s = 0.0
        self.start()

    def start(self) -> None:
        self._ready = threading.Event()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fnolake", "live", "--format", "json"], env=self._desk.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self._said: list[str] = []
        self._reader = threading.Thread(target=self._read, args=(self._process,), daemon=True)
        self._reader.start()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            self._said.append(line.rstrip())
            self._ready.set()

    @property
    def last_line(self) -> str:
        return next((line for line in reversed(self._said) if "ticks" in line), "")

    def wait_ready(self) -> None:
        if not self._ready.wait(60):
            sys.exit("the recorder says nothing")

    def _count_cpu(self) -> None:
        words = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        self.cpu_s += (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    def kill(self) -> None:
        self._count_cpu()
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self.start()

    def end(self) -> dict[str, Any]:
        """Ctrl-C, and what it says of itself."""
        self._count_cpu()
        self._process.send_signal(signal.SIGINT)
        assert self._process.stdout is not None
        out = self._process.stdout.read()
        if self._process.wait(120):
            sys.exit("\n".join(self._said))
        self._reader.join()
        report: dict[str, Any] = json.loads(out)
        return report


@contextmanager
def opened(given: argparse.Namespace) -> Iterator[tuple[Desk, Market]]:
    """A morning: masters taken, as many users signed in as the cap asks for."""
    users = -(-given.contracts // given.cap)
    words = ("--date", DAY.isoformat(), "--time", "08:45", "--rate", "0", "--demo", "--users", str(users), "--socket-cap", str(given.cap), "--limits", "off")
    with desk(*words, limits="off") as made:
        made.env |= {"FNOLAKE_LIVE__STRIKES": "400", "FNOLAKE_LIVE__EXPIRIES": "20", "FNOLAKE_LIVE__SILENCE_S": str(SILENCE_S), "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"}
        for number in range(2, users + 1):
            uid = f"FN{number:04}"
            made.fnolake(
                "account", "add", f"more{number}", "--provider", "shoonya", "--generation", "legacy", "--uid", uid, "--password", "env:FN_PASSWORD",
                "--totp", "env:FN_TOTP", "--vendor-code", f"{uid}_U", "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
            )
            made.fnolake("login", f"more{number}")
        yield made, Market(made.url)


def trouble(given: argparse.Namespace, market: Market, recorders: Recorders) -> None:
    """Until the session ends: whatever was asked for, spread over it."""
    day = epoch_of("09:15")
    length = 385 * 60
    acts: list[tuple[float, str]] = [(day + length * (n + 1) / (given.kills + 1), "kill") for n in range(given.kills)]
    if given.drops:
        acts += [(day + minute * 60, "drop") for minute in range(385)] + [(day + hour * 3600 + 1200, "half-open") for hour in range(6)]
    for n in range(given.restarts):
        begins = day + length * (n + 0.5) / given.restarts
        acts += [(begins, "down"), (begins + DOWN_MINUTES * 60, "up")]
    for when, act in sorted(one for one in acts if one[0] < epoch_of(given.until)):
        market.sleep_until(when, given.rate)
        if act == "kill":
            recorders.kill()
        elif act == "drop":
            market.post("faults", {"fault": "socket_drop", "count": 1})
        elif act == "half-open":
            market.post("faults", {"fault": "half_open_socket", "count": 1})
        else:
            market.post("providers", {"kill" if act == "down" else "revive": "shoonya"})
    market.sleep_until(epoch_of(given.until), given.rate)


def epoch_of(clock: str) -> float:
    return datetime.fromisoformat(f"{DAY}T{clock}+05:30").timestamp()


def run(given: argparse.Namespace) -> int:
    troubled = bool(given.kills or given.drops or given.restarts)
    with opened(given) as (made, market):
        market.at(BEGINS, given.rate)
        recorders, start = Recorders(made), time.monotonic()
        recorders.wait_ready()
        trouble(given, market, recorders)
        took = time.monotonic() - start
        record = market.get("sent")
        report = recorders.end()
        market.at("18:30:00", 0)
        print(f"{recorders.last_line}; {took:.0f} s of wall time at {given.rate:g} x, cap {given.cap}, "
              f"{given.kills} kills, {'a drop a minute and six half-open sockets' if given.drops else 'no drops'}, {given.restarts} restarts of the broker")
        broken = [] if troubled else counted(report, record)
        broken += cost(report, recorders.cpu_s / took, troubled=troubled)
        broken += minutes(Path(made.env["FNOLAKE_LAKE"]), made.env)
        broken += evening(made)
    print("\n".join(f"BROKEN: {each}" for each in broken) or "every limit held")
    return int(bool(broken))


def counted(report: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """Ticks by count: what the recorder made durable against what left the emulator."""
    columns = record["columns"]
    rows = [row for provider in record["providers"].values() for row in provider["contracts"].values()]
    sent = sum(row[columns.index("snapshots")] + row[columns.index("told")] for row in rows)
    heard = report["ticks"] + report["snapshots"]
    print(f"{len(rows):,} contracts, {sent:,} snapshots and prints sent, {heard:,} recorded: {sent - heard} lost (limit 0)")
    return [f"{sent - heard} ticks lost"] if sent != heard else []


def cost(report: dict[str, Any], cores: float, *, troubled: bool) -> list[str]:
    """Lag from the arrival of a tick until it counts (the journal's fsync included), and CPU."""
    worst = report["worst_lag_s"]
    print(f"worst lag from arrival to durable {worst:.2f} s (limit {LAG_S:g}), {cores:.2f} cores (limit {CORES:g}); load {os.getloadavg()[0]:.1f}")
    return [f"{what} over its limit" for what, over in (("lag", worst > LAG_S and not troubled), ("CPU", cores > CORES)) if over]


def minutes(lake: Path, env: dict[str, str]) -> list[str]:
    """Every recorded minute of continuous trading against the market's."""
    with open_lake(lake, environ=env) as opened_lake:
        live = provisional(opened_lake.store, None, [DAY], ["continuous"])
        known = opened_lake.store.instruments(DAY).join(live, on="contract", how="semi")
    true = traded(known).filter(pl.col("ts") <= live["ts"].max())
    claimed = live.filter("complete").select(true.columns)
    equal = claimed.join(true, on=true.columns, how="semi").height
    away = absences(lake / "live" / DAY.isoformat()).with_columns(ts=pl.datetime_ranges("first", "last", "1m")).explode("ts")
    absent = true.join(live, on=["contract", "ts"], how="anti")
    silent = absent.join(away, on=["contract", "ts"], how="anti").height
    marked = live.height - claimed.height + absent.height - silent
    wrong = claimed.height - equal
    print(f"{true.height:,} minutes of {known.height:,} contracts: {equal:,} exact, {marked:,} marked, {wrong} called complete and wrong, "
          f"{silent} neither there nor marked (limits 0)")
    return [f"{count} minutes {what}" for what, count in (("wrong", wrong), ("missing without a mark", silent)) if count]


def traded(known: pl.DataFrame) -> pl.DataFrame:
    """The market's minutes of continuous trading: contract, ts, ``VALUES``."""
    world = World.build(DAY, underlyings=DEMO_UNDERLYINGS)
    parts = []
    for contract, venue, segment, token in known.select("contract", "venue", "segment", "token").iter_rows():
        listing = world.find(EXCHANGE[venue, segment], token, DAY)
        assert listing is not None
        m = world.minutes(listing, DAY)
        values = zip(VALUES, (m.open, m.high, m.low, m.close, m.volume), strict=True)
        parts.append(pl.DataFrame({"contract": np.full(len(m), contract), "ts": m.epoch_s * 1_000_000, **dict(values), "phase": m.phase}))
    rows = pl.concat(parts).filter(pl.col("phase") == CONTINUOUS).drop("phase")
    return rows.cast({"ts": pl.Datetime("us"), **{name: dtype for name, dtype in bar_schema().items() if name in VALUES}}).with_columns(pl.col("ts").dt.replace_time_zone("UTC"))


def evening(made: Desk) -> list[str]:
    """After the sync each recorded contract must be final and verified; what live bars said of it is the score."""
    took, _ = made.fnolake("sync", "--session", DAY.isoformat(), allow=(0, 3, 4))
    lake = Path(made.env["FNOLAKE_LAKE"])
    with open_lake(lake, environ=made.env) as opened_lake:
        store = opened_lake.store
        score = opened_lake.live_score(DAY)
        recorded = pl.concat([pl.read_parquet(path, columns=["contract"]) for path in (lake / "live" / DAY.isoformat()).glob("minutes-*.parquet")]).unique()
        rows = recorded.join(store.coverage([DAY]), on="contract", how="left").join(store.instruments(DAY).select("contract", "kind", "is_index"), on="contract")
        left = provisional(store, None, [DAY])["contract"].n_unique()
    indices = pl.col("is_index") & (pl.col("kind") == "spot")
    verified = rows.filter(pl.col("proof") == "verified").height
    unproven = rows.filter(pl.col("proof") != "verified", ~indices)
    said = ", ".join(f"{name} {score[name].sum():,}" for name in SCORE if name not in {"session", "symbol"})
    print(f"evening: sync in {took:.0f} s; of {rows.height:,} recorded contracts {verified:,} verified, {rows.filter(indices).height} index spots (in no file), "
          f"{unproven.height} not, {left} still provisional (limits 0)\nlive against final, minutes: {said}")
    return [f"{count} {what}" for what, count in (("contracts not verified", unproven.height), ("contracts still provisional", left)) if count]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contracts", type=int, default=3000)
    parser.add_argument("--cap", type=int, default=500)
    parser.add_argument("--rate", type=float, default=60)
    parser.add_argument("--until", default="16:02", help="end of the recording, IST; the whole session by default")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--drops", action="store_true", help="a socket drops every emulated minute, six go silent")
    parser.add_argument("--restarts", type=int, default=0, help=f"of the broker, {DOWN_MINUTES} emulated minutes each")
    return run(parser.parse_args())


if __name__ == "__main__":
    raise SystemExit(main())
