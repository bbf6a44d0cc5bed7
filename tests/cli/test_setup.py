"""Setting up: the lake's file, accounts without secrets in it, sign-in, and the doctor."""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING

import pytest

from fnolake.sync.status import Check

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal


def file_of(terminal: Terminal) -> dict[str, object]:
    return tomllib.loads((terminal.folder / "lake.toml").read_text())


@pytest.mark.parametrize(
    ("words", "typed", "consent"), [(["--yes"], None, True), (["--no"], None, False), ([], "y\n", True), ([], "n\n", False), ([], "\n", False)],
)
def test_init_asks_one_question_and_says_what_to_register(terminal: Terminal, words: list[str], typed: str | None, consent: bool) -> None:
    done = terminal("init", *words, typed=typed)
    assert done.exit_code == 0
    assert file_of(terminal)["exchange"] == {"consent": consent}
    assert "http://127.0.0.1:8765/callback" in done.stdout
    assert "static IP" in done.stdout
    assert ("may fnolake fetch" in done.stderr) == (not words)


def test_init_without_an_answer_makes_nothing_and_says_how(terminal: Terminal) -> None:
    done = terminal("init", typed="")
    assert done.exit_code == 2
    assert "--yes" in done.stderr
    assert not (terminal.folder / "lake.toml").exists()


def test_init_twice_changes_nothing(terminal: Terminal) -> None:
    terminal("init", "--yes")
    before = (terminal.folder / "lake.toml").read_bytes()
    assert "already" in terminal("init", "--no").stderr
    assert (terminal.folder / "lake.toml").read_bytes() == before


def test_an_account_is_added_listed_and_removed(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(terminal.folder)
    terminal("init", "--yes")
    added = terminal("account", "add", "demo", "--uid", "FN0001", "--client-id", "FN0001_U", "--secret-code", "file:code.txt", "--reserve", "0.3")
    assert added.exit_code == 0
    assert "fnolake login demo" in added.stderr
    assert file_of(terminal)["account"] == {"demo": {
        "provider": "shoonya", "generation": "oauth", "uid": "FN0001", "client_id": "FN0001_U",
        "secret_code": f"file:{terminal.folder / 'code.txt'}", "reserve": 0.3,
    }}
    assert terminal("account", "list").stdout.splitlines()[1].startswith("demo,shoonya,oauth,true,2026-11-21T")
    assert "2026-11-21 06:00" in terminal("account", "list", "--format", "table").stdout, "half past midnight in Greenwich is six in India"
    assert terminal("account", "remove", "demo").exit_code == 0
    assert "account" not in file_of(terminal)
    assert terminal("account", "remove", "demo").exit_code == 2


def test_a_secret_on_the_command_line_is_refused_and_not_repeated(terminal: Terminal) -> None:
    terminal("init", "--yes")
    done = terminal("account", "add", "demo", "--uid", "FN0001", "--generation", "legacy", "--password", "hunter2")
    assert done.exit_code == 2
    assert "hunter2" not in done.output
    assert "env:NAME" in done.stderr
    assert "account" not in file_of(terminal)


def test_a_firstock_account_is_added_without_a_generation(terminal: Terminal) -> None:
    terminal("init", "--yes")
    words = ("account", "add", "second", "--provider", "firstock", "--uid", "FN0001", "--password", "env:PW", "--totp", "env:OTP")
    lacking = terminal(*words, "--dry-run")
    assert lacking.exit_code == 0
    done = terminal(*words)
    assert "without --api-key it can only sign in with" in done.stderr
    assert file_of(terminal)["account"] == {"second": {"provider": "firstock", "uid": "FN0001", "password": "env:PW", "totp": "env:OTP"}}
    terminal("account", "remove", "second")
    assert "without" not in terminal(*words, "--api-key", "env:KEY").stderr
    assert file_of(terminal)["account"]["second"]["api_key"] == "env:KEY"
    refused = terminal("account", "add", "third", "--provider", "firstock", "--uid", "X", "--generation", "legacy")
    assert (refused.exit_code, "--generation" in refused.stderr) == (2, True)


def test_what_an_account_lacks_is_said(terminal: Terminal) -> None:
    terminal("init", "--yes")
    done = terminal("account", "add", "demo", "--uid", "FN0001", "--generation", "legacy", "--password", "env:PW")
    assert done.exit_code == 0
    assert "--totp, --api-secret" in done.stderr


def test_login_shows_the_address_and_who_is_signed_in(terminal: Terminal) -> None:
    done = terminal("login", "--no-browser", "--code", "https://back?code=1")
    assert done.exit_code == 0
    assert "https://broker.example/authorize" in done.stderr
    assert "demo is signed in" in done.stderr
    assert terminal("login", "other", "--no-browser", "--token-from", "env:TOKEN").exit_code == 0
    assert terminal("logout", "other").exit_code == 0
    assert terminal.lake.asked == [
        ("login", (None, {"code": "https://back?code=1", "token_ref": None, "open_browser": None})),
        ("login", ("other", {"code": None, "token_ref": "env:TOKEN", "open_browser": None})),
        ("logout", "other"),
    ]
    assert not terminal.lake.written


def test_the_doctor_says_how_to_mend(terminal: Terminal) -> None:
    assert terminal("doctor").exit_code == 0
    terminal.lake.checks = [*terminal.lake.checks, Check("disk", ok=False, detail="2 GB left", mend="free 10 GB")]
    done = terminal("doctor")
    assert done.exit_code == 2
    assert "WRONG  disk: 2 GB left" in done.stdout
    assert "free 10 GB" in done.stdout
    assert terminal("doctor", "--format", "csv").stdout.splitlines()[0] == "name,ok,detail,mend"


def test_a_dry_run_changes_no_setting(terminal: Terminal) -> None:
    assert "would make" in terminal("init", "--yes", "--dry-run").stderr
    assert not (terminal.folder / "lake.toml").exists()
    terminal("init", "--yes")
    before = (terminal.folder / "lake.toml").read_bytes()
    assert "would add" in terminal("account", "add", "demo", "--uid", "FN0001", "--dry-run").stderr
    refused = terminal("account", "add", "demo", "--uid", "FN0001", "--generation", "foo", "--dry-run")
    assert refused.exit_code == 2
    assert str(terminal.folder) in refused.stderr
    assert terminal("account", "remove", "demo", "--dry-run").exit_code == 2
    assert (terminal.folder / "lake.toml").read_bytes() == before
