"""
The unlimited line against the emulator in another process: contract-sessions/s and peak memory, publishing included,
and a sync with nothing to do.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

UNDERLYINGS = "RELIANCE,TCS,NIFTY,BANKNIFTY,FINNIFTY,MIDCPNIFTY,SENSEX,HDFCBANK,INFY,ICICIBANK,SBIN,M&M"
ACCOUNT = (
    "account", "add", "bench", "--provider", "shoonya", "--generation", "legacy", "--uid", "FN0001", "--password", "env:FN_PASSWORD",
    "--totp", "env:FN_TOTP", "--vendor-code", "FN0001_U", "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
)


def fnolake(env: dict[str, str], *words: str) -> tuple[float, str]:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-m", "fnolake", *words], env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return time.perf_counter() - start, done.stdout


def main() -> None:
    emulator = subprocess.Popen(
        [sys.executable, "-m", "fnolake.emulator", "--port", "0", "--limits", "off", "--underlyings", UNDERLYINGS],
        stdout=subprocess.PIPE, text=True,
    )
    assert emulator.stdout is not None
    url = json.loads(emulator.stdout.readline())["url"]
    with tempfile.TemporaryDirectory() as folder:
        env = {
            **os.environ, "FNOLAKE_LAKE": str(Path(folder) / "lake"), "FNOLAKE_EMULATOR": url, "FNOLAKE_CLOCK": url, "FNOLAKE_SYNC__LIMITS": "off",
            "FN_PASSWORD": "demo-password", "FN_TOTP": "JBSWY3DPEHPK3PXP", "FN_SECRET": "demo-secret",
        }
        for words in (("init", "--yes"), ACCOUNT, ("login", "bench"), ("instruments", "sync")):
            fnolake(env, *words)
        span = ("--from", "2026-11-16", "--to", "2026-11-20")
        seconds, text = fnolake(env, "sync", *span)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        idle, _ = fnolake(env, "sync", *span)
    emulator.terminate()
    emulator.wait()
    print(text.strip())
    print(f"whole command {seconds:.1f} s; peak memory of any command {peak:.0f} MB (limit 600); with nothing to do {idle:.1f} s (limit 4)")


if __name__ == "__main__":
    main()
