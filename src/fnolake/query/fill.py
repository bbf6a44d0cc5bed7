"""
Quiet minutes made visible: bars without trades, carried forward within a covered session. Pure.

Invariant: no bar that trades made is changed; what is added is marked, stays within its session and is never in a gap.
"""

from __future__ import annotations

import polars as pl

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.model import BAR_SORT, bar_schema
from fnolake.model.session import MINUTE_US, ist_midnight_us
from fnolake.query.anchors import any_contract
from fnolake.query.interval import Interval

FILLS = ("forward",)
_PAIR = ("contract", "session")
_HOURS = ("venue", "underlying", "kind", "expiry", "session")
_GRID: dict[str, pl.DataType | type[pl.DataType]] = {
    "venue": pl.String, "underlying": pl.String, "kind": pl.String, "expiry": pl.Date, "session": pl.Date, "ts": pl.List(pl.Int64),
}


def check_fill(fill: str | None) -> None:
    """
    Refuse what is no way to fill.

    Raises:
        QueryError: It is none.
    """
    if fill is not None and fill not in FILLS:
        raise QueryError(f"no fill {fill!r}: give forward, or none")


def filled_forward(rows: pl.DataFrame, covered: pl.DataFrame, calendar: Calendar, indices: frozenset[str], interval: Interval) -> pl.DataFrame:
    """
    Bars with the quiet ones between and after them.

    Args:
        rows: ``model.bar_schema``, bars of one interval; whole sessions.
        covered: (contract, session) that may be filled.
        calendar: For the sessions' windows.
        indices: Underlyings that are indices, which end earlier on their expiry.
        interval: Of the bars. Days and longer have nothing to fill.

    Returns:
        ``rows`` and, marked by ``filled`` (Boolean), one bar for each that is missing in the continuous session after the
        contract's first: open, high, low and close are the last close, volume 0, oi the last that was told, vwap null.
        By ``BAR_SORT``.
    """
    real = rows.with_columns(filled=pl.lit(value=False))
    traded = real.filter(pl.col("phase") == "continuous")
    if interval.period or traded.is_empty():
        return real.sort(BAR_SORT, nulls_last=False)
    starts = traded.group_by(_PAIR).agg(since=pl.col("ts").min(), **{name: pl.col(name).first() for name in _HOURS[:-1]})
    starts = starts.join(covered.select(_PAIR).unique(), on=_PAIR, how="semi")
    grid = _grid(starts.select(_HOURS).unique(), calendar, indices, interval)
    due = starts.join(grid, on=_HOURS, nulls_equal=True).select(*_PAIR, "since", "ts").explode("ts")
    due = due.with_columns(pl.col("ts").cast(pl.Datetime("us", "UTC"))).filter(pl.col("ts") > pl.col("since"))
    quiet = due.join(traded, on=["contract", "ts"], how="anti").select(*_PAIR, "ts", filled=pl.lit(value=True))
    return pl.concat([_carried(pl.concat([traded, quiet], how="diagonal")), real.filter(pl.col("phase") != "continuous")]).sort(BAR_SORT, nulls_last=False)


def _carried(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows with the nulls of those that are filled taken from the row before."""
    rows = rows.sort(*_PAIR, "ts")
    before = {name: pl.col(name).forward_fill().over(_PAIR) for name in rows.columns}
    said = {name: before[name] for name in ("venue", "underlying", "kind", "expiry", "strike_paise", "right", "phase", "provider", "oi")}
    flat = dict.fromkeys(("open_paise", "high_paise", "low_paise", "close_paise"), before["close_paise"])
    made = {**said, **flat, "volume": pl.lit(0, pl.Int64)}
    return rows.with_columns(pl.when("filled").then(one).otherwise(pl.col(name)).alias(name) for name, one in made.items()).select(*bar_schema(), "filled")


def _grid(hours: pl.DataFrame, calendar: Calendar, indices: frozenset[str], interval: Interval) -> pl.DataFrame:
    """Starts of the bars of sessions, in microseconds."""
    found = []
    for venue, underlying, kind, expiry, day in hours.iter_rows():
        session = calendar.session_for(any_contract(venue, underlying, kind, is_index=underlying in indices, expiry=expiry), day)
        base = ist_midnight_us(day)
        windows = session.continuous if session else ()
        starts = [base + minute * MINUTE_US for window in windows for minute in range(window.start, window.end, interval.minutes)]
        found.append((venue, underlying, kind, expiry, day, starts))
    return pl.DataFrame(found, schema=_GRID, orient="row")
