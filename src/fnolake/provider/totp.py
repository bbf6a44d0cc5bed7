"""
One-time passwords by RFC 6238, and the hash that the brokers want of a password. Pure but for the waiting.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from fnolake.errors import ConfigError
from fnolake.model import Clock

TOTP_STEP_S = 30
_MARGIN_S = 2.0


def sha256(text: str) -> str:
    """Hex sha256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()


def one_time_password(secret: str, epoch_s: float) -> str:
    """
    Six digits by RFC 6238 (SHA-1, 30 s), for a base32 secret of any length.

    The broker chooses the secret and many issue 80 bits, which pyotp 2.12 refuses (it wants 112).

    Raises:
        ConfigError: The secret is not base32.
    """
    text = "".join(secret.split()).replace("-", "").rstrip("=").upper()
    try:
        key = base64.b32decode(text + "=" * (-len(text) % 8))
    except (binascii.Error, ValueError):
        key = b""
    if not key:
        raise ConfigError("the TOTP secret of this account is not base32; run `fnolake account add` again")
    digest = hmac.new(key, int(epoch_s // TOTP_STEP_S).to_bytes(8, "big"), hashlib.sha1).digest()
    at = digest[-1] & 0xF
    return f"{(int.from_bytes(digest[at:at + 4], 'big') & 0x7FFFFFFF) % 1_000_000:06d}"


async def fresh_password(secret: str, clock: Clock) -> str:
    """
    A one-time password of this moment that is good for two more seconds; waits for the next one otherwise.

    Raises:
        ConfigError: The secret is not base32.
    """
    left = TOTP_STEP_S - clock.wall() % TOTP_STEP_S
    if left < _MARGIN_S:
        await clock.sleep(left)
    return one_time_password(secret, clock.wall())
