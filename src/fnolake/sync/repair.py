"""
What is asked again because of what was found: which contract-sessions, when, how often, and when it is given up.

A finding is asked again on the next sync, its session alone, of another account or provider where there is one; one try an
evening, ``tries`` evenings for each reason. Nothing is stored for it: the attempts are the record. Invariant: a failure to
ask (``UNANSWERED``) is no try and never makes anything given up.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, datetime, timedelta

import polars as pl

from fnolake.model import ist_date
from fnolake.store.store import Store

TRIES = 3
"""Evenings on which a finding is asked again before it is given up."""
NEAR_TRIES = 1
"""The same for what nearly agrees with the exchange (``volume_near`` …): the provider's own way, most likely."""
NEAR_DAYS = 7
HORIZON_DAYS = 300

UNANSWERED = (
    "Unreachable", "RateLimited", "ProviderFault", "AuthError", "LoginRefused", "SignInLost", "SignedInElsewhere", "AddressNotAllowed",
)
"""Errors that say that nobody answered: asked again on every sync, for ever."""
NOT_YET = "in_progress"
STATES = ("due", "waiting", "given_up", "gone")

STATE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "proof": pl.String, "reason": pl.String, "state": pl.String,
    "tried": pl.Int64, "limit": pl.Int64, "last_tried": pl.Datetime("us", "UTC"), "provider": pl.String, "account": pl.String,
    "why": pl.String,
}
"""
One row a contract-session that is open. ``reason``: the stable word. ``state``: *due* (the next sync asks), *waiting* (was
asked this evening), *given_up*, or *gone* (expired). ``tried``: evenings after the first; ``limit``: null = for ever.
``provider`` and ``account``: who was asked last. ``why``: in words.
"""

_PAIR = ["contract", "session"]


def states(store: Store, now: datetime, *, tries: int = TRIES, retry: bool = False) -> pl.DataFrame:
    """
    Where every open finding stands.

    Args:
        store: The lake's.
        now: Aware; evenings are IST dates.
        tries: Evenings before a finding is given up.
        retry: Everything is due again, whatever was tried.

    Returns:
        ``STATE_SCHEMA``, by session and contract.
    """
    today = ist_date(now)
    opened, tried = store.open_findings(today - timedelta(days=HORIZON_DAYS), today - timedelta(days=NEAR_DAYS))
    found = opened.with_columns(reason=_reason()).filter(pl.col("reason") != NOT_YET)
    if found.is_empty():
        return pl.DataFrame(schema=STATE_SCHEMA)
    counted = _counted(found, tried)
    expiries = store.instruments(None).select("contract", "expiry")
    rows = found.join(counted, on=_PAIR, how="left").join(expiries.unique("contract", keep="last"), on="contract", how="left")
    limit = pl.when(pl.col("reason").is_in(UNANSWERED)).then(None).when(pl.col("reason").str.ends_with("_near")).then(min(NEAR_TRIES, tries)).otherwise(tries)
    rows = rows.with_columns(pl.col("tried").fill_null(0), limit=limit.cast(pl.Int64))
    rows = rows.with_columns(state=_state(today, retry=retry))
    return rows.with_columns(why=_why()).select(*STATE_SCHEMA).sort("session", "contract")


def _reason() -> pl.Expr:
    """The one word that an attempt or a coverage row is repaired for."""
    proof = pl.col("proof_reasons")
    near = proof.str.extract(r"([a-z_]+_near)")
    by_proof = pl.when(pl.col("proof") == "mismatch").then(proof.str.split(",").list.first()).otherwise(pl.coalesce(near, pl.lit("")))
    word = pl.when(pl.col("outcome") == "complete").then(by_proof).otherwise(pl.col("reasons").str.split(",").list.first())
    return pl.when(word.fill_null("") == "").then(pl.col("outcome")).otherwise(word)


def _counted(found: pl.DataFrame, tried: pl.DataFrame) -> pl.DataFrame:
    """By pair: evenings on which it was answered after the first with the reason of now, and who was asked last."""
    rows = tried.with_columns(
        word=_reason(), evening=pl.col("fetched_at").dt.convert_time_zone("Asia/Kolkata").dt.date(),
    ).join(found.select(*_PAIR, "reason"), on=_PAIR)
    first = rows.filter(pl.col("word") == pl.col("reason")).group_by(_PAIR).agg(began=pl.col("evening").min())
    later = (~pl.col("word").is_in(UNANSWERED)) & (pl.col("evening") > pl.col("began"))
    return rows.join(first, on=_PAIR, how="left").group_by(_PAIR).agg(
        tried=pl.col("evening").filter(later).n_unique().cast(pl.Int64), last_tried=pl.col("fetched_at").last(),
        provider=pl.col("provider").last(), account=pl.col("account").last(),
    )


