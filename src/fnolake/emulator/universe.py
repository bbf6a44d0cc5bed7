"""
Which contracts exist on a date: underlyings, expiries by rule, strikes around the path of the price.

Tokens follow from what a contract is, so the same contract has the same token in the world of another date. A stock's
return to use after four months if tokens are recycled, an index's after years.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from fnolake.emulator.hashing import Floats, Integers, text_key
from fnolake.emulator.listings import FUTURE, OPTION, SPOT, Columns, ColumnsBuilder, Underlying
from fnolake.emulator.lives import Life, Strikes, lives, strikes
from fnolake.emulator.universe_data import INDICES, NOT_IN_MASTER, VIX, Stock, stocks
from fnolake.market.calendar import Calendar

ANCHOR = date(2026, 11, 20)
"""The date of the levels in ``universe_data``."""

_FIRST_MONTH = 2026 * 12 + 11
_ROUND = 10_000_000
"""A stock's tokens of four months; those of November 2026 to February 2027 are the lowest."""


def underlyings(names: Sequence[str] | None) -> list[Underlying]:
    """
    The named underlyings (all 216 when None) and India VIX, in the market's own order.

    Raises:
        ValueError: A name that this market does not have.
    """
    known = [_index(name) for name in INDICES] + [_stock(stock) for stock in stocks()]
    if names is not None:
        missing = sorted(set(names) - {u.name for u in known} - {VIX[0]})
        if missing:
            raise ValueError(f"the emulated market has no {', '.join(missing)}; it has {len(known)} underlyings")
        known = [u for u in known if u.name in set(names)]
    vix = Underlying(VIX[0], text_key(VIX[0]), VIX[2] * 100, 0.9, 0.0, True, 0, 1, VIX[0], "INDIA VIX")
    return [*known, vix]


def _index(name: str) -> Underlying:
    _, display, symbol, level, step, _, volatility, activity = INDICES[name]
    return Underlying(
        name,
        text_key(name),
        level * 100.0,
        volatility,
        activity,
        True,
        step * 100,
        5,
        display,
        symbol,
        in_master=name not in NOT_IN_MASTER,
    )


def _stock(stock: Stock) -> Underlying:
    volatility = 0.2 + 0.002 * (text_key(stock.name) % 100)
    return Underlying(
        stock.name,
        text_key(stock.name),
        float(stock.price_paise),
        volatility,
        40.0 / (40.0 + stock.rank * 2.5),
        False,
        strike_step(stock.price_paise, volatility),
        cash_tick(stock.price_paise),
    )


def strike_step(price_paise: float, volatility: float = 0.3) -> int:
    """A round step of about a sixteenth of a year's deviation, in paise."""
    raw = price_paise * volatility / 16
    scale = 10 ** (len(str(int(raw))) - 1)
    return int(next(unit * scale for unit in (1, 2.5, 5, 10) if unit * scale >= raw / 1.3))


def cash_tick(price_paise: float) -> int:
    """NSE's tick by price, in paise."""
    bands = ((250, 1), (1_000, 5), (5_000, 10), (10_000, 50), (20_000, 100))
    return next((tick for top, tick in bands if price_paise < top * 100), 500)


def build_columns(
    unds: Sequence[Underlying],
    span: tuple[date, date],
    calendar: Calendar,
    levels: Floats,
    ordinals: Integers,
    *,
    recycle: bool = False,
) -> Columns:
    """
    Every contract that is alive on any date of the span.

    Args:
        unds: As from :func:`underlyings`.
        span: First and last date, inclusive.
        calendar: For moving expiries off holidays.
        levels: Log closes, one row an underlying, one column a session.
        ordinals: The sessions of those columns.
        recycle: Whether a stock's token is given again four months later, as the exchanges do; otherwise never.
    """
    table, positions = ColumnsBuilder(), {stock.name: stock for stock in stocks()}
    for number, und in enumerate(unds):
        stock = positions.get(und.name)
        bse = und.name in ("SENSEX", "BANKEX")
        spot = stock.token if stock else VIX[1] if und.name == VIX[0] else int(INDICES[und.name][0])
        table.add(2 if bse else 0, spot, number, SPOT, 0, 0, 0, 0, 0, 1, und.tick_paise)
        if und.name == VIX[0]:
            continue
        lot = stock.lot if stock else int(INDICES[und.name][5])
        for life in lives(und.name, *span, calendar):
            strikes_of = strikes(und, life, (ordinals, levels[number]), *span)
            _add_expiry(table, number, und, stock, lot, life, _Tokens(und, stock, recycle=recycle), strikes_of, span[1])
    return table.done()


def _add_expiry(
    table: ColumnsBuilder,
    number: int,
    und: Underlying,
    stock: Stock | None,
    lot: int,
    life: Life,
    tokens: _Tokens,
    grids: Sequence[Strikes],
    until: date,
) -> None:
    exchange = 3 if und.name in ("SENSEX", "BANKEX") else 1
    first, ends = tokens.first(life.expiry), life.expiry.toordinal()
    if grids and life.future and life.future <= until.toordinal():
        tick = und.tick_paise if stock else 10 if exchange == 1 else 5
        table.add(exchange, first, number, FUTURE, ends, life.future, life.future, 0, 0, lot, tick)
    tick = 1 if stock and und.level < 25_000 else 5
    taken: set[int] = set()
    for grid in reversed(grids):
        for strike, listed, shown in zip(grid.paise.tolist(), grid.listed.tolist(), grid.shown.tolist(), strict=True):
            at = first + 2 + strike // und.step_paise % tokens.strikes * 2
            if at in taken:
                continue
            taken.add(at)
            for right in (1, 2):
                table.add(exchange, at + right - 1, number, OPTION, ends, listed, shown, strike, right, lot, tick)


class _Tokens:
    """Where an underlying's tokens are: a place for each expiry, and in it one for each strike."""

    def __init__(self, und: Underlying, stock: Stock | None, *, recycle: bool) -> None:
        self._recycle = recycle
        if stock is not None:
            self._base, self._slots, self.strikes = 40_001 + stock.rank * 4 * 258, 4, 128
            return
        position = list(INDICES).index(und.name)
        self._base = (300_001 if position < 6 else 800_001) + position * 320 * 1026
        self._slots, self.strikes = 320, 512

    def first(self, expiry: date) -> int:
        """The expiry's first token. A stock has four places, which come round; each round is higher unless recycled."""
        stock = self._slots == 4
        place = expiry.year * 12 + expiry.month if stock else expiry.toordinal() // 7
        rounds = (place - _FIRST_MONTH) // self._slots % 64 if stock and not self._recycle else 0
        return self._base + place % self._slots * (2 * self.strikes + 2) + rounds * _ROUND
