import asyncio
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from fnolake.errors import (
    AddressNotAllowed,
    ConfigError,
    LoginRefused,
    PayloadError,
    ProviderFault,
    RateLimited,
    SignInLost,
    UnknownSymbol,
    Unreachable,
)
from fnolake.model import BarRequest, Contract
from fnolake.provider.base import Provider, SignInHelp
from fnolake.provider.firstock.client import FirstockClient
from fnolake.provider.firstock.signin import Credentials, FirstockUrls
from fnolake.provider.totp import one_time_password, sha256

KEY = "0123456789abcdef0123456789abcdef"
TOKEN, OTHER = "a1" * 32, "b2" * 32
SECRETS = ("demo-password", "JBSWY3DPEHPK3PXP", KEY, TOKEN, OTHER)
CREDENTIALS = Credentials("FN0001", "demo-password", "JBSWY3DPEHPK3PXP", api_key=KEY)
HELP = SignInHelp()
CONTRACT = Contract(1, "NSE", "FO", 44, "M&M23NOV26F", "M&M", "future", date(2026, 11, 23), None, None, 200, 10, "M&M23NOV26F")
START = datetime(2026, 3, 16, 12, 50, tzinfo=UTC)
REQUEST = BarRequest(CONTRACT, START, START + timedelta(minutes=2))
ROW = {"time": "2026-03-16T18:20:00", "epochTime": 1773665400, "open": 1, "high": 1.5, "low": 1, "close": 1, "volume": 5, "oi": 7}
LOST = '{"status":"failed","code":"401","name":"INVALID_JKEY","error":{"field":"jKey","message":"jKey parameter is invalid"}}'


def success(data: object, message: str = "") -> str:
    return json.dumps({"status": "success", "message": message, "data": data})


def failure(name: str, message: str, code: str = "401") -> str:
    return json.dumps({"status": "failed", "code": code, "name": name, "error": {"field": "", "message": message}})


SIGN_IN = success({"actid": "FN0001", "userName": "A TRADER", "susertoken": TOKEN, "email": "x@y"}, "Login successful")


@pytest.fixture
def client(broker, http, drawer, clock):
    return FirstockClient(http, FirstockUrls.of(broker.url), "mine", CREDENTIALS, drawer, clock)


@pytest.fixture
async def signed_in(client, broker):
    broker.say("login", SIGN_IN)
    await client.login(HELP)
    return client


def sent(broker) -> dict[str, str]:
    return json.loads(broker.asked[-1][1])


def test_it_is_a_provider(client):
    provider: Provider = client
    assert (provider.name, provider.dialect.newest_first, provider.adopted, provider.signed_in) == ("firstock", False, False, False)
    assert (provider.dialect.windows, provider.dialect.max_days) == (((3, 1.0),), 1)


def test_no_address_is_fixed():
    assert FirstockUrls() == FirstockUrls("https://api.firstock.in/V1", "wss://socket.firstock.in/V2/ws")
    assert FirstockUrls.of("http://127.0.0.1:9/") == FirstockUrls("http://127.0.0.1:9/V1", "ws://127.0.0.1:9/V2/ws")


async def test_a_sign_in_sends_hash_and_one_time_password_and_its_token_goes_on_every_request(client, broker, clock, drawer):
    broker.say("login", SIGN_IN)
    broker.say("timePriceSeries", success([ROW]))
    await client.login(HELP)
    assert broker.asked[-1][0] == "/V1/login"
    assert broker.asked[-1][2]["Content-Type"] == "application/json"
    assert sent(broker) == {
        "userId": "FN0001", "password": sha256("demo-password"), "TOTP": one_time_password("JBSWY3DPEHPK3PXP", clock.wall()),
        "vendorCode": "FN0001_API", "apiKey": KEY}
    assert client.sign_in.name == "A TRADER"
    page = await client.minutes(REQUEST)
    assert broker.asked[-1][0] == "/V1/timePriceSeries"
    assert sent(broker) == {
        "userId": "FN0001", "jKey": TOKEN, "exchange": "NFO", "tradingSymbol": "M&M23NOV26F", "interval": "1mi",
        "startTime": "18:19:00 16-03-2026", "endTime": "18:22:00 16-03-2026"}
    assert page.rows is not None
    assert page.rows.epoch_s.tolist() == [1773665400]
    assert (page.provider, page.account, page.wire_bytes, len(page.payload_hash)) == ("firstock", "mine", len(success([ROW])), 32)
    assert TOKEN.encode() in b"".join(drawer.held.values())


