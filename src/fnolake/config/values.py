"""
Plain values from TOML and from environment texts, one function a type. Pure.

Every function raises ``TypeError`` or ``ValueError`` that ends the sentence "KEY is VALUE, but …".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Final

from fnolake.secret import FORMS, is_reference


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError('must be a text: put it in "quotes"')
    return value.strip().rstrip("/") if value.strip().startswith(("http://", "https://")) else value.strip()


def _reference(value: object) -> str:
    if not isinstance(value, str) or (value and not is_reference(value)):
        raise ValueError(f"a secret may not stand here: keep it elsewhere and write {FORMS}")
    return value


def _truth(value: object) -> bool:
    said = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in said:
        return said[value.lower()]
    raise ValueError("must be true or false")


def _whole(value: object) -> int:
    if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
        return int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError("must be a whole number")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)) or not re.fullmatch(r"-?\d+(\.\d*)?", str(value)):
        raise TypeError("must be a number")
    return float(value)


def _day(value: object) -> date:
    if isinstance(value, str):
        value = _day_of(value)
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("must be a date like 2026-11-20")
    return value


def _day_of(text: str) -> object:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return text


def _path(value: object) -> Path:
    return Path(_text(value)).expanduser()


def _listed(value: object) -> tuple[str, ...]:
    """A TOML array, or a text with commas."""
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise TypeError('must be a list like ["a", "b"]')
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def _references(value: object) -> tuple[str, ...]:
    return tuple(_reference(part) for part in _listed(value))


def _hours(value: object) -> str:
    text = _text(value)
    if text and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d", text):
        raise ValueError("must be two times of day like 22:00-07:00")
    return text


READERS: Final[Mapping[str, Callable[[object], object]]] = MappingProxyType({
    "str": _text, "SecretReference": _reference, "bool": _truth, "int": _whole, "float": _number, "float | None": _number,
    "date | None": _day, "Path | None": _path, "tuple[str, ...]": _listed, "tuple[SecretReference, ...]": _references, "Hours": _hours,
})
"""How a field is read, by its annotation."""
