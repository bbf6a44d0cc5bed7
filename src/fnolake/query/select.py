"""
Which contracts are meant on each session: names, expiries by rank, strikes, rights and moneyness. Reads the store.

Rank and moneyness are resolved on each session by what was listed on it: by the master in force, and before the first
master by the exchange's file. Invariant: what was meant and cannot be named is told, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

import polars as pl

from fnolake.errors import QueryError, UnknownInstrument
from fnolake.market.calendar import Calendar
from fnolake.market.expiry import Expiries
from fnolake.model import contract_symbol
from fnolake.model.instrument import strike_text
from fnolake.query.moneyness import Money, at_the_open, money_of, strikes_of
from fnolake.query.pick import pick
from fnolake.store.store import Store

RANKS = {"near": 1, "next": 2, "far": 3}
"""The nearest expiry that has not passed on a session, the one after it and the third."""
PAIRS = {"contract": pl.Int64, "session": pl.Date}
LOST = {"symbol": pl.String, "session": pl.Date, "reason": pl.String}
LADDER = {
    "session": pl.Date, "venue": pl.String, "expiry": pl.Date, "strike_paise": pl.Int64, "right": pl.String, "contract": pl.Int64,
}
"""What was listed of an underlying and kind on sessions; ``contract`` is null where no master names it."""
_RIGHTS = {"CE": "CE", "PE": "PE", "C": "CE", "P": "PE", "CALL": "CE", "PUT": "PE"}
_BY = ("session", "venue", "expiry", "strike_paise", "right")
_SAME_DAYS = 3
"""A rule's expiry this near to a listed one is the same, moved."""
Read = Callable[[list[int], list[date]], pl.LazyFrame]
"""Stored bars (``model.bar_schema``) of contracts on sessions."""


@dataclass(frozen=True, slots=True)
class Choice:
    """
    What was asked for.

    ``rank`` counts expiries from 1 (near); ``strike_paise``, ``right`` and ``money`` are of options.
    """

    symbol: str
    kind: str | None = None
    expiry: date | None = None
    rank: int = 0
    strike_paise: int | None = None
    right: str | None = None
    money: Money | None = None

    @property
    def moves(self) -> bool:
        """Whether the contracts are others from session to session."""
        return bool(self.rank) or self.money is not None


@dataclass(frozen=True, slots=True)
class Meant:
    """
    The contracts of a choice (``model.instrument_schema``).

    ``pairs`` (:data:`PAIRS`): on which session which; None: all of them on each. ``lost`` (:data:`LOST`): what was meant and
    cannot be named.
    """

    contracts: pl.DataFrame
    pairs: pl.DataFrame | None = None
    lost: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=LOST))


def choice_of(
    symbol: str, kind: str | None = None, expiry: date | str | None = None, strike: float | str | None = None,
    right: str | None = None, moneyness: str | None = None,
) -> Choice:
    """
    What was typed.

    Args:
        symbol: A contract, an NSE or Kite name, or an underlying.
        kind: Spot, future or option; an option where a strike, right or moneyness is given.
        expiry: A date, its text, or ``near``, ``next``, ``far``.
        strike: Rupees.
        right: CE or PE (C, P, call, put).
        moneyness: ``ATM``, ``ATM+2``, ``ATM-1``, ``OTM3``, ``ITM1``.

    Raises:
        QueryError: A word that is none of these, or words that exclude each other.
    """
    if strike is not None and moneyness is not None:
        raise QueryError(f"a strike ({strike}) and a moneyness ({moneyness}) exclude each other; give one")
    optional = strike is not None or right is not None or moneyness is not None
    if optional and kind not in {None, "option"}:
        raise QueryError(f"a {kind} has no strike, right or moneyness; leave them out, or ask for kind option")
    if kind not in {None, "spot", "future", "option"}:
        raise QueryError(f"no kind {kind!r}: give spot, future or option")
    side = None if right is None else _RIGHTS.get(right.strip().upper())
    if right is not None and side is None:
        raise QueryError(f"no right {right!r}: give CE or PE")
    day, rank = _expiry(expiry)
    money = None if moneyness is None else money_of(moneyness)
    kind = "option" if optional else kind or ("future" if day or rank else None)
    return Choice(symbol.strip().upper(), kind, day, rank, _paise(strike), side, money)


