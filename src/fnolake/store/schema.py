"""
The ledger's tables as portable SQL: integers, text and reals only, so that PostgreSQL can hold them as well.

Dates are days since 1970-01-01, instants are UTC microseconds since the epoch, lists are JSON or comma-separated text.
"""

from __future__ import annotations

LEDGER_VERSION = 5
"""
2 added comparisons and differences, 3 who lists what, 4 the reference files, 5 certificates and which master said so. An older
one is brought up when it is opened for writing.
"""

TABLES = (
    "create table if not exists meta (name text primary key, value text not null)",
    """
    create table if not exists requests (
        request_key text primary key, provider text not null, account text not null, route text not null,
        outcome text not null, started_us bigint not null, elapsed_s real not null, tries integer not null,
        error text not null, detail text not null, wire_bytes bigint not null, payload_hash text not null)
    """,
    """
    create table if not exists batches (
        batch bigint primary key, file text not null, bar_rows bigint not null, refused_file text not null,
        refused_rows bigint not null, file_hash text not null, refused_hash text not null, committed_us bigint not null,
        retired_us bigint)
    """,
    """
    create table if not exists attempts (
        attempt bigint primary key, contract bigint not null, session integer not null, batch bigint not null,
        outcome text not null, proof text not null, rank integer not null, reasons text not null,
        proof_reasons text not null, findings text not null, bars bigint not null, first_us bigint, last_us bigint,
        volume bigint not null, provider text not null, account text not null, payload_hash text not null,
        request_key text not null, fetched_us bigint not null)
    """,
    """
    create table if not exists coverage (
        session integer not null, contract bigint not null, attempt bigint not null, batch bigint not null,
        outcome text not null, proof text not null, rank integer not null, reasons text not null, bars bigint not null,
        first_us bigint, last_us bigint, volume bigint not null, provider text not null, fetched_us bigint not null,
        primary key (session, contract))
    """,
    "create index if not exists coverage_hot on coverage (batch) where batch > 0",
    """
    create index if not exists coverage_covered on coverage (session, contract)
        where outcome in ('complete', 'untraded', 'empty_stated')
    """,
    """
    create index if not exists coverage_open on coverage (session, contract)
        where outcome not in ('complete', 'untraded', 'empty_stated') or proof = 'mismatch'
    """,
    "create index if not exists attempts_of on attempts (session, contract)",
    """
    create index if not exists attempts_refused on attempts (contract, fetched_us)
        where reasons in ('expired_refused', 'recycled_token')
    """,
    "create table if not exists dirty (session integer primary key)",
    """
    create table if not exists published (
        session integer primary key, bars_version bigint not null, bars_file text not null, bar_rows bigint not null,
        bytes bigint not null, file_hash text not null, coverage_version bigint not null, coverage_file text not null,
        published_us bigint not null)
    """,
    """
    create table if not exists instruments (
        contract bigint not null, revision integer not null, venue text not null, segment text not null,
        token bigint not null, symbol text not null, underlying text not null, kind text not null, expiry integer,
        strike_paise bigint, option_right text, lot bigint not null, tick_paise bigint not null,
        provider_symbol text not null, is_index integer not null, valid_from integer, valid_to integer,
        first_seen integer not null, last_seen integer not null, said_us bigint not null default 0,
        primary key (contract, revision))
    """,
    """
    create table if not exists provider_symbols (
        contract bigint not null, provider text not null, symbol text not null, since integer not null default 0,
        gone integer, primary key (contract, provider))
    """,
    """
    create table if not exists listing_differences (
        contract bigint not null, provider text not null, name text not null, kept text not null, theirs text not null,
        since integer not null, primary key (contract, provider, name))
    """,
    """
    create table if not exists masters (
        provider text not null, exchange text not null, day integer not null, payload_hash text not null,
        file text not null, master_rows bigint not null, listings bigint not null, out_of_scope text not null,
        findings text not null, counts text not null, taken_us bigint not null,
        primary key (provider, exchange, day, payload_hash))
    """,
    "create table if not exists renames (old text not null, new text not null, since integer not null, primary key (old, new))",
    """
    create table if not exists exchange_days (
        venue text not null, segment text not null, session integer not null, version bigint not null,
        file text not null, day_rows bigint not null, raw text not null, payload_hash text not null,
        findings text not null, primary key (venue, segment, session))
    """,
    """
    create table if not exists reference_files (
        kind text not null, day integer not null, file text not null, payload_hash text not null,
        file_rows bigint not null, findings text not null, content text not null, taken_us bigint not null,
        primary key (kind, day))
    """,
    """
    create table if not exists comparisons (
        comparison bigint primary key, contract bigint not null, session integer not null, first_provider text not null,
        first_attempt bigint, second_provider text not null, second_attempt bigint, agreed integer not null,
        findings text not null, kept text not null, why text not null, compared_us bigint not null)
    """,
    "create index if not exists comparisons_of on comparisons (session, contract)",
    """
    create table if not exists differences (
        comparison bigint not null, ts_us bigint not null, field text not null, first_value bigint, second_value bigint,
        size bigint, finding text not null, primary key (comparison, ts_us, field))
    """,
    """
    create table if not exists certificates (
        certificate bigint primary key, session integer not null, made_us bigint not null, hash text not null, body text not null)
    """,
    "create index if not exists certificates_of on certificates (session, certificate)",
)
"""``batch`` 0 in coverage: the bars, if any, are in the published session."""

