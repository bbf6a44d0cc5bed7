"""
From what a user types to contracts: our symbols, NSE's and Kite's names, or an underlying with a kind and an expiry. Pure.
"""

from __future__ import annotations

import difflib
import re
from datetime import date

import polars as pl

from fnolake.errors import QueryError, UnknownInstrument

_NSE_FUTURE = re.compile(r"^(?P<name>.+?)(?P<yy>\d{2})(?P<mon>[A-Z]{3})FUT$")
_NSE_OPTION = re.compile(r"^(?P<name>.+?)(?P<yy>\d{2})(?P<mon>[A-Z]{3})(?P<strike>\d+(?:\.\d+)?)(?P<right>CE|PE)$")
_MONTHS = {name: number for number, name in enumerate(("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1)}


def pick(instruments: pl.DataFrame, symbol: str, kind: str | None = None, expiry: date | str | None = None) -> pl.DataFrame:
    """
    The instruments that are meant.

    Args:
        instruments: ``model.instrument_schema``, one row a contract.
        symbol: A contract's symbol, an NSE or Kite name, or an underlying.
        kind: With an underlying: spot (default), future or option.
        expiry: With an underlying: a date; ``near``, ``next`` and ``far`` are left to ``query.select``, session by session.

    Returns:
        Rows of ``instruments``.

    Raises:
        UnknownInstrument: Nothing of that name; names what is near.
        QueryError: An expiry for a spot series.
    """
    name = symbol.strip().upper()
    exact = instruments.filter(pl.col("symbol") == name)
    if exact.height and kind in {None, exact["kind"][0]} and expiry is None:
        return exact
    if kind is None and expiry is None and (alias := _by_exchange_name(instruments, name)).height:
        return alias
    of = instruments.filter(pl.col("underlying") == name)
    if of.is_empty():
        raise UnknownInstrument(_nothing(instruments, name))
    wanted = kind or ("spot" if expiry is None else "future")
    if wanted == "spot" and expiry is not None:
        raise QueryError("a spot series has no expiry; leave --expiry out, or ask for --kind future")
    found = of.filter(pl.col("kind") == wanted)
    if isinstance(expiry, date):
        found = found.filter(pl.col("expiry") == expiry)
    if found.is_empty():
        listed = of.filter(pl.col("kind") == wanted)["expiry"].drop_nulls().unique().sort().to_list()
        raise UnknownInstrument(f"{name} has no {wanted}{f' of {expiry}' if expiry else ''}; expiries: {', '.join(map(str, listed[:8])) or 'none'}")
    return found


def near_only(bars: pl.LazyFrame) -> pl.LazyFrame:
    """Of each session only the nearest expiry that has not passed (all bars have an expiry)."""
    return bars.filter(pl.col("expiry") == pl.col("expiry").min().over("session"))


def _by_exchange_name(instruments: pl.DataFrame, name: str) -> pl.DataFrame:
    """Names such as NIFTY26NOVFUT and MARUTI24JUL11000PE: the last expiry of that month."""
    match = _NSE_FUTURE.match(name) or _NSE_OPTION.match(name)
    if match is None or match["mon"] not in _MONTHS:
        return instruments.clear()
    part = match.groupdict()
    found = instruments.filter(
        (pl.col("underlying") == part["name"]) & (pl.col("expiry").dt.year() == 2000 + int(part["yy"]))
        & (pl.col("expiry").dt.month() == _MONTHS[part["mon"]]) & (pl.col("kind") == ("option" if "right" in part else "future"))
    )
    found = found.filter(pl.col("expiry") == pl.col("expiry").max())
    if "right" not in part:
        return found
    return found.filter((pl.col("strike_paise") == round(float(part["strike"]) * 100)) & (pl.col("right") == part["right"]))


def _nothing(instruments: pl.DataFrame, name: str) -> str:
    if instruments.is_empty():
        return f"no instrument {name}: this lake knows no contract yet; run `fnolake instruments sync`"
    names = instruments["underlying"].unique().to_list()
    near = difflib.get_close_matches(name, names, n=3)
    starts = instruments.filter(pl.col("symbol").str.starts_with(name[:8]))["symbol"].head(3).to_list()
    hint = ", ".join(near or starts)
    return f"no instrument {name} in this lake; {f'did you mean {hint}?' if hint else 'see `fnolake instruments`'}"