def contracts_of(instruments: pl.DataFrame, choice: Choice) -> pl.DataFrame:
    """
    The instruments that a choice can mean on any session.

    Raises:
        UnknownInstrument: There is none; says what is near.
        QueryError: An expiry for a spot series.
    """
    word = next((name for name, rank in RANKS.items() if rank == choice.rank), None)
    found = pick(instruments, choice.symbol, choice.kind, choice.expiry or word)
    if choice.right is not None:
        found = found.filter(pl.col("right") == choice.right)
    if choice.strike_paise is None:
        return found
    struck = found.filter(pl.col("strike_paise") == choice.strike_paise)
    if struck.is_empty():
        near = sorted(sorted(found["strike_paise"].unique(), key=lambda one: abs(one - choice.strike_paise))[:4])
        raise UnknownInstrument(
            f"{choice.symbol} has no strike {strike_text(choice.strike_paise)}{f' of {choice.expiry}' if choice.expiry else ''};"
            f" near it: {', '.join(strike_text(one) for one in near) or 'none'}",
        )
    return struck


def resolve(store: Store, calendar: Calendar, choice: Choice, contracts: pl.DataFrame, sessions: Sequence[date], read: Read) -> Meant:
    """
    What a choice means on each session.

    Args:
        store: The lake's.
        calendar: For the sessions' opens.
        choice: As typed.
        contracts: From :func:`contracts_of`.
        sessions: Those that are read.
        read: Stored bars, for the prices that moneyness is counted from.
    """
    if not choice.moves or contracts.is_empty():
        return Meant(contracts)
    rungs = ladder(store, calendar, contracts, sessions)
    if choice.rank:
        rungs = rungs.filter(pl.col("expiry").rank("dense").over("session", "venue") == choice.rank)
    if choice.expiry:
        rungs = rungs.filter(pl.col("expiry") == choice.expiry)
    bare = rungs.clear() if contracts["kind"][0] == "future" else rungs.filter(pl.col("strike_paise").is_null())
    struck, lost = rungs.join(bare, on=["session", "venue", "expiry"], how="anti"), pl.DataFrame(schema=LOST)
    if choice.money is not None:
        prices = at_the_open(store, calendar, contracts, struck, read)
        struck, lost = strikes_of(choice.money, struck, prices, choice.symbol)
    for name, value in {"strike_paise": choice.strike_paise, "right": choice.right}.items():
        struck = struck if value is None else struck.filter(pl.col(name) == value)
    named = struck.drop_nulls("contract")
    ours = contracts.filter(pl.col("contract").is_in(named["contract"].unique().implode()))
    unnamed = _unnamed(pl.concat([bare, struck.filter(pl.col("contract").is_null())]), contracts)
    return Meant(ours, named.select(*PAIRS), pl.concat([lost, unnamed]))


def ladder(store: Store, calendar: Calendar, contracts: pl.DataFrame, sessions: Sequence[date]) -> pl.DataFrame:
    """
    What was listed of an underlying and kind: ``LADDER``, by session, expiry, strike and right.

    Args:
        store: The lake's.
        calendar: For the expiries by rule.
        contracts: All of that underlying and kind that are known, or some of them.
        sessions: To look at.
    """
    days = pl.DataFrame({"session": list(sessions)}, schema={"session": pl.Date})
    kin = store.instruments(None).join(contracts.select("underlying", "kind").unique(), on=["underlying", "kind"], how="semi")["contract"]
    rows = store.instrument_history().filter(pl.col("contract").is_in(kin.implode()))
    inside = (
        (pl.col("valid_from").is_null() | (pl.col("session") >= pl.col("valid_from")))
        & (pl.col("valid_to").is_null() | (pl.col("session") <= pl.col("valid_to"))) & (pl.col("session") <= pl.col("expiry"))
    )
    ours = rows.join(days, how="cross").filter(inside).select(*LADDER)
    masters = store.masters()["day"]
    before = [day for day in sessions if masters.is_empty() or day < masters.min()]  # type: ignore[operator]
    stated = _stated(store, rows, before)
    told = stated.select("session", "venue").unique()
    kept = ours.join(told, on=["session", "venue"], how="anti")
    untold = [day for day in before if day not in set(told["session"])]
    named = stated.join(ours, on=list(_BY), how="left", nulls_equal=True).select(*LADDER)
    return pl.concat([kept, named, _by_rule(calendar, kept, contracts, untold)]).sort(_BY)


