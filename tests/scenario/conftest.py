"""The whole line against the emulator: real processes, real sockets, a lake in a fresh folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

DEMO_ACCOUNT = {
    "FN_PASSWORD": "demo-password", "FN_TOTP": "JBSWY3DPEHPK3PXP", "FN_SECRET": "demo-secret",
    "FN_KEY": "0123456789abcdef0123456789abcdef",
}


@dataclass
class Emulator:
    """A started emulator process."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str) -> dict[str, object]:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: object) -> dict[str, object]:
        request = urllib.request.Request(
            self.url + path, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST",
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)


@dataclass
class Desk:
    """A lake and the command that works on it, as a user has them."""

    lake: Path
    url: str
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        return {
            **{k: v for k, v in os.environ.items() if not k.startswith("FNOLAKE_")}, **DEMO_ACCOUNT,
            "FNOLAKE_LAKE": str(self.lake), "FNOLAKE_CLOCK": self.url, "FNOLAKE_EMULATOR": self.url, "FNOLAKE_SYNC__LIMITS": "off", "NO_COLOR": "1", **self.env,
        }

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "fnolake", *words]

    def run(self, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            self.command(*words), env=self.environment(), capture_output=True, text=True, timeout=300, check=False,
        )
        assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words), env={**self.environment(), **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )

    def sign_in(self) -> None:
        self.run("init", "--yes")
        self.run(
            "account", "add", "demo", "--provider", "shoonya", "--generation", "legacy", "--uid", "FN0001",
            "--password", "env:FN_PASSWORD", "--totp", "env:FN_TOTP", "--vendor-code", "FN0001_U",
            "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
        )
        self.run("login", "demo")


@contextmanager
def started(*words: str) -> Iterator[Emulator]:
    """An emulator with the given arguments, ended at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "fnolake.emulator", "--port", "0", *words], stdout=subprocess.PIPE, text=True,
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, "the emulator did not start"
        yield Emulator(process, json.loads(line)["url"])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@pytest.fixture
def emulate() -> Iterator[Callable[..., Emulator]]:
    """Start emulators with the given arguments; they end with the test."""
    with ExitStack() as running:
        yield lambda *words: running.enter_context(started(*words))


@pytest.fixture
def desk(tmp_path: Path) -> Callable[[Emulator], Desk]:
    """A desk with a signed-in lake beside an emulator."""

    def at(emulator: Emulator, name: str = "lake") -> Desk:
        made = Desk(tmp_path / name, emulator.url)
        made.sign_in()
        return made

    return at
