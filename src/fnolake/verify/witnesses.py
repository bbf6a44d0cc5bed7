"""
Two providers' bars of one contract-session: where they differ, and whose are kept. Pure.

No tolerance: exactness is the hypothesis. What a provider does not send (a null, a phase of which it has no bar) is no
difference. Invariant: swapping the witnesses swaps the two sides of every difference and changes no finding's name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import polars as pl

from fnolake.model import FIRST, SECOND, VERIFIED_RANK, Comparison, Finding

PATTERN_MINUTES = 3
"""Minutes of differing volume from which one rule may be read; fewer are differences without a pattern."""

_PRICES = {"open_paise": "open", "high_paise": "high", "low_paise": "low", "close_paise": "close", "vwap_paise": "vwap"}
_FIELDS = {**_PRICES, "volume": "volume", "oi": "oi"}
_ORDER = ("missing_minute", "clipped_high", "clipped_low", "price_differs", "volume_shifted", "volume_differs", "oi_differs")
_MINUTE_US = 60_000_000
_NAMED, _ENDS = 3, 2


@dataclass(frozen=True, slots=True)
class Witness:
    """One provider's capture: its ``bars`` (``model.bar_schema``, (contract, ts) unique) and the rank of its verdict."""

    bars: pl.DataFrame
    rank: int


def compare(first: pl.DataFrame, second: pl.DataFrame) -> Comparison:
    """
    Compare two captures of one contract-session.

    Args:
        first: ``model.bar_schema``, ts unique, any order.
        second: The same, of another provider.

    Returns:
        The differences by ts and field, and a finding for each name among them, the gravest first.
    """
    ours, theirs = _same_phases(first, second), _same_phases(second, first)
    both = ours.join(theirs, on="ts", suffix="_second", validate="1:1").sort("ts")
    shift = volume_shift(ours, theirs)
    same_ends = (pl.col("open_paise") == pl.col("open_paise_second")) & (pl.col("close_paise") == pl.col("close_paise_second"))
    names = {
        "high": pl.when(same_ends).then(pl.lit("clipped_high")).otherwise(pl.lit("price_differs")),
        "low": pl.when(same_ends).then(pl.lit("clipped_low")).otherwise(pl.lit("price_differs")),
        "volume": pl.lit("volume_shifted" if shift else "volume_differs"), "oi": pl.lit("oi_differs"),
    }
    parts = [_differing(both, column, field, names.get(field, pl.lit("price_differs"))) for column, field in _FIELDS.items()]
    rows = pl.concat([_missing(ours, theirs, FIRST), _missing(theirs, ours, SECOND), *parts]).sort("ts", "field")
    return Comparison(_findings(rows, shift), rows)


def keep(first: Witness, second: Witness, comparison: Comparison, exchange_volume: int | None) -> tuple[str, str]:
    """
    Say whose bars are kept, and why.

    Args:
        first: What is stored.
        second: What the other provider said.
        comparison: Of the two.
        exchange_volume: Units by the exchange's file; None without one.

    Returns:
        ``first`` or ``second``, and the rule that decided, in order: agreed (the first stays), agrees_with_exchange,
        better_verdict, more_minutes, wider_range, volume_nearer_exchange, first_stays.
    """
    if comparison.agreed:
        return FIRST, "agreed"
    rules = (
        ("agrees_with_exchange", _sign(first.rank >= VERIFIED_RANK, second.rank >= VERIFIED_RANK)),
        ("better_verdict", second.rank - first.rank),
        ("more_minutes", _more_minutes(comparison.rows)),
        ("wider_range", _wider(comparison.rows)),
        ("volume_nearer_exchange", _nearer(first.bars, second.bars, exchange_volume)),
    )
    for why, better in rules:
        if better:
            return (SECOND if better > 0 else FIRST), why
    return FIRST, "first_stays"


def clipped(rows: pl.DataFrame, side: str) -> int:
    """How many extremes of one witness are clipped."""
    return rows.filter(is_clipped(side)).height


def is_clipped(side: str) -> pl.Expr:
    """Whether a difference is an extreme of ``side`` that is clipped: its high is below, or its low above, the other's."""
    high, low = pl.col("finding") == "clipped_high", pl.col("finding") == "clipped_low"
    above, below = pl.col("size") > 0, pl.col("size") < 0
    return ((high & above) | (low & below) if side == FIRST else (high & below) | (low & above)).fill_null(value=False)


def volume_shift(first: pl.DataFrame, second: pl.DataFrame) -> str:
    """
    The rule by which the volumes of two captures differ, in words; empty where they agree or no rule holds.

    Known: a constant factor, a constant amount, a minute earlier or later, and volume moved between neighbouring
    bars whose sums agree.
    """
    ours, theirs = _by_minute(first), _by_minute(second)
    both = sorted(ours.keys() & theirs.keys())
    places = [place for place, minute in enumerate(both) if ours[minute] != theirs[minute]]
    apart = [both[place] for place in places]
    pairs = [(ours[minute], theirs[minute]) for minute in apart]
    rules: list[Callable[[], str]] = [lambda: _moved(places, pairs)]
    if len(apart) >= PATTERN_MINUTES:
        rules = [lambda: _factor(pairs), lambda: _amount(pairs), lambda: _minute_apart(apart, ours, theirs), *rules]
    return next((said for rule in rules if (said := rule())), "")


