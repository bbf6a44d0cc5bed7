"""A started emulator and a lake beside it, for the benchmarks that run whole commands."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ACCOUNT = (
    "account", "add", "bench", "--provider", "shoonya", "--generation", "legacy", "--uid", "FN0001", "--password", "env:FN_PASSWORD",
    "--totp", "env:FN_TOTP", "--vendor-code", "FN0001_U", "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
)

SECOND = (
    "account", "add", "second", "--provider", "firstock", "--uid", "FN0001", "--password", "env:FN_PASSWORD", "--totp", "env:FN_TOTP",
    "--vendor-code", "FN0001_API", "--api-key", "env:FN_KEY",
)
SECRETS = {
    "FN_PASSWORD": "demo-password", "FN_TOTP": "JBSWY3DPEHPK3PXP", "FN_SECRET": "demo-secret", "FN_KEY": "0123456789abcdef0123456789abcdef",
}


@dataclass
class Desk:
    url: str
    env: dict[str, str]

    def fnolake(self, *words: str, allow: tuple[int, ...] = (0,)) -> tuple[float, str]:
        """Run one command; seconds and stdout."""
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "fnolake", *words], env=self.env, capture_output=True, text=True, check=False)
        if done.returncode not in allow:
            sys.exit(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return time.perf_counter() - start, done.stdout

    def asked(self) -> dict[str, int]:
        with urllib.request.urlopen(f"{self.url}/emulator/asked?log=0", timeout=30) as answer:
            return json.load(answer)


@contextlib.contextmanager
def desk(*emulator: str, limits: str, firstock: bool = False) -> Iterator[Desk]:
    """An emulator with these arguments and a lake that is signed in (at Firstock too) and has today's masters."""
    process = subprocess.Popen([sys.executable, "-m", "fnolake.emulator", "--port", "0", *emulator], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = json.loads(process.stdout.readline())["url"]
    try:
        with tempfile.TemporaryDirectory() as folder:
            made = Desk(url, {
                **os.environ, "FNOLAKE_LAKE": str(Path(folder) / "lake"), "FNOLAKE_EMULATOR": url, "FNOLAKE_CLOCK": url,
                "FNOLAKE_SYNC__LIMITS": limits, "FNOLAKE_COMPARE__SAMPLE": "0", **SECRETS,
            })
            second = (SECOND, ("login", "second")) if firstock else ()
            for words in (("init", "--yes"), ACCOUNT, ("login", "bench"), *second, ("instruments", "sync")):
                made.fnolake(*words)
            yield made
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()
