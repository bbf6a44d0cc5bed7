"""The part of the facade that tells a log what happens, and keeps what a recording said last. Nothing is read or asked here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime

from fnolake.config import Settings
from fnolake.errors import ConfigError
from fnolake.files import LakeFiles
from fnolake.model import Event, LiveSeen
from fnolake.provider.clock import SystemClock
from fnolake.store.store import Store
from fnolake.watch.logs import Log, Teller, open_log
from fnolake.watch.secrets import LakeRedactor


class LakeWatched(LakeFiles):
    """A lake with its log."""

    def __init__(self, settings: Settings, store: Store, environ: Mapping[str, str]) -> None:
        super().__init__(settings, store, environ)
        redactor = LakeRedactor(settings, environ, self.path / "state") if settings.log.file else None
        self._log = open_log(settings.log, self.path, redactor, self._log_now) if redactor else Log()
        self._live: LiveSeen | None = None

    def _telling(self, on_event: Callable[[Event], None]) -> Callable[[Event], None]:
        """The listener, with the log beside it; a recording's state is kept for the metrics."""
        return on_event if isinstance(on_event, Teller) else Teller(self._log, on_event, self._keep_live)

    def _keep_live(self, event: Event) -> None:
        self._live = event if isinstance(event, LiveSeen) else self._live

    def _log_now(self) -> datetime:
        """The calendar; the machine's where the emulator that keeps it does not answer, which must not silence the log."""
        try:
            return self.clock.now()
        except ConfigError:
            return SystemClock().now()
