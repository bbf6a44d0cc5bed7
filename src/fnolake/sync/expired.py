"""
What an answer about an expired contract means: refused, a recycled token's, or what was asked for. Pure but for what it is given.

Nobody promises to serve an expired contract or to leave its token alone (protocols: unknown), so its archived token is
asked until it was refused on three dates, and an answer counts only as long as nothing speaks against it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

import polars as pl

from fnolake.model import Contract, Finding, Outcome, Proof, Verdict
from fnolake.normalize import Normalized
from fnolake.sync.fates import REFUSED_DAYS
from fnolake.verify.world import other_world

REFUSED, RECYCLED = "expired_refused", "recycled_token"
_AGAINST = frozenset({"not_this_contract", "outside_exchange_range", "volume_above_exchange"})

Judged = list[tuple[date, Verdict, pl.DataFrame]]


def _no_price(_contract: Contract, _day: date) -> int | None:
    return None


class AfterExpiry:
    """
    Judges answers about contracts that expired before today.

    Args:
        refused: By contract: on how many dates before today it was refused.
        price: The underlying's price (paise) on a session, None where it is not known.
    """

    def __init__(self, refused: Mapping[int, int] | None = None, price: Callable[[Contract, date], int | None] = _no_price) -> None:
        self._refused = refused or {}
        self._price = price

    def refusal(self, contract: Contract, why: str = "no rows") -> Verdict:
        """The provider, being well, had nothing: ``failed`` until the third date, then ``unavailable``."""
        times = self._refused.get(contract.contract, 0) + 1
        outcome = Outcome.UNAVAILABLE if times >= REFUSED_DAYS else Outcome.FAILED
        return Verdict(outcome, (REFUSED,), (Finding(REFUSED, times, f"{why}; date {times} of {REFUSED_DAYS}"),))

    def checked(self, contract: Contract, table: Normalized, judged: Judged) -> Judged:
        """
        The verdicts, with all that is not verified refused once anything says that the rows are another contract's.

        That is: rows after the expiry, rows that contradict the exchange's file, or prices of another world.
        """
        why = self._against(contract, table, judged)
        if not why:
            return judged
        return [(day, verdict, kept) if verdict.proof is Proof.VERIFIED else (day, recycled(verdict, why), kept.clear()) for day, verdict, kept in judged]

    def _against(self, contract: Contract, table: Normalized, judged: Judged) -> str:
        after = sum(finding.count for day, found in table.findings.items() for finding in found if finding.name == "after_expiry")
        if after:
            return f"{after} rows after the expiry of {contract.expiry}"
        for day, verdict, kept in judged:
            names = sorted(_AGAINST & {finding.name for finding in verdict.findings})
            if names:
                return f"{day}: {names[0]}"
            price = self._price(contract, day) if kept.height else None
            why = other_world(contract, _paise(kept["close_paise"].min()), _paise(kept["close_paise"].max()), price) if price else ""
            if why:
                return f"{day}: {why}"
        return ""


def _paise(value: object) -> int:
    assert isinstance(value, int)
    return value


def recycled(verdict: Verdict, why: str) -> Verdict:
    """The verdict on rows that are another contract's: nothing of them is stored as bars."""
    findings = (*verdict.findings, Finding(RECYCLED, max(verdict.bars, 1), why, refused=True))
    proof = verdict.proof if verdict.proof is Proof.MISMATCH else Proof.UNVERIFIED
    return replace(verdict, outcome=Outcome.QUARANTINED, reasons=(RECYCLED,), findings=findings, bars=0, first_us=None, last_us=None, volume=0, proof=proof)


def priced(money: pl.DataFrame) -> Callable[[Contract, date], int | None]:
    """Look-up in a table of ``money.money``."""
    known = {(venue, name, day): price for venue, name, day, price in money.select("venue", "underlying", "session", "price_paise").iter_rows()}
    return lambda contract, day: known.get((contract.venue, contract.underlying, day))


def refused_before(refusals: pl.DataFrame, today: date) -> dict[int, int]:
    """By contract: on how many dates before ``today`` it was refused, from ``Store.refusals``."""
    return dict(refusals.select("contract", pl.col("days") - (pl.col("last") >= today).cast(pl.Int64)).iter_rows())


def expired_sessions(rows: pl.DataFrame) -> Sequence[date]:
    """The sessions for which a plan asks expired contracts."""
    return sorted(rows.filter("expired")["sessions"].explode().unique().to_list())
