import asyncio
import io
import json
import zipfile
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
    SpanTimeout,
    UnknownSymbol,
    Unreachable,
)
from fnolake.model import BarRequest, Contract
from fnolake.provider.base import Provider
from fnolake.provider.scope import exchange_of
from fnolake.provider.shoonya.client import ShoonyaClient
from fnolake.provider.shoonya.signin import LEGACY, OAUTH, Credentials, ShoonyaUrls
from fnolake.provider.totp import one_time_password, sha256

SECRETS = ("demo-password", "demo-secret", "JBSWY3DPEHPK3PXP", "the-token", "another-token")
CREDENTIALS = Credentials("FN0001", secret_code="demo-secret", password="demo-password",
                          totp_secret="JBSWY3DPEHPK3PXP", api_secret="demo-secret")
TOKEN = json.dumps({
    "USERID": "FN0001", "access_token": "the-token", "expires_in": "1802776000", "refresh_token": "r", "actid": "FN0001",
    "uname": "A TRADER", "stat": "Ok", "susertoken": "socket-token", "uid": "FN0001", "exarr": ["NSE", "NFO"]})
QUICK = json.dumps({"stat": "Ok", "request_time": "1", "susertoken": "the-token", "actid": "FN0001", "uname": "A"})
LOST = '{"stat":"Not_Ok","emsg":"Session Expired :  Invalid Session Key"}'
NO_DATA = '{"stat":"Not_Ok","request_time":"1","emsg":"Error Occurred : 5 \\"no data\\""}'
ROW = ('[{"stat":"Ok","time":"16-03-2026 18:20:00","ssboe":"1773665400","into":"1.00","inth":"1.00","intl":"1.00",'
       '"intc":"1.00","intvwap":"1.00","intv":"5","intoi":"0","v":"5","oi":"7"}]')
CONTRACT = Contract(1, "NSE", "FO", 44, "M&M23NOV26F", "M&M", "future", date(2026, 11, 23), None, None, 200, 10,
                    "M&M23NOV26F")
START = datetime(2026, 3, 16, 12, 50, tzinfo=UTC)
REQUEST = BarRequest(CONTRACT, START, START + timedelta(minutes=1))


@pytest.fixture
def client(broker, http, drawer, clock):
    return ShoonyaClient(http, ShoonyaUrls.of(OAUTH, broker.url), "mine", CREDENTIALS, drawer, clock)


@pytest.fixture
def legacy(broker, http, drawer, clock):
    return ShoonyaClient(http, ShoonyaUrls.of(LEGACY, broker.url), "mine", CREDENTIALS, drawer, clock)


@pytest.fixture
def signed_in(client):
    client.adopt("the-token", "FN0001")
    client._tokens.adopted = False
    return client


def sent(body: bytes) -> dict[str, str]:
    return json.loads(body.removeprefix(b"jData=").partition(b"&jKey=")[0])


def test_it_is_a_provider(client):
    provider: Provider = client
    assert (provider.name, provider.dialect.newest_first, provider.adopted) == ("shoonya", True, False)


def test_no_address_is_fixed():
    assert ShoonyaUrls().rest == "https://api.shoonya.com/NorenWClientAPI/"
    assert ShoonyaUrls.of(LEGACY).socket == "wss://api.shoonya.com/NorenWSTP/"
    assert ShoonyaUrls.of(OAUTH) == ShoonyaUrls()
    assert ShoonyaUrls.of(OAUTH, "http://127.0.0.1:9/").socket == "ws://127.0.0.1:9/NorenWSAPI/"
    with pytest.raises(ConfigError):
        ShoonyaUrls(generation="third")


async def test_a_code_becomes_a_token_that_goes_on_every_request(client, broker, drawer):
    broker.say("GenAcsTok", TOKEN)
    broker.say("TPSeries", ROW)
    sign_in = await client.login_with_code("abcd-1234-code")
    path, body, headers = broker.asked[-1]
    assert path == "/NorenWClientAPI/GenAcsTok"
    assert sent(body) == {"code": "abcd-1234-code", "uid": "FN0001",
                          "checksum": sha256("FN0001_Udemo-secretabcd-1234-code")}
    assert "Authorization" not in headers
    assert (sign_in.uid, sign_in.exchanges, sign_in.expires_at) == (
        "FN0001", ("NSE", "NFO"), datetime.fromtimestamp(1802776000, UTC))
    await client.minutes(REQUEST)
    assert broker.asked[-1][2]["Authorization"] == "Bearer the-token"
    assert b"jKey" not in broker.asked[-1][1]
    assert b"the-token" in b"".join(drawer.held.values())


