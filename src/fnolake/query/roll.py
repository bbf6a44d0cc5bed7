"""
When a continuous future leaves one contract for the next, and at which prices. Pure decisions, no I/O.

Nothing looks ahead: what is held on a session follows from what was listed on it, its calendar, and totals of the session
before. Invariant: a contract that was left is never held again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from fnolake.errors import QueryError

_DAYS = re.compile(r"^days:(\d{1,2})$")
_UNKNOWN = -1

Totals = Mapping[tuple[date, int], int]
"""Units by (session, contract): volume of the session, or its last open interest. What is not known is not in it."""

Minutes = Mapping[datetime, int]
"""Closes in paise of the minutes in which a contract traded, by their start (UTC), ascending."""


@dataclass(frozen=True, slots=True)
class RollRule:
    """When to roll: ``by`` expiry (leaving ``days`` sessions before it), volume or oi."""

    by: str
    days: int = 0

    @property
    def word(self) -> str:
        """As people write it."""
        return f"days:{self.days}" if self.days else self.by


def rule_of(text: str) -> RollRule:
    """
    What was typed: ``expiry``, ``days:3``, ``volume`` or ``oi``.

    Raises:
        QueryError: It is no rule; the message names those that are.
    """
    word = text.strip().lower()
    if word in {"expiry", "volume", "oi"}:
        return RollRule(word)
    match = _DAYS.match(word)
    if match is None:
        raise QueryError(f"no roll {text!r}: give expiry, days:N (N sessions before expiry, such as days:3), volume or oi")
    return RollRule("expiry", int(match[1]))


@dataclass(frozen=True, slots=True, order=True)
class Listed:
    """A future as it stood on a session; ordered by expiry."""

    expiry: date
    contract: int

    @classmethod
    def unknown(cls, expiry: date) -> Listed:
        """A contract that must have been listed, and that this lake does not know."""
        return cls(expiry, _UNKNOWN * expiry.toordinal())

    @property
    def is_known(self) -> bool:
        """Whether the lake knows it."""
        return self.contract > 0


@dataclass(frozen=True, slots=True)
class Held:
    """
    What is held on a session (None: nothing was listed), and why the contract before it was left.

    ``reason`` is empty while the contract stays; ``from_total`` and ``to_total`` are what decided a roll by volume or oi;
    ``undecided``: a total of the session before is not known, so the contract stayed unasked.
    """

    session: date
    listed: Listed | None
    reason: str = ""
    from_total: int | None = None
    to_total: int | None = None
    undecided: bool = False


def hold(
    rule: RollRule, listed: Mapping[date, Sequence[Listed]], stays: Callable[[date, date], bool], totals: Totals, *, second: bool = False,
) -> list[Held]:
    """
    Decide what is held, session by session.

    Args:
        rule: When to roll.
        listed: By session, ascending: the futures listed on it, as they stood then.
        stays: Of a session and an expiry: whether it is still ``rule.days`` sessions or more away.
        totals: For volume and oi: of each session; the session before decides.
        second: Hold the contract after the one that the rule holds.

    Returns:
        One a session, in order.
    """
    front: Listed | None = None
    left: set[int] = set()
    before: date | None = None
    found = []
    for session, given in listed.items():
        live = sorted(one for one in given if one.contract not in left and one.expiry >= session)
        live = live[_place(live, front):]
        chosen = _choose(rule, session, live, front, stays, {one.contract: totals.get((before, one.contract)) for one in live} if before else {})
        if chosen.listed is not None:
            place = live.index(chosen.listed)
            left.update(one.contract for one in live[:place])
            if front is not None and front.contract != chosen.listed.contract:
                left.add(front.contract)
            front = chosen.listed
            if second:
                after = live[place + 1] if place + 1 < len(live) else None
                chosen = Held(session, after, chosen.reason, chosen.from_total, chosen.to_total, chosen.undecided)
        found.append(chosen)
        before = session
    return found


def _place(live: Sequence[Listed], front: Listed | None) -> int:
    """Where the held contract is; 0 when it is not there any more."""
    return next((place for place, one in enumerate(live) if front and one.contract == front.contract), 0)


def _choose(
    rule: RollRule, session: date, live: Sequence[Listed], front: Listed | None, stays: Callable[[date, date], bool],
    before: Mapping[int, int | None],
) -> Held:
    """The contract of a session; ``live`` begins with the held one, if that is still listed."""
    if not live:
        return Held(session, None)
    is_there = front is not None and live[0].contract == front.contract
    if rule.by == "expiry":
        chosen = next((one for one in live if stays(session, one.expiry)), live[0])
        if front is None or (is_there and chosen == live[0]):
            return Held(session, chosen)
        return Held(session, chosen, rule.word if is_there else "expiry")
    if not is_there:
        return Held(session, live[0], "expiry" if front else "")
    return _by_totals(rule, session, live, before)


def _by_totals(rule: RollRule, session: date, live: Sequence[Listed], before: Mapping[int, int | None]) -> Held:
    """The later contract of which most was traded or is open, if that is more than of the held one; the nearer of equals."""
    own = before.get(live[0].contract)
    known = [(total, one) for one in live[1:] if (total := before.get(one.contract)) is not None]
    most = max(known, key=lambda pair: pair[0], default=None)
    if own is not None and most is not None and most[0] > own:
        return Held(session, most[1], rule.word, own, most[0])
    unknown = len(live) > 1 and bool(before) and (own is None or before.get(live[1].contract) is None)
    return Held(session, live[0], undecided=unknown)


@dataclass(frozen=True, slots=True)
class Measured:
    """
    Prices of both contracts at a roll, in paise, and how they were found.

    ``how`` is ``minute`` (the last minute in which both traded, at ``at``), ``last`` (both traded on that session but
    never in one minute: the last close of each; ``at`` is the later) or ``earlier`` (the last such minute of an earlier session).
    """

    how: str
    at: datetime
    from_paise: int
    to_paise: int


def measure(leaving: Minutes, arriving: Minutes) -> Measured | None:
    """Both contracts' prices on the last session before a roll; None where one of them did not trade."""
    both = leaving.keys() & arriving.keys()
    if both:
        at = max(both)
        return Measured("minute", at, leaving[at], arriving[at])
    if not leaving or not arriving:
        return None
    ends = max(leaving), max(arriving)
    return Measured("last", max(ends), leaving[ends[0]], arriving[ends[1]])
