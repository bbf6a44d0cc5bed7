"""
A contract-session against the exchange's row of it: one function a check. Pure.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fnolake.model import Finding, Proof
from fnolake.normalize import AUCTION, PREOPEN
from fnolake.verify.case import VOLUME_TOLERANCE, Case, Flow, minutes_before, missing_minutes

PHASES_SHARE = 0.25
"""Share of a day's volume that pre-open and closing auction, which brokers may leave out, can explain."""

_LAST_TICKS = 2

_LAST_SHARE = 0.001

_OI_SHARE = 0.02


def reconcile(case: Case, flow: Flow, volume: int) -> tuple[Proof, tuple[str, ...], tuple[Finding, ...]]:
    """Hold the bars against the exchange's row: volume, range, last price; open interest is only observed."""
    if case.row is None:
        return Proof.UNVERIFIED, ("no_exchange_file",), ()
    checks = (volume_check(case, volume) or tail_check(case, flow), range_check(case), last_check(case))
    broken = [f for f in checks if f is not None]
    observed = [f for f in (oi_check(case),) if f is not None]
    explained = bool(broken) and broken[0].name == "volume_below_exchange" and _explained(case, flow, volume)
    if explained and not any(f.name == "outside_exchange_range" for f in broken):
        left_out = replace(broken[0], name="phases_not_served")
        return Proof.UNVERIFIED, ("phases_not_served",), (left_out, *broken[1:], *observed)
    if broken:
        return Proof.MISMATCH, tuple(f.name for f in broken), (*broken, *observed)
    return Proof.VERIFIED, (), tuple(observed)


def volume_check(case: Case, volume: int) -> Finding | None:
    """Summed minutes against the day's volume."""
    assert case.row is not None
    apart = volume - case.row.volume
    if abs(apart) <= case.row.volume * VOLUME_TOLERANCE:
        return None
    name = "volume_below_exchange" if apart < 0 else "volume_above_exchange"
    return Finding(name, detail=f"minutes {volume}, exchange {case.row.volume}")


def tail_check(case: Case, flow: Flow) -> Finding | None:
    """
    Whether the exchange counted more than the provider had at our last bar, with minutes left in the session for it.

    Exact, below the tolerance too, for options: nothing but their minutes makes their day's volume (market.md, 6e).
    """
    assert case.row is not None
    minute = int(case.column("minute")[-1])
    left = case.session.minutes - 1 - int(minutes_before(case.session.windows)[minute])
    late = case.row.volume - flow.total
    if case.contract.kind != "option" or not flow.agrees or left <= 0 or late <= 0:
        return None
    return Finding("volume_after_last_bar", detail=f"{late} units of the day's {case.row.volume} after our last bar")


def _explained(case: Case, flow: Flow, volume: int) -> bool:
    """Whether phases that the provider leaves out of its minutes explain a deficit."""
    assert case.row is not None
    phases = set(case.column("phase")[case.column("volume") > 0].tolist())
    windows = {w.phase for w in case.session.windows}
    unserved = ("preopen" in windows and PREOPEN not in phases) or ("auction" in windows and AUCTION not in phases)
    if not unserved or flow.holes or case.row.volume - volume > case.row.volume * PHASES_SHARE:
        return False
    told = flow.known and abs(flow.total - case.row.volume) <= case.row.volume * VOLUME_TOLERANCE
    return told or (case.must_fill and missing_minutes(case) <= flow.excused)


def range_check(case: Case) -> Finding | None:
    """Bars outside the day's range; the pre-open is not looked at."""
    row = case.row
    assert row is not None
    if not row.high or not row.low:
        return None
    traded = case.column("phase") != PREOPEN
    count = int(np.count_nonzero(((case.column("high") > row.high) | (case.column("low") < row.low)) & traded))
    return Finding("outside_exchange_range", count, f"day's range {row.low} to {row.high} paise") if count else None


def last_check(case: Case) -> Finding | None:
    """The last bar's close against the day's last price (never its closing price, which is an average)."""
    assert case.row is not None
    if not case.row.last:
        return None
    close = int(case.column("close")[-1])
    allowed = max(_LAST_TICKS * case.contract.tick_paise, case.row.last * _LAST_SHARE)
    if abs(close - case.row.last) <= allowed:
        return None
    return Finding("last_price_differs", detail=f"minutes {close}, exchange {case.row.last} paise")


def oi_check(case: Case) -> Finding | None:
    """The last broadcast open interest against the cleared one; small differences are usual."""
    last = int(case.column("oi")[-1])
    if case.row is None or case.row.oi is None or last < 0:
        return None
    if abs(last - case.row.oi) <= max(case.row.oi * _OI_SHARE, case.contract.lot):
        return None
    return Finding("oi_differs", detail=f"minutes {last}, exchange {case.row.oi}")


def foreign_bars(case: Case) -> Finding | None:
    """
    Whether the bars are another contract's (a recycled token).

    Most lie wholly outside the day's range; or some leave it and they hold more volume than the exchange counted.
    """
    row = case.row
    if row is None or not row.high or not row.low:
        return None
    traded = case.column("phase") != PREOPEN
    outside = ((case.column("low") > row.high) | (case.column("high") < row.low)) & traded
    count, size = int(np.count_nonzero(outside)), int(np.count_nonzero(traded))
    above = volume_check(case, int(case.column("volume").sum()))
    both = above is not None and above.name == "volume_above_exchange" and range_check(case) is not None
    if count * 2 <= size and not both:
        return None
    return Finding("not_this_contract", size, f"{count} bars wholly outside {row.low} to {row.high} paise", refused=True)
