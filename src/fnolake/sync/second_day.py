"""
The second day: a small sample of what was captured on an earlier evening is asked again and compared with what is stored.

Providers correct minutes after the close (market notes 7.2). A difference is recorded as a comparison of a provider with
itself; a better or newer answer replaces, and publishing keeps the old bars in ``revisions``. Reads the store; asks through
``SecondLook``.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from fnolake.model import MISMATCH_RANK, RANK, VERIFIED_RANK, Outcome, ist_date
from fnolake.store.store import Store
from fnolake.sync.sample import is_chosen
from fnolake.sync.second_look import Way

WAY = Way("second day", "the provider once more", "with what was stored", anew=True)
DAYS = 4
"""Calendar days back in which a session counts as yesterday's: a long weekend lies between, or an evening was left out."""

_RANK = {"verified": VERIFIED_RANK, "mismatch": MISMATCH_RANK}
_LOOKS = ("contract", "session", "provider", "attempt", "rank")


def due_again(store: Store, contracts: pl.DataFrame, share: float, now: datetime) -> pl.DataFrame:
    """
    What is to be asked again this evening: complete, captured on an earlier one, of the sample, not asked again yet.

    Args:
        store: The lake's.
        contracts: ``model.instrument_schema``; those that expired are served no more.
        share: Of contract-sessions, 0 to 1.
        now: Aware.

    Returns:
        contract, session, provider, attempt, rank; by session, then contract.
    """
    today = ist_date(now)
    sessions = [day for day in store.sessions() if today - timedelta(days=DAYS) <= day < today] if share else []
    rows = store.coverage(sessions).filter(pl.col("outcome") == Outcome.COMPLETE.value, pl.col("bars") > 0)
    rows = rows.join(contracts.select("contract", "venue", "segment", "token", "expiry"), on="contract")
    before = pl.col("fetched_at").dt.convert_time_zone("Asia/Kolkata").dt.date() < today
    rows = rows.filter(before, pl.col("expiry").is_null() | (pl.col("expiry") >= today))
    rows = rows.filter(is_chosen(rows, share)).join(_asked_again(store, sessions), on=["contract", "session"], how="anti")
    rank = pl.col("proof").replace_strict(_RANK, default=RANK[Outcome.COMPLETE], return_dtype=pl.Int64)
    return rows.with_columns(rank=rank).sort("session", "contract").select(_LOOKS)


def _asked_again(store: Store, sessions: list[date]) -> pl.DataFrame:
    """Contract-sessions of which a provider was compared with itself."""
    seen = store.comparisons(sessions)
    return seen.filter(pl.col("first_provider") == pl.col("second_provider")).select("contract", "session")
