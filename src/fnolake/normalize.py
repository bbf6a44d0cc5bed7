"""
A page of provider rows to the canonical table: ordered, in paise, each row with its session and phase. Pure.

What a contract-session is worth is not judged here (that is ``verify``). Invariant: every row of the page is a bar, a
refused row, an identical duplicate that was dropped and counted, or counted as undecoded.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.errors import UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import Contract, Finding, Page, RawBars, Window, bar_schema, quarantine_schema

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Codes = NDArray[np.int8]

REASONS = (
    "", "no_session", "unknown_session", "after_expiry", "outside_span", "outside_hours", "not_a_price", "zero_prices",
    "price_out_of_range", "crossed", "volume_unreadable", "volume_wrapped", "wall_mismatch", "conflicting_duplicate", "duplicate",
)
"""Why a row is not kept, by code; 0 is kept, the last is dropped and counted, the others go to quarantine."""

CODE = {name: code for code, name in enumerate(REASONS)}
DROPPED = CODE["duplicate"]
PHASES = ("", "continuous", "preopen", "auction")
OUTSIDE, CONTINUOUS, PREOPEN, AUCTION = range(4)
DAY_MINUTES = 1440

_INT32_MAX = 2**31 - 1
_PAISE_SLACK = 0.01
"""How far a hundred times rupees may be from a whole paisa before the rounding is worth a finding."""

_IST_S = 19_800
_DAY_S = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LAST_EPOCH = 4_102_444_800
_VALUES = ("open", "high", "low", "close")


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What verify looks at, row by row of ``Normalized.bars`` and as numpy.

    ``ts_us`` UTC microseconds; ``minute`` from midnight IST; ``phase`` a code of :data:`PHASES`; prices int32
    paise; ``oi`` and ``cumulative`` (day volume so far) units, -1 = absent.
    """

    ts_us: Ints
    minute: Ints
    phase: Codes
    high: NDArray[np.int32]
    low: NDArray[np.int32]
    close: NDArray[np.int32]
    volume: Ints
    cumulative: Ints
    oi: Ints


@dataclass(frozen=True, slots=True)
class Normalized:
    """
    A page as tables.

    Attributes:
        bars: ``model.bar_schema``, ascending by (session, ts), (contract, ts) unique.
        refused: ``model.quarantine_schema``, ascending by stamp.
        findings: By IST date of the rows concerned; dates without a finding are absent.
        facts: Columns of ``bars`` for verify.
        spans: Where each session's rows are in ``bars``: first and one past the last.
        undecoded: Rows that could not be read at all; their session is not known.
    """

    bars: pl.DataFrame
    refused: pl.DataFrame
    findings: dict[date, tuple[Finding, ...]]
    facts: Facts
    spans: dict[date, tuple[int, int]] = field(default_factory=dict)
    undecoded: int = 0


@dataclass(slots=True)
class _Rows:
    """Rows in time order, with where they fall. ``day`` indexes ``days``; ``rupees`` is (4, n)."""

    stamp_s: Ints
    minute_s: Ints
    rupees: Floats
    volume: Ints
    oi: Ints
    vwap: Floats
    cumulative: Ints
    wall_mismatch: Flags
    days: list[int]
    day: Ints
    minute: Ints


def normalize(page: Page, calendar: Calendar) -> Normalized:
    """
    Bring a page into the canonical shape.

    Of several rows of one minute, the one stamped on the minute wins over one stamped inside it, then the first on
    the wire (the provider's newest word); the others are dropped if identical, else refused. Rows on dates that are
    no session, or whose hours nobody knows, are refused, never guessed.
    """
    raw = page.rows
    if raw is None:
        return _nothing(0)
    rows = _take(raw, _order(raw.epoch_s))
    undecoded = raw.undecoded + len(raw) - rows.day.size
    if not rows.days:
        return _nothing(undecoded)
    phase = _phases(rows, page.request.contract, calendar)
    paise = to_paise(rows.rupees)
    span = (int(page.request.start.timestamp()), int(page.request.end.timestamp()))
    codes = _codes(rows, phase, paise, span)
    return _assemble(page, rows, phase, paise, codes, undecoded)


