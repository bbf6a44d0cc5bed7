"""
Which providers there are: ours by name, third parties' by entry point. Nothing is imported until it is chosen.

A third party declares, in the group ``fnolake.providers.v1``, its provider's name and a callable that takes a
:class:`Setup` and returns a :class:`~fnolake.provider.base.Provider`; ``v1`` is the revision of that interface, and what
declares another one only is not loaded (docs/howto/add-a-provider.md). Invariant: a name of ours is never replaced.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from fnolake.errors import ConfigError
from fnolake.model import Clock, StatePort
from fnolake.provider.base import Provider

if TYPE_CHECKING:
    from fnolake.provider.http import Http

REVISION = 1
GROUP = f"fnolake.providers.v{REVISION}"
_GROUPS = re.compile(r"fnolake\.providers\.v(\d{1,6})")


@dataclass(frozen=True, slots=True)
class Setup:
    """
    What a provider is made of.

    Args:
        account: The user's name for the account.
        http: Open; the provider does not close it.
        state: Drawer for sign-ins.
        clock: Calendar and machine clock.
        settings: The account's plain settings and the provider's addresses, by name; an empty one is the default.
        secrets: The account's secrets, by name.
    """

    account: str
    http: Http
    state: StatePort
    clock: Clock
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)


Factory = Callable[[Setup], Provider]


def _shoonya(setup: Setup) -> Provider:
    from fnolake.provider.shoonya.client import ShoonyaClient
    from fnolake.provider.shoonya.signin import OAUTH, Credentials, ShoonyaUrls

    given = {name: value for name, value in setup.settings.items() if value}
    addresses = {name: given[name] for name in ("rest", "socket", "authorize", "masters") if name in given}
    urls = dataclasses.replace(ShoonyaUrls.of(given.get("generation", OAUTH)), **addresses)
    known = {one.name for one in dataclasses.fields(Credentials)}
    signs = {name: value for name, value in {"uid": "", **given, **setup.secrets}.items() if name in known}
    return ShoonyaClient(setup.http, urls, setup.account, Credentials(**signs), setup.state, setup.clock)


def _firstock(setup: Setup) -> Provider:
    from fnolake.provider.firstock.client import FirstockClient
    from fnolake.provider.firstock.signin import Credentials, FirstockUrls

    given = {name: value for name, value in setup.settings.items() if value}
    urls = FirstockUrls(**{name: given[name] for name in ("rest", "socket") if name in given})
    known = {one.name for one in dataclasses.fields(Credentials)}
    signs = {name: value for name, value in {"uid": "", **given, **setup.secrets}.items() if name in known}
    return FirstockClient(setup.http, urls, setup.account, Credentials(**signs), setup.state, setup.clock)


_OURS: Mapping[str, Factory] = {"firstock": _firstock, "shoonya": _shoonya}


def names(installed: Iterable[EntryPoint] | None = None) -> tuple[str, ...]:
    """
    Every provider that can be chosen, ascending.

    Args:
        installed: Entry points to look at instead of the environment's.
    """
    return tuple(sorted({*_OURS, *(point.name for point in _found(installed))}))


def factory(name: str, installed: Iterable[EntryPoint] | None = None) -> Factory:
    """
    The callable that makes a provider.

    Raises:
        ConfigError: No provider of that name, one of another revision, two packages that claim it, or one that cannot
            be loaded.
    """
    if name in _OURS:
        return _OURS[name]
    claims = [point for point in _found(installed) if point.name == name]
    if not claims:
        raise ConfigError(_absent(name, installed))
    if len({point.value for point in claims}) > 1:
        raise ConfigError(f"several installed packages claim the provider {name!r}; remove all but one")
    try:
        made = claims[0].load()
    except Exception as error:
        raise ConfigError(
            f"the provider {name!r} ({claims[0].value}) cannot be loaded: {type(error).__name__}; update its package"
        ) from error
    if not callable(made):
        raise ConfigError(f"the provider {name!r} ({claims[0].value}) is not callable; update its package")
    return made  # type: ignore[no-any-return]  # an entry point is anything; Provider's contract tests judge it


def _found(installed: Iterable[EntryPoint] | None) -> list[EntryPoint]:
    if installed is None:
        return list(entry_points(group=GROUP))
    return [point for point in installed if point.group == GROUP]


def _absent(name: str, installed: Iterable[EntryPoint] | None) -> str:
    """Why there is no such provider: nobody offers it, or only for another revision."""
    points = entry_points(name=name) if installed is None else installed
    others = {int(match[1]): point for point in points if point.name == name and (match := _GROUPS.fullmatch(point.group))}
    if not others:
        return f"no provider {name!r} is installed; there are {', '.join(names(installed))}"
    offered, mend = max(others), "update fnolake, or take an older version of that package"
    package = others[offered].dist
    return (
        f"the provider {name!r} ({package.name + ' ' + package.version if package else others[offered].value}) is made for revision "
        f"{offered} of the interface and this fnolake has {REVISION}; {mend if offered > REVISION else 'update that package'}"
    )
