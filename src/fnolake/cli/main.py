"""The entry point of the ``fnolake`` command."""

from __future__ import annotations

from fnolake.cli.app import build_app


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    build_app()(prog_name="fnolake")
