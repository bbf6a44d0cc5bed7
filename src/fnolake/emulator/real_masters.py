"""Real master files as a market: their contracts as columns, price levels inferred from the strikes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import cache

import polars as pl

from fnolake.emulator.hashing import text_key
from fnolake.emulator.listings import EXCHANGES, FUTURE, OPTION, SPOT, Columns, ColumnsBuilder, Underlying
from fnolake.emulator.universe import cash_tick, strike_step
from fnolake.emulator.universe_data import INDICES, VIX, stocks
from fnolake.provider.scope import BSE_INDEX_TOKENS
from fnolake.provider.shoonya.symbols import parse_master

_KIND = {"spot": SPOT, "future": FUTURE, "option": OPTION}
_RIGHT = {None: 0, "CE": 1, "PE": 2}
_FIRST_INVENTED = 100_001
"""Tokens of spots that the generated market does not have start here, above all that it has."""


class Rows:
    """Fields of a file's row by exchange and token, read on first use."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._of = cache(self._read)

    def __call__(self, exchange: str, token: int) -> tuple[str, ...]:
        """The fields of a row, empty if the file has none."""
        line = self._of(exchange).get(token)
        return () if line is None else tuple(line.split(","))

    def _read(self, exchange: str) -> dict[int, str]:
        found = {}
        for line in self._files.get(exchange, b"").decode("utf-8-sig", "replace").splitlines()[1:]:
            token = line.split(",", 2)[1] if line.count(",") > 5 else ""
            if token.isdigit():
                found[int(token)] = line
        return found


def read(files: Mapping[str, bytes], day: date, underlyings: Sequence[str] | None) -> tuple[Columns, list[Underlying]]:
    """
    Contracts and underlyings of the files; spots only of what has derivatives there, and India VIX.

    Where derivatives come without their cash master, spots are made for them, so that the market is whole.

    Raises:
        PayloadError: A file is no master of its exchange.
        ValueError: A named underlying has no derivatives in them.
    """
    tables = [
        parse_master(exchange, files[exchange], day).listings.with_columns(pl.lit(exchange).alias("exchange"))
        for exchange in EXCHANGES
        if exchange in files
    ]
    table = pl.concat(tables)
    table = table.filter((pl.col("expiry") >= day) | pl.col("expiry").is_null())
    table = _in_play(table, underlyings)
    levels = _levels(table, day)
    names = table["underlying"].unique().sort().to_list()
    unds = [_underlying(name, levels.get(name)) for name in names]
    return _columns(table, {name: i for i, name in enumerate(names)}, unds, day), unds


def _in_play(table: pl.DataFrame, underlyings: Sequence[str] | None) -> pl.DataFrame:
    """Derivatives, the spots of their underlyings, India VIX; spots are added that no given master lists."""
    derivatives = table.filter(pl.col("kind") != "spot")
    missing = sorted(set(underlyings or ()) - {*derivatives["underlying"], VIX[0]})
    if missing:
        raise ValueError(f"the given masters have no derivatives of {', '.join(missing)}")
    chosen = {*(derivatives["underlying"] if underlyings is None else underlyings), VIX[0]}
    added = _nse_spots(table, derivatives) + _bse_spots(table, derivatives)
    whole = pl.concat([table, pl.DataFrame(added, schema=table.schema)]) if added else table
    return whole.filter(pl.col("underlying").is_in([*sorted(chosen & {*derivatives["underlying"], VIX[0]})]))


def _nse_spots(table: pl.DataFrame, derivatives: pl.DataFrame) -> list[dict[str, object]]:
    """A spot of every NSE underlying where no NSE master was given, with the generated market's token if it has one."""
    if "NSE" in set(table["exchange"]):
        return []
    known = {name: int(row[0]) for name, row in INDICES.items()} | {s.name: s.token for s in stocks()}
    names = derivatives.filter(pl.col("exchange") == "NFO")["underlying"].unique().sort().to_list()
    tokens = {name: known.get(name, _FIRST_INVENTED + at) for at, name in enumerate(names)} | {VIX[0]: VIX[1]}
    return [_spot("NSE", token, name, is_index=name in INDICES or name == VIX[0]) for name, token in tokens.items()]


def _bse_spots(table: pl.DataFrame, derivatives: pl.DataFrame) -> list[dict[str, object]]:
    """BSE's indices, which no master lists."""
    listed = set(table.filter((pl.col("exchange") == "BSE") & (pl.col("kind") == "spot"))["token"])
    traded = set(derivatives["underlying"])
    return [
        _spot("BSE", token, name, is_index=True)
        for name, token in BSE_INDEX_TOKENS.items()
        if name in traded and token not in listed
    ]


def _spot(exchange: str, token: int, name: str, *, is_index: bool) -> dict[str, object]:
    """A listing's columns; a tick of 0 becomes the underlying's."""
    symbol = name if is_index else f"{name}-EQ"
    return {
        "exchange": exchange,
        "venue": exchange,
        "segment": "CM",
        "token": token,
        "symbol": symbol,
        "underlying": name,
        "kind": "spot",
        "lot": 1,
        "tick_paise": 0,
        "provider_symbol": symbol,
        "is_index": is_index,
    }


def _levels(table: pl.DataFrame, day: date) -> dict[str, float]:
    """The median strike of each underlying's nearest expiry that is more than a few days away."""
    options = table.filter((pl.col("kind") == "option") & (pl.col("expiry") > day + timedelta(days=3)))
    near = options.filter(pl.col("expiry") == pl.col("expiry").min().over("underlying"))
    return dict(near.group_by("underlying").agg(pl.col("strike_paise").median()).iter_rows())


def _underlying(name: str, level: float | None) -> Underlying:
    key, is_index = text_key(name), name in INDICES or name == VIX[0]
    if name == VIX[0]:
        return Underlying(name, key, VIX[2] * 100, 0.9, 0.0, True, 0, 1, VIX[0], "INDIA VIX")
    price = level or 100_000.0
    known = INDICES.get(name)
    volatility = known[6] if known else 0.2 + 0.002 * (key % 100)
    activity = known[7] if known else 0.06 + 0.9 * (key % 97 / 97) ** 3
    step = known[4] * 100 if known else strike_step(price, volatility)
    display, symbol = (known[1], known[2]) if known else (name, name)
    return Underlying(
        name, key, price, volatility, activity, is_index, step, 5 if known else cash_tick(price), display, symbol
    )


def _columns(table: pl.DataFrame, number: Mapping[str, int], unds: Sequence[Underlying], day: date) -> Columns:
    builder = ColumnsBuilder()
    order = ("exchange", "token", "underlying", "kind", "expiry", "strike_paise", "right", "lot", "tick_paise")
    for exchange, token, name, kind, expiry, strike, right, lot, tick in table.select(order).iter_rows():
        ends = expiry.toordinal() if expiry else 0
        builder.add(
            EXCHANGES.index(exchange),
            token,
            number[name],
            _KIND[kind],
            ends,
            _listed(ends, day),
            _listed(ends, day),
            strike or 0,
            _RIGHT[right],
            lot,
            tick or unds[number[name]].tick_paise,
        )
    return builder.done()


def _listed(expiry: int, day: date) -> int:
    """
    An ordinal before which the contract did not trade: three months before expiry, years for long-dated ones.

    What stands in a master of ``day`` is listed by then, whatever the rule says.
    """
    if not expiry:
        return 0
    return min(expiry - (91 if expiry - day.toordinal() < 100 else 1_800), day.toordinal() - 5)
