"""
Signing an account in: by its provider's way or with a token made elsewhere, proven by a request, recorded either way.
"""

from __future__ import annotations

import asyncio
import time
import uuid

from fnolake.errors import FnolakeError
from fnolake.model import Clock, RequestRecord, StatePort
from fnolake.provider.account import Account
from fnolake.provider.base import SignInHelp
from fnolake.sync import pending


async def sign_in(account: Account, state: StatePort, clock: Clock, how: SignInHelp, *, token: str = "") -> str:
    """
    Sign in within the account's budget, and ask who it is; the outcome waits in the state drawer for the next writer.

    Args:
        account: Who signs in.
        state: Where the record waits.
        clock: Stamps it.
        how: What a person gives or is told.
        token: Adopt this one instead; it is never renewed or ended by us.

    Returns:
        Who is signed in, by the provider's word.

    Raises:
        LoginRefused: With the provider's text.
        ConfigError: Something to sign in with is missing.

    Cancel:
        Safe; recorded as failed.
    """
    provider = account.provider
    started, begun = clock.now(), time.monotonic()
    error: BaseException | None = None
    try:
        if token:
            provider.adopt(token)
        else:
            async with account.turn():
                await provider.login(how)
        async with account.turn():
            return await provider.check()
    except (FnolakeError, asyncio.CancelledError) as failed:
        error = failed
        raise
    finally:
        account.release()
        pending.remember(state, RequestRecord(
            key=uuid.uuid4().hex, provider=provider.name, account=account.name, route="sign-in", outcome="failed" if error else "answered",
            started_at=started, elapsed_s=time.monotonic() - begun, error=type(error).__name__ if error else "",
            detail=(str(error) or "stopped before it was answered")[:300] if error else "",
        ))
