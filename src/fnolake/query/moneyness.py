"""
Strikes by their distance from the money: ``ATM+2``, ``OTM3``. Reads the store.

The money of an expiry on a session is its forward's price at the session's open: the same-expiry future, else the forward
by put-call parity, else the spot. Invariant: no price after the first minutes of the session is looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import polars as pl

from fnolake.errors import QueryError
from fnolake.market.calendar import Calendar
from fnolake.model.session import MINUTE_US
from fnolake.query.anchors import any_contract
from fnolake.store.store import Store

OPENING_MINUTES = 5
"""A first trade later than this is not the open."""
PRICES = {"session": pl.Date, "expiry": pl.Date, "price_paise": pl.Float64}
"""The money of an expiry on a session; unique by (session, expiry)."""

_AT = re.compile(r"^ATM(?P<steps>[+-]\d{1,3})?$")
_SIDE = re.compile(r"^(?P<side>OTM|ITM)(?P<steps>[1-9]\d{0,2})$")
_LOST = {"symbol": pl.String, "session": pl.Date, "reason": pl.String}
Read = Callable[[list[int], list[date]], pl.LazyFrame]


@dataclass(frozen=True, slots=True)
class Money:
    """
    So many listed strikes above the one at the money, by right: of calls ``calls``, of puts ``puts``.

    ``ATM+2`` is two above for both; ``OTM2`` two above for calls and two below for puts; ``ITM2`` the reverse.
    """

    text: str
    calls: int
    puts: int


def money_of(text: str) -> Money:
    """
    What was typed.

    Raises:
        QueryError: It is no moneyness.
    """
    word = text.strip().upper().replace(" ", "")
    if (match := _AT.match(word)) is not None:
        steps = int(match["steps"] or 0)
        return Money(word, steps, steps)
    match = _SIDE.match(word)
    if match is None:
        raise QueryError(f"no moneyness {text!r}: give ATM, ATM+2 or ATM-1 (strikes above or below), OTM3 or ITM1")
    steps = int(match["steps"]) * (1 if match["side"] == "OTM" else -1)
    return Money(word, steps, -steps)


def strikes_of(money: Money, ladder: pl.DataFrame, prices: pl.DataFrame, name: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    The rungs at a distance from the money.

    Args:
        money: The distance.
        ladder: ``select.LADDER``: what was listed.
        prices: :data:`PRICES`.
        name: Of the underlying, for what is lost.

    Returns:
        The rungs, and (symbol, session, reason) where there is no price or no such strike. The strike at the money is the
        listed one nearest to the price, of two equally near the lower; steps count the strikes listed of that expiry.
    """
    key = ["session", "expiry"]
    rungs = ladder.select(*key, "strike_paise").unique().sort(*key, "strike_paise").with_columns(place=pl.int_range(pl.len()).over(key))
    priced = rungs.join(prices, on=key)
    away = (pl.col("strike_paise") - pl.col("price_paise")).abs()
    middle = priced.sort(*key, away, "strike_paise").unique(key, keep="first", maintain_order=True).select(*key, middle="place")
    placed = ladder.join(rungs, on=[*key, "strike_paise"]).join(middle, on=key)
    steps = pl.when(pl.col("right") == "CE").then(money.calls).otherwise(money.puts)
    found = placed.filter(pl.col("place") == pl.col("middle") + steps)
    unpriced = ladder.select(key).unique().join(middle, on=key, how="anti").with_columns(reason=pl.lit("no price at the open"))
    beyond = middle.select(key).join(found.select(key).unique(), on=key, how="anti").with_columns(reason=pl.lit("no such strike listed"))
    lost = pl.concat([unpriced, beyond]).select(
        symbol=pl.format(f"{name} {{}} {money.text}", pl.col("expiry")), session="session", reason="reason",
    ).sort("session", "symbol")
    return found.select(ladder.columns), lost.cast(_LOST)  # type: ignore[arg-type]


