"""Commands that set a lake up and sign in: init, account, login, logout, doctor."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from fnolake.cli import view
from fnolake.cli.desk import desk_of, run, say
from fnolake.cli.options import DryRunOption, FormatOption
from fnolake.cli.output import render_rows, render_value
from fnolake.cli.service import Init, service_of, write_service
from fnolake.errors import ConfigError
from fnolake.model.session import IST

account = typer.Typer(help="The broker accounts of this lake.", no_args_is_help=True)

ConsentOption = Annotated[
    bool | None, typer.Option("--yes/--no", help="Answer the question about the exchange's files (default: ask).", show_default=False)
]
ACCOUNT_COLUMNS = ("name", "provider", "generation", "signed_in", "until", "allowance", "used")
NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="As `fnolake account list` shows it.")]
NEEDED = {
    "oauth": ("secret_code",), "legacy": ("password", "totp", "api_secret"), "firstock": ("password", "totp", "api_key"),
}
"""What a sign-in needs, by generation at Shoonya, else by provider."""
SecretHelp = "REF says where it is kept: env:NAME, file:PATH or keyring:SERVICE/USER."


def register(app: typer.Typer) -> None:
    """Give the root command these commands."""
    app.command(cls=Init)(init)
    app.add_typer(account, name="account")
    app.command()(login)
    app.command()(logout)
    app.command()(doctor)


def init(
    context: typer.Context, yes: ConsentOption = None,
    service: Annotated[str | None, typer.Option(
        metavar="[systemd|launchd|windows]", help="Also write what starts `fnolake run`; without a name for this platform.", show_default=False,
    )] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Make a lake here, and say what to register at the broker."""
    from fnolake.config import load, write_initial

    desk = desk_of(context)
    if desk.lake.exists() and not desk.lake.is_dir():
        raise ConfigError(f"{desk.lake} is a file: name a folder with --lake")
    if desk.file.exists():
        say(f"{desk.file} is there already: nothing was changed")
    elif dry_run:
        say(f"would make {desk.file}; nothing was changed")
    else:
        write_initial(desk.file, consent=_consent() if yes is None else yes)
        say(f"made {desk.file}")
    if service is not None:
        _service(service, desk.lake, dry_run=dry_run)
        return
    for line in view.register_lines(load(desk.lake, os.environ).shoonya.redirect):
        typer.echo(line)


def _service(platform: str, lake: Path, *, dry_run: bool) -> None:
    """Write, or only show, what has the system run the lake."""
    made = service_of(platform, lake, Path.home(), os.environ, datetime.now().astimezone())
    if not dry_run:
        write_service(made)
    for path, text in made.files.items():
        say(f"would write {path}:" if dry_run else f"wrote {path}")
        if dry_run:
            typer.echo(text.decode("utf-16" if text[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"))
    typer.echo(f"Enable it: {made.enable}")
    for hint in made.hints:
        typer.echo(f"  {hint}")


def _consent() -> bool:
    try:
        return typer.confirm(view.CONSENT, err=True)
    except typer.Abort as error:
        say("")
        raise ConfigError("one question was not answered: run in a terminal, or give --yes or --no") from error


@account.command("add")
def account_add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What you call it: letters, digits, - and _.")],
    uid: Annotated[str, typer.Option(metavar="UID", help="User id at the broker.")],
    provider: Annotated[str, typer.Option(metavar="NAME", help="The broker: shoonya, firstock or an installed one.")] = "shoonya",
    generation: Annotated[
        str | None, typer.Option(metavar="oauth|legacy", help="Shoonya: oauth (default), or legacy (password and TOTP).", show_default=False)
    ] = None,
    client_id: Annotated[str, typer.Option(metavar="ID", help="oauth: client id, usually UID_U.")] = "",
    secret_code: Annotated[str, typer.Option(metavar="REF", help=f"oauth: secret code. {SecretHelp}")] = "",
    password: Annotated[str, typer.Option(metavar="REF", help=f"legacy, firstock. {SecretHelp}")] = "",
    totp: Annotated[str, typer.Option(metavar="REF", help=f"legacy, firstock: TOTP secret. {SecretHelp}")] = "",
    vendor_code: Annotated[str, typer.Option(metavar="CODE", help="legacy: UID_U, firstock: UID_API, if left out.")] = "",
    api_secret: Annotated[str, typer.Option(metavar="REF", help=f"legacy: API key. {SecretHelp}")] = "",
    api_key: Annotated[str, typer.Option(metavar="REF", help=f"firstock: API key. {SecretHelp}")] = "",
    imei: Annotated[str, typer.Option(metavar="TEXT", help="legacy: any text that stays the same.")] = "",
    reserve: Annotated[float | None, typer.Option(metavar="SHARE", help="Share of the budget left to your other programs, 0 to 0.99.")] = None,
    dry_run: DryRunOption = False,
) -> None:
    """Add an account to lake.toml; secrets are named, never stored."""
    from fnolake.config import add_account
    from fnolake.provider.registry import factory

    factory(provider)
    if generation is not None and provider != "shoonya":
        raise ConfigError(f"only Shoonya has generations: leave --generation out for {provider}")
    if provider == "shoonya":
        generation = generation or "oauth"
    values: dict[str, str | float | None] = {
        "provider": provider, "generation": generation, "uid": uid, "client_id": client_id, "secret_code": _anchored(secret_code),
        "password": _anchored(password), "totp": _anchored(totp), "vendor_code": vendor_code, "api_secret": _anchored(api_secret),
        "api_key": _anchored(api_key), "imei": imei, "reserve": reserve,
    }
    file = desk_of(context).file
    if dry_run:
        _rehearse(file, lambda copy: add_account(copy, name, values))
        say(f"would add [account.{name}] to {file}; nothing was changed")
        return
    add_account(file, name, values)
    lacking = [f"--{key.replace('_', '-')}" for key in NEEDED.get(generation or provider, ()) if not values[key]]
    if lacking:
        say(f"without {', '.join(lacking)} it can only sign in with `fnolake login {name} --token-from …`")
    say(f"added {name}; next: fnolake login {name}")


def _rehearse(file: Path, change: Callable[[Path], None]) -> None:
    """Make the change in a copy that is thrown away, so that what is wrong is said."""
    import shutil
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / file.name
        if file.exists():
            shutil.copy(file, copy)
        try:
            change(copy)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(copy), str(file))) from error


