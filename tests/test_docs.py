"""The documents tell the truth: commands and options that they name exist, links lead somewhere, nothing is left to fill in."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from fnolake.cli.app import build_app

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"(?<![\w./-])fnolake(?P<options>(?: --lake \S+)?) (?P<words>[a-z][^`\n#]*)")


def typed() -> list[tuple[str, list[str]]]:
    """Commands in code spans and code blocks, by page."""
    found = []
    for page in PAGES:
        for code in re.findall(r"```\w*\n(.*?)```|`([^`]+)`", page.read_text(encoding="utf-8"), flags=re.DOTALL):
            found += [(page.name, match["words"].split()) for match in COMMAND.finditer("".join(code).replace(".venv/bin/", ""))]
    return found


@pytest.mark.parametrize(("page", "words"), typed(), ids=lambda value: value if isinstance(value, str) else " ".join(value[:3]))
def test_a_command_that_a_page_names_exists_with_its_options(page: str, words: list[str]) -> None:
    command = get_command(build_app())
    rest = list(words)
    while rest and hasattr(command, "commands"):
        name = rest.pop(0)
        if name.startswith("-"):
            break
        assert name in command.commands, f"{page}: fnolake {' '.join(words)}"
        command = command.commands[name]
        if name == "emulator":
            return
        if rest and rest[0] not in getattr(command, "commands", {}):
            break
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    for option in (word for word in rest if word.startswith("--")):
        assert option in known, f"{page}: fnolake {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere_and_nothing_is_left_to_fill_in(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (page.parent / link).exists(), link
    assert not re.search(r"^FIGURES$|TODO|TBD", text, flags=re.MULTILINE)
