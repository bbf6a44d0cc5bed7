"""
Shoonya's socket as a feed, both generations.

One connection a sign-in: the official README says that several are not supported. Of the cap nobody knows: 500 tokens by the
changelog of March 2026, 100 as measured (github.com/Shoonya-Dev/ShoonyaApi-py/issues/217, 2026-03-10); the rest is silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fnolake.errors import ProviderFault
from fnolake.model import Contract
from fnolake.model.tick import Tick
from fnolake.provider.scope import exchange_of
from fnolake.provider.shoonya import frames
from fnolake.provider.shoonya.answers import SignIn
from fnolake.provider.shoonya.refusal import PROVIDER
from fnolake.provider.socketfeed import WELCOME_S, SocketFeed
from fnolake.provider.stream import FeedFacts

FACTS = FeedFacts(connections=1, cap=500, a_frame=100, beat_s=3.0, silence_s=15.0)


class ShoonyaFeed(SocketFeed):
    """One connection, see ``provider.stream.Feed``."""

    async def welcome(self, sign_in: SignIn, *, legacy: bool) -> None:
        """
        Sign the connection in.

        Raises:
            SignInLost: The broker refuses the token.
            ProviderError: It answers something else, or nothing.
        """
        await self.send(frames.sign_in(sign_in.uid, sign_in.actid, sign_in.socket_token, legacy=legacy))
        frame = frames.decode(await self.receive(WELCOME_S))
        if frame.kind not in frames.WELCOMES:
            raise ProviderFault("the socket did not answer the sign-in; it is opened again", provider=PROVIDER, request="socket")
        if frame.stat.upper() != "OK":
            raise self.lost(frame.emsg or frame.stat)

    def key_of(self, contract: Contract) -> str:
        """``NFO|12345``."""
        return f"{exchange_of(contract)}|{contract.token}"

    def subscribing(self, keys: Sequence[str], *, on: bool) -> str:
        """See the base class."""
        return frames.subscribe(keys, on=on)

    def beat(self) -> str:
        """See the base class."""
        return frames.BEAT

    def read(self, body: str | bytes, received_us: int) -> Iterable[Tick]:
        """See the base class."""
        frame = frames.decode(body)
        if frame.kind in frames.WELCOMES and frame.stat.upper() != "OK":
            raise self.lost(frame.emsg or frame.stat)
        if frame.kind not in frames.CHANGES and frame.kind not in frames.SNAPSHOTS:
            return ()
        tick = self._said.take(
            f"{frame.exchange}|{frame.token}", frames.paise(frame.last), frames.units(frame.volume), frames.units(frame.oi),
            max(frames.units(frame.at), 0), received_us, snapshot=frame.kind in frames.SNAPSHOTS,
        )
        return () if tick is None else (tick,)