def _order(epoch_s: Ints) -> Ints | slice:
    """How to bring rows into time order, without impossible stamps; a slice where the wire was in order already."""
    readable = (epoch_s >= 0) & (epoch_s < _LAST_EPOCH)
    if not readable.all():
        chosen = np.flatnonzero(readable)
        return chosen[_order(epoch_s[chosen])]
    minute = epoch_s // 60
    step = minute[1:] - minute[:-1]
    if (step < 0).all():
        return slice(None, None, -1)
    if (step > 0).all():
        return slice(None)
    order: Ints = np.argsort(minute * 2 + (epoch_s % 60 != 0), kind="stable")
    return order


def _take(raw: RawBars, index: Ints | slice) -> _Rows:
    stamp = np.ascontiguousarray(raw.epoch_s[index])
    minute_s = stamp - stamp % 60
    local = minute_s + _IST_S
    day = local // _DAY_S
    turn = np.concatenate((np.ones(min(day.size, 1), np.bool_), day[1:] != day[:-1]))
    return _Rows(
        stamp, minute_s, np.stack([getattr(raw, name)[index] for name in _VALUES]),
        np.ascontiguousarray(raw.volume[index]), np.ascontiguousarray(raw.oi[index]), raw.vwap[index],
        np.ascontiguousarray(raw.cumulative[index]), raw.wall_mismatch[index], day[turn].tolist(),
        np.cumsum(turn) - 1, (local - day * _DAY_S) // 60,
    )


def _date(day: int) -> date:
    return date.fromordinal(_EPOCH_ORDINAL + day)


def _phases(rows: _Rows, contract: Contract, calendar: Calendar) -> Codes:
    """Phase code of every row; minus a reason's code on dates that are no session of this contract."""
    tables = [_day_table(contract, calendar, _date(day)) for day in rows.days]
    found: Codes = np.concatenate(tables)[rows.day * DAY_MINUTES + rows.minute]
    return found


def _day_table(contract: Contract, calendar: Calendar, day: date) -> Codes:
    if contract.expiry is not None and day > contract.expiry:
        return refusing_table("after_expiry")
    try:
        session = calendar.session_for(contract, day)
    except UnknownSession:
        return refusing_table("unknown_session")
    return refusing_table("no_session") if session is None else phase_table(session.windows)


def _codes(rows: _Rows, phase: Codes, paise: Paise, span: tuple[int, int]) -> Codes:
    """The reason of every row that is not kept, 0 for the others."""
    codes = place_codes(phase, rows.minute_s, span)
    values = value_codes(rows.rupees, paise, rows.volume, rows.wall_mismatch)
    codes = np.where(codes == 0, values, codes)
    if (rows.minute_s[1:] == rows.minute_s[:-1]).any():
        kept = np.flatnonzero(codes == 0)
        fields = np.vstack((rows.rupees, rows.vwap, rows.volume, rows.oi, rows.cumulative))[:, kept].astype(np.float64)
        codes[kept] = duplicate_codes(rows.minute_s[kept], fields)
    return codes


def _assemble(page: Page, rows: _Rows, phase: Codes, paise: Paise, codes: Codes, undecoded: int) -> Normalized:
    contract = page.request.contract
    kept: Ints | slice = np.flatnonzero(codes == 0) if codes.any() else slice(None)
    prices = paise.rounded[:, kept].astype(np.int32)
    vwap = _vwap(rows.vwap[kept])
    oi = np.full_like(rows.oi, -1)[kept] if contract.kind == "spot" else rows.oi[kept]
    facts = Facts(
        rows.minute_s[kept] * 1_000_000, rows.minute[kept], phase[kept], prices[1], prices[2], prices[3],
        rows.volume[kept], rows.cumulative[kept], oi,
    )
    findings = _findings(rows, codes, _flags(contract, rows, prices, paise, vwap, kept), kept)
    bars = _bars(page, facts, prices, vwap, np.array(rows.days, np.int32)[rows.day[kept]])
    return Normalized(bars, _refused(page, rows, codes), findings, facts, _spans(rows, kept), undecoded)


def _vwap(rupees: Floats) -> Ints:
    """Paise, -1 where absent (an index sends 0.00), -2 where it is a number that cannot be one."""
    paise = to_paise(rupees)
    whole = np.where(paise.fits, paise.rounded, -1.0).astype(np.int64)
    if not paise.fits.all():
        whole[~paise.fits & ~np.isnan(rupees) & (rupees != 0.0)] = -2
    return whole


