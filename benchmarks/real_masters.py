"""
Every row of the real masters accounted for: listings, counted out of scope by name, or findings; with the time it takes.

`real_masters.py [FOLDER]`: by default ../shared/real/masters beside this repository, which is private and never copied.
Exits 1 if a row of a file is unaccounted for, 0 with a note where the folder is absent.
"""

import io
import sys
import time
import zipfile
from datetime import datetime
from pathlib import Path

from fnolake.provider.shoonya.symbols import parse_master

BESIDE = Path(__file__).resolve().parents[1].parent / "shared" / "real" / "masters"


def text_lines(path: Path) -> int:
    """Rows of the file's text below its header, counted without the parser's help."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
        text = archive.read(archive.namelist()[0])
    return sum(1 for line in text.split(b"\n") if line.strip(b"\xef\xbb\xbf \t\r")) - 1


def measure(path: Path) -> dict[str, object]:
    """One file's counts, with every finding and every scope by name."""
    _, exchange, day = path.name.partition(".")[0].split("_")
    body = path.read_bytes()
    start = time.perf_counter()
    master = parse_master(exchange, body, datetime.strptime(day, "%Y%m%d").date())
    took = time.perf_counter() - start
    kinds = dict(master.listings["kind"].value_counts().sort("kind").iter_rows())
    out = sum(master.out_of_scope.values())
    refused = sum(finding.count for finding in master.findings)
    return {
        "file": path.name.partition(".")[0], "lines": text_lines(path), "rows": master.rows,
        "listings": master.listings.height, "out_of_scope": out, "findings": refused,
        "unaccounted": text_lines(path) - master.listings.height - out - refused, "seconds": took, "kinds": kinds,
        "scopes": dict(master.out_of_scope), "named": {f.name: f.count for f in master.findings},
    }


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else BESIDE
    paths = sorted(folder.glob("shoonya_*.zip")) if folder.is_dir() else []
    if not paths:
        print(f"no real masters in {folder.name}/: nothing to measure")
        return 0
    print(f"{'file':<22}{'rows':>8}{'listings':>10}{'out of scope':>14}{'findings':>10}{'unaccounted':>13}{'ms':>6}")
    found = [measure(path) for path in paths]
    for one in found:
        print(f"{one['file']:<22}{one['lines']:>8,}{one['listings']:>10,}{one['out_of_scope']:>14,}{one['findings']:>10,}"
              f"{one['unaccounted']:>13,}{float(str(one['seconds'])) * 1000:>6.0f}")
        for name in ("kinds", "scopes", "named"):
            counts = one[name]
            assert isinstance(counts, dict)
            if counts:
                most = sorted(counts.items(), key=lambda item: -item[1])
                rest = [f"{sum(count for _, count in most[8:]):,} in {len(most) - 8} more"] if len(most) > 8 else []
                print("    " + ", ".join([f"{count:,} {word}" for word, count in most[:8]] + rest))
    return int(any(one["unaccounted"] for one in found))


if __name__ == "__main__":
    sys.exit(main())
