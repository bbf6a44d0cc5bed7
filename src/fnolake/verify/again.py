"""
What stored bars are worth once the exchange's file is here: proven, or asked again. Pure.

The provider's running total is not stored, so nothing is condemned here for good: what the file does not confirm becomes
partial, and the provider's next answer is judged with everything at hand.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from fnolake.model import Contract, Finding, Outcome, Proof, Session, Verdict
from fnolake.normalize import PHASES, Facts
from fnolake.verify.against import foreign_bars, reconcile
from fnolake.verify.case import Case, ExchangeRow, Flow
from fnolake.verify.rebased import NOTHING, Actions

DIFFERS = "exchange_differs"
_IST_US, _MINUTE_US, _DAY_US = 19_800_000_000, 60_000_000, 86_400_000_000


def judge_again(contract: Contract, session: Session, bars: pl.DataFrame, row: ExchangeRow, *, must_fill: bool, actions: Actions = NOTHING) -> Verdict:
    """
    Judge one stored contract-session that was called complete before the exchange's file was here.

    Args:
        contract: Whose bars they are.
        session: Its hours.
        bars: ``model.bar_schema``, ascending by ts, at least one.
        row: The exchange's.
        must_fill: Whether its every continuous minute is demanded.
        actions: Its stock's corporate actions between the session and its capture.

    Returns:
        complete (verified, or unverified where phases that the provider leaves out explain the difference), partial
        ``exchange_differs``, or quarantined (``not_this_contract``, ``rebased_history``), which has no bars.
    """
    case = Case(_facts(bars), 0, bars.height, contract, session, row, must_fill, (), actions)
    foreign = foreign_bars(case)
    if foreign is not None:
        return Verdict(Outcome.QUARANTINED, (foreign.name,), (foreign,), proof=Proof.MISMATCH)
    volume, ts = int(case.column("volume").sum()), case.column("ts_us")
    proof, reasons, findings = reconcile(case, Flow(known=True, total=volume), volume)
    whole = proof is not Proof.MISMATCH
    return Verdict(
        Outcome.COMPLETE if whole else Outcome.PARTIAL, () if whole else (DIFFERS,), findings, ts.size, int(ts[0]), int(ts[-1]),
        volume, proof, reasons,
    )


def empty_again(row: ExchangeRow) -> Verdict | None:
    """What "nothing" is worth that a provider stated before the file was here; None where it stands."""
    if row.volume == 0:
        return None
    return Verdict(Outcome.FAILED, ("doubtful_empty",), (Finding("exchange_says_traded"),))


def by_contract(bars: pl.DataFrame) -> Iterator[tuple[int, pl.DataFrame]]:
    """Bars of one session, a contract at a time, each ascending by ts."""
    for (number,), part in bars.sort("contract", "ts").group_by("contract", maintain_order=True):
        yield int(str(number)), part


def _facts(bars: pl.DataFrame) -> Facts:
    ts = bars["ts"].dt.epoch("us").to_numpy()
    return Facts(
        ts, (ts + _IST_US) % _DAY_US // _MINUTE_US, np.array([PHASES.index(one) for one in bars["phase"]], np.int8),
        bars["high_paise"].to_numpy(), bars["low_paise"].to_numpy(), bars["close_paise"].to_numpy(), bars["volume"].to_numpy(),
        np.full(ts.size, -1, np.int64), bars["oi"].fill_null(-1).to_numpy(),
    )
