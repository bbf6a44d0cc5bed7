"""What is switchable in the emulated Firstock: its limits, and everything that its documentation leaves open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import time
from typing import Any

from fnolake.emulator.limits import Limits, windows_of

CHOICES = {
    "end": ("inclusive", "exclusive"),
    "order": ("ascending", "descending"),
    "empty": ("list", "null", "missing", "404", "failed"),
    "too_many": ("json", "text"),
    "futures": ("XX", "FUT"),
    "quote": ("object", "page"),
    "lost": ("401", "403"),
    "second_login": ("ends", "keeps"),
    "login_words": ("plain", "leaked"),
}
LIMITED = ("history", "quotes", "other")


@dataclass(frozen=True, slots=True)
class FirstockSettings:
    """
    Settings of the emulated Firstock; all of them can be changed while it runs.

    Args:
        history: Sliding windows (requests, seconds) per user of timePriceSeries; empty = off.
        quotes: Likewise of getQuote and getMultiQuotes.
        other: Likewise of everything else, login included.
        end: Whether a bar that starts at endTime is served.
        order: Order of the bars.
        empty: How history says nothing: ``[]``, null, no data member, HTTP 404, or HTTP 200 with a failed body.
        too_many: Body of a 429: the documented JSON, or plain text as users have met it.
        futures: OptionType of futures in the masters.
        quote: getQuote's data as clients read it, or as its page shows it: a list of one, paise without a dot.
        lost: HTTP status of a lost sign-in.
        second_login: Whether a login ends the user's earlier one.
        login_words: Messages of a refused login: plain, or the leaked JSON error that users have met.
        ends_at: IST wall time at which every sign-in dies.
        addresses: Whom REST answers; everybody else gets 403. Empty = all.
        sentinels: Socket deltas carry nulls and 2**63 for members without a value.
        slow_s_per_day: Real seconds that history waits for each calendar day of its span.
        sockets: Sockets that one user may have.
        socket_cap: Tokens that one socket streams; the rest is silently dropped, as at Shoonya. 0 = all, nobody knows the live one.
        ping_s: Seconds between the socket's pings; a pong is due in half of them.
    """

    history: Limits = ((3, 1.0),)
    quotes: Limits = ((3, 1.0),)
    other: Limits = ((10, 1.0),)
    end: str = "inclusive"
    order: str = "ascending"
    empty: str = "list"
    too_many: str = "json"
    futures: str = "XX"
    quote: str = "object"
    lost: str = "401"
    second_login: str = "ends"
    login_words: str = "plain"
    ends_at: time = time(3)
    addresses: tuple[str, ...] = ()
    sentinels: bool = False
    slow_s_per_day: float = 0.0
    sockets: int = 3
    socket_cap: int = 0
    ping_s: float = 20.0

    def changed(self, values: Mapping[str, Any]) -> FirstockSettings:
        """
        The same with some settings replaced, given as text or JSON values.

        Raises:
            ValueError: There is no such setting, or no such value of it.
        """
        return replace(self, **{name: _read(name, value) for name, value in values.items()})

    def limited(self, word: str) -> FirstockSettings:
        """The same with the limits that ``--limits`` names: ``off``, ``half``; anything else leaves them."""
        if word == "off":
            return replace(self, history=(), quotes=(), other=())
        if word == "half":
            return replace(self, history=_half(self.history), quotes=_half(self.quotes), other=_half(self.other))
        return self

    def shown(self) -> dict[str, Any]:
        """All settings as JSON values."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        return values | {"ends_at": self.ends_at.isoformat("minutes"), "addresses": list(self.addresses)}


NAMES = tuple(one.name for one in fields(FirstockSettings))


def settings_of(words: list[str], base: FirstockSettings) -> FirstockSettings:
    """
    Settings from command-line words such as ``empty=null``.

    Raises:
        ValueError: A word is no setting.
    """
    pairs = [word.partition("=") for word in words]
    return base.changed({name.strip(): value.strip() for name, _, value in pairs})


def _read(name: str, value: Any) -> Any:  # noqa: ANN401 - a setting of any type
    text = str(value).strip()
    if name in CHOICES:
        found = next((one for one in CHOICES[name] if one.lower() == text.lower()), None)
        if found is None:
            raise ValueError(f"firstock {name} is one of {', '.join(CHOICES[name])}, not {text!r}")
        return found
    if name in LIMITED:
        return _limits(value)
    if name not in _READERS:
        raise ValueError(f"firstock has no setting {name!r}; known: {', '.join(NAMES)}")
    return _READERS[name](value)


def _half(limits: Limits) -> Limits:
    return tuple((max(count // 2, 1), span) for count, span in limits)


def _limits(value: Any) -> Limits:  # noqa: ANN401 - text or pairs
    if isinstance(value, str):
        return () if value == "off" else windows_of(value)
    return tuple((int(count), float(span)) for count, span in value)


def _addresses(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - text or list
    given = value.split(",") if isinstance(value, str) else value
    return tuple(str(one).strip() for one in given if str(one).strip())


def _flag(value: Any) -> bool:  # noqa: ANN401 - text or boolean
    known = {"true": True, "on": True, "1": True, "false": False, "off": False, "0": False}
    if str(value).lower() not in known:
        raise ValueError(f"{value!r}: write on or off")
    return known[str(value).lower()]


_READERS: dict[str, Callable[[Any], Any]] = {
    "ends_at": lambda value: time.fromisoformat(str(value)), "addresses": _addresses, "sentinels": _flag,
    "slow_s_per_day": float, "sockets": int, "socket_cap": int, "ping_s": float,
}
