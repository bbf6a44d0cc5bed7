"""
Bringing messages to people: through apprise, one message for one cause, with a record of what was told and what failed.

What there is to tell is ``sync.causes``' business. Invariants: an address is a secret, read at the moment it is used and
shown nowhere, by what the library logs neither; a message that cannot be delivered never stops what it speaks of.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from fnolake.config import AlertSettings
from fnolake.errors import ConfigError, FnolakeError
from fnolake.model import DELIVERED, FAILED, IST, QUIET, Clock, Delivery, Message, StatePort
from fnolake.secret import Secret, resolve

if TYPE_CHECKING:
    import apprise

RECORD: Final = "alerts"
"""Where the record lies in the state drawer."""
AGAIN: Final = timedelta(days=1)
"""What lasts is told again after this long."""
PATIENCE_S: Final = 30.0
KEPT: Final = 200
"""So many deliveries, and so many events that were told, are remembered."""
_LOGGERS: Final = ("apprise", "urllib3", "requests", "smtplib")
_HTTP_ERROR: Final = re.compile(r"error=(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Told:
    """A message that was sent, or tried: since when, and which places (references) have it."""

    cause: str
    at: datetime
    once: bool = False
    taken: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Record:
    """What was told, by key, and the latest deliveries, oldest first."""

    told: dict[str, Told] = field(default_factory=dict)
    deliveries: tuple[Delivery, ...] = ()


class Notifier:
    """
    Tells messages to every place of ``[alerts]``.

    Args:
        settings: Where to and what; without ``to`` nothing is ever sent.
        state: Where the record lies.
        clock: The calendar's instants.
        environ: For ``env:`` references.
    """

    def __init__(self, settings: AlertSettings, state: StatePort, clock: Clock, environ: Mapping[str, str]) -> None:
        self._settings = settings
        self._state = state
        self._clock = clock
        self._environ = environ

    def record(self) -> Record:
        """What was told so far; empty where it is damaged."""
        saved = self._state.load(RECORD)
        try:
            return msgspec.json.decode(saved, type=Record) if saved else Record()
        except msgspec.DecodeError:
            return Record()

    async def tell(self, messages: Sequence[Message], *, looked_at: Collection[str] = (), again: bool = False) -> tuple[Delivery, ...]:
        """
        Tell what was not told yet, or failed to arrive, or still lasts after a day. Raises nothing of ours and nothing of the library.

        Args:
            messages: What is so now; causes that are not in ``[alerts] on`` are left out.
            looked_at: Causes of which ``messages`` holds everything: what was told of them and is not in it has ended.
            again: Tell them even if they were told (a reminder).

        Returns:
            Every try made now.

        Cancel:
            Safe; what was delivered by then may be told once more.
        """
        if not self._settings.to:
            return ()
        record, now = self.record(), self._clock.now()
        wanted = [one for one in messages if one.cause in self._settings.on]
        told = _without_ended(record.told, {one.key for one in wanted}, looked_at)
        tries: list[Delivery] = []
        for message in wanted:
            before = told.get(message.key)
            due = before is None or again or (not message.once and now - before.at >= AGAIN)
            entry = Told(message.cause, now, message.once) if before is None or due else before
            made = await self._bring(message, [to for to in self._settings.to if to not in entry.taken], _broken(tries))
            taken = tuple(one.to for one in made if one.outcome == DELIVERED)
            if made and not all(one.outcome == QUIET for one in made):
                told[message.key] = replace(entry, taken=(*entry.taken, *taken))
            tries += made
        kept = [one for one in tries if one.outcome != QUIET]
        self._keep(Record(told, (*record.deliveries, *kept)), changed=bool(kept) or told != record.told)
        return tuple(tries)

    async def test(self) -> tuple[Delivery, ...]:
        """
        Send a test message to every place now, quiet hours or not.

        Raises:
            ConfigError: There is no place to send to, or apprise is not installed.
        """
        if not self._settings.to:
            raise ConfigError('no address to send to: put a reference to one into lake.toml, [alerts] to = ["env:FNOLAKE_ALERT_URL"] (docs/alerts.md)')
        _library()
        message = Message("test", "test", "fnolake: a test", "This is where fnolake's alerts arrive.")
        made = tuple([await self._deliver(message, to) for to in self._settings.to])
        record = self.record()
        self._keep(replace(record, deliveries=(*record.deliveries, *made)))
        return made

    async def _bring(self, message: Message, places: Sequence[str], broken: Collection[str]) -> list[Delivery]:
        """One message to the places that lack it; one that failed a moment ago is not tried again now."""
        if _is_quiet(self._settings.quiet, self._clock.now()):
            return [self._made(message, to, "", QUIET, f"quiet hours {self._settings.quiet}") for to in places]
        return [
            self._made(message, to, "", FAILED, "the message before it could not be delivered") if to in broken else await self._deliver(message, to)
            for to in places
        ]

    async def _deliver(self, message: Message, to: str) -> Delivery:
        service = ""
        try:
            async with asyncio.timeout(PATIENCE_S):
                service, reason = await asyncio.to_thread(_send, resolve(to, self._environ), message)
        except TimeoutError:
            reason = f"no answer within {PATIENCE_S:.0f} s"
        except ConfigError as error:
            reason = str(error)
        return self._made(message, to, service, FAILED if reason else DELIVERED, reason)

    def _made(self, message: Message, to: str, service: str, outcome: str, reason: str) -> Delivery:
        return Delivery(self._clock.now(), message.cause, message.key, message.title, to, service, outcome, reason)

    def _keep(self, record: Record, *, changed: bool = True) -> None:
        if not changed:
            return
        events = [key for key, one in record.told.items() if one.once]
        old = set(events[:-KEPT])
        told = {key: one for key, one in record.told.items() if key not in old}
        with contextlib.suppress(FnolakeError):  # a full disk is a cause of its own, and was just told
            self._state.save(RECORD, msgspec.json.encode(Record(told, record.deliveries[-KEPT:])))


def _without_ended(told: Mapping[str, Told], present: Collection[str], looked_at: Collection[str]) -> dict[str, Told]:
    return {key: one for key, one in told.items() if key in present or one.once or one.cause not in looked_at}


def _broken(tries: Sequence[Delivery]) -> set[str]:
    return {one.to for one in tries if one.outcome == FAILED}


def _is_quiet(hours: str, now: datetime) -> bool:
    """Whether ``22:00-07:00`` (IST, past midnight or not; the end is outside) holds the instant."""
    if not hours:
        return False
    start, _, end = hours.partition("-")
    at = now.astimezone(IST).strftime("%H:%M")
    return start <= at < end if start <= end else at >= start or at < end


def _library() -> None:
    try:
        import apprise  # noqa: F401 - whether it is there
    except ImportError as error:
        raise ConfigError("alerts are an optional part: install `fnolake[alerts]`") from error


def _send(address: Secret, message: Message) -> tuple[str, str]:
    """
    Hand one message to the library; blocks.

    Returns:
        What stands at the address, and why the message was not taken (empty: it was), in words that hold nothing of it.

    Raises:
        ConfigError: The library is not installed.
    """
    _library()
    import apprise

    with _overheard() as said:
        asset = apprise.AppriseAsset(app_id="fnolake", app_desc="fnolake", secure_logging=True, storage_mode="memory")
        try:
            place = apprise.Apprise.instantiate(address.reveal(), asset=asset)
            if not isinstance(place, apprise.NotifyBase):
                return "", "not an address that apprise knows: see docs/alerts.md"
            service, taken = str(place.service_name), _notify(place, asset, message)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; its text may hold the address
            return "", f"apprise failed with {type(error).__name__}"
    return service, "" if taken else _why(said)


def _notify(place: apprise.NotifyBase, asset: apprise.AppriseAsset, message: Message) -> bool:
    import apprise

    sender = apprise.Apprise(asset=asset)
    sender.add(place)
    kind = apprise.NotifyType.INFO if message.cause in {"certificate", "test"} else apprise.NotifyType.WARNING
    return bool(sender.notify(body=message.text, title=message.title, notify_type=kind, body_format=apprise.NotifyFormat.TEXT))


def _why(said: Sequence[str]) -> str:
    """What went wrong, from what the library logged; none of its words are kept, for they may hold the address."""
    codes = [found[1] for line in said if (found := _HTTP_ERROR.search(line))]
    if codes:
        return f"refused with HTTP {codes[-1]}: check the address"
    if any("onnection" in line for line in said):
        return "no connection, or it was refused there"
    return "not taken: check the address"


class _Ear(logging.Handler):
    """Hears what is logged and passes it to nobody."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        self._said.append(record.getMessage())


@contextlib.contextmanager
def _overheard() -> Iterator[list[str]]:
    """What the libraries log meanwhile; it reaches no log, since addresses stand in it."""
    said: list[str] = []
    ear, loggers = _Ear(said), [logging.getLogger(name) for name in _LOGGERS]
    before = [(one, one.propagate, one.handlers[:]) for one in loggers]
    for one in loggers:
        one.propagate, one.handlers = False, [ear]
    try:
        yield said
    finally:
        for one, propagate, handlers in before:
            one.propagate, one.handlers = propagate, handlers