def _by_minute(bars: pl.DataFrame) -> dict[int, int]:
    stamps = bars["ts"].dt.epoch("us") // _MINUTE_US
    return dict(zip(stamps.to_list(), bars["volume"].to_list(), strict=True))


def _factor(pairs: Sequence[tuple[int, int]]) -> str:
    """Every pair has one ratio: a unit of another size, most likely lots for units."""
    first, second = pairs[0]
    if not first or not second or any(ours * second != theirs * first for ours, theirs in pairs):
        return ""
    ratio = Fraction(second, first)
    return f"the second is {ratio} times the first" if ratio > 1 else f"the first is {1 / ratio} times the second"


def _amount(pairs: Sequence[tuple[int, int]]) -> str:
    apart = {theirs - ours for ours, theirs in pairs}
    if len(apart) > 1:
        return ""
    size = apart.pop()
    return f"the {SECOND if size > 0 else FIRST} has {abs(size)} units more in each minute"


def _minute_apart(apart: Sequence[int], ours: Mapping[int, int], theirs: Mapping[int, int]) -> str:
    """Volumes of the differing minutes are the other's of the minute before or after; the ends of the run may stand alone."""
    for step, said in ((1, "the second is a minute later than the first"), (-1, "the second is a minute earlier than the first")):
        there = sum(theirs[minute] == ours.get(minute - step) for minute in apart)
        back = sum(ours[minute] == theirs.get(minute + step) for minute in apart)
        explained = min(there, back)
        if explained >= PATTERN_MINUTES and len(apart) - explained <= max(_ENDS, len(apart) // 10):
            return said
    return ""


def _moved(places: Sequence[int], pairs: Sequence[tuple[int, int]]) -> str:
    """Each run of neighbouring bars has the same sum at both."""
    starts = [at for at, place in enumerate(places) if not at or place != places[at - 1] + 1]
    runs = [pairs[start:end] for start, end in pairwise([*starts, len(places)])]
    whole = [sum(ours for ours, _ in run) == sum(theirs for _, theirs in run) for run in runs]
    return "the same units are booked in neighbouring bars" if whole and all(whole) else ""


def _same_phases(bars: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    """Bars of the phases that both have; continuous minutes always count."""
    shared = {"continuous", *set(bars["phase"]) & set(other["phase"])}
    return bars.filter(pl.col("phase").is_in(list(shared))).select("ts", *_FIELDS)


def _missing(bars: pl.DataFrame, other: pl.DataFrame, side: str) -> pl.DataFrame:
    """Minutes that only ``side`` has."""
    one, none = pl.lit(1, pl.Int64), pl.lit(None, pl.Int64)
    first, second = (one, none) if side == FIRST else (none, one)
    return bars.join(other, on="ts", how="anti").select(
        "ts", field=pl.lit("minute"), first=first, second=second, size=none, finding=pl.lit("missing_minute"),
    )


def _differing(both: pl.DataFrame, column: str, field: str, finding: pl.Expr) -> pl.DataFrame:
    first, second = pl.col(column).cast(pl.Int64), pl.col(f"{column}_second").cast(pl.Int64)
    return both.filter(first != second).select(
        "ts", field=pl.lit(field), first=first, second=second, size=second - first, finding=finding,
    )


def _findings(rows: pl.DataFrame, shift: str) -> tuple[Finding, ...]:
    found = []
    for name in _ORDER:
        part = rows.filter(pl.col("finding") == name)
        if part.height:
            found.append(Finding(name, part.height, shift if name == "volume_shifted" else _detail(part)))
    return tuple(found)


def _detail(rows: pl.DataFrame) -> str:
    """The first minutes in IST, and the largest difference in paise or units."""
    stamps = rows["ts"].dt.convert_time_zone("Asia/Kolkata").dt.to_string("%H:%M").unique(maintain_order=True).to_list()
    more = f" and {len(stamps) - _NAMED} more" if len(stamps) > _NAMED else ""
    sizes = rows["size"].drop_nulls().to_list()
    by = f", by up to {max(map(abs, sizes))}" if sizes else ""
    return f"at {', '.join(stamps[:_NAMED])}{more}{by}"


def _more_minutes(rows: pl.DataFrame) -> int:
    """1 where the second has every minute of the first and more, -1 the other way round, 0 otherwise."""
    missing = rows.filter(pl.col("finding") == "missing_minute")
    only_first, only_second = missing["first"].count(), missing["second"].count()
    return 0 if only_first and only_second else _sign(only_first, only_second)


def _wider(rows: pl.DataFrame) -> int:
    """1 where only extremes of the first are clipped, -1 where only the second's are."""
    first, second = clipped(rows, FIRST), clipped(rows, SECOND)
    return 0 if first and second else _sign(second, first)


def _nearer(first: pl.DataFrame, second: pl.DataFrame, exchange_volume: int | None) -> int:
    if exchange_volume is None:
        return 0
    ours, theirs = (abs(int(bars["volume"].sum()) - exchange_volume) for bars in (first, second))
    return _sign(theirs, ours)


def _sign(first: int, second: int) -> int:
    """1 where the second figure is larger, -1 where the first is."""
    return (second > first) - (first > second)
