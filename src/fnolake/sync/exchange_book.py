"""The exchange's rows of a sync's sessions, looked up by (contract, session). Memory: about 80 bytes a traded row."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import numpy as np
import polars as pl

from fnolake.store.store import Store
from fnolake.verify import ExchangeRow

_PRICES = ("open_paise", "high_paise", "low_paise", "close_paise", "last_paise")
_DAY_SPAN = 1 << 40


class ExchangeBook:
    """
    Rows of the exchange's files.

    Args:
        rows: contract, session, open_paise … last_paise, volume (units), oi (units), trades; unique by (contract, session).
    """

    def __init__(self, rows: pl.DataFrame) -> None:
        key = rows.select(pl.col("session").cast(pl.Int32).cast(pl.Int64) * _DAY_SPAN + pl.col("contract")).to_series()
        order = key.arg_sort()
        self._keys = key.gather(order).to_numpy()
        self._rows = rows.select(*_PRICES, "volume", "oi", "trades")[order]

    @classmethod
    def read(cls, store: Store, sessions: Iterable[date]) -> ExchangeBook:
        """Everything the store has for the sessions."""
        return cls(store.exchange_rows(tuple(sessions)))

    def row(self, contract: int, session: date) -> ExchangeRow | None:
        """What the exchange says of one contract-session; None where no file names it."""
        key = (session.toordinal() - date(1970, 1, 1).toordinal()) * _DAY_SPAN + contract
        place = int(np.searchsorted(self._keys, key))
        if place >= len(self._keys) or int(self._keys[place]) != key:
            return None
        return ExchangeRow(*self._rows.row(place))
