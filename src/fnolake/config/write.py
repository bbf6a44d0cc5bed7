"""
Changes to ``lake.toml`` that keep the rest of the file, comments included. Text in, text out, checked by re-reading.

Invariant: the file is replaced by one rename, so it is the old one or the new one; a new file is mode 0600.
"""

from __future__ import annotations

import os
import re
import stat
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fnolake.config.read import NAME, check_text
from fnolake.errors import ConfigError

_INITIAL = """\
# Settings of this lake. Every key can also be given as a variable, for example FNOLAKE_SYNC__WORKERS=4.

[exchange]
# The exchange's end-of-day files prove what was captured. May fnolake fetch them for you, slowly, once a day?
consent = {consent}
# wait = true                 # options wait for the file of their session, until the next morning
# Files that you fetched yourself: put them into the folder drop/ of this lake, whatever they are called.

# [sync]
# workers = 12
# batch_rows = 250000
# batch_s = 10.0
# start = 2026-01-01          # nothing older is wanted

# [alerts]                     # what needs you, told by Telegram, e-mail, Slack … (docs/alerts.md)
# to = ["env:FNOLAKE_ALERT_URL"]

# [calendar]
# additions = "calendar.toml" # your own facts about sessions

# Accounts are added with `fnolake account add`. Secrets never stand here: env:NAME, file:PATH, keyring:SERVICE/USER.
"""


def write_initial(path: Path, *, consent: bool = False) -> bool:
    """
    Write a first ``lake.toml`` (``path`` is the file) unless there is one; makes the folder.

    Returns:
        Whether it was written.

    Raises:
        ConfigError: The folder or file cannot be written.
    """
    if path.exists():
        return False
    _replace(path, _INITIAL.format(consent="true" if consent else "false"))
    return True


def add_account(path: Path, name: str, values: Mapping[str, str | float | None]) -> None:
    """
    Append ``[account.NAME]`` to the file; values that are None or empty are left out.

    Raises:
        ConfigError: The name is taken or not usable, a value is wrong, or the file cannot be written.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"account name {name!r} is not usable: use letters, digits, - and _")
    text = _text(path)
    if name in _accounts(text, path):
        raise ConfigError(f"{path}: account {name} is there already: `fnolake account remove {name}` first, or edit the file")
    lines = [f"{key} = {_literal(value)}" for key, value in values.items() if value not in (None, "")]
    gap = "" if not text or text.endswith("\n\n") else "\n" if text.endswith("\n") else "\n\n"
    made = f"{text}{gap}[account.{name}]\n" + "".join(f"{line}\n" for line in lines)
    check_text(made, path)
    _replace(path, made)


def remove_account(path: Path, name: str) -> None:
    """
    Take ``[account.NAME]`` out of the file; comments before the next table stay.

    Raises:
        ConfigError: There is no such account, or the file is written in a way that is not understood.
    """
    text = _text(path)
    known = _accounts(text, path)
    if name not in known:
        there = f"there are {', '.join(known)}" if known else "there is none"
        raise ConfigError(f"{path}: no account {name}; {there}")
    made = _without_table(text, name)
    if tomllib.loads(made) != _pruned(tomllib.loads(text), name):
        raise ConfigError(f"{path}: account {name} is not written as one table [account.{name}]: remove it by hand")
    _replace(path, made)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path} is not there: run `fnolake init` first") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read as text ({type(error).__name__}): check the file and its owner") from error


def _accounts(text: str, path: Path) -> list[str]:
    return list(dict.fromkeys(key[1] for key in check_text(text, path) if key[0] == "account"))


def _literal(value: str | float | None) -> str:
    if isinstance(value, (int, float)):
        return repr(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    if any(ord(letter) < 0x20 or ord(letter) == 0x7F for letter in escaped):
        raise ConfigError("a value may not hold control characters: give it as one line of text")
    return f'"{escaped}"'


def _without_table(text: str, name: str) -> str:
    lines = text.splitlines(keepends=True)
    header = re.compile(rf"\s*\[\s*account\s*\.\s*(\"{re.escape(name)}\"|'{re.escape(name)}'|{re.escape(name)})\s*\]")
    first = next((nth for nth, line in enumerate(lines) if header.match(line)), None)
    if first is None:
        return text
    following = range(first + 1, len(lines))
    after = next((nth for nth in following if lines[nth].lstrip().startswith("[")), len(lines))
    last = after
    while after < len(lines) and last > first + 1 and lines[last - 1].lstrip().startswith("#"):
        last -= 1
    return "".join(lines[:first] + lines[last:])


def _pruned(document: dict[str, Any], name: str) -> dict[str, Any]:
    accounts = {key: value for key, value in document["account"].items() if key != name}
    rest = {key: value for key, value in document.items() if key != "account"}
    return {**rest, "account": accounts} if accounts else rest


def _replace(path: Path, text: str) -> None:
    """Write beside, make durable, rename over; an existing file keeps its mode."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode) if path.exists() else 0o600
        handle, beside = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            Path(beside).replace(path)
        except BaseException:
            Path(beside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigError(f"{path} cannot be written ({error.strerror}): check the folder and its owner") from error
