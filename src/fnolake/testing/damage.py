"""
Bodies made worse in the ways that brokers and networks have: cut, flipped, swapped, mixed up, in another encoding. Pure.

Nothing is judged here. Invariant: the same seed makes the same bodies, and every body differs from the one given.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator

PAGES = (
    b"", b" ", b"\n", b"null", b"true", b"0", b"-1.5e400", b'"text"', b"{}", b"[]x", b"[", b"{", b'{"', b"\x00", b"\xff\xfe", b"NaN",
    b"<html><h1>502 Bad Gateway</h1></html>", b"<!DOCTYPE html><title>Maintenance</title>", b"Too many requests", b"upstream error",
    b"[" * 3000, b'{"a":' * 1500, b'[{"a":' * 1500 + b"1" + b"}]" * 1500, b"[null]", b"[[]]", b"[[[]]]", b"[1,2,3]", b'["a","b"]',
)
"""Whole bodies that are no answer of any provider."""

ODD = (
    b"null", b"true", b"false", b"[]", b"{}", b'""', b'" "', b'"x"', b"-1", b"0", b"1e999", b"-1e999", b"1e-999", b"NaN", b"Infinity", b"-Infinity",
    b'"NaN"', b'"inf"', b'"1_000"', b'"0x10"', b'"1,000.50"', b'"\xd9\xa3"', b"9" * 25, b'"' + b"9" * 25 + b'"', b"9" * 400, b'"' + b"9" * 5000 + b'"',
    b"9007199254740993", b"18446744073709551616", b"-9223372036854775809", b"0.1", b'"0.1"', b'"+1"', b'" 1 "', b'"1."', b'".5"', b'"1e3"', b"1.0",
    b'"\\ud800"', b'"\\u0000"', b'"31-02-2026 09:15:00"', b'"16-03-2026 25:00:00"', b'"\xff"', b'["1"]', b'{"a":"1"}', b'"1970-01-01"', '"٢٠-11-2026 09:15:00"'.encode(), b'"20-11-2026 09:15:000"', b"253402300800",
)
"""Values that take another's place."""

_VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*|null|true|false')
_NUMBER = re.compile(rb"-?\d+(?:\.\d+)?")


def damaged(body: bytes, seed: int) -> Iterator[bytes]:
    """
    Worse and worse versions of a body, without end.

    Args:
        body: A good answer, at most a few kilobytes for speed.
        seed: Of the generator; two runs with one seed give the same bodies.

    Returns:
        An endless iterator; no element equals ``body``.
    """
    rng = random.Random(seed)
    while True:
        made = body
        for _ in range(rng.choice((1, 1, 1, 2, 2, 4))):
            made = rng.choice(_WAYS)(made, rng)
        if made != body:
            yield made


def _cut(body: bytes, rng: random.Random) -> bytes:
    return body[:rng.randrange(len(body))] if body else body


def _behead(body: bytes, rng: random.Random) -> bytes:
    return body[rng.randrange(len(body)):] if body else body


def _flip(body: bytes, rng: random.Random) -> bytes:
    made = bytearray(body)
    for _ in range(rng.randint(1, 3)):
        if made:
            made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    return bytes(made)


def _insert(body: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(body))
    return body[:at] + rng.choice((rng.randbytes(rng.randint(1, 4)), b'"', b"}", b"{", b"]", b",", b":", b"\\", b" ", b"\n", b"\x00")) + body[at:]


def _drop(body: bytes, rng: random.Random) -> bytes:
    at = rng.randint(0, len(body))
    return body[:at] + body[at + rng.randint(1, 12):]


def _repeat(body: bytes, rng: random.Random) -> bytes:
    start = rng.randint(0, len(body))
    end = start + rng.randint(1, 60)
    return body[:end] + body[start:end] + body[end:]


def _swap_value(body: bytes, rng: random.Random) -> bytes:
    return _replace(body, rng, _VALUE, lambda _: rng.choice(ODD))


def _retype(body: bytes, rng: random.Random) -> bytes:
    return _replace(body, rng, _VALUE, lambda old: old[1:-1] if old[:1] == b'"' else b'"' + old + b'"')


def _renumber(body: bytes, rng: random.Random) -> bytes:
    return _replace(body, rng, _NUMBER, lambda old: rng.choice((b"-" + old, old * 3, old + b".5", old + b"e5", b"0" + old, b"1" + b"0" * 30)))


def _exchange(body: bytes, rng: random.Random) -> bytes:
    """Two values change places: rows with fields of others, keys repeated, values as keys."""
    found = list(_VALUE.finditer(body))
    if len(found) < 2:
        return body
    one, two = sorted(rng.sample(found, 2), key=lambda match: match.start())
    return body[:one.start()] + two[0] + body[one.end():two.start()] + one[0] + body[two.end():]


def _replace(body: bytes, rng: random.Random, pattern: re.Pattern[bytes], made: Callable[[bytes], bytes]) -> bytes:
    found = list(pattern.finditer(body))
    if not found:
        return body
    match = rng.choice(found)
    return body[:match.start()] + made(match[0]) + body[match.end():]


def _encode(body: bytes, rng: random.Random) -> bytes:
    text = body.decode("utf-8", "replace")
    return rng.choice((
        b"\xef\xbb\xbf" + body, text.encode("utf-16"), text.encode("utf-16-le"), text.encode("utf-32"), text.encode("utf-7"),
        text.replace("a", "\u00e4").encode("latin-1", "replace"), body + b"\x00", body + b"\n" + body, body + body, body.replace(b'"', b"'"),
    ))


def _wrap(body: bytes, rng: random.Random) -> bytes:
    return rng.choice((b"[" + body + b"]", b'{"data":' + body + b"}", b'"' + body.replace(b'"', b'\\"') + b'"', body[1:-1], b"while(1);" + body))


def _page(_body: bytes, rng: random.Random) -> bytes:
    return rng.choice(PAGES)


_WAYS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _cut, _behead, _flip, _flip, _insert, _drop, _repeat, _swap_value, _swap_value, _swap_value, _retype, _renumber, _exchange, _encode, _wrap, _page,
)
