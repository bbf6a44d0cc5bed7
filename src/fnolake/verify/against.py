"""
A contract-session against the exchange's row of it: one function a check. Pure.

A check that fails has a finding and a weight: *broken* (a mismatch), *near* (inside the tolerance) or *explained* (by a
phase that the provider leaves out). Invariant: verified means that no check said anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from fnolake.model import Finding, Proof
from fnolake.normalize import AUCTION, PREOPEN
from fnolake.verify import rebased
from fnolake.verify.case import Case, ExchangeRow, Flow, minutes_before, missing_minutes
from fnolake.verify.tolerance import Tolerance, tolerance

BROKEN, NEAR, EXPLAINED = "broken", "near", "explained"
PHASES = "phases_not_served"
FOREIGN = "not_this_contract"
BEFORE_EX = "before_ex_date"
"""Asked after an ex-date, of a session before it, and no file says whether these are raw prices or re-based ones."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One check that did not agree, and how much it weighs."""

    finding: Finding
    weight: str


def reconcile(case: Case, flow: Flow, volume: int) -> tuple[Proof, tuple[str, ...], tuple[Finding, ...]]:
    """
    Hold the bars against the exchange's row: volume, range, last price; open interest is only observed.

    Args:
        case: The bars, at least one.
        flow: Their volume against the provider's own total.
        volume: Their volume.

    Returns:
        The proof, its reasons (stable words, see ``docs/proof.md``), and the findings.
    """
    if case.row is None:
        is_index = case.contract.is_index and case.contract.kind == "spot"
        if case.actions.words:
            return Proof.UNVERIFIED, ("no_exchange_file", BEFORE_EX), (Finding(BEFORE_EX, detail=case.actions.words),)
        return Proof.UNVERIFIED, ("index_not_in_files" if is_index else "no_exchange_file",), ()
    marks = [*volume_marks(case, flow, volume), *range_marks(case), *last_marks(case)]
    findings = (*(mark.finding for mark in marks), *oi_findings(case))
    for weight, proof in ((BROKEN, Proof.MISMATCH), (EXPLAINED, Proof.UNVERIFIED), (NEAR, Proof.UNVERIFIED)):
        reasons = tuple(dict.fromkeys(mark.finding.name for mark in marks if mark.weight == weight))
        if reasons:
            return proof, reasons, findings
    return Proof.VERIFIED, (), findings


def terms(case: Case) -> Tolerance:
    """The tolerances of the case."""
    return tolerance(case.contract.segment, case.contract.kind, case.session.date)


# -- volume -----------------------------------------------------------------------------------------------------------


def volume_marks(case: Case, flow: Flow, volume: int) -> Iterator[Mark]:
    """Summed minutes against the day's volume, exact; then what came after our last bar."""
    row = _row(case)
    apart = volume - row.volume
    detail = f"minutes {volume}, exchange {row.volume}"
    if apart < 0 and _explained(case, flow, -apart):
        yield Mark(Finding(PHASES, detail=detail), EXPLAINED)
    elif abs(apart) > row.volume * terms(case).volume:
        yield Mark(Finding("volume_below_exchange" if apart < 0 else "volume_above_exchange", detail=detail), BROKEN)
    elif tail := _after_last_bar(case, flow):
        yield Mark(Finding("volume_after_last_bar", detail=f"{tail} units of the day's {row.volume} after our last bar"), BROKEN)
    elif apart:
        yield Mark(Finding("volume_near", detail=detail), NEAR)


def _after_last_bar(case: Case, flow: Flow) -> int:
    """Units that the exchange counted beyond the provider's total at our last bar, where the session had minutes left for them."""
    minute = int(case.column("minute")[-1])
    left = case.session.minutes - 1 - int(minutes_before(case.session.windows)[minute])
    late = _row(case).volume - flow.total
    return late if case.contract.kind == "option" and flow.agrees and left > 0 and late > 0 else 0


def _explained(case: Case, flow: Flow, deficit: int) -> bool:
    """Whether phases that the provider leaves out of its minutes explain a deficit: it says so itself, or no minute is missing."""
    row, allowed = _row(case), terms(case)
    if not allowed.phases or not _unserved(case) or flow.holes:
        return False
    told = flow.known and abs(flow.total - row.volume) <= row.volume * allowed.volume
    return told or (deficit <= row.volume * allowed.phases and case.must_fill and missing_minutes(case) <= flow.excused)


def _unserved(case: Case) -> set[str]:
    """Phases of the session in which no bar with volume is."""
    held = set(case.column("phase")[case.column("volume") > 0].tolist())
    windows = {window.phase for window in case.session.windows}
    return {name for name, code in (("preopen", PREOPEN), ("auction", AUCTION)) if name in windows and code not in held}


# -- prices -----------------------------------------------------------------------------------------------------------


