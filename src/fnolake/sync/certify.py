"""
One certificate a session: what the lake, the exchange's files and the masters say of it, put together and recorded.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

import polars as pl

from fnolake import __version__
from fnolake.errors import ConfigError
from fnolake.market.calendar import Calendar
from fnolake.model import Certificate, Selection
from fnolake.model.certificate import changes_since
from fnolake.query import certificate as certified
from fnolake.query import live
from fnolake.query.coverage import alive, statuses, summary
from fnolake.store.identity import KEY
from fnolake.store.journal import keep_findings, recorded
from fnolake.store.store import Store
from fnolake.sync.status import need_a_session
from fnolake.sync.wanted import SESSIONS_AT_ONCE, exchange_said, selected_contracts, wanted_sessions

SIGNED_AT_ONCE = 3
"""Certificates of one sync at most: a backfill's sessions are signed off by ``fnolake verify``."""
_AGREE = ("kind", "expiry", "strike_paise", "right")


@dataclass(frozen=True, slots=True)
class Certified:
    """
    A certificate with what does not go into it.

    ``exceptions`` are rows (``query.certificate.ROWS``) of what is neither verified nor untraded; ``coverage`` is
    ``query.coverage.summary`` of the session; ``number`` is the certificate's in the ledger, None when it was not recorded.
    """

    certificate: Certificate
    exceptions: pl.DataFrame
    coverage: pl.DataFrame
    number: int | None = None


def certify(store: Store, calendar: Calendar, selection: Selection, now: datetime, *, dry_run: bool) -> tuple[Certified, ...]:
    """
    Make the certificate of each finished session of a selection, by default of the last, ascending.

    Args:
        store: Open for writing unless ``dry_run``.
        calendar: Which dates are sessions.
        selection: Its underlyings are the scope; without any, those captured on the session or the nine captured before it.
        now: Calendar instant that the certificates bear.
        dry_run: Record nothing.

    Raises:
        ConfigError: Nothing finished in the dates, or nothing captured.
        UnknownInstrument: An underlying that no master named.
    """
    need_a_session(selection, calendar, now)
    made = [_certify(store, day, selection, now) for day in wanted_sessions(selection, calendar, now)[0]]
    return tuple(made if dry_run else [replace(each, number=_record(store, each.certificate)) for each in made])


def sign_off(store: Store, sessions: Sequence[date], now: datetime, *, changed: bool) -> tuple[str, ...]:
    """
    Record the certificates of finished sessions that have none yet, the latest ``SIGNED_AT_ONCE`` of them; blocking.

    A session whose exchange files are not here is left for a later sync.

    Args:
        store: Open for writing.
        sessions: Ascending.
        now: Calendar instant that they bear.
        changed: Something was captured or proven just now: a certificate that would say otherwise is superseded.

    Returns:
        The line of each that was recorded, by session.
    """
    lines = []
    for day in sessions[-SIGNED_AT_ONCE:]:
        in_force = store.certificates_in_force(day, day)
        if (in_force and not changed) or store.coverage([day]).is_empty():
            continue
        made = _certify(store, day, Selection(), now)
        if made.certificate.missing_files or (in_force and not made.certificate.changes):
            continue
        _record(store, made.certificate)
        lines.append(made.certificate.line)
    return tuple(lines)


def _record(store: Store, certificate: Certificate) -> int:
    """Record a certificate, and beside a recording of its session what that got wrong."""
    if certificate.session in recorded(store.path):
        keep_findings(store.path, certificate.session, live.findings(store, certificate.session))
    return store.record_certificate(certificate)


def _certify(store: Store, session: date, selection: Selection, now: datetime) -> Certified:
    contracts = _scope(store, session, selection)
    said = exchange_said(store, [session])
    files = {(venue, segment) for venue, segment, _ in said.days}
    known = store.coverage([session])
    listed = statuses(contracts, [session], known, said)
    indices = contracts.filter(pl.col("is_index") & (pl.col("kind") == "spot"))["contract"].to_list()
    rows = pl.concat([
        certified.certified_rows(listed, _winners(store, session, known), indices, files),
        certified.unnamed_rows(_unnamed(store, session, contracts["underlying"].unique().to_list())),
    ])
    exchange, masters = store.held_against(session)
    made = Certificate(
        session=session, made_at=now.replace(microsecond=0), version=__version__, venues=_venues(rows),
        counts=certified.counts_of(rows), underlyings=certified.underlyings_of(rows), known_underlyings=_known(store, session),
        reasons=certified.reasons_of(rows), exchange_files=exchange, missing_files=certified.missing_files(listed, indices, files), masters=masters,
        sources=certified.sources_of(rows), content=store.content_hash(session, contracts["contract"].to_list()),
    )
    before = store.certificates_in_force(session, session)
    if before:
        made = replace(made, supersedes=before[0].hash, changes=changes_since(before[0], made))
    return Certified(made, certified.exceptions_of(rows), summary(listed))


def _scope(store: Store, session: date, selection: Selection) -> pl.DataFrame:
    """Contracts of the certificate, latest row each."""
    if not selection.underlyings:
        ids = store.coverage([day for day in store.sessions() if day <= session][-SESSIONS_AT_ONCE:])["contract"]
        names = store.instruments(None).filter(pl.col("contract").is_in(ids.unique().implode()))["underlying"].unique().sort()
        selection = replace(selection, underlyings=tuple(names))
    if not selection.underlyings:
        raise ConfigError(f"nothing is captured of {session} or before it; run `fnolake sync --session {session}`")
    return selected_contracts(store, replace(selection, kinds=()))


def _winners(store: Store, session: date, known: pl.DataFrame) -> pl.DataFrame:
    """``query.certificate.KNOWN`` of the attempts that coverage names."""
    said = store.attempts([session]).select("attempt", "proof_reasons", "findings")
    return known.select("contract", "attempt", "provider").join(said, on="attempt", how="left").select(*certified.KNOWN)


def _unnamed(store: Store, session: date, underlyings: list[str]) -> pl.DataFrame:
    """Derivatives of these underlyings that the exchange lists and that match no contract of ours."""
    ids = store.exchange_rows(session).select("contract")
    tokens = store.instrument_history().join(ids, on="contract", how="semi").select(*KEY).unique()
    listed = store.exchange_scan([session]).filter((pl.col("segment") == "FO") & pl.col("underlying").is_in(underlyings))
    return listed.select("session", *KEY, "underlying", *_AGREE, "volume").collect().join(tokens, on=KEY, how="anti")


def _venues(rows: pl.DataFrame) -> tuple[str, ...]:
    return tuple(rows.filter(pl.col("segment") == "FO")["venue"].unique().sort(descending=True))


def _known(store: Store, session: date) -> int:
    """Underlyings with a contract that was listed on the session."""
    every = selected_contracts(store, Selection())
    valid = alive(every.select("contract", session=pl.lit(session)), every)
    return every.join(valid, on="contract", how="semi")["underlying"].n_unique()
