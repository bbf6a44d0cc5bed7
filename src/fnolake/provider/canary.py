"""
Rule zero's witness: is this venue answering for this session at all? Asks for the near index future, once a session.

Judges no other contract. Invariant: only bars of that session count as being well; a failure never does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date

from fnolake.model import BarRequest, Clock, Contract, RequestRecord, ist_midnight_us, utc_from_us
from fnolake.provider.account import Asked

DOUBT_S = 60.0
"""How long a canary that did not sing is believed."""
_DAY_US = 86_400_000_000


class Canary:
    """
    Args:
        ask: An account's ``ask_minutes``.
        pick: The venue's near index future on a session; None where none is known.
        clock: The machine's seconds.
        record: Told of every request made.
    """

    def __init__(
        self, ask: Callable[[BarRequest], Awaitable[Asked]], pick: Callable[[str, date], Contract | None], clock: Clock,
        record: Callable[[RequestRecord], None],
    ) -> None:
        self._ask = ask
        self._pick = pick
        self._clock = clock
        self._record = record
        self._well: set[tuple[str, date]] = set()
        self._doubted: dict[tuple[str, date], float] = {}
        self._turn = asyncio.Lock()

    def sang(self, venue: str, session: date) -> None:
        """Bars of that venue's canary arrived in the ordinary course."""
        self._well.add((venue, session))

    async def alive(self, venue: str, session: date) -> bool:
        """
        Whether the venue's near index future has bars on that session, asked at most once a minute.

        Cancel:
            Safe.
        """
        key = (venue, session)
        async with self._turn:
            if key in self._well:
                return True
            if self._clock.monotonic() - self._doubted.get(key, -DOUBT_S) < DOUBT_S:
                return False
            if await self._has_bars(venue, session):
                self._well.add(key)
                return True
            self._doubted[key] = self._clock.monotonic()
            return False

    async def _has_bars(self, venue: str, session: date) -> bool:
        contract = self._pick(venue, session)
        if contract is None:
            return False
        start = ist_midnight_us(session)
        asked = await self._ask(BarRequest(contract, utc_from_us(start), utc_from_us(start + _DAY_US)))
        self._record(asked.record)
        if asked.page is None or asked.page.rows is None:
            return False
        stamps = asked.page.rows.epoch_s
        return bool(((stamps >= start // 1_000_000) & (stamps < (start + _DAY_US) // 1_000_000)).sum() >= MINIMUM)


MINIMUM = 5
"""Bars of the session that a venue in good health has at least for its near index future."""
