"""
Which listing is which contract: the rules by which a new master is diffed with what is known. Pure: tables in and out.

A token names a contract only for a while. The rules are design section 4, Identity: the same listing, an *amendment* of
it (lot, tick, recorded rename, an expiry that moved with its whole group, strikes adjusted across it), or a *new*
listing; when attributes are close but no rule explains the change, the new listing is also *uncertain*.
"""

from __future__ import annotations

import polars as pl

KEY = ("venue", "segment", "token")
ATTRIBUTES = ("symbol", "underlying", "kind", "expiry", "strike_paise", "right", "lot", "tick_paise", "is_index")
"""What an amendment may change; provider symbols are kept beside."""

EXPIRY_MOVES_DAYS = 7
STRIKE_ROUNDING_PAISE = 5
CLOSE_STRIKE = 0.2
_GROUP = ("venue", "old_underlying", "old_expiry")


def classify(pairs: pl.DataFrame) -> pl.DataFrame:
    """
    Say of each pair (earlier row, later row) of one token what the later one is.

    Args:
        pairs: ``KEY``, the later row's ``ATTRIBUTES``, the earlier row's as ``old_…`` (underlying after recorded
            renames), ``seen`` (date of the later row's master), ``taken`` (the earlier row is another provider's word
            of the same day: one token of one day is one contract, whatever differs).

    Returns:
        The pairs with ``fate``: ``same``, ``amended``, ``new`` or ``uncertain``.
    """
    same_party = (pl.col("kind") == pl.col("old_kind")) & pl.col("right").eq_missing(pl.col("old_right")) & (
        (pl.col("underlying") == pl.col("old_underlying")) | index_spot()
    )
    same_expiry = pl.col("expiry").eq_missing(pl.col("old_expiry"))
    same_strike = pl.col("strike_paise").eq_missing(pl.col("old_strike_paise"))
    identical = same_party & same_expiry & same_strike
    passed = (pl.col("old_expiry") < pl.col("seen")).fill_null(value=False) & ~same_expiry
    marked = pairs.with_columns(
        party=same_party, changed=same_party & ~(same_expiry & same_strike), passed=passed, identical=identical,
        touched=~pl.all_horizontal(*(pl.col(name).eq_missing(pl.col(f"old_{name}")) for name in ATTRIBUTES)),
    )
    fate = (
        pl.when(pl.col("identical") & ~pl.col("touched")).then(pl.lit("same"))
        .when(pl.col("identical")).then(pl.lit("amended"))
        .when(pl.col("taken")).then(pl.lit("amended"))
        .when(~pl.col("party") | pl.col("passed")).then(pl.lit("new"))
        .when((same_expiry | pl.col("expiry_moved")) & (same_strike | pl.col("strikes_moved"))).then(pl.lit("amended"))
        .when(_close()).then(pl.lit("uncertain")).otherwise(pl.lit("new"))
    )
    return _with_group_moves(marked).with_columns(fate=fate).select(*pairs.columns, "fate")


def index_spot() -> pl.Expr:
    """
    Whether both sides are the spot of an index: its token is never given to anything else, so its name is only spelling.

    Shoonya calls NSE's 26000 ``Nifty 50``, Firstock ``NIFTY``.
    """
    spot = (pl.col("kind") == "spot") & (pl.col("old_kind") == "spot")
    return spot & pl.col("is_index") & pl.col("old_is_index")


def _with_group_moves(marked: pl.DataFrame) -> pl.DataFrame:
    """Add ``expiry_moved`` and ``strikes_moved``: whether the pair's whole underlying and expiry moved as one."""
    if not marked["changed"].any():
        return marked.with_columns(expiry_moved=pl.lit(value=False), strikes_moved=pl.lit(value=False))
    groups = marked.filter(pl.col("changed")).select(*_GROUP).unique()
    members = marked.filter(pl.col("party") & ~pl.col("passed")).join(groups, on=_GROUP, how="semi", nulls_equal=True)
    option = members.filter(pl.col("strike_paise").is_not_null() & pl.col("old_strike_paise").is_not_null())
    moves = members.group_by(*_GROUP).agg(
        expiry_moved=(pl.col("expiry").n_unique() == 1)
        & ((pl.col("expiry") - pl.col("old_expiry")).dt.total_days().abs().max() <= EXPIRY_MOVES_DAYS)
    )
    strikes = _strike_moves(option)
    return (
        marked.join(moves, on=_GROUP, how="left", nulls_equal=True).join(strikes, on=_GROUP, how="left", nulls_equal=True)
        .with_columns(pl.col("expiry_moved", "strikes_moved").fill_null(value=False))
    )


def _strike_moves(options: pl.DataFrame) -> pl.DataFrame:
    """Groups whose strikes all moved by one amount, or by one factor up to rounding; two strikes at least tell."""
    old, new = pl.col("old_strike_paise"), pl.col("strike_paise")
    factor = new.sum() / old.sum()
    return options.group_by(*_GROUP).agg(
        strikes_moved=(old.n_unique() > 1)
        & (((new - old).n_unique() == 1) | ((new - old * factor).abs().max() <= STRIKE_ROUNDING_PAISE)),
    )


def _close() -> pl.Expr:
    near_expiry = ((pl.col("expiry") - pl.col("old_expiry")).dt.total_days().abs() <= EXPIRY_MOVES_DAYS).fill_null(value=True)
    near_strike = ((pl.col("strike_paise") / pl.col("old_strike_paise") - 1).abs() <= CLOSE_STRIKE).fill_null(value=True)
    return near_expiry & near_strike
