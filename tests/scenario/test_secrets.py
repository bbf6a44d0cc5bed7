"""Secrets that are planted everywhere appear nowhere: real commands at an emulator whose user has unique secrets, then a search."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer

import pytest
from tests.scenario.conftest import Desk, Emulator

PLANTED = {
    "FN_PASSWORD": "Plant3d&Pass word/41", "FN_TOTP": "PLANTEDTQTPSECRETAB234567QRSTUVW", "FN_SECRET": "planted-legacy-key-7f3a",
    "FN_CODE": "planted-oauth-secret-91bd", "FN_KEY": "planted0firstock0key0ab12", "FN_ADOPTED": "planted-adopted-token-55c0ffee",
    "FN_WRONG": "planted-wrong-password-00d1", "FN_ACCESS": "planted-acme-access-3e8f",
    "FN_HOOK_PASSWORD": "planted-hook-password-77aa",
}
HOOK = f"json://somebody:{PLANTED['FN_HOOK_PASSWORD']}@127.0.0.1:9/alerts"
SERVE = """
import asyncio, json, sys
from fnolake.emulator.config import Demo, EmulatorConfig, parse_limits
from fnolake.emulator.server import start


planted = json.loads(sys.argv[1])
demo = Demo(password=planted["FN_PASSWORD"], totp_secret=planted["FN_TOTP"], secret_code=planted["FN_CODE"],
            api_secret=planted["FN_SECRET"], api_key=planted["FN_KEY"])

async def serve():
    async with start(EmulatorConfig(underlyings=("SBIN",), limits=parse_limits("off"), demo=demo)) as emulator:
        print(json.dumps({"url": emulator.url}), flush=True)
        await asyncio.Event().wait()

