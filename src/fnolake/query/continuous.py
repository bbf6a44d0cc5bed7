"""
One series of a future's contracts, session by session, with its rolls measured. Reads the store, writes nothing.

Invariants: the rolls of a session follow from what was known before it opened; unadjusted bars are the contracts' own; all
bars of a session are moved by one number, so within it an adjustment changes no difference (or no ratio).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

import polars as pl

from fnolake.errors import GapWarning, NotCovered, QueryError
from fnolake.market.calendar import Calendar
from fnolake.model import IST
from fnolake.query.anchors import Anchors, anchors
from fnolake.query.bars import CONTINUOUS, PHASES, present, stored
from fnolake.query.futures import Futures
from fnolake.query.interval import MINUTE, Interval
from fnolake.query.resample import resample
from fnolake.query.roll import Held, Listed, Measured, RollRule, Totals, hold, measure
from fnolake.store.store import Store

ROLLS: dict[str, pl.DataType | type[pl.DataType]] = {
    "session": pl.Date, "from_symbol": pl.String, "to_symbol": pl.String, "reason": pl.String,
    "measured_at": pl.Datetime("us", "Asia/Kolkata"), "from_price": pl.Float64, "to_price": pl.Float64, "gap": pl.Float64, "ratio": pl.Float64,
    "measured": pl.String, "offset": pl.Float64, "factor": pl.Float64, "from_total": pl.Int64, "to_total": pl.Int64,
    "from_expiry": pl.Date, "to_expiry": pl.Date, "from_contract": pl.Int64, "to_contract": pl.Int64,
}
"""
One row a roll; ``session`` is the first of the arriving contract. ``gap`` is to_price - from_price and ``ratio`` their quotient,
in rupees at ``measured_at`` (see ``roll.Measured``; ``measured`` is ``none`` where the two never traded in one session). ``offset``
and ``factor`` are what bars before this roll are moved by: the sum and product of it and all later rolls. ``from_total`` and
``to_total``: units of the session before that decided a roll by volume or oi.
"""

ADJUSTMENTS = ("difference", "ratio")
WHICH = ("near", "next")
_PRICES = ("open", "high", "low", "close", "vwap")


@dataclass(frozen=True, slots=True)
class Series:
    """
    What is held on each session of a span, and the rolls between.

    ``held``: session, contract (null: unknown to this lake) and ``first``, the session since which that contract is held, ascending.
    """

    held: pl.DataFrame
    rolls: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=ROLLS))

    @property
    def contracts(self) -> list[int]:
        """Contracts that are held on some session."""
        return self.held["contract"].drop_nulls().unique().sort().to_list()

    @property
    def sessions(self) -> list[date]:
        """Sessions on which a contract is held."""
        return self.held.drop_nulls("contract")["session"].to_list()


@dataclass(frozen=True, slots=True)
class Ask:
    """A question for a continuous series; ``start`` and ``end`` are inclusive sessions."""

    underlying: str
    rule: RollRule
    which: str = "near"
    start: date | None = None
    end: date | None = None
    strict: bool = False

    def __post_init__(self) -> None:
        if self.which not in WHICH:
            raise QueryError(f"which {self.which!r}: give near (the front contract) or next (the one after it)")


def adjustment_of(given: str | None) -> str | None:
    """
    What was typed, None for none.

    Raises:
        QueryError: It is no adjustment.
    """
    word = given.strip().lower() if given else "none"
    if word not in {"none", *ADJUSTMENTS}:
        raise QueryError(f"adjust {given!r}: give difference, ratio or none")
    return None if word == "none" else word


def series(store: Store, calendar: Calendar, futures: Futures, ask: Ask, finished: Callable[[], date]) -> Series:
    """
    Decide what is held and measure the rolls.

    Rolls are decided from the lake's first session on, whatever is asked, so that a series does not depend on where it begins.

    Args:
        store: The lake's.
        calendar: Its sessions.
        futures: Of the underlying.
        ask: The question.
        finished: The last finished session; asked only where ``ask.end`` is after what was captured.

    Raises:
        NotCovered: ``strict``, and something of it is missing.
        UnknownSession: A roll days before an expiry hangs on dates of which nobody knows whether they trade.
    """
    captured = [day for day in store.sessions(futures.ids) if ask.end is None or day <= ask.end]
    listed = {day: futures.on(day) for day in _sessions(calendar, captured, ask, finished)}
    totals = {} if ask.rule.by == "expiry" else _totals(store, futures.ids, captured, ask.rule.by)
    found = hold(ask.rule, listed, _stays(calendar, captured, ask.rule.days), totals, second=ask.which == "next")
    kept = [one for one in found if ask.start is None or one.session >= ask.start]
    made = Series(_held_frame(kept), _rolls(store, futures, kept))
    _tell(store, futures, made, kept, ask)
    return made


def _sessions(calendar: Calendar, captured: Sequence[date], ask: Ask, finished: Callable[[], date]) -> list[date]:
    """Every session from the first captured, or asked for, to the last, without those that are not finished."""
    begins = [*captured[:1], *([ask.start] if ask.start else [])]
    if not begins or not (captured or ask.end):
        return []
    first, last = min(begins), captured[-1] if captured else date.min
    if ask.end is not None and last < ask.end:
        last = max(last, min(ask.end, finished()))
    return sorted({*captured, *calendar.sessions(first, last)})


def bars(
    store: Store, calendar: Calendar, made: Series, *, adjust: str | None = None, interval: Interval = MINUTE, phases: Sequence[str] = CONTINUOUS,
) -> pl.DataFrame:
    """
    The series' bars: ``BAR_COLUMNS``, by ts. Prices by difference are exact to the paisa, by ratio they are not rounded.

    A bar never holds two contracts: a week or month with a roll in it becomes two bars, the second from the roll's session on.
    """
    pairs = made.held.drop_nulls("contract").select("session", "contract").lazy()
    rows = stored(store, made.contracts, made.sessions, tuple(phases)).join(pairs, on=["session", "contract"], how="semi")
    longer = resample(rows, interval, _anchors(store, calendar, made, tuple(phases) or PHASES, interval)) if interval != MINUTE else rows
    shown = present(store, longer.sort("ts"), made.contracts)
    return (shown if adjust is None else _adjusted(shown, made.rolls, adjust)).collect(engine="auto" if interval == MINUTE else "streaming")


def _anchors(store: Store, calendar: Calendar, made: Series, phases: Sequence[str], interval: Interval) -> Anchors:
    named = store.instrument_history().filter(pl.col("contract").is_in(made.contracts))
    rolled = made.held.filter(pl.col("first") > pl.col("first").min())
    return anchors(
        calendar, named.select("venue", "underlying", "kind", "is_index").unique().rows(), made.sessions, phases, interval,
        dict(rolled.select("session", "first").iter_rows()),
    )


def _adjusted(shown: pl.LazyFrame, rolls: pl.DataFrame, adjust: str) -> pl.LazyFrame:
    """Every bar moved by the rolls after its session; the last contract keeps its prices."""
    moved = rolls.select(until="session", offset="offset", factor="factor").sort("until").lazy()
    joined = shown.join_asof(moved, left_on="session", right_on="until", strategy="forward", allow_exact_matches=False, check_sortedness=False)
    if adjust == "difference":
        prices = [(pl.col(name) + pl.col("offset").fill_null(0.0)).round(2) for name in _PRICES]
    else:
        prices = [pl.col(name) * pl.col("factor").fill_null(1.0) for name in _PRICES]
    return joined.with_columns(prices).drop("until", "offset", "factor", strict=False)


def _stays(calendar: Calendar, captured: Sequence[date], days: int) -> Callable[[date, date], bool]:
    """Whether an expiry is ``days`` sessions or more after a session."""
    known = set(captured)

    def stays(session: date, expiry: date) -> bool:
        return days == 0 or calendar.reaches(session, expiry, days, known)

    return stays


def _totals(store: Store, ids: Sequence[int], sessions: Sequence[date], by: str) -> Totals:
    """
    Of every covered contract-session: units traded in all phases, or the last open interest.

    What was never asked for because nothing was traded has the exchange's.
    """
    total = pl.col("volume").sum() if by == "volume" else pl.col("oi").sort_by("ts").drop_nulls().last()
    rows = store.bars(ids, sessions).group_by("session", "contract").agg(total=total).drop_nulls("total").collect()
    missing = store.missing(pl.DataFrame({"contract": list(ids)}, schema={"contract": pl.Int64}), sessions)
    quiet = _untraded(store, missing)
    without = set(missing.select("session", "contract").rows())
    start = {(day, contract): 0 for day in sessions for contract in ids if (day, contract) not in without} if by == "volume" else {}
    known = [*rows.join(missing, on=["session", "contract"], how="anti").iter_rows(), *quiet.select("session", "contract", by).drop_nulls().iter_rows()]
    return start | {(day, contract): total for day, contract, total in known}


def _untraded(store: Store, missing: pl.DataFrame) -> pl.DataFrame:
    """The exchange's rows of contract-sessions that are not covered because nothing was traded."""
    rows = store.exchange_rows(missing["session"].unique().to_list()).filter(pl.col("volume") == 0)
    return rows.join(missing, on=["session", "contract"], how="semi")


