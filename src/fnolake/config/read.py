"""
``lake.toml``, then ``FNOLAKE_*`` variables, then flags, merged into one :class:`~fnolake.config.settings.Settings`.

Invariant: an unknown key, a wrong type or a secret written out is one ``ConfigError`` line that names where, which,
and what to do; a secret's value is never repeated in it.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from fnolake.config.settings import (
    CAUSES,
    FILE_NAME,
    GENERATIONS,
    LIMITS,
    PROVIDERS,
    TIERS,
    AccountSettings,
    AlertSettings,
    AnalyticsSettings,
    CalendarSettings,
    CompareSettings,
    ExchangeSettings,
    FirstockSettings,
    FreshnessSettings,
    HttpSettings,
    LiveSettings,
    RepairSettings,
    Settings,
    ShoonyaSettings,
    SyncSettings,
)
from fnolake.config.values import READERS
from fnolake.errors import ConfigError

PREFIX: Final = "FNOLAKE_"
NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NOT_SETTINGS: Final = frozenset({"FNOLAKE_LAKE"})

_TABLES: Final[Mapping[tuple[str, ...], type]] = MappingProxyType({
    ("account", "*"): AccountSettings, ("provider", "shoonya"): ShoonyaSettings, ("provider", "firstock"): FirstockSettings,
    ("exchange",): ExchangeSettings, ("sync",): SyncSettings, ("compare",): CompareSettings, ("repair",): RepairSettings,
    ("freshness",): FreshnessSettings, ("analytics",): AnalyticsSettings, ("live",): LiveSettings, ("calendar",): CalendarSettings,
    ("http",): HttpSettings, ("alerts",): AlertSettings,
})
_LIMITS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType({
    "workers": (1, 64), "batch_rows": (1, 10_000_000), "batch_s": (0.01, 3600), "reserve": (0, 0.99), "sample": (0, 1),
    "tries": (0, 30), "second_day": (0, 1), "near_strikes": (0, 1000), "strikes": (0, 1000), "expiries": (1, 20), "silence_s": (0.05, 600),
    "remind_minutes": (1, 1440), "disk_sessions": (0, 10_000), "evening_minutes": (1, 1440), "rate": (0, 1),
    "connect_s": (0.1, 600), "read_s": (0.1, 600), "total_s": (0.1, 3600),
})
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType({
    "generation": GENERATIONS, "limits": LIMITS, "alerts.on": CAUSES, **{f"freshness.{tier}": TIERS for tier in ("spot", "futures", "near", "rest")},
})
_PROVIDER: Final = re.compile(r"[a-z][a-z0-9_-]{0,39}")

Key = tuple[str, ...]


def load(lake: Path, environ: Mapping[str, str], overrides: Mapping[str, object] | None = None) -> Settings:
    """
    Settings of a lake; a lake without a file has the defaults.

    Args:
        lake: The lake's folder; need not exist.
        environ: Variables ``FNOLAKE_SYNC__WORKERS`` and the like; ``__`` nests. ``FNOLAKE_LAKE`` is not a setting.
        overrides: Values by dotted key, for example ``{"sync.workers": 4}``; None values are not given.

    Raises:
        ConfigError: One line that names the place, the key, the nearest known key and what to do.
    """
    lake = lake.expanduser().absolute()
    values = read_file(lake / FILE_NAME)
    given = dict(_from_environment(environ, values, lake))
    flags = {
        tuple(key.split(".")): _checked(tuple(key.split(".")), value, f"option {key}", lake)
        for key, value in (overrides or {}).items() if value is not None
    }
    emulator = flags.get(("emulator",), given.get(("emulator",), values.get(("emulator",), "")))
    return _build(lake, {**values, **_emulated(str(emulator)), **given, **flags})


def read_file(file: Path) -> dict[Key, object]:
    """
    The values of ``lake.toml`` by key, checked; empty when there is no file.

    Raises:
        ConfigError: It cannot be read, or a key or value is wrong.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as text ({type(error).__name__}): check the file and its owner") from error
    return check_text(text, file)


