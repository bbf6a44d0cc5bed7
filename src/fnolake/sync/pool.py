"""
The one queue of a sync and who may take from it: the soonest deadline first, to whoever is free, cut to what it can bear.

Knows no provider and sends nothing. Invariant: a task that was taken is either landed or still in hand, and what comes
back keeps its place before everything that was not taken yet.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum

from fnolake.model import Contract

LOOK_AHEAD = 1000
"""Tasks that may wait for somebody else while one account looks for a task that it can serve."""
MOST_SECOND_OPINIONS = 20_000
"""Beyond so many waiting, a first answer stands: memory does not grow with the job."""

_NOBODY: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Task:
    """
    One request to be made: a contract and the sessions it must decide, ascending.

    Attributes:
        again: Asked alone because an earlier answer left it open.
        rows: Rows that all its sessions should bring, 0 = not known.
        place: Its place in the plan; lower goes first.
        tried: Accounts that gave it back because they could not go on; others are asked before them.
        answered: Providers whose answer is recorded and left a doubt; they are not asked again.
        listed: Providers that can be asked for the contract; empty: nobody knows, so anybody.
    """

    contract: Contract
    sessions: tuple[date, ...]
    again: bool = False
    rows: float = 0.0
    place: int = 0
    tried: frozenset[str] = _NOBODY
    answered: frozenset[str] = _NOBODY
    listed: frozenset[str] = _NOBODY


class State(StrEnum):
    """What an account can do for the pool: go on, come back after a probe, or nothing until a person acts."""

    WORKING = "working"
    DOWN = "down"
    OUT = "out"


@dataclass
class Member:
    """
    One account as the pool sees it.

    Attributes:
        name: The account.
        provider: Its provider.
        max_rows: Rows that one of its requests should expect at most.
        max_days: Calendar days that one of its requests may span; None = any number.
        state: Whether it can be given work.
        reason: Why not, for a person.
    """

    name: str
    provider: str
    max_rows: int = 4000
    max_days: int | None = None
    state: State = State.WORKING
    reason: str = ""

    @property
    def said(self) -> str:
        """Why it cannot go on, with its name."""
        return self.reason if self.name in self.reason else f"{self.name}: {self.reason}"


@dataclass(frozen=True, slots=True)
class _Lane:
    """Tasks that the same accounts may take."""

    venue: str
    answered: frozenset[str]
    tried: frozenset[str]
    listed: frozenset[str]


class Pool:
    """
    Hands out tasks.

    Args:
        tasks: In the order to ask; read only as far as somebody is free.
        members: Everybody who works.
    """

    def __init__(self, tasks: Iterator[Task], members: Sequence[Member]) -> None:
        self._tasks = tasks
        self._pulled = 0
        self._pushed = 0
        self._lanes: dict[_Lane, list[tuple[int, int, Task]]] = {}
        self._in_hand = 0
        self._members = tuple(members)
        self._paused: set[tuple[str, str]] = set()
        self._changed = asyncio.Event()
        self.over = asyncio.Event()

    @property
    def working(self) -> list[Member]:
        """Who can be given work now."""
        return [member for member in self._members if member.state is State.WORKING]

    def others(self, member: Member, task: Task | None = None) -> bool:
        """Whether somebody else can be given work now, or this task."""
        return any(one is not member and (task is None or self._serves(one, _lane(task))) for one in self.working)

    # -- taking and landing ---------------------------------------------------------------------------------------

    async def wait_for(self, member: Member) -> bool:
        """
        Wait until there is something that the member may take; False when there never will be.

        Cancel:
            Safe; nothing was taken.
        """
        while not self.over.is_set() and member.state is not State.OUT:
            if self._best(member) is not None:
                return True
            self._end_if_over()
            if not self.over.is_set():
                await self._changed.wait()
        return False

    def take(self, member: Member) -> Task | None:
        """The first task that the member may take, cut to its span; the rest of it stays first. None if there is none now."""
        lane = self._best(member) if member.state is not State.OUT else None
        if lane is None:
            return None
        _, _, task = heapq.heappop(self._lanes[lane])
        if not self._lanes[lane]:
            del self._lanes[lane]
        mine, rest = cut(task, member.max_rows, member.max_days)
        if rest is not None:
            self._push(rest)
        self._in_hand += 1
        return mine

    def landed(self, *more: Task) -> None:
        """A task that was taken is done; ``more`` is what must be asked because of it, or the task itself given back."""
        self._in_hand -= 1
        for task in more:
            self._push(task)
        self._end_if_over()
        self._wake()

    def second_opinion(self, task: Task, provider: str, sessions: tuple[date, ...]) -> Task | None:
        """The sessions as a task for another provider, None where none can be asked or one was already."""
        if not sessions or task.answered or self._doubted() >= MOST_SECOND_OPINIONS:
            return None
        answered = task.answered | {provider}
        rows = task.rows * len(sessions) / len(task.sessions)
        other = replace(task, sessions=sessions, rows=rows, tried=_NOBODY, answered=answered)
        return other if any(self._may(member, _lane(other)) for member in self.working) else None

    # -- who works ------------------------------------------------------------------------------------------------

    def lose(self, member: Member, reason: str, *, for_good: bool) -> bool:
        """Note that a member cannot go on (for good: until a person acts); whether that is news."""
        state = State.OUT if for_good else State.DOWN
        if member.state is state or member.state is State.OUT:
            return False
        member.state, member.reason = state, reason
        self._wake()
        return True

    def regain(self, member: Member) -> bool:
        """Note that a member answers again; whether that is news."""
        if member.state is not State.DOWN:
            return False
        member.state, member.reason = State.WORKING, ""
        self._wake()
        return True

    def pause(self, provider: str, venue: str) -> bool:
        """Take no more of a venue to a provider; whether that is news."""
        news = (provider, venue) not in self._paused
        self._paused.add((provider, venue))
        self._wake()
        return news

    # -- inside ---------------------------------------------------------------------------------------------------

    def _best(self, member: Member) -> _Lane | None:
        """The lane whose first task comes soonest of those the member may take from; reads on in the plan if need be."""
        while True:
            mine = [(heap[0][:2], number) for number, (lane, heap) in enumerate(self._lanes.items()) if self._may(member, lane)]
            if mine:
                return list(self._lanes)[min(mine)[1]]
            if self._ahead() >= LOOK_AHEAD or not self._pull():
                return None

    def _may(self, member: Member, lane: _Lane) -> bool:
        if not self._serves(member, lane):
            return False
        fresh = (other for other in self.working if other.name not in lane.tried and self._serves(other, lane))
        return member.name not in lane.tried or next(fresh, None) is None

    def _serves(self, member: Member, lane: _Lane) -> bool:
        is_listed = not lane.listed or member.provider in lane.listed
        return is_listed and member.provider not in lane.answered and (member.provider, lane.venue) not in self._paused

    def _pull(self) -> bool:
        """Read one more task of the plan that somebody can serve; False at its end."""
        for task in self._tasks:
            self._pulled += 1
            if any(self._serves(member, _lane(task)) for member in self.working or self._members):
                self._push(replace(task, place=self._pulled))
                return True
        return False

    def _push(self, task: Task) -> None:
        self._pushed += 1
        heapq.heappush(self._lanes.setdefault(_lane(task), []), (task.place, self._pushed, task))

    def _doubted(self) -> int:
        return sum(len(heap) for lane, heap in self._lanes.items() if lane.answered)

    def _ahead(self) -> int:
        """Tasks that wait for somebody else who works; what waits for nobody holds no one up."""
        return sum(len(heap) for lane, heap in self._lanes.items() if not lane.answered and any(self._serves(one, lane) for one in self.working))

    def _end_if_over(self) -> None:
        """Over: nothing is in hand that could come back, and nobody who works may take what waits."""
        if self._in_hand == 0 and all(self._best(member) is None for member in self.working):
            self.over.set()
            self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def cut(task: Task, max_rows: int, max_days: int | None) -> tuple[Task, Task | None]:
    """
    The part of a task that one request can bear, at least a session, and the rest.

    As in the plan, the last session of a part may reach over ``max_rows``.
    """
    count = len(task.sessions)
    each = task.rows / count
    if each and task.rows > max_rows:
        count = min(count, int(max_rows / each) + 1)
    if max_days is not None:
        first = task.sessions[0]
        count = min(count, sum((day - first).days < max_days for day in task.sessions))
    if count == len(task.sessions):
        return task, None
    mine = replace(task, sessions=task.sessions[:count], rows=each * count)
    return mine, replace(task, sessions=task.sessions[count:], rows=task.rows - mine.rows)


def _lane(task: Task) -> _Lane:
    return _Lane(task.contract.venue, task.answered, task.tried, task.listed)
