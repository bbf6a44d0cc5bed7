"""Bytes that are made once, off the event loop, and kept: public files and masters."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_MOST = 96


class Kept:
    """Named bytes of one emulator; the oldest go when there are many, and are the same when made again."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._making: dict[str, asyncio.Lock] = {}

    async def once(self, name: str, make: Callable[[], bytes]) -> bytes:
        """The bytes of that name, made once, in a thread."""
        async with self._making.setdefault(name, asyncio.Lock()):
            if name not in self._kept:
                self._kept[name] = await asyncio.to_thread(make)
                while len(self._kept) > _MOST:
                    del self._kept[next(old for old in self._kept if old != name)]
            return self._kept[name]
