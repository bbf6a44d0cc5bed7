"""
Randomness by key: splitmix64 over arrays, and tables that turn its bits into normals and probabilities.

No state and no generator objects: the same key gives the same bits for ever, on any machine.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_M1, _M2 = 0xBF58476D1CE4E5B9, 0x94D049BB133111EB
_U27, _U30, _U31 = np.uint64(27), np.uint64(30), np.uint64(31)
_N1, _N2 = np.uint64(_M1), np.uint64(_M2)
_STEPS = np.arange(1, 4097, dtype=np.uint64) * np.uint64(_GOLDEN)
_NORMALS = np.array([NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096)])
_FINE = 1024
_CDF = np.array([0.5 * math.erfc(-(i / _FINE - 8) / math.sqrt(2)) for i in range(16 * _FINE + 2)])
_CDF_STEP = np.diff(_CDF, append=1.0)


def key_of(*parts: int) -> int:
    """One 64-bit key from integers, in order."""
    key = 0
    for part in parts:
        key = ((key ^ (part & _MASK)) + _GOLDEN) & _MASK
        key = ((key ^ (key >> 30)) * _M1) & _MASK
        key = ((key ^ (key >> 27)) * _M2) & _MASK
        key ^= key >> 31
    return key


def text_key(text: str) -> int:
    """A 64-bit key from text."""
    return key_of(*text.encode())


def mix(words: Words) -> Words:
    """Splitmix64's finish, element by element."""
    z = words ^ (words >> _U30)
    z *= _N1
    z ^= z >> _U27
    z *= _N2
    z ^= z >> _U31
    return z


def keys_with(keys: Words, parts: NDArray[np.integer] | int) -> Words:
    """Each key joined with an integer (arrays broadcast)."""
    joined = np.asarray(parts).astype(np.uint64) * _N2
    return mix(keys + joined)


def stream(key: int, count: int) -> Words:
    """``count`` words (at most 4,096) that follow from one key."""
    return mix(_STEPS[:count] + np.uint64(key))


def streams(keys: Words, count: int) -> Words:
    """One stream a key: a matrix of keys by count."""
    return mix(keys[:, None] + _STEPS[:count])


def normals(words: Words) -> Floats:
    """Four standard normals from each word (±3.7), in the order of the words."""
    found: Floats = _NORMALS[np.ascontiguousarray(words).view(np.uint16) >> 4]
    return found


def normal(words: Words) -> Floats:
    """One standard normal from each word's lowest bits, in the shape of the words."""
    return _NORMALS[(words & np.uint64(4095)).astype(np.intp)]


def uniform(words: Words) -> Floats:
    """In (0, 1), from the top 24 bits."""
    return ((words >> np.uint64(40)).astype(np.float64) + 0.5) * 2.0**-24


def fraction(words: Words, shift: int, bits: int) -> Floats:
    """In (0, 1), from ``bits`` bits above ``shift``."""
    part = (words >> np.uint64(shift)) & np.uint64((1 << bits) - 1)
    return (part.astype(np.float64) + 0.5) * 2.0**-bits


def normal_cdf(x: Floats) -> Floats:
    """The normal distribution function by table, within 3e-8."""
    at = x * _FINE
    at += 8 * _FINE
    np.clip(at, 0, 16 * _FINE, out=at)
    cell = at.astype(np.intp)
    at -= cell
    at *= _CDF_STEP[cell]
    at += _CDF[cell]
    return at
