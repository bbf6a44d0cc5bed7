"""
The unlimited line against the emulator in another process, publishing included: contract-sessions/s, peak memory of the
largest command, and a sync with nothing to do. First the demo's five sessions, then one and five sessions of the whole market.
"""

import resource
import sys

from desk import desk

UNDERLYINGS = "RELIANCE,TCS,NIFTY,BANKNIFTY,FINNIFTY,MIDCPNIFTY,SENSEX,HDFCBANK,INFY,ICICIBANK,SBIN,M&M"
JOBS = {
    "demo": (("--underlyings", UNDERLYINGS), ("--from", "2026-11-16", "--to", "2026-11-20")),
    "whole market": ((), ("--session", "2026-11-20")),
    "whole market, five sessions": ((), ("--from", "2026-11-16", "--to", "2026-11-20")),
}


def main(names: list[str]) -> None:
    for name in names or list(JOBS):
        emulator, span = JOBS[name]
        with desk("--limits", "off", *emulator, limits="off") as at:
            before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
            seconds, text = at.fnolake("sync", *span)
            used = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
            idle, _ = at.fnolake("sync", *span)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{name}: {text.strip()}")
        print(f"  whole command {seconds:.1f} s ({used:.1f} s of CPU), peak memory so far {peak:.0f} MB (limit 600), nothing to do {idle:.1f} s (limit 4)")


if __name__ == "__main__":
    main(sys.argv[1:])
