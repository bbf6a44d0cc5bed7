"""
Progress of a sync on stderr, from the line's events: a live bar on a terminal, now and then a line elsewhere.

Nothing here decides anything. Invariant: without a terminal there is no timer; a line is due when an event arrives
and enough seconds have passed since the last one. Notices are always shown, once each.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import typer

from fnolake.cli.account_lines import AccountLines
from fnolake.model.event import AccountSeen, BatchCommitted, Event, Notice, PageDone, SyncStarted

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live as RichLive
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

RATE_WINDOW_S = 60.0
LINE_EVERY_S = 5.0
BAR_WIDTH = 16


@dataclass
class Count:
    """
    What the events add up to.

    Args:
        now: Monotonic seconds.
        per_minute: The allowance of all accounts together, 0 = no limits, or not known.
    """

    now: Callable[[], float] = time.monotonic
    per_minute: int = 0
    wanted: int = 0
    requests: int = 0
    asked: int = 0
    decided: int = 0
    bars: int = 0
    durable: int = 0
    notices: set[str] = field(default_factory=set)
    recent: deque[float] = field(default_factory=deque)
    accounts: AccountLines = field(init=False)

    def __post_init__(self) -> None:
        self.accounts = AccountLines(self.now)

    def add(self, event: Event) -> None:
        """Take one event into account."""
        if isinstance(event, (AccountSeen, PageDone)):
            self.accounts.add(event)
        match event:
            case SyncStarted():
                self.wanted, self.requests = event.contract_sessions, event.requests
            case PageDone():
                self.asked += 1
                self.decided += event.sessions
                self.bars += event.bars
                self.recent.append(self.now())
            case BatchCommitted():
                self.durable += event.bars
            case Notice():
                self.notices.add(event.text)

    @property
    def per_second(self) -> float:
        """Requests a second over the last minute, 0 before there are two."""
        instant = self.now()
        while self.recent and instant - self.recent[0] > RATE_WINDOW_S:
            self.recent.popleft()
        span = instant - self.recent[0] if self.recent else 0.0
        return (len(self.recent) - 1) / span if len(self.recent) > 1 and span > 0 else 0.0

    @property
    def text(self) -> str:
        """Everything in one line."""
        return ", ".join(self.parts())

    def parts(self, *, brief: bool = False) -> list[str]:
        """What there is to say, the most important first; ``brief`` for narrow terminals."""
        rate = self.per_second
        last_minute = len(self.recent)
        if self.per_minute:
            asked = f"{last_minute}/{self.per_minute} a minute" if brief else f"{last_minute:,} of {self.per_minute:,} requests in a minute"
        else:
            asked = f"{rate:.0f}/s" if brief else f"{rate:.1f} requests/s"
        unit = "" if brief else " contract-sessions"
        left = max(self.requests - self.asked, 0)
        ahead = [f"{duration(left / rate)} left"] if left and rate else []
        return [f"{self.decided:,}/{self.wanted:,}{unit}", f"{self.bars:,} bars", asked, *ahead]


class Shown(Protocol):
    """A running display: call it with events."""

    def __call__(self, event: Event) -> None:
        """Show one event."""

    def __enter__(self) -> Self: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...


def progress(per_minute: int = 0) -> Shown:
    """The display that suits stderr."""
    count = Count(per_minute=per_minute)
    return Live(count) if sys.stderr.isatty() else Lines(count, lambda line: typer.echo(line, err=True))


class Lines:
    """Quiet progress: one line every few seconds while events arrive, and one at the end."""

    def __init__(self, count: Count, write: Callable[[str], None], every_s: float = LINE_EVERY_S) -> None:
        self._count = count
        self._write = write
        self._every_s = every_s
        self._last = count.now()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._count.asked:
            self._write(self._count.text)

    def __call__(self, event: Event) -> None:
        """Count it; write a line if one is due."""
        if isinstance(event, Notice) and event.text not in self._count.notices:
            self._write(notice_line(event))
        self._count.add(event)
        if isinstance(event, SyncStarted) and event.requests:
            self._write(f"{event.contract_sessions:,} contract-sessions of {event.contracts:,} contracts in {event.requests:,} requests")
        if isinstance(event, PageDone) and self._count.now() - self._last >= self._every_s:
            self._last = self._count.now()
            self._write(self._count.text)


class Live:
    """A live bar on stderr; notices scroll above it."""

    def __init__(self, count: Count) -> None:
        self._count = count
        self._bar: RichProgress | None = None
        self._shown: RichLive | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Self:
        from rich.live import Live as RichLive
        from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

        from fnolake.cli.output import console

        self._bar = Progress(
            SpinnerColumn(), BarColumn(bar_width=BAR_WIDTH), TaskProgressColumn(), TextColumn("{task.description}", markup=False),
            console=console(err=True),
        )
        self._task = self._bar.add_task("masters and exchange files…", total=None)
        self._shown = RichLive(get_renderable=self._picture, console=self._bar.console, transient=True, refresh_per_second=5)
        self._shown.start()
        return self

    def _picture(self) -> RenderableType:
        """The bar, and below it a line for each account."""
        from rich.console import Group
        from rich.text import Text

        assert self._bar is not None
        return Group(self._bar, *(Text(f"  {line}", no_wrap=True, overflow="ellipsis") for line in self._count.accounts.texts))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._shown is not None:
            self._shown.stop()
            self._shown = self._bar = None

    def __call__(self, event: Event) -> None:
        """Count it and move the bar."""
        if self._bar is None or self._task is None:
            return
        if isinstance(event, Notice) and event.text not in self._count.notices:
            self._bar.console.print(notice_line(event), style={"error": "red", "warning": "yellow"}.get(event.level, "dim"))
        self._count.add(event)
        if self._count.wanted:
            done = min(self._count.decided, self._count.wanted)
            self._bar.update(self._task, total=self._count.wanted, completed=done, description=self._fitting())
        elif isinstance(event, PageDone):
            self._bar.update(self._task, description=f"{self._count.asked:,} requests for the second look")

    def _fitting(self) -> str:
        """The long text where it fits beside the bar, else the brief one."""
        assert self._bar is not None
        room = self._bar.console.width - BAR_WIDTH - 12
        long = self._count.text
        return long if len(long) <= room else "  ".join(self._count.parts(brief=True))


def notice_line(notice: Notice) -> str:
    """A notice as it is printed."""
    return notice.text if notice.level == "info" else f"{notice.level}: {notice.text}"


def duration(seconds: float) -> str:
    """Time for a person: 42 s, 7 min, 3 h 05 min."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
