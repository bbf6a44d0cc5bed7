"""Rule zero's witness: only bars of that session count as being well."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, date, datetime

import numpy as np
import pytest

from fnolake.errors import ProviderFault
from fnolake.model import BarRequest, Contract, Page, RawBars, RequestRecord, ist_midnight_us
from fnolake.provider.account import Asked
from fnolake.provider.canary import Canary
from tests.provider.fakes import FakeClock

DAY = date(2026, 11, 20)
MIDNIGHT_S = ist_midnight_us(DAY) // 1_000_000
OPEN_S = MIDNIGHT_S + 555 * 60
FUTURE = Contract(
    1, "NSE", "FO", 7, "NIFTY23NOV26F", "NIFTY", "future", date(2026, 11, 23), None, None, 65, 10, "NIFTY23NOV26F", is_index=True
)


def bars(epochs: Sequence[int]) -> RawBars:
    n = len(epochs)
    price, count = np.full(n, 100.0), np.full(n, 1, np.int64)
    return RawBars(np.array(epochs, np.int64), price, price, price, price, count, count, price, count, np.zeros(n, np.bool_))


class Venue:
    """An account that says what it is told to say, and notes what it was asked."""

    def __init__(self, *says: RawBars | ProviderFault | None) -> None:
        self.says = list(says)
        self.asked: list[BarRequest] = []

    async def ask_minutes(self, request: BarRequest) -> Asked:
        self.asked.append(request)
        said = self.says.pop(0)
        at = datetime(2026, 11, 20, 13, tzinfo=UTC)
        record = RequestRecord(f"k{len(self.asked)}", "p", "a", "minutes", "answered", at, 0.1)
        if isinstance(said, ProviderFault):
            return Asked(None, said, record)
        return Asked(Page(request, "p", "a", at, "hash", said), None, record)


def canary(venue: Venue, clock: FakeClock | None = None, records: list[RequestRecord] | None = None) -> Canary:
    kept: list[RequestRecord] = [] if records is None else records
    return Canary(venue.ask_minutes, lambda name, _: FUTURE if name == "NSE" else None, clock or FakeClock(), kept.append)


async def test_bars_of_the_session_are_a_song_and_it_is_asked_once() -> None:
    venue, records = Venue(bars(range(OPEN_S, OPEN_S + 600, 60))), []
    witness = canary(venue, records=records)
    assert [await witness.alive("NSE", DAY) for _ in range(3)] == [True] * 3
    assert len(venue.asked) == len(records) == 1
    assert venue.asked[0].contract is FUTURE
    assert venue.asked[0].start.timestamp() <= OPEN_S < venue.asked[0].end.timestamp()


@pytest.mark.parametrize("said", [
    None, bars([]), ProviderFault("502"), bars(range(OPEN_S - 86_400, OPEN_S - 80_000, 60)), bars(range(OPEN_S + 86_400, OPEN_S + 90_000, 60)),
])
async def test_nothing_a_failure_and_another_days_bars_are_silence(said: RawBars | ProviderFault | None) -> None:
    assert await canary(Venue(said)).alive("NSE", DAY) is False


async def test_silence_is_believed_for_a_minute() -> None:
    venue, clock = Venue(None, bars(range(OPEN_S, OPEN_S + 600, 60))), FakeClock()
    witness = canary(venue, clock)
    assert await witness.alive("NSE", DAY) is False
    clock.at += 59
    assert await witness.alive("NSE", DAY) is False
    assert len(venue.asked) == 1
    clock.at += 2
    assert await witness.alive("NSE", DAY) is True


async def test_a_venue_without_a_known_future_has_no_witness() -> None:
    venue = Venue()
    assert await canary(venue).alive("BSE", DAY) is False
    assert not venue.asked


async def test_many_workers_ask_once() -> None:
    venue = Venue(bars(range(OPEN_S, OPEN_S + 600, 60)))
    witness = canary(venue)
    assert await asyncio.gather(*(witness.alive("NSE", DAY) for _ in range(20))) == [True] * 20
    assert len(venue.asked) == 1


async def test_sessions_are_witnessed_apart() -> None:
    venue = Venue(bars(range(OPEN_S, OPEN_S + 600, 60)), None)
    witness = canary(venue)
    assert await witness.alive("NSE", DAY) is True
    assert await witness.alive("NSE", date(2026, 11, 19)) is False


async def test_bars_that_came_in_the_ordinary_course_are_enough() -> None:
    witness = canary(Venue())
    witness.sang("NSE", DAY)
    assert await witness.alive("NSE", DAY) is True
