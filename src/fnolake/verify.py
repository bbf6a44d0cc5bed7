"""
What a normalized page is worth: one verdict for every wanted contract-session. Pure: the caller says what now is.

Completeness comes first from the session's minutes, then from volume: the provider's own day total, bar by bar, and
the exchange's file. Invariant: every wanted session gets exactly one verdict, and nothing is complete by assumption.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.model import (
    BarRequest,
    Contract,
    Finding,
    Outcome,
    Proof,
    Session,
    Verdict,
    Window,
    quarantine_schema,
    utc_from_us,
)
from fnolake.normalize import AUCTION, CONTINUOUS, DAY_MINUTES, PREOPEN, Facts, Normalized, phase_table

SETTLE_AFTER = timedelta(minutes=15)
"""A session is over this long after its last phase (design section 3)."""

VOLUME_TOLERANCE = 0.005
"""Share of the exchange's volume by which the minutes may differ. No figure is published; 0.5 % is where we start."""

PHASES_SHARE = 0.25
"""Share of a day's volume that pre-open and closing auction, which brokers may leave out, can explain."""

_LAST_TICKS = 2
_LAST_SHARE = 0.001
_OI_SHARE = 0.02
_WRAP = 1 << 32
_DAMAGE = frozenset({"not_a_price", "price_out_of_range", "crossed", "volume_unreadable", "volume_wrapped", "wall_mismatch"})


@dataclass(frozen=True, slots=True)
class ExchangeRow:
    """
    What the exchange's end-of-day file says of one contract-session.

    Prices are paise, None (or 0, in untraded rows) where the file has none; ``volume`` and ``oi`` are units.
    """

    open: int | None
    high: int | None
    low: int | None
    close: int | None
    last: int | None
    volume: int
    oi: int | None = None
    trades: int | None = None


@dataclass(frozen=True, slots=True)
class _Flow:
    """
    Volume against the provider's cumulative volume.

    ``known`` is false where it sends none. ``holes`` is the volume that fell into minutes without a bar, ``early``
    what was traded before the first continuous minute, ``drift`` what else differs (absolute). ``excused`` counts
    minutes without a bar in which, by the cumulative, nothing was traded.
    """

    known: bool = False
    holes: int = 0
    early: int = 0
    drift: int = 0
    excused: int = 0
    total: int = 0
    wrapped: bool = False

    @property
    def agrees(self) -> bool:
        """No volume is missing and the rest differs by less than the tolerance."""
        return self.known and self.holes == 0 and self.drift <= self.total * VOLUME_TOLERANCE


@dataclass(frozen=True, slots=True)
class _Case:
    """One contract-session with everything that is known about it."""

    facts: Facts
    first: int
    end: int
    contract: Contract
    session: Session
    row: ExchangeRow | None
    must_fill: bool
    findings: tuple[Finding, ...]

    def column(self, name: str) -> NDArray[np.int64]:
        """A column of the session's rows."""
        values: NDArray[np.int64] = getattr(self.facts, name)[self.first:self.end]
        return values


def judge(
    table: Normalized, request: BarRequest, sessions: Sequence[Session], now: datetime,
    exchange_rows: Mapping[date, ExchangeRow | None], *, must_fill: bool | Collection[date],
) -> list[tuple[date, Verdict, pl.DataFrame]]:
    """
    Judge every wanted session of a page.

    Args:
        table: The normalized page.
        request: What was asked; a session that the span does not cover cannot be complete.
        sessions: The wanted ones.
        now: Aware; a session is over 15 minutes after its last phase.
        exchange_rows: By session date; None or absent where no file names the contract.
        must_fill: The sessions of which every continuous minute is demanded (spot and near futures); true means all.

    Returns:
        (session date, verdict, bars to store with ``model.bar_schema``), ascending by date; no bars where there are
        none or where all were refused.
    """
    judged = []
    for session in sorted(sessions, key=lambda one: one.date):
        day = session.date
        first, end = table.spans.get(day, (0, 0))
        findings = table.findings.get(day, ())
        if table.undecoded:
            findings = (*findings, Finding("undecoded", table.undecoded, "their session is not known", refused=True))
        filled = must_fill if isinstance(must_fill, bool) else day in must_fill
        case = _Case(table.facts, first, end, request.contract, session, exchange_rows.get(day), filled, findings)
        verdict = _without_bars(case) if first == end else _with_bars(case, request, now)
        judged.append((day, verdict, table.bars.slice(first, verdict.bars)))
    return judged