def _flags(contract: Contract, rows: _Rows, prices: NDArray[np.int32], paise: Paise, vwap: Ints, kept: Ints | slice
           ) -> dict[str, Flags]:
    """Observations on kept rows that do not refuse them."""
    exact = Paise(paise.exact[:, kept], paise.rounded[:, kept], paise.fits)
    found = {
        "odd_stamp": rows.stamp_s[kept] != rows.minute_s[kept], "rounded": rounded_prices(exact),
        "vwap_unreadable": vwap == -2,
    }
    if contract.tick_paise > 1 and not (contract.kind == "spot" and contract.is_index):
        found["off_tick"] = off_tick(prices, contract.tick_paise)
    return found


def _findings(rows: _Rows, codes: Codes, flags: dict[str, Flags], kept: Ints | slice) -> dict[date, tuple[Finding, ...]]:
    found: list[list[Finding]] = [[] for _ in rows.days]
    if not isinstance(kept, slice):
        width = len(REASONS)
        counts = np.bincount(rows.day * width + codes, minlength=len(found) * width).reshape(-1, width)
        for place, code in np.argwhere(counts[:, 1:]).tolist():
            found[place].append(Finding(REASONS[code + 1], int(counts[place, code + 1]), refused=code + 1 != DROPPED))
    for name, flag in flags.items():
        if flag.any():
            for place, count in enumerate(np.bincount(rows.day[kept][flag], minlength=len(found)).tolist()):
                if count:
                    found[place].append(Finding(name, count))
    return {_date(day): tuple(some) for day, some in zip(rows.days, found, strict=True) if some}


def _spans(rows: _Rows, kept: Ints | slice) -> dict[date, tuple[int, int]]:
    edges = np.searchsorted(rows.day[kept], np.arange(len(rows.days) + 1)).tolist()
    return {_date(day): (a, b) for day, a, b in zip(rows.days, edges[:-1], edges[1:], strict=True) if a < b}


@functools.lru_cache(maxsize=4096)
def _one(name: str, value: object) -> pl.Series:
    """A column of one row, to be repeated."""
    return pl.Series(name, [value], dtype=bar_schema()[name])


def _nullable(name: str, values: Ints, dtype: type[pl.DataType]) -> pl.Series:
    """A column in which negative values are absent."""
    absent = values < 0
    if absent.all():
        return _one(name, None).new_from_index(0, values.size)
    column = pl.Series(name, values)
    return (column.scatter(np.flatnonzero(absent), None) if absent.any() else column).cast(dtype)


def _phase_column(phase: Codes) -> pl.Series:
    usual = _one("phase", PHASES[CONTINUOUS])
    if (phase == CONTINUOUS).all():
        return usual.new_from_index(0, phase.size)
    return pl.Series("phase", [PHASES[code] for code in phase.tolist()], dtype=pl.String)


def _bars(page: Page, facts: Facts, prices: NDArray[np.int32], vwap: Ints, session: NDArray[np.int32]) -> pl.DataFrame:
    contract, size = page.request.contract, facts.ts_us.size

    def same(name: str, value: object) -> pl.Series:
        return _one(name, value).new_from_index(0, size)

    return pl.DataFrame([
        pl.Series("session", session).cast(pl.Date), pl.Series("ts", facts.ts_us).cast(pl.Datetime("us", "UTC")),
        same("contract", contract.contract), same("venue", contract.venue), same("underlying", contract.underlying),
        same("kind", contract.kind), same("expiry", contract.expiry), same("strike_paise", contract.strike_paise),
        same("right", contract.right),
        *(pl.Series(f"{name}_paise", prices[at]) for at, name in enumerate(_VALUES)),
        pl.Series("volume", facts.volume), _nullable("oi", facts.oi, pl.Int64), _nullable("vwap_paise", vwap, pl.Int32),
        _phase_column(facts.phase), same("provider", page.provider),
    ])


@functools.cache
def _no_refused() -> pl.DataFrame:
    return pl.DataFrame(schema=quarantine_schema())


def _refused(page: Page, rows: _Rows, codes: Codes) -> pl.DataFrame:
    at = np.flatnonzero((codes > 0) & (codes < DROPPED))
    if not at.size:
        return _no_refused().clone()
    return pl.DataFrame({
        "session": pl.Series(np.array(rows.days, np.int32)[rows.day[at]]).cast(pl.Date),
        "ts": pl.Series(rows.stamp_s[at] * 1_000_000).cast(pl.Datetime("us", "UTC")),
        "contract": [page.request.contract.contract] * at.size, "reason": [REASONS[code] for code in codes[at].tolist()],
        **{name: rows.rupees[place, at] for place, name in enumerate(_VALUES)},
        "volume": rows.volume[at], "oi": [oi if oi >= 0 else None for oi in rows.oi[at].tolist()],
        "provider": [page.provider] * at.size,
    }, schema=quarantine_schema())


