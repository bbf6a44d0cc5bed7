"""
The hash of a session's bars: the same in every lake that holds the same bars, whatever ids it gave and however it stores them.

Of each contract the SHA-256 of its rows in order of time, each row nine little-endian int64 (ts in UTC microseconds, open, high,
low, close in paise, volume, oi, vwap in paise, phase 0 continuous, 1 preopen, 2 auction; null is the smallest int64). Of the
session the SHA-256 of a heading ``fnolake bars 1 SESSION`` and one line a contract, ``VENUE SEGMENT TOKEN ROWS HASH``, by the
first three (token as a number), each ended by a newline. Streamed, so memory does not grow with the session.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.model import Content
from fnolake.store.bars import moment, scan
from fnolake.store.identity import KEY
from fnolake.store.instruments import InstrumentBook
from fnolake.store.ledger import Ledger
from fnolake.store.publish import pieces

FORM = 1
_PIECE_ROWS = 250_000
_NULL = -(1 << 63)
_PHASES = {"continuous": 0, "preopen": 1, "auction": 2}
_NUMBERS = ("ts", "open_paise", "high_paise", "low_paise", "close_paise", "volume", "oi", "vwap_paise")

Line = tuple[str, str, int, int, str]
"""Venue, segment, token, rows, hash of the rows."""


def content_hash(lake: Path, ledger: Ledger, book: InstrumentBook, session: date, contracts: Sequence[int] | None) -> Content:
    """Hash the bars of contracts (None = all) on a session, as coverage names them now."""
    at = moment(ledger, [session])
    keep = None if contracts is None else pl.col("contract").is_in(sorted(set(contracts)))
    tokens = {row[0]: row[1:] for row in book.history().select("contract", *KEY).unique("contract").iter_rows()}
    lines: list[Line] = []
    for piece in pieces(scan(lake, at, keep).filter(pl.col("session") == session), _PIECE_ROWS):
        lines += [(*tokens[contract], rows, digest) for contract, rows, digest in contract_hashes(piece)]
    return combined(session, lines)


def contract_hashes(bars: pl.DataFrame) -> Iterator[tuple[int, int, str]]:
    """(contract, rows, hash) of each contract; its rows stand together, ascending by ts."""
    if bars.is_empty():
        return
    columns = bars.select(
        *(pl.col(name).cast(pl.Int64).fill_null(_NULL) for name in _NUMBERS), pl.col("phase").replace_strict(_PHASES, return_dtype=pl.Int64),
    )
    packed = np.ascontiguousarray(columns.to_numpy(), dtype="<i8")
    contracts = bars["contract"].to_numpy()
    starts = np.concatenate(([0], np.flatnonzero(np.diff(contracts)) + 1, [len(contracts)])).tolist()
    for first, end in itertools.pairwise(starts):
        yield int(contracts[first]), end - first, hashlib.sha256(packed[first:end].data).hexdigest()


def combined(session: date, lines: Sequence[Line]) -> Content:
    """The session's hash from its contracts' hashes, in any order."""
    whole = hashlib.sha256(f"fnolake bars {FORM} {session}\n".encode())
    for venue, segment, token, rows, digest in sorted(lines):
        whole.update(f"{venue} {segment} {token} {rows} {digest}\n".encode())
    return Content(whole.hexdigest(), sum(line[3] for line in lines), len(lines))
