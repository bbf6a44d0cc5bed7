"""
Provisional minutes beside the final ones, and how honest they were. Reads the store and the live journal, writes nothing.

A contract-session is read from one place: from the store once it has bars there, else from what was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import polars as pl

from fnolake.minutes import live_schema
from fnolake.model import bar_schema
from fnolake.store.journal import FOLDER, pieces, recorded
from fnolake.store.store import Store

PROVIDER = "live"
"""In the column ``provider`` of provisional bars."""
SCORE: dict[str, pl.DataType | type[pl.DataType]] = {
    "session": pl.Date, "symbol": pl.String, "minutes": pl.Int64, "equal": pl.Int64, "differs": pl.Int64, "missing": pl.Int64, "extra": pl.Int64,
    "incomplete": pl.Int64,
}
"""
One row a contract-session that has both: its final minutes; of them those that live bars called complete equal, differ from,
or lack; complete live minutes that the final bars lack; and live minutes marked incomplete, which claim nothing.
"""
_VALUES = ("open_paise", "high_paise", "low_paise", "close_paise", "volume")


def provisional(store: Store, contracts: Sequence[int] | None, sessions: Sequence[date], phases: Sequence[str] = ()) -> pl.DataFrame:
    """
    Recorded minutes of contract-sessions that have no final bars: ``model.bar_schema`` and ``complete``.

    Args:
        store: The lake's.
        contracts: Ids; None = all.
        sessions: Sessions, of which those that were recorded are read.
        phases: Phases to keep; empty = all.
    """
    parts = [_session(store, contracts, day) for day in recorded(store.path) if day in set(sessions)]
    rows = pl.concat(parts) if parts else pl.DataFrame(schema={**bar_schema(), "complete": pl.Boolean})
    return rows.filter(pl.col("phase").is_in(list(phases))) if phases else rows


def score(store: Store, session: date) -> pl.DataFrame:
    """How live minutes of a session compare with the provider's history, contract by contract: ``SCORE``, the worst first."""
    live = pieces(store.path / FOLDER / session.isoformat())
    if live.is_empty():
        return pl.DataFrame(schema=SCORE)
    ids = live["contract"].unique().to_list()
    final = store.bars(ids, [session]).filter(pl.col("phase") != "auction").select("contract", "ts", *_VALUES).collect()
    live = live.filter(pl.col("phase") != "auction", pl.col("contract").is_in(final["contract"].unique().to_list()))
    both = final.join(live, on=["contract", "ts"], how="full", coalesce=True, suffix="_live")
    here, told = pl.col("close_paise").is_not_null(), pl.col("complete").fill_null(value=False)
    equal = pl.all_horizontal(pl.col(name) == pl.col(f"{name}_live") for name in _VALUES)
    names = store.instruments(session).select("contract", "symbol")
    return (
        both.group_by("contract").agg(
            minutes=here.sum(), equal=(here & told & equal).sum(), differs=(here & told & ~equal).sum(),
            missing=(here & pl.col("complete").is_null()).sum(), extra=(~here & told).sum(), incomplete=(~pl.col("complete")).sum(),
        ).join(names, on="contract").with_columns(session=pl.lit(session))
        .sort(pl.col("differs") + pl.col("extra") + pl.col("missing"), "symbol", descending=[True, False])
        .select(pl.col(name).cast(kind) for name, kind in SCORE.items())
    )


def _session(store: Store, contracts: Sequence[int] | None, day: date) -> pl.DataFrame:
    live = pieces(store.path / FOLDER / day.isoformat())
    if live.is_empty():
        live = pl.DataFrame(schema=live_schema())
    if contracts is not None:
        live = live.filter(pl.col("contract").is_in(list(contracts)))
    known = store.coverage([day])
    final = known.filter(pl.col("bars") > 0).select("contract")
    named = store.instruments(day).select("contract", "venue", "underlying", "kind", "expiry", "strike_paise", "right")
    rows = live.join(final, on="contract", how="anti").join(named, on="contract").with_columns(
        session=pl.lit(day), vwap_paise=pl.lit(None, pl.Int32), provider=pl.lit(PROVIDER),
    )
    return rows.select(*bar_schema(), "complete").cast(dict(bar_schema()))  # type: ignore[arg-type]
