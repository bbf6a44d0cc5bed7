"""
What a lake says of a session, signed off: counts, reasons, what it was checked against and a hash of the bars. Values only.

Invariant: ``listed = traded + untraded + unknown`` and ``traded = verified + mismatch + unverified + gaps``, for the session
and for each underlying. No account, no secret and no price is in a certificate.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from datetime import date, datetime
from typing import Any

CERTIFICATE_SCHEMA = 1
"""The version of the JSON form; it grows when a field changes its meaning or goes."""

SHORT = 12
"""Digits of a hash that a person is shown."""

_FEW_NAMES = 3


@dataclass(frozen=True, slots=True)
class Counts:
    """
    Contract-sessions of one session (or of one underlying in it).

    ``traded``: the exchange's file shows volume (or we hold bars of what it says did not trade); ``untraded``: it shows none;
    ``unknown``: no file speaks of it (an index, a missing file). ``captured``: whole captures, known to trade or not.
    ``mismatch``, ``unverified`` and ``gaps`` are the traded ones that are not ``verified``; ``unknown_gaps`` are the unknown
    ones that are not captured.
    """

    listed: int = 0
    traded: int = 0
    untraded: int = 0
    unknown: int = 0
    captured: int = 0
    verified: int = 0
    mismatch: int = 0
    unverified: int = 0
    gaps: int = 0
    unknown_gaps: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))

    @property
    def exceptions(self) -> int:
        """Traded and not verified."""
        return self.traded - self.verified


@dataclass(frozen=True, slots=True)
class UnderlyingCounts:
    """One underlying's share of a certificate."""

    underlying: str
    counts: Counts


@dataclass(frozen=True, slots=True)
class Reason:
    """How many contract-sessions are an exception for one reason; ``standing`` is mismatch, unverified, gap or unknown."""

    standing: str
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ExchangeFile:
    """An exchange file that the session was held against; ``sha256`` is that of the file as kept, empty where it is gone."""

    venue: str
    segment: str
    name: str
    rows: int
    sha256: str
    taken_at: datetime | None


@dataclass(frozen=True, slots=True)
class MasterFile:
    """The symbol master in force on the session; ``payload_hash`` is the hex blake2b-128 of the file as fetched."""

    provider: str
    exchange: str
    day: date
    rows: int
    payload_hash: str


@dataclass(frozen=True, slots=True)
class Source:
    """A provider and how many contract-sessions of the certificate have its bars."""

    provider: str
    contract_sessions: int


@dataclass(frozen=True, slots=True)
class Content:
    """The bars themselves: ``sha256`` as docs/certificate.md says, ``bars`` rows of ``contracts`` contracts."""

    sha256: str
    bars: int
    contracts: int