def verdict_for_empty(
    request: BarRequest, session: Session, *, canary_alive: bool, exchange_row: ExchangeRow | None, now: datetime,
) -> Verdict:
    """
    What it means that the provider said it has nothing for a session (rule zero).

    ``untraded`` where the exchange says volume 0; ``empty_stated`` only if the canary answered, no file shows volume,
    the session is over and the contract is no spot, which trades every session; else ``failed: doubtful_empty``.
    """
    if exchange_row is not None and exchange_row.volume == 0:
        return Verdict(Outcome.UNTRADED)
    doubts = [
        Finding(name) for name, doubtful in (
            ("exchange_says_traded", exchange_row is not None), ("canary_silent", not canary_alive),
            ("in_progress", not _over(session, now)), ("spot_never_empty", request.contract.kind == "spot"),
        ) if doubtful
    ]
    if doubts:
        return Verdict(Outcome.FAILED, ("doubtful_empty",), tuple(doubts))
    return Verdict(Outcome.EMPTY_STATED, proof_reasons=("no_exchange_file",))


def refused_rows(table: Normalized, judged: Sequence[tuple[date, Verdict, pl.DataFrame]]) -> pl.DataFrame:
    """
    What must go to quarantine: rows that normalize refused, and bars of sessions that verify refused as a whole.

    ``model.quarantine_schema``.
    """
    frames = [table.refused]
    for day, verdict, _ in judged:
        first, end = table.spans.get(day, (0, 0))
        if verdict.outcome is Outcome.QUARANTINED and first < end:
            frames.append(table.bars.slice(first, end - first).select(
                "session", "ts", "contract", pl.lit(verdict.reasons[0]).alias("reason"),
                *((pl.col(f"{name}_paise") / 100).alias(name) for name in ("open", "high", "low", "close")),
                "volume", "oi", "provider",
            ).cast(quarantine_schema()))  # type: ignore[arg-type]
    return pl.concat(frames)


def _over(session: Session, now: datetime) -> bool:
    return now >= utc_from_us(session.end_us) + SETTLE_AFTER


def _without_bars(case: _Case) -> Verdict:
    """Nothing was kept: rows were refused, or the page says nothing of this session (the caller asks rule zero)."""
    if case.row is not None and case.row.volume == 0:
        return Verdict(Outcome.UNTRADED, findings=case.findings)
    reasons = tuple(f.name for f in case.findings if f.refused and f.name != "undecoded")
    if reasons:
        return Verdict(Outcome.QUARANTINED, reasons, case.findings)
    return Verdict(Outcome.FAILED, ("doubtful_empty",), case.findings)


def _with_bars(case: _Case, request: BarRequest, now: datetime) -> Verdict:
    foreign = foreign_bars(case)
    if foreign is not None:
        return Verdict(Outcome.QUARANTINED, ("not_this_contract",), (*case.findings, foreign), proof=Proof.MISMATCH)
    flow = volume_flow(case)
    volume, ts = int(case.column("volume").sum()), case.column("ts_us")
    proof, proof_reasons, proof_findings = reconcile(case, flow, volume)
    lacking = (Finding("missing_minutes", missing_minutes(case)),) if case.must_fill and missing_minutes(case) else ()
    findings = (*case.findings, *lacking, *_flow_findings(flow), *proof_findings)
    reasons = _time_reasons(case, request, now) or _gap_reasons(case, flow, volume, findings)
    if reasons and proof is Proof.VERIFIED:
        proof, proof_reasons = Proof.UNVERIFIED, ("not_complete",)
    return Verdict(
        Outcome.PARTIAL if reasons else Outcome.COMPLETE, reasons, findings, ts.size, int(ts[0]), int(ts[-1]), volume,
        proof, proof_reasons,
    )


