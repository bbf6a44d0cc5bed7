"""
What the line hands to the store: attempts with their bars, as values.

Invariant: one :class:`Attempt` per (contract, session) in a batch; the bars of a batch belong to its attempts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING

from fnolake.model.comparison import Compared
from fnolake.model.verdict import Verdict

if TYPE_CHECKING:
    import polars as pl

IMPORT = "import:"
"""How the provider's name begins where bars are of a user's own files; they never take a broker's place on a tie of rank."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one contract-session, with what verify said of it and where it came from."""

    contract: int
    session: date
    verdict: Verdict
    provider: str
    account: str
    fetched_at: datetime
    payload_hash: str = ""
    request_key: str = ""


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """
    One request to a provider and its single outcome (masters and sign-ins included).

    ``outcome`` is ``answered``, ``empty``, or ``failed``; ``error`` is the class name of the error, ``detail`` its
    message (no secrets); ``route`` the wire route; ``key`` is unique in the lake.
    """

    key: str
    provider: str
    account: str
    route: str
    outcome: str
    started_at: datetime
    elapsed_s: float
    tries: int = 1
    error: str = ""
    detail: str = ""
    wire_bytes: int = 0
    payload_hash: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """
    Checked pages made durable together.

    ``bars`` has ``model.bar.bar_schema``; ``refused`` has ``quarantine_schema``; both may have no rows.
    ``compared`` decides for its attempts, instead of their rank, whether they take coverage; those that do not bring no bars.
    """

    attempts: tuple[Attempt, ...]
    bars: pl.DataFrame
    refused: pl.DataFrame
    requests: tuple[RequestRecord, ...] = field(default=())
    compared: tuple[Compared, ...] = field(default=())
