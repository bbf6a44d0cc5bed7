"""``python -m fnolake.emulator``: serve until told to stop; or act as the demo user's browser."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Sequence
from datetime import date, time
from pathlib import Path
from typing import Any

from fnolake.emulator.config import (
    DEFAULT_QUIET_UNTIL,
    DEFAULT_REDIRECT,
    DEFAULT_SEED,
    DEFAULT_TIME,
    DEMO_UNDERLYINGS,
    EmulatorConfig,
    demo_of,
    parse_limits,
)
from fnolake.emulator.firstock_settings import NAMES, FirstockSettings, settings_of


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator (or its browser); the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["browser"]:
        return _browse(arguments[1:])
    try:
        config = config_of(arguments)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    try:
        asyncio.run(_serve(config))
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def config_of(arguments: Sequence[str]) -> EmulatorConfig:
    """
    Settings from command-line arguments.

    Raises:
        ValueError: Limits or faults are not readable.
        SystemExit: argparse refuses the arguments.
    """
    given = _parser().parse_args(arguments)
    underlyings = DEMO_UNDERLYINGS if given.demo else None
    if given.underlyings:
        underlyings = tuple(name.strip().upper() for name in given.underlyings.split(","))
    faults, events = _scripts(given.faults), _scripts(given.events)
    return EmulatorConfig(
        host=given.host, port=given.port, day=given.date, time=given.time, rate=given.rate, seed=given.seed,
        underlyings=underlyings, masters=tuple(given.masters), rows=given.rows, limits=parse_limits(given.limits),
        faults=faults, events=events, socket_cap=given.socket_cap, demo=demo_of(given.users),
        session_expired_status=given.session_expired_status, rate_limited_status=given.rate_limited_status,
        redirect_uri=given.redirect_uri, quiet_until=given.quiet_until,
        fault_rate=given.fault_rate, fault_seed=given.fault_seed, recycle_tokens=given.recycle_tokens,
        serve_expired=given.serve_expired, firstock=settings_of(given.firstock, FirstockSettings().limited(given.limits)),
    )


def _scripts(path: Path | None) -> tuple[dict[str, Any], ...]:
    """One script or a list of them from a JSON file; none without a file."""
    found = json.loads(path.read_text(encoding="utf-8")) if path else []
    return tuple(found if isinstance(found, list) else [found])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m fnolake.emulator",
        description="Serve emulated brokers and their exchange on one port of this machine.",
    )
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 = any free port (default)")
    add("--date", type=date.fromisoformat, help="emulated trading date (default 2026-11-20, or the masters')")
    add("--time", type=time.fromisoformat, default=DEFAULT_TIME, help="emulated IST wall time (default 18:30)")
    add("--rate", type=float, default=1.0, help="emulated seconds per second; 0 stands still")
    add("--seed", type=int, default=DEFAULT_SEED)
    add("--underlyings", help="only these, comma separated (default: all)")
    add("--demo", action="store_true", help=f"only {', '.join(DEMO_UNDERLYINGS)}")
    add("--masters", type=Path, nargs="+", default=[], help="real Shoonya master files to serve")
    add("--rows", type=Path, help="folder of recorded TPSeries answers to replay")
    add("--limits", default="official", help="official, off, half (both brokers), or Shoonya's, for example 10/s,100/min")
    add("--firstock", nargs="+", default=[], metavar="NAME=VALUE", help=f"Firstock's settings: {', '.join(NAMES)}")
    add("--faults", type=Path, help="JSON file with one scripted fault or a list")
    add("--events", type=Path, help="JSON file with what happens to contracts: lot, expiry_moved, dividend, rename, demerger")
    add("--fault-rate", type=float, default=0.0, help="share of all requests that carry one random fault, for example 0.02")
    add("--fault-seed", type=int, default=1, help="another seed draws other faults")
    add("--recycle-tokens", action="store_true", help="give stocks' tokens again to later contracts, as the exchanges do")
    add("--serve-expired", action="store_true", help="go on serving what expires while the emulator runs")
    add("--socket-cap", type=int, default=100, help="tokens that one socket streams")
    add("--users", type=int, default=3, help="users who can sign in at both brokers: FN0001, FN0002 and so on (default 3)")
    add("--quiet-until", type=time.fromisoformat, default=DEFAULT_QUIET_UNTIL, help='"no data" from midnight until then (07:00)')
    add("--session-expired-status", type=int, default=401)
    add("--rate-limited-status", type=int, default=400)
    add("--redirect-uri", default=DEFAULT_REDIRECT, help=f"registered address (default {DEFAULT_REDIRECT})")
    return parser


async def _serve(config: EmulatorConfig) -> None:
    from fnolake.emulator.server import start

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with start(config) as emulator:
        ready = {
            "url": emulator.url, "pid": os.getpid(), "contracts": emulator.contracts, **emulator.addresses,
            "now": emulator.state.clock.now().isoformat(timespec="seconds"), "users": list(config.demo.users),
        }
        sys.stdout.write(json.dumps(ready) + "\n")
        sys.stdout.flush()
        await stop.wait()


def _browse(arguments: Sequence[str]) -> int:
    from fnolake.emulator.browser import BrowserError, sign_in

    if len(arguments) != 1:
        sys.stderr.write("usage: python -m fnolake.emulator browser URL\n")
        return 2
    import aiohttp

    try:
        asyncio.run(sign_in(arguments[0]))
    except (BrowserError, aiohttp.ClientError, TimeoutError) as error:
        sys.stderr.write(f"sign-in failed: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
