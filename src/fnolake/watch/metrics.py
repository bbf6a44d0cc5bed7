"""
What the lake knows, in Prometheus's text format. Reads; asks no provider and listens nowhere.

Counts of requests and bars are the ledger's, so that they never go back to zero with a process. Invariant: labels are names of
providers, accounts, outcomes and reasons, never an address or a free text.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from fnolake.errors import ConfigError
from fnolake.model import Clock, LiveSeen
from fnolake.store.disk import write_atomic
from fnolake.store.store import Store
from fnolake.sync.status import AccountStatus, Status

if TYPE_CHECKING:
    from prometheus_client.core import Metric

Sample = tuple[dict[str, str], float]
EVERY_S = 60.0
PROOFS = ("verified", "mismatch", "unverified")


@dataclass(frozen=True, slots=True)
class Figures:
    """What is published: each family by its name, with labels and values; ``counters`` only ever grow."""

    gauges: dict[str, tuple[str, list[Sample]]] = field(default_factory=dict)
    counters: dict[str, tuple[str, list[Sample]]] = field(default_factory=dict)


def figures(store: Store, status: Status, now: datetime, live: LiveSeen | None = None) -> Figures:
    """
    The figures of a lake.

    Args:
        store: Open.
        status: The lake at a glance.
        now: The calendar instant.
        live: How a recording under way stands, if there is one.
    """
    counts = store.counts()
    gauges = {
        **_session(store, status), **_accounts(status.accounts), **_lake(store, status, now), **(_live(live) if live else {}),
    }
    return Figures(gauges, {
        "fnolake_requests": ("Requests that ended, by provider, account and outcome.", _requests(store)),
        "fnolake_bars_committed": ("Bars that are durable in the lake.", [({}, counts["bars"])]),
    })


def _requests(store: Store) -> list[Sample]:
    return [({"provider": provider, "account": account, "outcome": outcome}, count) for provider, account, outcome, count in store.request_counts()]


def _accounts(accounts: Iterable[AccountStatus]) -> dict[str, tuple[str, list[Sample]]]:
    labelled = [({"account": one.name, "provider": one.provider}, one) for one in accounts]
    limited = [(labels, one) for labels, one in labelled if one.allowance]
    return {
        "fnolake_account_signed_in": ("1 while the account has a sign-in.", [(labels, one.signed_in) for labels, one in labelled]),
        "fnolake_account_signed_in_until_seconds": (
            "When the sign-in ends, seconds since 1970.", [(labels, one.until.timestamp()) for labels, one in labelled if one.until],
        ),
        "fnolake_budget_used_requests": ("Requests in the longest window of the budget.", [(labels, one.used) for labels, one in limited]),
        "fnolake_budget_allowed_requests": ("Requests that the longest window allows.", [(labels, one.allowance) for labels, one in limited]),
        "fnolake_budget_window_seconds": ("Length of that window.", [(labels, one.seconds) for labels, one in limited]),
    }


def _session(store: Store, status: Status) -> dict[str, tuple[str, list[Sample]]]:
    """The last finished session: contract-sessions by what they are, gaps by reason, proof."""
    proofs = dict(store.coverage([status.last_session]).group_by("proof").len().iter_rows())
    return {
        "fnolake_session_contracts": (
            "Contract-sessions of the last finished session, by state.", [({"state": name}, count) for name, count in status.counts.items()],
        ),
        "fnolake_session_gaps": (
            "Gaps of the last finished session, by reason.", [({"reason": why}, count) for why, count in sorted(status.gaps_by_reason.items())],
        ),
        "fnolake_session_proof": (
            "Captured contract-sessions of the last finished session, by proof.", [({"proof": name}, proofs.get(name, 0)) for name in PROOFS],
        ),
    }


def _lake(store: Store, status: Status, now: datetime) -> dict[str, tuple[str, list[Sample]]]:
    signed = store.certificates_in_force()
    latest = max((one.made_at for one in signed), default=None)
    age: list[Sample] = [({}, (now - latest).total_seconds())] if latest else []
    disk: list[Sample] = [({}, shutil.disk_usage(status.path).free)]
    days: list[Sample] = [({}, status.disk_days)] if status.disk_days is not None else []
    return {
        "fnolake_certificate_age_seconds": ("Since the newest certificate was made.", age),
        "fnolake_certificates": ("Sessions with a certificate in force.", [({}, len(signed))]),
        "fnolake_sessions": ("Sessions of which something is captured.", [({}, status.sessions)]),
        "fnolake_lake_bytes": ("Size of the lake.", [({}, status.disk_bytes)]),
        "fnolake_disk_free_bytes": ("Free space where the lake is.", disk),
        "fnolake_disk_days": ("Sessions that still fit, at the present size of one.", days),
    }


def _live(live: LiveSeen) -> dict[str, tuple[str, list[Sample]]]:
    return {
        "fnolake_live_lag_seconds": ("Worst lag of a tick behind the exchange's clock.", [({}, live.lag_s)]),
        "fnolake_live_ticks": ("Ticks of this recording.", [({}, live.ticks)]),
        "fnolake_live_bars": ("Provisional bars of this recording.", [({}, live.bars)]),
        "fnolake_live_streamed_contracts": ("Contracts that are streamed.", [({}, live.streamed)]),
        "fnolake_live_unserved_contracts": ("Contracts that no account streams.", [({}, live.unserved)]),
    }


def prometheus_text(what: Figures) -> str:
    """The figures in the text format, version 0.0.4; a family without a value is left out."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Collector(what))
    return generate_latest(registry).decode()


class _Collector:
    """Hands the figures to Prometheus's registry."""

    def __init__(self, what: Figures) -> None:
        self._what = what

    def collect(self) -> Iterator[Metric]:
        """The families that have a value."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for kind, families in ((GaugeMetricFamily, self._what.gauges), (CounterMetricFamily, self._what.counters)):
            for name, (words, samples) in families.items():
                if samples:
                    family = kind(name, words, labels=list(samples[0][0]))
                    for labels, value in samples:
                        family.add_metric(list(labels.values()), float(value))
                    yield family


def write_metrics(path: Path, text: str) -> None:
    """
    Replace the file by the text, so that a monitor reads the old or the new one whole; others may read it.

    Raises:
        ConfigError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, text.encode(), mode=0o644)
    except OSError as error:
        raise ConfigError(f"the metrics file {path} cannot be written ({error.strerror}): set another as metrics.file") from error


@contextlib.asynccontextmanager
async def each_minute(write: Callable[[], None], clock: Clock, *, active: bool = True) -> AsyncIterator[None]:
    """Call ``write`` now and each minute while inside, beside the loop; nothing if not ``active``."""
    if not active:
        yield
        return

    async def again() -> None:
        while True:
            await asyncio.to_thread(write)
            await clock.sleep(EVERY_S)

    task = asyncio.create_task(again())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
