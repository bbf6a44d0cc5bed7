"""A lake filled straight from the emulator's market model: what a sync would have captured, without asking anybody."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime

import numpy as np
import polars as pl

from fnolake.emulator.world import Listing, Minutes, World
from fnolake.model import (
    Attempt,
    Batch,
    Master,
    Outcome,
    RawFile,
    Verdict,
    bar_schema,
    listing_schema,
    quarantine_schema,
)
from fnolake.store.store import Store

PHASES = np.array(["preopen", "continuous", "auction"])


def fill(store: Store, world: World, sessions: Iterable[date], chosen: Callable[[Listing], bool] = bool) -> None:
    """Masters and bars of every chosen contract that is listed on each session; one that did not trade is stated empty."""
    for session in sessions:
        listed = [one for one in world.listed_on(session) if chosen(one)]
        ids = take(store, session, listed)
        commit(store, session, {ids[one.venue, one.segment, one.token]: (one, world.minutes(one, session)) for one in listed})


def take(store: Store, session: date, listed: list[Listing]) -> dict[tuple[str, str, int], int]:
    """Masters of a morning; ids by venue, segment and token."""
    at = datetime(session.year, session.month, session.day, 3, 0, tzinfo=UTC)
    for exchange in sorted({one.exchange for one in listed}):
        rows = [_row(one) for one in listed if one.exchange == exchange]
        table = pl.DataFrame(rows, schema=listing_schema())
        store.take_master(Master("shoonya", exchange, session, len(rows), table, payload_hash=f"{exchange}{session}"), RawFile("shoonya", exchange, at, b"x", at, "0"))
    known = store.instruments(session).select("venue", "segment", "token", "contract").iter_rows()
    return {(venue, segment, token): contract for venue, segment, token, contract in known}


def _row(one: Listing) -> dict[str, object]:
    same = {name: getattr(one, name) for name in listing_schema() if hasattr(one, name)}
    return {"provider_symbol": one.symbol, **same}


def commit(store: Store, session: date, minutes: Mapping[int, tuple[Listing, Minutes]]) -> None:
    """One batch of a session's contracts."""
    now = datetime(session.year, session.month, session.day, 13, 0, tzinfo=UTC)
    bars = {contract: table(contract, one, session, found) for contract, (one, found) in minutes.items()}
    attempts = tuple(
        Attempt(contract, session, Verdict(Outcome.COMPLETE if rows.height else Outcome.EMPTY_STATED, bars=rows.height), "shoonya", "model", now)
        for contract, rows in bars.items()
    )
    store.commit(Batch(attempts, pl.concat(bars.values()), pl.DataFrame(schema=quarantine_schema())))


def table(contract: int, listing: Listing, session: date, minutes: Minutes) -> pl.DataFrame:
    """One contract's minutes as the store keeps them."""
    numbers = {name: getattr(minutes, name) for name in ("open", "high", "low", "close", "volume", "oi", "vwap_paise")}
    return pl.DataFrame({"epoch_s": minutes.epoch_s, **numbers, "phase": PHASES[minutes.phase]}).select(
        session=pl.lit(session), ts=pl.from_epoch("epoch_s", "s").cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
        contract=pl.lit(contract, pl.Int64), venue=pl.lit(listing.venue), underlying=pl.lit(listing.underlying), kind=pl.lit(listing.kind),
        expiry=pl.lit(listing.expiry, pl.Date), strike_paise=pl.lit(listing.strike_paise, pl.Int64), right=pl.lit(listing.right, pl.String),
        open_paise="open", high_paise="high", low_paise="low", close_paise="close", volume="volume",
        oi=pl.col("oi") if listing.kind != "spot" else pl.lit(None), vwap_paise="vwap_paise", phase="phase", provider=pl.lit("shoonya"),
    ).cast(bar_schema())