def _time_reasons(case: _Case, request: BarRequest, now: datetime) -> tuple[str, ...]:
    """Whether the session was over, and asked for from its start to its end."""
    if not _over(case.session, now):
        return ("in_progress",)
    asked = request.start <= utc_from_us(case.session.open_us) and request.end >= utc_from_us(case.session.close_us)
    return () if asked else ("cut",)


def _gap_reasons(case: _Case, flow: _Flow, volume: int, findings: Sequence[Finding]) -> tuple[str, ...]:
    """Why bars are missing, if they are."""
    names = {finding.name for finding in findings}
    missing = missing_minutes(case)
    proven = case.row is not None and case.row.volume == volume > 0
    reasons = []
    if case.must_fill and case.session.mask_required and missing > flow.excused and not proven:
        reasons.append("mask_not_met")
    if flow.known and not flow.agrees and not proven:
        reasons.append("cut" if flow.holes else "volume_mismatch")
    if names & {"volume_below_exchange", "volume_after_last_bar"} and not case.must_fill:
        reasons.append("cut")
    if missing and not proven and names & {*_DAMAGE, "undecoded"}:
        reasons.append("rows_refused")
    return tuple(dict.fromkeys(reasons))


def missing_minutes(case: _Case) -> int:
    """Continuous minutes of the session without a bar."""
    return case.session.minutes - int(np.count_nonzero(case.column("phase") == CONTINUOUS))


@functools.lru_cache(maxsize=256)
def _minutes_before(windows: tuple[Window, ...]) -> NDArray[np.int64]:
    """For each minute of a day, how many continuous minutes of the session come before it."""
    inside = (phase_table(windows) == CONTINUOUS).astype(np.int64)
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(inside)))[:DAY_MINUTES]


