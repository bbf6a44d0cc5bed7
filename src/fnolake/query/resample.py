"""
Longer bars from minute bars: any whole minutes, days, weeks and months, for any number of contracts at once. Pure.

Bars are counted from the start of each window of the session in its era, so none spans a break, the last of a window may be
short, and a phase (pre-open, auction) has bars of its own. Lazy, in one pass: whatever order rows come in, the result is the same.
Invariant: every minute is in exactly one bar.
"""

from __future__ import annotations

import polars as pl

from fnolake.model import bar_schema
from fnolake.query.anchors import Anchors
from fnolake.query.interval import MINUTE, Interval

_SAME = ("session", "venue", "underlying", "kind", "expiry", "strike_paise", "right", "provider")
"""Columns that are the same in all bars of a contract-session."""
_NAMED = ("first", "venue", "underlying", "kind", "phase")
_PHASES = ("continuous", "preopen", "auction")

# Whole numbers are packed into one int64 because grouping by one is several times as fast as by columns, and a maximum of
# (minute, price) is the last price in any order of the rows. Room: contracts to 2**35, minutes since 1970 to 2**26 (the
# year 2097), prices to 2**32, open interest to 2**46, days to 2**17.
_PHASE_BASE = 4
_MINUTE_BASE = 1 << 26
_PRICE_BASE = 1 << 32
_OI_BASE = 1 << 46
_DAY_BASE = 1 << 17
_MINUTE_US = 60_000_000
_DAY_MINUTES = 1440
_IST_MINUTES = 330


def resample(rows: pl.LazyFrame, interval: Interval, at: Anchors) -> pl.LazyFrame:
    """
    Minute bars as longer bars.

    Args:
        rows: ``model.bar_schema``, one-minute bars of any contracts and sessions, (contract, ts) unique.
        interval: How long they shall be.
        at: Where bars of these sessions begin.

    Returns:
        ``model.bar_schema``, in no promised order. ``ts`` is the bar's start (of a day, week or month: of the first window
        of its first session); open, high, low, close and volume as usual; oi the last that is not null; vwap weighed by
        volume, to the nearest paisa (half to even), null where nothing was traded or a traded minute has none. Names are those of the
        last session in the bar, ``session`` is its period's first.
    """
    if interval == MINUTE:
        return rows
    bars = _grouped(_placed(rows, interval, at)).join(_names(rows, at), on="named", how="left")
    return bars.select(pl.col(name).cast(kind) for name, kind in bar_schema().items())


def _placed(rows: pl.LazyFrame, interval: Interval, at: Anchors) -> pl.LazyFrame:
    """Rows with ``first`` (session of the label), ``minute`` since 1970, ``label`` (likewise) and ``place`` (contract, label, phase)."""
    minute = pl.col("ts").dt.epoch("us") // _MINUTE_US
    timed = _with_first(rows, at).with_columns(minute=minute)
    if at.odd.is_empty():
        anchored = timed.with_columns(start=_usual(at))
    else:
        odd = pl.col("first").is_in(at.odd["first"].unique().to_list())
        anchored = pl.concat([timed.filter(~odd).with_columns(start=_usual(at)), _oddly(timed.filter(odd), at)])
    if interval.period:
        label = _day("first") * _DAY_MINUTES - _IST_MINUTES + pl.col("start")
    else:
        label = pl.col("minute") - (_of_day() - pl.col("start")) % interval.minutes
    phase = pl.when(pl.col("phase") == _PHASES[0]).then(0).when(pl.col("phase") == _PHASES[1]).then(1).otherwise(2)
    labelled = anchored.with_columns(label=label)
    return labelled.with_columns(place=(pl.col("contract") * _MINUTE_BASE + pl.col("label")) * _PHASE_BASE + phase)


def _with_first(rows: pl.LazyFrame, at: Anchors) -> pl.LazyFrame:
    if not _moved(at):
        return rows.with_columns(first="session")
    table = pl.DataFrame(list(at.first.items()), schema={"session": pl.Date, "first": pl.Date}, orient="row")
    return rows.join(table.lazy(), on="session", how="left")