async def test_a_token_may_be_called_jkey_and_the_vendor_code_may_be_given(broker, http, drawer, clock):
    broker.say("login", success({"jKey": TOKEN}))
    client = FirstockClient(http, FirstockUrls.of(broker.url), "mine", replace(CREDENTIALS, vendor_code="V_API"), drawer, clock)
    await client.login(SignInHelp("ABCDE1234F"))
    assert client.sign_in.token == TOKEN
    assert (sent(broker)["vendorCode"], sent(broker)["TOTP"]) == ("V_API", "ABCDE1234F")


async def test_a_one_time_password_is_not_sent_in_its_last_moment(client, broker, clock):
    broker.say("login", SIGN_IN)
    clock.seconds = clock.seconds // 30 * 30 + 29
    await client.login(HELP)
    assert clock.slept == [1.0]
    assert sent(broker)["TOTP"] == one_time_password("JBSWY3DPEHPK3PXP", clock.wall())


@pytest.mark.parametrize(("body", "status", "error"), [
    (failure("INVALID_CREDENTIALS", "wrong password"), 401, LoginRefused),
    (failure("INVALID_JKEY", "odd"), 401, LoginRefused), (failure("X", "invalid character 'I' looking for value", "400"), 400, LoginRefused),
    (failure("MISSING_FIELD", "vendorCode cannot be empty", "400"), 400, LoginRefused), ("no", 401, LoginRefused),
    (failure("FORBIDDEN", "user is blocked", "403"), 403, LoginRefused),
    (failure("FORBIDDEN", "Forbidden", "403"), 403, AddressNotAllowed), ("<html>403 Forbidden</html>", 403, AddressNotAllowed),
    (failure("TOO_MANY_REQUESTS", "", "429"), 429, RateLimited), ("rate limit", 429, RateLimited),
    (failure("SERVICE_UNAVAILABLE", "scheduled maintenance", "503"), 503, ProviderFault), ("<html>", 502, ProviderFault),
    (SIGN_IN[:-5], 200, PayloadError), (SIGN_IN.replace("susertoken", "other"), 200, PayloadError), ("[]", 200, PayloadError),
    (success(None), 200, PayloadError),
])
async def test_a_refused_sign_in_says_why_and_shows_no_secret(client, broker, body, status, error):
    broker.say("login", body, status=status)
    with pytest.raises(error) as caught:
        await client.login(HELP)
    assert type(caught.value) is error
    assert not any(secret in f"{caught.value} {vars(caught.value)}" for secret in SECRETS)
    assert not client.signed_in


async def test_missing_credentials_are_named(broker, http, drawer, clock):
    def made(**given: str) -> FirstockClient:
        return FirstockClient(http, FirstockUrls.of(broker.url), "mine", Credentials("FN0001", **given), drawer, clock)

    with pytest.raises(ConfigError, match="totp_secret"):
        await made().login(HELP)
    with pytest.raises(ConfigError, match="password, api_key"):
        await made().login(SignInHelp("123456"))
    with pytest.raises(ConfigError, match="base32"):
        await made(totp_secret="not base32!").login(HELP)
    with pytest.raises(ConfigError, match="one-time password"):
        await made().login(SignInHelp("http://127.0.0.1/?code=1"))
    assert broker.asked == []


async def test_stated_nothing_is_an_empty_page_and_so_is_what_lies_only_beside_the_span(signed_in, broker):
    broker.say("timePriceSeries", success([]))
    assert (await signed_in.minutes(REQUEST)).is_empty
    broker.say("timePriceSeries", success([{**ROW, "time": "2026-03-16T18:22:00", "epochTime": 1773665520}]))
    assert (await signed_in.minutes(REQUEST)).is_empty
    broker.say("timePriceSeries", failure("RESOURCE_NOT_FOUND", "no data", "404"), status=404)
    assert (await signed_in.minutes(REQUEST)).is_empty


@pytest.mark.parametrize(("name", "status", "lost"), [
    ("INVALID_JKEY", 401, True), ("INVALID_JKEY", 403, True), ("SESSION_EXPIRED", 200, True), ("FORBIDDEN", 403, False)])
async def test_a_lost_sign_in_is_forgotten_and_another_403_is_not_one(signed_in, broker, drawer, name, status, lost):
    broker.say("timePriceSeries", failure(name, "", str(status)), status=status)
    with pytest.raises(SignInLost if lost else AddressNotAllowed) as caught:
        await signed_in.minutes(REQUEST)
    assert signed_in.signed_in is not lost
    assert (drawer.held == {}) is lost
    assert TOKEN not in f"{caught.value!r} {vars(caught.value)}"


async def test_renewal_is_automatic_but_not_for_an_adopted_token(signed_in, broker):
    broker.say("timePriceSeries", LOST, success([ROW]), status=200)
    broker.say("login", SIGN_IN.replace(TOKEN, OTHER))
    with pytest.raises(SignInLost):
        await signed_in.minutes(REQUEST)
    await signed_in.renew()
    await signed_in.minutes(REQUEST)
    assert sent(broker)["jKey"] == OTHER
    signed_in.adopt(f" {TOKEN}\n")
    assert signed_in.adopted
    with pytest.raises(SignInLost, match="--token-from"):
        await signed_in.renew()


