"""
A sync under official limits (20/s and 200/min): the share of the minute budget used and the rejections seen. Ten
minutes by default; then one under an emulator that refuses at half of that. Give other minutes as an argument.
"""

import sys
import time

from desk import desk

ALLOWED_A_MINUTE = 200


def measure(limits: str, minutes: float) -> None:
    with desk("--limits", limits, "--underlyings", "NIFTY,BANKNIFTY,SENSEX", limits="official") as at:
        before, start = at.asked(), time.monotonic()
        at.fnolake("sync", "--from", "2026-11-18", "--to", "2026-11-20", "--max-minutes", str(minutes), allow=(0, 3))
        after, took = at.asked(), time.monotonic() - start
    served = after["routes"]["TPSeries"] - before["routes"].get("TPSeries", 0)
    used = served / (ALLOWED_A_MINUTE * minutes)
    print(f"emulator {limits}: {served:,} requests in {minutes:g} minutes ({took:.0f} s with start and commit), {used:.1%} of {ALLOWED_A_MINUTE}/min, "
          f"{after['rejections'] - before['rejections']} rejections, most in a minute {after['max_in_minute']}, in a second {after['max_in_second']}")


if __name__ == "__main__":
    minutes = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    measure("official", minutes)
    measure("10/s,100/min", min(minutes, 3.0))
