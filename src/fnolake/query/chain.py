"""
An option chain at a minute: every listed strike of one expiry as it stood, with volatilities and greeks.

Reads the store, writes nothing. Conventions, and why they are not the exchange website's, are in docs/chain.md.
Invariant: nothing after the instant is seen (``query.standing``), and no number is made of prices older than ``max_age``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fnolake.errors import QueryError, UnknownSession
from fnolake.market.calendar import Calendar
from fnolake.model import IST, MINUTE_US, Contract, ist_date, ist_midnight_us, utc_from_us
from fnolake.query import greeks as black
from fnolake.query.forward import Forward, forward_of
from fnolake.query.pick import pick
from fnolake.query.rupees import rupees
from fnolake.query.standing import DAY_US, exchange_said, oi_before, session_before, standing
from fnolake.store.store import Store

MAX_AGE: Final = 15
"""Minutes: an older last price is shown, and no volatility is made of it."""
NAMED_EXPIRIES: Final = ("near", "next", "far")
STATE: Final = ("last", "age", "volume", "oi", "oi_change")
ANALYTICS: Final = ("iv", "iv_reason", "delta", "gamma", "theta", "vega", "rho")
_SAME: Final = ("at", "underlying", "expiry", "forward", "strike")
CHAIN_COLUMNS: Final = ("at", "underlying", "expiry", "forward", "strike", "right", "symbol", *STATE, *ANALYTICS)
"""
One row an option, by strike and right. at Datetime(us, Asia/Kolkata); forward, strike, last Float64 rupees; age Int64 whole
minutes since the last bar ended; volume, oi, oi_change Int64 units; iv a fraction per year (0.15 = 15 %); greeks Float64 in
the units of ``greeks.Greeks``; iv_reason says why iv is null: ``stale`` or one of ``greeks.REASONS``.
"""


@dataclass(frozen=True, slots=True)
class Chain:
    """
    A chain with what is said of the whole of it.

    Attributes:
        rows: ``CHAIN_COLUMNS``, without ``ANALYTICS`` where greeks were not asked for.
        underlying: Its name.
        venue: NSE or BSE.
        expiry: Of all its options.
        at: The instant, IST; one after the session's close is the close.
        forward: Rupees per unit, its ``source`` (future, parity) and age in minutes.
        years: Time to the last instant of trading, ACT/365.
        rate: Per year, as a fraction; it only discounts.
        atm: The strike nearest the forward, rupees; None without a forward.
        pcr_oi: Open interest of puts over that of calls; None without calls.
        pcr_volume: Volume so far of puts over that of calls; None without calls.
        max_pain: The strike at which all who hold options would get least, by open interest, rupees.
        oi_from: Whose open interest of the session before is compared with: exchange, bars, or None.
        missing: Options without a bar of which the lake does not know that they did not trade.
    """

    rows: pl.DataFrame
    underlying: str
    venue: str
    expiry: date
    at: datetime
    forward: Forward
    years: float
    rate: float
    atm: float | None
    pcr_oi: float | None
    pcr_volume: float | None
    max_pain: float | None
    oi_from: str | None
    missing: int

    def wide(self) -> pl.DataFrame:
        """One row a strike: its columns as ``call_…`` and ``put_…``."""
        own = [name for name in self.rows.columns if name not in {*_SAME, "right"}]
        calls, puts = (
            self.rows.filter(pl.col("right") == right).select(*_SAME, pl.col(own).name.prefix(f"{side}_")) for right, side in (("CE", "call"), ("PE", "put"))
        )
        return calls.join(puts, on=list(_SAME), how="full", coalesce=True, nulls_equal=True).sort("strike")

    def summary(self) -> dict[str, object]:
        """Everything but the rows, flat."""
        return {
            "underlying": self.underlying, "venue": self.venue, "expiry": self.expiry, "at": self.at, "forward": self.forward.price,
            "forward_from": self.forward.source, "forward_age": self.forward.age, "years": self.years, "rate": self.rate,
            "atm": self.atm, "pcr_oi": self.pcr_oi, "pcr_volume": self.pcr_volume, "max_pain": self.max_pain,
            "oi_from": self.oi_from, "missing": self.missing,
        }


def read_chain(
    store: Store, calendar: Calendar, underlying: str, at: datetime | date | str, expiry: date | str = "near",
    *, greeks: bool = True, rate: float, max_age: int | None = MAX_AGE,
) -> Chain:
    """
    The chain of an underlying at an instant.

    Args:
        store: The lake's store.
        calendar: Hours, for the last instant of trading.
        underlying: Its name.
        at: An instant or its text (IST without a zone); a date is its close; ``11:05`` is of the last session here.
        expiry: ``near``, ``next``, ``far`` (the first, second and third that is listed, weeklies included) or a date.
        greeks: With volatilities and greeks.
        rate: Per year, as a fraction.
        max_age: Minutes; prices older than that make no volatility and no forward. None: whatever there is.

    Raises:
        UnknownInstrument: No such underlying, or it has no options.
        QueryError: No such expiry, no instant, or no option had a bar by then.
    """
    day, until_us = _instant(store, at)
    listed = _listed(store, underlying.strip().upper(), day)
    options = _of_expiry(listed, expiry, day)
    contract = Contract(**options.row(0, named=True))
    until_us = min(until_us, _close_us(calendar, contract, day))
    future = listed.filter((pl.col("kind") == "future") & (pl.col("expiry") == contract.expiry))
    stands = standing(store, [*options["contract"], *future["contract"]], day, until_us)
    years = float(black.years_between(until_us, calendar.last_instant_us(contract)))
    rows, oi_from, missing = _rows(store, calendar, options, stands, day, until_us)
    if rows["last"].null_count() == rows.height:
        raise QueryError(
            f"no option of {contract.underlying} {contract.expiry} has a bar that ended by {_shown(until_us):%Y-%m-%d %H:%M}; "
            f"`fnolake gaps -u {contract.underlying} --session {day}` says what is missing",
        )
    forward = forward_of(_last_of(future, stands, until_us), rows, float(np.exp(rate * years)), max_age)
    if greeks:
        rows = _with_greeks(rows, forward.price, years, rate, max_age)
    rows = rows.with_columns(at=pl.lit(_shown(until_us)).dt.cast_time_unit("us").dt.convert_time_zone("Asia/Kolkata"), forward=pl.lit(forward.price, pl.Float64))
    return Chain(
        rows=rows.select(CHAIN_COLUMNS if greeks else CHAIN_COLUMNS[: -len(ANALYTICS)]), underlying=contract.underlying,
        venue=contract.venue, expiry=options["expiry"][0], at=_shown(until_us), forward=forward, years=years, rate=rate,
        atm=_nearest(rows["strike"], forward.price), pcr_oi=put_call(rows, "oi"), pcr_volume=put_call(rows, "volume"),
        max_pain=max_pain(rows), oi_from=oi_from, missing=missing,
    )


def put_call(rows: pl.DataFrame, column: str) -> float | None:
    """The puts' sum over the calls'; None where that of the calls is nothing."""
    puts, calls = (int(rows.filter(pl.col("right") == right)[column].sum()) for right in ("PE", "CE"))
    return puts / calls if calls else None


def max_pain(rows: pl.DataFrame) -> float | None:
    """
    The listed strike at which, were it the settlement, all holders together would get least; the lowest of several.

    None where no open interest is known.
    """
    held = rows.filter(pl.col("oi") > 0)
    if held.is_empty():
        return None
    at = rows["strike"].unique().sort().to_numpy()
    strike, oi, sign = held["strike"].to_numpy(), held["oi"].to_numpy().astype(np.float64), np.where(held["right"] == "CE", 1.0, -1.0)
    paid = (np.maximum(sign * (at[:, None] - strike), 0.0) * oi).sum(axis=1)
    return float(at[int(np.argmin(paid))])


def _instant(store: Store, at: datetime | date | str) -> tuple[date, int]:
    """The session, and the instant in UTC microseconds; for a date the end of the day."""
    here = store.sessions()
    if isinstance(at, str):
        at = _read(at.strip(), here)
    if isinstance(at, datetime):
        aware = at if at.tzinfo else at.replace(tzinfo=IST)
        day = ist_date(aware)
        until_us = ist_midnight_us(day) + (aware - datetime(day.year, day.month, day.day, tzinfo=IST)) // timedelta(minutes=1) * MINUTE_US
    else:
        day, until_us = at, ist_midnight_us(at) + DAY_US
    if day not in here:
        close = min(here, key=lambda one: abs(one - day), default=None)
        raise QueryError(f"nothing of {day} is in this lake; " + (f"the nearest session here is {close}" if close else "run `fnolake sync`"))
    return day, until_us


def _read(text: str, here: list[date]) -> datetime | date:
    """What was typed: an instant, a date, or a time of the last session."""
    try:
        if len(text) == len("2026-11-20"):
            return date.fromisoformat(text)
        if "-" not in text and here:
            return datetime.combine(here[-1], time.fromisoformat(text))
        return datetime.fromisoformat(text)
    except ValueError as error:
        raise QueryError(f"{text} is no instant: give one like 2026-11-20 11:05, a date for its close, or 11:05 for the last session") from error


def _listed(store: Store, name: str, day: date) -> pl.DataFrame:
    """Options and futures of an underlying that were listed on a day, of one venue: NSE where both list them."""
    rows = store.instruments(day, underlyings=(name,), kinds=("option", "future"))
    options = rows.filter(pl.col("kind") == "option")
    if options.is_empty():
        pick(store.instruments(), name, "option")
        raise QueryError(f"{name} has no options on {day} as far as this lake knows; see `fnolake instruments -u {name} --on {day}`")
    venue = "NSE" if "NSE" in options["venue"] else options["venue"][0]
    return rows.filter(pl.col("venue") == venue)


def _of_expiry(listed: pl.DataFrame, expiry: date | str, day: date) -> pl.DataFrame:
    """The options of one expiry, by strike and right."""
    options = listed.filter(pl.col("kind") == "option").sort("strike_paise", "right", "contract")
    dates: list[date] = options["expiry"].unique().sort().to_list()
    shown = ", ".join(map(str, dates[:8])) + (" …" if len(dates) > 8 else "")
    chosen = expiry
    if isinstance(expiry, str) and expiry in NAMED_EXPIRIES:
        place = NAMED_EXPIRIES.index(expiry)
        if place >= len(dates):
            raise QueryError(f"{options['underlying'][0]} has no {expiry} expiry on {day}; there are {shown}")
        chosen = dates[place]
    elif isinstance(expiry, str):
        try:
            chosen = date.fromisoformat(expiry)
        except ValueError as error:
            raise QueryError(f"{expiry} is no expiry: give near, next, far or a date; there are {shown}") from error
    found = options.filter(pl.col("expiry") == chosen)
    if found.is_empty():
        raise QueryError(f"{options['underlying'][0]} has no options of {chosen} on {day}; there are {shown}")
    return found.unique(["strike_paise", "right"], keep="last", maintain_order=True)


def _close_us(calendar: Calendar, contract: Contract, day: date) -> int:
    """When the session's trading in these options ends; the end of the day where nobody told us the hours."""
    try:
        session = calendar.session_for(contract, day)
    except UnknownSession:
        session = None
    return session.close_us if session is not None else ist_midnight_us(day) + DAY_US


