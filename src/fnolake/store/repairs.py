"""
What is not as the exchange says, or not there: coverage that asks for another try, and every try that was made. Reads only.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from fnolake.store.ledger import Ledger, days

OPEN: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "proof": pl.String, "reasons": pl.String, "proof_reasons": pl.String,
}
TRIES: dict[str, pl.DataType | type[pl.DataType]] = {
    **OPEN, "provider": pl.String, "account": pl.String, "fetched_at": pl.Datetime("us", "UTC"),
}
_WHICH = """
c.session >= ? and (c.outcome not in ('complete', 'untraded', 'empty_stated') or c.proof = 'mismatch')
"""
_NEAR = """
c.session >= ? and c.outcome = 'complete' and c.proof = 'unverified'
"""
_OPEN = f"""
select c.contract, c.session, c.outcome, c.proof, c.reasons, a.proof_reasons
from coverage c join attempts a on a.attempt = c.attempt where {_WHICH}
union all
select c.contract, c.session, c.outcome, c.proof, c.reasons, a.proof_reasons
from coverage c join attempts a on a.attempt = c.attempt where {_NEAR} and a.proof_reasons like '%!_near%' escape '!'
"""  # noqa: S608 - our own words
_TRIES = f"""
select a.contract, a.session, a.outcome, a.proof, a.reasons, a.proof_reasons, a.provider, a.account, a.fetched_us
from coverage c join attempts a on a.session = c.session and a.contract = c.contract where {_WHICH}
union all
select a.contract, a.session, a.outcome, a.proof, a.reasons, a.proof_reasons, a.provider, a.account, a.fetched_us
from coverage c join attempts a on a.session = c.session and a.contract = c.contract join attempts w on w.attempt = c.attempt
where {_NEAR} and w.proof_reasons like '%!_near%' escape '!' order by a.fetched_us
"""  # noqa: S608 - our own words


def read(ledger: Ledger, since: date, near_since: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    What is open on or after ``since`` (``OPEN``), and every attempt at it (``TRIES``), oldest first, of one moment.

    Captures that only nearly agree with the exchange count on or after ``near_since``.
    """
    bounds = (days(since), days(near_since))
    with ledger.reading():
        return ledger.frame(_OPEN, OPEN, bounds), ledger.frame(_TRIES, TRIES, bounds).sort("fetched_at", maintain_order=True)
