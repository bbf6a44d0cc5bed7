import base64
import contextlib

import aiohttp
import pyotp
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import ConfigError, LoginRefused
from fnolake.provider.shoonya.signin import Credentials, ShoonyaUrls, authorize_url, code_from
from fnolake.provider.shoonya.signin_callback import CallbackListener
from fnolake.provider.totp import one_time_password


def test_the_authorize_address_carries_client_and_state():
    urls = ShoonyaUrls(authorize="https://broker.example/oauth")
    assert authorize_url(urls, Credentials("U1"), "s&t") == "https://broker.example/oauth?client_id=U1_U&state=s%26t"
    other = ShoonyaUrls(authorize="https://broker.example/oauth?x=1")
    assert authorize_url(other, Credentials("U1", client_id="C")) == "https://broker.example/oauth?x=1&client_id=C"


@pytest.mark.parametrize("text", [
    "0123-abcd", " 0123-abcd\n", "http://127.0.0.1:8765/?code=0123-abcd", "code=0123-abcd&state=s",
    "<https://x.example/cb?state=s&code=0123-abcd#frag>"])
def test_a_code_is_found_in_what_people_paste(text):
    assert code_from(text, "s") == "0123-abcd"


def test_a_code_may_hold_the_signs_of_base64():
    assert code_from("ab+c/d12==", "s") == "ab+c/d12=="
    assert code_from("http://127.0.0.1/cb?code=ab%2Bc%2Fd12%3D%3D&state=s", "s") == "ab+c/d12=="


@pytest.mark.parametrize(("text", "said"), [
    ("", "neither"), ("two words", "neither"), ("http://127.0.0.1/?x=1", "no code"), ("http://127.0.0.1/cb", "no code"),
    ("?code=abc&state=other", "differs"), ("?error=access_denied&error_description=Access+Restricted", "Access Restricted")])
def test_what_holds_no_code_of_ours_is_refused(text, said):
    with pytest.raises(LoginRefused, match=said):
        code_from(text, "s")


@given(st.text(max_size=60))
def test_any_pasted_text_is_a_code_or_a_refusal(text):
    with contextlib.suppress(LoginRefused):
        assert code_from(text, "s")


@pytest.mark.parametrize(("epoch", "password"), [
    (59, "287082"), (1111111109, "081804"), (1111111111, "050471"), (1234567890, "005924"), (2000000000, "279037"),
    (20000000000, "353130")])
def test_one_time_passwords_are_those_of_rfc_6238(epoch, password):
    assert one_time_password("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", epoch) == password
    assert one_time_password(" gezd gnbv-gy3tqojqgezdgnbvgy3tqojq ", epoch) == password


@given(st.binary(min_size=14, max_size=40), st.integers(0, 2**32))
def test_one_time_passwords_agree_with_pyotp_where_it_has_a_say(key, epoch):
    secret = base64.b32encode(key).decode()
    assert one_time_password(secret, epoch) == pyotp.TOTP(secret).at(epoch)


def test_secrets_of_eighty_bits_are_served_and_nonsense_is_not():
    assert one_time_password("JBSWY3DPEHPK3PXP", 1_795_000_000).isdigit()
    for secret in ("", "not base32!", "0189", "é"):
        with pytest.raises(ConfigError, match="base32"):
            one_time_password(secret, 0)


async def visit(url: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return answer.status, await answer.text()


async def test_the_browser_brings_the_code_back_once():
    async with CallbackListener("http://127.0.0.1:0/callback", state="s3cret") as listener:
        assert listener.url.startswith("http://127.0.0.1:")
        assert (await visit(f"{listener.url}?code=abc-123&state=s3cret"))[0] == 200
        assert await listener.code() == "abc-123"
        assert (await visit(f"{listener.url}?code=other-1&state=s3cret"))[0] == 400
        assert await listener.code() == "abc-123"


async def test_a_visit_without_our_state_is_not_taken_and_shows_nothing_of_itself():
    async with CallbackListener("http://127.0.0.1:0/", state="s3cret") as listener:
        for query in ("code=evil-code", "code=evil-code&state=x", "code=evil-code&state=%C3%A9"):
            status, page = await visit(f"{listener.url}?{query}")
            assert status == 400
            assert "evil" not in page
        assert (await visit(f"{listener.url}?code=good-code&state=s3cret"))[0] == 200
        assert await listener.code() == "good-code"


async def test_a_refusal_of_the_broker_reaches_the_waiting_program():
    async with CallbackListener("http://localhost:0/cb") as listener:
        await visit(f"{listener.url}?error=denied&state={listener.state}")
        with pytest.raises(LoginRefused, match="denied"):
            await listener.code()


async def test_states_are_fresh_and_unguessable():
    first, second = CallbackListener(), CallbackListener()
    assert first.state != second.state
    assert len(first.state) >= 32


def test_it_listens_on_this_machine_only():
    for url in ("http://0.0.0.0:8000/", "http://example.com/cb", "https://127.0.0.1:8765/cb", "nonsense"):
        with pytest.raises(ConfigError, match="paste"):
            CallbackListener(url)


async def test_a_taken_port_says_what_to_do():
    async with CallbackListener("http://127.0.0.1:0/") as listener:
        with pytest.raises(ConfigError, match="taken"):
            await CallbackListener(listener.url).__aenter__()
