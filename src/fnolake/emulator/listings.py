"""
Contracts of the emulated market as columns, and as :class:`Listing` values made when asked for.

A hundred thousand contracts are a few megabytes here. Invariant: rows are ascending by (exchange, token, expiry), a
token is one contract's at a time within an exchange, and all rows of one underlying share its ``und`` index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import overload

import numpy as np
from numpy.typing import NDArray

from fnolake.emulator.hashing import Integers
from fnolake.emulator.universe_data import BSE_CODES
from fnolake.model import contract_symbol, strike_text

EXCHANGES = ("NSE", "NFO", "BSE", "BFO")
VENUE_SEGMENT = (("NSE", "CM"), ("NSE", "FO"), ("BSE", "CM"), ("BSE", "FO"))
TUESDAYS_FROM = date(2025, 9, 1)
"""From here NSE's contracts expire on Tuesdays and BSE's on Thursdays; before, the other way round."""

KINDS = ("spot", "future", "option")
SPOT, FUTURE, OPTION = 0, 1, 2
RIGHTS = (None, "CE", "PE")
_INSTRUMENT = {(FUTURE, True): "FUTIDX", (FUTURE, False): "FUTSTK", (OPTION, True): "OPTIDX", (OPTION, False): "OPTSTK"}


@dataclass(frozen=True, slots=True)
class Listing:
    """
    One contract in model words, with its row of the broker's master (empty last field included).

    ``listed`` is the first date on which it trades (0001-01-01 for spot), ``ends`` the last (None for spot).
    """

    exchange: str
    token: int
    symbol: str
    venue: str
    segment: str
    underlying: str
    kind: str
    expiry: date | None
    strike_paise: int | None
    right: str | None
    lot: int
    tick_paise: int
    is_index: bool
    master_fields: tuple[str, ...]
    listed: date = date.min
    ends: date | None = None


@dataclass(frozen=True, slots=True)
class Underlying:
    """
    What everything about one underlying is derived from.

    ``level`` is paise on the anchor date, ``volatility`` a year's, ``activity`` relative (1 = the busiest stock).
    """

    name: str
    key: int
    level: float
    volatility: float
    activity: float
    is_index: bool
    step_paise: int
    tick_paise: int
    display: str = ""
    spot_symbol: str = ""
    in_master: bool = True


@dataclass(frozen=True)
class Columns:
    """
    Parallel arrays, one row a contract; dates are ordinals (0 = none), strikes paise.

    ``ends`` is the last date on which it trades: its expiry, or the eve of a demerger. ``listed`` is the first one, ``shown`` the first whose morning master has it: a strike that was
    added in the day is shown the day after.
    """

    exchange: NDArray[np.uint8]
    token: Integers
    und: NDArray[np.int16]
    kind: NDArray[np.uint8]
    expiry: NDArray[np.int32]
    ends: NDArray[np.int32]
    listed: NDArray[np.int32]
    shown: NDArray[np.int32]
    strike: Integers
    right: NDArray[np.uint8]
    lot: NDArray[np.int32]
    tick: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.token)


@dataclass
class ColumnsBuilder:
    """Collects rows as tuples of :class:`Columns` fields."""

    rows: list[tuple[int, ...]] = field(default_factory=list)

    def add(self, *row: int) -> None:
        """One contract: exchange, token, und, kind, expiry, listed, shown, strike, right, lot, tick."""
        self.rows.append(row)

    def done(self) -> Columns:
        """Columns in the order of the invariant."""
        table = np.array(self.rows, dtype=np.int64).reshape(-1, 11)
        table = table[np.lexsort((table[:, 4], table[:, 1], table[:, 0]))]
        table = np.insert(table, 5, table[:, 4], axis=1)
        kinds = (np.uint8, np.int64, np.int16, np.uint8, np.int32, np.int32, np.int32, np.int32, np.int64, np.uint8, np.int32, np.int16)
        return Columns(*(np.ascontiguousarray(table[:, i].astype(kind)) for i, kind in enumerate(kinds)))


class Listings(Sequence[Listing]):
    """All contracts, made one at a time."""

    def __init__(
        self,
        columns: Columns,
        underlyings: Sequence[Underlying],
        fields: Callable[[str, int], tuple[str, ...]] | None = None,
        rows: Integers | None = None,
    ) -> None:
        self.columns, self.underlyings, self._fields = columns, underlyings, fields
        self._rows = rows
        span = np.int64(1) << 40
        self._keys = columns.exchange.astype(np.int64) * span + columns.token

    def __len__(self) -> int:
        return len(self.columns) if self._rows is None else len(self._rows)

    @property
    def rows(self) -> Integers:
        """The rows of the columns that are seen, ascending."""
        return np.arange(len(self.columns)) if self._rows is None else self._rows

    @overload
    def __getitem__(self, index: int) -> Listing: ...
    @overload
    def __getitem__(self, index: slice) -> list[Listing]: ...
    def __getitem__(self, index: int | slice) -> Listing | list[Listing]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        index %= len(self)
        return self.at(index if self._rows is None else int(self._rows[index]))

    def __iter__(self) -> Iterator[Listing]:
        return (self[i] for i in range(len(self)))

    def row(self, exchange: str, token: int, on: date | None = None) -> int | None:
        """The row that has a token on a date (None: last), or had it before, or will have it; None if there is none."""
        if exchange not in EXCHANGES or not 0 <= token < 1 << 40:
            return None
        wanted = (EXCHANGES.index(exchange) << 40) + token
        row = int(self._keys.searchsorted(wanted, "right")) - 1
        if row < 0 or self._keys[row] != wanted:
            return None
        if on is not None:
            day = on.toordinal()
            while row > 0 and self._keys[row - 1] == wanted and self.columns.listed[row] > day:
                row -= 1
        return row

    def only(self, rows: Integers) -> Listings:
        """The same market seen through some rows."""
        return Listings(self.columns, self.underlyings, self._fields, rows)

    def at(self, row: int) -> Listing:
        """The listing of a row of the columns."""
        c = self.columns
        code, kind = int(c.exchange[row]), int(c.kind[row])
        und = self.underlyings[c.und[row]]
        venue, segment = VENUE_SEGMENT[code]
        expiry = date.fromordinal(int(c.expiry[row])) if c.expiry[row] else None
        strike, right = (int(c.strike[row]), RIGHTS[c.right[row]]) if kind == OPTION else (None, None)
        token, lot, tick = int(c.token[row]), int(c.lot[row]), int(c.tick[row])
        exchange = EXCHANGES[code]
        if self._fields is not None and (known := self._fields(exchange, token)):
            fields = known
        elif kind == SPOT:
            fields = _cash_fields(exchange, token, und, tick)
        else:
            fields = _derivative_fields(exchange, token, und, kind, expiry or date.min, strike, right, lot, tick)
        return Listing(
            exchange,
            token,
            fields[4],
            venue,
            segment,
            und.name,
            KINDS[kind],
            expiry,
            strike,
            right,
            lot,
            tick,
            und.is_index,
            fields,
            date.fromordinal(int(c.listed[row]) or 1),
            date.fromordinal(int(c.ends[row])) if c.ends[row] else None,
        )


def rupees_text(paise: int) -> str:
    """A tick in the masters' way: 10 → ``0.1``."""
    return strike_text(paise)