def check_text(text: str, file: Path) -> dict[Key, object]:
    """
    The values of a file's text by key, checked; ``file`` names it in messages and anchors relative paths.

    Raises:
        ConfigError: It is not TOML, or a key or value is wrong.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{file} is not TOML: {error}; mend that line") from error
    return {key: _checked(key, value, str(file), file.parent) for key, value in _flat(document)}


def _flat(document: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, object]]:
    for name, value in document.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, (*above, name))
        elif not isinstance(value, Mapping):
            yield (*above, name), value


def _from_environment(environ: Mapping[str, str], values: Mapping[Key, object], lake: Path) -> Iterator[tuple[Key, object]]:
    names = {key[1].casefold().replace("-", "_"): key[1] for key in values if key[0] == "account"}
    for variable, text in sorted(environ.items()):
        if not variable.startswith(PREFIX) or variable in _NOT_SETTINGS:
            continue
        key = tuple(variable.removeprefix(PREFIX).lower().split("__"))
        if key[0] == "account" and len(key) == 3:
            key = ("account", names.get(key[1], key[1]), key[2])
        yield key, _checked(key, text, f"environment {variable}", lake)


def _emulated(base: str) -> dict[Key, object]:
    if not base:
        return {}
    broker = {"rest_oauth": "/NorenWClientAPI", "rest_legacy": "/NorenWClientTP", "masters": "", "authorize": "/OAuthlogin/authorize/oauth"}
    sockets = {"socket_oauth": "/NorenWSAPI/", "socket_legacy": "/NorenWSTP/"}
    return {
        **{("provider", "shoonya", name): base + path for name, path in broker.items()},
        **{("provider", "shoonya", name): f"ws{base.removeprefix('http')}{path}" for name, path in sockets.items()},
        ("provider", "firstock", "rest"): f"{base}/V1",
        ("provider", "firstock", "socket"): f"ws{base.removeprefix('http')}/V2/ws",
        **{("exchange", name): base for name in ("nse_archives", "bse", "nse")},
    }


def known_keys() -> dict[str, str]:
    """Every key that can be set, dotted (``account.NAME.uid``), with its type in words."""
    dotted = {"emulator": "str", "clock": "str"}
    for table, kind in _TABLES.items():
        prefix = ".".join("NAME" if part == "*" else part for part in table)
        dotted |= {f"{prefix}.{one.name}": str(one.type) for one in fields(kind)}
    return dotted


def _checked(key: Key, value: object, where: str, folder: Path) -> object:
    """The value as its field's type; ``folder`` anchors relative paths."""
    is_account = len(key) == 3 and key[0] == "account"
    if is_account and not NAME.fullmatch(key[1]):
        raise ConfigError(f"{where}: account name {key[1]!r} is not usable: use letters, digits, - and _")
    dotted = ".".join(key)
    known = known_keys()
    kind = "str" if _is_of_another(key) else known.get(f"account.NAME.{key[2]}" if is_account else dotted)
    if kind is None:
        raise ConfigError(f"{where}: {dotted} is not a setting; {_nearest(key, known)}")
    try:
        made = READERS[kind](value)
    except (ValueError, TypeError) as error:
        shown = "what is given" if "SecretReference" in kind else repr(value)
        raise ConfigError(f"{where}: {dotted} is {shown}, but {error}") from error
    _check_range(dotted, key[-1], made, where)
    return _anchored(kind, made, folder)


def _is_of_another(key: Key) -> bool:
    """Whether a key is in ``[provider.NAME]`` of a third party: what it means is that package's affair."""
    return len(key) == 3 and key[0] == "provider" and key[1] not in PROVIDERS and _PROVIDER.fullmatch(key[1]) is not None


def _nearest(key: Key, known: Mapping[str, str]) -> str:
    names = {name.replace("NAME", key[1] if key[0] == "account" and len(key) > 1 else "NAME"): name for name in known}
    close = difflib.get_close_matches(".".join(key), names, n=1, cutoff=0.5)
    close = close or [name for name in names if name.rpartition(".")[2] == key[-1]]
    return f"the nearest is {close[0]}: rename or remove it" if close else "remove it (see docs/configuration.md for all keys)"


def _check_range(dotted: str, name: str, value: object, where: str) -> None:
    low, high = _LIMITS.get(name, (float("-inf"), float("inf")))
    if isinstance(value, (int, float)) and not isinstance(value, bool) and not low <= value <= high:
        raise ConfigError(f"{where}: {dotted} is {value}, but must be between {low:g} and {high:g}")
    choices = _CHOICES.get(dotted, _CHOICES.get(name, ()))
    wrong = [one for one in (value if isinstance(value, tuple) else (value,)) if isinstance(one, str) and choices and one not in choices]
    if wrong:
        raise ConfigError(f"{where}: {dotted} is {wrong[0]!r}, but must be one of {', '.join(choices)}")
    if name == "provider" and not _PROVIDER.fullmatch(str(value)):
        raise ConfigError(f"{where}: {dotted} is {value!r}, but must be {', '.join(PROVIDERS)} or an installed one, in small letters")


def _anchored(kind: str, value: object, folder: Path) -> object:
    """Paths that are relative are meant from the lake's folder."""
    if isinstance(value, Path):
        return folder / value
    if isinstance(value, tuple) and "SecretReference" in kind:
        return tuple(_anchored("SecretReference", one, folder) for one in value)
    if kind == "SecretReference" and isinstance(value, str) and value.startswith("file:"):
        return f"file:{folder / Path(value.removeprefix('file:').strip()).expanduser()}"
    return value


def _build(lake: Path, values: Mapping[Key, object]) -> Settings:
    """Values that were checked, as one frozen tree."""
    def table(*prefix: str) -> dict[str, Any]:
        return {key[-1]: value for key, value in values.items() if key[:-1] == prefix}

    names = dict.fromkeys(key[1] for key in values if key[0] == "account")
    accounts = {name: AccountSettings(**table("account", name)) for name in names}
    others = dict.fromkeys(key[1] for key in values if _is_of_another(key))
    for name in others.keys() - {account.provider for account in accounts.values()}:
        close = difflib.get_close_matches(name, PROVIDERS, n=1) or ["remove it"]
        raise ConfigError(f"[provider.{name}] is set and no account has that provider: {close[0]}?")
    return Settings(
        lake=lake, accounts=MappingProxyType(accounts),
        others=MappingProxyType({name: MappingProxyType(table("provider", name)) for name in others}),
        shoonya=ShoonyaSettings(**table("provider", "shoonya")), firstock=FirstockSettings(**table("provider", "firstock")),
        exchange=ExchangeSettings(**table("exchange")),
        sync=SyncSettings(**table("sync")), compare=CompareSettings(**table("compare")),
        freshness=FreshnessSettings(**table("freshness")),
        repair=RepairSettings(**table("repair")), live=LiveSettings(**table("live")),
        analytics=AnalyticsSettings(**table("analytics")), calendar=CalendarSettings(**table("calendar")), http=HttpSettings(**table("http")),
        alerts=AlertSettings(**table("alerts")),
        **table(),
    )
