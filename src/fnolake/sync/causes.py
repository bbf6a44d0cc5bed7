"""
What there is to tell a person, from what a lake knows. ``messages`` is pure; ``look`` reads the store and asks no provider.

Invariant: a message speaks of counts, names and dates; no price and no secret is in one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from fnolake.config.settings import AccountSettings, AlertSettings
from fnolake.model import Certificate, Message

if TYPE_CHECKING:
    from fnolake.sync.status import AccountStatus


@dataclass(frozen=True, slots=True)
class Wanted:
    """An account that a person has to sign in: ``link`` is the broker's page, where one is open, ``reason`` what happened, where known."""

    account: str
    provider: str
    link: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """
    What a lake knows now.

    Attributes:
        today: IST date.
        sign_ins: Accounts that wait for a person.
        risk: ``sync.risk.RISK_SCHEMA``, by deadline; None where nothing is captured yet.
        evening: Today's session is finished, so that what expires today can be taken.
        last_session: The last finished session.
        mismatches: Its contract-sessions that do not agree with the exchange.
        disk_sessions: So many more sessions fit; None where that is not known.
        certificate: The latest in force.
    """

    today: date
    last_session: date
    sign_ins: tuple[Wanted, ...] = ()
    risk: pl.DataFrame | None = None
    evening: bool = False
    mismatches: int = 0
    disk_sessions: int | None = None
    certificate: Certificate | None = None


def needs_a_person(account: AccountSettings) -> bool:
    """Whether an account cannot sign in by itself: an OAuth one, or one without a password."""
    if account.provider == "shoonya" and account.generation == "oauth":
        return True
    return account.provider in {"shoonya", "firstock"} and not (account.password and account.totp)


def who_is_wanted(
    accounts: Mapping[str, AccountSettings], seen: tuple[AccountStatus, ...], links: Mapping[str, str], stopped: Mapping[str, str]
) -> tuple[Wanted, ...]:
    """
    The accounts that are signed out and wait for a person.

    Args:
        accounts: As they are set up.
        seen: As they stand.
        links: Pages that are open, by account.
        stopped: Why accounts stopped in the last sync: one that signs in by itself waits for a person only after it failed to.
    """
    return tuple(
        Wanted(one.name, one.provider, links.get(one.name, ""), stopped.get(one.name, ""))
        for one in seen if not one.signed_in and (needs_a_person(accounts[one.name]) or stopped.get(one.name))
    )


def messages(facts: Facts, settings: AlertSettings) -> tuple[Message, ...]:
    """Everything to tell now, by cause; the order is that of ``config.settings.CAUSES``."""
    made: dict[str, Callable[[Facts, AlertSettings], Iterator[Message]]] = {
        "login_needed": _sign_ins, "at_risk": _at_risk, "failed_proof": _failed_proof, "disk_low": _disk_low, "certificate": _certificate,
    }
    return tuple(message for cause, make in made.items() if cause in settings.on for message in make(facts, settings))


def login_needed(wanted: Wanted) -> Message:
    """The message that asks a person to sign in, with the link where there is one."""
    lines = [f"{wanted.reason}." if wanted.reason else ""]
    if wanted.link:
        lines += [
            f"Sign in here: {wanted.link}",
            "On the machine where fnolake runs it comes back by itself. On another device the last page does not load:",
            "copy its whole address, and on that machine run",
            f"fnolake login {wanted.account} --code 'ADDRESS'",
        ]
    else:
        lines.append(f"Run: fnolake login {wanted.account}")
    return Message("login_needed", f"login_needed:{wanted.account}", f"fnolake: sign in {wanted.account} at {wanted.provider}", _text(lines))


def _sign_ins(facts: Facts, _settings: AlertSettings) -> Iterator[Message]:
    yield from (login_needed(one) for one in facts.sign_ins)


def _at_risk(facts: Facts, _settings: AlertSettings) -> Iterator[Message]:
    if facts.risk is None:
        return
    for row in facts.risk.filter(pl.col("lost") > 0).head(1).iter_rows(named=True):
        kinds = ", ".join(f"{row[f'lost_{kind}']:,} of {kind}s" for kind in ("spot", "future", "option") if row[f"lost_{kind}"]).replace("spots", "spot")
        yield Message(
            "at_risk", f"at_risk:{row['deadline']}", f"fnolake: {row['lost']:,} contract-sessions will be lost on {row['deadline']:%d %b %Y}",
            _text([
                f"They do not fit into the evenings before their deadline, at the rate that the accounts allow: {kinds}.",
                "Run `fnolake sync` now, or add an account; `fnolake gaps --at-risk` shows them.",
            ]),
        )
        return
    due = facts.risk.filter((pl.col("deadline") <= facts.today) & (pl.col("requests") > 0))
    if facts.evening and due.height:
        count, contracts = int(due["contract_sessions"].sum()), int(due["contracts"].sum())
        yield Message(
            "at_risk", f"at_risk:{facts.today}", f"fnolake: {count:,} contract-sessions are lost after today",
            f"{contracts:,} contracts whose deadline is {facts.today:%d %b %Y} are not captured.\nRun `fnolake sync` before midnight.",
        )


def _failed_proof(facts: Facts, _settings: AlertSettings) -> Iterator[Message]:
    if facts.mismatches:
        day = facts.last_session
        yield Message(
            "failed_proof", f"failed_proof:{day}", f"fnolake: {facts.mismatches:,} contract-sessions of {day:%d %b %Y} fail the proof",
            f"Their bars do not agree with the exchange's file; each is asked again on the next evenings.\n`fnolake verify --session {day}` shows them.",
        )


def _disk_low(facts: Facts, settings: AlertSettings) -> Iterator[Message]:
    left = facts.disk_sessions
    if left is not None and left < settings.disk_sessions:
        yield Message(
            "disk_low", "disk_low", f"fnolake: the disk has room for {left:,} more session{'s' * (left != 1)}",
            "When it is full nothing is captured any more, and nothing of what is there is lost.\nMake room, or move the lake to a larger disk.",
        )


def _certificate(facts: Facts, _settings: AlertSettings) -> Iterator[Message]:
    made = facts.certificate
    if made is not None:
        said = f"certificate:{made.session}:{made.exit_code}:{made.content.sha256[:12]}"  # one that is only newer says nothing new
        yield Message("certificate", said, f"fnolake: {made.session:%d %b %Y} is signed off", made.line, once=True)


def _text(lines: list[str]) -> str:
    return "\n".join(line for line in lines if line)