async def test_a_sign_in_renewed_by_another_process_is_taken_over(signed_in, broker, http, drawer, clock):
    twin = FirstockClient(http, FirstockUrls.of(broker.url), "mine", CREDENTIALS, drawer, clock)
    assert twin.sign_in == signed_in.sign_in
    twin.adopt(OTHER)
    broker.say("timePriceSeries", LOST, success([ROW]))
    with pytest.raises(SignInLost):
        await signed_in.minutes(REQUEST)
    logins = [path for path, _, _ in broker.asked if path.endswith("login")]
    await signed_in.renew()
    await signed_in.minutes(REQUEST)
    assert sent(broker)["jKey"] == OTHER
    assert logins == [path for path, _, _ in broker.asked if path.endswith("login")]


async def test_a_late_loss_of_an_old_token_does_not_end_the_new_one(signed_in, broker):
    broker.say("timePriceSeries", LOST)
    broker.arrived.clear()
    asking = asyncio.ensure_future(signed_in.minutes(REQUEST))
    await broker.arrived.wait()
    signed_in.adopt(OTHER)
    with pytest.raises(SignInLost):
        await asking
    assert signed_in.signed_in


async def test_a_token_of_another_address_or_a_damaged_one_is_left_alone(signed_in, broker, http, drawer, clock):
    assert not FirstockClient(http, FirstockUrls.of("http://127.0.0.1:9"), "mine", CREDENTIALS, drawer, clock).signed_in
    for damaged in (b"{", b"[]", b"null", b'{"rest":1}', b"\xff", json.dumps({"rest": f"{broker.url}/V1"}).encode()):
        drawer.held = dict.fromkeys(drawer.held, damaged)
        assert not FirstockClient(http, FirstockUrls.of(broker.url), "mine", CREDENTIALS, drawer, clock).signed_in


async def test_logout_ends_our_sign_in_but_only_forgets_an_adopted_one(signed_in, broker, drawer):
    broker.say("logout", '{"status":"success","message":"Successfully logged out"}')
    await signed_in.logout()
    assert (broker.asked[-1][0], sent(broker)) == ("/V1/logout", {"userId": "FN0001", "jKey": TOKEN})
    assert not signed_in.signed_in
    assert drawer.held == {}
    asked = len(broker.asked)
    signed_in.adopt(OTHER)
    await signed_in.logout()
    assert (len(broker.asked), signed_in.signed_in) == (asked, False)


async def test_logout_forgets_even_when_the_broker_fails(signed_in, broker, drawer):
    broker.say("logout", "<html>", status=502)
    with pytest.raises(ProviderFault):
        await signed_in.logout()
    assert drawer.held == {}


async def test_without_a_sign_in_nothing_is_asked(client, broker):
    with pytest.raises(SignInLost, match="fnolake login mine"):
        await client.minutes(REQUEST)
    assert broker.asked == []


async def test_what_makes_no_request_is_refused_before_it_is_sent(signed_in, broker):
    asked = len(broker.asked)
    for wrong in (replace(REQUEST, end=START), replace(REQUEST, interval=7),
                  replace(REQUEST, contract=replace(CONTRACT, symbol="", provider_symbol=""))):
        with pytest.raises(ValueError):
            await signed_in.minutes(wrong)
    for call in (signed_in.quote("NSE", ""), signed_in.search(" ")):
        with pytest.raises(ValueError):
            await call
    assert len(broker.asked) == asked


async def test_a_closed_port_is_unreachable(http, drawer, clock):
    away = FirstockClient(http, FirstockUrls.of("http://127.0.0.1:9"), "mine", CREDENTIALS, drawer, clock)
    away.adopt(TOKEN)
    with pytest.raises(Unreachable) as caught:
        await away.minutes(REQUEST)
    assert caught.value.provider == "firstock"


@pytest.mark.parametrize("token", ["", "  ", "a b", "a\nb"])
def test_an_empty_token_is_not_adopted(client, token):
    with pytest.raises(ConfigError):
        client.adopt(token)


async def test_no_secret_shows_in_a_repr(signed_in, broker):
    shown = f"{signed_in!r} {signed_in} {signed_in.sign_in!r} {CREDENTIALS!r} {vars(signed_in)!r}"
    assert not any(secret in shown for secret in SECRETS)
    broker.say("timePriceSeries", f'{{"status":"success","echo":"{TOKEN}"')
    with pytest.raises(PayloadError) as caught:
        await signed_in.minutes(REQUEST)
    assert TOKEN.encode() not in caught.value.payload


