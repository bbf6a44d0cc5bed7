"""
The canonical bar table: the one place that names its columns. Others link here.

Sort key (stored): underlying, kind, expiry, strike_paise, right, contract, ts. Unique: (contract, ts), guaranteed by
normalize within a page and by coverage (one batch per contract-session) in the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

BAR_SORT = ("underlying", "kind", "expiry", "strike_paise", "right", "contract", "ts")


def bar_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """
    Polars schema of stored bars.

    ============  =====================  ==================================================================
    session       Date                   trading date, IST
    ts            Datetime(us, UTC)      start of the minute
    contract      Int64                  listing identity; (contract, ts) is unique
    venue, underlying, kind, right       String; as they stood on that session; right null unless option
    expiry        Date                   null for spot
    strike_paise  Int64                  null unless option
    *_paise       Int32                  exact paise per unit
    volume        Int64                  units traded in the minute
    oi            Int64                  units at the end of the minute, null where not sent
    vwap_paise    Int32                  null where not sent
    phase         String                 continuous, preopen, auction
    provider      String
    ============  =====================  ==================================================================
    """
    import polars as pl

    return {
        "session": pl.Date, "ts": pl.Datetime("us", "UTC"), "contract": pl.Int64, "venue": pl.String,
        "underlying": pl.String, "kind": pl.String, "expiry": pl.Date, "strike_paise": pl.Int64, "right": pl.String,
        "open_paise": pl.Int32, "high_paise": pl.Int32, "low_paise": pl.Int32, "close_paise": pl.Int32,
        "volume": pl.Int64, "oi": pl.Int64, "vwap_paise": pl.Int32, "phase": pl.String, "provider": pl.String,
    }


def quarantine_schema() -> dict[str, pl.DataType | type[pl.DataType]]:
    """
    Polars schema of refused rows: a row as it came, why it was refused, and where it would have belonged.

    ``session`` is the IST date of the stamp (which may be no session at all).
    """
    import polars as pl

    return {
        "session": pl.Date, "ts": pl.Datetime("us", "UTC"), "contract": pl.Int64, "reason": pl.String,
        "open": pl.Float64, "high": pl.Float64, "low": pl.Float64, "close": pl.Float64, "volume": pl.Int64,
        "oi": pl.Int64, "provider": pl.String,
    }
