"""
fnolake: every minute of every NSE F&O underlying, future and option, on your own disk, proven complete.

>>> import fnolake
>>> lake = fnolake.open("~/fnolake")            # doctest: +SKIP
>>> lake.bars("RELIANCE", start=date(2026, 11, 16))  # doctest: +SKIP

Heavy libraries are imported when a lake is opened, not before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from fnolake.lake import Lake

__version__ = "0.1.0"
__all__ = ["__version__", "open"]


def open(path: str | Path, *, write: bool = False) -> Lake:  # noqa: A001 - reads as fnolake.open, like gzip.open
    """
    Open a lake; see :func:`fnolake.lake.open_lake`.

    Args:
        path: Its folder.
        write: Take the writer lock, for ``sync`` and ``upkeep``.

    Raises:
        ConfigError: A setting is wrong, or there is no lake there.
        StoreLocked: Another process writes this lake.
    """
    from fnolake.lake import open_lake

    return open_lake(path, write=write)
