"""Whatever is logged, no known secret comes out: at any depth, in addresses, as keys, in bytes."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.config import load
from fnolake.provider.totp import sha256
from fnolake.watch.redact import MASK, SHORTEST, Redactor, is_secret_name
from fnolake.watch.secrets import LakeRedactor, references

SECRETS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=SHORTEST, max_size=30)
ORDINARY = st.text(max_size=20)


def holding(secret: str) -> st.SearchStrategy[object]:
    """Values of any depth in which the secret stands somewhere."""
    text = st.builds(lambda a, form, b: a + form + b, ORDINARY, st.sampled_from([secret, quote(secret, safe=""), quote_plus(secret)]), ORDINARY)
    leaf = text | text.map(lambda one: f"https://host/a?x={one}") | text.map(lambda one: one.encode("utf-8")) | st.integers() | st.none()
    names = ORDINARY | st.just(secret)
    return st.recursive(leaf, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3) | st.tuples(inner), max_leaves=6)


def walk(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for name, one in value.items() for text in (name, *walk(one))]
    if isinstance(value, list):
        return [text for one in value for text in walk(one)]
    return [str(value)]


@given(st.data(), SECRETS)
def test_a_known_secret_comes_out_of_nothing(data: st.DataObject, secret: str) -> None:
    cleaned = Redactor([secret]).value(data.draw(holding(secret)))
    for text in walk(cleaned):
        assert secret not in text
        assert quote(secret, safe="") not in text
        assert quote_plus(secret) not in text


@given(st.lists(SECRETS, min_size=1, max_size=5), ORDINARY)
def test_one_secret_inside_another_leaves_nothing_of_either(secrets: list[str], between: str) -> None:
    line = between.join([*secrets, secrets[0] + secrets[-1]])
    masked = Redactor(secrets).text(line)
    assert not any(secret in masked for secret in secrets)


@given(st.dictionaries(st.sampled_from(["symbol", "bars", "provider", "reason", "session"]), st.integers() | st.sampled_from(["TCS", "no answer"])))
def test_ordinary_fields_stay_as_they_are(fields: dict[str, object]) -> None:
    assert Redactor(["a-long-secret"]).value(fields) == fields


@pytest.mark.parametrize("name", ["password", "jKey", "susertoken", "accessToken", "access_token", "TOTP", "secret_code", "apiKey", "code", "socket_token", "Authorization"])
def test_a_field_of_such_a_name_is_masked_whatever_it_holds(name: str) -> None:
    assert is_secret_name(name)
    assert Redactor().value({name: "x"}) == {name: MASK}
    assert Redactor().value({"deep": [{name: {"in": "it"}}]}) == {"deep": [{name: MASK}]}


@pytest.mark.parametrize("name", ["symbol", "outcome", "provider", "exit_code", "contract", "account"])
def test_a_field_of_another_name_is_not(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(("line", "masked"), [
    ("GET https://h/cb?code=abc123&x=1", "GET https://h/cb?code=***&x=1"),
    ('{"susertoken":"deadbeef","stat":"Ok"}', '{"susertoken":"***","stat":"Ok"}'),
    ("jData={}&jKey=feedface", "jData={}&jKey=***"),
    ("Authorization: Bearer abcdef123456", "Authorization: *** ***"),
    ("sent Bearer abcdef123456 once", "sent Bearer *** once"),
    ("https://user:hunter2@host/x", "https://user:***@host/x"),
    ("password env:FN_PASSWORD is not set", "password env:FN_PASSWORD is not set"),
])
def test_what_looks_like_a_secret_is_masked_by_its_name(line: str, masked: str) -> None:
    assert Redactor().text(line) == masked


def test_a_redactor_shows_nothing_of_itself() -> None:
    assert "hunter22" not in repr(Redactor(["hunter22"]))


def test_every_reference_of_the_settings_is_known_and_a_new_sign_in_too(tmp_path: Path) -> None:
    (tmp_path / "lake.toml").write_text(
        "[account.a]\npassword = 'env:P'\ntotp = 'env:T'\napi_secret = 'env:S'\nuid = 'FN1'\n[account.b]\nsecret_code = 'env:NONE'\n"
    )
    environ = {"P": "pass-word-1", "T": "totp-secret-1", "S": "api-secret-1"}
    settings = load(tmp_path, environ)
    assert sorted(references(settings)) == ["env:NONE", "env:P", "env:S", "env:T"]
    redactor = LakeRedactor(settings, environ, tmp_path / "state")
    for value in (*environ.values(), sha256("pass-word-1"), sha256("FN1|api-secret-1")):
        assert redactor.text(f"said {value}.") == f"said {MASK}."
    assert redactor.text("token-made-later") == "token-made-later"
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "sign-in-shoonya-a").write_text(json.dumps({"token": "token-made-later", "name": "Demo User"}))
    assert redactor.text("token-made-later of Demo User") == f"{MASK} of Demo User"
    (tmp_path / "state" / "sign-in-shoonya-a").unlink()
    assert redactor.text("token-made-later") == MASK
