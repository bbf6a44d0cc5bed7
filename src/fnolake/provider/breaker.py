"""Stops hammering a provider that is down: after a run of faults one probe goes at a time, all others wait."""

from __future__ import annotations

import asyncio

from fnolake.errors import ProviderFault
from fnolake.model import Clock

OPENS_AFTER = 12
"""Faults in a row."""
PAUSES_S = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Waits before each probe; when the last has failed, requests fail at once."""
REST_S = 60.0
"""After the last probe: how long until one more request may try."""


class Breaker:
    """
    Closed: everything passes. Open: everybody waits for one probe. Broken: everything fails, but for a probe a minute.

    Invariant: once open, no request starts while a probe is in flight.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._faults = 0
        self._probes = 0
        self._probed_at = 0.0
        self._probing = asyncio.Lock()

    @property
    def is_open(self) -> bool:
        """Whether requests wait for a probe."""
        return self._faults >= OPENS_AFTER

    @property
    def is_broken(self) -> bool:
        """Whether the probes are used up, so that requests fail at once."""
        return self.is_open and self._probes >= len(PAUSES_S)

    async def enter(self, *, patient: bool = False) -> bool:
        """
        Pass, or wait for the turn to probe.

        Args:
            patient: Wait for the next probe's minute as well, instead of failing.

        Returns:
            Whether this request is the probe; give it back to :meth:`left`.

        Raises:
            ProviderFault: The probes are used up.

        Cancel:
            Safe; the turn goes to the next.
        """
        if not self.is_open:
            return False
        if not patient:
            self._refuse_while_resting()
        await self._probing.acquire()
        try:
            if self.is_open:
                await self._pause(patient=patient)
                return True
        except BaseException:
            self._probing.release()
            raise
        self._probing.release()
        return False

    @property
    def _rest_s(self) -> float:
        return REST_S - (self._clock.monotonic() - self._probed_at) if self.is_broken else 0.0

    def _refuse_while_resting(self) -> None:
        if self._rest_s > 0.0:
            raise ProviderFault("the provider has not answered for a while; run the command again later")

    async def _pause(self, *, patient: bool) -> None:
        if not self.is_broken:
            await self._clock.sleep(PAUSES_S[self._probes])
        elif patient:
            await self._clock.sleep(max(self._rest_s, 0.0))
        else:
            self._refuse_while_resting()

    def unused(self, *, probe: bool) -> None:
        """Nothing was asked after :meth:`enter`; the turn goes to the next."""
        if probe:
            self._probing.release()

    def left(self, *, well: bool | None, probe: bool) -> None:
        """How a request that entered has ended; None where that says nothing about the provider's health."""
        if well:
            self._faults = self._probes = 0
        elif well is not None:
            self._probes += probe
            self._faults += 1
        if probe:
            self._probed_at = self._clock.monotonic()
            self._probing.release()
