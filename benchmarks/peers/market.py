"""A lake filled straight from the emulated market, without servers: masters, batches, coverage and published sessions, as a sync leaves them."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl

from fnolake.emulator import universe
from fnolake.emulator.engine import Engine
from fnolake.emulator.listings import EXCHANGES, Listings, Underlying
from fnolake.emulator.prices import daily
from fnolake.emulator.world import SEED
from fnolake.market.calendar import Calendar
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    Proof,
    RawFile,
    Verdict,
    bar_schema,
    contract_symbol,
    listing_schema,
    quarantine_schema,
)
from fnolake.store.store import Store

LAST = date(2026, 11, 20)
BATCH_ROWS = 250_000
PHASES = np.array(["preopen", "continuous", "auction"])
FIELDS = ("epoch_s", "open", "high", "low", "close", "volume", "oi", "vwap_paise", "phase")
PIECE_ROWS = 1_000_000


def sessions_of(count: int) -> list[date]:
    """The last sessions up to ``LAST``."""
    calendar = Calendar.bundled()
    return list(calendar.sessions(date(2026, 1, 1), LAST))[-count:]


@dataclass
class Market:
    """The market of some underlyings, each as busy as is told."""

    listings: Listings
    engine: Engine

    @classmethod
    def of(cls, unds: list[Underlying], sessions: list[date]) -> "Market":
        calendar = Calendar.bundled()
        known = calendar.sessions(date(2024, 7, 1), date(2027, 1, 20))
        ordinals = np.array([day.toordinal() for day in known], np.int64)
        days = daily(unds, SEED, ordinals, LAST.toordinal())
        columns = universe.build_columns(unds, (sessions[0], sessions[-1]), calendar, days.closes, ordinals)
        return cls(Listings(columns, unds), Engine(columns, unds, days, calendar, SEED))

    def bars_on(self, number: int, day: date) -> tuple[np.ndarray, np.ndarray]:
        """Rows of an underlying's contracts that trade on a session, and how many bars each has."""
        totals = self.engine.totals(number, day)
        assert totals is not None
        traded = totals.bars > 0
        return totals.sheet.rows[traded], totals.bars[traded]


