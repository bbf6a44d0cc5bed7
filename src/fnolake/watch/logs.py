"""
What happens, as lines: every event of the line and every end of a command, with its time (IST), level, name and typed fields.

The one place that makes log lines. Invariant: nothing is written that did not pass the redactor; without a log set, nothing
is imported and nothing is written.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import asdict
from datetime import date, datetime, time
from enum import Enum
from pathlib import Path
from typing import Any

from fnolake.config import LogSettings
from fnolake.errors import ConfigError, FnolakeError
from fnolake.model import AccountSeen, Event, Notice, PageDone
from fnolake.model.session import IST
from fnolake.watch.logfile import LogFile
from fnolake.watch.redact import Masks

STDERR = "-"
_TROUBLE = frozenset({"failed", "quarantined"})
Write = Callable[[str], None]
Fields = MutableMapping[str, Any]


class Log:
    """
    A log of one lake.

    Args:
        logger: Of structlog, already with its processors; None writes nothing.
    """

    def __init__(self, logger: Any = None) -> None:  # noqa: ANN401 - structlog's loggers are made to measure
        self._logger = logger
        self.lost = ""

    def event(self, event: Event) -> None:
        """One line for an event; a page that was fetched in good order is of level debug."""
        self.say(_level(event), _name(type(event).__name__), **{name: one for name, one in asdict(event).items() if name != "level"})

    def say(self, level: str, name: str, **fields: object) -> None:
        """One line of any kind; ``level`` is debug, info, warning or error. A log that cannot be written any more is silent."""
        if self._logger is None:
            return
        try:
            self._logger.log(_NUMBER[level], name, **fields)
        except ConfigError as error:
            self._logger, self.lost = None, str(error)

    def ended(self, error: BaseException | None) -> None:
        """How the use of the lake ended; other exceptions than ours are told by their class and text, never with a traceback."""
        if error is None:
            self.say("debug", "lake_closed")
        elif isinstance(error, FnolakeError):
            self.say("error", "failed", error=type(error).__name__, text=str(error), exit_code=error.exit_code)
        elif isinstance(error, Exception):
            self.say("error", "crashed", error=type(error).__name__, text=str(error))
        else:
            self.say("warning", "interrupted", error=type(error).__name__)


class Teller:
    """
    A listener with the log beside it: each event is a line, then is heard by the others.

    Args:
        log: Of the lake.
        listeners: Told in this order.
    """

    def __init__(self, log: Log, *listeners: Callable[[Event], None]) -> None:
        self._log = log
        self._listeners = listeners

    def __call__(self, event: Event) -> None:
        """Write it and tell it; that the log was lost is told once, as a notice."""
        self._log.event(event)
        lost, self._log.lost = self._log.lost, ""
        for one in self._listeners:
            if lost:
                one(Notice("error", lost))
            one(event)


_NUMBER: Mapping[str, int] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def open_log(settings: LogSettings, lake: Path, redactor: Masks, now: Callable[[], datetime], write: Write | None = None) -> Log:
    """
    The log that the settings ask for; silent without a file.

    Args:
        settings: Table ``[log]``.
        lake: Its folder, from which a relative file is meant.
        redactor: Knows the secrets.
        now: The calendar instant, aware UTC.
        write: Instead of the file, given each line.

    Raises:
        ConfigError: The file cannot be written.
    """
    if not settings.file and write is None:
        return Log()
    if write is None:
        path = lake / Path(settings.file).expanduser()
        write = _to_stderr if settings.file == STDERR else LogFile(path, settings.keep_days, lambda: now().astimezone(IST).date())
    return Log(_logger(settings, redactor, now, write))


def _logger(settings: LogSettings, redactor: Masks, now: Callable[[], datetime], write: Write) -> Any:  # noqa: ANN401
    import structlog

    def stamp(_logger: object, method: str, fields: Fields) -> Fields:
        return {"time": now().astimezone(IST).isoformat(timespec="milliseconds"), "level": method, "event": fields.pop("event"), **fields}

    def plain(_logger: object, _method: str, fields: Fields) -> Fields:
        return {name: _plain(value) for name, value in fields.items()}

    def mask(_logger: object, _method: str, fields: Fields) -> Fields:
        masked = redactor.value(fields)
        assert isinstance(masked, dict)
        return masked

    as_json = structlog.processors.JSONRenderer(ensure_ascii=False)
    return structlog.wrap_logger(
        _Lines(write), [plain, mask, stamp, as_json if settings.format == "json" else text_line],
        wrapper_class=structlog.make_filtering_bound_logger(_NUMBER[settings.level]), cache_logger_on_first_use=False,
    )


class _Lines:
    """What structlog writes to: every level is a line."""

    def __init__(self, write: Write) -> None:
        self.debug = self.info = self.warning = self.error = write


def text_line(_logger: object, _method: str, fields: Fields) -> str:
    """``2026-11-20T18:30:05.123+05:30 info batch_committed attempts=12 bars=4000``; texts with blanks are quoted, one line always."""
    head = f"{fields.pop('time')} {fields.pop('level'):<7} {fields.pop('event')}"
    return " ".join([head, *(f"{name}={_word(value)}" for name, value in fields.items() if value not in (None, ""))])


def _word(value: object) -> str:
    if isinstance(value, str) and re.fullmatch(r"[^\s\"=\\]+", value):
        return value
    import json

    return json.dumps(value, ensure_ascii=False)


def _plain(value: object) -> object:
    """A value that JSON knows; instants in IST."""
    if isinstance(value, datetime):
        return (value.astimezone(IST) if value.tzinfo else value).isoformat()
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, float):
        return round(value, 6)
    return value


def _name(kind: str) -> str:
    """``BatchCommitted`` as ``batch_committed``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind).lower()


def _level(event: Event) -> str:
    match event:
        case Notice():
            return event.level if event.level in _NUMBER else "info"
        case PageDone():
            return "warning" if event.outcome in _TROUBLE else "debug"
        case AccountSeen():
            return {"down": "warning", "out": "warning"}.get(event.state, "debug")
        case _:
            return "info"


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")
