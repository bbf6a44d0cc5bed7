"""
What the user is told outside the terminal, and what became of it. Values only; no price and no secret is in any of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

DELIVERED, FAILED, QUIET = "delivered", "failed", "quiet"
"""What became of a message at a place: taken there; not taken, sent again next time; held back by the quiet hours."""


@dataclass(frozen=True, slots=True)
class Message:
    """
    One thing to tell.

    Attributes:
        cause: One of ``config.settings.CAUSES``, or ``test``.
        key: What it is about; while that lasts the message is not sent again before a day has passed.
        title: One line.
        text: A few lines, the last of which says what to do.
        once: It speaks of an event and not of something that lasts: never sent again.
    """

    cause: str
    key: str
    title: str
    text: str
    once: bool = False


@dataclass(frozen=True, slots=True)
class Delivery:
    """
    One try to bring a message to one place.

    ``at`` is the calendar's instant; ``to`` the reference of the address (never the address), ``service`` what stands there
    (Telegram, Email …; empty where that could not be read); ``outcome`` delivered, failed or quiet; ``reason`` why not.
    """

    at: datetime
    cause: str
    key: str
    title: str
    to: str
    service: str
    outcome: str
    reason: str = ""
