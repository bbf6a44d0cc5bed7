"""
The error tree of fnolake. It imports nothing and is drawn once, here.

    FnolakeError
    ├── ConfigError                 yours to fix before running
    │   └── UnknownSession          the calendar does not know that date's hours
    ├── ProviderError               their side or the wire: provider, request, request_id
    │   ├── Unreachable             time-out, DNS, reset                        transient
    │   ├── RateLimited             carries retry_after_s                       transient
    │   ├── ProviderFault           5xx, HTML, nonsense envelope, breaker open  transient
    │   ├── SpanTimeout             the span was too long for them (504)        transient, halve it
    │   ├── AuthError               stops this account
    │   │   ├── LoginRefused        credentials refused; carries the provider's text
    │   │   ├── SignInLost          a sign-in that worked no longer does
    │   │   ├── SignedInElsewhere   lost twice in ten minutes: another program's
    │   │   └── AddressNotAllowed   this machine's address is not registered; never retried
    │   ├── UnknownSymbol           no such instrument there                    → unavailable
    │   ├── SpanUnavailable         history not kept that far                   → unavailable
    │   └── PayloadError            bytes do not decode; kept                   → failed
    ├── StoreError                  our disk or table
    │   ├── DiskFull                nothing was recorded; free space and run again
    │   ├── CommitConflict          certainly not applied
    │   ├── CommitUnknown           maybe applied: look first, delete nothing
    │   ├── CorruptFile             a hash differs: path, both hashes
    │   └── StoreLocked             another process is writing this lake
    └── QueryError
        ├── UnknownInstrument
        └── NotCovered              strict read over a gap: carries the missing spans

    GapWarning                      a read over a gap that is not strict; a warning, not an error

``is_transient`` is a fact of the class, so a retry policy is ``on=transient``. Every message says what to
do next. Bad data is never an exception: it is a :class:`fnolake.model.Verdict`.
"""

from __future__ import annotations


class FnolakeError(Exception):
    """Root of the tree. ``exit_code`` is what the command line returns for it."""

    is_transient = False
    exit_code = 1


class ConfigError(FnolakeError):
    """Settings, arguments or files that the user can mend."""

    exit_code = 2


class UnknownSession(ConfigError):
    """The calendar does not know whether, or when, that date trades."""


class ProviderError(FnolakeError):
    """
    Their side, or the wire.

    Args:
        message: What happened and what to do next; never holds a secret.
        provider: Name of the provider, for example ``shoonya``.
        request: A short description of the request (route and contract), no secrets.
        request_id: The provider's own id or time stamp of the answer, where it sends one.
    """

    exit_code = 5

    def __init__(self, message: str, *, provider: str = "", request: str = "", request_id: str = "") -> None:
        super().__init__(message)
        self.provider = provider
        self.request = request
        self.request_id = request_id


class Unreachable(ProviderError):
    """Time-out, DNS failure or connection reset."""

    is_transient = True


class RateLimited(ProviderError):
    """The provider says we asked too much. ``retry_after_s`` is its advice, or ours."""

    is_transient = True

    def __init__(self, message: str, *, retry_after_s: float = 1.0, **where: str) -> None:
        super().__init__(message, **where)
        self.retry_after_s = retry_after_s


class ProviderFault(ProviderError):
    """A 5xx, an HTML page, an empty or nonsense envelope, or an open breaker."""

    is_transient = True


class SpanTimeout(ProviderError):
    """The provider ran out of time on this span; ask for a shorter one."""

    is_transient = True


class AuthError(ProviderError):
    """This account can do nothing more until somebody signs in."""


class LoginRefused(AuthError):
    """The credentials were refused; the message carries the provider's own text."""


class SignInLost(AuthError):
    """A sign-in that worked no longer does."""


class SignedInElsewhere(AuthError):
    """The sign-in was lost twice in ten minutes: another program is signing in. We stop."""


class AddressNotAllowed(AuthError):
    """This machine's address is not registered at the broker. Never retried."""


class UnknownSymbol(ProviderError):
    """The provider has no such instrument."""


class SpanUnavailable(ProviderError):
    """The provider does not keep history that far back."""


class PayloadError(ProviderError):
    """
    The bytes did not decode as this provider's answer.

    Args:
        payload: The first bytes of the body, at most 2,000.
    """

    def __init__(self, message: str, *, payload: bytes = b"", **where: str) -> None:
        super().__init__(message, **where)
        self.payload = payload[:2000]


class StoreError(FnolakeError):
    """Our disk or our tables."""


class DiskFull(StoreError):
    """No room, or a read-only folder. Nothing was recorded."""

    exit_code = 2


class CommitConflict(StoreError):
    """The commit was certainly not applied."""


class CommitUnknown(StoreError):
    """The commit may have been applied; look before doing anything."""


class CorruptFile(StoreError):
    """A file's hash is not the one that was recorded."""

    exit_code = 4

    def __init__(self, path: str, expected: str, found: str) -> None:
        super().__init__(f"{path}: hash is {found}, recorded {expected}; run `fnolake upkeep --check`")
        self.path = path
        self.expected = expected
        self.found = found


class StoreLocked(StoreError):
    """Another process holds the lake's writer lock."""

    exit_code = 2


class QueryError(FnolakeError):
    """A question that cannot be answered as asked."""

    exit_code = 2


class UnknownInstrument(QueryError):
    """No instrument of that name in this lake."""


class NotCovered(QueryError):
    """
    A strict read over a gap.

    Args:
        message: How much is missing, the first of it, and what to do next.
        missing: (contract, session) pairs; those of a contract that nobody named are left out.
        spans: (symbol, first session, last session, reason) of every gap, sessions in a row being one.
    """

    exit_code = 3

    def __init__(self, message: str, missing: list[tuple[int, object]], spans: tuple[tuple[str, object, object, str], ...] = ()) -> None:
        super().__init__(message)
        self.missing = missing
        self.spans = spans


class GapWarning(UserWarning):
    """A read went over a gap: what it returned is not all that was traded. One a read, never one a row."""
