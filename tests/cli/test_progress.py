"""Progress away from a terminal is a line now and then; on one it is a bar. Notices are never lost."""

from __future__ import annotations

from fnolake.cli.progress import Count, Lines, Live, duration
from fnolake.model import AccountSeen, BatchCommitted, Notice, PageDone, SyncStarted


class Watch:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def page() -> PageDone:
    return PageDone("TCS-EQ", "demo", "answered", 2, 700)


def test_lines_come_with_events_and_no_more_often_than_said() -> None:
    watch, said = Watch(), []
    with Lines(Count(now=watch, per_minute=200), said.append, every_s=5.0) as shown:
        shown(SyncStarted(10, 200, 100))
        for second in range(1, 13):
            watch.at = float(second)
            shown(page())
    assert said[0] == "200 contract-sessions of 10 contracts in 100 requests"
    assert len(said) == 4
    assert said[-1] == "24/200 contract-sessions, 8,400 bars, 12 of 200 requests in a minute, 88 s left"


def test_a_notice_is_told_at_once_and_once() -> None:
    said: list[str] = []
    with Lines(Count(now=Watch()), said.append) as shown:
        shown(Notice("warning", "NSE is paused"))
        shown(Notice("warning", "NSE is paused"))
        shown(Notice("info", "publishing 2026-11-20"))
        shown(BatchCommitted(3, 900))
    assert said == ["warning: NSE is paused", "publishing 2026-11-20"]


def test_a_live_bar_takes_every_event() -> None:
    count = Count(now=Watch())
    with Live(count) as shown:
        for event in (SyncStarted(1, 4, 2), page(), Notice("warning", "slow"), BatchCommitted(1, 10), page()):
            shown(event)
    assert (count.decided, count.durable) == (4, 10)


def test_rate_forgets_what_is_long_ago() -> None:
    watch = Watch()
    count = Count(now=watch)
    for at in (0, 1, 2, 100):
        watch.at = float(at)
        count.add(page())
    assert count.per_second == 0.0
    watch.at = 102.0
    count.add(page())
    assert count.per_second == 0.5


def test_time_is_for_people() -> None:
    assert [duration(s) for s in (42, 89, 420, 7200, 11_100)] == ["42 s", "89 s", "7 min", "2 h 00 min", "3 h 05 min"]


def test_each_account_has_a_line_with_its_pace_and_state() -> None:
    watch = Watch()
    count = Count(now=watch)
    count.add(AccountSeen("desk", "shoonya", "waiting", "", 200, 200, 60.0))
    count.add(AccountSeen("second", "firstock", "working", "", 3, 3, 1.0))
    for at in range(5):
        watch.at = at / 3
        count.add(PageDone("TCS-EQ", "second", "answered", 1, 375))
    assert count.accounts.texts == [
        "desk (shoonya): 200 of 200 requests in a minute, waiting for its budget",
        "second (firstock): 3.0 of 3 requests/s, working",
    ]
    count.add(AccountSeen("second", "firstock", "out", "register this address", 0, 3, 1.0))
    assert count.accounts.texts[1].endswith("stopped: register this address")


def test_the_live_picture_has_a_line_for_each_account() -> None:
    from rich.console import Console

    with Live(Count(now=Watch())) as shown:
        shown(SyncStarted(1, 2, 2))
        shown(AccountSeen("desk", "shoonya", "working", "", 20, 200, 60.0))
        shown(AccountSeen("second", "firstock", "down", "it does not answer", 0, 3, 1.0))
        console = Console(width=100, record=True, file=None, quiet=False)
        with console.capture() as taken:
            console.print(shown._picture())
    assert "desk (shoonya): 20 of 200 requests in a minute, working" in taken.get()
    assert "second (firstock): 0.0 of 3 requests/s, down: it does not answer" in taken.get()
