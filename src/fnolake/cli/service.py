"""
The unattended day as a service of the system: a systemd user unit, a launchd agent or a Windows task, with what wakes the machine.

Pure but for ``write_service``: values in, files out. Only for systemd was it tried (docs/daemon.md). Invariant: nothing is enabled
here, and no secret is in a file; the one command that enables it is said.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from typer.core import TyperCommand

from fnolake.errors import ConfigError
from fnolake.model.session import IST

if TYPE_CHECKING:
    from click import Context

HERE = "here"
PLATFORMS = ("systemd", "launchd", "windows")
WAKE = time(8, 20)
"""IST, before the pre-open work of half past eight."""
_LABEL = "in.fnolake.run"


class Init(TyperCommand):
    """``--service`` without a name means the platform that it runs on."""

    def parse_args(self, ctx: Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Parse, the platform filled in."""
        filled = []
        for number, word in enumerate(args):
            bare = word == "--service" and (number + 1 == len(args) or args[number + 1].startswith("-"))
            filled += [word, HERE] if bare else [word]
        return super().parse_args(ctx, filled)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Service:
    """Files to be written, by path; the one command that enables them; and what a person should know besides."""

    files: Mapping[Path, bytes]
    enable: str
    hints: tuple[str, ...]


def service_of(platform: str, lake: Path, home: Path, environ: Mapping[str, str], now: datetime) -> Service:
    """
    What runs a lake on a platform.

    Args:
        platform: One of ``PLATFORMS``, or ``here``.
        lake: Absolute.
        home: The user's folder.
        environ: For the user's usual places.
        now: Aware; the machine's zone of it says when to wake it.

    Raises:
        ConfigError: No such platform.
    """
    chosen = _platform() if platform == HERE else platform
    command = [sys.executable, "-m", "fnolake", "--lake", str(lake), "run"]
    if chosen == "systemd":
        return _systemd(command, Path(environ.get("XDG_CONFIG_HOME") or home / ".config"))
    if chosen == "launchd":
        return _launchd(command, home, now)
    if chosen == "windows":
        return _windows(command, Path(environ.get("LOCALAPPDATA") or home / "AppData" / "Local"))
    raise ConfigError(f"--service {platform}: there is {', '.join(PLATFORMS)}; without a name it is the platform of this machine")


def write_service(service: Service) -> None:
    """
    Write its files, over older ones.

    Raises:
        ConfigError: A folder cannot be written.
    """
    for path, text in service.files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text)
        except OSError as error:
            raise ConfigError(f"{path} cannot be written: {error.strerror or error}") from error


def _platform() -> str:
    return {"darwin": "launchd", "win32": "windows"}.get(sys.platform, "systemd")


def _systemd(command: Sequence[str], config: Path) -> Service:
    unit, timer, waker = config / "systemd" / "user" / "fnolake.service", config / "fnolake" / "fnolake-wake.timer", config / "fnolake" / "fnolake-wake.service"
    environment = config / "fnolake" / "environment"
    words = " ".join(_unit_word(word) for word in command)
    files = {
        unit: f"""[Unit]
Description=fnolake, the unattended day
StartLimitIntervalSec=0

[Service]
ExecStart={words}
EnvironmentFile=-{str(environment).replace("%", "%%")}
Restart=on-failure
RestartSec=60
RestartPreventExitStatus=2
TimeoutStopSec=180

[Install]
WantedBy=default.target
""",
        timer: f"""[Unit]
Description=Wake the machine before the market opens

[Timer]
OnCalendar=*-*-* {WAKE:%H:%M}:00 Asia/Kolkata
WakeSystem=true

[Install]
WantedBy=timers.target
""",
        waker: """[Unit]
Description=What the timer starts: nothing but the waking is needed

[Service]
Type=oneshot
ExecStart=/bin/true
""",
    }
    return Service({path: text.encode() for path, text in files.items()}, "systemctl --user daemon-reload && systemctl --user enable --now fnolake.service", (
        "to run while nobody is logged in: loginctl enable-linger",
        f"to wake a sleeping machine each morning (only the system's timers may): sudo systemctl link {waker} && sudo systemctl enable --now {timer}",
        f"secrets that accounts name as env:NAME go into {environment} (NAME=value lines; chmod 600)",
        "its lines: journalctl --user -u fnolake -f",
    ))


def _unit_word(word: str) -> str:
    """A word of a command line as systemd reads it."""
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("$", "$$")
    return f'"{quoted}"'


def _launchd(command: Sequence[str], home: Path, now: datetime) -> Service:
    import plistlib

    agent, log = home / "Library" / "LaunchAgents" / f"{_LABEL}.plist", home / "Library" / "Logs" / "fnolake.log"
    form = {
        "Label": _LABEL, "ProgramArguments": list(command), "RunAtLoad": True, "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 60, "ExitTimeOut": 180, "StandardErrorPath": str(log), "StandardOutPath": str(log),
    }
    wake = datetime.combine(now.astimezone(IST).date(), WAKE, IST).astimezone(now.tzinfo)
    return Service({agent: plistlib.dumps(form)}, f"launchctl bootstrap gui/$(id -u) '{agent}'", (
        f"to wake a sleeping machine each morning ({WAKE:%H:%M} IST in this machine's time): sudo pmset repeat wakeorpoweron MTWRFSU {wake:%H:%M}:00",
        "secrets: keyring:SERVICE/USER or file:PATH; launchd does not read your shell's environment",
        f"its lines: tail -f '{log}'",
    ))


def _windows(command: Sequence[str], local: PurePath) -> Service:
    import subprocess
    from xml.sax.saxutils import escape

    path = Path(local / "fnolake" / "fnolake-task.xml")
    arguments = escape(subprocess.list2cmdline(command[1:]))
    form = f"""<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.3" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo><Description>fnolake, the unattended day</Description></RegistrationInfo>
  <Triggers>
    <LogonTrigger><Enabled>true</Enabled></LogonTrigger>
    <CalendarTrigger>
      <StartBoundary>2026-01-01T{WAKE:%H:%M}:00+05:30</StartBoundary>
      <Enabled>true</Enabled>
      <ScheduleByDay><DaysInterval>1</DaysInterval></ScheduleByDay>
    </CalendarTrigger>
  </Triggers>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <WakeToRun>true</WakeToRun>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <RestartOnFailure><Interval>PT1M</Interval><Count>255</Count></RestartOnFailure>
  </Settings>
  <Actions>
    <Exec><Command>{escape(command[0])}</Command><Arguments>{arguments}</Arguments></Exec>
  </Actions>
</Task>
"""
    return Service({path: form.encode("utf-16")}, f'schtasks /Create /TN fnolake /XML "{path}"', (
        "the task wakes the machine by itself where its power plan allows wake timers",
        "start it now: schtasks /Run /TN fnolake",
    ))