def _rows(
    store: Store, calendar: Calendar, options: pl.DataFrame, stands: pl.DataFrame, day: date, until_us: int,
) -> tuple[pl.DataFrame, str | None, int]:
    """
    One row an option with its ``STATE``, whose open interest is compared with, and how many options nothing is known of.

    An option that has not traded so far keeps the open interest of the session before, if it is known that it did not trade.
    """
    before = session_before(store, calendar, day)
    said = exchange_said(store, options, [one for one in (before, day) if one is not None])
    held, oi_from = oi_before(store, options, before, said)
    silent = options.join(stands, on="contract", how="anti")
    untraded = said.filter((pl.col("session") == day) & (pl.col("volume") == 0))
    unknown = store.missing(silent, [day]).join(untraded, on="contract", how="anti")["contract"].implode()
    rows = options.select("contract", "underlying", "expiry", "strike_paise", "right", "symbol").join(
        stands, on="contract", how="left", maintain_order="left",
    ).join(held, on="contract", how="left", maintain_order="left").with_columns(
        oi=pl.when(pl.col("last_paise").is_null() & ~pl.col("contract").is_in(unknown)).then("oi_before").otherwise("oi"),
        volume=pl.when(pl.col("contract").is_in(unknown)).then(None).otherwise(pl.col("volume").fill_null(0)),
    )
    return rows.with_columns(
        strike=rupees(pl.col("strike_paise")), last=rupees(pl.col("last_paise")), age=(until_us - pl.col("ended_us")) // MINUTE_US,
        oi_change=pl.col("oi") - pl.col("oi_before"),
    ), oi_from, len(unknown[0])


