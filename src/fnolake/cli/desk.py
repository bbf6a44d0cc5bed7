"""
What every command shares: which lake, how it is opened, how coroutines run and how Ctrl-C is heard.

No command is here and nothing is rendered. Invariant: the first Ctrl-C asks the line to stop and waits for it, the
second cancels.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import typer

from fnolake.errors import ConfigError

if TYPE_CHECKING:
    import asyncio

T = TypeVar("T")
OpenLake = Callable[..., AbstractContextManager[Any]]


class Interrupted(BaseException):
    """The user pressed Ctrl-C and the line has stopped in good order."""


def open_real_lake(
    path: Path, *, write: bool = False, lost: bool = False, overrides: Mapping[str, object] | None = None
) -> AbstractContextManager[Any]:
    """The facade, imported only when a command needs it: it brings the heavy libraries."""
    from fnolake.lake import open_lake

    opened: AbstractContextManager[Any] = open_lake(path, write=write, lost=lost, overrides=overrides)
    return opened


@dataclass(frozen=True, slots=True)
class Desk:
    """The lake that this command line speaks of; ``opener`` is passed in by tests, ``overrides`` are settings that were typed."""

    lake: Path
    opener: OpenLake = field(default=open_real_lake)
    overrides: Mapping[str, object] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """Its settings file."""
        return self.lake / "lake.toml"

    @property
    def is_there(self) -> bool:
        """Whether the folder holds a lake: its settings, its ledger or its bars."""
        return any((self.lake / name).exists() for name in ("lake.toml", "ledger.sqlite", "bars"))

    def open(self, *, write: bool = False, lost: bool = False) -> AbstractContextManager[Any]:
        """
        The lake, open; ``lost`` also where its ledger has to be rebuilt.

        Raises:
            ConfigError: There is none yet.
        """
        if not self.is_there:
            raise ConfigError(f"no lake at {self.lake}: run `fnolake init`, or name another with --lake")
        typed = {"overrides": self.overrides} if self.overrides else {}
        return self.opener(self.lake, write=write, lost=lost, **typed)


def desk_of(context: typer.Context) -> Desk:
    """The desk that the root command made."""
    desk = context.find_object(Desk)
    assert desk is not None, "the root command sets the desk"
    return desk


def say(line: str) -> None:
    """One line for the person, on stderr, so that stdout stays data."""
    typer.echo(line, err=True)


@contextmanager
def warned() -> Iterator[None]:
    """What the lake warns of inside, as one line each on stderr."""
    import warnings

    from fnolake.errors import GapWarning

    def show(
        message: Warning | str, category: type[Warning], filename: str, lineno: int, file: TextIO | None = None, line: str | None = None
    ) -> None:
        if issubclass(category, GapWarning):
            say(f"fnolake: {message}")
        else:
            before(message, category, filename, lineno, file, line)

    with warnings.catch_warnings():
        before = warnings.showwarning
        warnings.simplefilter("always", GapWarning)
        warnings.showwarning = show
        yield


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one coroutine to its end; Ctrl-C cancels it."""
    import asyncio

    return asyncio.run(work)


def run_stoppable(work: Callable[[asyncio.Event], Coroutine[Any, Any, T]], on_stop: Callable[[], None]) -> tuple[T, bool]:
    """
    Run a coroutine that heeds a stop event.

    Args:
        work: Made with the event.
        on_stop: Called once, on the first Ctrl-C, before the event is set.

    Returns:
        What it returned, and whether Ctrl-C was pressed. The second Ctrl-C cancels the coroutine.
    """
    import asyncio

    return asyncio.run(_heeding(work, on_stop))


async def _heeding(work: Callable[[asyncio.Event], Coroutine[Any, Any, T]], on_stop: Callable[[], None]) -> tuple[T, bool]:
    import asyncio
    import signal

    stop, pressed = asyncio.Event(), asyncio.Event()
    task = asyncio.current_task()
    assert task is not None

    def hear() -> None:
        if pressed.is_set():
            task.cancel()
            return
        pressed.set()
        on_stop()
        stop.set()

    loop = asyncio.get_running_loop()
    heard = signal.SIGINT, signal.SIGTERM
    try:
        for number in heard:
            loop.add_signal_handler(number, hear)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or not the main thread: Ctrl-C then cancels
        return await work(stop), False
    try:
        return await work(stop), pressed.is_set()
    except asyncio.CancelledError as error:
        raise Interrupted from error
    finally:
        for number in heard:
            loop.remove_signal_handler(number)


def on_terminal() -> bool:
    """Whether a person reads stdout."""
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