def _cash_fields(exchange: str, token: int, und: Underlying, tick: int) -> tuple[str, ...]:
    if und.is_index:
        return exchange, str(token), "1", und.display, und.spot_symbol, "INDEX", "0", ""
    return exchange, str(token), "1", und.name, f"{und.name}-EQ", "EQ", rupees_text(tick), ""


def _derivative_fields(
    exchange: str,
    token: int,
    und: Underlying,
    kind: int,
    expiry: date,
    strike: int | None,
    right: str | None,
    lot: int,
    tick: int,
) -> tuple[str, ...]:
    if exchange == "BFO":
        code = BSE_CODES.get(und.name, und.name[:4]) + ("FUT" if kind == FUTURE else "OPT")
        symbol, no_strike = bfo_symbol(und.name, expiry, strike, right), "0"
    else:
        code, no_strike = und.name, "-0.01"
        symbol = contract_symbol(und.name, KINDS[kind], expiry, strike, right, is_index=und.is_index)
    return (
        exchange,
        str(token),
        str(lot),
        code,
        symbol,
        expiry.strftime("%d-%b-%Y").upper(),
        _INSTRUMENT[kind, und.is_index],
        right or "XX",
        no_strike if strike is None else strike_text(strike),
        rupees_text(tick),
        "",
    )


def is_monthly(venue: str, expiry: date) -> bool:
    """Whether an expiry (moved off a holiday or not) is its month's last."""
    weekday = {"NSE": 1, "BSE": 3} if expiry >= TUESDAYS_FROM else {"NSE": 3, "BSE": 1}
    rule = expiry.toordinal() + (weekday[venue] - expiry.weekday()) % 7
    return date.fromordinal(rule).month != date.fromordinal(rule + 7).month


def bfo_symbol(name: str, expiry: date, strike: int | None, right: str | None) -> str:
    """BSE's grammar: a monthly has YYMON, a weekly YYMDD with M of 1-9, O, N, D."""
    if strike is None or is_monthly("BSE" if name in BSE_CODES else "NSE", expiry):
        stamp = expiry.strftime("%y%b").upper()
    else:
        stamp = f"{expiry:%y}{'123456789OND'[expiry.month - 1]}{expiry:%d}"
    return f"{name}{stamp}FUT" if strike is None else f"{name}{stamp}{strike_text(strike)}{right}"