def _by_rule(calendar: Calendar, ours: pl.DataFrame, contracts: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    """
    Expiries that must have been listed on sessions of which neither master nor file tells: ``LADDER`` without strikes.

    Without them the nearest contract that happens to be known would pass for the near one.
    """
    rules, rows = Expiries.bundled(calendar), []
    for venue, underlying, kind, is_index in contracts.select("venue", "underlying", "kind", "is_index").unique().iter_rows():
        for day in sessions:
            known = ours.filter((pl.col("session") == day) & (pl.col("venue") == venue))["expiry"].unique().to_list()
            due = rules.upcoming(venue, underlying, day, is_index=is_index, weeks=4 if kind == "option" else 0)
            rows += [(day, venue, one.day, None, None, None) for one in due if all(abs((one.day - here).days) > _SAME_DAYS for here in known)]
    return pl.DataFrame(rows, schema=LADDER, orient="row")


def _stated(store: Store, rows: pl.DataFrame, sessions: list[date]) -> pl.DataFrame:
    """What the exchange's files of sessions list of the same underlying and kind."""
    if not sessions or rows.is_empty():
        return pl.DataFrame(schema={name: LADDER[name] for name in _BY})
    names, kinds = rows["underlying"].unique().to_list(), rows["kind"].unique().to_list()
    found = store.exchange_scan(sessions).filter(pl.col("underlying").is_in(names) & pl.col("kind").is_in(kinds) & (pl.col("expiry") >= pl.col("session")))
    return found.select(*_BY).collect()


def _unnamed(rungs: pl.DataFrame, contracts: pl.DataFrame) -> pl.DataFrame:
    if rungs.is_empty():
        return pl.DataFrame(schema=LOST)
    underlying, kind, is_index = contracts.select("underlying", "kind", "is_index").row(0)

    def symbol(expiry: date, strike: int | None, right: str | None) -> str:
        if kind == "option" and strike is None:
            return f"{underlying} {expiry}"
        return contract_symbol(underlying, kind, expiry, strike, right, is_index=is_index)

    rows = [
        (symbol(expiry, strike, right), day, "in no master")
        for day, expiry, strike, right in rungs.select("session", "expiry", "strike_paise", "right").iter_rows()
    ]
    return pl.DataFrame(rows, schema=LOST, orient="row")


def _expiry(given: date | str | None) -> tuple[date | None, int]:
    if not isinstance(given, str):
        return given, 0
    word = given.strip().lower()
    if word in RANKS:
        return None, RANKS[word]
    try:
        return date.fromisoformat(word), 0
    except ValueError as error:
        raise QueryError(f"no expiry {given!r}: give a date like 2026-11-23, or near, next or far") from error


def _paise(strike: float | str | None) -> int | None:
    if strike is None:
        return None
    try:
        paise = Decimal(str(strike)) * 100
        if paise != int(paise) or paise <= 0:
            raise QueryError(f"no strike {strike}: give rupees, at most two digits after the point")
    except (InvalidOperation, OverflowError, ValueError) as error:
        raise QueryError(f"no strike {strike!r}: give rupees, like 1400 or 312.5") from error
    return int(paise)
