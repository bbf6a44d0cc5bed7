"""
What the ledger knows of contract-sessions: coverage, gaps, attempts. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.store.ledger import Ledger, days, from_days

MEAN_OVER = 10
"""``mean_rows`` looks at so many of the latest sessions."""

COVERAGE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "proof": pl.String, "reasons": pl.String, "bars": pl.Int64,
    "first_ts": pl.Datetime("us", "UTC"), "last_ts": pl.Datetime("us", "UTC"), "volume": pl.Int64, "provider": pl.String,
    "fetched_at": pl.Datetime("us", "UTC"), "attempt": pl.Int64, "batch": pl.Int64,
}
ATTEMPT_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "attempt": pl.Int64, "contract": pl.Int64, "session": pl.Date, "batch": pl.Int64, "outcome": pl.String, "proof": pl.String,
    "rank": pl.Int64, "reasons": pl.String, "proof_reasons": pl.String, "findings": pl.String, "bars": pl.Int64,
    "first_ts": pl.Datetime("us", "UTC"), "last_ts": pl.Datetime("us", "UTC"), "volume": pl.Int64, "provider": pl.String,
    "account": pl.String, "payload_hash": pl.String, "request_key": pl.String, "fetched_at": pl.Datetime("us", "UTC"),
}
REQUEST_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "key": pl.String, "provider": pl.String, "account": pl.String, "route": pl.String, "outcome": pl.String,
    "started_at": pl.Datetime("us", "UTC"), "elapsed_s": pl.Float64, "tries": pl.Int64, "error": pl.String, "detail": pl.String,
    "wire_bytes": pl.Int64, "payload_hash": pl.String,
}
_COVERAGE = (
    "select contract, session, outcome, proof, reasons, bars, first_us, last_us, volume, provider, fetched_us, attempt, batch "
    "from coverage where session between ? and ? order by session, contract"
)
_COVERED = (
    "select session, group_concat(contract) from coverage where outcome in ('complete', 'untraded', 'empty_stated') "
    "and {which} group by session"
)
_REFUSALS = (
    "select contract, count(distinct (fetched_us + 19800000000) / 86400000000), (max(fetched_us) + 19800000000) / 86400000000 "
    "from attempts where reasons in ('expired_refused', 'recycled_token') group by contract order by contract"
)
_SESSIONS = (
    "with recursive each(session) as (select min(session) from coverage union all "
    "select (select min(session) from coverage where session > each.session) from each where each.session is not null) "
    "select session from each where session is not null"
)
_OUTCOMES = "select contract, session, outcome, proof, reasons, bars from coverage"
_OUTCOMES_THEN = "select contract, session, outcome, proof, reasons, bars, rank, fetched_us from attempts"
_LOOKED_UP = 1000
_MOST_MARKS = 30_000
"""Below what SQLite takes in one statement (32,766 since 3.32)."""
OUTCOMES: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "proof": pl.String, "reasons": pl.String, "bars": pl.Int64,
}
"""What is known of contract-sessions, for reading; unique by (contract, session)."""
_EVER = (-(1 << 30), 1 << 30)


def coverage(ledger: Ledger, sessions: Sequence[date] | None, contracts: Sequence[int] | None) -> pl.DataFrame:
    """Coverage rows, ``COVERAGE_SCHEMA``, by session and contract; None means all."""
    if sessions is not None and not sessions:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    bounds = _EVER if sessions is None else (days(min(sessions)), days(max(sessions)))
    rows = ledger.frame(_COVERAGE, COVERAGE_SCHEMA, bounds)
    if sessions is not None:
        rows = rows.filter(pl.col("session").is_in(list(sessions)))
    return rows if contracts is None else rows.filter(pl.col("contract").is_in(list(contracts)))


def outcomes(
    ledger: Ledger, contracts: Sequence[int], instant_us: int | None = None, span: tuple[date | None, date | None] = (None, None),
) -> pl.DataFrame:
    """
    The best we have of contracts on the sessions of a span: ``OUTCOMES``, by session and contract, of one moment.

    Args:
        ledger: Open.
        contracts: Ids.
        instant_us: Only what was asked by then; a verdict passed later counts as if always known (``store.as_of``).
        span: First and last session, inclusive; open where None.
    """
    ids = list(contracts) if len(contracts) <= _MOST_MARKS else []
    few = f" and contract in ({_marks(len(ids))})" if ids or not contracts else ""
    first, last = (_EVER[end] if day is None else days(day) for end, day in enumerate(span))
    with ledger.reading():
        asked = [number for (found,) in ledger.rows(_SESSIONS) if first <= (number := int(str(found))) <= last]
        where = f"where session in ({', '.join(map(str, asked))})"
        if instant_us is None:
            rows = ledger.frame(f"{_OUTCOMES} {where}{few} order by session, contract", OUTCOMES, ids)
        else:
            schema = {**OUTCOMES, "rank": pl.Int64, "fetched_us": pl.Int64}
            order = "order by session, contract, rank, fetched_us, attempt"
            rows = ledger.frame(f"{_OUTCOMES_THEN} {where} and fetched_us <= ?{few} {order}", schema, [instant_us, *ids])
            rows = rows.unique(["contract", "session"], keep="last", maintain_order=True).select(*OUTCOMES)
    return rows if few else rows.filter(pl.col("contract").is_in(list(contracts)))


def sessions(ledger: Ledger, contracts: Sequence[int] | None = None) -> list[date]:
    """Sessions with a coverage row, ascending; of some contracts only those with bars (up to 1,000 contracts are looked up)."""
    found = [int(str(row[0])) for row in ledger.rows(_SESSIONS)]
    if contracts is None or not found or len(contracts) > _LOOKED_UP:
        return [from_days(number) for number in found]
    rows = ledger.rows(
        f"select distinct session from coverage where session in ({_marks(len(found))}) and contract in ({_marks(len(contracts))}) "  # noqa: S608 - marks only
        "and bars > 0 order by session",
        (*found, *contracts),
    )
    return [from_days(int(str(row[0]))) for row in rows]


def captured(ledger: Ledger, since: date) -> list[int]:
    """Contracts with a coverage row on or after a session, ascending."""
    rows = ledger.rows("select distinct contract from coverage where session >= ? order by contract", (days(since),))
    return [int(str(row[0])) for row in rows]


def missing(ledger: Ledger, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """
    Pairs that are not covered.

    Returns:
        contract int64, session date; by session (in the order given), then contract.
    """
    wanted = contracts["contract"].unique().sort().to_numpy()
    covered = _covered(ledger, sessions, wanted)
    left = [_without(wanted, covered.get(days(day))) for day in sessions]
    table = pl.DataFrame({
        "contract": np.concatenate(left) if left else np.empty(0, np.int64),
        "session": np.repeat(np.array([days(day) for day in sessions], np.int32), [len(part) for part in left]),
    })
    return table.cast({"contract": pl.Int64, "session": pl.Date})


def _covered(ledger: Ledger, sessions: Sequence[date], wanted: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """
    Covered contracts by session, ascending; a few wanted ones are looked up, else all there are are given.

    One text a session leaves the database, which is faster than rows.
    """
    if not sessions:
        return {}
    which, values = "session between ? and ?", [days(min(sessions)), days(max(sessions))]
    if len(wanted) <= _LOOKED_UP:
        values = [*(days(day) for day in sessions), *wanted.tolist()]
        which = f"session in ({_marks(len(sessions))}) and contract in ({_marks(len(wanted))})"
    rows = ledger.rows(_COVERED.format(which=which), values)
    return {int(str(day)): np.sort(np.fromstring(str(numbers), dtype=np.int64, sep=",")) for day, numbers in rows}


def _marks(count: int) -> str:
    return ", ".join("?" * count)


def _without(wanted: NDArray[np.int64], covered: NDArray[np.int64] | None) -> NDArray[np.int64]:
    if covered is None or not len(covered):
        return wanted
    place = np.minimum(np.searchsorted(covered, wanted), len(covered) - 1)
    left: NDArray[np.int64] = wanted[covered[place] != wanted]
    return left


def mean_rows(ledger: Ledger) -> pl.DataFrame:
    """Mean bars a complete session of each contract over the latest sessions: contract int64, mean_rows float64."""
    recent = ledger.rows("select distinct session from coverage order by session desc limit ?", (MEAN_OVER,))
    since = min((int(str(row[0])) for row in recent), default=0)
    return ledger.frame(
        "select contract, avg(bars) from coverage where session >= ? and outcome = 'complete' group by contract order by contract",
        {"contract": pl.Int64, "mean_rows": pl.Float64}, (since,),
    )


def attempts(ledger: Ledger, sessions: Sequence[date] | None, contracts: Sequence[int] | None) -> pl.DataFrame:
    """Every attempt, ``ATTEMPT_SCHEMA``, in order of commit; None means all."""
    bounds = _EVER if sessions is None else (days(min(sessions, default=date.min)), days(max(sessions, default=date.min)))
    rows = ledger.frame("select * from attempts where session between ? and ? order by attempt", ATTEMPT_SCHEMA, bounds)
    if sessions is not None:
        rows = rows.filter(pl.col("session").is_in(list(sessions)))
    return rows if contracts is None else rows.filter(pl.col("contract").is_in(list(contracts)))


def refusals(ledger: Ledger) -> pl.DataFrame:
    """On how many IST dates each expired contract was refused: contract int64, days int64, last (date of the latest)."""
    return ledger.frame(_REFUSALS, {"contract": pl.Int64, "days": pl.Int64, "last": pl.Date})


def requests(ledger: Ledger) -> pl.DataFrame:
    """Every request, ``REQUEST_SCHEMA``, in order of start."""
    return ledger.frame("select * from requests order by started_us, request_key", REQUEST_SCHEMA)


def request_counts(ledger: Ledger) -> list[tuple[str, str, str, int]]:
    """How many requests ended how: (provider, account, outcome, count), in that order."""
    counted = ledger.rows("select provider, account, outcome, count(*) from requests group by 1, 2, 3 order by 1, 2, 3")
    return [(str(provider), str(account), str(outcome), int(str(count))) for provider, account, outcome, count in counted]


def request_keys(ledger: Ledger, provider: str) -> set[str]:
    """Keys of a provider's requests."""
    return {str(row[0]) for row in ledger.rows("select request_key from requests where provider = ?", (provider,))}


def rank_of(ledger: Ledger, contract: int, session: date) -> tuple[int, str] | None:
    """Rank and provider of the best we have of a contract-session; None if nothing was asked."""
    found = ledger.rows("select rank, provider from coverage where session = ? and contract = ?", (days(session), contract))
    return (int(str(found[0][0])), str(found[0][1])) if found else None


def unpublished(ledger: Ledger) -> list[date]:
    """Sessions with something that is not published yet, ascending."""
    return [from_days(int(str(row[0]))) for row in ledger.rows("select session from dirty order by session")]


def counts(ledger: Ledger) -> dict[str, int]:
    """Rows at a glance: contracts, contract_sessions, bars, published_bars, published_bytes, requests."""
    asked = {
        "contracts": "select count(distinct contract) from instruments",
        "contract_sessions": "select count(*) from coverage",
        "bars": "select coalesce(sum(bars), 0) from coverage",
        "published_bars": "select coalesce(sum(bar_rows), 0) from published",
        "published_bytes": "select coalesce(sum(bytes), 0) from published",
        "requests": "select count(*) from requests",
    }
    with ledger.reading():
        return {name: int(str(ledger.rows(statement)[0][0])) for name, statement in asked.items()}
