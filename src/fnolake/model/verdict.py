"""
What is known about a capture: outcomes, findings, verdicts.

Pure values. Invariant: every request ends in exactly one :class:`Outcome`; bad data is a finding with a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a contract-session's request ended (design section 3)."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNTRADED = "untraded"
    EMPTY_STATED = "empty_stated"
    UNAVAILABLE = "unavailable"
    QUARANTINED = "quarantined"
    FAILED = "failed"


class Proof(StrEnum):
    """What the exchange's file says of a capture."""

    VERIFIED = "verified"
    MISMATCH = "mismatch"
    UNVERIFIED = "unverified"


RANK = {
    Outcome.COMPLETE: 60, Outcome.PARTIAL: 50, Outcome.UNTRADED: 45, Outcome.EMPTY_STATED: 40,
    Outcome.QUARANTINED: 30, Outcome.UNAVAILABLE: 20, Outcome.FAILED: 10,
}
"""An attempt wins coverage only if its rank is not lower; the proof of a complete one moves it."""

VERIFIED_RANK, MISMATCH_RANK = 70, 55
"""A complete capture that the exchange's file confirms, and one that it contradicts."""
COVERED = frozenset({Outcome.COMPLETE, Outcome.UNTRADED, Outcome.EMPTY_STATED})


@dataclass(frozen=True, slots=True)
class Finding:
    """
    One named observation about data or a master, with how many rows it concerns.

    ``name`` is snake_case and stable; ``refused`` says that the rows were quarantined (not stored as bars).
    """

    name: str
    count: int = 1
    detail: str = ""
    refused: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What verify says of one contract-session.

    ``reasons`` are short words that go with the outcome (``in_progress``, ``cut``, ``mask_not_met``,
    ``doubtful_empty``…). ``first_us`` and ``last_us`` are UTC microseconds of the first and last bar, None without
    bars; ``volume`` is units over stored bars.
    """

    outcome: Outcome
    reasons: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    bars: int = 0
    first_us: int | None = None
    last_us: int | None = None
    volume: int = 0
    proof: Proof = Proof.UNVERIFIED
    proof_reasons: tuple[str, ...] = ()

    @property
    def rank(self) -> int:
        """Order in which attempts compete for coverage; higher wins, a tie goes to the newer."""
        by_proof = {Proof.VERIFIED: VERIFIED_RANK, Proof.MISMATCH: MISMATCH_RANK} if self.outcome is Outcome.COMPLETE else {}
        return by_proof.get(self.proof, RANK[self.outcome])