def _held_frame(kept: Sequence[Held]) -> pl.DataFrame:
    rows: list[tuple[date, int | None, date]] = []
    last: tuple[Listed | None, date] | None = None
    for one in kept:
        same = last is not None and (last[0] and last[0].contract) == (one.listed and one.listed.contract)
        last = (one.listed, last[1] if same and last else one.session)
        rows.append((one.session, one.listed.contract if one.listed and one.listed.is_known else None, last[1]))
    return pl.DataFrame(rows, schema={"session": pl.Date, "contract": pl.Int64, "first": pl.Date}, orient="row")


def _rolls(store: Store, futures: Futures, kept: Sequence[Held]) -> pl.DataFrame:
    known = [one for one in kept if one.listed and one.listed.is_known]
    changes = [(old, new) for old, new in itertools.pairwise(known) if _contract(old) != _contract(new)]
    closes = _closes(store, {(old.session, contract) for old, new in changes for contract in (_contract(old), _contract(new))})
    rows, offset, factor = [], 0, 1.0
    for old, new in reversed(changes):
        at = [closes.get((old.session, _contract(one)), {}) for one in (old, new)]
        prices = measure(*at) or _earlier(store, _contract(old), _contract(new), old.session)
        if prices is not None:
            offset += prices.to_paise - prices.from_paise
            factor *= prices.to_paise / prices.from_paise
        rows.append(_row(futures, old, new, prices) | {"offset": offset / 100, "factor": factor})
    return pl.DataFrame(rows[::-1], schema=ROLLS)


