"""
Who lists what: each provider's symbol of a contract, since when, and where it says something else than what is kept.

A contract has one set of attributes, whoever lists it. Rule: *the provider that listed a contract first has the say on
it*, and of two that began on the same day the one that comes first in ``RANK``. So what is stored changes only when its
own source changes; a second witness adds findings, never amendments, and two masters that are taken in turn cannot move
a value to and fro. The say passes on when its holder lists the contract no more, or was not asked for over a week while
another was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from fnolake.model import Master
from fnolake.store.ledger import Ledger, days, from_days

RANK = ("shoonya", "firstock")
"""Who goes before on the same day. Shoonya lists all that trades (about 84,000 against 60,000 contracts of NFO), and its
ticks were always in rupees, while Firstock's changed their unit in 2026; providers not named come after, by name."""

SYMBOL_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "provider": pl.String, "symbol": pl.String, "since": pl.Date, "gone": pl.Date,
}
DIFFERENCE_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "contract": pl.Int64, "provider": pl.String, "name": pl.String, "kept": pl.String, "theirs": pl.String, "since": pl.Date,
}
LAPSE = timedelta(days=7)
"""A provider whose last master is older than this, while another's were taken, has no say until it is asked again."""

STILL_LISTED = timedelta(days=31)
"""Masters may list a contract for some days after its expiry; symbols of what expired earlier are not looked at."""

_SYMBOLS = "select contract, provider, symbol, since, gone from provider_symbols"
_RECENT = _SYMBOLS + " where contract in (select contract from instruments where expiry is null or expiry >= ?)"  # noqa: S608
_CLAIM = """
insert into provider_symbols (contract, provider, symbol, since, gone) values (?, ?, ?, ?, null)
on conflict (contract, provider) do update set symbol = excluded.symbol, gone = null,
    since = case when gone is null then min(since, excluded.since) else excluded.since end
"""
_CLAIM_LATE = """
insert into provider_symbols (contract, provider, symbol, since, gone) values (?, ?, ?, ?, ?)
on conflict (contract, provider) do update set since = min(since, excluded.since)
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """
    What is known of the providers when a master of one of them is taken.

    Attributes:
        provider: Whose master it is.
        day: Its day.
        earlier: Day of the provider's last master of that exchange before it, None for the first.
        latest: Day of the provider's newest master of that exchange, this one left out.
        symbols: ``SYMBOL_SCHEMA`` of contracts that may still be listed.
        lapsed: Providers that have no say now.
        current: Providers whose master of that day, or a newer one, is here.
        differences: ``DIFFERENCE_SCHEMA``, all.
    """

    provider: str
    day: date
    earlier: date | None
    latest: date | None
    symbols: pl.DataFrame
    lapsed: frozenset[str]
    current: frozenset[str]
    differences: pl.DataFrame

    @property
    def is_late(self) -> bool:
        """Whether a newer master of that provider was taken before this one."""
        return self.latest is not None and self.latest > self.day

    @property
    def is_repeated(self) -> bool:
        """Whether a master of that provider and day was taken before this one."""
        return self.latest == self.day

    def listed_then(self, gone: pl.Expr) -> pl.Expr:
        """Whether a provider still listed a contract on that day, given when it stopped."""
        return gone.is_null() | (gone > self.day)

    def others(self) -> pl.DataFrame:
        """Of each contract that another provider listed on that day, the one that would have the say: contract, leader, leader_since, leader_rank."""
        live = self.symbols.filter(
            (pl.col("provider") != self.provider) & self.listed_then(pl.col("gone")) & ~pl.col("provider").is_in(sorted(self.lapsed)),
        )
        ranked = live.with_columns(rank=_ranks(live))
        first = ranked.sort("contract", "since", "rank").unique("contract", keep="first", maintain_order=True)
        return first.select("contract", leader="provider", leader_since="since", leader_rank="rank", leader_symbol="symbol")

    def mine(self) -> pl.DataFrame:
        """What this provider said of contracts until now: contract, my_symbol, my_since, my_gone."""
        return self.symbols.filter(pl.col("provider") == self.provider).select(
            "contract", my_symbol="symbol", my_since="since", my_gone="gone",
        )


def rank(provider: str) -> str:
    """Place of a provider among those that began on the same day, as text; lower goes first, no two are equal."""
    return f"{RANK.index(provider) if provider in RANK else len(RANK)} {provider}"


def _ranks(symbols: pl.DataFrame) -> pl.Expr:
    known = {name: rank(name) for name in symbols["provider"].unique().to_list()}
    return pl.col("provider").replace_strict(known, return_dtype=pl.String)


def standing(ledger: Ledger, master: Master) -> Standing:
    """Read what the diff of a master has to know of the providers."""
    taken = [
        (str(row[0]), from_days(int(str(row[1])))) for row in
        ledger.rows("select provider, day from masters where exchange = ? and listings > 0", (master.exchange,))
    ]
    own = [day for provider, day in taken if provider == master.provider]
    earlier = max((day for day in own if day < master.day), default=None)
    newest: dict[str, date] = {}
    for provider, day in taken:
        newest[provider] = max(day, newest.get(provider, day))
    lapsed = frozenset(name for name, day in newest.items() if name != master.provider and earlier is not None and earlier - day > LAPSE)
    current = frozenset(name for name, day in newest.items() if day >= master.day)
    recent = ledger.frame(_RECENT, SYMBOL_SCHEMA, (days(master.day - STILL_LISTED),))
    return Standing(master.provider, master.day, earlier, max(own, default=None), recent, lapsed, current, differences(ledger))


def symbols(ledger: Ledger, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
    """Every provider's symbol of contracts (None = all), ``SYMBOL_SCHEMA``, by contract, who has the say first."""
    rows = ledger.frame(_SYMBOLS, SYMBOL_SCHEMA)
    if contracts is not None:
        wanted = pl.DataFrame({"contract": pl.Series(contracts, dtype=pl.Int64)})
        rows = rows.join(wanted, on="contract", how="semi")
    return rows.sort("contract", pl.col("gone").is_not_null(), "since", _ranks(rows))


