"""Requests that are cancelled on their way end in a record too (rule zero)."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from datetime import datetime

from fnolake.model import Clock, RequestRecord
from fnolake.store.store import Store


def interrupted(provider: str, account: str, route: str, now: datetime, detail: str) -> RequestRecord:
    """The outcome of a request that was given up while it waited or was in flight."""
    return RequestRecord(uuid.uuid4().hex, provider, account, route, "failed", now, 0.0, error="Interrupted", detail=detail)


@contextlib.contextmanager
def recorded_if_cancelled(store: Store, clock: Clock, who: tuple[str, str], route: str, detail: str) -> Iterator[None]:
    """Record a request of ``who`` (provider, account) that is cancelled inside."""
    try:
        yield
    except asyncio.CancelledError:
        store.record_requests([interrupted(*who, route, clock.now(), detail)])
        raise
