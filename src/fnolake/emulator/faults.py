"""
Scripted faults, by name, deterministic by seed.

A script is JSON: ``{"fault": "false_no_data", "route": "TPSeries", "share": 0.02}``. Keys:

=========  ===========================================================================================
fault      a name of ANSWER_FAULTS, ROW_FAULTS or SOCKET_FAULTS (spaces and dashes are read as ``_``)
provider   ``shoonya``, ``firstock`` or ``exchange`` (its public files); absent = all
route      broker route it is for, such as TPSeries or login; ``history`` is TPSeries and timePriceSeries; absent = any
share      part of the matching requests, drawn by (seed, contract, span, nth time it is asked)
count      only the first n matching requests
after      leave the first n matching requests (or socket frames) alone
token      ``NFO|12345`` or ``12345``
session    ``2026-11-19``: only requests whose span holds that date; row faults change only its rows
=========  ===========================================================================================

Further keys are that fault's own: ``days`` (timeout_504: spans of at least so many days), ``seconds`` (hang),
``minutes`` (late_last_bar), ``before`` and ``from_token`` (recycled_token), ``status`` (any answer fault).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

ANSWER_FAULTS = (
    "rate_rejection", "sign_in_loss", "empty_body", "html_502", "timeout_504", "hang", "cut_body", "false_no_data",
    "address_refused", "banned", "forbidden",
)
ROW_FAULTS = (
    "malformed_row", "missing_minute", "duplicate", "wrong_zone", "late_last_bar", "recycled_token", "mock_saturday",
    "zero_row", "clip_high", "volume_shift",
)
SOCKET_FAULTS = ("socket_drop", "half_open_socket", "zero_ticks")
FILE_FAULTS = ("html_502", "empty_body", "hang", "cut_body")
_ALSO = {"http_502": "html_502", "no_data": "false_no_data"}
PROVIDERS = ("shoonya", "firstock", "exchange")
HISTORY = ("TPSeries", "timePriceSeries")
_COMMON = {"fault", "provider", "route", "share", "count", "after", "token", "session"}


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, as far as faults care: route, contract, dates, and of whom."""

    route: str
    contract: str = ""
    first: date | None = None
    last: date | None = None
    provider: str = "shoonya"

    @property
    def key(self) -> str:
        """Identity of the question; the same question asked again has the same key."""
        return f"{self.route} {self.contract} {self.first} {self.last}"

    def holds(self, session: date) -> bool:
        """True if the span of the request holds that date."""
        return self.first is not None and self.last is not None and self.first <= session <= self.last


@dataclass(slots=True)
class Fault:
    """One scripted fault and how often it has matched and struck."""

    name: str
    provider: str = ""
    route: str = ""
    share: float = 1.0
    count: int | None = None
    after: int = 0
    token: str = ""
    session: date | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    matched: int = 0
    struck: int = 0
    asked: Counter[str] = field(default_factory=Counter)

    @classmethod
    def of(cls, script: Mapping[str, Any]) -> Fault:
        """
        A fault from its script.

        Raises:
            ValueError: The name is unknown or a value has the wrong shape.
        """
        name = str(script.get("fault", "")).strip().lower().replace("-", "_").replace(" ", "_")
        name = _ALSO.get(name, name)
        if name not in {*ANSWER_FAULTS, *ROW_FAULTS, *SOCKET_FAULTS}:
            known = ", ".join((*ANSWER_FAULTS, *ROW_FAULTS, *SOCKET_FAULTS))
            raise ValueError(f"no fault is called {script.get('fault')!r}; known: {known}")
        provider = str(script.get("provider") or "").lower()
        if provider not in {"", *PROVIDERS}:
            raise ValueError(f"no provider is called {provider!r}; known: {', '.join(PROVIDERS)}")
        session = script.get("session")
        return cls(
            name, provider=provider, route=str(script.get("route", "")), share=float(script.get("share", 1.0)),
            count=None if script.get("count") is None else int(script["count"]), after=int(script.get("after", 0)),
            token=str(script.get("token", "")), session=None if session is None else date.fromisoformat(session),
            options={k: v for k, v in script.items() if k not in _COMMON},
        )

    def fits(self, ask: Ask) -> bool:
        """True if the script's conditions (not its counters) hold for this request."""
        if self.provider and self.provider != ask.provider:
            return False
        if self.route and ask.route not in (HISTORY if self.route == "history" else (self.route,)):
            return False
        if self.token and self.token not in (ask.contract, ask.contract.partition("|")[2]):
            return False
        if self.session is not None and not ask.holds(self.session):
            return False
        days = self.options.get("days")
        return days is None or (
            ask.first is not None and ask.last is not None and (ask.last - ask.first).days + 1 >= int(days)
        )

    def strikes(self, ask: Ask, seed: int) -> bool:
        """Count a matching request and decide whether the fault strikes it."""
        self.matched += 1
        if self.matched <= self.after or (self.count is not None and self.struck >= self.count):
            return False
        self.asked[ask.key] += 1
        if self.share < 1.0 and draw(seed, f"{self.name} {ask.key} {self.asked[ask.key]}") >= self.share:
            return False
        self.struck += 1
        return True