@dataclass(frozen=True, slots=True)
class Certificate:
    """
    One session, signed off.

    ``venues`` are those with derivatives in it; ``underlyings`` are its scope, of ``known_underlyings`` that the lake knew on
    that session. ``missing_files`` are (venue, segment) without an exchange file. ``supersedes`` is the hash of the session's
    previous certificate, ``changes`` what is different from it.
    """

    session: date
    made_at: datetime
    version: str
    venues: tuple[str, ...]
    counts: Counts
    underlyings: tuple[UnderlyingCounts, ...]
    known_underlyings: int
    reasons: tuple[Reason, ...]
    exchange_files: tuple[ExchangeFile, ...]
    missing_files: tuple[tuple[str, str], ...]
    masters: tuple[MasterFile, ...]
    sources: tuple[Source, ...]
    content: Content
    supersedes: str = ""
    changes: tuple[str, ...] = ()

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical JSON (sorted keys, no spaces) of everything but the hash itself."""
        return hashlib.sha256(json.dumps(_plain(self), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()

    @property
    def line(self) -> str:
        """The one line to share; it holds no price."""
        return share_line([self])

    @property
    def exit_code(self) -> int:
        """4 with a mismatch, 3 with gaps or without an exchange file, else 0."""
        if self.counts.mismatch:
            return 4
        return 3 if self.counts.gaps or self.counts.unknown_gaps or self.missing_files else 0

    def to_json(self) -> dict[str, Any]:
        """The machine form (``CERTIFICATE_SCHEMA``): dates and instants ISO 8601, instants in UTC."""
        return {"hash": self.hash, **_plain(self)}

    @classmethod
    def from_json(cls, form: dict[str, Any]) -> Certificate:
        """The certificate that :meth:`to_json` wrote."""
        return cls(
            session=date.fromisoformat(form["session"]), made_at=datetime.fromisoformat(form["made_at"]), version=form["version"],
            venues=tuple(form["venues"]), counts=Counts(**form["counts"]), known_underlyings=form["known_underlyings"],
            underlyings=tuple(UnderlyingCounts(one["underlying"], Counts(**one["counts"])) for one in form["underlyings"]),
            reasons=tuple(Reason(**one) for one in form["reasons"]),
            exchange_files=tuple(ExchangeFile(**{**one, "taken_at": _instant(one["taken_at"])}) for one in form["exchange_files"]),
            missing_files=tuple((venue, segment) for venue, segment in form["missing_files"]),
            masters=tuple(MasterFile(**{**one, "day": date.fromisoformat(one["day"])}) for one in form["masters"]),
            sources=tuple(Source(**one) for one in form["sources"]), content=Content(**form["content"]),
            supersedes=form["supersedes"], changes=tuple(form["changes"]),
        )


def share_line(certificates: list[Certificate]) -> str:
    """
    One shareable line of one or more certificates, by session; without a price.

    ``13,845 of 13,845 traded contracts verified · NSE+BSE F&O · 2026-11-20 · sha256 0123456789ab``
    """
    total = sum((one.counts for one in certificates), start=Counts())
    first, last = certificates[0], certificates[-1]
    days = f"{first.session}" if len(certificates) == 1 else f"{len(certificates)} sessions, {first.session} to {last.session}"
    noun = "traded contracts" if len(certificates) == 1 else "traded contract-sessions"
    lacking = sorted({f"{venue} {segment}" for one in certificates for venue, segment in one.missing_files})
    parts = [
        f"{total.verified:,} of {total.traded:,} {noun} verified", market_text(certificates), scope_text(certificates), days,
        f"no exchange file of {', '.join(lacking)}" if lacking else "", f"sha256 {content_of(certificates)[:SHORT]}",
    ]
    return " · ".join(part for part in parts if part)


def market_text(certificates: list[Certificate]) -> str:
    """The venues in a few words: ``NSE+BSE F&O``."""
    venues = {venue for one in certificates for venue in one.venues}
    return "+".join(sorted(venues, reverse=True)) + " F&O" if venues else "no F&O"


def scope_text(certificates: list[Certificate]) -> str:
    """Which underlyings, where they are not all that the lake knew; empty where they are."""
    names = sorted({each.underlying for one in certificates for each in one.underlyings})
    known = max(one.known_underlyings for one in certificates)
    if len(names) >= known:
        return ""
    return ", ".join(names) if len(names) <= _FEW_NAMES else f"{len(names)} of {known} underlyings"


def content_of(certificates: list[Certificate]) -> str:
    """The hash of the bars: of one session its own, of several the SHA-256 of theirs in order, each ``SESSION HASH`` and a newline."""
    if len(certificates) == 1:
        return certificates[0].content.sha256
    return hashlib.sha256("".join(f"{one.session} {one.content.sha256}\n" for one in certificates).encode()).hexdigest()


def changes_since(old: Certificate, new: Certificate) -> tuple[str, ...]:
    """What a later certificate of the same session says otherwise, in a few words each; empty when nothing."""
    said = [
        f"{field.name} {getattr(old.counts, field.name):,} → {getattr(new.counts, field.name):,}" for field in fields(Counts)
        if getattr(old.counts, field.name) != getattr(new.counts, field.name)
    ]
    if old.content != new.content:
        said.append(f"bars {old.content.bars:,} ({old.content.sha256[:SHORT]}) → {new.content.bars:,} ({new.content.sha256[:SHORT]})")
    files = [{(one.venue, one.segment): one.sha256 for one in each.exchange_files} for each in (old, new)]
    said += [f"exchange file {venue} {segment}" for venue, segment in sorted({*files[0], *files[1]}) if files[0].get((venue, segment)) != files[1].get((venue, segment))]
    names = [{one.underlying for one in each.underlyings} for each in (old, new)]
    if names[0] != names[1]:
        said.append(f"underlyings {len(names[0])} → {len(names[1])}")
    if {(one.standing, one.reason, one.count) for one in old.reasons} != {(one.standing, one.reason, one.count) for one in new.reasons}:
        said.append("reasons of exceptions")
    return tuple(said)


def _plain(one: Certificate) -> dict[str, Any]:
    def plain(value: Any) -> Any:  # noqa: ANN401 - any field
        if isinstance(value, dict):
            return {name: plain(each) for name, each in value.items()}
        if isinstance(value, (list, tuple)):
            return [plain(each) for each in value]
        return value.isoformat() if isinstance(value, (date, datetime)) else value

    return {"schema": CERTIFICATE_SCHEMA, **plain(asdict(one))}


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
