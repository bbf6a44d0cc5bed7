"""
The command line: one root command whose errors become one line and an exit code.

Exit: 0 done, 1 unexpected, 2 usage or configuration, 3 done with gaps, 4 integrity finding, 5 provider refused, 130
interrupted. Programming mistakes are not caught. Invariant: nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fnolake import __version__
from fnolake.cli import (
    alerts,
    bars,
    capture,
    certify,
    chain,
    continuous,
    export,
    files,
    imports,
    live,
    read,
    run,
    setup,
    sql,
    watch,
)
from fnolake.cli.desk import Desk, Interrupted, OpenLake, open_real_lake, say
from fnolake.errors import FnolakeError


class LogFormat(StrEnum):
    """How a log line looks."""

    TEXT = "text"
    JSON = "json"


INTERRUPTED = 130
USAGE = 2
ORDER = (
    "status", "init", "account", "login", "logout", "doctor", "instruments", "plan", "sync", "coverage", "gaps",
    "verify", "compare", "bars", "chain", "continuous", "sql", "export", "import", "audit", "live", "run", "exchange", "alert",
    "metrics", "upkeep", "emulator",
)
"""Commands as a person meets them."""


class Root(TyperGroup):
    """The place where errors end."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """The commands in the order of use."""
        return sorted(super().list_commands(ctx), key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))

    def main(self, *args: Any, **extra: Any) -> Any:  # noqa: ANN401 - the base class says so
        """
        Run the command line; wrong usage is one line, too.

        Raises:
            SystemExit: With the exit code.
        """
        try:
            code = super().main(*args, **{**extra, "standalone_mode": False})
        except typer.Abort:
            say("stopped: nothing was answered")
            code = INTERRUPTED
        except Exception as error:
            if not hasattr(error, "format_message"):
                raise
            say(error.format_message() if type(error).__name__.startswith("NoArgs") else f"fnolake: {usage_line(error)}")
            code = USAGE
        raise SystemExit(code if isinstance(code, int) else 0)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # noqa: ANN401 - the base class says so
        """
        Run the command.

        Raises:
            Exit: With the error's exit code, after its one line on stderr.
        """
        try:
            return super().invoke(ctx)
        except FnolakeError as error:
            if ctx.params.get("debug"):
                raise
            say(f"fnolake: {error}")
            raise typer.Exit(error.exit_code) from error
        except (KeyboardInterrupt, Interrupted) as error:
            say("interrupted: what was committed stays; run the same command again to go on")
            raise typer.Exit(INTERRUPTED) from error


def usage_line(error: Any) -> str:  # noqa: ANN401 - the parser's own errors are no public type
    """What was typed wrong, and which help says how."""
    where = error.ctx.command_path if getattr(error, "ctx", None) else "fnolake"
    said = error.format_message().replace("Value error, ", "").replace("'. Did you", "', did you").strip().rstrip(".?")
    return f"{said[:1].lower()}{said[1:]}; see `{where} --help`"


def _version(*, value: bool) -> None:
    if value:
        typer.echo(f"fnolake {__version__}")
        raise typer.Exit


def _typed(log_file: str, log_format: LogFormat | None) -> dict[str, object]:
    """Settings that the root command's options stand for; a file is meant from where the user is."""
    file = log_file if log_file in {"", "-"} else str(Path(log_file).expanduser().absolute())
    given = {"log.file": file or None, "log.format": log_format.value if log_format else None}
    return {key: value for key, value in given.items() if value is not None}


def build_app(opener: OpenLake = open_real_lake) -> typer.Typer:
    """
    The command line over a lake.

    Args:
        opener: Called with the lake's path and ``write``; returns a context manager. Tests pass their own.
    """
    app = typer.Typer(
        name="fnolake", cls=Root, invoke_without_command=True, rich_markup_mode=None, pretty_exceptions_enable=False,
        add_completion=True, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
        help="Every minute of every NSE F&O underlying, future and option, on your own disk, proven complete.",
        epilog="Data goes to stdout, progress to stderr. Exit: 0 done, 1 unexpected, 2 usage or configuration,"
        " 3 gaps left, 4 integrity, 5 provider refused, 130 interrupted.",
    )

    @app.callback()
    def root(
        context: typer.Context,
        lake: Annotated[Path, typer.Option("--lake", envvar="FNOLAKE_LAKE", metavar="PATH", help="The lake's folder.")] = Path("~/fnolake"),
        debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
        log_file: Annotated[str, typer.Option("--log-file", metavar="PATH|-", help="Write what happens there; - is stderr.")] = "",
        log_format: Annotated[LogFormat | None, typer.Option("--log-format", metavar="text|json", help="How log lines look.")] = None,
        version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")] = False,
    ) -> None:
        del debug, version
        context.obj = Desk(lake.expanduser().absolute(), opener, _typed(log_file, log_format))
        if context.invoked_subcommand is None:
            read.status(context)

    for part in (setup, read, chain, certify, capture, files, continuous, bars, export, imports, live, run, sql, alerts, watch):
        part.register(app)
    return app