def at_the_open(store: Store, calendar: Calendar, contracts: pl.DataFrame, ladder: pl.DataFrame, read: Read) -> pl.DataFrame:
    """
    The money of each expiry of a ladder on each session, where it is known: :data:`PRICES`.

    Args:
        store: The lake's.
        calendar: For the session's open.
        contracts: Options of one underlying.
        ladder: ``select.LADDER`` of them.
        read: Stored bars.
    """
    wanted = ladder.select("session", "expiry").unique()
    venue, underlying, is_index = contracts.select("venue", "underlying", "is_index").row(0)
    opens = _opens(calendar, wanted["session"].unique().sort().to_list(), (venue, underlying, is_index))
    others = store.instruments(None, underlyings=[underlying], kinds=["spot", "future"]).filter(pl.col("venue") == venue)
    futures = _first(read, others.filter(pl.col("kind") == "future"), opens)
    found = wanted.join(futures.select(*PRICES), on=["session", "expiry"])
    lacking = wanted.join(found, on=["session", "expiry"], how="anti")
    if lacking.height:
        found = pl.concat([found, _parity(ladder.join(lacking, on=["session", "expiry"], how="semi"), opens, read)])
        lacking = wanted.join(found, on=["session", "expiry"], how="anti")
    if lacking.height:
        spot = _first(read, others.filter(pl.col("kind") == "spot"), opens).unique("session", keep="first", maintain_order=True)
        found = pl.concat([found, lacking.join(spot.select("session", "price_paise"), on="session").select(*PRICES)])
    return found


def _opens(calendar: Calendar, sessions: list[date], of: tuple[str, str, bool]) -> pl.DataFrame:
    """Until when a price is one of the open: session, ``until`` in microseconds."""
    venue, underlying, is_index = of
    rows = []
    for day in sessions:
        session = calendar.session_for(any_contract(venue, underlying, "future", is_index=is_index), day)
        if session is not None:
            rows.append((day, session.open_us + OPENING_MINUTES * MINUTE_US))
    return pl.DataFrame(rows, schema={"session": pl.Date, "until": pl.Int64}, orient="row")


def _first(read: Read, contracts: pl.DataFrame, opens: pl.DataFrame) -> pl.DataFrame:
    """First continuous price of contracts within the opening minutes: contract, session, expiry, price_paise."""
    ids, days = contracts["contract"].to_list(), opens["session"].to_list()
    if not ids or not days:
        return pl.DataFrame(schema={"contract": pl.Int64, **PRICES})
    opening = read(ids, days).filter(pl.col("phase") == "continuous").join(opens.lazy(), on="session").filter(pl.col("ts").dt.epoch("us") < pl.col("until"))
    first = opening.group_by("contract", "session", "expiry").agg(price_paise=pl.col("open_paise").sort_by("ts").first().cast(pl.Float64))
    return first.sort("session", "contract").collect().select("contract", *PRICES)


def _parity(ladder: pl.DataFrame, opens: pl.DataFrame, read: Read) -> pl.DataFrame:
    """Forwards of strikes of which both sides traded, from the one whose sides are nearest: strike + call - put, undiscounted."""
    opens = opens.join(ladder.select("session").unique(), on="session", how="semi")
    prices = _first(read, ladder.drop_nulls("contract").select("contract").unique().sort("contract"), opens)
    sides = ladder.join(prices.drop("expiry"), on=["contract", "session"]).pivot(
        "right", index=["session", "expiry", "strike_paise"], values="price_paise", aggregate_function="first",
    )
    if not {"CE", "PE"} <= set(sides.columns):
        return pl.DataFrame(schema=PRICES)
    apart = pl.col("CE") - pl.col("PE")
    both = sides.drop_nulls(["CE", "PE"]).sort("session", "expiry", apart.abs(), "strike_paise")
    nearest = both.unique(["session", "expiry"], keep="first", maintain_order=True)
    return nearest.select("session", "expiry", price_paise=pl.col("strike_paise") + apart).cast(PRICES)  # type: ignore[arg-type]
