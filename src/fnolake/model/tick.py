"""
What a live feed says, as values: one print of one contract, and how a connection stands. No I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

UNSAID = -1
"""In ``volume`` and ``oi``: the feed has never said it of this contract (an index has neither)."""


@dataclass(frozen=True, slots=True)
class Tick:
    """
    One contract at one instant: what this frame changed, merged over what earlier frames of the connection said.

    Attributes:
        contract: Listing identity.
        at_us: The feed's own time, UTC microseconds. Shoonya's is its server's and runs up to half a minute late
            (protocols/shoonya.md section 4); Firstock's is the exchange's second.
        received_us: When the frame arrived, by the calendar clock, UTC microseconds.
        last_paise: Last price, paise a unit; always positive.
        volume: Units of the day so far, or ``UNSAID``.
        oi: Units of open interest, or ``UNSAID``.
        snapshot: Whether it answers a subscription: how the contract stands, not that it has just traded.
    """

    contract: int
    at_us: int
    received_us: int
    last_paise: int
    volume: int = UNSAID
    oi: int = UNSAID
    snapshot: bool = False


@dataclass(frozen=True, slots=True)
class FeedState:
    """
    How one connection of one account stands from ``at`` on (aware, calendar clock).

    ``state`` is open, lost (it will be opened again), or out (a person must act); ``reason`` says why; ``contracts`` are those
    that deliver, ``dropped`` those that were subscribed and never answered: they are beyond the feed's cap. A connection that is lost says which contracts are
    ``away`` with it, and since when by the feed's own time: its last word.
    """

    account: str
    provider: str
    connection: int
    state: str
    at: datetime
    reason: str = ""
    contracts: int = 0
    dropped: int = 0
    away: tuple[int, ...] = ()
    away_since_us: int = 0
