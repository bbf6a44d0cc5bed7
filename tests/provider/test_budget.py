import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.errors import DiskFull
from fnolake.provider.budget import Budget
from fnolake.testing import Drawer
from tests.provider.fakes import FakeClock

OFFICIAL = ((20, 1.0), (200, 60.0))


def most_in(stamps: list[float], seconds: float) -> int:
    """Most arrivals in any half-open run of ``seconds``."""
    ordered, most, first = sorted(stamps), 0, 0
    for last, stamp in enumerate(ordered):
        while stamp - ordered[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


async def ask(budget: Budget, clock: FakeClock, arrivals: list[float], rng: random.Random, slowest: float) -> None:
    async with budget.slot():
        delay = rng.uniform(0, slowest)
        await clock.sleep(delay)
        arrivals.append(clock.at)
        await clock.sleep(rng.uniform(0, slowest))


async def work(budget: Budget, clock: FakeClock, seconds: float, *, slowest: float = 0.2, workers: int = 12, seed: int = 1) -> list[float]:
    arrivals: list[float] = []
    rng = random.Random(seed)
    ends = clock.at + seconds

    async def one() -> None:
        while clock.at < ends:
            await ask(budget, clock, arrivals, rng, slowest)

    async def everyone() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(one())

    running = asyncio.ensure_future(everyone())
    await clock.run(running, ends)
    running.cancel()
    await asyncio.wait([running])
    return [at for at in arrivals if at < ends]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.0, 2.0))
def test_no_window_ever_sees_more_than_it_allows_however_slow_the_wire(seed: int, slowest: float) -> None:
    async def story() -> list[float]:
        clock = FakeClock()
        return await work(Budget(OFFICIAL, clock, None, "a"), clock, 130, slowest=slowest, seed=seed)

    arrivals = asyncio.run(story())
    assert most_in(arrivals, 1.0) <= 20
    assert most_in(arrivals, 60.0) <= 200


async def test_nearly_all_of_the_minute_is_used() -> None:
    clock = FakeClock()
    arrivals = await work(Budget(OFFICIAL, clock, None, "a"), clock, 600)
    assert len(arrivals) >= 0.97 * 2000


@pytest.mark.parametrize("orderly", [True, False])
async def test_a_restart_forgets_nothing(orderly: bool) -> None:
    clock, drawer = FakeClock(), Drawer()
    arrivals: list[float] = []
    for seed in range(12):
        budget = Budget(OFFICIAL, clock, drawer, "a")
        arrivals += await work(budget, clock, random.Random(seed).uniform(0.1, 20), seed=seed)
        if orderly:
            budget.release()
    assert most_in(arrivals, 1.0) <= 20
    assert most_in(arrivals, 60.0) <= 200


async def test_the_reserve_is_never_used() -> None:
    clock = FakeClock()
    arrivals = await work(Budget(OFFICIAL, clock, None, "a", reserve=lambda: 0.5), clock, 120)
    assert most_in(arrivals, 60.0) <= 100
    assert most_in(arrivals, 1.0) <= 10


async def test_the_reserve_follows_the_market() -> None:
    clock = FakeClock()
    closes = clock.at + 60
    budget = Budget(OFFICIAL, clock, None, "a", reserve=lambda: 0.5 if clock.at < closes else 0.0)
    arrivals = await work(budget, clock, 240)
    assert len([at for at in arrivals if at < closes]) <= 100
    assert len([at for at in arrivals if at >= closes]) >= 500


async def test_a_rejection_narrows_and_quiet_minutes_widen() -> None:
    clock = FakeClock()
    budget = Budget(OFFICIAL, clock, None, "a")
    budget.reject(0.0)
    assert budget.snapshot().allowance == 140
    for _ in range(20):
        clock.at += 61
        budget.succeed()
    assert budget.snapshot().allowance == 200


async def test_a_burst_of_rejections_counts_once() -> None:
    clock = FakeClock()
    budget = Budget(OFFICIAL, clock, None, "a")
    for _ in range(10):
        budget.reject(0.0)
    assert budget.snapshot().allowance == 140


