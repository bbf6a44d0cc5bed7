"""
What every asking for minutes shares, whoever asks: the request of some sessions, the attempt it becomes, what a failure means,
and how work ends when it is cancelled.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from datetime import date

from fnolake.errors import FnolakeError
from fnolake.model import (
    Attempt,
    BarRequest,
    Contract,
    Finding,
    Outcome,
    RequestRecord,
    Verdict,
    ist_midnight_us,
    utc_from_us,
)

_DAY_US = 86_400_000_000
_NO_MORE = frozenset({"UnknownSymbol", "SpanUnavailable"})


def request_of(contract: Contract, first: date, last: date) -> BarRequest:
    """The span from midnight before the first session to midnight after the last: ask wide, cut locally."""
    return BarRequest(contract, utc_from_us(ist_midnight_us(first)), utc_from_us(ist_midnight_us(last) + _DAY_US))


def attempt_of(contract: Contract, session: date, verdict: Verdict, record: RequestRecord) -> Attempt:
    """What a request came to for one session."""
    return Attempt(
        contract.contract, session, verdict, record.provider, record.account, record.started_at, record.payload_hash, record.key,
    )


def is_no_more(error: FnolakeError) -> bool:
    """Whether the provider says that it does not serve this contract or span."""
    return type(error).__name__ in _NO_MORE


def failure(error: FnolakeError) -> Verdict:
    """A failure by its name: unavailable where the provider says so, else failed."""
    reason = type(error).__name__
    outcome = Outcome.UNAVAILABLE if is_no_more(error) else Outcome.FAILED
    return Verdict(outcome, (reason,), (Finding(reason, detail=str(error)[:300]),))


async def to_the_end(work: Callable[[], object]) -> None:
    """
    Do blocking work in a thread.

    Cancel:
        Waited for before it is passed on: a commit under way is never left half told.
    """
    doing = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        with contextlib.suppress(Exception):
            await doing
        raise


async def cancel_when(stop: asyncio.Event, workers: Iterable[asyncio.Task[None]], until: float | None = None) -> None:
    """Cancel the workers once ``stop`` is set, or at that time of the running loop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(until):
            await stop.wait()
    for worker in workers:
        worker.cancel()
