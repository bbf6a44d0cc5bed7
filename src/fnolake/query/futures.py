"""
An underlying's futures as they stood on each session, and those that must have been listed but this lake does not know. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.market.expiry import Expiries
from fnolake.query.roll import Listed

_SLACK = timedelta(days=7)
"""An expiry moves by at most so much (design section 4)."""

_Revision = tuple[int, str, date, date | None, date | None]


class Futures:
    """
    Futures of one underlying at one venue.

    Args:
        history: ``store.instruments.history_schema``, any contracts.
        ids: Those that are meant.
        calendar: For the rules of expiry.

    Raises:
        QueryError: They are of several venues.
    """

    def __init__(self, history: pl.DataFrame, ids: Sequence[int], calendar: Calendar) -> None:
        rows = history.filter(pl.col("contract").is_in(list(ids))).sort("contract", "revision")
        venues = rows["venue"].unique().to_list()
        if len(venues) > 1:
            raise QueryError(f"{rows['underlying'][0]} has futures at {' and '.join(sorted(venues))}: name one contract with fnolake bars")
        self.ids = sorted(set(ids))
        self._revisions: list[_Revision] = rows.select("contract", "symbol", "expiry", "valid_from", "valid_to").rows()
        self._named = rows.select("venue", "underlying", "is_index").rows()[-1]
        self._known = rows["expiry"].unique().to_list()
        self._expiries = Expiries.bundled(calendar)

    def on(self, session: date) -> list[Listed]:
        """What was listed on a session, by expiry, with what must have been listed before the nearest that is known."""
        known = sorted({one[0]: Listed(one[2], one[0]) for one in self._revisions if _valid(one, session) and one[2] >= session}.values())
        return [*self._unknown(session, known[0].expiry), *known] if known else []

    def symbol(self, contract: int, session: date) -> str:
        """Its name on a session."""
        names = [one for one in self._revisions if one[0] == contract]
        return next((one[1] for one in reversed(names) if _valid(one, session)), names[-1][1])

    def _unknown(self, session: date, nearest: date) -> list[Listed]:
        """Monthly expiries by rule from a session to before the nearest that is known, of which no contract is known, moved or not."""
        venue, underlying, is_index = self._named
        found = []
        month = session.replace(day=1)
        while month <= nearest:
            rule = self._expiries.monthly(venue, underlying, month.year, month.month, is_index=is_index)
            if rule is not None and session <= rule.day < nearest and not any(abs(day - rule.day) <= _SLACK for day in self._known):
                found.append(Listed.unknown(rule.day))
            month = (month + timedelta(days=32)).replace(day=1)
        return found


def _valid(revision: _Revision, session: date) -> bool:
    since, until = revision[3:]
    return (since is None or since <= session) and (until is None or until >= session)
