"""A chain at a minute, warm: what reading costs and what forward, volatilities and greeks cost (design section 8: 50 ms, 20 ms).

    python benchmarks/chain.py LAKE [UNDERLYING …] [--at TIME]

Names every underlying that has options where none is given. The best of 15 runs, so that another program's load does not
count, and the median beside it. Exit 1 if a best is over the limit.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import fnolake
from fnolake.errors import QueryError

RUNS = 15
WHOLE_MS, ANALYTICS_MS = 50.0, 20.0


def timed_ms(*works: Callable[[], object]) -> list[list[float]]:
    """Milliseconds of each work's runs, ascending, the works taking turns, after two turns that are not counted."""
    took: list[list[float]] = [[] for _ in works]
    for turn in range(RUNS + 2):
        for work, times in zip(works, took, strict=True):
            start = time.perf_counter()
            work()
            if turn > 1:
                times.append((time.perf_counter() - start) * 1000)
    return [sorted(times) for times in took]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake", type=Path)
    parser.add_argument("underlyings", nargs="*")
    parser.add_argument("--at", default="15:00")
    given = parser.parse_args()
    worst = [0.0, 0.0]
    print(f"{'chain':26}{'options':>8}{'read ms':>9}{'analytics ms':>14}{'whole ms':>10}{'median':>8}")
    with fnolake.open(given.lake) as lake:
        named = given.underlyings or sorted(set(lake.instruments(kind="option")["underlying"]))
        for name in named:
            for expiry in ("near", "next"):
                try:
                    chain = lake.chain(name, given.at, expiry)
                except QueryError as error:
                    print(f"{name} {expiry}: {error}")
                    continue
                read, whole = timed_ms(
                    lambda name=name, expiry=expiry: lake.chain(name, given.at, expiry, greeks=False),
                    lambda name=name, expiry=expiry: lake.chain(name, given.at, expiry),
                )
                more = whole[0] - read[0]
                worst = [max(worst[0], whole[0]), max(worst[1], more)]
                print(f"{name + ' ' + str(chain.expiry):26}{chain.rows.height:8}{read[0]:9.1f}{more:14.1f}{whole[0]:10.1f}{statistics.median(whole):8.1f}")
    print(f"worst: {worst[0]:.1f} ms whole (limit {WHOLE_MS:.0f}), {worst[1]:.1f} ms analytics (limit {ANALYTICS_MS:.0f})")
    return int(worst[0] > WHOLE_MS or worst[1] > ANALYTICS_MS)


if __name__ == "__main__":
    raise SystemExit(main())
