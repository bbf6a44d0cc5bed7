"""Providers are chosen by name; nothing is imported before."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from fnolake.errors import ConfigError
from fnolake.provider import registry
from fnolake.provider.http import Http
from fnolake.provider.registry import GROUP, Setup, factory, names
from fnolake.testing import Drawer
from tests.provider.fakes import FakeClock


def point(name: str, value: str, group: str = GROUP) -> EntryPoint:
    return EntryPoint(name, value, group)


@pytest.fixture
def install(tmp_path, monkeypatch) -> Callable[..., None]:
    """Install a distribution as pip leaves it: a folder on the path with a dist-info beside the code."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(package: str, version: str, *points: EntryPoint, code: str = "def make(setup):\n    return setup.account\n") -> None:
        info = tmp_path / f"{package}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        (info / "entry_points.txt").write_text("".join(f"[{p.group}]\n{p.name} = {p.value}\n" for p in points))
        (tmp_path / f"{package}.py").write_text(code)
        importlib.invalidate_caches()

    return make


def setup(**settings: str) -> Setup:
    return Setup("mine", Http(), Drawer(), FakeClock(), settings, {"password": "s3cret", "totp_secret": "JBSWY3DPEHPK3PXP"})


def test_ours_and_third_parties_stand_side_by_side() -> None:
    assert names([point("alpha", "a:b")]) == tuple(sorted(["alpha", *registry._OURS]))


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
    assert factory("alpha", [point("alpha", "fnolake.testing:Drawer")]) is Drawer


def test_a_name_of_ours_is_never_replaced() -> None:
    assert factory("shoonya", [point("shoonya", "fnolake.testing:Drawer")]) is registry._shoonya


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


def test_an_installed_package_is_found_and_loaded(install) -> None:
    install("acme_one", "1.0", point("acme-one", "acme_one:make"))
    assert names() == ("acme-one", *sorted(registry._OURS))
    assert factory("acme-one")(setup()) == "mine"


def test_a_package_for_a_later_revision_says_so_in_one_line(install) -> None:
    install("acme_two", "2.0", point("acme-two", "acme_two:make", "fnolake.providers.v2"), code="raise RuntimeError('loaded')")
    assert "acme-two" not in names()
    with pytest.raises(ConfigError) as caught:
        factory("acme-two")
    assert str(caught.value) == (
        "the provider 'acme-two' (acme_two 2.0) is made for revision 2 of the interface and this fnolake has 1; "
        "update fnolake, or take an older version of that package")


def test_a_package_for_both_revisions_is_loaded_for_ours(install) -> None:
    install("acme_both", "2.1", point("acme-both", "acme_both:later", "fnolake.providers.v2"), point("acme-both", "acme_both:make"))
    assert factory("acme-both")(setup()) == "mine"


def test_a_package_for_an_earlier_revision_has_to_be_updated() -> None:
    with pytest.raises(ConfigError, match="revision 0 of the interface and this fnolake has 1; update that package"):
        factory("alpha", [point("alpha", "a:b", "fnolake.providers.v0")])


def test_other_packages_entry_points_of_that_name_do_not_count() -> None:
    with pytest.raises(ConfigError, match="no provider 'alpha' is installed"):
        factory("alpha", [point("alpha", "a:b", "console_scripts"), point("alpha", "a:b", "fnolake.providers.vX")])


def test_what_raises_when_it_is_imported_says_which_package(install) -> None:
    install("acme_broken", "1.0", point("acme-broken", "acme_broken:make"), code="raise RuntimeError('no')")
    with pytest.raises(ConfigError, match=r"acme_broken:make.*RuntimeError; update its package"):
        factory("acme-broken")