asyncio.run(serve())
"""


@pytest.fixture
def planted() -> Iterator[Emulator]:
    """An emulator whose user's secrets are the planted ones."""
    process = subprocess.Popen([sys.executable, "-c", SERVE, json.dumps(PLANTED)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Emulator(process, json.loads(process.stdout.readline())["url"])
    finally:
        process.terminate()
        process.wait(timeout=20)
        process.stdout.close()


@dataclass
class Told:
    """Everything that commands said."""

    desk: Desk
    texts: list[tuple[str, str]] = field(default_factory=list)

    def __call__(self, *words: str, codes: tuple[int, ...] = (0,), **env: str) -> str:
        done = subprocess.run(
            self.desk.command(*words), env={**self.desk.environment(), **env}, capture_output=True, text=True, timeout=300, check=False,
        )
        assert done.returncode in codes, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        self._keep(words, done.stdout, done.stderr)
        return done.stdout + done.stderr

    def until(self, said: str, *words: str) -> None:
        """Run a command that goes on until it has said something, then end it as Ctrl-C does."""
        process = self.desk.start(*words, env={"PYTHONUNBUFFERED": "1"})
        guard = Timer(120, process.kill)
        guard.start()
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if said in line:
                process.send_signal(signal.SIGINT)
                break
        out, rest = process.communicate()
        guard.cancel()
        assert process.returncode == 0, (words, lines, rest)
        self._keep(words, out, "".join(lines) + rest)

    def _keep(self, words: tuple[str, ...], out: str, err: str) -> None:
        self.texts += [(f"stdout of {' '.join(words)}", out), (f"stderr of {' '.join(words)}", err)]


def tokens_of(lake: Path) -> set[str]:
    """Tokens that the provider gave, as the drawer has them; only its owner may read it."""
    found = set()
    for file in (lake / "state").glob("sign-in-*"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        held = json.loads(file.read_text())
        found |= {held[name] for name in ("token", "socket_token") if held.get(name)}
    return found


def forbidden(tokens: set[str]) -> set[bytes]:
    """What may stand nowhere: the secrets, what is sent in their place, and their common spellings."""
    values = {*PLANTED.values(), *tokens}
    hashes = {hashlib.sha256(value.encode()).hexdigest() for value in PLANTED.values()}
    hashes |= {hashlib.sha256(f"FN0001|{PLANTED['FN_SECRET']}".encode()).hexdigest()}
    spelled = {value.replace(" ", mark).replace("/", slash).replace("&", "%26") for value in values for mark, slash in (("%20", "%2F"), ("+", "%2F"))}
    return {text.encode() for text in values | hashes | spelled if len(text) > 5}


def leaks(told: Told, tokens: set[str], files: list[Path]) -> list[str]:
    """Where something forbidden stands, without saying what."""
    pattern = re.compile(b"|".join(re.escape(text) for text in sorted(forbidden(tokens), key=len, reverse=True)))
    found = [where for where, text in told.texts if pattern.search(text.encode())]
    return found + [str(file) for file in files if pattern.search(file.read_bytes())]


def add_accounts(told: Told) -> None:
    told("init", "--yes")
    with (told.desk.lake / "lake.toml").open("a", encoding="utf-8") as settings:
        settings.write('\n[alerts]\nto = ["env:FN_HOOK"]\non = ["login_needed", "certificate"]\n')
    told(
        "account", "add", "legacy", "--provider", "shoonya", "--generation", "legacy", "--uid", "FN0001", "--password", "env:FN_PASSWORD",
        "--totp", "env:FN_TOTP", "--vendor-code", "FN0001_U", "--api-secret", "env:FN_SECRET", "--imei", "abc1234",
    )
    told("account", "add", "oauth", "--uid", "FN0002", "--client-id", "FN0002_U", "--secret-code", "env:FN_CODE")
    told(
        "account", "add", "second", "--provider", "firstock", "--uid", "FN0003", "--password", "env:FN_PASSWORD", "--totp", "env:FN_TOTP",
        "--api-key", "env:FN_KEY",
    )
    told("account", "add", "wrong", "--provider", "firstock", "--uid", "FN0001", "--password", "env:FN_WRONG", "--totp", "env:FN_TOTP", "--api-key", "env:FN_KEY")


@pytest.mark.slow
def test_a_planted_secret_appears_nowhere(planted: Emulator, tmp_path: Path) -> None:
    log, figures = tmp_path / "outside" / "fnolake.log", tmp_path / "metrics.prom"
    desk = Desk(tmp_path / "lake", planted.url, env={
        **PLANTED, "FN_HOOK": HOOK, "FNOLAKE_LOG__LEVEL": "debug", "FNOLAKE_LOG__FILE": str(log), "FNOLAKE_METRICS__FILE": str(figures),
        "FNOLAKE_LOG__FORMAT": "json",
    })
    told = Told(desk)
    add_accounts(told)
    told("login", "legacy")
    told("login", "second")
    tokens = tokens_of(desk.lake)
    assert len(tokens) >= 2
    failing_sign_ins(told)
    told("doctor", codes=(0, 2))
    told("doctor", "--format", "json", codes=(0, 2))
    told("--log-file", "-", "sync", "--session", "2026-11-20", codes=(0, 3))
    told("status")
    told("metrics")
    told("account", "list", "--format", "json")
    crashes(told)
    tokens |= tokens_of(desk.lake)
    told("alert", "test", codes=(5,))
    told("--debug", "alert", "list", "--format", "json")
    planted.post("/emulator/clock", {"set": "2026-11-20T10:00:00+05:30", "rate": 60})
    told.until("ticks", "--log-file", "-", "live")
    planted.post("/emulator/clock", {"set": "2026-11-20T18:30:00+05:30", "rate": 1})
    told.until("done; ", "--log-file", "-", "run")
    tokens |= tokens_of(desk.lake)
    told("logout", "second")

    logs = sorted(log.parent.glob("fnolake.log*"))
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in logs)
    lines = [json.loads(line) for file in logs for line in file.read_text().splitlines()]
    assert {"signed_in", "failed", "crashed"} & {line["event"] for line in lines} == {"signed_in", "failed"}
    assert any('"event": "sync_ended"' in text and '"gaps": 0' in text for where, text in told.texts if "--log-file -" in where)
    assert "fnolake_requests_total" in figures.read_text()
    assert any('"event": "page_done"' in text for where, text in told.texts if "--log-file -" in where)
    files = [file for file in desk.lake.rglob("*") if file.is_file() and file.parent.name != "state"]
    assert len(files) > 5
    assert leaks(told, tokens, [*files, *logs, figures]) == []


def failing_sign_ins(told: Told) -> None:
    """Wrong secrets, wrong references, wrong codes: each says what to do and repeats nothing."""
    told("login", "wrong", codes=(5,))
    told("--debug", "login", "wrong", codes=(1, 5))
    told("login", "oauth", "--no-browser", "--code", f"{PLANTED['FN_ACCESS']}", codes=(5,))
    told("login", "oauth", "--no-browser", "--code", f"http://127.0.0.1:8765/callback?code={PLANTED['FN_ACCESS']}", codes=(2, 5))
    told("login", "oauth", "--token-from", "env:FN_ADOPTED", codes=(2, 5))
    told("login", "oauth", "--token-from", PLANTED["FN_ADOPTED"], codes=(2,))
    told("--debug", "login", "oauth", "--token-from", "env:NOT_THERE", codes=(1, 2))
    told("account", "add", "literal", "--uid", "FN0009", "--secret-code", PLANTED["FN_CODE"], codes=(2,))
    told("status", codes=(2,), FNOLAKE_ACCOUNT__LEGACY__PASSWORD=PLANTED["FN_PASSWORD"])


def crashes(told: Told) -> None:
    """Errors with their tracebacks, of the network and of a lake that is damaged."""
    nobody = "http://127.0.0.1:9"
    told("--debug", "login", "legacy", codes=(1, 2, 5), FNOLAKE_EMULATOR=nobody)
    told("--debug", "sync", codes=(1, 2, 5), FNOLAKE_CLOCK=nobody)
    told("--debug", "bars", "NOSUCH", codes=(1, 2))


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    """The search itself can fail: each form of a secret is found in a text and in a file."""
    file = tmp_path / "some.log"
    for text in sorted(forbidden({"token-of-the-day"})):
        file.write_bytes(b"before " + text + b" after")
        told = Told(Desk(tmp_path, ""), [("stdout of it", text.decode())])
        assert leaks(told, {"token-of-the-day"}, [file]) == ["stdout of it", str(file)]
    assert not os.environ.get("FN_PASSWORD")