def _moved(at: Anchors) -> bool:
    """Whether a period holds several sessions."""
    return any(day != first for day, first in at.first.items())


def _day(column: str) -> pl.Expr:
    return pl.col(column).to_physical().cast(pl.Int64)


def _of_day() -> pl.Expr:
    """Minutes from midnight IST."""
    return (pl.col("minute") + _IST_MINUTES) % _DAY_MINUTES


def _usual(at: Anchors) -> pl.Expr:
    start = pl.lit(at.usual.get(_PHASES[0], 0), pl.Int64)
    for phase in _PHASES[1:]:
        if phase in at.usual:
            start = pl.when(pl.col("phase") == phase).then(pl.lit(at.usual[phase], pl.Int64)).otherwise(start)
    return start


def _oddly(rows: pl.LazyFrame, at: Anchors) -> pl.LazyFrame:
    """Rows of sessions on which something begins elsewhere; what is not in the table begins as usual."""
    joined = rows.join(at.odd.lazy(), on=_NAMED, how="left").filter(
        pl.col("since").is_null() | _of_day().is_between("since", "until", closed="left"),
    )
    return joined.with_columns(start=pl.coalesce("start", _usual(at))).drop("since", "until")


def _grouped(placed: pl.LazyFrame) -> pl.LazyFrame:
    """Numbers of each bar, with ``named``: contract and session whose names it bears."""
    price, volume, vwap = pl.col("minute") * _PRICE_BASE, pl.col("volume"), pl.col("vwap_paise")
    summed = placed.group_by("place").agg(
        first_price=(price + pl.col("open_paise")).min(), last_price=(price + pl.col("close_paise")).max(),
        high_paise=pl.col("high_paise").max(), low_paise=pl.col("low_paise").min(), volume=volume.sum(),
        last_oi=((pl.col("minute") - pl.col("label")) * _OI_BASE + pl.col("oi")).max(),
        value=(volume * vwap.cast(pl.Float64)).sum(), weighed=(volume * vwap.is_not_null()).sum(),
    )
    label = pl.col("place") // _PHASE_BASE % _MINUTE_BASE
    contract = pl.col("place") // (_PHASE_BASE * _MINUTE_BASE)
    whole = (pl.col("weighed") == pl.col("volume")) & (pl.col("volume") > 0)
    phase = pl.col("place") % _PHASE_BASE
    return summed.select(
        contract=contract, ts=(label * _MINUTE_US).cast(pl.Datetime("us", "UTC")),
        open_paise=pl.col("first_price") % _PRICE_BASE, high_paise="high_paise", low_paise="low_paise",
        close_paise=pl.col("last_price") % _PRICE_BASE, volume="volume", oi=pl.col("last_oi") % _OI_BASE,
        vwap_paise=pl.when(whole).then((pl.col("value") / pl.col("volume")).round(mode="half_to_even")),
        phase=pl.when(phase == 0).then(pl.lit(_PHASES[0])).when(phase == 1).then(pl.lit(_PHASES[1])).otherwise(pl.lit(_PHASES[2])),
        named=contract * _DAY_BASE + (label + _IST_MINUTES) // _DAY_MINUTES,
    )


def _names(rows: pl.LazyFrame, at: Anchors) -> pl.LazyFrame:
    """
    Names by ``named``: those of the last session in the period, with the period's first as ``session``.

    Works on the rows as they came: what two branches of a plan share would be held in memory whole.
    """
    by_session = _with_first(rows.group_by(key=pl.col("contract") * _DAY_BASE + _day("session")).agg(pl.first("contract", *_SAME)), at)
    if _moved(at):
        by_session = by_session.group_by("contract", "first").agg(pl.col(*_SAME).sort_by("session").last())
    return by_session.select(*_SAME[1:], session="first", named=pl.col("contract") * _DAY_BASE + _day("first"))