def market(sessions: list[date], wanted: int) -> Market:
    """The whole market, busier until a session has that many bars (the mean of three); or as many of its underlyings as are enough."""
    everything = universe.underlyings(None)
    size, factor = 0, 1.0
    while size < wanted and factor < 9:
        made = Market.of([replace(und, activity=und.activity * factor) for und in everything], sessions)
        some = {sessions[0], sessions[len(sessions) // 2], sessions[-1]}
        sizes = [sum(int(made.bars_on(number, day)[1].sum()) for day in some) // len(some) for number in range(len(everything))]
        size, used = sum(sizes), factor
        factor *= 1.2
    chosen, rest = [], wanted
    for at in np.argsort(sizes)[::-1].tolist():
        if sizes[at] <= rest or size < wanted * 1.25:
            chosen.append(at)
            rest -= sizes[at]
    return Market.of([replace(everything[at], activity=everything[at].activity * used) for at in sorted(chosen)], sessions)


def fill(folder: Path, count: int, wanted: int) -> float:
    """
    Fill a lake; a session that is there already is left as it is.

    Returns:
        Seconds that the store took, without those in which the market was made.
    """
    sessions = sessions_of(count)
    made = market(sessions, wanted)
    took = 0.0
    with Store.open(folder, write=True, grace_s=0) as store:
        start = time.perf_counter()
        ids = take_masters(store, made, sessions[0])
        took += time.perf_counter() - start
        there = set(store.sessions())
        for day in (each for each in sessions if each not in there):
            batches = [*batches_of(made, ids, day)]
            start = time.perf_counter()
            for batch in batches:
                store.commit(batch)
            store.publish(day)
            took += time.perf_counter() - start
            del batches
        store.upkeep()
    return took


def take_masters(store: Store, made: Market, day: date) -> pl.DataFrame:
    """Give every listing its id, one master an exchange; ``row`` of the market and ``contract``, by row."""
    everything = list(made.listings)
    for exchange in EXCHANGES:
        rows = [
            (one.venue, one.segment, one.token,
             contract_symbol(one.underlying, one.kind, one.expiry, one.strike_paise, one.right, is_index=one.is_index),
             one.underlying, one.kind, one.expiry, one.strike_paise, one.right, one.lot, one.tick_paise, one.symbol, one.is_index)
            for one in everything if one.exchange == exchange
        ]
        table = pl.DataFrame(rows, schema=listing_schema(), orient="row")
        now = datetime(day.year, day.month, day.day, 3, tzinfo=UTC)
        raw = RawFile("shoonya", f"{exchange}_symbols.txt", now, b"benchmark", now, f"{EXCHANGES.index(exchange):032d}")
        store.take_master(Master("shoonya", exchange, day, table.height, table), raw)
    known = store.instruments().select("venue", "segment", "token", "contract")
    keys = pl.DataFrame([(one.venue, one.segment, one.token) for one in everything], schema=["venue", "segment", "token"], orient="row")
    return keys.with_row_index("row").join(known, on=["venue", "segment", "token"], maintain_order="left").select("row", "contract")


def batches_of(made: Market, ids: pl.DataFrame, day: date) -> Iterator[Batch]:
    """A session in batches, as a writer would close them."""
    contract_of = ids["contract"].to_numpy()
    now = datetime(day.year, day.month, day.day, 13, tzinfo=UTC)
    tables: list[pl.DataFrame] = []
    for number in range(len(made.engine.unds)):
        rows = made.bars_on(number, day)[0]
        if len(rows):
            tables.append(table(made, rows, contract_of, day))
        if sum(each.height for each in tables) >= BATCH_ROWS or number == len(made.engine.unds) - 1:
            bars = pl.concat(tables)
            tables = []
            told = bars.group_by("contract", maintain_order=True).agg(
                pl.len(), pl.first("ts").dt.epoch("us").alias("first"), pl.last("ts").dt.epoch("us").alias("last"), pl.sum("volume"))
            attempts = [
                Attempt(contract, day, Verdict(Outcome.COMPLETE, (), (), n, first, last, volume, Proof.VERIFIED), "shoonya", "bench", now)
                for contract, n, first, last, volume in told.iter_rows()
            ]
            yield Batch(tuple(attempts), bars, pl.DataFrame(schema=quarantine_schema()))


def table(made: Market, rows: np.ndarray, contract_of: np.ndarray, day: date) -> pl.DataFrame:
    """One underlying's session in ``bar_schema``."""
    listed = [made.listings.at(int(row)) for row in rows]
    minutes = [made.engine.minutes(int(row), day) for row in rows]
    which = np.repeat(np.arange(len(rows)), [len(each) for each in minutes])
    facts = pl.DataFrame({
        "contract": contract_of[rows], "venue": [one.venue for one in listed], "underlying": [one.underlying for one in listed],
        "kind": [one.kind for one in listed], "expiry": [one.expiry for one in listed], "strike_paise": [one.strike_paise for one in listed],
        "right": [one.right for one in listed],
    }, schema_overrides={"expiry": pl.Date, "strike_paise": pl.Int64, "right": pl.String})
    columns = {name: np.concatenate([getattr(each, name) for each in minutes]) for name in FIELDS}
    columns["phase"] = PHASES[columns["phase"]]
    return pl.concat([facts[which], pl.DataFrame(columns)], how="horizontal").select(
        "contract", "venue", "underlying", "kind", "expiry", "strike_paise", "right", "volume", "phase", "vwap_paise",
        *(pl.col(name).alias(f"{name}_paise") for name in ("open", "high", "low", "close")),
        session=pl.lit(day), ts=pl.from_epoch("epoch_s", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        oi=pl.when(pl.col("kind") != "spot").then("oi"), provider=pl.lit("shoonya"),
    ).select(pl.col(name).cast(kind) for name, kind in bar_schema().items())


def by_contract(lake: Path) -> Iterator[pl.DataFrame]:
    """Every bar of a lake by contract and ts, about a million at a time, no contract cut in two; for peers whose key that is."""
    with Store.open(lake, write=False) as store:
        counts = store.coverage().group_by("contract").agg(pl.sum("bars")).sort("contract").filter(pl.col("bars") > 0)
        ids, part = counts["contract"].to_numpy(), (counts["bars"].cum_sum() // PIECE_ROWS).to_numpy()
        cuts = [0, *(np.flatnonzero(np.diff(part)) + 1).tolist(), len(ids)]
        sessions = store.sessions()
        for start, end in pairwise(cuts):
            yield store.bars(ids[start:end].tolist(), sessions).sort("contract", "ts").collect()


def by_session(lake: Path) -> Iterator[pl.DataFrame]:
    """Every bar of a lake as it is stored: session by session, each by underlying, kind, expiry, strike, right, contract, ts."""
    with Store.open(lake, write=False) as store:
        for day in store.sessions():
            yield store.bars(None, [day]).collect()


def contracts(lake: Path) -> pl.DataFrame:
    """What is traded: contract, symbol, underlying, kind, expiry, strike_paise, right, venue; by contract."""
    with Store.open(lake, write=False) as store:
        told = store.coverage().filter(pl.col("bars") > 0)["contract"].unique()
        return store.instruments().filter(pl.col("contract").is_in(told)).select(
            "contract", "symbol", "underlying", "kind", "expiry", "strike_paise", "right", "venue").sort("contract")
