"""
Recorded TPSeries answers, served instead of the generated market for named tokens.

A folder holds CSV files (columns time, into, inth, intl, intc, intvwap, intv, v, intoi, oi) or JSON bodies as the
broker sent them. ``rows.json`` maps file names to tokens (``{"nifty.csv": "NSE|26000"}``); without a mapping a
file named ``EXCHANGE_TOKEN_anything`` names its own. Rows keep their texts exactly, odd seconds included.
"""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from fnolake.model import IST

_ORDER = ("stat", "time", "ssboe", "into", "inth", "intl", "intc", "intvwap", "intv", "intoi", "v", "oi")


class Replay:
    """Recorded rows by contract (``NSE|26000``), ready to be filtered by time."""

    def __init__(self) -> None:
        self._rows: dict[str, list[tuple[int, str]]] = {}

    @classmethod
    def of(cls, folder: Path | None) -> Replay:
        """
        Everything recorded in a folder; nothing if None.

        Raises:
            ValueError: A file has no token, or a row no readable time.
        """
        replay = cls()
        if folder is None:
            return replay
        named = folder / "rows.json"
        tokens: dict[str, str] = json.loads(named.read_text(encoding="utf-8")) if named.exists() else {}
        for path in sorted(folder.iterdir()):
            if path.suffix in {".csv", ".json"} and path.name != "rows.json":
                replay._take(tokens.get(path.name) or _token_of(path), path)
        for rows in replay._rows.values():
            rows.sort(key=lambda row: row[0], reverse=True)
        return replay

    def holds(self, contract: str) -> bool:
        """True if that contract was recorded."""
        return contract in self._rows

    def rows(self, contract: str, first_s: float, last_s: float, now_s: float) -> list[str]:
        """JSON rows that start within [first_s, last_s] and at or before ``now_s``, newest first."""
        last_s = min(last_s, now_s)
        return [text for at, text in self._rows.get(contract, []) if first_s <= at <= last_s]

    def _take(self, contract: str, path: Path) -> None:
        text = path.read_text(encoding="utf-8")
        recorded = json.loads(text) if path.suffix == ".json" else list(csv.DictReader(text.splitlines()))
        kept = self._rows.setdefault(contract, [])
        for row in recorded:
            at = _epoch(row, path)
            kept.append((at, _text(row, at)))


def _token_of(path: Path) -> str:
    exchange, _, rest = path.stem.partition("_")
    token = rest.partition("_")[0]
    if not exchange.isupper() or not token.isdigit():
        raise ValueError(f"{path}: name it EXCHANGE_TOKEN_anything, or map it in rows.json beside it")
    return f"{exchange}|{token}"


def _epoch(row: dict[str, Any], path: Path) -> int:
    try:
        return int(datetime.strptime(row["time"], "%d-%m-%Y %H:%M:%S").replace(tzinfo=IST).timestamp())
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: a row has no time such as 13-10-2023 09:15:00: {row}") from error


def _text(row: dict[str, Any], at: int) -> str:
    """The row as the wire has it: known keys in the wire's order, others after them."""
    full = {"stat": "Ok", "ssboe": str(at), **row}
    keys = [key for key in _ORDER if key in full] + [key for key in full if key not in _ORDER]
    return json.dumps({key: full[key] for key in keys}, separators=(",", ":"))
