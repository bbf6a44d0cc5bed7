"""
One Shoonya sign-in: asks, decodes, and keeps its token. Both generations (OAuth and legacy).

Budget, retries, breaker and records are ``account``'s. Invariant: every call ends in a value or an error of the tree,
and the token appears in no repr, message or file but the state drawer.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from functools import partial
from typing import Any

from fnolake.errors import LoginRefused, ProviderFault
from fnolake.model import IST, BarRequest, Clock, Master, Page, RawFile, StatePort, ist_date, payload_hash
from fnolake.provider.base import Dialect, SignInHelp
from fnolake.provider.broker import BrokerClient, to_adopt
from fnolake.provider.http import MASTER_LIMIT, Http, HttpAnswer
from fnolake.provider.scope import exchange_of
from fnolake.provider.shoonya import answers, login, signin, symbols, wire
from fnolake.provider.shoonya.answers import SignIn
from fnolake.provider.shoonya.feed import FACTS, ShoonyaFeed
from fnolake.provider.shoonya.refusal import PROVIDER
from fnolake.provider.shoonya.signin import LEGACY, Credentials, ShoonyaUrls
from fnolake.provider.snapshot import Hit, Quote, UserDetails
from fnolake.provider.socketfeed import PING_S, closed_unless_done
from fnolake.provider.stream import Feed, FeedFacts
from fnolake.provider.tokens import Tokens
from fnolake.provider.totp import fresh_password

DIALECT = Dialect(
    name=PROVIDER,
    zone="Asia/Kolkata",
    label="start",  # first bar 09:15:00, last 15:29: public captures of 2024 to 2026
    newest_first=True,
    windows=((20, 1.0), (200, 60.0)),  # github.com/Shoonya-Dev/ShoonyaApi-py/issues/146, 2024-03-20
    horizon_days=300,  # github.com/Shoonya-Dev/ShoonyaApi-py/issues/215, 2026-01-14: about ten months
    max_rows=4000,  # long spans end in 504; 5-day chunks of minutes are known to pass
    says_nothing='{"stat":"Not_Ok","emsg":"Error Occurred : 5 \\"no data\\""}',
)
_MASTERS = ("NSE", "NFO", "BSE", "BFO", "CDS", "MCX", "NCX")


class ShoonyaClient(BrokerClient[SignIn]):
    """
    A provider (``provider.base.Provider``) with Shoonya's sign-ins and snapshots on top.

    Args:
        http: Open; it is not closed here.
        urls: Addresses and generation.
        account_name: The user's name for this account, used in messages and as the key of its state.
        credentials: What it signs in with.
        state: Where the token lives between runs.
        clock: ``now`` stamps what is fetched; ``wall`` makes one-time passwords.
    """

    dialect = DIALECT
    feed_facts: FeedFacts = FACTS

    def __init__(
        self, http: Http, urls: ShoonyaUrls, account_name: str, credentials: Credentials, state: StatePort,
        clock: Clock,
    ) -> None:
        made_for = {"generation": urls.generation, "rest": urls.rest}
        tokens = Tokens(state, f"sign-in-{PROVIDER}-{account_name}", made_for, _pack, _unpack)
        super().__init__(http, account_name, credentials.uid, tokens, clock)
        self._urls = urls
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"ShoonyaClient({self._account!r}, {self._urls.generation}, signed_in={self.signed_in})"

    @property
    def signed_in_until(self) -> datetime | None:
        """When the token ends by the broker's word, aware; None where it does not say."""
        return self.sign_in.expires_at if self.sign_in else None

    # -- signing in ---------------------------------------------------------------------------------------------

    def authorize_url(self, state: str = "") -> str:
        """Where the user's browser signs in (OAuth); ``state`` ties the answer to this attempt."""
        return signin.authorize_url(self._urls, self._credentials, state)

    async def login(self, how: SignInHelp) -> None:
        """Sign in as the account's generation does, see ``login.by_browser`` and :meth:`login_legacy`."""
        if self._urls.generation == LEGACY:
            await self.login_legacy()
        else:
            await login.by_browser(self, how)

    async def login_with_code(self, code: str, *, state: str = "") -> SignIn:
        """
        Trade a code, or the pasted address that holds it, for a token (OAuth). A code works once.

        Raises:
            LoginRefused: With the provider's text; or the token is another user's.
        """
        fields = signin.code_fields(self._credentials, signin.code_from(code, state))
        answer = await self._post("GenAcsTok", fields)
        return self._accept(answers.sign_in(answer.body, status=answer.status, oauth=True))

    async def login_legacy(self, otp: str = "") -> SignIn:
        """
        Sign in by QuickAuth with a one-time password, made from the TOTP secret unless given.

        Raises:
            LoginRefused: With the provider's text. It is not tried again: wrong passwords block an account.
            ConfigError: Something to sign in with is missing.
        """
        if not otp:
            self._credentials.need("totp_secret")
            otp = await fresh_password(self._credentials.totp_secret, self._clock)
        answer = await self._post("QuickAuth", signin.quick_auth_fields(self._credentials, otp))
        return self._accept(answers.sign_in(answer.body, status=answer.status, oauth=False))

    def adopt(self, token: str, uid: str = "") -> None:
        """Use a token that another program's sign-in made. It is never renewed or ended from here."""
        uid, given = uid or self._credentials.uid, to_adopt(token)
        self._tokens.keep(SignIn(uid, uid, given, given), adopted=True)

    async def _sign_in_again(self) -> None:
        if self._urls.generation != LEGACY:
            raise self._lost(f"the sign-in has ended; run `fnolake login {self._account}`")
        await self.login_legacy()

    async def _end_sign_in(self) -> None:
        await self._ask("Logout", {"ordersource": "API"}, wire.decode_object)

    def _accept(self, sign_in: SignIn) -> SignIn:
        if sign_in.uid.upper() != self._credentials.uid.upper():
            raise LoginRefused(
                f"the browser signed in another user than {self._credentials.uid}; sign in as that user, or add an "
                "account for the other", provider=PROVIDER, request="GenAcsTok")
        self._tokens.keep(sign_in, adopted=False)
        return sign_in

    async def open_feed(self) -> Feed:
        """A connection of the live feed, signed in, see ``provider.stream.Streams``."""
        used = self._present()
        with self._named():
            socket = await self._http.socket(self._urls.socket, ping_s=PING_S)
        feed = ShoonyaFeed(socket, self.feed_facts, PROVIDER, self._clock, partial(self._tokens.drop, used))
        async with closed_unless_done(feed):
            await feed.welcome(used, legacy=self._urls.generation == LEGACY)
        return feed

    # -- asking -----------------------------------------------------------------------------------------------------

    async def minutes(self, request: BarRequest) -> Page:
        """
        Ask TPSeries once for the bars of one contract.

        Raises:
            ProviderError: Classed by the body; SignInLost also where nobody has signed in.

        Cancel:
            Safe; nothing is kept.
        """
        exchange = exchange_of(request.contract)
        label = f"TPSeries {exchange}|{request.contract.token} {request.contract.symbol}"
        fields = wire.tpseries_fields(
            "", exchange, request.contract.token, (request.start, request.end), request.interval)
        answer, rows = await self._ask("TPSeries", fields, wire.decode_tpseries, label)
        return Page(
            request, PROVIDER, self._account, self._clock.now(), payload_hash(answer.body), rows,
            wire_bytes=len(answer.body),
        )

    def master_names(self) -> tuple[str, ...]:
        """The exchanges whose masters are published."""
        return _MASTERS

    async def master(self, exchange: str, day: date) -> RawFile:
        """
        Today's master of one exchange, as fetched; public, no sign-in. The broker keeps no older ones.

        Raises:
            ProviderFault: It is not there now, or what came is no zip.
        """
        name = f"{exchange}_symbols.txt.zip"
        with self._named():
            answer = await self._http.get(f"{self._urls.masters.rstrip('/')}/{name}", limit_bytes=MASTER_LIMIT)
        if answer.status != 200 or answer.body[:2] != b"PK":
            raise ProviderFault(f"{name} is not there now (HTTP {answer.status}, {len(answer.body)} bytes); it is "
                                "refreshed before the market opens, try again later", provider=PROVIDER, request=name)
        stamp = datetime.combine(day, time(), IST)
        return RawFile(PROVIDER, name, stamp, answer.body, self._clock.now(), payload_hash(answer.body))

    async def masters(self, day: date) -> list[RawFile]:
        """All masters, one after the other; errors as for :meth:`master`."""
        return [await self.master(exchange, day) for exchange in _MASTERS]

    def decode_master(self, raw: RawFile) -> Master:
        """Listings of a fetched master; errors as for ``symbols.parse_master``."""
        return symbols.parse_master(raw.name.partition("_")[0], raw.body, ist_date(raw.day or raw.fetched_at))

    async def quote(self, exchange: str, token: int) -> Quote:
        """A snapshot of one instrument, by the broker's exchange word. Raises UnknownSymbol."""
        fields = {"exch": exchange, "token": str(token)}
        return (await self._ask("GetQuotes", fields, answers.quote, f"GetQuotes {exchange}|{token}"))[1]

    async def search(self, exchange: str, text: str) -> list[Hit]:
        """Instruments whose symbols hold every word of ``text``, in the broker's order; empty if none."""
        return (await self._ask("SearchScrip", {"exch": exchange, "stext": text}, answers.search))[1]

    async def user_details(self) -> UserDetails:
        """Who is signed in; raises SignInLost where nobody is, so it proves a sign-in."""
        return (await self._ask("UserDetails", {}, answers.user_details))[1]

    async def _send(self, route: str, fields: Mapping[str, str], sign_in: SignIn) -> HttpAnswer:
        return await self._post(route, {**fields, "uid": sign_in.uid}, token=sign_in.token)

    async def _post(self, route: str, fields: Mapping[str, str], *, token: str = "") -> HttpAnswer:
        legacy = self._urls.generation == LEGACY
        headers = {"Content-Type": "text/plain"}
        if token and not legacy:
            headers["Authorization"] = f"Bearer {token}"
        body = wire.encode_request(fields, session_key=token if legacy else "")
        with self._named():
            return await self._http.post(f"{self._urls.rest.rstrip('/')}/{route}", body, headers)


def _pack(sign_in: SignIn) -> dict[str, object]:
    expires = sign_in.expires_at.timestamp() if sign_in.expires_at else None
    return {
        "uid": sign_in.uid, "actid": sign_in.actid, "token": sign_in.token, "name": sign_in.name,
        "socket_token": sign_in.socket_token, "exchanges": sign_in.exchanges, "expires": expires,
    }


def _unpack(held: Mapping[str, Any]) -> SignIn:
    expires = datetime.fromtimestamp(held["expires"], UTC) if held["expires"] else None
    return SignIn(held["uid"], held["actid"], held["token"], held["socket_token"], held["name"],
                  tuple(held["exchanges"]), expires)
