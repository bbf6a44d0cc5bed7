"""
One sign-in at Acme: asks, decodes, keeps its token. Budget, retries, renewals and records are fnolake's.

Invariant: every call ends in a value or an error of the tree; the token shows in no repr and no message.
"""

from __future__ import annotations

import hashlib
import json
from datetime import date, datetime, time, timedelta
from urllib.parse import urlencode

from acme_provider import symbols, wire
from acme_provider.wire import PROVIDER, ZONE
from fnolake.errors import ConfigError, ProviderError, ProviderFault, SignInLost
from fnolake.model import BarRequest, Master, Page, RawFile, ist_date
from fnolake.provider.base import Dialect, SignInHelp
from fnolake.provider.http import MASTER_LIMIT, HttpAnswer
from fnolake.provider.registry import Setup

DIALECT = Dialect(
    name=PROVIDER,
    zone="Asia/Kolkata",  # acme.example/api#times, read 2026-11-20
    label="end",  # the same page: "a candle is stamped when it closes"
    newest_first=False,
    windows=((5, 1.0), (120, 60.0)),  # acme.example/api#limits, read 2026-11-20
    horizon_days=90,
    max_rows=2000,
    says_nothing="#rows,0",
)
REST = "https://api.acme.example/v1"


class AcmeClient:
    """A provider (``fnolake.provider.base.Provider``); ``setup.settings`` has ``rest`` and ``uid``, ``secrets`` has ``password``."""

    dialect = DIALECT

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._rest = (setup.settings.get("rest") or REST).rstrip("/")
        self._key = f"sign-in-{PROVIDER}-{setup.account}"
        self._token, self._adopted = self._recalled()

    def __repr__(self) -> str:
        return f"AcmeClient({self._setup.account!r}, signed_in={self.signed_in})"

    @property
    def name(self) -> str:
        """The provider's name."""
        return PROVIDER

    @property
    def adopted(self) -> bool:
        """Whether the sign-in is another program's."""
        return self._adopted

    @property
    def signed_in(self) -> bool:
        """Whether there is a token that has not been refused yet."""
        return bool(self._token)

    @property
    def signed_in_until(self) -> datetime | None:
        """Acme does not say."""
        return None

    # -- the sign-in ------------------------------------------------------------------------------------------------

    async def login(self, how: SignInHelp) -> None:  # noqa: ARG002 — Acme needs no person
        """Sign in with user and password. Cancel: safe; the old sign-in stays."""
        uid, password = self._setup.settings.get("uid", ""), self._setup.secrets.get("password", "")
        if not uid or not password:
            raise ConfigError(f"the Acme account {self._setup.account} lacks uid or password; run `fnolake account add` again")
        answer = await self._post("session", {"user": uid, "password": password})
        self._keep(wire.decode_sign_in(answer.body, status=answer.status), adopted=False)

    async def renew(self) -> None:
        """Sign in again, unless the sign-in is another program's."""
        if self._adopted:
            raise self._lost("the sign-in adopted from another program has ended; sign in there")
        await self.login(SignInHelp())

    def adopt(self, token: str) -> None:
        """Use another program's token."""
        self._keep(token.strip(), adopted=True)

    async def check(self) -> str:
        """Who is signed in."""
        used = self._needed()
        answer = await self._get("session", {}, used)
        try:
            return wire.decode_user(answer.body, status=answer.status)
        except SignInLost:
            self._drop(used)
            raise

    async def logout(self) -> None:
        """End the sign-in and forget it; an adopted one is only forgotten."""
        token, adopted = self._token, self._adopted
        try:
            if token and not adopted:
                await self._post("session/end", {}, token)
        finally:
            self._forget()

    def _recalled(self) -> tuple[str, bool]:
        try:
            held = json.loads(self._setup.state.load(self._key) or b"{}")
            same = held["rest"] == self._rest
            return (str(held["token"]), bool(held["adopted"])) if same else ("", False)
        except (ValueError, KeyError, TypeError):
            return "", False

    def _keep(self, token: str, *, adopted: bool) -> None:
        self._token, self._adopted = token, adopted
        self._setup.state.save(self._key, json.dumps({"token": token, "adopted": adopted, "rest": self._rest}).encode())

    def _forget(self) -> None:
        self._token, self._adopted = "", False
        self._setup.state.delete(self._key)

    def _drop(self, used: str) -> None:
        """Forget a refused token, unless a newer one has taken its place; whose it was stays known."""
        if self._token == used:
            self._token = ""
            self._setup.state.delete(self._key)

    def _lost(self, message: str) -> SignInLost:
        return SignInLost(f"{self._setup.account}: {message}", provider=PROVIDER)

    def _needed(self) -> str:
        if not self._token:
            raise self._lost(f"nobody is signed in; run `fnolake login {self._setup.account}`")
        return self._token

    # -- asking -----------------------------------------------------------------------------------------------------

    async def minutes(self, request: BarRequest) -> Page:
        """Ask once for the bars of one contract. Cancel: safe; nothing is kept."""
        used, name = self._needed(), request.contract.provider_symbol
        minute = timedelta(minutes=request.interval)
        first, last = (moment.astimezone(ZONE).strftime("%Y-%m-%d %H:%M:%S") for moment in (request.start + minute, request.end))
        answer = await self._get("bars", {"symbol": name, "from": first, "to": last}, used)
        try:
            rows = wire.decode_bars(answer.body, status=answer.status, request=f"bars {name}")
        except SignInLost:
            self._drop(used)
            raise
        return Page(request, PROVIDER, self._setup.account, self._setup.clock.now(), _hash(answer.body), rows, wire_bytes=len(answer.body))

    def master_names(self) -> tuple[str, ...]:
        """Acme's one file."""
        return (symbols.EXCHANGE,)

    async def master(self, exchange: str, day: date) -> RawFile:
        """Today's master, as fetched; no sign-in is needed."""
        answer = await self._get(f"master/{exchange}.csv", {})
        if answer.status != 200:
            raise ProviderFault(f"the master is not there now (HTTP {answer.status}); try again later", provider=PROVIDER)
        stamp = datetime.combine(day, time(), ZONE)
        return RawFile(PROVIDER, f"{exchange}.csv", stamp, answer.body, self._setup.clock.now(), _hash(answer.body))

    def decode_master(self, raw: RawFile) -> Master:
        """Listings of a fetched master."""
        return symbols.parse_master(raw.body, ist_date(raw.day or raw.fetched_at))

    def in_scope(self, masters: list[Master]) -> list[Master]:
        """The same masters without what fnolake does not capture."""
        return [symbols.in_scope(master) for master in masters]

    async def aclose(self) -> None:
        """Nothing is held: the connections are fnolake's."""

    async def _get(self, route: str, query: dict[str, str], token: str = "") -> HttpAnswer:
        url = f"{self._rest}/{route}" + (f"?{urlencode(query)}" if query else "")
        try:
            return await self._setup.http.get(url, {"X-Token": token} if token else {}, limit_bytes=_LIMITS.get(route, 1 << 24))
        except ProviderError as error:
            error.provider = PROVIDER
            raise

    async def _post(self, route: str, fields: dict[str, str], token: str = "") -> HttpAnswer:
        headers = {"Content-Type": "application/x-www-form-urlencoded"} | ({"X-Token": token} if token else {})
        try:
            return await self._setup.http.post(f"{self._rest}/{route}", urlencode(fields), headers)
        except ProviderError as error:
            error.provider = PROVIDER
            raise


_LIMITS = {f"master/{symbols.EXCHANGE}.csv": MASTER_LIMIT}


def _hash(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=16).hexdigest()