def _row(futures: Futures, old: Held, new: Held, prices: Measured | None) -> dict[str, object]:
    assert old.listed
    assert new.listed
    row: dict[str, object] = {
        "session": new.session, "from_symbol": futures.symbol(_contract(old), old.session), "to_symbol": futures.symbol(_contract(new), new.session),
        "reason": new.reason or "expiry", "from_total": new.from_total, "to_total": new.to_total, "measured": "none",
        "from_expiry": old.listed.expiry, "to_expiry": new.listed.expiry, "from_contract": _contract(old), "to_contract": _contract(new),
    }
    if prices is None:
        return row
    return row | {
        "measured": prices.how, "measured_at": prices.at.astimezone(IST), "from_price": prices.from_paise / 100, "to_price": prices.to_paise / 100,
        "gap": (prices.to_paise - prices.from_paise) / 100, "ratio": prices.to_paise / prices.from_paise,
    }


def _contract(one: Held) -> int:
    assert one.listed
    return one.listed.contract


def _closes(store: Store, pairs: set[tuple[date, int]]) -> dict[tuple[date, int], dict[datetime, int]]:
    """Closes of traded continuous minutes, by (session, contract) and start."""
    wanted = pl.DataFrame(sorted(pairs), schema={"session": pl.Date, "contract": pl.Int64}, orient="row")
    rows = stored(store, wanted["contract"].unique().to_list(), wanted["session"].unique().to_list(), CONTINUOUS)
    found: dict[tuple[date, int], dict[datetime, int]] = {}
    traded = rows.filter(pl.col("volume") > 0).join(wanted.lazy(), on=["session", "contract"], how="semi").sort("ts")
    for day, contract, ts, close in traded.select("session", "contract", "ts", "close_paise").collect().iter_rows():
        found.setdefault((day, contract), {})[ts] = close
    return found


