"""The timetable of many contracts, against the prints' own definition, minute by minute."""

from __future__ import annotations

import itertools
from datetime import date, datetime, time
from types import SimpleNamespace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fnolake.emulator.ticks import Tape, Tick
from fnolake.emulator.timetable import NEVER, Timetable
from fnolake.model import IST

DAY = date(2026, 11, 20)
MIDNIGHT = int(datetime.combine(DAY, time(), IST).timestamp())
DAYS = st.lists(st.integers(0, 1439), min_size=1, max_size=6, unique=True).map(sorted)


def minutes_of(labels: list[int], seed: int = 0) -> SimpleNamespace:
    """Bars of the given minutes of the day."""
    n = len(labels)
    draw = np.random.default_rng(seed)
    opened, close = draw.integers(1000, 1100, n), draw.integers(1000, 1100, n)
    volume = draw.integers(1, 50, n)
    return SimpleNamespace(
        epoch_s=MIDNIGHT + 60 * np.array(labels, np.int64), open=opened, close=close, high=np.maximum(opened, close) + 5,
        low=np.minimum(opened, close) - 5, volume=volume, cumulative=np.cumsum(volume), oi=np.arange(n), vwap_paise=opened,
    )


def by_hand(bars: SimpleNamespace) -> list[Tick]:
    """What the four prints of a minute are, said once more and slowly."""
    made, top, bottom, bought = [], int(bars.open[0]), int(bars.open[0]), 0
    for row in range(len(bars.epoch_s)):
        opened, high, low, close = (int(getattr(bars, name)[row]) for name in ("open", "high", "low", "close"))
        traded = int(bars.volume[row])
        for n, last in enumerate((opened, low, high, close) if close >= opened else (opened, high, low, close)):
            top, bottom = max(top, last), min(bottom, last)
            made.append(Tick(
                int(bars.epoch_s[row]) + 15 * n, last, int(bars.open[0]), top, bottom, bought + traded * (n + 1) // 4,
                int(bars.oi[row]), int(bars.vwap_paise[row]),
            ))
        bought += traded
    return made


@settings(max_examples=60, deadline=None)
@given(st.lists(DAYS, min_size=1, max_size=20), st.lists(st.integers(0, 86_400), max_size=8), st.data())
def test_adjoining_spans_give_every_print_once_in_time_order(days, cuts, data):
    books = {name: minutes_of(day, name) for name, day in enumerate(days)}
    table = Timetable(DAY)
    for name, bars in books.items():
        table.add(name, Tape(bars))
    for name in data.draw(st.sets(st.sampled_from(sorted(books)), max_size=len(books) - 1)):
        table.remove(name)
        if data.draw(st.booleans()):
            table.add(name, Tape(books[name]))
        else:
            del books[name]
    at = [MIDNIGHT - 60, *sorted(MIDNIGHT + cut + 0.5 for cut in cuts), MIDNIGHT + 86_400]
    seen = [found for after, until in itertools.pairwise(at) for found in table.between(after, until)]
    assert [instant for instant, _ in seen] == sorted({tick.at for bars in books.values() for tick in by_hand(bars)})
    for name, bars in books.items():
        assert [tick for _, due in seen for key, tick in due if key == name] == by_hand(bars)


@given(DAYS, st.floats(-120, 86_520))
def test_the_next_print_and_the_last_one_are_those_of_the_list(day, after):
    bars, instant = minutes_of(day), MIDNIGHT + after
    table, tape, ticks = Timetable(DAY), Tape(bars), by_hand(bars)
    table.add("one", tape)
    assert table.next_after(instant) == next((tick.at for tick in ticks if tick.at > instant), NEVER)
    assert tape.last_at(instant) == next((tick for tick in reversed(ticks) if tick.at <= instant), None)


def test_a_contract_without_trades_never_prints():
    table = Timetable(DAY)
    table.add("silent", Tape(minutes_of([])))
    assert (table.next_after(MIDNIGHT), list(table.between(MIDNIGHT, MIDNIGHT + 86_400))) == (NEVER, [])
    table.remove("nobody")
