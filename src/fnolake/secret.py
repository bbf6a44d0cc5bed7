"""
Secrets by reference: where one is kept, and how to read it at the moment it is needed.

A reference is ``env:NAME``, ``file:PATH`` or ``keyring:SERVICE/USER``. Nothing is stored or cached here. Invariant: a
secret's value never appears in a repr, a message or a traceback of this module.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from fnolake.errors import ConfigError

SCHEMES: Final = ("env", "file", "keyring")
FORMS: Final = "env:NAME, file:PATH or keyring:SERVICE/USER"


class Secret:
    """A value that hides itself; only :meth:`reveal` shows it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('***')"

    def __str__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> str:
        raise TypeError("a secret is not pickled")


def is_reference(text: str) -> bool:
    """Whether ``text`` names a place (``env:``, ``file:``, ``keyring:``) and is not a secret itself."""
    scheme, colon, rest = text.partition(":")
    return bool(colon) and scheme in SCHEMES and bool(rest.strip())


def resolve(reference: str, environ: Mapping[str, str]) -> Secret:
    """
    Read the secret that a reference names.

    Args:
        reference: ``env:NAME``, ``file:PATH`` (``~`` is the home folder) or ``keyring:SERVICE/USER``.
        environ: The environment, passed in.

    Raises:
        ConfigError: It is no reference, or nothing usable is there; says what to do. Never holds the secret.
    """
    if not is_reference(reference):
        raise ConfigError(f"a secret is given by where it is kept, not by its value: use {FORMS}")
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        return _from_environment(rest.strip(), environ)
    if scheme == "file":
        return _from_file(Path(rest.strip()).expanduser())
    return _from_keyring(rest.strip())


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret:
    value = environ.get(name, "").strip()
    if not value:
        raise ConfigError(f"environment variable {name} is not set: export {name}=… and run again")
    return Secret(value)


def _from_file(path: Path) -> Secret:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & 0o077:
            raise ConfigError(f"{path} can be read by others (mode {mode:04o}): run `chmod 600 {path}`")
        value = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not there: write the secret into it, then `chmod 600 {path}`") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text ({type(error).__name__}): check the file and its owner") from error
    if not value:
        raise ConfigError(f"{path} is empty: write the secret into it")
    return Secret(value)


def _from_keyring(place: str) -> Secret:
    service, slash, user = place.rpartition("/")
    if not slash or not service or not user:
        raise ConfigError(f"keyring:{place} names no user: write keyring:SERVICE/USER")
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise ConfigError("keyring: is an optional part: install `fnolake[keyring]`, or use env: or file:") from error
    try:
        value = keyring.get_password(service, user)
    except keyring.errors.KeyringError as error:
        raise ConfigError(f"the keyring does not answer ({type(error).__name__}): unlock it, or use env: or file:") from error
    if not value:
        raise ConfigError(f"the keyring has nothing for {place}: run `keyring set {service} {user}`")
    return Secret(value)
