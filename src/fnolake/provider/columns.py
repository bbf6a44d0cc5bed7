"""
The fast way from rows of JSON to columns: digits are read eight at a time out of the bytes. Pure numpy.

It reads only the regular form, where every row has the same keys in the same order and the same kind of value (text
or number) under each; for any other body :func:`split_rows` answers None and the adapter takes its slow way. Columns
that hold something odd come back as None. Invariant: a value read here equals what ``float`` or ``int`` read.
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

IST_OFFSET_S = 19_800
EPOCHS = (946_684_800, 4_102_444_800)
"""2000 to 2100: an epoch outside is no stamp of a bar."""
_MAX = 2**53
_COUNT_DIGITS, _RUPEE_DIGITS = 15, 13
"""What a float holds exactly, with two decimals for rupees; longer numbers are read one by one."""
_MAX_KEYS = 40
_PAD = 32
_WORD = 8
_MAX_DAYS = 500
_ZEROS = np.uint64(0x3030303030303030)
_HIGH = np.uint64(0x8080808080808080)
_OVER_NINE = np.uint64(0x7676767676767676)
_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_BETWEEN = np.uint64(int.from_bytes(b'},{"', "little"))


@dataclass(frozen=True, slots=True)
class Rows:
    """
    Regular rows: their bytes as unaligned 8-byte words, and where each key's values lie.

    ``starts[key]`` is the position of a value's first byte and ``ends[key]`` one past its last, without the quotes of
    a text, in row order; ``bare`` names the keys whose values are numbers without quotes.
    """

    body: bytes
    words: Words
    keys: dict[str, int]
    starts: Ints
    ends: Ints
    bare: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return int(self.starts.shape[1])

    def text(self, key: str) -> list[str]:
        """The values of a column as text, for the slow reading of one column."""
        at = self.keys[key]
        pairs = zip(self.starts[at].tolist(), self.ends[at].tolist(), strict=True)
        return [self.body[a:b].decode("utf-8", "replace") for a, b in pairs]


def split_rows(body: bytes) -> Rows | None:
    """Find the values of ``[{"k":"v","n":1,...},...]``; None unless all rows repeat the first one's form exactly."""
    end = body.find(b"}")
    if body[:2] != b"[{" or body[-2:] != b"}]" or b"\\" in body:
        return None
    try:
        first = json.loads(body[1:end + 1], object_pairs_hook=list)
    except (ValueError, RecursionError):
        return None
    keys = {key: i for i, (key, _) in enumerate(first)}
    quoted = [isinstance(value, str) for _, value in first]
    if not 0 < len(keys) == len(first) <= _MAX_KEYS or not all(type(value) in {str, int, float} for _, value in first):
        return None
    padded, end = b" " * _PAD + body + b" " * _PAD, _PAD + len(body)
    marks = np.flatnonzero(np.frombuffer(padded, np.uint8) == ord('"'))
    if marks.size % (2 * len(keys) + 2 * sum(quoted)):
        return None
    starts, ends = _values(marks.reshape(-1, 2 * len(keys) + 2 * sum(quoted)), quoted, end)
    words = np.ndarray((len(padded) - _WORD + 1,), "<u8", padded, strides=(1,))
    bare = frozenset(key for key, text in zip(keys, quoted, strict=True) if not text)
    rows = Rows(padded, words, keys, starts, ends, bare)
    return rows if int(ends[-1, -1]) + quoted[-1] == end - 2 and _is_regular(rows) else None


def _values(marks: Ints, quoted: list[bool], end: int) -> tuple[Ints, Ints]:
    """First and one past the last byte of each key's values, out of the quotes of each row; ``end`` ends the body."""
    firsts, lasts, at = [], [], 0
    for is_text in quoted:
        firsts.append(at + 2 if is_text else at + 1)
        lasts.append(at + 3 if is_text else at + 2)
        at += 4 if is_text else 2
    after = np.where(quoted, 1, 2)[:, None]
    starts = np.ascontiguousarray(marks[:, firsts].T) + after
    if not quoted[-1]:
        following = np.append(marks[1:, 0], end + 1)
        marks = np.concatenate([marks, following[:, None] - 2], axis=1)
    return starts, np.ascontiguousarray(marks[:, lasts].T) - (after - 1)


