"""Slow readers that share no code with the decoders: what rows does a body hold, and may a bar have come from one of them?"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction

IST = timezone(timedelta(hours=5, minutes=30))
NUMBER = re.compile(r"\s*[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?\s*", re.ASCII)
STAMP = re.compile(r"[0-9A-Za-z/-]{8,11} \d{1,2}:\d{1,2}(:\d{1,2})?", re.ASCII)
STAMPS = ("%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S")


class NotJson(Exception):
    """The body is no JSON, even to a lenient reader."""


def lenient_json(body: bytes) -> object:
    """JSON with control letters and broken UTF-8 in texts allowed; NaN and Infinity stay words that are no numbers."""
    try:
        return json.loads(body.decode("utf-8", "replace"), strict=False, parse_constant=lambda word: [word])
    except (ValueError, RecursionError) as error:
        raise NotJson from error


def number(value: object) -> Fraction | None:
    """The exact number that a JSON value states, as a number or as ASCII text; None where it states none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float):
        return Fraction(value) if math.isfinite(value) else None
    if isinstance(value, int):
        return Fraction(value) if abs(value) < 10**300 else None
    if not NUMBER.fullmatch(value):
        return None
    try:
        found = Decimal(value.strip())
    except InvalidOperation:
        return None
    if found == 0 or found.adjusted() < -400:
        return Fraction(0)
    return Fraction(found) if found.adjusted() < 300 else None


def is_price(found: float, value: object) -> bool:
    """Whether a decoded price is what the value states; NaN stands for what states none, or far too much."""
    stated = number(value)
    if math.isnan(found):
        return stated is None or abs(stated) >= 10**9
    return stated is not None and found == float(stated)


def is_count(found: int, value: object) -> bool:
    """Whether a decoded count is what the value states; -1 stands for what states no whole number."""
    stated = number(value)
    if found == -1:
        return stated is None or stated.denominator != 1 or stated < 0 or stated >= 10**15
    return stated is not None and float(stated) == found


def is_stamp(found: int, stated: object, wall: object) -> bool:
    """Whether a decoded epoch is the epoch stated, or else the wall clock in IST."""
    epoch = number(stated)
    if epoch is not None and float(epoch) == found:
        return True
    texts = (wall.strip(),) if isinstance(wall, str) and STAMP.fullmatch(wall.strip()) else ()
    return any(found == second for text in texts for second in _walls(text))


def _walls(text: str) -> Iterable[int]:
    for form in STAMPS:
        try:
            yield int(datetime.strptime(text, form).replace(tzinfo=IST).timestamp())
        except ValueError:
            continue
