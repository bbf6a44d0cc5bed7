"""
One Firstock sign-in: asks, decodes, and keeps its token.

Budget, retries, breaker and records are ``account``'s. Invariant: every call ends in a value or an error of the tree,
and the token appears in no repr, message or file but the state drawer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import partial
from typing import Any

from fnolake.errors import ConfigError, ProviderFault
from fnolake.model import IST, BarRequest, Clock, Master, Page, RawFile, StatePort, ist_date, payload_hash
from fnolake.provider.base import Dialect, SignInHelp
from fnolake.provider.broker import BrokerClient, to_adopt
from fnolake.provider.firstock import answers, signin, symbols, wire
from fnolake.provider.firstock.answers import SignIn
from fnolake.provider.firstock.feed import FACTS, FirstockFeed, address
from fnolake.provider.firstock.refusal import PROVIDER
from fnolake.provider.firstock.signin import Credentials, FirstockUrls
from fnolake.provider.http import MASTER_LIMIT, Http, HttpAnswer
from fnolake.provider.scope import exchange_of
from fnolake.provider.snapshot import Hit, Quote, UserDetails
from fnolake.provider.socketfeed import PING_S, closed_unless_done
from fnolake.provider.stream import Feed, FeedFacts
from fnolake.provider.tokens import Tokens
from fnolake.provider.totp import fresh_password

DIALECT = Dialect(
    name=PROVIDER,
    zone="Asia/Kolkata",
    label="start",  # firstock.in/api/docs "Time Price Regular Interval", 2026-11-20: epoch 1739159100 is 09:15 IST
    newest_first=False,  # the documents' samples ascend; older generations did not, and normalize sorts
    windows=((3, 1.0),),  # firstock.in/api/docs "Rate limits", 2026-11-20: historical candles 3/s, others 10/s
    horizon_days=300,  # a guess, Shoonya's: no number is published, and "ten years" in OpenAlgo has no source
    max_rows=4000,
    says_nothing='{"status":"success","message":"…","data":[]}',  # OpenAlgo, 2026-08; null and 404 are taken alike
    max_days=1,  # OpenAlgo commits 2ea2412ac and 95f17cf04, 2025-07: longer spans of minutes timed out
)
_MASTERS = ("NSE", "BSE", "NFO", "BFO", "Indices")
_OTP = re.compile(r"[A-Za-z0-9]{4,20}")


class FirstockClient(BrokerClient[SignIn]):
    """
    A provider (``provider.base.Provider``) with Firstock's snapshots on top.

    Args:
        http: Open; it is not closed here.
        urls: Addresses.
        account_name: The user's name for this account, used in messages and as the key of its state.
        credentials: What it signs in with.
        state: Where the token lives between runs.
        clock: ``now`` stamps what is fetched; ``wall`` makes one-time passwords.
    """

    dialect = DIALECT
    feed_facts: FeedFacts = FACTS

    def __init__(
        self, http: Http, urls: FirstockUrls, account_name: str, credentials: Credentials, state: StatePort, clock: Clock,
    ) -> None:
        tokens = Tokens(state, f"sign-in-{PROVIDER}-{account_name}", {"rest": urls.rest}, _pack, _unpack)
        super().__init__(http, account_name, credentials.uid, tokens, clock)
        self._urls = urls
        self._credentials = credentials

    def __repr__(self) -> str:
        return f"FirstockClient({self._account!r}, signed_in={self.signed_in})"

    @property
    def signed_in_until(self) -> datetime | None:
        """None: a token is good for the trading day, and the hour of its end is not documented."""
        return None

    # -- signing in ---------------------------------------------------------------------------------------------

    async def login(self, how: SignInHelp) -> None:
        """
        Sign in with a one-time password: ``how.code`` where given, else made from the TOTP secret.

        Raises:
            LoginRefused: With the provider's text. It is not tried again: wrong passwords block an account.
            AddressNotAllowed: Firstock refuses the sign-in already from an address that is not registered.
            ConfigError: Something to sign in with is missing, or the code is no one-time password.
        """
        otp = how.code.strip()
        if otp and not _OTP.fullmatch(otp):
            raise ConfigError("Firstock has no sign-in page; --code takes a one-time password, or leave it out")
        if not otp:
            self._credentials.need("totp_secret")
            otp = await fresh_password(self._credentials.totp_secret, self._clock)
        answer = await self._post("login", signin.login_fields(self._credentials, otp))
        found = answers.sign_in(answer.body, status=answer.status)
        self._tokens.keep(SignIn(self._credentials.uid, found.token, found.name), adopted=False)

    def adopt(self, token: str) -> None:
        """Use a token that another program's sign-in made. It is never renewed or ended from here."""
        self._tokens.keep(SignIn(self._credentials.uid, to_adopt(token)), adopted=True)

    async def _sign_in_again(self) -> None:
        await self.login(SignInHelp())

    async def _end_sign_in(self) -> None:
        await self._ask("logout", {}, wire.decode_envelope)

    async def open_feed(self) -> Feed:
        """A connection of the live feed, signed in, see ``provider.stream.Streams``."""
        used = self._present()
        with self._named():
            socket = await self._http.socket(address(self._urls.socket, used), ping_s=PING_S)
        feed = FirstockFeed(socket, self.feed_facts, PROVIDER, self._clock, partial(self._tokens.drop, used))
        async with closed_unless_done(feed):
            await feed.welcome()
        return feed

    # -- asking -----------------------------------------------------------------------------------------------------

    async def minutes(self, request: BarRequest) -> Page:
        """
        Ask timePriceSeries once for the bars of one contract; ``interval`` may be any of ``wire.INTERVALS``.

        Raises:
            ProviderError: Classed by the body; SignInLost also where nobody has signed in.
            ValueError: Before anything is sent: the span, interval or symbol makes no request.

        Cancel:
            Safe; nothing is kept.
        """
        exchange, symbol = exchange_of(request.contract), symbols.trading_symbol(request.contract)
        span = (request.start, request.end)
        fields = wire.series_fields(exchange, symbol, span, request.interval)
        label = f"timePriceSeries {exchange}:{symbol}"
        answer, rows = await self._ask("timePriceSeries", fields, wire.decode_series, label)
        kept = None if rows is None else wire.cut(rows, span, request.interval)
        return Page(
            request, PROVIDER, self._account, self._clock.now(), payload_hash(answer.body), kept, wire_bytes=len(answer.body),
        )

    def master_names(self) -> tuple[str, ...]:
        """The masters that are published; ``Indices`` repeats the index derivatives of NFO and BFO."""
        return _MASTERS

    async def master(self, exchange: str, day: date) -> RawFile:
        """
        Today's master, as fetched; public, no sign-in. The broker keeps no older ones.

        Raises:
            ProviderFault: It is not there now, or what came is no table.
        """
        with self._named():
            answer = await self._http.get(f"{self._urls.rest.rstrip('/')}/symbols/{exchange}", limit_bytes=MASTER_LIMIT)
        if answer.status != 200 or not answer.body[:16].lstrip(b"\xef\xbb\xbf \r\n").startswith(b"Exchange"):
            raise ProviderFault(f"the {exchange} master is not there now (HTTP {answer.status}, {len(answer.body)} bytes); "
                                "try again later", provider=PROVIDER, request=f"symbols/{exchange}")
        stamp = datetime.combine(day, time(), IST)
        return RawFile(PROVIDER, f"{exchange}_symbols.csv", stamp, answer.body, self._clock.now(), payload_hash(answer.body))

    def decode_master(self, raw: RawFile) -> Master:
        """Listings of a fetched master; errors as for ``symbols.parse_master``."""
        return symbols.parse_master(raw.name.partition("_")[0], raw.body, ist_date(raw.day or raw.fetched_at))

    async def quote(self, exchange: str, symbol: str) -> Quote:
        """A snapshot of one instrument, in rupees. Raises UnknownSymbol; ValueError for an empty symbol."""
        if not exchange.strip() or not symbol.strip():
            raise ValueError("a quote needs an exchange and a trading symbol; both must not be empty")
        fields = {"exchange": exchange, "tradingSymbol": symbol}
        return (await self._ask("getQuote", fields, answers.quote, f"getQuote {exchange}:{symbol}"))[1]

    async def search(self, words: str) -> list[Hit]:
        """Instruments that match, in the broker's order; empty if none. Of options the symbols cannot be asked with."""
        if not words.strip():
            raise ValueError("a search needs a word")
        return (await self._ask("searchScrips", {"stext": words}, answers.search))[1]

    async def user_details(self) -> UserDetails:
        """Who is signed in; raises SignInLost where nobody is, so it proves a sign-in."""
        return (await self._ask("userDetails", {}, answers.user_details))[1]

    async def _send(self, route: str, fields: Mapping[str, str], sign_in: SignIn) -> HttpAnswer:
        return await self._post(route, {"userId": sign_in.uid, **fields, "jKey": sign_in.token})

    async def _post(self, route: str, fields: Mapping[str, str]) -> HttpAnswer:
        body = wire.encode_request(fields)
        with self._named():
            return await self._http.post(f"{self._urls.rest.rstrip('/')}/{route}", body, {"Content-Type": "application/json"})


def _pack(sign_in: SignIn) -> dict[str, object]:
    return {"uid": sign_in.uid, "token": sign_in.token, "name": sign_in.name}


def _unpack(held: Mapping[str, Any]) -> SignIn:
    return SignIn(str(held["uid"]), str(held["token"]), str(held["name"]))
