"""
The fast way from a TPSeries body to columns: digits are read eight at a time out of the bytes. Pure numpy.

It reads only the regular form, where every row has the same keys in the same order and every value is a string; for
any other body :func:`split_rows` answers None and ``wire`` takes its slow way. Columns that hold something odd come
back as None and are read value by value. Invariant: a value read here equals what ``float`` or ``int`` read.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]

_MAX_KEYS = 40
_PAD = 32
_WORD = 8
_MAX_DAYS = 500
_ZEROS = np.uint64(0x3030303030303030)
_HIGH = np.uint64(0x8080808080808080)
_OVER_NINE = np.uint64(0x7676767676767676)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_BETWEEN = np.uint64(int.from_bytes(b'"},{"', "little"))


@dataclass(frozen=True, slots=True)
class Rows:
    """
    A regular body: its bytes as unaligned 8-byte words, and where each key's values lie.

    ``opens[key]`` and ``closes[key]`` are positions of the quotes around the values, in row order.
    """

    body: bytes
    words: Words
    keys: dict[str, int]
    opens: Ints
    closes: Ints

    def __len__(self) -> int:
        return int(self.opens.shape[1])

    def text(self, key: str) -> list[str]:
        """The values of a column as text, for the slow reading of one column."""
        at = self.keys[key]
        pairs = zip(self.opens[at].tolist(), self.closes[at].tolist(), strict=True)
        return [self.body[a + 1:b].decode("utf-8", "replace") for a, b in pairs]


def split_rows(body: bytes) -> Rows | None:
    """Find the values of ``[{"k":"v",...},...]``; None unless all rows repeat the first one's form exactly."""
    end = body.find(b"}")
    if body[:2] != b"[{" or body[-3:] != b'"}]' or b"\\" in body:
        return None
    try:
        first = json.loads(body[1:end + 1])
    except ValueError:
        return None
    keys = {key: i for i, key in enumerate(first)}
    if not 0 < len(keys) <= _MAX_KEYS or not all(isinstance(v, str) for v in first.values()):
        return None
    padded = b" " * _PAD + body + b" " * _WORD
    marks = np.flatnonzero(np.frombuffer(padded, np.uint8) == ord('"'))
    if marks.size % (4 * len(keys)):
        return None
    opens, closes = np.ascontiguousarray(marks.reshape(-1, len(keys), 4)[:, :, 2:].transpose(2, 1, 0))
    words = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
    rows = Rows(padded, words, keys, opens, closes)
    return rows if _is_regular(rows) else None


def _is_regular(rows: Rows) -> bool:
    """
    Every byte outside the values repeats the first row's, and ``},{`` stands between rows.

    What lies between two values, at most sixteen bytes with both quotes (``","intvwap":"``), is compared as its first
    and its last eight bytes. The first row needs no check before its first key: it was read as JSON.
    """
    opens, closes, words = rows.opens, rows.closes, rows.words
    gaps, turns = opens[1:] - closes[:-1], opens[0, 1:] - closes[-1, :-1]
    if not (_same(gaps) and _same(turns[None])):
        return False
    lengths = [len(next(iter(rows.keys))) + 4, *(int(gap) + 1 for gap in gaps[:, 0])]
    if max(lengths) > 2 * _WORD or (turns.size and int(turns[0]) + 1 > 2 * _WORD):
        return False
    kept = [min(_WORD, length) for length in lengths]
    tails = np.array([(1 << 64) - (1 << 8 * (_WORD - k)) for k in kept], np.uint64)[:, None]
    heads = np.array([(1 << 8 * k) - 1 for k in kept[1:]], np.uint64)[:, None]
    before = words[closes[-1, :-1]]
    return (
        _same(words[opens - (_WORD - 1)] & tails)
        and _same(words[closes[:-1]] & heads)
        and _same(before[None])
        and bool((before[:1] & np.uint64(0xFF_FFFF_FFFF) == _BETWEEN).all())
    )


def _same(table: NDArray[np.generic]) -> bool:
    """Whether each line of a table repeats its first value."""
    return bool((table == table[:, :1]).all())


