"""What has the system start the daemon: each file is well-formed, quotes its words, and holds nothing that was not asked for."""

import plistlib
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from fnolake.cli.service import PLATFORMS, Service, service_of, write_service
from fnolake.errors import ConfigError

if TYPE_CHECKING:
    from tests.cli.conftest import Terminal

LAKE = Path('/data/a "lake" of 100% & <more>')
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def made(platform: str, home: Path, lake: Path = LAKE) -> Service:
    return service_of(platform, lake, home, {}, NOW)


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    lake = tmp_path / "a lake of 100% & $HOME"
    lake.mkdir()
    service = made("systemd", tmp_path, lake)
    write_service(service)
    unit, timer, waker = service.files
    line = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    assert line == f'ExecStart="{sys.executable}" "-m" "fnolake" "--lake" "{tmp_path}/a lake of 100%% & $$HOME" "run"'
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("no systemd-analyze here")
    for path in (unit, waker, timer):
        done = subprocess.run([analyze, "verify", "--man=no", str(path)], capture_output=True, text=True, check=False)
        assert str(path.name) not in done.stderr, done.stderr


def test_launchd_reads_the_command_and_is_woken_in_the_machines_time(tmp_path: Path) -> None:
    service = made("launchd", tmp_path)
    (path, text), = service.files.items()
    form = plistlib.loads(text)
    assert path == tmp_path / "Library" / "LaunchAgents" / f"{form['Label']}.plist"
    assert form["ProgramArguments"] == [sys.executable, "-m", "fnolake", "--lake", str(LAKE), "run"]
    assert "02:50:00" in service.hints[0]


def test_the_windows_task_is_xml_that_wakes_the_machine(tmp_path: Path) -> None:
    service = made("windows", tmp_path)
    (text,) = service.files.values()
    root = ET.fromstring(text.decode("utf-16").partition("?>")[2])
    found = {node.tag.rpartition("}")[2]: node.text for node in root.iter()}
    assert found["WakeToRun"] == "true"
    assert found["Command"] == sys.executable
    assert found["Arguments"] == subprocess.list2cmdline(["-m", "fnolake", "--lake", str(LAKE), "run"])


def test_another_platform_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is systemd, launchd, windows"):
        made("amiga", tmp_path)


@pytest.mark.parametrize("platform", [*PLATFORMS, ""])
def test_init_shows_it_or_writes_it_and_says_the_one_command(
    terminal: "Terminal", platform: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    words = ["--service", *([platform] if platform else [])]
    shown = terminal("init", "--yes", *words, "--dry-run")
    assert shown.exit_code == 0
    assert "Enable it: " in shown.stdout
    assert not (tmp_path / "home").exists()
    written = terminal("init", "--yes", *words)
    assert written.exit_code == 0
    assert "wrote " in written.stderr
    assert [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