def _is_regular(rows: Rows) -> bool:
    """
    Every byte outside the values repeats the first row's, and ``},{`` stands between rows.

    What lies between two values, at most sixteen bytes (``","intvwap":"``), is compared as its first and its last
    eight bytes. The first row needs no check before its first key: it was read as JSON.
    """
    starts, ends, words = rows.starts, rows.ends, rows.words
    gaps, turns = starts[1:] - ends[:-1], starts[0, 1:] - ends[-1, :-1]
    if not (_same(gaps) and _same(turns[None])):
        return False
    lengths = [len(next(iter(rows.keys))) + 3, *(int(gap) for gap in gaps[:, 0])]
    if min(lengths) < 1 or max(lengths) > 2 * _WORD or (turns.size and int(turns[0]) > 2 * _WORD):
        return False
    kept = [min(_WORD, length) for length in lengths]
    tails = np.array([(1 << 64) - (1 << 8 * (_WORD - k)) for k in kept], np.uint64)[:, None]
    heads = np.array([(1 << 8 * k) - 1 for k in kept[1:]], np.uint64)[:, None]
    closing = 0 if next(reversed(rows.keys)) in rows.bare else 1
    between = words[ends[-1, :-1] + closing] & np.uint64(0xFFFF_FFFF)
    return (
        _same(words[starts - _WORD] & tails)
        and _same(words[ends[:-1]] & heads)
        and bool((between == _BETWEEN).all())
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


def _numbers(words: Words, ends: Ints, lengths: Ints, most: int = _COUNT_DIGITS) -> Ints | None:
    """Whole numbers of up to ``most`` digits ending before ``ends``; None where any is not one."""
    longest = int(lengths.max(initial=0))
    if longest > most or int(lengths.min(initial=1)) < 1:
        return None
    low, good = _digits(words, ends, lengths)
    if longest > _WORD:
        high, high_good = _digits(words, ends - _WORD, lengths - _WORD)
        low, good = low + high * np.uint64(100_000_000), good and high_good
    return low.astype(np.int64) if good else None


def _places(rows: Rows, keys: list[str]) -> tuple[Ints, Ints]:
    at = [rows.keys[key] for key in keys]
    return rows.starts[at], rows.ends[at]


def _padded_numbers(rows: Rows, starts: Ints, lengths: Ints) -> bool:
    """Whether any value begins with a needless zero, which JSON does not allow in a number."""
    if not rows.bare:
        return False
    return bool(((lengths > 1) & ((rows.words[starts] & np.uint64(0xFF)) == ord("0"))).any())


def integers(rows: Rows, keys: list[str]) -> Ints | None:
    """Columns of unsigned whole numbers, one line a key; None where any value is something else."""
    starts, ends = _places(rows, keys)
    return None if _padded_numbers(rows, starts, ends - starts) else _numbers(rows.words, ends, ends - starts)


def rupees(rows: Rows, keys: list[str]) -> NDArray[np.float64] | None:
    """Columns of unsigned amounts with exactly two decimals, one line a key; None where any value is something else."""
    starts, ends = _places(rows, keys)
    tail = rows.words[ends - _WORD] >> np.uint64(40)
    tens, ones = ((tail >> np.uint64(8)) & np.uint64(0xFF)) - 48, (tail >> np.uint64(16)) - 48
    if bool((((tail & np.uint64(0xFF)) != ord(".")) | (tens > 9) | (ones > 9)).any()):
        return None
    whole = _numbers(rows.words, ends - 3, ends - starts - 3, _RUPEE_DIGITS)
    if whole is None:
        return None
    paise: Ints = whole * 100 + (tens * 10 + ones).astype(np.int64)
    return paise / 100.0


def amounts(rows: Rows, keys: list[str]) -> NDArray[np.float64] | None:
    """As :func:`rupees`, with two decimals, one or none, differing from value to value."""
    starts, ends = _places(rows, keys)
    tail = rows.words[ends - _WORD] >> np.uint64(40)
    third, second, last = tail & np.uint64(0xFF), (tail >> np.uint64(8)) & np.uint64(0xFF), tail >> np.uint64(16)
    lengths = ends - starts
    two = (third == ord(".")) & (lengths > 3)
    one = (second == ord(".")) & (lengths > 2) & ~two
    tens, ones = np.where(one, last, np.where(two, second, 48)) - 48, np.where(two, last, 48) - 48
    dropped = np.where(two, 3, np.where(one, 2, 0))
    if bool(((tens > 9) | (ones > 9)).any()) or _padded_numbers(rows, starts, lengths - dropped):
        return None
    whole = _numbers(rows.words, ends - dropped, lengths - dropped, _RUPEE_DIGITS)
    if whole is None:
        return None
    paise: Ints = whole * 100 + (tens * 10 + ones).astype(np.int64)
    return paise / 100.0


def are_stamps(epochs: Ints) -> bool:
    """Whether every epoch can be the stamp of a bar."""
    return bool(((epochs >= EPOCHS[0]) & (epochs <= EPOCHS[1])).all())


def is_plain(value: str | float) -> bool:
    """Whether a text holds only what a broker writes numbers with: ``float`` also reads ``1_000`` and other digits."""
    return not isinstance(value, str) or (value.isascii() and "_" not in value)


def price(value: object) -> float:
    """One amount out of a number or a text, NaN for anything else: the slow way."""
    found = _float(value)
    return found if abs(found) < _MAX else float("nan")


def count(value: object) -> int:
    """One whole number that is not negative out of a number or a text, -1 for anything else: the slow way."""
    found = _float(value)
    return int(found) if 0 <= found < _MAX and found == int(found) else -1


def _float(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or not is_plain(value):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def differs_from_wall(rows: Rows, key: str, local: Ints, *, iso: bool = False) -> Flags | None:
    """
    Whether each text ``DD-MM-YYYY HH:MM:SS`` is not the local second given; None where too varied to say quickly.

    The expected text is looked up, not the found one read, so an unreadable text differs too. ``iso`` texts are
    ``YYYY-MM-DDTHH:MM:SS``.
    """
    days, seconds = np.divmod(local, 86_400)
    minutes, odd = np.divmod(seconds, 60)
    changes = np.flatnonzero(np.diff(days, prepend=days[:1] - 1))
    starts, ends = (places[0] for places in _places(rows, [key]))
    if changes.size > _MAX_DAYS or bool(odd.any()):
        return None
    stamps = [_day_text(int(day), iso=iso) for day in days[changes]]
    lengths = np.diff(changes, append=days.size)
    head = np.repeat(np.array([int.from_bytes(s[:8], "little") for s in stamps], np.uint64), lengths)
    rest = np.repeat(np.array([int.from_bytes(s[8:], "little") for s in stamps], np.uint64), lengths)
    found = rows.words[starts + 8] & np.uint64(0xFF_FFFF)
    wrong = (rows.words[starts] != head) | (found != rest) | (rows.words[starts + 11] != _minute_words()[minutes])
    differs: Flags = wrong | (ends - starts != 19)
    return differs


def _day_text(day: int, *, iso: bool) -> bytes:
    return (date(1970, 1, 1) + timedelta(days=day)).strftime("%Y-%m-%dT" if iso else "%d-%m-%Y ").encode()


@functools.cache
def _minute_words() -> Words:
    """``HH:MM:00`` of every minute of a day, as words."""
    text = "".join(f"{minute // 60:02d}:{minute % 60:02d}:00" for minute in range(1440))
    return np.frombuffer(text.encode(), "<u8")
