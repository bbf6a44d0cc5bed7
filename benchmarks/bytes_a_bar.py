"""Bytes a published bar, with open interest and vwap (limit 13): one session of some underlyings of the emulated market."""

import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.emulator.world import Listing, Minutes, World
from fnolake.model import Attempt, Batch, Outcome, Verdict, bar_schema, quarantine_schema
from fnolake.store.store import Store

DAY, NOW = date(2026, 11, 20), datetime(2026, 11, 20, 13, 0, tzinfo=UTC)
UNDERLYINGS = ("RELIANCE", "NIFTY", "BANKNIFTY", "SBIN", "M&M", "TCS")
PHASES = np.array(["preopen", "continuous", "auction"])


def table(contract: int, listing: Listing, minutes: Minutes) -> pl.DataFrame:
    """One contract's minutes as the store keeps them."""
    numbers = {name: getattr(minutes, name) for name in ("open", "high", "low", "close", "volume", "oi", "vwap_paise")}
    return pl.DataFrame({"epoch_s": minutes.epoch_s, **numbers, "phase": PHASES[minutes.phase]}).select(
        session=pl.lit(DAY), ts=pl.from_epoch("epoch_s", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        contract=pl.lit(contract, pl.Int64), venue=pl.lit(listing.venue), underlying=pl.lit(listing.underlying), kind=pl.lit(listing.kind),
        expiry=pl.lit(listing.expiry, pl.Date), strike_paise=pl.lit(listing.strike_paise, pl.Int64), right=pl.lit(listing.right, pl.String),
        open_paise="open", high_paise="high", low_paise="low", close_paise="close", volume="volume",
        oi=pl.col("oi") if listing.kind != "spot" else pl.lit(None), vwap_paise="vwap_paise", phase="phase", provider=pl.lit("shoonya"),
    ).cast(bar_schema())


def main() -> None:
    world = World.build(DAY, underlyings=UNDERLYINGS)
    tables, attempts = [], []
    for number, listing in enumerate(world.listed_on(DAY), 1):
        minutes = world.minutes(listing, DAY)
        if len(minutes.epoch_s):
            tables.append(table(number, listing, minutes))
            attempts.append(Attempt(number, DAY, Verdict(Outcome.COMPLETE, bars=tables[-1].height), "shoonya", "bench", NOW))
    bars = pl.concat(tables)
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "lake", write=True) as store:
        start = time.perf_counter()
        store.commit(Batch(tuple(attempts), bars, pl.DataFrame(schema=quarantine_schema())))
        committed = time.perf_counter() - start
        start = time.perf_counter()
        done = store.publish(DAY)
        took = time.perf_counter() - start
    print(f"{done.bytes / done.rows:.2f} bytes a bar (limit 13) over {done.rows:,} bars of {len(attempts):,} contracts; "
          f"committed in {committed:.2f} s, published in {took:.2f} s")


if __name__ == "__main__":
    main()
