"""
Signing in at Firstock, without the network: addresses, credentials, request fields. Pure.

The fields are those of the official SDKs (firstock 1.2.11 on PyPI; the-firstock/firstock-developer-sdk-golang, HEAD of
2026-03-31). Invariant: no secret shows in a repr.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from fnolake.errors import ConfigError
from fnolake.provider.totp import sha256


@dataclass(frozen=True, slots=True)
class FirstockUrls:
    """
    Every address. ``rest`` is a folder; one slash more or less at its end does not matter. The masters are below it.

    Source: firstock/Variables/enums.py of firstock 1.2.11, and its socket defaults.
    """

    rest: str = "https://api.firstock.in/V1"
    socket: str = "wss://socket.firstock.in/V2/ws"

    @classmethod
    def of(cls, base: str) -> FirstockUrls:
        """The addresses under one host, such as an emulator's ``http://127.0.0.1:8000``."""
        base = base.rstrip("/")
        return cls(f"{base}/V1", f"ws{base.removeprefix('http')}/V2/ws")


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What an account signs in with.

    ``password`` is the plain one (its hash is sent); ``totp_secret`` base32; ``vendor_code`` is ``<uid>_API`` if empty;
    ``api_key`` is sent as it is.
    """

    uid: str
    password: str = field(default="", repr=False)
    totp_secret: str = field(default="", repr=False)
    vendor_code: str = ""
    api_key: str = field(default="", repr=False)

    def need(self, *names: str) -> None:
        """Raise ConfigError, naming what is missing, unless all the named fields are there."""
        missing = [name for name in names if not getattr(self, name)]
        if missing:
            raise ConfigError(f"this Firstock account lacks {', '.join(missing)}; run `fnolake account add` again")


def login_fields(credentials: Credentials, otp: str) -> dict[str, str]:
    """
    Fields of login.

    Raises:
        ConfigError: Something to sign in with is missing.
    """
    credentials.need("uid", "password", "api_key")
    return {
        "userId": credentials.uid, "password": sha256(credentials.password), "TOTP": otp,
        "vendorCode": credentials.vendor_code or f"{credentials.uid}_API", "apiKey": credentials.api_key,
    }
