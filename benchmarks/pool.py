"""
Requests completed under official limits by a Shoonya account alone (200 a minute), and by it and a Firstock account (3 a
second) together: ideal 1.9 times. Ten minutes each by default; give other minutes as an argument.
"""

import sys

from desk import desk

HISTORY = ("TPSeries", "timePriceSeries")


def measure(minutes: float, *, both: bool) -> int:
    with desk("--limits", "official", "--underlyings", "NIFTY,BANKNIFTY,SENSEX", limits="official", firstock=both) as at:
        before = at.asked()
        at.fnolake("sync", "--from", "2026-11-16", "--to", "2026-11-20", "--max-minutes", str(minutes), allow=(0, 3))
        after = at.asked()
    served = {route: after["routes"].get(route, 0) - before["routes"].get(route, 0) for route in HISTORY}
    total = sum(served.values())
    print(f"{'both' if both else 'Shoonya alone'}: {total:,} requests in {minutes:g} minutes "
          f"({', '.join(f'{count:,} {route}' for route, count in served.items() if count)}), {after['rejections'] - before['rejections']} rejections", flush=True)
    return total


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    alone = measure(minutes, both=False)
    together = measure(minutes, both=True)
    print(f"together {together / alone:.2f} times the requests of Shoonya alone (at least 1.8, ideal 1.9)")
