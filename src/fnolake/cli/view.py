"""
Status, checks and what to register, as sentences for a person. Pure: values in, lines out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from fnolake.model.session import IST

if TYPE_CHECKING:
    import polars as pl

    from fnolake.sync.status import AccountStatus, Check, Status

BAR_WIDTH = 40
REDIRECT = "http://127.0.0.1:8765/callback"
"""Where the browser comes back to when nothing else is set."""

CONSENT = (
    "NSE and BSE publish end-of-day files for anyone, though their terms do not allow automated collection without their permission:"
    " may fnolake fetch them for you, slowly and for your own use, which saves about 104 of the 175 minutes that a full day takes at"
    " 200 requests a minute (71 remain, as what did not trade is not asked for)"
)


def status_lines(status: Status) -> Iterator[str]:
    """The lake at a glance, ending with the command to type next."""
    room = f", room for about {status.disk_days:,} more" if status.disk_days is not None else ""
    yield f"Lake {status.path}: {status.bars:,} bars of {status.contracts:,} contracts, {status.sessions:,} session{'s' * (status.sessions != 1)}, {size(status.disk_bytes)}{room}"
    yield ""
    yield "Accounts" if status.accounts else "Accounts: none yet"
    yield from table_lines(map(_account, status.accounts))
    yield ""
    yield from _session_lines(status)
    if status.extras.get("exchange"):
        yield from (f"  {line}" for line in status.extras["exchange"].splitlines())
    if status.certificate:
        yield f"Certificate: {status.certificate}"
    if status.lost_next:
        yield f"Lost next: {status.lost_next}"
    if status.at_risk:
        yield f"At risk: {status.at_risk}"
    if status.extras.get("daemon"):
        yield f"Daemon: {status.extras['daemon']}"
    yield ""
    yield f"Next: {status.next_command}"


def _account(account: AccountStatus) -> tuple[str, ...]:
    state = f"signed out: fnolake login {account.name}"
    if account.signed_in:
        state = f"signed in until {clock(account.until)}" if account.until else "signed in"
    span = "minute" if account.seconds == 60 else "second" if account.seconds == 1 else f"{account.seconds:g} s"
    left = f"{max(account.allowance - account.used, 0):,} of {account.allowance:,} requests left this {span}" if account.allowance else "no limits"
    return account.name, f"{account.provider} {account.generation}".strip(), state, left


def _session_lines(status: Status) -> Iterator[str]:
    counts = status.counts
    if status.last_session is None or not counts.get("listed"):
        yield "Last session: nothing is known of it yet"
        return
    yield f"Last session {status.last_session:%A %d %B %Y}"
    yield "  " + ", ".join(f"{counts.get(name, 0):,} {name}" for name in ("listed", "traded", "captured", "verified", "gaps"))
    if counts.get("unknown"):
        yield f"  {counts['unknown']:,} of them stand in no exchange file (an index never does) and are not counted as traded"
    covered = counts["listed"] - counts.get("gaps", 0)
    yield f"  {bar(covered / counts['listed'])} {100 * covered // counts['listed']} % covered"
    reasons = list(status.gaps_by_reason.items())
    if reasons:
        more = f" and {len(reasons) - 5} other reasons" if len(reasons) > 5 else ""
        yield "  gaps by reason: " + ", ".join(f"{count:,} {name}" for name, count in reasons[:5]) + more


def gap_lines(frame: pl.DataFrame) -> Iterator[str]:
    """Gaps by reason, and what to do."""
    by_status = frame["status"].value_counts(sort=True) if "status" in frame.columns else None
    if by_status is not None:
        yield "by reason: " + ", ".join(f"{count:,} {name}" for name, count in by_status.iter_rows())
    yield "fnolake plan with the same options says what fetching them takes, fnolake sync fetches them"


def risk_lines(frame: pl.DataFrame) -> Iterator[str]:
    """What the table of deadlines comes to."""
    lost = int(frame["lost"].sum())
    yield f"{lost:,} contract-sessions will not fit: fnolake sync --backfill tonight, another account, or a longer [freshness] evening_minutes" if lost else (
        "Everything fits before its deadline at the present rate: fnolake sync --backfill fetches it"
    )


def without_echoes(frame: pl.DataFrame) -> pl.DataFrame:
    """Bars without the columns that symbol and ts say already, for a table."""
    said = {"session", "underlying", "kind", "expiry", "strike", "right"} if {"symbol", "ts"} <= set(frame.columns) else set()
    return frame.drop(said & set(frame.columns))


def check_lines(checks: Iterable[Check]) -> Iterator[str]:
    """One line a check, and how to mend what is wrong."""
    for check in checks:
        yield f"{'ok   ' if check.ok else 'WRONG'}  {check.name}: {check.detail}"
        if not check.ok and check.mend:
            yield f"       {check.mend}"


def register_lines(redirect: str) -> list[str]:
    """What to register at the broker before the first sign-in."""
    return [
        "At your broker (Shoonya: Prism, API key), register:",
        f"  redirect address  {redirect or REDIRECT}",
        "  static IP         the public address of this machine (a primary and a backup one)",
        "Keep secrets outside the lake, for example in a variable or a file of mode 600, then:",
        "  fnolake account add NAME --uid UID --client-id UID_U --secret-code env:VARIABLE",
        "  fnolake login NAME",
        "At Firstock (firstock.in/api) register the static IP alone, take the API key, then:",
        "  fnolake account add NAME --provider firstock --uid UID --password env:A --totp env:B --api-key env:C",
    ]


def table_lines(rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Rows of texts in columns, indented by two."""
    kept = list(rows)
    widths = [max(map(len, column)) for column in zip(*kept, strict=True)]
    return ["  " + "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in kept]


def bar(share: float) -> str:
    """A bar of fixed width; full only when the share is 1."""
    full = int(share * BAR_WIDTH)
    return "[" + "#" * full + "." * (BAR_WIDTH - full) + "]"


def clock(instant: datetime) -> str:
    """An instant in IST, to the minute."""
    return f"{instant.astimezone(IST):%d %b %H:%M} IST"


def size(count: float) -> str:
    """Bytes for a person."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} TB"