async def test_a_pasted_address_is_as_good_as_a_code(client, broker):
    broker.say("GenAcsTok", TOKEN)
    await client.login_with_code("http://127.0.0.1:8765/callback?code=abcd-1234&state=s", state="s")
    assert sent(broker.asked[-1][1])["code"] == "abcd-1234"
    with pytest.raises(LoginRefused, match="another sign-in"):
        await client.login_with_code("http://127.0.0.1:8765/callback?code=abcd-1234&state=x", state="s")


async def test_quick_auth_sends_hashes_and_a_one_time_password(legacy, broker, clock):
    broker.say("QuickAuth", QUICK)
    broker.say("UserDetails", '{"stat":"Ok","uid":"FN0001","uname":"A","exarr":["NSE"],"brkname":"FINV"}')
    await legacy.login_legacy()
    path, body, _ = broker.asked[-1]
    assert path == "/NorenWClientTP/QuickAuth"
    assert sent(body) == {
        "source": "API", "apkversion": "1.0.0", "uid": "FN0001", "pwd": sha256("demo-password"), "vc": "FN0001_U",
        "appkey": sha256("FN0001|demo-secret"), "imei": "abc1234",
        "factor2": one_time_password("JBSWY3DPEHPK3PXP", clock.wall())}
    assert (await legacy.user_details()).exchanges == ("NSE",)
    assert broker.asked[-1][1].endswith(b"&jKey=the-token")
    assert "Authorization" not in broker.asked[-1][2]


async def test_a_one_time_password_is_not_sent_in_its_last_moment(legacy, broker, clock):
    broker.say("QuickAuth", QUICK)
    clock.seconds = 1_795_000_019.0 // 30 * 30 + 29
    await legacy.login_legacy()
    assert clock.slept == [1.0]
    assert sent(broker.asked[-1][1])["factor2"] == one_time_password("JBSWY3DPEHPK3PXP", clock.wall())


@pytest.mark.parametrize("emsg", ["Invalid Input : Invalid OTP", "Invalid Input :  Invalid Vendor code",
                                  "Invalid Input : Wrong Password", "INVALID_VERIFIER", "Something new"])
async def test_a_refused_sign_in_carries_the_brokers_text_and_no_secret(client, legacy, broker, emsg):
    for route in ("QuickAuth", "GenAcsTok"):
        broker.say(route, json.dumps({"stat": "Not_Ok", "emsg": emsg}), status=400)
    for call in (legacy.login_legacy, lambda: client.login_with_code("abcd-1234")):
        with pytest.raises(LoginRefused) as caught:
            await call()
        assert emsg in str(caught.value)
        assert not any(secret in str(caught.value) for secret in SECRETS)
    assert not client.signed_in


async def test_a_sign_in_of_another_user_is_refused(client, broker):
    broker.say("GenAcsTok", TOKEN.replace("FN0001", "ZZ9999"))
    with pytest.raises(LoginRefused, match="another user"):
        await client.login_with_code("abcd-1234")
    assert not client.signed_in


async def test_a_broken_sign_in_answer_keeps_no_bytes(client, broker):
    for body in (TOKEN[:-5], TOKEN.replace("access_token", "other"), "[]"):
        broker.say("GenAcsTok", body)
        with pytest.raises(PayloadError) as caught:
            await client.login_with_code("abcd-1234")
        assert caught.value.payload == b""


async def test_an_unregistered_address_is_named_even_at_sign_in(client, broker):
    broker.say("GenAcsTok", '{"stat":"Not_Ok","emsg":"Invalid IP"}')
    with pytest.raises(AddressNotAllowed, match="static IP"):
        await client.login_with_code("abcd-1234")


async def test_missing_credentials_are_named(broker, http, drawer, clock):
    bare = ShoonyaClient(http, ShoonyaUrls.of(LEGACY, broker.url), "mine", Credentials("FN0001"), drawer, clock)
    with pytest.raises(ConfigError, match="totp_secret"):
        await bare.login_legacy()
    with pytest.raises(ConfigError, match="password, api_secret"):
        await bare.login_legacy("123456")
    odd = Credentials("FN0001", password="p", api_secret="s", totp_secret="not base32!")
    with pytest.raises(ConfigError, match="base32"):
        await ShoonyaClient(http, ShoonyaUrls.of(LEGACY, broker.url), "mine", odd, drawer, clock).login_legacy()


async def test_minutes_are_a_page_with_provenance(signed_in, broker):
    broker.say("TPSeries", ROW)
    page = await signed_in.minutes(REQUEST)
    assert page.rows is not None
    assert page.rows.epoch_s.tolist() == [1773665400]
    assert (page.provider, page.account, page.wire_bytes, len(page.payload_hash)) == ("shoonya", "mine", len(ROW), 32)
    assert sent(broker.asked[-1][1]) == {"ordersource": "API", "uid": "FN0001", "exch": "NFO", "token": "44",
                                         "st": "1773665400.0", "et": "1773665459.0", "intrv": "1"}


