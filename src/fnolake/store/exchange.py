"""
The exchange's end-of-day rows: one Delta partition a (session, venue, segment), matched to contracts when they are read.

Matching happens at reading, so that a master taken later still counts. Invariant: a row matches a contract only if the
token's contract was listed on that session and, for derivatives, kind, strike, right, underlying and one of the row's two
expiries agree; a row without a token (the formats before UDiFF) only if all that it is agrees.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Protocol

import polars as pl

from fnolake.model import Finding, RawFile
from fnolake.store import late
from fnolake.store.identity import KEY
from fnolake.store.instruments import InstrumentBook, read_renames
from fnolake.store.ledger import Ledger, days, from_days
from fnolake.store.masters import keep_raw
from fnolake.store.tables import TableSpec, replace_partition, scan_files, write_file

_PRICES = ("open_paise", "high_paise", "low_paise", "close_paise", "last_paise")
_NUMBERS = (*_PRICES, "settle_paise", "volume", "oi", "oi_change", "trades", "lot")
EXCHANGE_DAYS = TableSpec(
    "exchange_days",
    {
        "session": pl.Date, "venue": pl.String, "segment": pl.String, "token": pl.Int64, "underlying": pl.String,
        "kind": pl.String, "expiry": pl.Date, "stated_expiry": pl.Date, "strike_paise": pl.Int64, "right": pl.String, "series": pl.String,
        **dict.fromkeys(_NUMBERS, pl.Int64), "value_rupees": pl.Float64, "name": pl.String,
    },
    ("session", "venue", "segment"), delta_encoded=("token", *_NUMBERS),
    dictionary=("underlying", "kind", "expiry", "stated_expiry", "strike_paise", "right", "series"), bounds=("underlying", "token"),
)
MATCHED = ("contract", "session", *_PRICES, "settle_paise", "volume", "oi", "trades")
"""Columns of matched rows, in order; all Int64 but session (Date). Unique by (contract, session)."""

_RECORD = """
insert into exchange_days values (?, ?, ?, ?, ?, ?, ?, ?, ?) on conflict (venue, segment, session) do update set
    version = excluded.version, file = excluded.file, day_rows = excluded.day_rows, raw = excluded.raw,
    payload_hash = excluded.payload_hash, findings = excluded.findings
"""
_NAMED = ("venue", "segment", "underlying", "series", "kind", "expiry", "strike_paise", "right")
_AGREE = ("kind", "strike_paise", "right")
_OWN = ("kind", "underlying", "expiry", "strike_paise", "right")


class ExchangeDayLike(Protocol):
    """What ``market.bhavcopy`` reads from a file: ``rows`` with the columns of ``EXCHANGE_DAYS`` except session."""

    @property
    def day(self) -> date:
        """The session."""

    @property
    def venue(self) -> str:
        """NSE or BSE."""

    @property
    def segment(self) -> str:
        """CM or FO."""

    @property
    def rows(self) -> pl.DataFrame:
        """The file's rows, unique by token."""

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reader noticed."""


def take(lake: Path, ledger: Ledger, day: ExchangeDayLike, raw: RawFile) -> dict[str, int]:
    """
    Keep an exchange file as fetched and its rows in Delta; the same day again replaces it.

    Returns:
        How many ``rows`` it has and how many of them ``traded``.
    """
    kept = keep_raw(lake, raw, day.day)
    rows = _shaped(day)
    values = {"session": day.day.isoformat(), "venue": day.venue, "segment": day.segment}
    new = write_file(lake / EXCHANGE_DAYS.name, EXCHANGE_DAYS, values, [rows])
    version = replace_partition(lake / EXCHANGE_DAYS.name, EXCHANGE_DAYS, new)
    findings = json.dumps([[f.name, f.count, f.detail] for f in day.findings], ensure_ascii=False)
    with ledger.transaction() as connection:
        connection.execute(
            _RECORD, (day.venue, day.segment, days(day.day), version, new.path, new.rows, kept, raw.payload_hash, findings),
        )
        late.mark(connection, day.day)
    return {"rows": rows.height, "traded": rows.filter(pl.col("volume") > 0).height}


def _shaped(day: ExchangeDayLike) -> pl.DataFrame:
    """The file's rows with every column of the table, sorted; a column that the file lacks is null."""
    lacking = [name for name in EXCHANGE_DAYS.stored if name not in day.rows.columns]
    rows = day.rows.with_columns(pl.lit(None).alias(name) for name in lacking)
    types = {name: EXCHANGE_DAYS.schema[name] for name in EXCHANGE_DAYS.stored}
    return rows.select(EXCHANGE_DAYS.stored).cast(types).sort("underlying", "kind", "expiry", "strike_paise", "right", "token")  # type: ignore[arg-type]