def range_marks(case: Case) -> Iterator[Mark]:
    """
    High and low: no bar outside the day's range, and its extremes reached.

    An extreme that we lack is explained only where it is the very price of a phase that the provider leaves out: the
    opening price is the pre-open's, the last or closing price the auction's.
    """
    row = _row(case)
    if not row.high or not row.low:
        yield Mark(Finding("no_range", detail="the exchange's file has no high or low"), NEAR)
        return
    outside = bars_outside(case)
    if outside:
        yield Mark(Finding("outside_exchange_range", outside, f"day's range {row.low} to {row.high} paise"), BROKEN)
    high, low = int(case.column("high").max()), int(case.column("low").min())
    if high < row.high:
        yield _extreme(case, "high_below_exchange", row.high, high)
    if low > row.low:
        yield _extreme(case, "low_above_exchange", row.low, low)


def _extreme(case: Case, name: str, theirs: int, ours: int) -> Mark:
    row, unserved = _row(case), _unserved(case)
    detail = f"minutes {ours}, exchange {theirs} paise"
    printed = {row.open} if "preopen" in unserved else set()
    printed |= {row.last, row.close} if "auction" in unserved else set()
    if theirs in printed:
        return Mark(Finding(PHASES, detail=detail), EXPLAINED)
    return Mark(Finding("range_near", detail=detail), NEAR) if _close(case, theirs, ours) else Mark(Finding(name, detail=detail), BROKEN)


def bars_outside(case: Case) -> int:
    """Bars that leave the day's range; the pre-open is not looked at."""
    row = _row(case)
    traded = case.column("phase") != PREOPEN
    return int(np.count_nonzero(((case.column("high") > (row.high or 0)) | (case.column("low") < (row.low or 0))) & traded))


def last_marks(case: Case) -> Iterator[Mark]:
    """
    The last bar's close against the day's last price.

    Never its closing price: that is an average, and wrong for BSE's expiring contracts.
    """
    row = _row(case)
    if not row.last:
        yield Mark(Finding("no_last_price", detail="the exchange's file has no last price"), NEAR)
        return
    close = int(case.column("close")[-1])
    if close == row.last:
        return
    detail = f"minutes {close}, exchange {row.last} paise"
    if abs(close - row.last) <= row.last * terms(case).band and ("auction" in _unserved(case) or row.last == row.close):
        yield Mark(Finding(PHASES, detail=detail), EXPLAINED)
    elif _close(case, row.last, close):
        yield Mark(Finding("last_price_near", detail=detail), NEAR)
    else:
        yield Mark(Finding("last_price_differs", detail=detail), BROKEN)


def _close(case: Case, theirs: int, ours: int) -> bool:
    allowed = terms(case)
    return abs(ours - theirs) <= max(allowed.ticks * case.contract.tick_paise, theirs * allowed.price)


# -- open interest, and whose bars they are ---------------------------------------------------------------------------


def oi_findings(case: Case) -> Iterator[Finding]:
    """
    The last broadcast open interest against the cleared one; a finding, never a mismatch: they are of different instants.

    Not of an expiring contract, whose positions are settled that evening.
    """
    row, last = _row(case), int(case.column("oi")[-1])
    if row.oi is None or case.contract.expiry == case.session.date:
        return
    if last < 0:
        if row.oi:
            yield Finding("oi_missing", detail=f"minutes none, exchange {row.oi}")
    elif abs(last - row.oi) > max(row.oi * terms(case).oi, case.contract.lot):
        yield Finding("oi_differs", detail=f"minutes {last}, exchange {row.oi}")


def foreign_bars(case: Case) -> Finding | None:
    """
    Whether the bars are another contract's (a recycled token), or this one's re-based for a split.

    The exchange counted no trade; or most bars lie wholly outside the day's range; or some leave it and they hold more
    volume than the exchange counted. The finding's name is the reason of the quarantine.
    """
    row = case.row
    if row is None:
        return None
    size = int(case.column("ts_us").size)
    if row.volume == 0:
        return Finding(FOREIGN, size, "the exchange counted no trade", refused=True)
    if not row.high or not row.low:
        return None
    traded = case.column("phase") != PREOPEN
    outside = ((case.column("low") > row.high) | (case.column("high") < row.low)) & traded
    count, size = int(np.count_nonzero(outside)), int(np.count_nonzero(traded))
    above = int(case.column("volume").sum()) > row.volume * (1 + terms(case).volume)
    if count * 2 <= size and not (above and bars_outside(case)):
        return None
    factor = _rebased(case, row)
    if factor is not None:
        return factor
    return Finding(FOREIGN, size, f"{count} bars wholly outside {row.low} to {row.high} paise", refused=True)


def _rebased(case: Case, row: ExchangeRow) -> Finding | None:
    """One factor of a split takes both ends of the range to the exchange's, and the last price with them; cash only."""
    if case.contract.kind != "spot" or not row.high or not row.low:
        return None
    high, low, close = int(case.column("high").max()), int(case.column("low").min()), int(case.column("close")[-1])
    factor = rebased.rational(row.high / high, case.actions) if high else None
    if factor is None or not low:
        return None
    band = max(terms(case).band, terms(case).price * 5)
    pairs = [(low, row.low), *([(close, row.last)] if row.last else [])]
    fits = all(abs(ours * float(factor) / theirs - 1) <= band for ours, theirs in pairs)
    return rebased.finding(factor, int(case.column("ts_us").size), case.actions) if fits else None


def _row(case: Case) -> ExchangeRow:
    assert case.row is not None
    return case.row