async def test_stated_nothing_is_an_empty_page(signed_in, broker):
    broker.say("TPSeries", NO_DATA)
    assert (await signed_in.minutes(REQUEST)).is_empty


@pytest.mark.parametrize(("body", "status", "error"), [
    (LOST, 200, SignInLost), (LOST, 401, SignInLost), ('{"stat":"Not_Ok","emsg":"Server Timeout :   "}', 200, SpanTimeout),
    ("<html>502</html>", 502, ProviderFault), ("", 200, ProviderFault), ("{cut", 200, PayloadError),
    ('{"stat":"Not_Ok","emsg":"... exceeds Limit 20 for user"}', 200, RateLimited),
    ('{"stat":"Not_Ok","emsg":"IP not allowed"}', 403, AddressNotAllowed)])
async def test_failures_are_errors_and_never_pages(signed_in, broker, body, status, error):
    broker.say("TPSeries", body, status=status)
    with pytest.raises(error) as caught:
        await signed_in.minutes(REQUEST)
    assert type(caught.value) is error
    assert caught.value.provider == "shoonya"
    assert "the-token" not in f"{caught.value!r} {caught.value.__dict__}"


async def test_a_closed_port_is_unreachable(http, drawer, clock):
    away = ShoonyaClient(http, ShoonyaUrls.of(OAUTH, "http://127.0.0.1:9"), "mine", CREDENTIALS, drawer, clock)
    away.adopt("the-token")
    with pytest.raises(Unreachable) as caught:
        await away.minutes(REQUEST)
    assert caught.value.provider == "shoonya"


async def test_without_a_sign_in_nothing_is_asked(client, broker):
    with pytest.raises(SignInLost, match="fnolake login mine"):
        await client.minutes(REQUEST)
    assert broker.asked == []


async def test_a_token_outlives_the_process_and_a_lost_one_is_forgotten(client, broker, http, drawer, clock):
    broker.say("GenAcsTok", TOKEN)
    broker.say("TPSeries", LOST)
    await client.login_with_code("abcd-1234")
    again = ShoonyaClient(http, ShoonyaUrls.of(OAUTH, broker.url), "mine", CREDENTIALS, drawer, clock)
    assert again.signed_in
    assert again.sign_in == client.sign_in
    with pytest.raises(SignInLost):
        await again.minutes(REQUEST)
    assert not again.signed_in
    assert drawer.held == {}


async def test_a_token_of_another_address_or_a_damaged_one_is_left_alone(signed_in, broker, http, drawer, clock):
    other = ShoonyaClient(http, ShoonyaUrls.of(LEGACY, broker.url), "mine", CREDENTIALS, drawer, clock)
    assert not other.signed_in
    for damaged in (b"{", b"[]", b"null", b'{"rest":1}', b"\xff"):
        drawer.held = dict.fromkeys(drawer.held, damaged)
        assert not ShoonyaClient(http, ShoonyaUrls.of(OAUTH, broker.url), "mine", CREDENTIALS, drawer, clock).signed_in


async def test_renewal_is_automatic_only_where_no_person_is_needed(client, legacy, broker):
    broker.say("QuickAuth", QUICK)
    await legacy.renew()
    assert legacy.signed_in
    with pytest.raises(SignInLost, match="fnolake login mine"):
        await client.renew()
    legacy.adopt("another-token", "FN0001")
    with pytest.raises(SignInLost, match="--token-from"):
        await legacy.renew()


async def test_a_sign_in_renewed_by_another_process_is_taken_over(signed_in, broker, http, drawer, clock):
    twin = ShoonyaClient(http, ShoonyaUrls.of(OAUTH, broker.url), "mine", CREDENTIALS, drawer, clock)
    twin.adopt("another-token")
    broker.say("TPSeries", LOST, ROW)
    with pytest.raises(SignInLost):
        await signed_in.minutes(REQUEST)
    await signed_in.renew()
    await signed_in.minutes(REQUEST)
    assert broker.asked[-1][2]["Authorization"] == "Bearer another-token"


async def test_a_late_loss_of_an_old_token_does_not_end_the_new_one(signed_in, broker):
    broker.say("TPSeries", LOST)
    asking = asyncio.ensure_future(signed_in.minutes(REQUEST))
    await broker.arrived.wait()
    signed_in.adopt("another-token")
    with pytest.raises(SignInLost):
        await asking
    assert signed_in.signed_in


async def test_logout_ends_our_sign_in_but_only_forgets_an_adopted_one(signed_in, broker, drawer):
    broker.say("Logout", '{"stat":"Ok","request_time":"10:43:41 28-05-2020"}')
    await signed_in.logout()
    assert broker.asked[-1][0].endswith("/Logout")
    assert (signed_in.signed_in, drawer.held) == (False, {})
    signed_in.adopt("another-token")
    await signed_in.logout()
    assert len(broker.asked) == 1
    assert not signed_in.signed_in


