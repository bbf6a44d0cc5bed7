"""
A week kept by ``fnolake run`` alone: a special session, a holiday, a morning on which nobody can sign in, a monthly expiry, and the
recorder on. ``python -m tests.scenario.week --help``; ``scripts/week`` records every session of it.

What the daemon does not record passes in jumps of the emulated clock; a recorded session runs from its pre-open to its close.
"""

from __future__ import annotations

import argparse
import json
import re
import signal
import subprocess
import sys
import tempfile
import time as stopwatch
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Event, Thread, Timer

import polars as pl
from tests.scenario.conftest import Desk, Emulator, started

from fnolake.lake import open_lake
from fnolake.market.calendar import Calendar
from fnolake.model import IST
from fnolake.sync.day import EVENING

BEFORE, SPECIAL, HOLIDAY, ALONE, EXPIRY = (date(2025, 10, day) for day in (17, 21, 22, 23, 28))
"""The evening it begins with; Muhurat trading; the day after it; the morning without login; everything monthly of NSE expires."""
AHEAD = re.compile(r"(?:at|until) \w{3} (\d\d) (\w{3}) (\d\d):(\d\d)")
ASKS = "fnolake: sign in "
LONGEST_S = 300


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime.combine(day, time(hour, minute), IST)


def set_clock(emulator: Emulator, instant: datetime, rate: float = 0) -> None:
    emulator.post("/emulator/clock", {"set": instant.isoformat(), "rate": rate})


def ahead_of(line: str) -> datetime | None:
    """The instant that a state line waits for."""
    found = AHEAD.search(line)
    if not found or line.startswith(" "):
        return None
    return datetime.strptime(f"{line[:4]} {found[1]} {found[2]} {found[3]}:{found[4]}", "%Y %d %b %H:%M").replace(tzinfo=IST)


@contextmanager
def running(desk: Desk, longest_s: float = LONGEST_S, **env: str) -> Iterator[subprocess.Popen[str]]:
    """A daemon, killed if it hangs and at the end."""
    process = desk.start("run", env=env)
    guard = Timer(longest_s, process.kill)
    guard.start()
    try:
        yield process
    finally:
        guard.cancel()
        process.kill()
        process.communicate()


def states(lines: Sequence[str], day: date) -> list[str]:
    """The steps of a session as they were told, repeats of one that waited for its file left out."""
    found = [line[18:].split(" of ")[0] for line in lines if f" of {day}" in line and ";" not in line and " again at " not in line and line[:1] == "2"]
    return list(dict.fromkeys(found))


@contextmanager
def hook() -> Iterator[tuple[str, list[str], Event]]:
    """A web hook that takes alerts: its address, as apprise has it, the titles that arrived, and whether one asks to sign in."""
    titles: list[str] = []
    asked = Event()

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            titles.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["title"])
            if ASKS in titles[-1]:
                asked.set()
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    with HTTPServer(("127.0.0.1", 0), Hook) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"json://127.0.0.1:{server.server_port}/alerts", titles, asked
        finally:
            server.shutdown()


@dataclass
class Week:
    """What came of it: the daemon's lines, exit codes of certificates in force by session, the recorder's score (``query.live.SCORE``), alerts."""

    lines: list[str] = field(default_factory=list)
    certified: dict[date, int] = field(default_factory=dict)
    score: pl.DataFrame = field(default_factory=pl.DataFrame)
    gaps: int = 0
    alerts: list[str] = field(default_factory=list)

    @property
    def sessions(self) -> list[date]:
        return Calendar.bundled().sessions(BEFORE, EXPIRY)

    def wrong(self) -> list[str]:
        """Whatever is not as it must be, in words."""
        found = [f"{day}: certificate {self.certified.get(day, 'missing')}" for day in self.sessions if self.certified.get(day) != 0]
        for day in self.sessions:
            opening = [] if day == BEFORE else ["pre-open", "needs login for pre-open", "live"] if day == ALONE else ["pre-open", "live"]
            if states(self.lines, day) != [*opening, *EVENING]:
                found.append(f"{day}: went through {states(self.lines, day)}")
        found += [f"{HOLIDAY} came up"] if states(self.lines, HOLIDAY) else []
        found += [f"{self.gaps} gaps"] if self.gaps else []
        certified = [title for title in self.alerts if "signed off" in title]
        asked = [title for title in self.alerts if ASKS in title]
        if len(asked) != 1 or len(certified) != len(self.sessions) or len(self.alerts) != len(asked) + len(certified):
            found.append(f"alerts: {self.alerts}")
        for name in ("differs", "extra", "missing"):
            rows = self.score.filter(pl.col(name) > 0)
            found += [f"{session} {symbol}: {count} live minutes {name}" for session, symbol, count in rows.select("session", "symbol", name).rows()]
        return found


