"""How long `import fnolake` and `fnolake --help` take, best of seven, in ms, beside an empty interpreter."""

import subprocess
import sys
import time
from pathlib import Path

ROUNDS = 7


def best(*command: str) -> float:
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - start)
    return min(times) * 1000


empty = best(sys.executable, "-c", "pass")
imported = best(sys.executable, "-c", "import fnolake")
helped = best(str(Path(sys.executable).with_name("fnolake")), "--help")
print(f"empty interpreter {empty:.0f} ms; import fnolake {imported:.0f} ms (limit 150); fnolake --help {helped:.0f} ms (limit 300)")