async def test_a_torn_note_is_taken_as_all_used() -> None:
    clock, drawer = FakeClock(), Drawer()
    drawer.save("budget-a", b"{")
    arrivals = await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 0.9)
    assert arrivals == []


class SteppedClock(FakeClock):
    """A machine whose wall clock is corrected while its monotonic clock goes on."""

    def __init__(self) -> None:
        super().__init__()
        self.step = 0.0

    def wall(self) -> float:
        return self.at + self.step


@pytest.mark.parametrize("step", [-3600.0, -30.0, 30.0, 86_400.0])
async def test_a_corrected_wall_clock_opens_no_window(step: float) -> None:
    clock = SteppedClock()
    budget = Budget(OFFICIAL, clock, Drawer(), "a")
    arrivals = await work(budget, clock, 30)
    clock.step = step
    arrivals += await work(budget, clock, 60, seed=2)
    assert most_in(arrivals, 60.0) <= 200


@pytest.mark.parametrize("step", [-3600.0, -30.0])
async def test_a_wall_clock_set_back_between_two_runs_opens_no_window(step: float) -> None:
    clock, drawer = SteppedClock(), Drawer()
    arrivals = await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 30)
    clock.step = step
    arrivals += await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 60, seed=2)
    assert most_in(arrivals, 60.0) <= 200


class Kept(Drawer):
    """Keeps every note, to restart from any of them."""

    def __init__(self) -> None:
        super().__init__()
        self.saves = 0

    def save(self, key: str, value: bytes) -> None:
        self.saves += 1
        super().save(key, value)


async def test_notes_are_rare() -> None:
    clock, drawer = FakeClock(), Kept()
    arrivals = await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 300)
    assert drawer.saves <= 300
    assert drawer.saves < len(arrivals)


async def test_after_a_kill_little_of_the_allowance_is_lost() -> None:
    clock, drawer = FakeClock(), Drawer()
    arrivals = await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 300)
    arrivals += await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 300, seed=2)
    assert len(arrivals) >= 0.95 * 2000
    assert most_in(arrivals, 60.0) <= 200


async def test_a_note_that_cannot_be_written_grants_nothing_and_breaks_nothing() -> None:
    class Full(Drawer):
        def save(self, key: str, value: bytes) -> None:
            raise DiskFull("no room")

    budget = Budget(((1, 1.0),), FakeClock(), Full(), "a")
    with pytest.raises(DiskFull):
        async with budget.slot():
            raise AssertionError
    assert budget.snapshot().used == 0


async def test_a_cancelled_wait_counts_nothing_and_lets_the_next_pass() -> None:
    clock = FakeClock()
    budget = Budget(((1, 10.0),), clock, None, "a")

    async def one() -> None:
        async with budget.slot():
            pass

    await one()
    first, second = asyncio.ensure_future(one()), asyncio.ensure_future(one())
    await asyncio.sleep(0)
    first.cancel()
    await clock.run(second)
    assert first.cancelled()
    assert clock.at < 1_000_000 + 10.1


async def test_advice_to_wait_is_followed_within_reason() -> None:
    clock = FakeClock()
    budget = Budget(OFFICIAL, clock, None, "a")
    budget.reject(1e9)

    async def one() -> None:
        async with budget.slot():
            pass

    await clock.run(asyncio.ensure_future(one()))
    assert clock.at == pytest.approx(1_000_300)



async def test_asking_again_after_an_orderly_end_is_noted_too() -> None:
    clock, drawer = FakeClock(), Drawer()
    budget = Budget(OFFICIAL, clock, drawer, "a")
    arrivals = await work(budget, clock, 10)
    budget.release()
    arrivals += await work(budget, clock, 0.9, seed=2)
    arrivals += await work(Budget(OFFICIAL, clock, drawer, "a"), clock, 60, seed=3)
    assert most_in(arrivals, 60.0) <= 200
    assert most_in(arrivals, 1.0) <= 20
