"""Settings come from the file, the environment and flags, in that order; what is wrong is one clear line."""

from __future__ import annotations

import stat
import tomllib
from dataclasses import fields
from datetime import date
from pathlib import Path

import pytest

from fnolake.config import add_account, known_keys, load, remove_account, write_initial
from fnolake.errors import ConfigError


def lake_with(tmp_path: Path, text: str) -> Path:
    (tmp_path / "lake.toml").write_text(text, encoding="utf-8")
    return tmp_path


def test_a_lake_without_a_file_has_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, {}, {})
    assert (settings.sync.workers, settings.sync.batch_rows, settings.sync.batch_s) == (12, 250_000, 10.0)
    assert not settings.exchange.consent
    assert dict(settings.accounts) == {}
    assert settings.file == tmp_path / "lake.toml"


def test_flags_beat_the_environment_which_beats_the_file(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, "[sync]\nworkers = 2\nbatch_s = 3\nbatch_rows = 7\nstart = 2026-02-03\n")
    settings = load(lake, {"FNOLAKE_SYNC__WORKERS": "4", "FNOLAKE_SYNC__BATCH_S": "0.2"}, {"sync.workers": 6, "http.read_s": None})
    assert (settings.sync.workers, settings.sync.batch_s, settings.sync.batch_rows) == (6, 0.2, 7)
    assert settings.sync.start == date(2026, 2, 3)


def test_an_account_is_a_table_and_a_variable_can_add_to_it(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, '[account.my-desk]\ngeneration = "legacy"\nuid = "FN0001"\npassword = "env:PW"\nreserve = 0.25\n')
    account = load(lake, {"FNOLAKE_ACCOUNT__MY_DESK__TOTP": "env:TOTP"}, {}).accounts["my-desk"]
    assert (account.provider, account.generation, account.uid, account.reserve) == ("shoonya", "legacy", "FN0001", 0.25)
    assert (account.password, account.totp) == ("env:PW", "env:TOTP")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sync]\nworkrs = 2\n", ["lake.toml", "sync.workrs", "sync.workers", "rename"]),
        ("[sync]\nworkers = 'two'\n", ["lake.toml", "sync.workers", "'two'", "whole number"]),
        ("[sync]\nworkers = true\n", ["sync.workers", "whole number"]),
        ("[sync]\nworkers = 900\n", ["sync.workers", "between 1 and 64"]),
        ("[sync]\nbatch_s = 'fast'\n", ["sync.batch_s", "a number"]),
        ("[sync]\nlimits = 'none'\n", ["sync.limits", "official, off"]),
        ("[sync]\nstart = 'soon'\n", ["sync.start", "date like"]),
        ("[exchange]\nconsent = 'maybe'\n", ["exchange.consent", "true or false"]),
        ("[account.demo]\nuid = 5\n", ["account.demo.uid", "quotes"]),
        ("[account.demo]\npasword = 'env:X'\n", ["account.demo.pasword", "account.demo.password"]),
        ("[account.demo]\nprovider = 'Zer odha'\n", ["account.demo.provider", "shoonya, firstock", "installed"]),
        ("[provider.shonya]\nrest = 'https://x.org'\n", ["[provider.shonya]", "no account", "shoonya?"]),
        ("[account.demo]\nprovider = 'acme'\n[provider.acme]\nrest = 5\n", ["provider.acme.rest", "quotes"]),
        ("[account.demo]\ngeneration = 'new'\n", ["account.demo.generation", "oauth, legacy"]),
        ("[account.demo]\nreserve = 1.0\n", ["account.demo.reserve", "between 0 and 0.99"]),
        ('[account."a b"]\nuid = "x"\n', ["a b", "letters"]),
        ("zzz = 1\n", ["zzz", "remove it"]),
        ("workers = 1\n", ["workers", "sync.workers"]),
        ("[sync\n", ["lake.toml", "TOML", "line 1"]),
    ],
)
def test_what_is_wrong_in_the_file_is_one_line_that_says_what_to_do(tmp_path: Path, text: str, words: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        load(lake_with(tmp_path, text), {}, {})
    line = str(caught.value)
    assert "\n" not in line
    assert [word for word in words if word not in line] == []


def test_a_secret_written_out_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(lake_with(tmp_path, "[account.demo]\npassword = 'hunter2'\n"), {}, {})
    assert "hunter2" not in str(caught.value)
    assert "env:NAME" in str(caught.value)


def test_a_wrong_variable_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"environment FNOLAKE_SYNC__WORKER: .*sync\.workers"):
        load(tmp_path, {"FNOLAKE_SYNC__WORKER": "3"}, {})
    with pytest.raises(ConfigError, match=r"environment FNOLAKE_SYNC__BATCH_S: .*a number"):
        load(tmp_path, {"FNOLAKE_SYNC__BATCH_S": "ten"}, {})


