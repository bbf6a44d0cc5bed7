"""
Exchange files that come after the bars: which sessions are due to be judged again, and the new verdicts.

Invariant: attempts are only added; a verdict without bars takes the stored ones out of reading, every other leaves them
where they are.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from datetime import date

import polars as pl

from fnolake.model import Attempt
from fnolake.store.batches import INSERT_ATTEMPT, attempt_row
from fnolake.store.ledger import Ledger, days, from_days, set_meta

_DUE = "judge_again "
UNPROVEN: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "provider": pl.String, "account": pl.String,
    "payload_hash": pl.String, "request_key": pl.String, "fetched_at": pl.Datetime("us", "UTC"),
}
_UNPROVEN = """
select c.contract, c.session, c.outcome, a.provider, a.account, a.payload_hash, a.request_key, a.fetched_us
from meta m join coverage c on m.name = 'judge_again ' || c.session join attempts a on a.attempt = c.attempt
where c.proof = 'unverified' and a.proof_reasons like '%no_exchange_file%' and c.outcome in ('complete', 'empty_stated')
order by c.session, c.contract
"""
_NEXT = "select (select coalesce(max(attempt), 0) + 1 from attempts), (select coalesce(max(batch), 0) + 1 from batches)"
_WIN = """
update coverage set attempt = ?, outcome = ?, proof = ?, rank = ?, reasons = ?,
    batch = case when bars > 0 and ? = 0 then ? else batch end, first_us = ?, last_us = ?, volume = ?, bars = ?
where session = ? and contract = ?
"""


def mark(connection: sqlite3.Connection, session: date) -> None:
    """Note, in the transaction that takes an exchange file, that what is known of the session is due to be judged again."""
    if connection.execute("select 1 from coverage where session = ? limit 1", (days(session),)).fetchone():
        set_meta(connection, f"{_DUE}{days(session)}", "")


def due(ledger: Ledger) -> list[date]:
    """Sessions that are due, ascending."""
    found = ledger.rows("select name from meta where name like 'judge_again %'")
    return sorted(from_days(int(str(row[0]).removeprefix(_DUE))) for row in found)


def unproven(ledger: Ledger) -> pl.DataFrame:
    """What is due, ``UNPROVEN``, by session and contract; its attempt's provenance."""
    return ledger.frame(_UNPROVEN, UNPROVEN)


def record(connection: sqlite3.Connection, sessions: Iterable[date], attempts: Sequence[Attempt], now_us: int) -> None:
    """
    Record verdicts as new attempts that take coverage, in the caller's transaction.

    Attempts that keep their bars name batch 0: the bars are where the first attempt put them. The others name a new batch
    without a file, so that coverage says that there are none any more.
    """
    first, batch = connection.execute(_NEXT).fetchone()
    if any(not each.verdict.bars for each in attempts):
        connection.execute("insert into batches values (?, '', 0, '', 0, '', '', ?, null)", (batch, now_us))
    rows = [attempt_row(first + at, 0 if each.verdict.bars else batch, each) for at, each in enumerate(attempts)]
    connection.executemany(INSERT_ATTEMPT, rows)
    connection.executemany(_WIN, (
        (
            first + at, each.verdict.outcome.value, each.verdict.proof.value, each.verdict.rank, ",".join(each.verdict.reasons),
            each.verdict.bars, batch, each.verdict.first_us, each.verdict.last_us, each.verdict.volume, each.verdict.bars,
            days(each.session), each.contract,
        ) for at, each in enumerate(attempts)
    ))
    touched = {(days(each.session),) for each in attempts}
    connection.executemany("insert into dirty values (?) on conflict (session) do nothing", touched)
    connection.executemany("delete from meta where name = ?", [(f"{_DUE}{days(day)}",) for day in sessions])
