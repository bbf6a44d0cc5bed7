"""The exchange's rows of a sync's sessions, looked up by (contract, session). Memory: about 52 bytes a traded row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

import numpy as np
import polars as pl

from fnolake.store.store import Store
from fnolake.sync.wanted import SESSIONS_AT_ONCE
from fnolake.verify import ExchangeRow

_PRICES = ("open_paise", "high_paise", "low_paise", "close_paise", "last_paise")
_DAY_SPAN = 1 << 40


class ExchangeBook:
    """
    What traded, by the exchange's files.

    Args:
        rows: contract, session, open_paise … last_paise, volume (units), oi (units), trades; unique by (contract, session).
            Rows without volume are left out: what did not trade is never asked for.
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        key = rows.select(pl.col("session").cast(pl.Int32).cast(pl.Int64) * _DAY_SPAN + pl.col("contract")).to_series()
        order = key.arg_sort()
        self._keys = key.gather(order).to_numpy()
        self._rows = rows.select(*_PRICES, "volume", "oi", "trades")[order]

    @classmethod
    def read(cls, store: Store, sessions: Sequence[date]) -> ExchangeBook:
        """Everything the store has for the sessions, read some at a time."""
        parts = [
            store.exchange_rows(sessions[first : first + SESSIONS_AT_ONCE]).filter(pl.col("volume") > 0).with_columns(pl.col(_PRICES).cast(pl.Int32))
            for first in range(0, len(sessions), SESSIONS_AT_ONCE)
        ]
        return cls(pl.concat(parts))

    def row(self, contract: int, session: date) -> ExchangeRow | None:
        """What the exchange says of one contract-session; None where no file names it."""
        key = (session.toordinal() - date(1970, 1, 1).toordinal()) * _DAY_SPAN + contract
        place = int(np.searchsorted(self._keys, key))
        if place >= len(self._keys) or int(self._keys[place]) != key:
            return None
        return ExchangeRow(*self._rows.row(place))
