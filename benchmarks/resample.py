"""Ten million minute bars to 5 minutes in one pass, from Parquet to Parquet (limit 2 s on two cores), and the memory it takes."""

import resource
import tempfile
import time
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import bar_schema, ist_midnight_us
from fnolake.query.anchors import anchors
from fnolake.query.interval import interval_of
from fnolake.query.resample import resample

FIRST, LAST = date(2026, 8, 3), date(2026, 9, 30)
ROWS, MINUTES = 10_000_000, 385
CALENDAR = Calendar.bundled()
SESSIONS = CALENDAR.sessions(FIRST, LAST)
EVERY_DAY = ROWS // len(SESSIONS) // MINUTES
"""Options a session, each with all its minutes."""


def session(day: date) -> pl.DataFrame:
    """A session's file as it is published: sorted, one row a minute."""
    size = EVERY_DAY * MINUTES
    contract, minute = np.repeat(np.arange(1, EVERY_DAY + 1), MINUTES), np.tile(np.arange(MINUTES), EVERY_DAY)
    walk = np.random.default_rng(day.toordinal()).integers(-20, 21, (3, size))
    opened, closed = 10_000 + walk[0], 10_000 + walk[1]
    names = {
        "session": day, "venue": "NSE", "underlying": "RELIANCE", "kind": "option", "expiry": date(2026, 9, 29), "right": "CE",
        "phase": "continuous", "provider": "shoonya",
    }
    return pl.DataFrame({
        "ts": pl.Series(ist_midnight_us(day) + (555 + minute) * 60_000_000).cast(pl.Datetime("us", "UTC")), "contract": contract,
        "strike_paise": 100_000 + contract * 500, "open_paise": opened, "high_paise": np.maximum(opened, closed) + 5,
        "low_paise": np.minimum(opened, closed) - 5, "close_paise": closed, "volume": 500 * (walk[2] + 20), "oi": 500 * (5_000 + walk[2]),
        "vwap_paise": (opened + closed) // 2,
    }).with_columns(pl.lit(value).alias(name) for name, value in names.items()).select(
        pl.col(name).cast(kind) for name, kind in bar_schema().items()
    )


def megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for day in SESSIONS:
            session(day).write_parquet(Path(folder) / f"{day}.parquet", row_group_size=128_000)
        rows = pl.scan_parquet(sorted(Path(folder).glob("*.parquet")))
        rows.select(pl.len()).collect()
        for typed in ("5m", "15m", "1d", "1w"):
            before, length, start, cpu = megabytes(), interval_of(typed), time.perf_counter(), time.process_time()
            at = anchors(CALENDAR, [("NSE", "RELIANCE", "option", False)], SESSIONS, ("continuous",), length)
            made = Path(folder) / f"longer_{typed}"
            resample(rows, length, at).sink_parquet(made, compression="lz4")
            took, cpu = time.perf_counter() - start, time.process_time() - cpu
            bars = pl.scan_parquet(made).select(pl.len(), pl.sum("volume")).collect().row(0)
            assert bars[1] == rows.select(pl.sum("volume")).collect().item()
            print(f"{EVERY_DAY * MINUTES * len(SESSIONS):,} minute bars of {len(SESSIONS)} sessions to {bars[0]:,} of {typed} in {took:.2f} s, "
                  f"{cpu:.2f} s of processors (limit 2 for 5m on two); peak {megabytes():.0f} MB, {before:.0f} MB before")


if __name__ == "__main__":
    main()
