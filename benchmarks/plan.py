"""Planning 85,000 contracts x 60 sessions from the ledger, in seconds (limit 3), and the memory it takes."""

import resource
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import Master, RawFile, Selection, listing_schema
from fnolake.store.store import Store
from fnolake.sync.wanted import Wanted, plan_wanted, selected_contracts

CONTRACTS, SESSIONS = 85_000, 60
NOW = datetime(2026, 11, 20, 13, 0, tzinfo=UTC)

listings = pl.select(token=pl.int_range(1, CONTRACTS + 1, dtype=pl.Int64)).select(
    venue=pl.lit("NSE"), segment=pl.lit("FO"), token="token",
    symbol=pl.format("U{}24NOV27C{}", pl.col("token") % 216, "token"), underlying=pl.format("U{}", pl.col("token") % 216),
    kind=pl.lit("option"), expiry=pl.lit(date(2027, 11, 24)), strike_paise=pl.col("token") * 100, right=pl.lit("CE"),
    lot=pl.lit(50, pl.Int64), tick_paise=pl.lit(5, pl.Int64), provider_symbol=pl.format("U{}", "token"), is_index=pl.lit(value=False),
).cast(listing_schema())
master = Master("shoonya", "NFO", date(2026, 11, 20), CONTRACTS, listings)
raw = RawFile("shoonya", "NFO_symbols.txt", NOW, b"benchmark", NOW, "0" * 32)

with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "lake", write=True) as store:
    start = time.perf_counter()
    store.take_master(master, raw)
    taken = time.perf_counter() - start
    calendar = Calendar.bundled()
    sessions = tuple(calendar.sessions(date(2026, 8, 1), date(2026, 11, 20))[-SESSIONS:])
    start = time.perf_counter()
    chosen = Wanted(selected_contracts(store, Selection()), sessions)
    plan = plan_wanted(store, chosen, calendar, NOW)
    took = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(f"master of {CONTRACTS:,} rows taken in {taken:.2f} s; plan of {plan.contract_sessions:,} contract-sessions, "
      f"{plan.requests:,} requests in {took:.2f} s (limit 3); peak {peak:.0f} MB")