def volume_flow(case: _Case) -> _Flow:
    """
    Compare the bars' volume with the provider's cumulative, bar by bar.

    A difference after skipped minutes is volume we do not have; before the first continuous minute it is the pre-open;
    anywhere else it is drift. A total that passed 32 bits and started again is followed.
    """
    cumulative, volume = case.column("cumulative"), case.column("volume")
    if cumulative[-1] <= 0 or (cumulative < 0).any():
        return _Flow()
    steps = np.diff(cumulative, prepend=0)
    wrapped = bool((steps < -_WRAP // 2).any())
    if wrapped:
        steps = np.where(steps < -_WRAP // 2, steps + _WRAP, steps)
    before = _minutes_before(case.session.windows)[case.column("minute")]
    reached = before + (case.column("phase") == CONTINUOUS)
    skipped = np.diff(reached, prepend=0) - (reached - before)
    excess = steps - volume
    if not excess.any():
        return _Flow(known=True, excused=int(skipped.sum()), total=int(steps.sum()), wrapped=wrapped)
    holes = (excess > 0) & (skipped > 0)
    early = (excess > 0) & ~holes & (before == 0) & any(w.phase == "preopen" for w in case.session.windows)
    return _Flow(
        known=True, holes=int(excess[holes].sum()), early=int(excess[early].sum()),
        drift=int(np.abs(excess[~holes & ~early]).sum()), excused=int(skipped[excess == 0].sum()),
        total=int(steps.sum()), wrapped=wrapped,
    )


def _flow_findings(flow: _Flow) -> tuple[Finding, ...]:
    found = []
    if flow.holes:
        found.append(Finding("volume_mismatch", detail=f"{flow.holes} units of the day's {flow.total} fell into minutes without a bar"))
    elif flow.known and not flow.agrees:
        found.append(Finding("volume_mismatch", detail=f"bars and the day's running total of {flow.total} differ by {flow.drift} units"))
    if flow.early:
        found.append(Finding("preopen_volume", detail=f"{flow.early} units before the first minute are in no bar"))
    if flow.wrapped:
        found.append(Finding("cumulative_wrapped"))
    return tuple(found)


def reconcile(case: _Case, flow: _Flow, volume: int) -> tuple[Proof, tuple[str, ...], tuple[Finding, ...]]:
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


def volume_check(case: _Case, volume: int) -> Finding | None:
    """Summed minutes against the day's volume."""
    assert case.row is not None
    apart = volume - case.row.volume
    if abs(apart) <= case.row.volume * VOLUME_TOLERANCE:
        return None
    name = "volume_below_exchange" if apart < 0 else "volume_above_exchange"
    return Finding(name, detail=f"minutes {volume}, exchange {case.row.volume}")


def tail_check(case: _Case, flow: _Flow) -> Finding | None:
    """
    Whether the exchange counted more than the provider had at our last bar, with minutes left in the session for it.

    Exact, below the tolerance too, for options: nothing but their minutes makes their day's volume (market.md, 6e).
    """
    assert case.row is not None
    minute = int(case.column("minute")[-1])
    left = case.session.minutes - 1 - int(_minutes_before(case.session.windows)[minute])
    late = case.row.volume - flow.total
    if case.contract.kind != "option" or not flow.agrees or left <= 0 or late <= 0:
        return None
    return Finding("volume_after_last_bar", detail=f"{late} units of the day's {case.row.volume} after our last bar")


def _explained(case: _Case, flow: _Flow, volume: int) -> bool:
    """Whether phases that the provider leaves out of its minutes explain a deficit."""
    assert case.row is not None
    phases = set(case.column("phase")[case.column("volume") > 0].tolist())
    windows = {w.phase for w in case.session.windows}
    unserved = ("preopen" in windows and PREOPEN not in phases) or ("auction" in windows and AUCTION not in phases)
    if not unserved or flow.holes or case.row.volume - volume > case.row.volume * PHASES_SHARE:
        return False
    told = flow.known and abs(flow.total - case.row.volume) <= case.row.volume * VOLUME_TOLERANCE
    return told or (case.must_fill and missing_minutes(case) <= flow.excused)


def range_check(case: _Case) -> Finding | None:
    """Bars outside the day's range; the pre-open is not looked at."""
    row = case.row
    assert row is not None
    if not row.high or not row.low:
        return None
    traded = case.column("phase") != PREOPEN
    count = int(np.count_nonzero(((case.column("high") > row.high) | (case.column("low") < row.low)) & traded))
    return Finding("outside_exchange_range", count, f"day's range {row.low} to {row.high} paise") if count else None


def last_check(case: _Case) -> Finding | None:
    """The last bar's close against the day's last price (never its closing price, which is an average)."""
    assert case.row is not None
    if not case.row.last:
        return None
    close = int(case.column("close")[-1])
    allowed = max(_LAST_TICKS * case.contract.tick_paise, case.row.last * _LAST_SHARE)
    if abs(close - case.row.last) <= allowed:
        return None
    return Finding("last_price_differs", detail=f"minutes {close}, exchange {case.row.last} paise")


def oi_check(case: _Case) -> Finding | None:
    """The last broadcast open interest against the cleared one; small differences are usual."""
    last = int(case.column("oi")[-1])
    if case.row is None or case.row.oi is None or last < 0:
        return None
    if abs(last - case.row.oi) <= max(case.row.oi * _OI_SHARE, case.contract.lot):
        return None
    return Finding("oi_differs", detail=f"minutes {last}, exchange {case.row.oi}")


def foreign_bars(case: _Case) -> Finding | None:
    """Whether most bars lie wholly outside the day's range: they are another contract's (a recycled token)."""
    row = case.row
    if row is None or not row.high or not row.low:
        return None
    traded = case.column("phase") != PREOPEN
    outside = ((case.column("low") > row.high) | (case.column("high") < row.low)) & traded
    count, size = int(np.count_nonzero(outside)), int(np.count_nonzero(traded))
    if count * 2 <= size:
        return None
    return Finding("not_this_contract", size, f"{count} bars wholly outside {row.low} to {row.high} paise", refused=True)
