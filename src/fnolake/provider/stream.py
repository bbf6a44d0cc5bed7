"""
What every live feed is: a connection that says prints of the contracts it was asked for. Types only.

Adapters turn frames into ticks and back; reconnecting, caps and silent drops are the business of who keeps the connections.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from fnolake.model import Contract
from fnolake.model.tick import Tick


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """
    The facts of a provider's socket, each with its source in the adapter.

    Attributes:
        connections: How many one account may hold at once.
        cap: Contracts one connection is believed to deliver; what it really delivers is found out. None = not known.
        a_frame: Contracts that one subscribing frame should name at most.
        beat_s: Seconds between our own signs of life.
        silence_s: Seconds without any frame, pongs included, after which a connection is dead.
    """

    connections: int
    cap: int | None
    a_frame: int
    beat_s: float
    silence_s: float


class Feed(Protocol):
    """One connection of one account, signed in. Made by a provider's ``open_feed``; used by one task."""

    facts: FeedFacts

    async def subscribe(self, contracts: Sequence[Contract]) -> None:
        """Ask for these; what answers comes as a snapshot, what does not is beyond the cap."""

    async def unsubscribe(self, contracts: Sequence[Contract]) -> None:
        """Ask for these no more."""

    def ticks(self) -> AsyncIterator[Tick]:
        """
        Prints in order of arrival, until the connection ends.

        Raises:
            AuthError: The sign-in was refused or has ended.
            ProviderError: The connection was lost, or is open and silent.

        Cancel:
            Safe at any await.
        """

    async def aclose(self) -> None:
        """Close the connection; the sign-in stays."""


@runtime_checkable
class Streams(Protocol):
    """A provider that has a live feed."""

    feed_facts: FeedFacts

    async def open_feed(self) -> Feed:
        """
        Connect and sign the connection in.

        Raises:
            AuthError: The sign-in was refused.
            ProviderError: It could not be opened.
        """
