"""
Every secret that this lake can meet, gathered to be masked and for nothing else.

Reads the references of the settings, the sign-ins in the state drawer (again when it changes), and what is sent in a secret's
place. Invariant: values leave only inside a Redactor, which shows none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path

from fnolake.config import AccountSettings, Settings
from fnolake.errors import ConfigError
from fnolake.provider.totp import sha256
from fnolake.secret import is_reference, resolve
from fnolake.watch.redact import Redactor, is_secret_name


class LakeRedactor:
    """
    Masks the secrets of a lake, tokens of a sign-in made since included; one that cannot be read is left to its field's name.

    Args:
        settings: Everything that is set.
        environ: For ``env:`` references.
        state: The folder of the state drawer.
    """

    def __init__(self, settings: Settings, environ: Mapping[str, str], state: Path) -> None:
        self._state = state
        self._seen_ns = -1
        self._secrets = set(set_secrets(settings, environ))
        self._present = Redactor(self._secrets)

    def __repr__(self) -> str:
        return "LakeRedactor(***)"

    def value(self, value: object) -> object:
        """:meth:`Redactor.value` with what is known now."""
        return self._redactor().value(value)

    def text(self, text: str) -> str:
        """:meth:`Redactor.text` with what is known now."""
        return self._redactor().text(text)

    def _redactor(self) -> Redactor:
        """The drawer is read again only when a file in it was replaced; tokens once seen stay secret."""
        try:
            changed_ns = self._state.stat().st_mtime_ns
        except FileNotFoundError:
            return self._present
        if changed_ns != self._seen_ns:
            self._seen_ns = changed_ns
            kept = set(kept_secrets(self._state))
            if not kept <= self._secrets:
                self._secrets |= kept
                self._present = Redactor(self._secrets)
        return self._present


def set_secrets(settings: Settings, environ: Mapping[str, str]) -> Iterator[str]:
    """The secrets that references in the settings name, wherever they stand, and their hashes as they are sent."""
    for reference in references(settings):
        value = _read(reference, environ)
        if value:
            yield value
            yield sha256(value)
    for account in settings.accounts.values():
        yield from _hashes(account, environ)


def references(value: object) -> Iterator[str]:
    """Every reference to a secret in a tree of settings."""
    if isinstance(value, str):
        if is_reference(value):
            yield value
    elif is_dataclass(value):
        for one in fields(value):
            yield from references(getattr(value, one.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from references(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from references(one)


def kept_secrets(state: Path) -> Iterator[str]:
    """Tokens of the sign-ins in the drawer."""
    for file in sorted(state.glob("sign-in-*")):
        try:
            held = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(held, dict):
            yield from (value for name, value in held.items() if isinstance(value, str) and is_secret_name(name))


def _hashes(account: AccountSettings, environ: Mapping[str, str]) -> Iterator[str]:
    """Shoonya's key, which is hashed together with the user."""
    secret = _read(account.api_secret, environ)
    if secret:
        yield sha256(f"{account.uid}|{secret}")


def _read(reference: str, environ: Mapping[str, str]) -> str:
    try:
        return resolve(reference, environ).reveal() if reference else ""
    except ConfigError:
        return ""
