"""
Verdicts on the sessions of a page, and on what a provider says it does not have. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime, timedelta

import polars as pl

from fnolake.model import (
    BarRequest,
    Finding,
    Outcome,
    Proof,
    Session,
    Verdict,
    quarantine_schema,
    utc_from_us,
)
from fnolake.normalize import Normalized
from fnolake.verify.against import foreign_bars, reconcile
from fnolake.verify.case import Case, ExchangeRow, Flow, missing_minutes, volume_flow
from fnolake.verify.rebased import NOTHING, Actions

SETTLE_AFTER = timedelta(minutes=15)
"""A session is over this long after its last phase (design section 3)."""

_DAMAGE = frozenset({"not_a_price", "price_out_of_range", "crossed", "volume_unreadable", "volume_wrapped", "wall_mismatch", "traded_at_zero"})


def judge(
    table: Normalized, request: BarRequest, sessions: Sequence[Session], now: datetime,
    exchange_rows: Mapping[date, ExchangeRow | None], *, must_fill: bool | Collection[date], actions: Mapping[date, Actions] | None = None,
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
        actions: By session date: a stock's corporate actions since.

    Returns:
        (session date, verdict, bars to store with ``model.bar_schema``), ascending by date; no bars where there are
        none or where all were refused.
    """
    judged = []
    for session in sorted(sessions, key=lambda one: one.date):
        day = session.date
        first, end = table.spans.get(day, (0, 0))
        findings = table.findings.get(day, ())
        if any(finding.name == "zero_prices" for finding in findings):
            findings = (*findings, *_traded_at_zero(table, day))
        if table.undecoded:
            findings = (*findings, Finding("undecoded", table.undecoded, "their session is not known", refused=True))
        filled = must_fill if isinstance(must_fill, bool) else day in must_fill
        case = Case(table.facts, first, end, request.contract, session, exchange_rows.get(day), filled, findings, (actions or {}).get(day, NOTHING))
        verdict = _without_bars(case) if first == end else _with_bars(case, request, now)
        judged.append((day, verdict, table.bars.slice(first, verdict.bars)))
    return judged


def _traded_at_zero(table: Normalized, day: date) -> tuple[Finding, ...]:
    """Rows refused for their zero prices that hold volume: a trade was lost, not a minute without one."""
    lost = table.refused.filter((pl.col("session") == day) & (pl.col("reason") == "zero_prices") & (pl.col("volume") > 0)).height
    return (Finding("traded_at_zero", lost),) if lost else ()


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


def _without_bars(case: Case) -> Verdict:
    """Nothing was kept: rows were refused, or the page says nothing of this session (the caller asks rule zero)."""
    if case.row is not None and case.row.volume == 0:
        return Verdict(Outcome.UNTRADED, findings=case.findings)
    reasons = tuple(f.name for f in case.findings if f.refused and f.name != "undecoded")
    if reasons:
        return Verdict(Outcome.QUARANTINED, reasons, case.findings)
    return Verdict(Outcome.FAILED, ("doubtful_empty",), case.findings)


def _with_bars(case: Case, request: BarRequest, now: datetime) -> Verdict:
    if case.row is not None and case.row.volume == 0 and not case.column("volume").any():
        quiet = Finding("bars_without_trades", int(case.column("ts_us").size), "the exchange counted no trade, nor do they")
        return Verdict(Outcome.UNTRADED, findings=(*case.findings, quiet))
    foreign = foreign_bars(case)
    if foreign is not None:
        return Verdict(Outcome.QUARANTINED, (foreign.name,), (*case.findings, foreign), proof=Proof.MISMATCH)
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


def _time_reasons(case: Case, request: BarRequest, now: datetime) -> tuple[str, ...]:
    """Whether the session was over, and asked for from its start to its end."""
    if not _over(case.session, now):
        return ("in_progress",)
    asked = request.start <= utc_from_us(case.session.open_us) and request.end >= utc_from_us(case.session.close_us)
    return () if asked else ("cut",)


def _gap_reasons(case: Case, flow: Flow, volume: int, findings: Sequence[Finding]) -> tuple[str, ...]:
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


def _flow_findings(flow: Flow) -> tuple[Finding, ...]:
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
