"""
Symbols as files spell them, read into what they name. Pure; whether such a contract exists is not known here.

Invariant: a text is never guessed into one meaning: all its readings are returned, the layout's usual grammar first.
"""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass
from datetime import date

from fnolake.provider.files.layout import DDMONYY, GRAMMARS, YYMDD, YYMMDD, YYMON
from fnolake.provider.scope import BSE_INDEX_TOKENS, INDEX_NAMES

_MONTHS = {name: number for number, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1)}
_MON = "|".join(_MONTHS)
_TAIL = r"(?:(?P<future>FUT|F)|(?P<cp>[CP])(?P<after>\d+(?:\.\d+)?)|(?P<before>\d+(?:\.\d+)?)(?P<right>CE|PE))"
_NAME = re.compile(r"[A-Z0-9&_-]*[A-Z][A-Z0-9&_-]*")
_SHAPES = {
    DDMONYY: re.compile(rf"(?P<dd>\d\d)(?P<mon>{_MON})(?P<yy>\d\d){_TAIL}"),
    YYMON: re.compile(rf"(?P<yy>\d\d)(?P<mon>{_MON}){_TAIL}"),
    YYMDD: re.compile(rf"(?P<yy>\d\d)(?P<m>[1-9OND])(?P<dd>\d\d){_TAIL}"),
    YYMMDD: re.compile(rf"(?P<yy>\d\d)(?P<mm>\d\d)(?P<dd>\d\d){_TAIL}"),
}
_WEEKLY = {**{str(month): month for month in range(1, 10)}, "O": 10, "N": 11, "D": 12}
_VENUES = {"NSE": "NSE", "NFO": "NSE", "NSE_INDEX": "NSE", "NSE_IDX": "NSE", "BSE": "BSE", "BFO": "BSE", "BSE_INDEX": "BSE", "BSE_IDX": "BSE"}
_CONTINUOUS = re.compile(r".+-(?:I|II|III)$|.+\d!$")
_SERIES = re.compile(r"-(?:EQ|BE|INDEX)$|\.EQ$")
_INDICES = frozenset(INDEX_NAMES.values())

INDEX_TOKENS = {
    "NIFTY": ("NSE", 26000), "BANKNIFTY": ("NSE", 26009), "NIFTYNXT50": ("NSE", 26013), "INDIAVIX": ("NSE", 26017),
    "FINNIFTY": ("NSE", 26037), "MIDCPNIFTY": ("NSE", 26074), **{name: ("BSE", token) for name, token in BSE_INDEX_TOKENS.items()},
}
"""Venue and token of the indices, which no end-of-day file lists: Shoonya's NSE master of 2026-08-18; BSE's, see ``provider.scope``."""


@dataclass(frozen=True, slots=True)
class Named:
    """
    What a symbol names.

    Of ``expiry`` and ``month`` (year, month: the last expiry in it) one is set for derivatives, none for spot. ``venue`` is empty
    where nothing says it.
    """

    underlying: str
    kind: str
    expiry: date | None = None
    month: tuple[int, int] | None = None
    strike_paise: int | None = None
    right: str | None = None
    venue: str = ""

    @property
    def is_index(self) -> bool:
        """Whether the underlying is an index, as far as is known without a master."""
        return self.underlying in _INDICES

    @property
    def until(self) -> date | None:
        """The last day it can trade on, as far as its name says."""
        if self.month is None:
            return self.expiry
        return date(*self.month, calendar.monthrange(*self.month)[1])


def is_continuous(text: str) -> bool:
    """Whether a symbol is a vendor's continuous series (NIFTY-I): several contracts, so no contract."""
    return _CONTINUOUS.match(_plain(text)[0]) is not None


def readings(text: str, exchange: str = "", grammars: tuple[str, ...] = GRAMMARS) -> tuple[Named, ...]:
    """
    Everything that a symbol can mean.

    Args:
        text: As the file spells it; an exchange before a colon or after the last dot is understood.
        exchange: What a column or the file's name says (NSE, NFO, NSE_INDEX, BSE, BFO …).
        grammars: Looked at in this order, then the others.

    Returns:
        Readings without repetition; none for a continuous series or an empty text.
    """
    name, venue = _plain(text)
    venue = _VENUES.get(exchange.strip().upper(), "") or venue
    if not name or is_continuous(text):
        return ()
    order = (*grammars, *(one for one in GRAMMARS if one not in grammars))
    parts = [(name[:at], name[at:]) for at in range(1, len(name)) if name[at].isdigit() and _NAME.fullmatch(name[:at])]
    found = [named for grammar in order for part in parts if (named := _derivative(grammar, *part, venue)) is not None]
    spot = _SERIES.sub("", name)
    squeezed = re.sub(r"[\s_-]", "", spot)
    found.append(Named(INDEX_NAMES.get(squeezed, spot), "spot", venue=venue))
    return tuple(dict.fromkeys(found))


def _plain(text: str) -> tuple[str, str]:
    """A symbol in capitals without its exchange, and the venue that the exchange is of."""
    name, venue = text.strip().upper(), ""
    head, colon, rest = name.partition(":")
    if colon and head in _VENUES:
        name, venue = rest, _VENUES[head]
    body, dot, tail = name.rpartition(".")
    if dot and tail in _VENUES:
        name, venue = body, _VENUES[tail]
    return name.strip(), venue


def _derivative(grammar: str, name: str, rest: str, venue: str) -> Named | None:
    found = _SHAPES[grammar].fullmatch(rest)
    if found is None:
        return None
    part = found.groupdict()
    year = 2000 + int(part["yy"])
    month = _MONTHS[part["mon"]] if "mon" in part else _WEEKLY[part["m"]] if "m" in part else int(part["mm"])
    expiry = None
    if "dd" in part:
        try:
            expiry = date(year, month, int(part["dd"]))
        except ValueError:
            return None
    kind = "future" if part["future"] else "option"
    strike = part["after"] or part["before"]
    if strike is not None and (strike.startswith("0") and not strike.startswith("0.")):
        return None
    right = None if kind == "future" else part["right"] or f"{part['cp']}E"
    return Named(
        name, kind, expiry, None if expiry else (year, month), None if strike is None else round(float(strike) * 100), right, venue,
    )
