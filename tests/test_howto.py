"""docs/howto/add-a-provider.md stays true: its blocks are the example's, and the example installs, loads and passes."""

import importlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fnolake.cli.app import build_app
from fnolake.config import load
from fnolake.provider.http import Http
from fnolake.provider.registry import Setup, factory, names
from fnolake.sync.connect import make_provider
from fnolake.testing import Drawer, StillClock

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "howto" / "add-a-provider.md"
EXAMPLE = ROOT / "examples" / "acme_provider"
BLOCK = re.compile(r"(?:<!-- (?P<file>\S+) -->\n)?```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[re.Match[str]]:
    return list(BLOCK.finditer(PAGE.read_text(encoding="utf-8")))


@pytest.fixture
def installed(tmp_path, monkeypatch) -> Iterator[Path]:
    """The example as pip leaves it: on the path, with a dist-info made of its pyproject."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / f"acme_provider-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in found.items()) for group, found in project["entry-points"].items())
    (info / "entry_points.txt").write_text(points)
    for folder in (EXAMPLE, tmp_path):
        monkeypatch.syspath_prepend(str(folder))
    importlib.invalidate_caches()
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "acme_provider"]:
        del sys.modules[name]


def test_the_pages_code_is_the_examples_code() -> None:
    shown = [block for block in blocks() if block["kind"] in {"python", "toml"}]
    assert len(shown) > 9
    for block in shown:
        assert block["file"], f"a block does not say which file it is of:\n{block['text']}"
        source = (ROOT / block["file"]).read_text(encoding="utf-8")
        assert f"\n{block['text']}" in f"\n{source}", f"not in {block['file']}:\n{block['text']}"


def test_the_example_is_found_and_loaded_without_a_network(installed) -> None:
    assert "acme" in names()
    made = factory("acme")(Setup("mine", Http(), Drawer(), StillClock(), {"uid": "AC0001"}, {"password": "correct-horse"}))
    assert (made.name, made.dialect.windows, made.signed_in) == ("acme", ((5, 1.0), (120, 60.0)), False)


def test_an_account_of_the_example_is_made_of_the_lakes_settings(installed, tmp_path) -> None:
    lake = tmp_path / "lake"
    assert CliRunner().invoke(build_app(), ["--lake", str(lake), "init", "--no"]).exit_code == 0
    ran = CliRunner().invoke(build_app(), [
        "--lake", str(lake), "account", "add", "mine", "--provider", "acme", "--uid", "AC0001", "--password", "env:ACME_PASSWORD"])
    assert ran.exit_code == 0, ran.output
    with (lake / "lake.toml").open("a") as file:
        file.write("\n[provider.acme]\nrest = 'http://127.0.0.1:9/v1'\n")
    settings = load(lake, {})
    made = make_provider(settings, "mine", Http(), Drawer(), StillClock(), {"ACME_PASSWORD": "correct-horse"}, strict=True)
    assert made.name == "acme"
    assert made._rest == "http://127.0.0.1:9/v1"
    assert dict(made._setup.settings) == {"rest": "http://127.0.0.1:9/v1", "uid": "AC0001", "client_id": "", "vendor_code": "", "imei": ""}
    assert dict(made._setup.secrets) == {"password": "correct-horse"}


def test_an_account_of_a_provider_that_is_not_installed_is_refused(tmp_path) -> None:
    ran = CliRunner().invoke(build_app(), ["--lake", str(tmp_path), "account", "add", "mine", "--provider", "zerodha", "--uid", "X"])
    assert ran.exit_code == 2
    assert "no provider 'zerodha' is installed; there are firstock, shoonya" in ran.output


def test_the_example_passes_the_contract_with_pytest_alone(installed, tmp_path) -> None:
    """As a third party runs it: no plugin of ours, no configuration of ours, warnings as errors."""
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(EXAMPLE), str(installed)]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir", str(tmp_path), str(EXAMPLE / "tests")],
        capture_output=True, text=True, check=False, env=env)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    said = re.search(r"(\d+) passed in", ran.stdout)
    assert said is not None
    assert f"\n{said[1]} passed\n" in PAGE.read_text(encoding="utf-8")
    assert "skipped" not in ran.stdout


def test_the_example_is_as_small_as_the_page_says() -> None:
    code = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in (EXAMPLE / "acme_provider").glob("*.py"))
    tests = len((EXAMPLE / "tests" / "test_acme.py").read_text(encoding="utf-8").splitlines())
    assert code <= 400
    assert tests <= 80
