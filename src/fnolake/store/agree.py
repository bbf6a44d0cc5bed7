"""
Two masters, one contract: what a provider's listings say of contracts that another provider has the say on. Pure.

The exchange gives one token to one contract at a time, and both brokers pass that token on; so a token that another
provider lists today *is* that contract, and whatever else is said of it is a finding with a name, not another contract.
Which provider has the say is ``listings.Standing``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from fnolake.model import Finding, contract_symbol
from fnolake.store.identity import KEY, index_spot
from fnolake.store.listings import DIFFERENCE_SCHEMA, rank

if TYPE_CHECKING:
    from fnolake.store.listings import Standing

FIELDS = {
    "lot_differs": "lot", "tick_differs": "tick_paise", "expiry_differs": "expiry", "strike_differs": "strike_paise",
    "right_differs": "right", "kind_differs": "kind", "underlying_differs": "underlying",
}
"""Finding → the attribute on which two masters may disagree."""

OTHER_THING = ("right_differs", "kind_differs", "underlying_differs")
"""Where these differ the provider's symbol is of something else, and it is not asked for the contract."""

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Settled:
    """
    A master's listings, sorted by who has the say.

    Attributes:
        own: Listings that the diff decides: nobody else lists their contract, or this provider has the say.
        followed: Listings of contracts that another has the say on, with what is kept as ``old_…``.
        late: The same for contracts that are known only from later masters.
        taken_over: Contracts on which this provider takes the say on the very day they were first listed.
    """

    own: pl.DataFrame
    followed: pl.DataFrame
    late: pl.DataFrame
    taken_over: pl.DataFrame


def settle(listings: pl.DataFrame, before: pl.DataFrame, after: pl.DataFrame, now: Standing) -> Settled:
    """
    Sort listings by who has the say on their contract.

    Args:
        listings: The master's, unique by ``KEY``, with ``seen``.
        before: Latest known row of each token up to the master's day, as ``old_…`` (underlyings under their present names).
        after: First known row of each token after it, likewise.
        now: The providers.
    """
    others = now.others()
    if others.is_empty():
        return Settled(listings, listings.clear(), listings.clear(), others.select("contract"))
    who = others.join(now.mine().filter(now.listed_then(pl.col("my_gone"))), on="contract", how="left").with_columns(
        mine=pl.col("my_since").is_not_null(), since=pl.min_horizontal(pl.col("my_since").fill_null(now.day), pl.lit(now.day)),
    )
    tied = who.with_columns(follows=_before(pl.col("since"), now), led=_before(pl.col("my_since"), now).fill_null(value=True))
    pairs = listings.join(before, on=KEY).join(tied, left_on="old_contract", right_on="contract")
    passed = _passed(pl.col("seen"))
    followed = pairs.filter(pl.col("follows") & ~passed)
    over = pairs.filter(~pl.col("follows") & ~pl.col("mine") & ~passed & (pl.col("leader_since") == now.day)).select(contract="old_contract")
    rest = listings.join(followed, on=KEY, how="anti")
    if after.is_empty():
        return Settled(rest, followed, listings.clear(), over)
    explained = pairs.filter(~passed)
    later = rest.join(explained, on=KEY, how="anti").join(after, on=KEY).join(tied, left_on="old_contract", right_on="contract")
    late = later.filter(pl.col("led") & _same_party() & ~_replaced())
    return Settled(rest.join(late, on=KEY, how="anti"), followed, late, over)


def _before(since: pl.Expr, now: Standing) -> pl.Expr:
    """Whether the other provider goes before this one, that lists the contract since then."""
    tie = (pl.col("leader_since") == since) & (pl.col("leader_rank") < rank(now.provider))
    return (pl.col("leader_since") < since) | tie


def _passed(on: pl.Expr) -> pl.Expr:
    """Whether the known contract had expired, so that its token may name another."""
    return (pl.col("old_expiry") < on).fill_null(value=False) & ~pl.col("expiry").eq_missing(pl.col("old_expiry"))


def _replaced() -> pl.Expr:
    """Whether the later contract took the token of this one after its expiry."""
    return (pl.col("expiry") < pl.col("old_first_seen")).fill_null(value=False) & ~pl.col("expiry").eq_missing(pl.col("old_expiry"))


def _same_party() -> pl.Expr:
    same = pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(f"old_{name}")) for name in ("kind", "right", "underlying")))
    return same | index_spot()


def disagreements(pairs: pl.DataFrame, now: Standing, renames: dict[str, str]) -> pl.DataFrame:
    """Where followed listings say something else than what is kept: ``DIFFERENCE_SCHEMA`` with ``symbol``, by contract and name."""
    if renames:
        pairs = pairs.with_columns(pl.col("underlying", "old_underlying").replace(renames))
    return _unlike(pairs, "old_", "", now.provider, now)


