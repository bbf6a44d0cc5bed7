"""
Provisional minutes beside the final ones, and how honest they were. Reads the store and the live journal, writes nothing.

A contract-session is read from one place: from the store once it has bars there, else from what was recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import polars as pl

from fnolake.minutes import live_schema
from fnolake.model import bar_schema
from fnolake.query.rupees import in_rupees
from fnolake.store.journal import FOLDER, absences, pieces, recorded
from fnolake.store.store import Store

PROVIDER = "live"
"""In the column ``provider`` of provisional bars."""
SCORE: dict[str, pl.DataType | type[pl.DataType]] = {
    "session": pl.Date, "symbol": pl.String, "minutes": pl.Int64, "equal": pl.Int64, "differs": pl.Int64, "missing": pl.Int64, "extra": pl.Int64,
    "incomplete": pl.Int64, "unheard": pl.Int64,
}
"""
One row a contract-session that has both: its final minutes; of them those that live bars called complete equal, differ from,
or lack though they were listened to; complete live minutes that the final bars lack; live minutes marked incomplete, which
claim nothing; and final minutes of which nothing was heard, and that is known.
"""
FINDINGS: dict[str, pl.DataType | type[pl.DataType]] = {
    "symbol": pl.String, "session": pl.Date, "ts": pl.Datetime("us", "Asia/Kolkata"), "field": pl.String, "finding": pl.String, "live": pl.Float64,
    "final": pl.Float64,
}
"""
Where a recording was wrong, by symbol, ts and field; what it marked as incomplete or not heard is no finding.

``live_differs``: a field (open, high, low, close in rupees, volume in units) of a minute that was called complete is another in the
final bars; ``live_extra`` and ``live_missing``: of the field ``minute``, 1 where it is.
"""
_VALUES = ("open_paise", "high_paise", "low_paise", "close_paise", "volume")
_LIVE = {name: name.replace("_paise", "_live_paise") if name.endswith("_paise") else f"{name}_live" for name in _VALUES}
_EQUAL = pl.all_horizontal(pl.col(name) == pl.col(theirs) for name, theirs in _LIVE.items())


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
    rows = _beside(store, session)
    if rows.is_empty():
        return pl.DataFrame(schema=SCORE)
    here, told, silent = pl.col("here"), pl.col("told"), pl.col("here") & pl.col("complete").is_null()
    return (
        rows.group_by("symbol").agg(
            session=pl.lit(session), minutes=here.sum(), equal=(here & told & _EQUAL).sum(), differs=(here & told & ~_EQUAL).sum(),
            missing=(silent & ~pl.col("away")).sum(), extra=(~here & told).sum(), incomplete=(~pl.col("complete")).sum(),
            unheard=(silent & pl.col("away")).sum(),
        )
        .sort(pl.col("differs") + pl.col("extra") + pl.col("missing"), "symbol", descending=[True, False])
        .select(pl.col(name).cast(kind) for name, kind in SCORE.items())
    )


def findings(store: Store, session: date) -> pl.DataFrame:
    """Where live minutes of a session were wrong: ``FINDINGS``."""
    rows = _beside(store, session)
    if rows.is_empty():
        return pl.DataFrame(schema=FINDINGS)
    both = in_rupees(rows.filter("here", "told")).with_columns(pl.col("volume", "volume_live").cast(pl.Float64))
    fields = [both.filter(pl.col(name) != pl.col(f"{name}_live")).select(
        "symbol", "ts", field=pl.lit(name), finding=pl.lit("live_differs"), live=f"{name}_live", final=name,
    ) for name in (value.removesuffix("_paise") for value in _VALUES)]
    missing, extra = rows.filter(pl.col("here") & pl.col("complete").is_null() & ~pl.col("away")), rows.filter(~pl.col("here") & pl.col("told"))
    minutes = [rows.select("symbol", "ts", field=pl.lit("minute"), finding=pl.lit(word), live=pl.lit(live), final=pl.lit(1 - live))
               for word, rows, live in (("live_missing", missing, 0.0), ("live_extra", extra, 1.0))]
    every = pl.concat([*fields, *minutes]).with_columns(pl.lit(session).alias("session"), pl.col("ts").dt.convert_time_zone("Asia/Kolkata"))
    return every.select(*FINDINGS).sort("symbol", "ts", "field")


def _beside(store: Store, session: date) -> pl.DataFrame:
    """
    Final and recorded minutes of the contracts that have both, but for the auction.

    Columns: symbol, ts, the final values, those of the recording (``_live``), ``complete`` (null: not recorded), whether the minute is
    ``here`` in the final bars, whether the recording ``told`` it as complete, whether it was ``away``.
    """
    folder = store.path / FOLDER / session.isoformat()
    live = pieces(folder)
    if live.is_empty():
        return live
    ids = live["contract"].unique().to_list()
    final = store.bars(ids, [session]).filter(pl.col("phase") != "auction").select("contract", "ts", *_VALUES).collect()
    live = live.filter(pl.col("phase") != "auction", pl.col("contract").is_in(final["contract"].unique().to_list()))
    away = _minutes(absences(folder)).select("contract", "ts", away=pl.lit(value=True))
    return (
        final.join(live.rename(_LIVE), on=["contract", "ts"], how="full", coalesce=True)
        .join(away, on=["contract", "ts"], how="left").join(store.instruments(session).select("contract", "symbol"), on="contract")
        .with_columns(
            pl.col("away").fill_null(value=False), here=pl.col("close_paise").is_not_null(), told=pl.col("complete").fill_null(value=False),
        )
    )


def unheard(store: Store, pairs: pl.DataFrame, phases: Sequence[str], since: datetime | None, until: datetime | None) -> pl.DataFrame:
    """
    Minutes of recorded contract-sessions that nobody heard, in some phases (empty = all) and between two instants.

    Args:
        store: The lake's.
        pairs: (contract, session).
        phases: As in ``provisional``.
        since: Aware, inclusive; None: from the open.
        until: Aware, exclusive; None: to the close.

    Returns:
        contract, session, minutes; those with none are not in it.
    """
    parts = [_minutes(absences(store.path / FOLDER / day.isoformat())).with_columns(session=pl.lit(day)) for day in pairs["session"].unique()]
    if not parts:
        return pl.DataFrame(schema={"contract": pl.Int64, "session": pl.Date, "minutes": pl.UInt32})
    rows = pl.concat(parts).join(pairs, on=["contract", "session"], how="semi")
    if phases:
        rows = rows.filter(pl.col("phase").is_in(list(phases)))
    if since is not None:
        rows = rows.filter(pl.col("ts") >= since)
    if until is not None:
        rows = rows.filter(pl.col("ts") < until)
    return rows.group_by("contract", "session").agg(minutes=pl.len())


def _minutes(spans: pl.DataFrame) -> pl.DataFrame:
    """Each minute of ``minutes.absence_schema`` once: contract, ts, phase."""
    each = spans.with_columns(ts=pl.datetime_ranges("first", "last", "1m"))
    return each.explode("ts").unique(["contract", "ts"]).select("contract", "ts", "phase")


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
