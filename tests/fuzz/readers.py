"""Slow readers that share no code with the decoders: what rows does a body hold, and may a bar have come from one of them?"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Decimal, InvalidOperation
from fractions import Fraction

from fnolake.errors import ProviderError
from fnolake.model import RawBars

IST = timezone(timedelta(hours=5, minutes=30))
NUMBER = re.compile(r"\s*[+-]?(\d{1,400}(\.\d{0,400})?|\.\d{1,400})([eE][+-]?\d{1,4})?\s*", re.ASCII)
STAMP = re.compile(r"[0-9A-Za-z/-]{8,11}[ T]+\d{1,2}:\d{1,2}(:\d{1,2})?|\d\d:\d\d(:\d\d)?\s+\d\d-\d\d-\d{4}", re.ASCII)
STAMPS = ("%d-%m-%Y %H:%M:%S", "%d-%m-%Y %H:%M", "%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d-%b-%Y %H:%M:%S",
          "%d/%m/%Y %H:%M", "%d-%b-%Y %H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d T%H:%M:%S", "%Y-%m-%d T%H:%M",
          "%H:%M:%S %d-%m-%Y", "%H:%M %d-%m-%Y")


@dataclass(frozen=True, slots=True)
class Form:
    """How a provider writes a series: keys of a row by column of ``RawBars``, its stamps, and where the rows are."""

    prices: Mapping[str, str]
    counts: Mapping[str, str]
    epoch: str
    wall: str
    rows: Callable[[object], object]
    says_nothing: Callable[[object], bool]


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


def judge(decode: Callable[[bytes, int], RawBars | None], form: Form, bodies: Iterable[bytes]) -> Counter[str]:
    """
    Decode every body and hold what comes out against this module's own reading.

    Returns:
        How the bodies ended: ``bars``, ``nothing``, or an error's class.

    Raises:
        AssertionError: A crash, an invented bar, a row that is unaccounted for, or a nothing that nobody said.
    """
    ends = Counter[str]()
    for at, body in enumerate(bodies):
        try:
            bars = decode(body, (200, 200, 502)[at % 3])
        except ProviderError as error:
            ends[type(error).__name__] += 1
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {body!r}") from error
        ends["nothing" if bars is None else "bars"] += 1
        wrong = _wrong(bars, form, body)
        assert not wrong, f"{wrong} on {body!r}: {bars}"
    return ends


def _wrong(bars: RawBars | None, form: Form, body: bytes) -> str:
    try:
        said = lenient_json(body)
    except NotJson:
        return "something came out of a body that is no JSON"
    if bars is None:
        return "" if form.says_nothing(said) else "nothing, and nobody said so"
    rows = form.rows(said)
    if not isinstance(rows, list) or len(rows) != len(bars) + bars.undecoded:
        return "the rows do not add up"
    left = iter(rows)
    missing = [at for at in range(len(bars)) if not any(_came_from(bars, at, found, form) for found in left)]
    return f"no row is behind the bars {missing}" if missing else ""


def _came_from(bars: RawBars, at: int, found: object, form: Form) -> bool:
    return (
        isinstance(found, dict)
        and is_stamp(int(bars.epoch_s[at]), found.get(form.epoch), found.get(form.wall))
        and all(is_price(float(getattr(bars, name)[at]), found.get(key)) for name, key in form.prices.items())
        and all(is_count(int(getattr(bars, name)[at]), found.get(key)) for name, key in form.counts.items())
    )
