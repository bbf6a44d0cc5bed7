"""
The demo user's browser: opens an authorize address, signs in on its form, follows the way back.

Used as ``$BROWSER`` by the demo: ``python -m fnolake.emulator browser URL``.
"""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import urljoin

import aiohttp

from fnolake.emulator.config import Demo
from fnolake.emulator.totp import one_time_password

_ACTION = re.compile(r'<form[^>]*action="([^"]*)"')


class BrowserError(Exception):
    """The page did not let the demo user in; the message holds what it said."""


async def sign_in(url: str, demo: Demo | None = None, *, timeout_s: float = 20.0) -> str:
    """
    Sign the demo user in and return the address that the redirect led to (with ``code`` and ``state``).

    Raises:
        BrowserError: There is no form, or the credentials were refused.
        aiohttp.ClientError: The page or the callback cannot be reached.
    """
    demo = demo or Demo()
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=timeout_s)) as session:
        async with session.get(url) as page:
            found = _ACTION.search(await page.text())
        if found is None:
            raise BrowserError(f"no sign-in form at {url}")
        form = {
            "lgnusrid": demo.uid, "lgnpwd": demo.password, "lgnotp": one_time_password(demo.totp_secret),
        }
        action = urljoin(url, unescape(found[1]))
        async with session.post(action, data=form, allow_redirects=False) as answer:
            target = answer.headers.get("Location", "")
            if not target:
                raise BrowserError(f"not let in: {re.sub('<[^>]+>', ' ', await answer.text()).split()}")
        async with session.get(target) as landed:
            await landed.read()
    return target
