"""The figures are the ledger's, in a text that Prometheus reads, and the file is replaced whole."""

from __future__ import annotations

import asyncio
import stat
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fnolake.errors import ConfigError
from fnolake.lake import open_lake
from fnolake.model import LiveSeen, RequestRecord
from fnolake.provider.clock import SystemClock
from fnolake.store.store import Store
from fnolake.sync.status import AccountStatus, Status
from fnolake.watch.metrics import each_minute, figures, prometheus_text, write_metrics

NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
REQUEST = RequestRecord("k", "shoonya", "demo", "TPSeries", "answered", NOW, 0.2)


def status_of(path: Path) -> Status:
    return Status(
        path=path, accounts=(AccountStatus("demo", "shoonya", "legacy", signed_in=True, until=NOW + timedelta(hours=2), allowance=200, used=37),),
        last_session=date(2026, 11, 20), counts={"listed": 10, "gaps": 2}, gaps_by_reason={'failed: "odd" one': 2}, lost_next=None, disk_bytes=5,
        disk_days=None, bars=0, next_command="",
    )


def read(text: str) -> dict[tuple[str, ...], float]:
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text) for sample in family.samples
    }


def test_the_figures_are_what_the_ledger_knows(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        store.record_requests([replace(REQUEST, key=str(nth), outcome=outcome) for nth, outcome in enumerate(["answered"] * 3 + ["failed"])])
        store.record_requests([replace(REQUEST, key="x", account="other")])
        found = read(prometheus_text(figures(store, status_of(tmp_path), NOW, LiveSeen(100, 5, 3, 1, 0.4))))
    requests = {key[1:]: count for key, count in found.items() if key[0] == "fnolake_requests_total"}
    assert requests == {
        ("account=demo", "outcome=answered", "provider=shoonya"): 3, ("account=demo", "outcome=failed", "provider=shoonya"): 1,
        ("account=other", "outcome=answered", "provider=shoonya"): 1,
    }
    account = ("account=demo", "provider=shoonya")
    assert found["fnolake_budget_used_requests", *account] == 37
    assert found["fnolake_budget_allowed_requests", *account] == 200
    assert found["fnolake_account_signed_in_until_seconds", *account] == (NOW + timedelta(hours=2)).timestamp()
    assert found["fnolake_session_contracts", "state=listed"] == 10
    assert found["fnolake_session_gaps", 'reason=failed: "odd" one'] == 2
    assert found["fnolake_session_proof", "proof=mismatch"] == 0
    assert found["fnolake_bars_committed_total",] == 0
    assert found["fnolake_live_lag_seconds",] == 0.4
    assert found["fnolake_disk_free_bytes",] > 0


def test_what_is_not_known_has_no_figure(tmp_path: Path) -> None:
    with Store.open(tmp_path, write=True) as store:
        names = {key[0] for key in read(prometheus_text(figures(store, status_of(tmp_path), NOW)))}
    assert not names & {"fnolake_live_lag_seconds", "fnolake_certificate_age_seconds", "fnolake_disk_days", "fnolake_requests_total"}


def test_the_file_is_replaced_and_others_may_read_it(tmp_path: Path) -> None:
    path = tmp_path / "textfile" / "fnolake.prom"
    write_metrics(path, "a 1\n")
    write_metrics(path, "a 2\n")
    assert path.read_text() == "a 2\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [file.name for file in path.parent.iterdir()] == ["fnolake.prom"]
    with pytest.raises(ConfigError, match=r"metrics\.file"):
        write_metrics(path / "under a file", "a 3\n")


def test_a_lake_writes_its_figures_only_where_a_file_is_set(tmp_path: Path) -> None:
    with open_lake(tmp_path, write=True, environ={}) as lake:
        assert lake.write_metrics() is None
    with open_lake(tmp_path, environ={"FNOLAKE_METRICS__FILE": "fnolake.prom"}) as lake:
        assert lake.write_metrics() == tmp_path / "fnolake.prom"
        assert "fnolake_bars_committed_total 0.0" in (tmp_path / "fnolake.prom").read_text()


async def test_a_daemon_writes_them_each_minute_until_it_ends() -> None:
    written, slept, third = [], [], asyncio.Event()

    class Clock(SystemClock):
        async def sleep(self, seconds: float) -> None:
            slept.append(seconds)
            if len(slept) == 3:
                third.set()
                await asyncio.Event().wait()

    async with each_minute(lambda: written.append(1), Clock()):
        await third.wait()
    assert (len(written), slept) == (3, [60.0] * 3)
    async with each_minute(lambda: written.append(1), Clock(), active=False):
        pass
    assert len(written) == 3
