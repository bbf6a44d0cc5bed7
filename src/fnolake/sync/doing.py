"""What a lake's daemon does now, left in the state drawer for other terminals. Read-only but for the daemon itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import msgspec

from fnolake.model import IST, StatePort
from fnolake.store.lock import DAEMON_LOCK, lock_holder

_NOW = "daemon-now"


@dataclass(frozen=True, slots=True)
class Doing:
    """What the daemon does: ``process`` is its id, 0 once it has ended; ``since`` and ``until`` are aware calendar instants."""

    process: int
    state: str
    session: date | None
    since: datetime
    until: datetime | None
    text: str

    @property
    def line(self) -> str:
        """For a person."""
        if self.process:
            return f"{self.text} (process {self.process}, since {hour(self.since)})"
        return f"not running; last heard of {hour(self.since)}: {self.text}. Start it: fnolake run"


def note_doing(state: StatePort, now: Doing) -> None:
    """
    Leave what is done now.

    Raises:
        DiskFull: It could not be written.
    """
    state.save(_NOW, msgspec.json.encode(now))


def doing(path: Path, state: StatePort) -> Doing | None:
    """
    What the daemon of a lake does, or did when it was last heard of (``process`` 0); None if there never was one.

    Args:
        path: The lake's folder, whose lock says whether the daemon lives.
        state: The lake's drawer.
    """
    saved = state.load(_NOW)
    if saved is None:
        return None
    try:
        found = msgspec.json.decode(saved, type=Doing)
    except msgspec.DecodeError:
        return None
    return found if lock_holder(path, DAEMON_LOCK) is not None else replace(found, process=0)


def hour(instant: datetime | None) -> str:
    """An instant for a person, in IST; empty without one."""
    return f"{instant.astimezone(IST):%a %d %b %H:%M}" if instant else ""