async def test_logout_forgets_even_when_the_broker_fails(signed_in, broker):
    for body, error in ((LOST, None), ("<html>", ProviderFault)):
        signed_in.adopt("the-token")
        signed_in._tokens.adopted = False
        broker.say("Logout", body)
        if error is None:
            await signed_in.logout()
        else:
            with pytest.raises(error):
                await signed_in.logout()
        assert not signed_in.signed_in


def test_an_empty_token_is_not_adopted(client):
    for token in ("", "  ", "a b"):
        with pytest.raises(ConfigError):
            client.adopt(token)


async def test_no_secret_shows_in_a_repr(client, broker):
    broker.say("GenAcsTok", TOKEN)
    sign_in = await client.login_with_code("abcd-1234")
    shown = f"{client!r} {client} {sign_in!r} {CREDENTIALS!r} {vars(client)!r}".replace(repr(client._tokens._state), "")
    assert not any(secret in shown for secret in (*SECRETS, "socket-token"))


async def test_a_quote_has_numbers_and_none_for_what_is_absent(signed_in, broker):
    broker.say("GetQuotes", json.dumps({
        "stat": "Ok", "exch": "NFO", "tsym": "NIFTY24NOV26F", "token": "44", "lp": "26010.05", "c": "26000.00",
        "v": "123", "oi": "456", "bp1": "26010.00", "sp1": "", "ltt": "15:29:55", "ltd": "20-11-2026"}))
    quote = await signed_in.quote("NFO", 44)
    assert (quote.last, quote.prev_close, quote.volume, quote.oi, quote.bid) == (26010.05, 26000.0, 123, 456, 26010.0)
    assert (quote.open, quote.ask, quote.vwap) == (None, None, None)
    assert quote.traded_at == "20-11-2026 15:29:55"
    broker.say("GetQuotes", NO_DATA)
    with pytest.raises(UnknownSymbol):
        await signed_in.quote("NFO", 45)


async def test_a_search_escapes_ampersands_and_reads_no_data_as_none_found(signed_in, broker):
    broker.say("SearchScrip", '{"stat":"Ok","values":[{"exch":"NSE","token":"2031","tsym":"M&M-EQ","ls":"1","ti":"0.10"}]}')
    (hit,) = await signed_in.search("NSE", "M&M")
    assert (hit.symbol, hit.token, hit.lot, hit.tick) == ("M&M-EQ", "2031", 1, 0.1)
    assert broker.asked[-1][1].count(b"&") == 0
    assert sent(broker.asked[-1][1])["stext"] == "M&M"
    broker.say("SearchScrip", '{"stat":"Not_Ok","emsg":"No Data :   "}', status=404)
    assert await signed_in.search("NSE", "NOTHING") == []
    broker.say("SearchScrip", LOST, status=404)
    with pytest.raises(SignInLost):
        await signed_in.search("NSE", "NOTHING")


async def test_masters_are_kept_as_fetched_and_decoded_by_name(client, broker):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("NFO_symbols.txt", "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,"
                         "StrikePrice,TickSize,\nNFO,1,75,NIFTY,NIFTY24NOV26F,24-NOV-2026,FUTIDX,XX,-0.01,0.05,\n")
    for exchange in client.master_names():
        broker.say(f"{exchange}_symbols.txt.zip", out.getvalue())
    files = await client.masters(date(2026, 11, 20))
    assert [f.name for f in files][:2] == ["NSE_symbols.txt.zip", "NFO_symbols.txt.zip"]
    assert "Authorization" not in broker.asked[-1][2]
    master = client.decode_master(files[1])
    assert (master.exchange, master.day, master.listings["token"].to_list()) == ("NFO", date(2026, 11, 20), [1])
    assert client.in_scope([master])[0].rows == 1


@pytest.mark.parametrize(("body", "status"), [(b"PK", 404), (b"<html>", 200), (b"", 200)])
async def test_a_master_that_is_not_there_is_a_fault(client, broker, body, status):
    broker.say("NFO_symbols.txt.zip", body, status=status)
    with pytest.raises(ProviderFault, match="not there now"):
        await client.master("NFO", date(2026, 11, 20))


def test_venue_and_segment_name_the_exchange():
    assert exchange_of(CONTRACT) == "NFO"


async def test_a_cancelled_request_leaves_the_sign_in_alone(signed_in, broker):
    broker.say("TPSeries", ROW)
    asking = asyncio.ensure_future(signed_in.minutes(REQUEST))
    await asyncio.sleep(0)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await signed_in.minutes(REQUEST)).rows is not None
    await signed_in.aclose()