def _last_of(future: pl.DataFrame, stands: pl.DataFrame, until_us: int) -> tuple[float, int] | None:
    """Last price (rupees) and age (minutes) of the future, if it is listed and has traded."""
    found = stands.filter(pl.col("contract").is_in(future["contract"].implode()))
    if found.is_empty():
        return None
    return found["last_paise"][0] / 100, (until_us - found["ended_us"][0]) // MINUTE_US


def _with_greeks(rows: pl.DataFrame, forward: float | None, years: float, rate: float, max_age: int | None) -> pl.DataFrame:
    """The rows with ``ANALYTICS``."""
    stale = (rows["age"] > max_age).fill_null(value=False).to_numpy() if max_age is not None else np.zeros(rows.height, dtype=np.bool_)
    at = (np.nan if forward is None else forward, rows["strike"].to_numpy(), years)
    last, call = rows["last"].fill_null(np.nan).to_numpy(), (rows["right"] == "CE").to_numpy()
    implied = black.implied_vol(np.where(stale, np.nan, last), *at, rate, call)
    made = black.greeks(*at, implied.vol, rate, call)
    return rows.with_columns(
        _numbers("iv", implied.vol), *(_numbers(name, getattr(made, name)) for name in ANALYTICS[2:]),
        iv_reason=pl.Series(_reasons(implied.reason, stale), dtype=pl.String),
    )


def _numbers(name: str, values: NDArray[np.float64]) -> pl.Series:
    return pl.Series(name, values).fill_nan(None)


def _reasons(codes: NDArray[np.int8], stale: NDArray[np.bool_]) -> list[str | None]:
    return ["stale" if old else black.REASONS[code] or None for code, old in zip(codes.tolist(), stale.tolist(), strict=True)]


def _nearest(strikes: pl.Series, forward: float | None) -> float | None:
    """The strike nearest the forward, the lower of two."""
    if forward is None:
        return None
    listed = strikes.unique().sort().to_numpy()
    return float(listed[int(np.argmin(np.abs(listed - forward)))])


def _shown(us: int) -> datetime:
    return utc_from_us(us).astimezone(IST)
