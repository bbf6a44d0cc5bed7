"""The machine's clock, and the same with an emulator's calendar. The only file that reads the time."""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import msgspec

from fnolake.errors import ConfigError, ProviderError
from fnolake.provider.http import Http


class SystemClock:
    """Calendar and machine are one."""

    def now(self) -> datetime:
        """The calendar instant, aware UTC."""
        return datetime.now(UTC)

    def wall(self) -> float:
        """Real seconds since the epoch."""
        return time.time()

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)


class EmulatedClock(SystemClock):
    """
    A calendar that began at ``told`` and runs ``rate`` times as fast as the machine; budgets and time-outs stay real.

    Args:
        told: The emulator's instant when it was asked.
        rate: Its seconds a second; of one that is set by hand (0) the calendar goes on at the machine's pace.
    """

    def __init__(self, told: datetime, rate: float) -> None:
        self._told, self._rate, self._asked = told.astimezone(UTC), rate or 1.0, time.monotonic()

    def now(self) -> datetime:
        """The calendar instant, aware UTC."""
        return self._told + timedelta(seconds=(time.monotonic() - self._asked) * self._rate)


async def emulated_clock(url: str) -> EmulatedClock:
    """
    The calendar of a running emulator, asked once.

    Raises:
        ConfigError: Nothing answers there.
    """
    async with Http() as http:
        try:
            answer = await http.get(f"{url.rstrip('/')}/emulator/clock")
            told = msgspec.json.decode(answer.body)
            epoch = datetime.fromisoformat(str(told["now"])) - datetime(1970, 1, 1, tzinfo=UTC)
            return EmulatedClock(datetime(1970, 1, 1, tzinfo=UTC) + epoch, float(told["rate"]))
        except (ProviderError, msgspec.DecodeError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"FNOLAKE_CLOCK={url}: no emulator answers there; start `fnolake emulator` or unset it") from error


def clock_of(url: str) -> SystemClock:
    """
    The clock that a setting names: the machine's when empty, else an emulator's, asked once. Blocking.

    Raises:
        ConfigError: No emulator answers there.
    """
    if not url:
        return SystemClock()
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(emulated_clock(url))).result()
