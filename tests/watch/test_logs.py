"""Log lines: time in IST, level, name and typed fields; a file a day; a lost log stops nothing."""

from __future__ import annotations

import json
import stat
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fnolake.config import LogSettings
from fnolake.errors import ConfigError, ProviderError
from fnolake.model import AccountSeen, BatchCommitted, Event, LiveSeen, Notice, PageDone, SyncStarted
from fnolake.watch.logfile import LogFile
from fnolake.watch.logs import Log, Teller, open_log
from fnolake.watch.redact import Redactor

NOW = datetime(2026, 11, 20, 13, 0, 5, 123000, tzinfo=UTC)


@dataclass
class Day:
    """A clock that is set."""

    now: datetime = NOW
    lines: list[str] = field(default_factory=list)

    def log(self, **settings: str) -> Log:
        chosen = LogSettings(**settings)  # type: ignore[arg-type]
        return open_log(chosen, Path(), Redactor(["hunter22"]), lambda: self.now, self.lines.append)


def test_a_line_has_time_level_name_and_fields() -> None:
    day = Day()
    day.log().event(BatchCommitted(attempts=12, bars=4000))
    assert day.lines == ["2026-11-20T18:30:05.123+05:30 info    batch_committed attempts=12 bars=4000"]


def test_json_has_the_same_with_types() -> None:
    day = Day()
    day.log(format="json").event(LiveSeen(ticks=5, bars=2, streamed=3, unserved=0, lag_s=0.25))
    assert json.loads(day.lines[0]) == {
        "time": "2026-11-20T18:30:05.123+05:30", "level": "info", "event": "live_seen", "ticks": 5, "bars": 2, "streamed": 3, "unserved": 0, "lag_s": 0.25,
    }


@pytest.mark.parametrize(("event", "level"), [
    (SyncStarted(1, 2, 3), "info"), (PageDone("TCS-EQ", "a", "complete", 1, 375), "debug"), (PageDone("TCS-EQ", "a", "failed", 1, 0), "warning"),
    (AccountSeen("a", "shoonya", "working"), "debug"), (AccountSeen("a", "shoonya", "out", "login"), "warning"),
    (Notice("error", "the venue pauses"), "error"), (Notice("info", "hello"), "info"),
])
def test_every_event_has_its_level(event: Event, level: str) -> None:
    order = ["debug", "info", "warning", "error"]
    for least in order:
        day = Day()
        day.log(level=least, format="json").event(event)
        assert [json.loads(line)["level"] for line in day.lines] == ([level] if order.index(level) >= order.index(least) else [])


def test_a_secret_is_masked_in_every_field_and_a_line_stays_one() -> None:
    day = Day()
    log = day.log()
    log.event(Notice("warning", "asked https://h/?x=hunter22\nand hunter22"))
    log.say("info", "sign_in", password="open sesame")
    log.ended(ProviderError("refused: hunter22"))
    log.ended(ValueError("hunter22"))
    assert len(day.lines) == 4
    assert not any("hunter22" in line or "sesame" in line or "\n" in line for line in day.lines)


def test_how_the_use_of_a_lake_ended_is_told() -> None:
    day = Day()
    log = day.log(format="json", level="debug")
    for error in (None, ConfigError("no account"), ValueError("odd"), KeyboardInterrupt()):
        log.ended(error)
    assert [json.loads(line)["event"] for line in day.lines] == ["lake_closed", "failed", "crashed", "interrupted"]
    assert json.loads(day.lines[1])["exit_code"] == 2


def test_each_day_has_a_file_and_old_ones_go(tmp_path: Path) -> None:
    path, days = tmp_path / "logs" / "fnolake.log", [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]
    for day in days:
        LogFile(path, 2, lambda day=day: day)(f"{day}T09:00:00 of {day}")  # type: ignore[misc]
    assert path.read_text() == "2026-11-20T09:00:00 of 2026-11-20\n"
    assert sorted(file.name for file in path.parent.iterdir()) == ["fnolake.log", "fnolake.log.2026-11-18", "fnolake.log.2026-11-19"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_processes_turn_the_day_and_lose_no_line(tmp_path: Path) -> None:
    path, today = tmp_path / "fnolake.log", [date(2026, 11, 19)]
    first, second = (LogFile(path, 5, lambda: today[0]) for _ in range(2))
    for who, one in (("a", first), ("b", second)):
        one(f"{today[0]} {who}")
    today[0] = date(2026, 11, 20)
    for who, one in (("b", second), ("a", first)):
        one(f"{today[0]} {who}")
    assert path.read_text() == "2026-11-20 b\n2026-11-20 a\n"
    assert (tmp_path / "fnolake.log.2026-11-19").read_text() == "2026-11-19 a\n2026-11-19 b\n"


def test_a_log_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="--log-file"):
        open_log(LogSettings(file="file/fnolake.log"), tmp_path, Redactor(), lambda: NOW)


def test_a_log_that_is_lost_is_told_once_and_stops_nothing(tmp_path: Path) -> None:
    log = open_log(LogSettings(file="logs/fnolake.log"), tmp_path, Redactor(), lambda: NOW)
    heard: list[Event] = []
    tell = Teller(log, heard.append)
    tell(Notice("info", "one"))
    (tmp_path / "logs" / "fnolake.log").unlink()
    (tmp_path / "logs").rmdir()
    tell(Notice("info", "two"))
    tell(Notice("info", "three"))
    assert [one.text for one in heard if isinstance(one, Notice) and one.level == "info"] == ["one", "two", "three"]
    lost = [one for one in heard if isinstance(one, Notice) and one.level == "error"]
    assert len(lost) == 1
    assert "cannot be written" in lost[0].text


def test_without_a_log_nothing_is_written() -> None:
    log = open_log(LogSettings(), Path(), Redactor(), lambda: NOW)
    log.event(SyncStarted(1, 1, 1))
    log.ended(None)
    assert not log.lost
