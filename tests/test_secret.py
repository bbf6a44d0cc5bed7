"""Secrets are found by reference, hide themselves, and say how to mend what is wrong."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from fnolake.errors import ConfigError
from fnolake.secret import Secret, is_reference, resolve


def test_a_secret_hides_itself() -> None:
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {secret!s:>10}"
    assert secret.reveal() == "hunter2"
    assert secret == Secret("hunter2")
    assert len({secret, Secret("hunter2")}) == 1
    with pytest.raises(TypeError):
        pickle.dumps(secret)


def test_the_environment_gives_a_secret_or_a_line() -> None:
    assert resolve("env:PW", {"PW": " hunter2\n"}).reveal() == "hunter2"
    with pytest.raises(ConfigError, match="export PW="):
        resolve("env:PW", {})


def test_a_file_must_be_private(tmp_path: Path) -> None:
    file = tmp_path / "totp"
    file.write_text("ABC\n")
    file.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        resolve(f"file:{file}", {})
    file.chmod(0o600)
    assert resolve(f"file:{file}", {}).reveal() == "ABC"


@pytest.mark.parametrize("content", [b"", b"\xff\xfe"])
def test_a_file_without_a_text_is_a_line(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "totp"
    file.write_bytes(content)
    file.chmod(0o600)
    with pytest.raises(ConfigError, match=str(file)):
        resolve(f"file:{file}", {})
    with pytest.raises(ConfigError, match="not there"):
        resolve(f"file:{tmp_path / 'none'}", {})


def test_a_literal_is_refused_and_not_repeated() -> None:
    for literal in ("hunter2", "http://hunter2", "env:", ""):
        assert not is_reference(literal)
        with pytest.raises(ConfigError, match="env:NAME") as caught:
            resolve(literal, {})
        assert "hunter2" not in str(caught.value)


def test_a_keyring_place_names_a_user() -> None:
    with pytest.raises(ConfigError, match="SERVICE/USER"):
        resolve("keyring:fnolake", {})
