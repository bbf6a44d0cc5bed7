"""
Signing in with whatever the account's generation needs: a one-time password, or a person at a browser.

Invariant: the listener for the browser is open before the address is shown, and closed when this returns.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from fnolake.errors import LoginRefused
from fnolake.provider.base import SignInHelp
from fnolake.provider.shoonya.refusal import PROVIDER
from fnolake.provider.shoonya.signin_callback import CallbackListener

if TYPE_CHECKING:
    from fnolake.provider.shoonya.client import ShoonyaClient

REDIRECT = "http://127.0.0.1:8765/callback"
"""What ``init`` tells the user to register with the broker."""


async def by_browser(client: ShoonyaClient, how: SignInHelp) -> None:
    """
    Show the broker's page, wait for the browser to come back, trade the code.

    Raises:
        LoginRefused: The broker's refusal, or nobody came within ``how.patience_s``.
        ConfigError: The redirect address is not on this machine, or its port is taken.

    Cancel:
        Safe; the listener is closed.
    """
    if how.code:
        await client.login_with_code(how.code, state=how.state)
        return
    async with CallbackListener(how.redirect or REDIRECT, state=how.state) as listener:
        address = client.authorize_url(listener.state)
        how.on_address(address)
        if how.open_browser is not None:
            await asyncio.to_thread(how.open_browser, address)
        try:
            async with asyncio.timeout(how.patience_s):
                code = await listener.code()
        except TimeoutError as error:
            raise LoginRefused(
                f"nobody signed in within {how.patience_s / 60:.0f} minutes; run it again, or paste the redirected address: "
                f"fnolake login {client.account_name} --code 'http://…'", provider=PROVIDER, request="authorize",
            ) from error
        await client.login_with_code(code, state=listener.state)
