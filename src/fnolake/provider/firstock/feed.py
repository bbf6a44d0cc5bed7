"""
Firstock's V2 socket as a feed.

Three connections a user, by the refusal's own text ("Maximum sessions limit (3) reached", official SDKs 2026-03); how many
tokens one delivers is published nowhere, and is found out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlencode

from fnolake.errors import ProviderError, ProviderFault
from fnolake.model import Contract
from fnolake.model.tick import Tick
from fnolake.provider.firstock import frames
from fnolake.provider.firstock.answers import SignIn
from fnolake.provider.firstock.refusal import PROVIDER
from fnolake.provider.scope import exchange_of
from fnolake.provider.socketfeed import WELCOME_S, SocketFeed
from fnolake.provider.stream import FeedFacts

FACTS = FeedFacts(connections=3, cap=None, a_frame=100, beat_s=20.0, silence_s=15.0)


def address(socket: str, sign_in: SignIn) -> str:
    """Where a user's socket is; the token is in the query, so this is never shown."""
    return f"{socket}?{urlencode({'userId': sign_in.uid, 'jKey': sign_in.token, 'source': 'developer-api'})}"


class FirstockFeed(SocketFeed):
    """One connection, see ``provider.stream.Feed``."""

    async def welcome(self) -> None:
        """
        Read what the broker says first.

        Raises:
            SignInLost: The token is refused.
            ProviderFault: The user has as many connections as may be, or something else is answered.
        """
        said = frames.decode(await self.receive(WELCOME_S))
        if not isinstance(said, frames.Status):
            raise ProviderFault("the socket did not say whether the sign-in is good; it is opened again", provider=PROVIDER, request="socket")
        if said.status != "success":
            raise self._refused(said.message)

    def key_of(self, contract: Contract) -> str:
        """``NFO:12345``."""
        return f"{exchange_of(contract)}:{contract.token}"

    def subscribing(self, keys: Sequence[str], *, on: bool) -> str:
        """See the base class."""
        return frames.subscribe(keys, on=on)

    def beat(self) -> str:
        """None: pings are enough."""
        return ""

    def read(self, body: str | bytes, received_us: int) -> Iterable[Tick]:
        """See the base class."""
        said = frames.decode(body)
        if isinstance(said, frames.Status):
            if said.status != "success":
                raise self._refused(said.message)
            return ()
        ticks = (
            self._said.take(key, frames.paise(one.last), frames.units(one.volume), frames.units(one.oi), max(frames.units(one.at), 0), received_us)
            for key, one in said.items()
        )
        return [tick for tick in ticks if tick is not None]

    def _refused(self, words: str) -> ProviderError:
        if "limit" in words.lower():
            return ProviderFault(f"the socket was refused: {words[:120]}", provider=PROVIDER, request="socket")
        return self.lost(words[:120])