def listed_by(ledger: Ledger, contracts: Sequence[int] | pl.Series | None = None) -> pl.DataFrame:
    """
    Who can be asked for contracts: those that list it now; of one that nobody lists any more, those that did.

    Returns:
        contract int64, provider text; by contract, who has the say first.
    """
    rows = symbols(ledger, contracts)
    listed = pl.col("gone").is_null()
    return rows.filter(listed | ~listed.any().over("contract")).select("contract", "provider")


def differences(ledger: Ledger) -> pl.DataFrame:
    """Where a provider's last master says something else than what is kept: ``DIFFERENCE_SCHEMA``, by contract, provider and name."""
    return ledger.frame("select * from listing_differences order by contract, provider, name", DIFFERENCE_SCHEMA)


def write_symbols(connection: sqlite3.Connection, now: Standing, listed: pl.DataFrame, gone: Sequence[int]) -> None:
    """
    Record what a provider's master lists.

    Args:
        connection: Inside the caller's transaction.
        now: As it was before.
        listed: contract, symbol: what the master lists.
        gone: Contracts that it listed before and lists no more.
    """
    held = listed.unique("contract", keep="first").join(now.mine(), on="contract", how="left")
    earlier = pl.col("my_since").is_null() | (pl.col("my_since") > now.day)
    day, since = days(now.day), now.latest
    if now.is_late and since is not None:
        rows = held.filter(earlier).select("contract", "symbol").rows()
        connection.executemany(_CLAIM_LATE, [(number, now.provider, symbol, day, days(since)) for number, symbol in rows])
    else:
        moved = earlier | pl.col("my_gone").is_not_null() | (pl.col("symbol") != pl.col("my_symbol"))
        rows = held.filter(moved).select("contract", "symbol").rows()
        connection.executemany(_CLAIM, [(number, now.provider, symbol, day) for number, symbol in rows])
    connection.executemany(
        "update provider_symbols set gone = ? where contract = ? and provider = ?", [(day, number, now.provider) for number in gone],
    )


def write_differences(connection: sqlite3.Connection, before: pl.DataFrame, after: pl.DataFrame) -> None:
    """Replace the differences of ``before`` by those of ``after`` (both ``DIFFERENCE_SCHEMA``); one that stays keeps its first day."""
    key = ["contract", "provider", "name"]
    ended = before.join(after, on=key, how="anti")
    connection.executemany(
        "delete from listing_differences where contract = ? and provider = ? and name = ?", ended.select(*key).rows(),
    )
    changed = after.join(before, on=[*key, "kept", "theirs"], how="anti").with_columns(pl.col("since").cast(pl.Int32))
    connection.executemany(
        "insert into listing_differences (contract, provider, name, kept, theirs, since) values (?, ?, ?, ?, ?, ?) "
        "on conflict (contract, provider, name) do update set kept = excluded.kept, theirs = excluded.theirs",
        changed.select(*DIFFERENCE_SCHEMA).rows(),
    )


def beside(ledger: Ledger, rows: pl.DataFrame) -> pl.DataFrame:
    """
    Instruments for a person: a column ``PROVIDER_symbol`` for each provider that lists any of them, in the place of ``provider_symbol``.

    A symbol is null where that provider does not list the contract; ``differs`` (only where any does) says what it lists otherwise,
    prices in rupees.
    """
    here = symbols(ledger, rows["contract"])
    names = sorted(here["provider"].unique().to_list(), key=rank)
    if not names:
        return rows
    listed = here.filter(pl.col("gone").is_null() | ~pl.col("gone").is_null().any().over("contract"))
    wide = listed.pivot("provider", index="contract", values="symbol") if listed.height else here.select("contract").clear()
    wide = wide.rename({name: f"{name}_symbol" for name in names if name in wide.columns})
    place = rows.columns.index("provider_symbol")
    order = [*rows.columns[:place], *(f"{name}_symbol" for name in names if f"{name}_symbol" in wide.columns), *rows.columns[place + 1:]]
    shown = rows.join(wide, on="contract", how="left", maintain_order="left").select(order)
    unlike = differences(ledger).join(rows.select("contract"), on="contract", how="semi")
    if unlike.is_empty():
        return shown
    price = pl.col("name").is_in(["tick_differs", "strike_differs"])
    value = pl.when(price).then((pl.col("theirs").cast(pl.Int64, strict=False) / 100).cast(pl.String)).otherwise("theirs")
    text = pl.format("{} {} at {}", "name", value.fill_null("none").str.strip_suffix(".0"), "provider").str.join("; ")
    return shown.join(unlike.group_by("contract", maintain_order=True).agg(differs=text), on="contract", how="left", maintain_order="left")
