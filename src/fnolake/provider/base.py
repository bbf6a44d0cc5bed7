"""
What every provider is: a few declared facts and a client with three verbs. No network here.

Adapters stay small because ``account`` owns budget, retries, breaker and records. Invariant: a provider raises only
errors of ``fnolake.errors``, and returns a page without rows only when the provider itself said it has nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from fnolake.model import BarRequest, Master, Page, RawFile


@dataclass(frozen=True, slots=True)
class Dialect:
    """
    The facts of a provider, each with its source in the adapter.

    Attributes:
        name: Lower case, as in ``lake.toml``.
        zone: IANA zone of wall-clock texts.
        label: Which side of the minute a row is stamped with: ``start`` or ``end``.
        newest_first: Order of rows on the wire.
        windows: Allowances: (requests, seconds), all of them hold at once.
        horizon_days: Calendar days of minute history that are served.
        max_rows: Rows that one request should expect at most.
        says_nothing: How an answer without data is worded.
        max_days: Calendar days of minutes that one request should span at most; None where only rows count.
    """

    name: str
    zone: str
    label: str
    newest_first: bool
    windows: tuple[tuple[int, float], ...]
    horizon_days: int
    max_rows: int
    says_nothing: str
    max_days: int | None = None


@dataclass(frozen=True, slots=True)
class SignInHelp:
    """
    How a person is brought in when a sign-in needs one.

    Attributes:
        code: A code, or the pasted address that holds it; empty = wait for the browser to come back.
        redirect: The address registered with the broker, on this machine; empty = the provider's own.
        on_address: Told where to sign in.
        open_browser: Opens that address; None leaves it to the person. Called in a thread.
        patience_s: How long to wait for the person.
        state: What goes along with the address and must come back; empty = made up anew. A pasted address that carries another
            one is refused.
    """

    code: str = ""
    redirect: str = ""
    on_address: Callable[[str], None] = lambda _address: None
    open_browser: Callable[[str], object] | None = None
    patience_s: float = 300.0
    state: str = field(default="", repr=False)


class Provider(Protocol):
    """One sign-in at one provider."""

    dialect: Dialect

    @property
    def name(self) -> str:
        """The provider's name, as in ``lake.toml``."""

    @property
    def adopted(self) -> bool:
        """Whether the sign-in was made elsewhere: it is never renewed or ended by us."""

    @property
    def signed_in(self) -> bool:
        """Whether there is a sign-in that has not been refused yet."""

    @property
    def signed_in_until(self) -> datetime | None:
        """When the sign-in ends by the provider's word, aware; None where it does not say."""

    async def login(self, how: SignInHelp) -> None:
        """
        Sign in anew.

        Raises:
            LoginRefused: With the provider's text; or nobody came in time.
            ConfigError: Something to sign in with is missing.

        Cancel:
            Safe; the old sign-in stays.
        """

    def adopt(self, token: str) -> None:
        """Use a token that another program's sign-in made; it is never renewed or ended from here."""

    async def check(self) -> str:
        """
        Prove the sign-in with a cheap request; returns who is signed in, in words.

        Raises:
            ProviderError: It does not work.
        """

    async def logout(self) -> None:
        """End the sign-in and forget it; an adopted one is only forgotten."""

    def master_names(self) -> Sequence[str]:
        """The masters there are, for :meth:`master`."""

    async def master(self, exchange: str, day: date) -> RawFile:
        """
        Today's symbol master of one exchange, exactly as fetched.

        Raises:
            ProviderError: It could not be had.
        """

    def decode_master(self, raw: RawFile) -> Master:
        """
        Every row of a master as a listing, out of scope, or a finding.

        Raises:
            PayloadError: The file is no master.
        """

    def in_scope(self, masters: list[Master]) -> list[Master]:
        """The same masters, with what fnolake does not capture counted as out of scope."""

    async def minutes(self, request: BarRequest) -> Page:
        """
        Ask once for the bars of one contract.

        Raises:
            ProviderError: Anything but rows or the provider's statement that it has none.

        Cancel:
            Safe at any await.
        """

    async def renew(self) -> None:
        """
        Sign in again without a person.

        Raises:
            AuthError: It cannot be done without one, or was refused.
        """

    async def aclose(self) -> None:
        """Give back what is held; the sign-in stays."""
