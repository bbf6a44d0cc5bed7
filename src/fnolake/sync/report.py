"""What a sync did, as a value and in a few sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date


@dataclass(frozen=True, slots=True)
class AccountReport:
    """
    What one account did in a sync.

    ``sessions`` are contract-sessions that it answered for; ``reason`` says why it stopped early (empty: it did not).
    """

    account: str
    provider: str
    requests: int = 0
    failed_requests: int = 0
    sessions: int = 0
    bars: int = 0
    reason: str = ""

    @property
    def line(self) -> str:
        """In one line for a person."""
        failed = f", {self.failed_requests:,} failed" if self.failed_requests else ""
        reason = f"; {self.reason}" if self.reason else ""
        return f"{self.account} ({self.provider}): {self.requests:,} requests{failed}, {self.sessions:,} contract-sessions, {self.bars:,} bars{reason}"


@dataclass(frozen=True, slots=True)
class SyncReport:
    """
    What a sync did. ``outcomes`` counts contract-sessions decided now; ``gaps`` what is left of the selection, but for
    ``waiting``, whose day has not come ([freshness]).

    ``stopped`` says why it ended early (empty when it did not); ``seconds`` are the machine's; ``accounts`` what each did;
    ``certificates`` are the lines of the certificates that were made.
    """

    outcomes: dict[str, int] = field(default_factory=dict)
    bars: int = 0
    requests: int = 0
    failed_requests: int = 0
    seconds: float = 0.0
    sessions: tuple[date, ...] = ()
    gaps: int = 0
    waiting: int = 0
    listed: int = 0
    covered: int = 0
    verified: int = 0
    notices: tuple[str, ...] = ()
    stopped: str = ""
    interrupted: bool = False
    accounts: tuple[AccountReport, ...] = ()
    certificates: tuple[str, ...] = ()

    @property
    def figures(self) -> dict[str, object]:
        """The report in a log line's fields."""
        return {
            "sessions": [day.isoformat() for day in self.sessions], "bars": self.bars, "requests": self.requests, "failed_requests": self.failed_requests,
            "gaps": self.gaps, "covered": self.covered, "listed": self.listed, "verified": self.verified, "seconds": round(self.seconds, 3),
            "stopped": self.stopped,
        }

    @property
    def lines(self) -> list[str]:
        """The report in a few sentences for a person."""
        text = [self._head]
        words = ", ".join(f"{count:,} {name}" for name, count in sorted(self.outcomes.items(), key=lambda item: -item[1]))
        text += [words] if words else []
        text += [one.line for one in self.accounts] if len(self.accounts) > 1 and self.requests else []
        text.append(f"{self.covered:,} of {self.listed:,} listed contract-sessions are covered, {self.verified:,} verified against the exchange")
        if self.waiting:
            text.append(f"{self.waiting:,} wait for their weekday ([freshness])")
        if self.gaps:
            text.append(f"{self.gaps:,} are not: see `fnolake gaps`")
        text += [f"certificate: {line}" for line in self.certificates]
        return text + list(self.notices) + ([self.stopped] if self.stopped else [])

    @property
    def _head(self) -> str:
        decided = sum(self.outcomes.values())
        if not self.requests:
            return "Nothing was asked." if self.gaps else "Nothing to do: every wanted contract-session is covered."
        rate = decided / self.seconds if self.seconds else 0.0
        return (
            f"{decided:,} contract-sessions and {self.bars:,} bars by {self.requests:,} requests in "
            f"{self.seconds:,.0f} s ({rate:,.0f} a second)"
        )


@dataclass(frozen=True, slots=True)
class Kept:
    """What upkeep did, in lines for a person, and the files whose hash differs from the recorded one."""

    lines: tuple[str, ...]
    corrupt: tuple[str, ...] = ()