def test_other_programs_variables_and_the_lake_itself_are_left_alone(tmp_path: Path) -> None:
    assert load(tmp_path, {"FNOLAKE_LAKE": "/elsewhere", "PATH": "/bin"}, {}).lake == tmp_path


def test_an_emulator_stands_for_every_address_unless_one_is_given(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, '[provider.shoonya]\nmasters = "https://example.org"\n')
    settings = load(lake, {"FNOLAKE_EMULATOR": "http://127.0.0.1:9/", "FNOLAKE_EXCHANGE__NSE": "http://127.0.0.1:8"}, {})
    assert settings.shoonya.rest_oauth == "http://127.0.0.1:9/NorenWClientAPI"
    assert settings.shoonya.masters == "http://127.0.0.1:9"
    assert (settings.exchange.nse, settings.exchange.bse) == ("http://127.0.0.1:8", "http://127.0.0.1:9")
    assert (settings.firstock.rest, settings.firstock.socket) == ("http://127.0.0.1:9/V1", "ws://127.0.0.1:9/V2/ws")


def test_firstock_has_an_account_of_its_own_kind_and_its_addresses(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, """
        [provider.firstock]
        rest = "https://example.org/V1/"
        [account.second]
        provider = "firstock"
        uid = "AB1234"
        api_key = "env:KEY"
    """)
    settings = load(lake, {}, {})
    assert settings.firstock.rest == "https://example.org/V1"
    assert (settings.accounts["second"].provider, settings.accounts["second"].api_key) == ("firstock", "env:KEY")
    with pytest.raises(ConfigError, match="secret may not stand here"):
        load(lake, {"FNOLAKE_ACCOUNT__SECOND__API_KEY": "0123456789abcdef0123456789abcdef"}, {})


def test_relative_paths_are_meant_from_the_lake(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, "[calendar]\nadditions = 'mine.toml'\n[account.a]\ntotp = 'file:totp.txt'\n")
    settings = load(lake, {}, {})
    assert settings.calendar.additions == tmp_path / "mine.toml"
    assert settings.accounts["a"].totp == f"file:{tmp_path / 'totp.txt'}"