def _anchored(reference: str) -> str:
    """A file named on the command line is meant from where the user is."""
    scheme, _, rest = reference.partition(":")
    return f"file:{Path(rest).expanduser().absolute()}" if scheme == "file" and rest else reference


@account.command("list")
def account_list(context: typer.Context, form: FormatOption = None) -> None:
    """
    The accounts of this lake and whether they are signed in.

    In Python: lake.accounts.
    """
    with desk_of(context).open() as lake:
        rows = [
            {
                "name": one.name, "provider": one.provider, "generation": one.generation, "signed_in": one.signed_in,
                "until": one.until.astimezone(IST) if one.until else None, "allowance": one.allowance, "used": one.used,
            }
            for one in lake.accounts()
        ]
    render_rows(rows, form, nothing="No account yet: fnolake account add --help", columns=ACCOUNT_COLUMNS)


@account.command("remove")
def account_remove(context: typer.Context, name: NameArgument, dry_run: DryRunOption = False) -> None:
    """Take an account out of lake.toml; what it captured stays."""
    from fnolake.config import remove_account

    file = desk_of(context).file
    if dry_run:
        _rehearse(file, lambda copy: remove_account(copy, name))
        say(f"would take [account.{name}] out of {file}; nothing was changed")
        return
    remove_account(file, name)
    say(f"removed {name}")


def login(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="ACCOUNT", help="Needed only when there are several.", show_default=False)] = None,
    code: Annotated[str | None, typer.Option(metavar="URL_OR_CODE", help="The address your browser was sent back to, or its code; firstock: a one-time password.")] = None,
    token_from: Annotated[str | None, typer.Option(metavar="REF", help="Adopt a token made elsewhere: env:NAME or file:PATH. It is never renewed.")] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the sign-in page here.")] = True,
) -> None:
    """
    Sign in.

    In Python: lake.async_login.
    """
    words = f"fnolake login {name}" if name else "fnolake login"

    def on_address(address: str) -> None:
        say(f"Sign in here: {address}")
        say(f"Or sign in elsewhere and give the address you are sent back to: {words} --code 'ADDRESS'")

    with desk_of(context).open() as lake:
        who = run(lake.async_login(
            name, code=code, token_ref=token_from, open_browser=_open_browser if browser else None, on_address=on_address,
        ))
    say(f"{who} is signed in")


def logout(context: typer.Context, name: Annotated[str | None, typer.Argument(metavar="ACCOUNT", show_default=False)] = None) -> None:
    """
    End a sign-in.

    In Python: lake.async_logout.

    One that was adopted is only forgotten.
    """
    with desk_of(context).open() as lake:
        gone = run(lake.async_logout(name))
    say(f"{gone} is signed out")


def _open_browser(address: str) -> None:
    """Open the page beside us: a browser in the terminal must not stop the listener."""
    import threading
    import webbrowser

    threading.Thread(target=webbrowser.open, args=(address,), daemon=True, name="browser").start()


def doctor(context: typer.Context, form: FormatOption = None) -> None:
    """
    Say what is wrong and how to mend it.

    In Python: lake.async_doctor.

    Exit 2 if anything is.
    """
    with desk_of(context).open() as lake:
        checks: list[Any] = run(lake.async_doctor())
    if form is None:
        render_value(checks, None, view.check_lines(checks))
    else:
        render_rows([{"name": one.name, "ok": one.ok, "detail": one.detail, "mend": one.mend} for one in checks], form)
    if not all(check.ok for check in checks):
        raise typer.Exit(2)
