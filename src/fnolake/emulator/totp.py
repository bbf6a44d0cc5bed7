"""
Time-based one-time passwords (RFC 6238: SHA-1, six digits, 30 seconds).

Written out because the demo user's secret has 80 bits, as many real ones do, and pyotp refuses fewer than 112.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import struct
import time

STEP_S = 30


def one_time_password(secret: str, at_s: float | None = None) -> str:
    """The six digits of a base32 secret at an epoch second; None = now."""
    step = int((time.time() if at_s is None else at_s) // STEP_S)
    key = base64.b32decode(secret + "=" * (-len(secret) % 8), casefold=True)
    digest = hmac.new(key, struct.pack(">Q", step), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 1_000_000:06d}"


def fits(secret: str, given: str, *moments_s: float) -> bool:
    """True if the digits are right at any of the moments, one step either side."""
    return any(
        hmac.compare_digest(one_time_password(secret, at_s + shift).encode(), given.encode())
        for at_s in moments_s for shift in (0, -STEP_S, STEP_S)
    )
