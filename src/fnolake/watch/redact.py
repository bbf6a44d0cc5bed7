"""
Masks secrets in what is about to be written: by value where they are known, by name where they are not. Pure.

Invariant: what comes out holds no known secret, at no depth, also not inside an address, in its URL-encoded form or as the
hash that is sent in its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Protocol
from urllib.parse import quote, quote_plus

MASK: Final = "***"
SHORTEST: Final = 4
"""A secret of fewer letters is masked by its field's name only: as a value it would blot out ordinary words."""

_NAMES: Final = (
    "password", "passwd", "pwd", "token", "jkey", "susertoken", "accesstoken", "access_token", "refresh_token", "totp", "totp_secret",
    "factor2", "otp", "secret", "secret_code", "client_secret", "api_secret", "api_key", "apikey", "appkey", "checksum", "code",
    "authorization", "cookie", "vendorkey",
)
_PLAIN: Final = frozenset(name.replace("_", "") for name in _NAMES)
_TAIL: Final = re.compile(r"(password|token|secret|totp|jkey|apikey|appkey)$")
_PAIR: Final = re.compile(
    rf"(?i)(?<![a-z0-9_])((?:{'|'.join(_NAMES)})[\"']?\s*(?:=|:|%3d|%3a)\s*[\"']?)(?!\*\*\*)(?!(?:env|file|keyring):)([^\s\"'&,;}}\])]+)"
)
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)(\s+|%20)[a-z0-9._~+/=-]{6,}")
_USER: Final = re.compile(r"(?i)(\b[a-z][a-z0-9+.-]*://[^/\s:@]*):[^/\s@]+@")


def is_secret_name(name: str) -> bool:
    """Whether a field of this name holds a secret, however it is spelt."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    return plain in _PLAIN or _TAIL.search(plain) is not None


class Masks(Protocol):
    """What masks secrets."""

    def value(self, value: object) -> object:
        """Any value with every secret in it masked."""


class Redactor:
    """
    Masks a set of secrets.

    Args:
        secrets: Values that may never be written; those shorter than ``SHORTEST`` are left to the names.
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= SHORTEST}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first))) if longest_first else None

    def __repr__(self) -> str:
        return "Redactor(***)"

    def text(self, text: str) -> str:
        """The text with every secret masked."""
        if self._known is not None:
            text = self._known.sub(MASK, text)
        text = _BEARER.sub(rf"\1\2{MASK}", text)
        text = _USER.sub(rf"\1:{MASK}@", text)
        return _PAIR.sub(rf"\1{MASK}", text)

    def value(self, value: object) -> object:
        """Any value with every secret in it masked: mappings, sequences, bytes and what prints itself included."""
        if isinstance(value, (bool, int, float)) or value is None:
            return MASK if self._known is not None and self._known.search(str(value)) else value
        if isinstance(value, Mapping):
            return {self.text(str(name)): MASK if is_secret_name(str(name)) and one not in (None, "") else self.value(one) for name, one in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [self.value(one) for one in value]
        if isinstance(value, (bytes, bytearray)):
            return self.text(bytes(value).decode("utf-8", "replace"))
        return self.text(str(value))


def _forms(secret: str) -> set[str]:
    """A secret as it may stand in a line: itself, URL-encoded, or escaped as in JSON and in a repr."""
    escaped = secret.replace("\\", "\\\\")
    return {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), escaped, escaped.replace('"', '\\"'), escaped.replace("'", "\\'")}