@pytest.mark.parametrize("as_list", [False, True])
async def test_a_quote_is_an_object_or_a_list_of_one_in_rupees(signed_in, broker, as_list):
    told = {"exchange": "NSE", "token": "2885", "tradingSymbol": "RELIANCE-EQ", "lastTradedPrice": "1400.50", "dayOpenPrice": "1390",
            "dayHighPrice": "1405.00", "dayLowPrice": "1388.1", "dayClosePrice": "1391.00", "openInterest": "", "VWAP": "1399.9",
            "bestBuyPrice1": "1400.45", "bestSellPrice1": 1400.55, "requestTime": "10:40:21 23-04-2025"}
    broker.say("getQuote", success([told] if as_list else told))
    quote = await signed_in.quote("NSE", "RELIANCE-EQ")
    assert (quote.token, quote.last, quote.open, quote.prev_close, quote.ask) == (2885, 1400.5, 1390.0, 1391.0, 1400.55)
    assert (quote.oi, quote.volume, quote.traded_at) == (None, None, "10:40:21 23-04-2025")
    for nothing in (success([]), success(None), failure("RESOURCE_NOT_FOUND", "symbol not found", "404")):
        broker.say("getQuote", nothing)
        with pytest.raises(UnknownSymbol):
            await signed_in.quote("NSE", "NO")
    broker.say("getQuote", success("text"))
    with pytest.raises(PayloadError):
        await signed_in.quote("NSE", "NO")


async def test_a_list_in_which_no_price_has_a_dot_is_in_paise_as_the_documents_page_shows(signed_in, broker):
    told = {"exchange": "NSE", "token": "26000", "tradingSymbol": "NIFTY", "lastTradedPrice": "2417780", "dayOpenPrice": "2410000"}
    broker.say("getQuote", success([told]))
    quote = await signed_in.quote("NSE", "NIFTY")
    assert (quote.last, quote.open, quote.high) == (24177.8, 24100.0, None)
    broker.say("getQuote", success(told))
    assert (await signed_in.quote("NSE", "NIFTY")).last == 2417780.0


async def test_a_search_keeps_the_brokers_order(signed_in, broker):
    broker.say("searchScrips", success([
        {"token": "1660", "exchange": "NSE", "companyName": "ITC LTD", "instrumentName": "Equity", "tradingSymbol": "ITC-EQ"}, 7]))
    hits = await signed_in.search("ITC")
    assert [(h.exchange, h.token, h.symbol, h.instrument) for h in hits] == [("NSE", "1660", "ITC-EQ", "Equity")]
    assert sent(broker)["stext"] == "ITC"
    for nothing in (success([]), success(None), failure("RESOURCE_NOT_FOUND", "no data", "404")):
        broker.say("searchScrips", nothing)
        assert await signed_in.search("NO") == []
    broker.say("searchScrips", success({}))
    with pytest.raises(PayloadError):
        await signed_in.search("NO")


async def test_check_says_who_is_signed_in(signed_in, broker):
    told = {"actid": "FN0001", "email": "x@y", "exchange": ["NFO", "NSE"], "userName": "A TRADER"}
    broker.say("userDetails", success(told))
    assert await signed_in.check() == "A TRADER"
    assert (await signed_in.user_details()).exchanges == ("NFO", "NSE")
    broker.say("userDetails", success([{"actid": "FN0001"}]))
    assert await signed_in.check() == "FN0001"
    broker.say("userDetails", LOST, status=401)
    with pytest.raises(SignInLost):
        await signed_in.check()
    assert not signed_in.signed_in


async def test_masters_need_no_sign_in_and_are_kept_as_fetched(client, broker):
    text = b"\xef\xbb\xbfExchange,Token,LotSize,TradingSymbol,CompanyName,ISIN,TickSize,FreezeQty\nNSE,26000,0,NIFTY,NIFTY,,0,0\n"
    broker.say("NSE", text)
    raw = await client.master("NSE", date(2026, 11, 20))
    assert (broker.asked[-1][0], broker.asked[-1][1]) == ("/V1/symbols/NSE", b"")
    assert (raw.body, raw.name, raw.provider) == (text, "NSE_symbols.csv", "firstock")
    master = client.decode_master(raw)
    assert (master.exchange, master.day, master.listings["symbol"].to_list()) == ("NSE", date(2026, 11, 20), ["NIFTY"])
    assert client.master_names() == ("NSE", "BSE", "NFO", "BFO", "Indices")
    for body, status in (("<html>", 200), ("", 200), ("Exchange,", 503)):
        broker.say("NSE", body, status=status)
        with pytest.raises(ProviderFault, match="try again"):
            await client.master("NSE", date(2026, 11, 20))