def here(ledger: Ledger) -> set[tuple[str, str, date]]:
    """(venue, segment, session) of the files that are here."""
    return {(str(v), str(s), from_days(int(str(d)))) for v, s, d in ledger.rows("select venue, segment, session from exchange_days")}


def scan(lake: Path, ledger: Ledger, sessions: Sequence[date]) -> pl.LazyFrame:
    """Rows of these sessions as the exchange published them, in the columns of ``EXCHANGE_DAYS``."""
    wanted = {days(day) for day in sessions}
    files = [str(file) for day, file in ledger.rows("select session, file from exchange_days order by session") if day in wanted]
    return scan_files(lake / EXCHANGE_DAYS.name, EXCHANGE_DAYS, files)


def unlisted(lake: Path, ledger: Ledger, book: InstrumentBook, session: date) -> pl.DataFrame:
    """
    Derivatives of a session's files that no contract of that day is, of underlyings that are known at that venue.

    Returns:
        venue, segment, token, underlying, expiry; what expired on the session is left out, for later masters do not list it.
    """
    known = book.history().select("venue", "underlying").unique()
    rows = scan(lake, ledger, [session]).filter((pl.col("segment") == "FO") & (pl.col("expiry") > session))
    listed = _by_token(rows, book.on(session, (), ()), _Names.of(ledger, book)).select(KEY).collect()
    return rows.collect().join(known, on=["venue", "underlying"], how="semi").join(listed, on=KEY, how="anti").select(
        *KEY, "underlying", "expiry")


def matched(
    lake: Path, ledger: Ledger, book: InstrumentBook, sessions: Sequence[date], contracts: Sequence[int] | None = None,
) -> pl.DataFrame:
    """Rows of these sessions by contract (None = all): ``MATCHED``, by session and contract."""
    known = book.history() if contracts is None else book.history().filter(pl.col("contract").is_in(list(contracts)))
    listed = (pl.col("valid_from").is_null() | (pl.col("session") >= pl.col("valid_from"))) & (
        pl.col("valid_to").is_null() | (pl.col("session") <= pl.col("valid_to"))
    )
    rows = scan(lake, ledger, sessions).select(*KEY, "session", "series", *_OWN, "stated_expiry", *MATCHED[2:])
    if contracts is not None:
        rows = rows.filter(pl.col("token").is_null() | pl.col("token").is_in(known["token"].unique().to_list()))
    by_token = _by_token(rows, known, _Names.of(ledger, book)).filter(listed)
    by_name = rows.filter(pl.col("token").is_null()).join(_named(known).lazy(), on=_NAMED, nulls_equal=True).filter(listed)
    return (
        pl.concat([by_token.select(*MATCHED), by_name.select(*MATCHED)])
        .unique(["contract", "session"], keep="last").sort("session", "contract").collect()
    )


@dataclass(frozen=True, slots=True)
class _Names:
    """Names of underlyings: every one that a master ever said, and which of them is now called how."""

    said: tuple[str, ...]
    renamed: Mapping[str, str]

    @classmethod
    def of(cls, ledger: Ledger, book: InstrumentBook) -> _Names:
        return cls(tuple(book.history()["underlying"].unique()), read_renames(ledger, date.max, date.max))


def _by_token(rows: pl.LazyFrame, contracts: pl.DataFrame, names: _Names) -> pl.LazyFrame:
    """
    Rows with the contracts of their token that they can be of, whatever the session.

    The master states one expiry and the file two: one of them must be the contract's. A name that no master says is the
    file's own spelling, and counts where the contract ends on its very date; the name of another underlying never does.
    """
    own = contracts.select("contract", *KEY, "valid_from", "valid_to", *(pl.col(name).alias(f"own_{name}") for name in _OWN))
    alike = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(f"own_{name}")) for name in _AGREE))
    said, own_name = (pl.col(name).replace(dict(names.renamed)) for name in ("underlying", "own_underlying"))
    ends = (pl.col("expiry") == pl.col("own_expiry")) & ((said == own_name) | ~pl.col("underlying").is_in(names.said))
    stated = (pl.col("stated_expiry") == pl.col("own_expiry")) & (said == own_name)
    spot = (pl.col("kind") == "spot") & (pl.col("own_kind") == "spot")
    return rows.join(own.lazy(), on=KEY).filter(spot | (alike & (ends | stated).fill_null(value=False)))


def _named(known: pl.DataFrame) -> pl.DataFrame:
    """Contracts by what they are, for files without tokens: a spot contract by the series in its symbol."""
    series = pl.when(pl.col("kind") == "spot").then(pl.col("symbol").str.strip_prefix(pl.col("underlying") + "-"))
    return known.with_columns(series=series).select("contract", *_NAMED, "valid_from", "valid_to").filter(
        (pl.col("kind") != "spot") | pl.col("series").is_not_null()
    )
