"""A lake that is a fake: it remembers how it was asked and answers with fixed values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from fnolake.cli.app import build_app
from fnolake.lake import Kept
from fnolake.model import Notice, PageDone, SyncStarted
from fnolake.sync.exchange_round import Taken
from fnolake.sync.plan import Plan
from fnolake.sync.report import SyncReport
from fnolake.sync.status import AccountStatus, Check, Status

FRIDAY = date(2026, 11, 20)
BARS = pl.DataFrame({
    "ts": [datetime(2026, 11, 20, 3, 45, tzinfo=UTC), datetime(2026, 11, 20, 3, 46, tzinfo=UTC)],
    "symbol": ["TCS-EQ", "TCS-EQ"], "close": [3100.5, 3101.0], "volume": [1200, None],
}).with_columns(pl.col("ts").dt.convert_time_zone("Asia/Kolkata"))
COVERAGE = pl.DataFrame({
    "underlying": ["TCS", "TCS", "NIFTY"], "kind": ["spot", "option", "option"], "session": [FRIDAY] * 3,
    "wanted": [1, 200, 1000], "covered": [1, 100, 1000], "complete": [1, 60, 400], "verified": [1, 60, 400],
})
PLAN_ROWS = pl.DataFrame({
    "contract": [7], "symbol": ["TCS23NOV26F"], "sessions": [[date(2026, 11, 19), FRIDAY]], "expected_rows": [770.0],
    "deadline": [date(2026, 11, 23)], "expired": [False], "repair": [""], "last_account": [""],
})
RISK = pl.DataFrame({"deadline": [date(2026, 11, 23)], "contract_sessions": [40], "requests": [20], "lost": [7]})


SUMMARY = pl.DataFrame({"provider": ["firstock", "shoonya"], "compared": [12, 12], "agreed": [11, 11], "clipped_extremes": [1, 0]})
DIFFERENCES = pl.DataFrame({"symbol": ["TCS23NOV26F"], "field": ["high"], "finding": ["clipped_high"], "size": [-4.35]})


@dataclass
class FakeLake:
    """Answers with what it was given; ``fails`` is raised by whatever is asked first."""

    asked: list[tuple[str, Any]] = field(default_factory=list)
    written: bool = False
    fails: BaseException | None = None
    report: SyncReport = field(default_factory=lambda: SyncReport(outcomes={"complete": 2}, bars=770, requests=2, seconds=1.0, listed=2, covered=2))
    status_value: Status = field(default_factory=lambda: Status(
        path=Path("/lake"), accounts=(AccountStatus("demo", "shoonya", "oauth", True, datetime(2026, 11, 21, 0, 30, tzinfo=UTC), 200, 60),),
        last_session=FRIDAY, counts={"listed": 1201, "traded": 461, "captured": 461, "verified": 460, "gaps": 100},
        gaps_by_reason={"missing": 90, "failed: doubtful_empty": 10}, lost_next="4 contract-sessions are lost", disk_bytes=18_200_000,
        disk_days=900, bars=1_234_567, next_command="fnolake sync", sessions=5, contracts=1201,
    ))
    accounts_asked: list[str] = field(default_factory=list)
    checks: list[Check] = field(default_factory=lambda: [Check("clock", ok=True, detail="in step")])

    differs: bool = True

    def compare(self, *given: Any, summary: bool = False) -> pl.DataFrame:
        self.note("compare", given)
        return SUMMARY if summary else DIFFERENCES if self.differs else DIFFERENCES.clear()

    def note(self, name: str, value: Any) -> None:
        self.asked.append((name, value))
        if self.fails:
            raise self.fails

    def status(self) -> Status:
        self.note("status", None)
        return self.status_value

    def accounts(self) -> tuple[AccountStatus, ...]:
        return self.status_value.accounts

    def coverage(self, **how: Any) -> pl.DataFrame:
        self.note("coverage", how)
        return COVERAGE

    def gaps(self, **how: Any) -> pl.DataFrame:
        self.note("gaps", how)
        return pl.DataFrame(schema={"symbol": pl.String, "session": pl.Date})

    def at_risk(self, start: date | None, end: date | None, names: tuple[str, ...], kinds: tuple[str, ...]) -> pl.DataFrame:
        self.note("at_risk", (start, end, names, kinds))
        return RISK

    def bars(self, symbol: str, **how: Any) -> pl.DataFrame:
        self.note("bars", (symbol, how))
        return BARS

    def instruments(self, **how: Any) -> pl.DataFrame:
        self.note("instruments", how)
        return pl.DataFrame({"symbol": ["TCS23NOV26C312.5"], "strike": [312.5], "lot": [1], "token": [45161]})

    def instrument_history(self, symbol: str) -> pl.DataFrame:
        self.note("history", symbol)
        return pl.DataFrame({"day": [FRIDAY], "event": ["amended"], "what": ["lot"], "before": ["175"], "after": ["200"]})

    def plan(self, selection: Any) -> Plan:
        self.note("plan", selection)
        return Plan(PLAN_ROWS)

    def upkeep(self, **how: Any) -> Kept:
        self.note("upkeep", how)
        return Kept(("12 files are whole",))

    def take_files(self, paths: Any) -> list[Taken]:
        self.note("take", paths)
        return [Taken(path, refused="a web page") if path.name == "page.csv" else Taken(path, "NSE CM of 2026-11-20", 7) for path in paths]

    async def async_take_masters(self, on_event: Callable[[Any], None]) -> list[dict[str, object]]:
        self.note("masters", None)
        on_event(Notice("info", "taking NFO"))
        return [{"exchange": "NFO", "rows": 3, "new": 1}]

    async def async_sync(self, selection: Any, on_event: Callable[[Any], None], stop: Any, accounts: Any = ()) -> SyncReport:
        self.note("sync", selection)
        self.accounts_asked = list(accounts)
        on_event(SyncStarted(1, 2, 2))
        for _ in range(2):
            on_event(PageDone("TCS-EQ", "demo", "answered", 1, 385))
        for text in self.report.notices:
            on_event(Notice("warning", text))
        return self.report

    async def async_login(self, name: str | None = None, **how: Any) -> str:
        self.note("login", (name, {key: value for key, value in how.items() if key in {"code", "token_ref", "open_browser"}}))
        how["on_address"]("https://broker.example/authorize")
        return name or "demo"

    async def async_logout(self, name: str | None = None) -> str:
        self.note("logout", name)
        return name or "demo"

    async def async_doctor(self) -> list[Check]:
        self.note("doctor", None)
        return self.checks


@dataclass
class Terminal:
    """Runs command lines against one fake lake in one folder."""

    folder: Path
    lake: FakeLake = field(default_factory=FakeLake)

    @contextmanager
    def open_lake(self, path: Path, *, write: bool = False, lost: bool = False) -> Iterator[FakeLake]:
        assert path == self.folder
        self.lake.written = write
        yield self.lake

    def __call__(self, *words: str, typed: str | None = None) -> Result:
        app = build_app(self.open_lake)
        return CliRunner(env={"FNOLAKE_LAKE": str(self.folder), "NO_COLOR": "1"}).invoke(app, list(words), input=typed)


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    (tmp_path / "ledger.sqlite").touch()  # a lake whose settings are the defaults
    return Terminal(tmp_path)
