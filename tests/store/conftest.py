"""Batches and masters as small values, and a lake in a fresh folder."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    Proof,
    RawFile,
    RequestRecord,
    Verdict,
    bar_schema,
    listing_schema,
    quarantine_schema,
)
from fnolake.store.store import Store

MON, TUE, WED = date(2026, 11, 16), date(2026, 11, 17), date(2026, 11, 18)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)


def bars(contract: int, session: date, count: int = 3, price: int = 10_000, underlying: str = "TCS", provider: str = "shoonya") -> pl.DataFrame:
    start = datetime(session.year, session.month, session.day, 3, 45, tzinfo=UTC)
    rows = [
        {
            "session": session, "ts": start + timedelta(minutes=n), "contract": contract, "venue": "NSE", "underlying": underlying,
            "kind": "future", "expiry": date(2026, 11, 24), "strike_paise": None, "right": None, "open_paise": price + n,
            "high_paise": price + n + 5, "low_paise": price + n - 5, "close_paise": price + n + 1, "volume": 100 * (n + 1),
            "oi": 5000, "vwap_paise": price + n, "phase": "continuous", "provider": provider,
        }
        for n in range(count)
    ]
    return pl.DataFrame(rows, schema=bar_schema())


def attempt(
    contract: int, session: date, outcome: Outcome = Outcome.COMPLETE, count: int = 3, proof: Proof = Proof.UNVERIFIED,
    at: datetime = NOW, reasons: tuple[str, ...] = (),
) -> Attempt:
    return Attempt(contract, session, Verdict(outcome, reasons, bars=count, volume=600, proof=proof), "shoonya", "main", at, "h", "k")


def batch(*parts: tuple[Attempt, pl.DataFrame | None], requests: tuple[RequestRecord, ...] = ()) -> Batch:
    tables = [table for _, table in parts if table is not None]
    return Batch(
        tuple(each for each, _ in parts), pl.concat(tables) if tables else pl.DataFrame(schema=bar_schema()),
        pl.DataFrame(schema=quarantine_schema()), requests,
    )


def capture(contract: int, session: date, count: int = 3, price: int = 10_000, **more: object) -> tuple[Attempt, pl.DataFrame]:
    return attempt(contract, session, count=count, **more), bars(contract, session, count, price)  # type: ignore[arg-type]


def failure(contract: int, session: date, outcome: Outcome = Outcome.FAILED, **more: object) -> tuple[Attempt, None]:
    return attempt(contract, session, outcome, 0, **more), None  # type: ignore[arg-type]


def listing(token: int, **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "venue": "NSE", "segment": "FO", "token": token, "symbol": f"TCS24NOV26C{token}", "underlying": "TCS", "kind": "option",
        "expiry": date(2026, 11, 24), "strike_paise": token * 100, "right": "CE", "lot": 175, "tick_paise": 5,
        "provider_symbol": f"TCS24NOV26C{token}", "is_index": False,
    }
    return row | more


def master(rows: list[dict[str, object]], day: date, exchange: str = "NFO") -> Master:
    return Master("shoonya", exchange, day, len(rows), pl.DataFrame(rows, schema=listing_schema()), payload_hash=f"{exchange}{day}{len(rows)}")


def raw(name: str = "NFO_symbols.txt.zip", body: bytes = b"body") -> RawFile:
    return RawFile("shoonya", name, NOW, body, NOW, "0" * 32)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def store(lake: Path) -> Iterator[Store]:
    with Store.open(lake, write=True, grace_s=0.0) as opened:
        yield opened