def test_a_first_file_is_private_readable_and_written_once(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lake.toml"
    assert write_initial(file, consent=True)
    assert not write_initial(file, consent=False)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load(file.parent, {}, {}).exchange.consent
    assert [one.name for one in file.parent.iterdir()] == ["lake.toml"]


def test_accounts_come_and_go_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    file = lake_with(tmp_path, "# mine\n[sync]\nworkers = 3 # few\n") / "lake.toml"
    before = file.read_text()
    add_account(file, "one", {"provider": "shoonya", "uid": 'FN"1\\', "totp": None, "imei": "", "reserve": 0.5})
    with_one = file.read_text()
    add_account(file, "two", {"uid": "FN2", "password": "env:PW"})
    assert tomllib.loads(file.read_text())["account"] == {
        "one": {"provider": "shoonya", "uid": 'FN"1\\', "reserve": 0.5}, "two": {"uid": "FN2", "password": "env:PW"},
    }
    remove_account(file, "two")
    assert file.read_text().rstrip() == with_one.rstrip()
    remove_account(file, "one")
    assert file.read_text().rstrip() == before.rstrip()


def test_removing_an_account_keeps_the_comment_of_the_next_table(tmp_path: Path) -> None:
    file = lake_with(tmp_path, "[account.one]\nuid = 'A'\n\n# about the line\n[sync]\nworkers = 3\n") / "lake.toml"
    remove_account(file, "one")
    assert file.read_text() == "# about the line\n[sync]\nworkers = 3\n"


def test_an_account_is_not_added_twice_nor_with_a_secret_nor_to_a_lake_that_is_not_there(tmp_path: Path) -> None:
    file = lake_with(tmp_path, "[account.one]\nuid = 'A'\n") / "lake.toml"
    before = file.read_text()
    with pytest.raises(ConfigError, match="there already"):
        add_account(file, "one", {"uid": "B"})
    with pytest.raises(ConfigError, match="env:NAME"):
        add_account(file, "two", {"password": "hunter2"})
    with pytest.raises(ConfigError, match="letters"):
        add_account(file, "a.b", {"uid": "B"})
    with pytest.raises(ConfigError, match="there are one"):
        remove_account(file, "two")
    assert file.read_text() == before
    with pytest.raises(ConfigError, match="fnolake init"):
        add_account(tmp_path / "none" / "lake.toml", "one", {"uid": "B"})


def test_an_account_that_is_written_otherwise_is_left_to_its_owner(tmp_path: Path) -> None:
    file = lake_with(tmp_path, "[account]\none = { uid = 'A' }\n") / "lake.toml"
    with pytest.raises(ConfigError, match="by hand"):
        remove_account(file, "one")


def test_every_setting_is_documented() -> None:
    page = (Path(__file__).resolve().parents[1] / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert [key for key in known_keys() if f"`{key}`" not in page] == []


def test_a_third_partys_table_is_kept_as_its_texts(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, "[account.demo]\nprovider = 'acme'\n[provider.acme]\nrest = 'https://acme.example'\n")
    settings = load(lake, {"FNOLAKE_PROVIDER__ACME__ZONE": "x"}, {})
    assert settings.accounts["demo"].provider == "acme"
    assert {name: dict(texts) for name, texts in settings.others.items()} == {"acme": {"rest": "https://acme.example", "zone": "x"}}


def test_a_sample_is_a_share(tmp_path: Path) -> None:
    assert load(tmp_path, {}).compare.sample == 0.02
    assert load(tmp_path, {"FNOLAKE_COMPARE__SAMPLE": "0"}).compare.sample == 0
    with pytest.raises(ConfigError, match=r"compare.sample is 1.5, but must be between 0 and 1"):
        load(tmp_path, {"FNOLAKE_COMPARE__SAMPLE": "1.5"})


def test_every_number_that_a_table_knows_arrives_from_the_environment(tmp_path: Path) -> None:
    defaults = load(tmp_path, {})
    tables = {name: held for name in ("sync", "compare", "freshness", "repair", "analytics", "live", "http") if (held := getattr(defaults, name))}
    for table, held in tables.items():
        for name, value in [(one.name, getattr(held, one.name)) for one in fields(held)]:
            if isinstance(value, int | float) and not isinstance(value, bool):
                found = load(tmp_path, {f"FNOLAKE_{table.upper()}__{name.upper()}": str(value / 2 if isinstance(value, float) else value + 1)})
                assert getattr(getattr(found, table), name) != value, f"{table}.{name}"

def test_places_of_alerts_are_references_and_causes_are_known(tmp_path: Path) -> None:
    lake = lake_with(tmp_path, '[alerts]\nto = ["env:A", "file:mail.url"]\non = ["at_risk"]\nquiet = "22:00-07:00"\n')
    alerts = load(lake, {}).alerts
    assert (alerts.to, alerts.on, alerts.quiet) == (("env:A", f"file:{lake / 'mail.url'}"), ("at_risk",), "22:00-07:00")
    assert load(lake, {"FNOLAKE_ALERTS__TO": "env:B, env:C"}).alerts.to == ("env:B", "env:C")
    for name, text, said in (
        ("TO", "env:A,tgram://hunter2/1", "a secret may not stand here"), ("ON", "at_risk,at_rest", "'at_rest', but must be one of login_needed"),
        ("QUIET", "22-7", "two times of day"), ("REMIND_MINUTES", "0", "between 1 and 1440"),
    ):
        with pytest.raises(ConfigError, match=said) as raised:
            load(lake, {f"FNOLAKE_ALERTS__{name}": text})
        assert "hunter2" not in str(raised.value)
    with pytest.raises(ConfigError, match=r"alerts.to is what is given, but must be a list"):
        load(lake_with(tmp_path, "[alerts]\nto = 5\n"), {})