def _state(today: date, *, retry: bool) -> pl.Expr:
    whole, again = pl.col("outcome") == "complete", pl.lit(retry)
    asked = pl.col("last_tried").dt.convert_time_zone("Asia/Kolkata").dt.date()
    return (
        pl.when(whole & (pl.col("expiry") < today)).then(pl.lit("gone"))
        .when(~again & (pl.col("tried") >= pl.col("limit"))).then(pl.lit("given_up"))
        .when(~again & whole & (asked >= today)).then(pl.lit("waiting"))
        .otherwise(pl.lit("due"))
    )


def _why() -> pl.Expr:
    times = pl.format("{}: asked again on {} evenings, and it stays", "reason", "tried")
    once = pl.format("{}: asked again on one evening, and it stays", "reason")
    return (
        pl.when(pl.col("state") == "given_up").then(pl.when(pl.col("tried") == 1).then(once).otherwise(times))
        .when(pl.col("state") == "gone").then(pl.format("{}: expired, it is served no more", "reason"))
        .when(pl.col("state") == "waiting").then(pl.format("{}: asked this evening, the next one asks again", "reason"))
        .otherwise(pl.format("{}: the next sync asks again", "reason"))
    )


def split(missing: pl.DataFrame, found: pl.DataFrame, contracts: pl.DataFrame, sessions: Collection[date] | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Part what is missing into what is asked in spans, and what is asked a session alone because of a finding.

    Args:
        missing: contract, session.
        found: :func:`states`.
        contracts: The selected ones.
        sessions: Findings of these count; None means any.

    Returns:
        Both as contract, session; what was given up is in neither.
    """
    due = found.filter((pl.col("state") == "due") & ~pl.col("reason").is_in(UNANSWERED)).join(contracts, on="contract", how="semi")
    if sessions is not None:
        due = due.filter(pl.col("session").is_in(list(sessions)))
    closed = found.filter(pl.col("state").is_in(["given_up", "gone"]))
    plain = missing.join(closed, on=_PAIR, how="anti").join(due, on=_PAIR, how="anti")
    return plain, due.select(_PAIR)


def named(rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
    """A plan's rows of single sessions with ``repair`` (why) and ``last_account`` (whom another is asked instead of)."""
    words = found.select("contract", first="session", repair="reason", last_account="account")
    return rows.drop("repair", "last_account").join(words, on=["contract", "first"], how="left", maintain_order="left").with_columns(
        pl.col("repair", "last_account").fill_null(""),
    ).select(rows.columns)


def elsewhere(last_account: str, providers: Mapping[str, str]) -> frozenset[str]:
    """
    Accounts that others are asked before: all of the provider that was asked last, where there is another, else that account.

    Args:
        last_account: Who was asked last; empty = nobody.
        providers: Provider by account.
    """
    provider = providers.get(last_account)
    if provider is None:
        return frozenset()
    same = frozenset(name for name, one in providers.items() if one == provider)
    return same if len(same) < len(providers) else frozenset({last_account})


def with_states(store: Store, rows: pl.DataFrame, now: datetime, tries: int) -> pl.DataFrame:
    """Rows of contract-sessions with ``repair``: empty, or what was tried of their finding and what comes next."""
    found = states(store, now, tries=tries).select(*_PAIR, repair="why")
    return rows.join(found, on=_PAIR, how="left", maintain_order="left").with_columns(pl.col("repair").fill_null(""))


def shown(store: Store, contracts: pl.DataFrame, now: datetime, tries: int) -> pl.DataFrame:
    """:func:`states` of contracts as people read them: symbol first, the last try in IST."""
    names = contracts.select("contract", "symbol", "underlying", "kind", "expiry")
    rows = states(store, now, tries=tries).join(names, on="contract").with_columns(pl.col("last_tried").dt.convert_time_zone("Asia/Kolkata"))
    return rows.select("symbol", "session", "underlying", "kind", "expiry", *(name for name in STATE_SCHEMA if name not in _PAIR)).sort("session", "symbol")