def _unlike(pairs: pl.DataFrame, kept: str, theirs: str, provider: str, now: Standing) -> pl.DataFrame:
    """The fields that differ between the columns named ``kept``… and ``theirs``…, a row each; lot and tick of an index mean nothing."""
    named = pairs.filter(~index_spot())
    parts = [
        named.filter(~pl.col(kept + field).eq_missing(pl.col(theirs + field))).select(
            contract="old_contract", provider=pl.lit(provider), name=pl.lit(name), kept=_text(kept + field), theirs=_text(theirs + field),
            since=pl.lit(now.day), symbol="old_symbol",
        )
        for name, field in FIELDS.items()
    ]
    return pl.concat(parts).sort("contract", "name")


def _text(field: str) -> pl.Expr:
    return pl.col(field).cast(pl.String).fill_null("")


def handed_over(changed: pl.DataFrame, now: Standing) -> tuple[pl.DataFrame, pl.DataFrame]:
    """
    Differences of the others after this provider's values were taken for contracts.

    Args:
        changed: Pairs (new values, ``old_…``) of contracts whose values changed; ``taken`` where another had the say before.
        now: The providers, with the differences as they were.

    Returns:
        Those that were known and still differ (``DIFFERENCE_SCHEMA``), and those found now, with ``symbol``.
    """
    values = pl.concat([
        changed.select(contract="old_contract", name=pl.lit(name), kept=_text(field)) for name, field in FIELDS.items()
    ])
    others = now.differences.filter(pl.col("provider") != now.provider)
    moved = others.drop("kept").join(values, on=["contract", "name"]).filter(pl.col("kept") != pl.col("theirs")).select(*DIFFERENCE_SCHEMA)
    taken = changed.filter("taken")
    live = now.symbols.filter((pl.col("provider") != now.provider) & pl.col("gone").is_null())
    parts = [
        _unlike(taken.join(live.filter(pl.col("provider") == provider), left_on="old_contract", right_on="contract", how="semi"),
                "", "old_", provider, now)
        for provider in live["provider"].unique().sort().to_list()
    ]
    found = pl.concat([pl.DataFrame(schema={**DIFFERENCE_SCHEMA, "symbol": pl.String}), *parts])
    return moved, found.join(others, on=["contract", "provider", "name"], how="anti")


def findings(differing: pl.DataFrame) -> list[Finding]:
    """One finding a name, with how many contracts it concerns and some of them."""
    found = []
    for (name,), rows in differing.group_by("name"):
        said = [
            f"{symbol} {theirs or 'none'} at {provider}, {kept or 'none'} kept" for symbol, theirs, provider, kept in
            rows.sort("contract", "provider").select("symbol", "theirs", "provider", "kept").head(EXAMPLES).iter_rows()
        ]
        found.append(Finding(str(name), rows.height, "; ".join(said)))
    return sorted(found, key=lambda finding: finding.name)


def inherited(kept: pl.DataFrame, now: Standing) -> pl.DataFrame:
    """
    What is to be kept of contracts whose listing passes to another provider.

    Args:
        kept: Rows in force, with ``leader…`` (who lists them too) and ``my_since``.
        now: The providers, with the differences as they were.

    Returns:
        Pairs (the other provider's word, ``old_…``) of those contracts that this provider had the say on.
    """
    rows = kept.filter(~_before(pl.col("my_since"), now))
    names = [name for name in rows.columns if name not in KEY]
    pairs = rows.select(*KEY, *names, *(pl.col(name).alias(f"old_{name}") for name in names)).with_columns(provider_symbol="leader_symbol")
    for name in ("lot_differs", "tick_differs", "expiry_differs", "strike_differs"):
        field = FIELDS[name]
        value = pl.col("theirs").str.to_date() if field == "expiry" else pl.col("theirs").cast(pl.Int64, strict=False)
        theirs = now.differences.filter((pl.col("name") == name) & (pl.col("theirs") != "")).select("contract", leader="provider", value=value)
        pairs = pairs.join(theirs, on=["contract", "leader"], how="left").with_columns(pl.coalesce("value", field).alias(field)).drop("value")
    return _renamed(pairs)


def _renamed(pairs: pl.DataFrame) -> pl.DataFrame:
    """Pairs with the symbol of their expiry and strike, where these changed."""
    moved = ~(pl.col("expiry").eq_missing(pl.col("old_expiry")) & pl.col("strike_paise").eq_missing(pl.col("old_strike_paise")))
    names = {
        row["contract"]: contract_symbol(
            row["underlying"], row["kind"], row["expiry"], row["strike_paise"], row["right"], is_index=row["is_index"],
        )
        for row in pairs.filter(moved).iter_rows(named=True)
    }
    return pairs.with_columns(symbol=pl.coalesce(pl.col("contract").replace_strict(names, default=None, return_dtype=pl.String), "symbol"))
