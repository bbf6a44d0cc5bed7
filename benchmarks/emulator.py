"""The whole emulated market: seconds until it answers, and its memory, as /proc tells it."""

import json
import subprocess
import sys
import time
from pathlib import Path


def main() -> None:
    started = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "fnolake.emulator", "--port", "0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    seconds = time.perf_counter() - started
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
    process.terminate()
    process.wait()
    memory = int(status["VmHWM"].split()[0]) / 1024
    print(f"{ready['contracts']:,} contracts ready in {seconds:.1f} s (limit 5), {memory:.0f} MB at most (limit 500)")


if __name__ == "__main__":
    main()