FILL_SYMBOLS = """
insert into provider_symbols (contract, provider, symbol, since)
select contract, coalesce((select provider from masters order by taken_us limit 1), 'shoonya'), provider_symbol, min(first_seen)
from instruments where contract not in (select contract from provider_symbols) group by contract
"""
"""Where nothing says who lists a contract (before version 3, or a catalog without symbols): the first provider that was asked."""

UPGRADES: dict[int, tuple[str, ...]] = {
    2: (),
    3: (
        "alter table provider_symbols add column since integer not null default 0",
        "alter table provider_symbols add column gone integer",
        """
        update provider_symbols set
            since = coalesce((select min(first_seen) from instruments i where i.contract = provider_symbols.contract), 0),
            gone = (select valid_to + 1 from instruments i where i.contract = provider_symbols.contract order by revision desc limit 1)
        """,
        FILL_SYMBOLS,
    ),
    4: (),
    5: ("alter table instruments add column said_us bigint not null default 0",),
}
"""Statements that bring a ledger of the version before to that one, once the new tables are made; run by the first writer that opens it."""

OLD_READER: dict[int, tuple[str, ...]] = {
    2: (),
    3: (
        "create temp view provider_symbols as select contract, provider, symbol, 0 as since, null as gone from main.provider_symbols",
        "create temp table listing_differences (contract bigint, provider text, name text, kept text, theirs text, since integer)",
    ),
    4: ("create temp table reference_files (kind text, day integer, file text, content text, taken_us bigint)",),
    5: (
        "create temp view instruments as select *, 0 as said_us from main.instruments",
        "create temp table certificates (certificate bigint, session integer, made_us bigint, hash text, body text)",
    ),
}
"""What a reader lays over a ledger of the version before, which it may not change: the same names, seen as this version knows them."""

TAKE_COVERAGE = """
insert into coverage (session, contract, attempt, batch, outcome, proof, rank, reasons, bars, first_us, last_us, volume,
    provider, fetched_us)
select session, contract, attempt, batch, outcome, proof, rank, reasons, bars,
    first_us, last_us, volume, provider, fetched_us
from attempts where attempt >= ? and attempt < ? order by attempt
on conflict (session, contract) do update set attempt = excluded.attempt, batch = excluded.batch,
    outcome = excluded.outcome, proof = excluded.proof, rank = excluded.rank, reasons = excluded.reasons,
    bars = excluded.bars, first_us = excluded.first_us, last_us = excluded.last_us, volume = excluded.volume,
    provider = excluded.provider, fetched_us = excluded.fetched_us
"""
"""An attempt wins whatever is there: the rule of two witnesses has decided."""

UPSERT_COVERAGE = TAKE_COVERAGE + """
where excluded.rank > coverage.rank or (excluded.rank = coverage.rank and excluded.fetched_us >= coverage.fetched_us
    and (excluded.provider not like 'import:%' or coverage.provider like 'import:%'))
"""
"""An attempt wins by rank; a tie goes to the newer, but never from a broker to a user's file (``model.IMPORT``)."""
