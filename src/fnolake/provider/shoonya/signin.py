"""
Signing in at Shoonya, without the network: addresses, credentials, request fields, redirected addresses. Pure.

The client sends what is made here and ``signin_callback`` listens. Invariant: no secret shows in a repr.
"""

from __future__ import annotations

import hmac
import re
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlencode, urlsplit

from fnolake.errors import ConfigError, LoginRefused
from fnolake.provider.shoonya.refusal import PROVIDER
from fnolake.provider.totp import sha256

OAUTH, LEGACY = "oauth", "legacy"
_BARE_CODE = re.compile(r"(?!(?:code|state|error)=)[A-Za-z0-9._~+/=-]{6,512}")
_HOST = "https://api.shoonya.com"


@dataclass(frozen=True, slots=True)
class ShoonyaUrls:
    """
    Every address, and which generation they speak: ``oauth`` (since April 2026) or ``legacy``.

    ``rest`` and ``masters`` are folders; one slash more or less at their end does not matter.
    """

    rest: str = f"{_HOST}/NorenWClientAPI/"
    socket: str = "wss://api.shoonya.com/NorenWSAPI/"
    authorize: str = f"{_HOST}/OAuthlogin/authorize/oauth"
    masters: str = f"{_HOST}/"
    generation: str = OAUTH

    def __post_init__(self) -> None:
        if self.generation not in {OAUTH, LEGACY}:
            raise ConfigError(f"generation {self.generation!r}: it is {OAUTH} or {LEGACY}; correct it in lake.toml")

    @classmethod
    def of(cls, generation: str, base: str = _HOST) -> ShoonyaUrls:
        """The addresses of a generation under one host, such as an emulator's ``http://127.0.0.1:8000``."""
        base = base.rstrip("/")
        word = "TP" if generation == LEGACY else "API"
        return cls(f"{base}/NorenWClient{word}/", f"ws{base.removeprefix('http')}/NorenWS{word}/",
                   f"{base}/OAuthlogin/authorize/oauth", f"{base}/", generation)


@dataclass(frozen=True, slots=True)
class Credentials:
    """
    What an account signs in with; empty where its generation does not use it.

    OAuth: ``uid``, ``client_id`` (``<uid>_U`` if empty), ``secret_code``. Legacy: ``uid``, ``password``,
    ``totp_secret`` (base32), ``vendor_code`` (``<uid>_U`` if empty), ``api_secret``, ``imei``.
    """

    uid: str
    client_id: str = ""
    secret_code: str = field(default="", repr=False)
    password: str = field(default="", repr=False)
    totp_secret: str = field(default="", repr=False)
    vendor_code: str = ""
    api_secret: str = field(default="", repr=False)
    imei: str = field(default="abc1234", repr=False)

    def need(self, *names: str) -> None:
        """Raise ConfigError, naming what is missing, unless all the named fields are there."""
        missing = [name for name in names if not getattr(self, name)]
        if missing:
            raise ConfigError(f"this Shoonya account lacks {', '.join(missing)}; run `fnolake account add` again")

    @property
    def client(self) -> str:
        """The OAuth client id."""
        return self.client_id or f"{self.uid}_U"


def authorize_url(urls: ShoonyaUrls, credentials: Credentials, state: str = "") -> str:
    """Where the user's browser signs in; the broker then redirects to the address registered with it."""
    query = {"client_id": credentials.client} | ({"state": state} if state else {})
    return f"{urls.authorize}{'&' if '?' in urls.authorize else '?'}{urlencode(query)}"


def code_fields(credentials: Credentials, code: str) -> dict[str, str]:
    """Fields of GenAcsTok. ``uid`` is sent: without it some accounts get INVALID_VERIFIER."""
    credentials.need("uid", "secret_code")
    checksum = sha256(credentials.client + credentials.secret_code + code)
    return {"code": code, "checksum": checksum, "uid": credentials.uid}


def quick_auth_fields(credentials: Credentials, otp: str) -> dict[str, str]:
    """Fields of QuickAuth."""
    credentials.need("uid", "password", "api_secret")
    return {
        "source": "API", "apkversion": "1.0.0", "uid": credentials.uid, "pwd": sha256(credentials.password),
        "factor2": otp, "vc": credentials.vendor_code or f"{credentials.uid}_U",
        "appkey": sha256(f"{credentials.uid}|{credentials.api_secret}"), "imei": credentials.imei,
    }


def code_from(text: str, state: str = "") -> str:
    """
    The code out of a pasted redirected address, its query alone, or the bare code.

    Args:
        text: As pasted.
        state: What was sent along; an address that carries another state is refused. A broker that does not send
            it back is tolerated here, since a person pasted the address.

    Raises:
        LoginRefused: No code, another state, or the broker's own refusal in the address.
    """
    text = text.strip().strip("<>\"'")
    if _BARE_CODE.fullmatch(text):
        return text
    if not any(mark in text for mark in "?=&/"):
        raise _refused("that is neither a code nor a redirected address; paste the whole address of the last page")
    query = urlsplit(text).query if "?" in text else text
    found = {name: values[-1] for name, values in parse_qs(query).items()}
    if "error" in found and "code" not in found:
        raise _refused(f"Shoonya refused the sign-in: {found.get('error_description', found['error'])[:200]}")
    if state and "state" in found and not same(found["state"], state):
        raise _refused("that address answers another sign-in (its state differs); start again with `fnolake login`")
    if not found.get("code"):
        raise _refused("that address holds no code; paste the whole address of the last page")
    return found["code"]


def same(found: str, expected: str) -> bool:
    """Compare two secrets in constant time."""
    return hmac.compare_digest(found.encode(), expected.encode())


def _refused(text: str) -> LoginRefused:
    return LoginRefused(text, provider=PROVIDER, request="authorize")
