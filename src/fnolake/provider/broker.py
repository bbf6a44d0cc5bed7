"""
What the clients of all brokers share: one sign-in, kept and forgotten as the broker says, and asking with it.

Budget, retries, breaker and records are ``account``'s. Invariant: a sign-in that is refused is forgotten at once, and the
token appears in no repr, message or file but the state drawer.
"""

from __future__ import annotations

import abc
import contextlib
from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar

from fnolake.errors import ConfigError, PayloadError, ProviderError, SignInLost
from fnolake.model import Clock, Master
from fnolake.provider.base import Dialect
from fnolake.provider.http import Http, HttpAnswer
from fnolake.provider.scope import in_scope
from fnolake.provider.snapshot import UserDetails
from fnolake.provider.tokens import HasToken, Tokens

S = TypeVar("S", bound=HasToken)
T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Decoder(Protocol[T_co]):
    """Bytes of an answer to a value, or an error of the tree."""

    def __call__(self, body: bytes, *, status: int, request: str) -> T_co:
        """Decode one answer."""


class BrokerClient(abc.ABC, Generic[S]):
    """
    The half of a provider (``provider.base.Provider``) that does not depend on the broker's wire.

    Args:
        http: Open; it is not closed here.
        account_name: The user's name for this account, used in messages.
        uid: The user at the broker.
        tokens: Where the sign-in lives.
        clock: ``now`` stamps what is fetched; ``wall`` makes one-time passwords.
    """

    dialect: Dialect

    def __init__(self, http: Http, account_name: str, uid: str, tokens: Tokens[S], clock: Clock) -> None:
        self._http = http
        self._account = account_name
        self._uid = uid
        self._tokens = tokens
        self._clock = clock

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.dialect.name

    @property
    def account_name(self) -> str:
        """The user's name for this account."""
        return self._account

    @property
    def adopted(self) -> bool:
        """Whether the sign-in was made by another program: never renewed or ended here."""
        return self._tokens.adopted

    @property
    def signed_in(self) -> bool:
        """Whether there is a token that has not been refused yet."""
        return self._tokens.present is not None

    @property
    def sign_in(self) -> S | None:
        """The present sign-in, for the socket; its repr hides the tokens."""
        return self._tokens.present

    @abc.abstractmethod
    async def user_details(self) -> UserDetails:
        """Who is signed in; raises SignInLost where nobody is, so it proves a sign-in."""

    async def check(self) -> str:
        """Who is signed in, asked of the broker."""
        return (await self.user_details()).name or self._uid

    async def renew(self) -> None:
        """
        Sign in again without a person, unless another process of this lake already has.

        Raises:
            SignInLost: A person has to, or the sign-in was adopted from another program.
            AuthError: With the provider's text.
        """
        if self._tokens.was_renewed_elsewhere():
            return
        if self._tokens.adopted:
            raise self._lost("the sign-in adopted from another program has ended; sign in there, then run "
                             f"`fnolake login {self._account} --token-from ...`")
        await self._sign_in_again()

    async def logout(self) -> None:
        """End the sign-in at the broker and forget it; one made by another program is only forgotten."""
        try:
            if self._tokens.present is not None and not self._tokens.adopted:
                await self._end_sign_in()
        except SignInLost:
            return
        finally:
            self._tokens.forget()

    def in_scope(self, masters: list[Master]) -> list[Master]:
        """The same masters without what fnolake does not capture, see ``scope.in_scope``."""
        return in_scope(masters)

    async def aclose(self) -> None:
        """Nothing is held: the connections are the caller's and the sign-in stays."""

    @abc.abstractmethod
    async def _sign_in_again(self) -> None:
        """Sign in without a person."""

    @abc.abstractmethod
    async def _end_sign_in(self) -> None:
        """Ask the broker to end the present sign-in."""

    @abc.abstractmethod
    async def _send(self, route: str, fields: Mapping[str, str], sign_in: S) -> HttpAnswer:
        """Send one request as that user."""

    async def _ask(self, route: str, fields: Mapping[str, str], decode: Decoder[T], label: str = "") -> tuple[HttpAnswer, T]:
        """Ask as the user who is signed in, and decode. A sign-in that is refused is forgotten at once."""
        used = self._present()
        answer = await self._send(route, fields, used)
        try:
            return answer, decode(answer.body, status=answer.status, request=label or route)
        except SignInLost:
            self._tokens.drop(used)
            raise
        except PayloadError as error:
            error.payload = error.payload.replace(used.token.encode(), b"***")
            raise

    def _present(self) -> S:
        """The present sign-in; raises SignInLost where there is none."""
        if self._tokens.present is None:
            raise self._lost(f"nobody is signed in; run `fnolake login {self._account}`")
        return self._tokens.present

    def _lost(self, message: str) -> SignInLost:
        return SignInLost(f"{self._account}: {message}", provider=self.name)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Errors of the shared door do not know whose they are."""
        try:
            yield
        except ProviderError as error:
            error.provider = error.provider or self.name
            raise


def to_adopt(token: str) -> str:
    """
    A token that a person gave, without the blanks around it.

    Raises:
        ConfigError: It is empty or holds blanks.
    """
    found = token.strip()
    if not found or any(letter.isspace() for letter in found):
        raise ConfigError("the token to adopt is empty or holds blanks")
    return found