def draw(seed: int, key: str) -> float:
    """A number in [0, 1) that depends on nothing but seed and key."""
    digest = hashlib.blake2b(f"{seed} {key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


FILE_ROUTES = ("masters", "symbols", "bhavcopy", "holidays", "reference")
_HISTORY_FAULTS = (
    "rate_rejection", "sign_in_loss", "empty_body", "html_502", "timeout_504", "hang", "cut_body", "false_no_data",
    "malformed_row", "missing_minute", "duplicate", "wrong_zone", "late_last_bar", "recycled_token", "mock_saturday",
)
_OTHER_FAULTS = ("rate_rejection", "empty_body", "html_502", "hang", "cut_body")
_HANG_S = 1.0


class RandomFaults:
    """
    One fault in a share of all requests, of the kinds that design section 6 names and that fit the route.

    Drawn by (seed, question, how often it was asked): the same run meets the same faults. Those that shut a whole
    account out (address refused, banned) are not among them: they are no request's. Hangs last a second.

    Args:
        rate: Share of requests, 0 to 1.
        seed: Another seed draws other faults.
    """

    def __init__(self, rate: float, seed: int) -> None:
        self.rate, self._seed = rate, seed
        self.matched: Counter[str] = Counter()
        self.log: list[dict[str, str]] = []
        self.struck: Counter[tuple[str, str, str]] = Counter()
        self._asked: Counter[str] = Counter()
        self._owed: dict[str, Fault] = {}

    def at_the_gate(self, ask: Ask) -> Fault | None:
        """Draw for a request that arrives: its answer fault, if any; a row fault is owed until its rows are there."""
        key = f"{ask.provider} {ask.key}"
        self._owed.pop(key, None)
        if self.rate <= 0:
            return None
        self.matched[ask.route] += 1
        self._asked[key] += 1
        turn = f"{key} {self._asked[key]}"
        if draw(self._seed, turn) >= self.rate:
            return None
        names = _HISTORY_FAULTS if ask.route in HISTORY else FILE_FAULTS if ask.route in FILE_ROUTES else _OTHER_FAULTS
        name = names[int(draw(self._seed, f"which {turn}") * len(names))]
        fault = Fault(name, provider=ask.provider, route=ask.route, options={"seconds": _HANG_S} if name == "hang" else {})
        self.struck[name, ask.provider, ask.route] += 1
        self.log.append({
            "fault": name, "provider": ask.provider, "route": ask.route, "contract": ask.contract,
            "first": str(ask.first or ""), "last": str(ask.last or ""),
        })
        if name not in ROW_FAULTS:
            return fault
        self._owed[key] = fault
        return None

    def on_rows(self, ask: Ask) -> list[Fault]:
        """The row fault that the request owes, once."""
        owed = self._owed.pop(f"{ask.provider} {ask.key}", None)
        return [] if owed is None else [owed]

    def report(self) -> list[dict[str, Any]]:
        """What has struck, by fault, provider and route; ``matched`` counts the route's requests."""
        return [
            {"fault": name, "provider": provider, "route": route, "matched": self.matched[route], "struck": n, "random": True}
            for (name, provider, route), n in sorted(self.struck.items())
        ]


class Faults:
    """The script in force, and the faults that strike at random besides."""

    def __init__(self, seed: int, scripts: tuple[dict[str, Any], ...] = (), random: RandomFaults | None = None) -> None:
        self._seed = seed
        self._faults = [Fault.of(script) for script in scripts]
        self._random = random or RandomFaults(0.0, seed)

    def add(self, script: Mapping[str, Any]) -> None:
        """Append one scripted fault; ValueError if it is not one."""
        self._faults.append(Fault.of(script))

    def clear(self) -> None:
        """Forget every fault."""
        self._faults.clear()

    @property
    def any(self) -> bool:
        """Whether anything is scripted."""
        return bool(self._faults)

    def report(self) -> list[dict[str, Any]]:
        """Every fault with its counters, in script order."""
        return [
            {"fault": f.name, "provider": f.provider, "route": f.route, "matched": f.matched, "struck": f.struck}
            for f in self._faults
        ] + self._random.report()

    def random_log(self) -> list[dict[str, str]]:
        """Every random fault in the order of striking: fault, provider, route, contract, first and last date asked for."""
        return self._random.log

    def scripted(self, name: str) -> Fault | None:
        """The first fault of that name, counters untouched."""
        return next((f for f in self._faults if f.name == name), None)

    def strike(self, names: tuple[str, ...], ask: Ask) -> Fault | None:
        """The first scripted fault among ``names`` that strikes this request, else a random one."""
        drawn = None if names is SOCKET_FAULTS or len(names) == 1 else self._random.at_the_gate(ask)
        for fault in self._faults:
            if fault.name in names and fault.fits(ask) and fault.strikes(ask, self._seed):
                return fault
        return drawn

    def strike_all(self, names: tuple[str, ...], ask: Ask) -> list[Fault]:
        """Every scripted fault among ``names`` that strikes this request, in script order, then the random one it owes."""
        owed = self._random.on_rows(ask)
        if not self._faults:
            return owed
        return owed + [f for f in self._faults if f.name in names and f.fits(ask) and f.strikes(ask, self._seed)]