def _nothing(undecoded: int) -> Normalized:
    none, small = np.empty(0, np.int64), np.empty(0, np.int32)
    facts = Facts(none, none, np.empty(0, np.int8), small, small, small, none, none, none)
    return Normalized(
        pl.DataFrame(schema=bar_schema()), _no_refused().clone(), {}, facts, undecoded=undecoded,
    )


@dataclass(frozen=True, slots=True)
class Paise:
    """Prices as whole paise, still float64 so that what does not fit is not lost: (4, n) open high low close."""

    exact: Floats
    rounded: Floats
    fits: Flags


@functools.lru_cache(maxsize=256)
def phase_table(windows: tuple[Window, ...]) -> Codes:
    """Phase code of each minute of a day (from midnight IST); do not write into it."""
    table = np.zeros(DAY_MINUTES, np.int8)
    for window in windows:
        table[window.start:window.end] = PHASES.index(window.phase)
    return table


@functools.cache
def refusing_table(reason: str) -> Codes:
    """A day of which no minute is accepted: minus the reason's code, all day."""
    return np.full(DAY_MINUTES, -CODE[reason], np.int8)


def to_paise(rupees: Floats) -> Paise:
    """Rupees to paise, half to even; ``fits`` is false for what is no number, not positive or beyond int32."""
    with np.errstate(over="ignore", invalid="ignore"):
        exact = rupees * 100.0
        rounded = np.rint(exact)
        return Paise(exact, rounded, (rounded >= 1.0) & (rounded <= _INT32_MAX))


def place_codes(phase: Codes, epoch_s: Ints, span_s: tuple[int, int]) -> Codes:
    """Where a row does not belong: no session, past the expiry, outside the asked half-open span or the hours."""
    codes = np.where(phase == OUTSIDE, np.int8(CODE["outside_hours"]), np.int8(0))
    first, last = span_s
    codes[(epoch_s < first) | (epoch_s >= last)] = CODE["outside_span"]
    closed = phase < 0
    if closed.any():
        codes[closed] = -phase[closed]
    return codes


def value_codes(rupees: Floats, paise: Paise, volume: Ints, wall_mismatch: Flags) -> Codes:
    """What is wrong with a row's values, or that its wall clock and epoch differ: then nobody knows its minute."""
    codes = np.zeros(volume.shape[0], np.int8)
    codes[wall_mismatch] = CODE["wall_mismatch"]
    codes[volume > _INT32_MAX] = CODE["volume_wrapped"]
    codes[volume < 0] = CODE["volume_unreadable"]
    opened, high, low, close = paise.rounded
    codes[(high < np.maximum(opened, close)) | (low > np.minimum(opened, close))] = CODE["crossed"]
    if not paise.fits.all():
        codes[~paise.fits.all(axis=0)] = CODE["price_out_of_range"]
        codes[(rupees == 0.0).all(axis=0)] = CODE["zero_prices"]
        codes[~np.isfinite(rupees).all(axis=0)] = CODE["not_a_price"]
    return codes


def rounded_prices(paise: Paise) -> Flags:
    """Rows with a price that was no whole number of paise (within a hundredth of a paisa)."""
    return np.asarray((np.abs(paise.exact - paise.rounded) > _PAISE_SLACK).any(axis=0))


def off_tick(prices: NDArray[np.int32], tick_paise: int) -> Flags:
    """Rows of (4, n) paise with a price that is no multiple of the tick. Ticks change with time: never a refusal."""
    return np.asarray((prices % np.int32(tick_paise) != 0).any(axis=0))


def duplicate_codes(minute_s: Ints, values: Floats) -> Codes:
    """
    Codes for rows whose minute is taken already.

    Args:
        minute_s: Ascending; of one minute, the row to keep is first.
        values: (fields, n), compared with those of the row that is kept; NaN equals NaN.
    """
    codes = np.zeros(minute_s.shape[0], np.int8)
    again = np.flatnonzero(minute_s[1:] == minute_s[:-1]) + 1
    if again.size:
        first = np.searchsorted(minute_s, minute_s[again])
        kept, other = values[:, first], values[:, again]
        same = ((kept == other) | (np.isnan(kept) & np.isnan(other))).all(axis=0)
        codes[again] = np.where(same, np.int8(DROPPED), np.int8(CODE["conflicting_duplicate"]))
    return codes
