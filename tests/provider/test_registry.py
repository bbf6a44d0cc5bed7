"""Providers are chosen by name; nothing is imported before."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from fnolake.errors import ConfigError
from fnolake.provider import registry
from fnolake.provider.http import Http
from fnolake.provider.registry import GROUP, Setup, factory, names
from tests.provider.fakes import Drawer, FakeClock


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, GROUP)


def setup(**settings: str) -> Setup:
    return Setup("mine", Http(), Drawer(), FakeClock(), settings, {"password": "s3cret", "totp_secret": "JBSWY3DPEHPK3PXP"})


def test_ours_and_third_parties_stand_side_by_side() -> None:
    assert names([point("alpha", "a:b")]) == ("alpha", "firstock", "shoonya")


def test_shoonya_is_made_of_settings_and_secrets() -> None:
    made = factory("shoonya")(setup(uid="FN0001", generation="legacy", rest="http://127.0.0.1:1/NorenWClientTP/", masters=""))
    assert made.name == "shoonya"
    assert made.dialect.windows == ((20, 1.0), (200, 60.0))


def test_firstock_is_made_of_settings_and_secrets() -> None:
    made = factory("firstock")(setup(uid="FN0001", rest="http://127.0.0.1:1/V1", generation="oauth", imei="", socket=""))
    assert made.name == "firstock"
    assert (made.dialect.windows, made.dialect.max_days) == (((3, 1.0),), 1)


def test_secrets_do_not_show() -> None:
    assert "s3cret" not in repr(setup())


def test_a_third_party_is_loaded_when_it_is_chosen() -> None:
    assert factory("alpha", [point("alpha", "tests.provider.fakes:Drawer")]) is Drawer


def test_a_name_of_ours_is_never_replaced() -> None:
    assert factory("shoonya", [point("shoonya", "tests.provider.fakes:Drawer")]) is registry._shoonya


@pytest.mark.parametrize("installed", [
    [],
    [point("alpha", "no_such_package:make")],
    [point("alpha", "tests.provider.fakes:missing")],
    [point("alpha", "tests.provider.fakes:__name__")],
    [point("alpha", "a:b"), point("alpha", "c:d")],
])
def test_what_cannot_be_had_says_so(installed: list[EntryPoint]) -> None:
    with pytest.raises(ConfigError, match="alpha"):
        factory("alpha", installed)


def test_choosing_costs_nothing_before() -> None:
    code = 'import sys, fnolake.provider.registry as r; r.names(); assert not {"numpy", "polars", "pyotp", "aiohttp"} & set(sys.modules)'
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
