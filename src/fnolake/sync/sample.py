"""
Which contract-sessions are looked at twice: a fixed share, chosen by a hash of what they are. Reads the store.

Invariant: the same (venue, segment, token, session) is chosen in every run and lake, and a larger share chooses more.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.model import MISMATCH_RANK, RANK, VERIFIED_RANK, Outcome
from fnolake.store.store import Store
from fnolake.sync.contracts import who_lists
from fnolake.sync.wanted import HORIZON_DAYS, SESSIONS_AT_ONCE, Wanted

_KIND_VALUE = {"spot": 0, "future": 1, "option": 2}
_PROOF_RANK = {"verified": VERIFIED_RANK, "mismatch": MISMATCH_RANK}
_LOOKS = ("contract", "session", "provider", "attempt", "rank")
_GOLDEN = 0x9E3779B97F4A7C15
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))


def is_chosen(pairs: pl.DataFrame, share: float) -> pl.Series:
    """
    Say which rows belong to the sample.

    Args:
        pairs: venue, segment, token, session; other columns are not read.
        share: 0 to 1.

    Returns:
        Truth a row.
    """
    places = pairs.select(pl.concat_str("venue", "segment", separator=" ").alias("place"))["place"]
    codes = {place: int.from_bytes(hashlib.blake2b(place.encode(), digest_size=8).digest()) for place in places.unique().to_list()}
    seed = places.replace_strict(codes, return_dtype=pl.UInt64).to_numpy()
    mixed = _mixed(_mixed(seed ^ _unsigned(pairs["token"])) ^ _unsigned(pairs["session"].cast(pl.Int32)))
    return pl.Series("chosen", (mixed >> np.uint64(11)).astype(np.float64) / (1 << 53) < share, dtype=pl.Boolean)


def _unsigned(values: pl.Series) -> NDArray[np.uint64]:
    return values.cast(pl.Int64).to_numpy().astype(np.uint64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finalizer of SplitMix64 (Steele, Lea and Flood 2014), which spreads neighbouring numbers."""
    mixed = values + np.uint64(_GOLDEN)
    for bits, factor in _MIX:
        mixed = (mixed ^ (mixed >> np.uint64(bits))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(31))


def due_looks(store: Store, chosen: Wanted, share: float, providers: Collection[str], today: date) -> pl.DataFrame:
    """
    What is to be looked at twice now: complete, of the sample, not compared yet, and still served by another provider.

    Args:
        store: The lake's.
        chosen: Contracts and sessions.
        share: Of contract-sessions, 0 to 1.
        providers: Of the accounts that can be asked.
        today: IST; what expired before is served no more.

    Returns:
        contract, session, provider (whose bars are stored), attempt, rank; soonest deadline first, then spot, futures, options.
    """
    parts = [
        _elsewhere(store, _of_sessions(store, chosen.contracts, chosen.sessions[first : first + SESSIONS_AT_ONCE], share, today), providers)
        for first in range(0, len(chosen.sessions) if share and len(set(providers)) > 1 else 0, SESSIONS_AT_ONCE)
    ]
    if not parts:
        return pl.DataFrame(schema=dict.fromkeys(_LOOKS, pl.Int64) | {"session": pl.Date, "provider": pl.String})
    return pl.concat(parts).sort("deadline", "value", "contract", "session").select(_LOOKS)


def _elsewhere(store: Store, rows: pl.DataFrame, providers: Collection[str]) -> pl.DataFrame:
    """Those that another provider than the stored bars' can be asked for."""
    listed = who_lists(store.listed_by(rows["contract"].unique()), set(store.masters()["provider"]), providers)
    able = [
        number not in listed or bool((listed[number] & set(providers)) - {provider})
        for number, provider in rows.select("contract", "provider").iter_rows()
    ]
    return rows.filter(pl.Series(able, dtype=pl.Boolean))


def _of_sessions(store: Store, contracts: pl.DataFrame, sessions: Sequence[date], share: float, today: date) -> pl.DataFrame:
    here = contracts.select("contract", "venue", "segment", "token", "kind", "expiry")
    kept = timedelta(days=HORIZON_DAYS)
    served = (pl.col("expiry").is_null() | (pl.col("expiry") >= today)) & (pl.col("session") + kept >= today)
    rows = store.coverage(sessions).filter(pl.col("outcome") == Outcome.COMPLETE.value, pl.col("bars") > 0).join(here, on="contract").filter(served)
    rows = rows.filter(is_chosen(rows, share))
    between = store.comparisons(sessions).filter(pl.col("first_provider") != pl.col("second_provider"))
    for over in (between, store.not_elsewhere(sessions)):
        rows = rows.join(over, on=["contract", "session"], how="anti")
    return rows.with_columns(
        rank=pl.col("proof").replace_strict(_PROOF_RANK, default=RANK[Outcome.COMPLETE], return_dtype=pl.Int64),
        deadline=pl.min_horizontal("expiry", pl.col("session") + kept),
        value=pl.col("kind").replace_strict(_KIND_VALUE, return_dtype=pl.Int8),
    )


def count_looks(store: Store, chosen: Wanted, planned: pl.DataFrame, share: float, providers: Collection[str], today: date) -> int:
    """How many requests a second look will take at most once the planned (contract, sessions) are here."""
    if not share or len(set(providers)) < 2:
        return 0
    names = chosen.contracts.select("contract", "venue", "segment", "token")
    total = due_looks(store, chosen, share, providers, today).height
    for part in planned.select("contract", session="sessions").iter_slices(10_000):
        total += int(is_chosen(part.explode("session").join(names, on="contract"), share).sum())
    return total
