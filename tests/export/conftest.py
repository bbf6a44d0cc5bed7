"""A small lake of known paise, and its truth: what every export must give back to the last paisa."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from fnolake.lake import Lake, open_lake
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    RawFile,
    Verdict,
    bar_schema,
    contract_symbol,
    listing_schema,
    quarantine_schema,
)
from fnolake.store.store import Store

MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
NEAR, FAR = date(2026, 11, 23), date(2026, 12, 29)
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
MINUTES = 40
WHAT = [  # underlying, kind, expiry, strike_paise, right, lot, tick_paise
    ("M&M", "spot", None, None, None, 1, 10), ("NIFTY", "spot", None, None, None, 1, 0),
    ("NIFTY", "future", NEAR, None, None, 65, 5), ("NIFTY", "future", FAR, None, None, 65, 5),
    ("M&M", "future", NEAR, None, None, 200, 10), ("NIFTY", "option", NEAR, 2_400_000, "CE", 65, 5),
    ("NIFTY", "option", NEAR, 2_400_000, "PE", 65, 5), ("M&M", "option", NEAR, 312_250, "PE", 200, 5),
]
FAR_SYMBOL = "NIFTY29DEC26F"


def listing(token: int, underlying: str, kind: str, expiry: date | None, strike: int | None, right: str | None, lot: int, tick: int) -> dict[str, object]:
    index = underlying == "NIFTY"
    symbol = contract_symbol(underlying, kind, expiry, strike, right, is_index=index)
    return {
        "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": token, "symbol": symbol, "underlying": underlying,
        "kind": kind, "expiry": expiry, "strike_paise": strike, "right": right, "lot": lot, "tick_paise": tick,
        "provider_symbol": symbol, "is_index": index,
    }


def minutes(row: dict[str, object], contract: int, session: date) -> list[dict[str, object]]:
    """Awkward prices: any paisa, so that a rounding that is wrong anywhere shows."""
    dice = random.Random(contract * 1000 + session.day)
    start = datetime(session.year, session.month, session.day, 3, 45, tzinfo=UTC)
    same = {name: row[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right")}
    made = []
    for minute in range(MINUTES):
        if row["kind"] == "option" and dice.random() < 0.3:
            continue
        prices = sorted(dice.randint(5, 9_999_995) for _ in range(4))
        first, last = dice.sample(prices[1:3], 2)
        made.append({
            "session": session, "ts": start + timedelta(minutes=minute), "contract": contract, **same, "open_paise": first,
            "high_paise": prices[3], "low_paise": prices[0], "close_paise": last,
            "volume": 0 if (row["kind"], row["underlying"]) == ("spot", "NIFTY") else int(str(row["lot"])) * dice.randint(1, 10_000_000),
            "oi": None if row["kind"] == "spot" or minute % 7 == 3 else int(str(row["lot"])) * dice.randint(0, 999_999),
            "vwap_paise": None, "phase": "continuous", "provider": "shoonya",
        })
    return made


def make(path: Path) -> pl.DataFrame:
    """Fill a lake; the far future was never asked for on Tuesday."""
    rows = [listing(n, *what) for n, what in enumerate(WHAT, 1)]
    truth = []
    with Store.open(path, write=True) as store:
        master = Master("shoonya", "NFO", MON, len(rows), pl.DataFrame(rows, schema=listing_schema()), payload_hash="x")
        store.take_master(master, RawFile("shoonya", "NFO", NOW, b"x", NOW, "0"))
        for day in (MON, TUE):
            here = [(n, row) for n, row in enumerate(rows, 1) if (row["symbol"], day) != (FAR_SYMBOL, TUE)]
            parts = {n: minutes(row, n, day) for n, row in here}
            table = pl.DataFrame([one for part in parts.values() for one in part], schema=bar_schema())
            attempts = tuple(Attempt(n, day, Verdict(Outcome.COMPLETE, bars=len(part)), "shoonya", "main", NOW) for n, part in parts.items())
            store.commit(Batch(attempts, table, pl.DataFrame(schema=quarantine_schema())))
            truth.append(table.join(pl.DataFrame({"contract": list(parts), "symbol": [row["symbol"] for _, row in here]}), on="contract"))
        store.publish(MON)
    return pl.concat(truth)


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, pl.DataFrame]:
    path = tmp_path_factory.mktemp("export") / "lake"
    return path, make(path)


@pytest.fixture
def truth(filled: tuple[Path, pl.DataFrame]) -> pl.DataFrame:
    """The stored bars as they went in: paise, UTC, and their ``symbol``."""
    return filled[1]


@pytest.fixture
def lake(filled: tuple[Path, pl.DataFrame]) -> Iterator[Lake]:
    with open_lake(filled[0], environ={}) as opened:
        yield opened


def of(truth: pl.DataFrame, symbol: str) -> pl.DataFrame:
    return truth.filter(pl.col("symbol") == symbol).sort("ts")
