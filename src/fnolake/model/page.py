"""
One request and its answer, as values: what was asked, what came back, with provenance.

Rows are columns of numpy arrays so that a million bars a second pass; they are as the provider sent them (order,
duplicates and nonsense included), only decoded. No judgement happens here.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from fnolake.model.instrument import Contract

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class BarRequest:
    """Bars of one contract over a half-open span of aware UTC instants, ``interval`` in minutes."""

    contract: Contract
    start: datetime
    end: datetime
    interval: int = 1


@dataclass(frozen=True, slots=True)
class RawBars:
    """
    Provider rows, decoded: equal-length one-dimensional arrays, in the provider's order.

    ``epoch_s`` int64 UTC seconds of the label (bar start); prices float64 rupees (NaN = absent or not a number);
    ``volume`` int64 units in the bar; ``oi`` int64 units, -1 = absent; ``cumulative`` int64 day volume so far,
    -1 = absent; ``vwap`` float64 rupees, NaN = absent. ``wall_mismatch`` bool: the row's wall-clock text and epoch
    disagree. ``undecoded`` counts rows that could not be read at all (never silently dropped).
    """

    epoch_s: NDArray[np.int64]
    open: NDArray[np.float64]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.int64]
    oi: NDArray[np.int64]
    vwap: NDArray[np.float64]
    cumulative: NDArray[np.int64]
    wall_mismatch: NDArray[np.bool_]
    undecoded: int = 0

    def __len__(self) -> int:
        return int(self.epoch_s.shape[0])


@dataclass(frozen=True, slots=True)
class Page:
    """
    What one request returned. ``rows`` is None exactly when the provider *stated* that it has nothing.

    A failure is never a Page: it is an exception of ``errors``. ``payload_hash`` is the hex blake2b-128 of the
    body as received. ``newest_first`` and ``label`` repeat the provider's dialect for normalize.
    """

    request: BarRequest
    provider: str
    account: str
    fetched_at: datetime
    payload_hash: str
    rows: RawBars | None
    request_id: str = ""
    wire_bytes: int = 0
    tries: int = 1

    @property
    def is_empty(self) -> bool:
        """The provider's own statement that it has nothing for the span."""
        return self.rows is None


def payload_hash(body: bytes) -> str:
    """Hex blake2b-128 of a body as received, by which answers and files are told apart."""
    return hashlib.blake2b(body, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class RawFile:
    """A downloaded file exactly as fetched: a master or a bhavcopy, for ``raw/``."""

    provider: str
    name: str
    day: datetime | None
    body: bytes = field(repr=False)
    fetched_at: datetime
    payload_hash: str