def run(folder: Path, underlyings: str, recorded: Collection[date], rate: float) -> Week:
    """
    Run it.

    Args:
        folder: Where the lake comes to lie.
        underlyings: Of the market, comma-separated.
        recorded: Sessions that run from pre-open to close.
        rate: Emulated seconds a second while they do.
    """
    words = ("--underlyings", underlyings, "--limits", "off", "--rate", "0", "--date", str(BEFORE), "--socket-cap", "500")
    with started(*words) as emulator, hook() as (address, alerts, asked):
        desk = Desk(folder / "lake", emulator.url, {"FNOLAKE_LIVE__STRIKES": "5", "HOOK": address})
        desk.sign_in()
        with (desk.lake / "lake.toml").open("a", encoding="utf-8") as settings:
            settings.write('\n[alerts]\nto = ["env:HOOK"]\non = ["login_needed", "at_risk", "failed_proof", "disk_low", "certificate"]\n')
        week = Week()
        with running(desk, LONGEST_S + len(recorded) * 420 * 60 / rate, FN_PASSWORD="") as process:
            for line in told(process, emulator, recorded, rate):
                week.lines.append(line)
                if "pre-open of 2025-10-23 at" in line:
                    emulator.post("/emulator/signins", {"revoke": "FN0001"})
                elif "needs login" in line:
                    asked.wait(LONGEST_S)
                    set_clock(emulator, at(ALONE, 9, 40), rate if ALONE in recorded else 0)
                    desk.run("login", "demo")
            process.send_signal(signal.SIGTERM)
            if process.wait(LONGEST_S):
                week.lines.append(f"exit {process.returncode}")
        with open_lake(desk.lake, environ=desk.environment()) as lake:
            week.certified = {one.session: one.exit_code for one in lake.store.certificates_in_force()}
            week.score = pl.concat(lake.live_score(day) for day in week.sessions)
            week.gaps = lake.gaps(BEFORE, EXPIRY).height
            week.alerts = alerts
    return week


def told(process: subprocess.Popen[str], emulator: Emulator, recorded: Collection[date], rate: float) -> Iterator[str]:
    """Its lines, the emulated clock brought to what each waits for, until it waits for the day after."""
    assert process.stderr is not None
    for line in process.stderr:
        yield line.rstrip("\n")
        ahead = ahead_of(line)
        if ahead is None:
            continue
        if ahead > at(EXPIRY, 23):
            return
        day = ahead.date()
        if not (line[18:].startswith("live of") and day in recorded):
            set_clock(emulator, ahead, rate if " live of" in line and day in recorded else 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--underlyings", default="TCS,NIFTY")
    parser.add_argument("--rate", type=float, default=60)
    given = parser.parse_args()
    start = stopwatch.monotonic()
    with tempfile.TemporaryDirectory(prefix="fnolake-week-") as folder:
        week = run(Path(folder), given.underlyings, Calendar.bundled().sessions(SPECIAL, EXPIRY), given.rate)
    print("\n".join(week.lines))
    sums = week.score.group_by("session", maintain_order=True).agg(pl.col("symbol").len().alias("contracts"), pl.col(pl.Int64).sum()).sort("session")
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=160, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
        print(f"\nLive minutes against final ones:\n{sums}")
    print("Alerts:", *week.alerts, sep="\n  ")
    print(f"{len(week.certified)} certificates, {week.gaps} gaps, {len(week.lines)} lines of the day, {stopwatch.monotonic() - start:,.0f} s")
    wrong = week.wrong()
    print("\n".join(wrong) or "Nothing is wrong.")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