def _digits(words: Words, ends: Ints, lengths: Ints) -> tuple[Words, bool]:
    """The last ``lengths`` (capped to 0..8) digits before ``ends`` as numbers, and whether they all are digits."""
    missing = np.clip(_WORD - lengths, 0, _WORD).astype(np.uint64)
    digits = words[ends - _WORD] ^ _ZEROS
    digits &= _ALL << (missing * np.uint64(8) - (missing == _WORD))
    if bool((missing == _WORD).any()):
        digits[missing == _WORD] = 0
    good = not bool((((digits + _OVER_NINE) | digits) & _HIGH).any())
    digits = (digits * np.uint64(2561)) >> np.uint64(8)
    digits = ((digits & np.uint64(0x00FF00FF00FF00FF)) * np.uint64(6553601)) >> np.uint64(16)
    digits = ((digits & np.uint64(0x0000FFFF0000FFFF)) * np.uint64(42949672960001)) >> np.uint64(32)
    return digits, good


def _numbers(words: Words, ends: Ints, lengths: Ints) -> Ints | None:
    """Whole numbers of up to sixteen digits ending before ``ends``; None where any is not one."""
    longest = int(lengths.max(initial=0))
    if longest > 2 * _WORD or int(lengths.min(initial=1)) < 1:
        return None
    low, good = _digits(words, ends, lengths)
    if longest > _WORD:
        high, high_good = _digits(words, ends - _WORD, lengths - _WORD)
        low, good = low + high * np.uint64(100_000_000), good and high_good
    return low.astype(np.int64) if good else None


def _places(rows: Rows, keys: list[str]) -> tuple[Ints, Ints]:
    at = [rows.keys[key] for key in keys]
    return rows.opens[at], rows.closes[at]


def integers(rows: Rows, keys: list[str]) -> Ints | None:
    """Columns of unsigned whole numbers, one line a key; None where any value is something else."""
    opens, closes = _places(rows, keys)
    return _numbers(rows.words, closes, closes - opens - 1)


def rupees(rows: Rows, keys: list[str]) -> NDArray[np.float64] | None:
    """Columns of unsigned amounts with exactly two decimals, one line a key; None where any value is something else."""
    opens, closes = _places(rows, keys)
    tail = rows.words[closes - _WORD] >> np.uint64(40)
    tens, ones = ((tail >> np.uint64(8)) & np.uint64(0xFF)) - 48, (tail >> np.uint64(16)) - 48
    if bool((((tail & np.uint64(0xFF)) != ord(".")) | (tens > 9) | (ones > 9)).any()):
        return None
    whole = _numbers(rows.words, closes - 3, closes - opens - 4)
    if whole is None:
        return None
    paise: Ints = whole * 100 + (tens * 10 + ones).astype(np.int64)
    return paise / 100.0


def differs_from_wall(rows: Rows, key: str, local: Ints) -> Flags | None:
    """
    Whether each text ``DD-MM-YYYY HH:MM:SS`` is not the local second given; None where too varied to say quickly.

    The expected text is looked up, not the found one read, so an unreadable text differs too.
    """
    days, seconds = np.divmod(local, 86_400)
    minutes, odd = np.divmod(seconds, 60)
    starts = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    opens, closes = (places[0] for places in _places(rows, [key]))
    if starts.size > _MAX_DAYS or bool(odd.any()):
        return None
    stamps = [_day_text(int(day)) for day in days[starts]]
    lengths = np.diff(starts, append=days.size)
    head = np.repeat(np.array([int.from_bytes(s[:8], "little") for s in stamps], np.uint64), lengths)
    year = np.repeat(np.array([int.from_bytes(s[8:], "little") for s in stamps], np.uint64), lengths)
    found = rows.words[opens + 9] & np.uint64(0xFF_FFFF)
    wrong = (rows.words[opens + 1] != head) | (found != year) | (rows.words[opens + 12] != _minute_words()[minutes])
    differs: Flags = wrong | (closes - opens != 20)
    return differs


def _day_text(day: int) -> bytes:
    return (date(1970, 1, 1) + timedelta(days=day)).strftime("%d-%m-%Y ").encode()


@functools.cache
def _minute_words() -> Words:
    """``HH:MM:00`` of every minute of a day, as words."""
    text = "".join(f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(1440))
    return np.frombuffer(text.encode(), "<u8")
