"""
Whether a provider's prices were re-based for a split or bonus: one constant factor between two records of one session. Pure.

Brokers re-base cash history after an ex-date and leave derivatives alone (Kite forum, comment 47116). Raw and re-based
history are never mixed: what is recognised is quarantined whole. Where the exchange's corporate actions are known they say
which factors there can be, and name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.model import Finding, Outcome, Proof, Verdict

REBASED = "rebased_history"
LARGEST = 20
"""Splits and bonuses have ratios of small whole numbers: 1:1, 5:1, 3:2."""

_FEWEST, _ALIKE, _APART, _NEAR = 5, 0.95, 0.02, 0.004
_UNSIZED_STEPS = 100_000


@dataclass(frozen=True, slots=True)
class Actions:
    """
    Corporate actions of a stock whose ex-date lies after a session, up to the day on which it was asked for.

    Attributes:
        factors: Raw price by re-based price → the splits and bonuses that it is of, in words.
        unsized: Actions that move the price by what the exchange does not state (demerger, rights, special dividend), in words.
        told: Whether the exchange's list, which would name them, is here.
    """

    factors: Mapping[Fraction, str] = field(default_factory=dict)
    unsized: str = ""
    told: bool = False

    @property
    def words(self) -> str:
        """All of them, empty if there are none."""
        return "; ".join(dict.fromkeys(word for word in (*self.factors.values(), self.unsized) if word))


NOTHING = Actions()


def factor_between(stored: pl.DataFrame, fetched: pl.DataFrame, known: Actions = NOTHING) -> Fraction | None:
    """
    The constant factor from fetched closes to stored ones.

    Args:
        stored: ``model.bar_schema``, one contract-session.
        fetched: The same, asked again.
        known: What corporate actions say; their factors count whatever their size.

    Returns:
        A ratio of whole numbers up to ``LARGEST``, or a known one; None where the closes agree or no one factor explains
        them (fewer than five common minutes explain nothing).
    """
    both = stored.select("ts", "close_paise").join(fetched.select("ts", "close_paise"), on="ts", suffix="_new")
    return factor_of(both["close_paise"].to_numpy().astype(np.float64), both["close_paise_new"].to_numpy().astype(np.float64), known)


def factor_of(stored: NDArray[np.float64], fetched: NDArray[np.float64], known: Actions = NOTHING) -> Fraction | None:
    """As :func:`factor_between`, of two equally long arrays of prices in paise."""
    usable = (stored > 0) & (fetched > 0)
    stored, fetched = stored[usable], fetched[usable]
    if stored.size < _FEWEST:
        return None
    factor = rational(float(np.median(stored / fetched)), known)
    if factor is None:
        return None
    slack = 5.0 * max(1.0, float(factor)) + 0.001 * stored
    alike = np.abs(fetched * float(factor) - stored) <= slack
    return factor if float(alike.mean()) >= _ALIKE else None


def rational(ratio: float, known: Actions = NOTHING) -> Fraction | None:
    """The factor of a split or bonus next to a ratio, None where there is none or it is 1; any ratio after an unsized action."""
    if not np.isfinite(ratio) or ratio <= 0 or abs(ratio - 1) < _APART:
        return None
    for one in (*known.factors, *(1 / each for each in known.factors)):
        if abs(float(one) / ratio - 1) <= _NEAR:
            return one
    whole = Fraction(ratio).limit_denominator(LARGEST) if ratio > 1 else 1 / Fraction(1 / ratio).limit_denominator(LARGEST)
    small = max(whole.numerator, whole.denominator) <= LARGEST
    if small and whole != 1 and abs(float(whole) / ratio - 1) <= _NEAR:
        return whole
    return Fraction(ratio).limit_denominator(_UNSIZED_STEPS) if known.unsized else None


def finding(factor: Fraction, bars: int, known: Actions = NOTHING) -> Finding:
    """What is recorded of it, with the action that explains it."""
    named = known.factors.get(factor) or known.factors.get(1 / factor) or known.unsized
    if named:
        why = f"re-based for the {named}"
    elif known.told:
        why = "re-based, though the exchange's list names no split or bonus since"
    else:
        why = "re-based for a split or bonus"
    size = str(factor) if factor.denominator <= LARGEST else f"{float(factor):.4f}"
    return Finding(REBASED, bars, f"raw prices are {size} times these: history was {why}", refused=True)


def unless_rebased(verdict: Verdict, fetched: pl.DataFrame, stored: pl.DataFrame | None, known: Actions = NOTHING) -> Verdict:
    """
    The verdict on a fetched session, or its quarantine where it is what is stored times one constant factor.

    Args:
        verdict: What was judged of it.
        fetched: Its bars.
        stored: What the lake has of the same contract-session, None = nothing.
        known: What corporate actions say.
    """
    if stored is None or stored.is_empty() or not verdict.bars or verdict.proof is Proof.VERIFIED:
        return verdict
    factor = factor_between(stored, fetched, known)
    if factor is None:
        return verdict
    return Verdict(Outcome.QUARANTINED, (REBASED,), (*verdict.findings, finding(factor, verdict.bars, known)), proof=Proof.MISMATCH)