def _earlier(store: Store, leaving: int, arriving: int, session: date) -> Measured | None:
    """The last minute in which both traded on an earlier session; None if they never did."""
    days = [day for day in store.sessions([leaving]) if day < session]
    rows = stored(store, [leaving, arriving], days, CONTINUOUS).filter(pl.col("volume") > 0)
    sides = [rows.filter(pl.col("contract") == one).select("ts", "close_paise") for one in (leaving, arriving)]
    found = sides[0].join(sides[1], on="ts", suffix="_to").sort("ts").tail(1).collect().rows()
    return Measured("earlier", *found[0]) if found else None


def _tell(store: Store, futures: Futures, made: Series, kept: Sequence[Held], ask: Ask) -> None:
    """
    Warn of what is missing.

    Raises:
        NotCovered: Something is, and the question is strict.
    """
    said = []
    unknown = [one.session for one in kept if one.listed is None or not one.listed.is_known]
    missing = [(futures.symbol(contract, day), day, contract) for contract, day in _missing(store, made)]
    if unknown:
        said.append(f"{_span(unknown)}: this lake does not know the contract of that time")
    if missing:
        names = ", ".join(dict.fromkeys(symbol for symbol, *_ in missing))
        said.append(f"{_span([day for _, day, _ in missing])}: {names} not covered (`fnolake gaps --underlying {ask.underlying}` says why)")
    if unsure := [one.session for one in kept if one.undecided]:
        said.append(f"{_span(unsure)}: no roll by {ask.rule.by} was decided, for that of the session before is not known")
    if bare := made.rolls.filter(measured="none")["session"].to_list():
        said.append(f"{_span(bare)}: the two contracts of the roll never traded in one session, so it cannot be adjusted")
    text = f"{ask.underlying}: {'; '.join(said)}"
    if said and ask.strict:
        places = {one.session: place for place, one in enumerate(kept)}
        lost = [("", day, "contract_unknown") for day in unknown] + [(symbol, day, "not_covered") for symbol, day, _ in missing]
        raise NotCovered(text, [(contract, day) for _, day, contract in missing], _spans(lost, places))
    if said:
        warnings.warn(text, GapWarning, stacklevel=5)


def _spans(lost: Sequence[tuple[str, date, str]], places: Mapping[date, int]) -> tuple[tuple[str, object, object, str], ...]:
    """(symbol, first session, last session, reason), sessions in a row being one."""
    found: list[tuple[str, date, date, str]] = []
    for symbol, day, reason in sorted(lost, key=lambda one: one[1]):
        if found and (found[-1][0], found[-1][3]) == (symbol, reason) and places[day] == places[found[-1][2]] + 1:
            found[-1] = (symbol, found[-1][1], day, reason)
        else:
            found.append((symbol, day, day, reason))
    return tuple(found)


def _missing(store: Store, made: Series) -> list[tuple[int, date]]:
    """Held contract-sessions that are not covered and that the exchange's file does not call untraded."""
    pairs = made.held.drop_nulls("contract")
    gone = store.missing(pairs, pairs["session"].to_list()).join(pairs, on=["session", "contract"], how="semi")
    return gone.join(_untraded(store, gone), on=["session", "contract"], how="anti").sort("session").select("contract", "session").rows()


def _span(days: Sequence[date]) -> str:
    return str(days[0]) if len(set(days)) == 1 else f"{len(days)} sessions from {min(days)} to {max(days)}"
