"""
The step after a late exchange file: what was captured before it came is judged again from the stored bars, without a request.

What the file confirms is verified; what it does not is wanted again, and the plan that follows asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import polars as pl

from fnolake.market.calendar import Calendar
from fnolake.model import Attempt, Outcome, Proof, Verdict, ist_date
from fnolake.store.store import Store
from fnolake.sync.contracts import Contracts, MustFill
from fnolake.sync.ex_dates import ExDates
from fnolake.sync.exchange_book import ExchangeBook
from fnolake.verify import by_contract, empty_again, judge_again

PIECE = 500
"""Contracts whose bars are in memory at once."""


def prove_again(store: Store, calendar: Calendar) -> str:
    """
    Judge again what is due and record it. Blocking: call it in a thread.

    Returns:
        One line for a person; empty when nothing was due.
    """
    sessions = store.due_again()
    if not sessions:
        return ""
    due = store.unproven()
    actions = ExDates.read(store)
    found = [each for day in sessions for each in _of_session(store, calendar, day, due.filter(pl.col("session") == day), actions)]
    store.judged_again(sessions, found)
    if not found:
        return ""
    verified = sum(each.verdict.proof is Proof.VERIFIED for each in found)
    doubted = sum(each.verdict.outcome is not Outcome.COMPLETE for each in found)
    return f"the exchange's files came later than the bars: {verified:,} contract-sessions are verified now, {doubted:,} are asked again"


def _of_session(store: Store, calendar: Calendar, day: date, due: pl.DataFrame, actions: ExDates) -> Iterator[Attempt]:
    table = store.instruments()
    contracts, must_fill, book = Contracts(table), MustFill(table), ExchangeBook(store.exchange_rows(day))
    given = {row["contract"]: row for row in due.iter_rows(named=True)}
    rows = {number: row for number in given if (row := book.row(number, day)) is not None}

    def judged(number: int, verdict: Verdict) -> Attempt:
        was = given[number]
        return Attempt(number, day, verdict, was["provider"], was["account"], was["fetched_at"], was["payload_hash"], was["request_key"])

    for number, row in rows.items():
        doubted = empty_again(row) if given[number]["outcome"] == Outcome.EMPTY_STATED else None
        if doubted is not None:
            yield judged(number, doubted)
    stored = due.filter((pl.col("outcome") == "complete") & pl.col("contract").is_in(list(rows)))["contract"]
    for part in stored.to_frame().join(table.select("contract", "underlying"), on="contract").sort("underlying", "contract").iter_slices(PIECE):
        for number, bars in by_contract(store.bars(part["contract"].to_list(), [day]).collect()):
            contract = contracts[number]
            session = calendar.session_for(contract, day)
            if session is not None:
                since = actions.since(contract, day, ist_date(given[number]["fetched_at"]))
                yield judged(number, judge_again(contract, session, bars, rows[number], must_fill=must_fill(contract, day), actions=since))
