"""Which reason is true of a contract-session that is not verified: one rule a reason, held against the truth. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

Row = dict[str, Any]
NO_ANSWER = frozenset({"rate_rejection", "sign_in_loss", "empty_body", "html_502", "timeout_504", "hang", "cut_body", "false_no_data"})
"""Faults after which a contract has no bars, for as long as nobody asks again."""
SPOILED = frozenset({"malformed_row", "missing_minute", "duplicate", "wrong_zone", "late_last_bar", "recycled_token", "mock_saturday"})
"""Faults after which its bars are not what happened, or were refused."""


def _less(row: Row) -> bool:
    return (row["have_volume"] or 0) < row["volume"] or (row["have_bars"] or 0) < row["bars"]


def _nothing(row: Row) -> bool:
    """No bar is stored, and a fault was met on the way or the account was out."""
    return not row["have_bars"] and bool(row["faults"])


REASONS: dict[str, Callable[[Row], bool]] = {
    "no_exchange_file": lambda row: (bool(row["is_index"]) and row["kind"] == "spot") or not row["has_file"],
    "phases_not_served": _less,
    "not_complete": _less,
    "volume_below_exchange": lambda row: (row["have_volume"] or 0) < row["volume"],
    "volume_above_exchange": lambda row: (row["have_volume"] or 0) > row["volume"],
    "volume_after_last_bar": _less,
    "last_price_differs": lambda row: row["have_last"] != row["last_paise"],
    "outside_exchange_range": lambda row: (row["have_high"] or 0) > row["high_paise"] or (row["have_low"] or row["low_paise"]) < row["low_paise"],
    "mask_not_met": _less,
    "cut": _less,
    "volume_mismatch": _less,
    "rows_refused": lambda row: _less(row) and bool(set(row["faults"]) & SPOILED),
    "doubtful_empty": lambda row: _nothing(row) and bool(set(row["faults"]) & {"false_no_data", "mock_saturday", "malformed_row"}),
    "not_this_contract": lambda row: not row["have_bars"] and "recycled_token" in row["faults"],
    "wall_mismatch": lambda row: not row["have_bars"] and "wrong_zone" in row["faults"],
    "duplicate_conflict": lambda row: "duplicate" in row["faults"],
    **dict.fromkeys(("ProviderFault", "SpanTimeout", "RateLimited", "SignInLost", "SignedInElsewhere", "PayloadError"), _nothing),
}
"""When each reason is true. A reason that is not here is never true: add its rule with the reason."""


def judged(rows: pl.DataFrame, faults: Sequence[dict[str, str]]) -> pl.DataFrame:
    """
    The rows with ``status``, ``why``, ``exact`` (what is stored is what happened), ``same`` (it is the contract the truth
    names), ``faults`` (struck the contract while the session was asked for) and ``reason_true``.
    """
    met = _met(faults)
    exact = (
        pl.col("have_bars").eq_missing(pl.col("bars")) & pl.col("have_volume").eq_missing(pl.col("volume"))
        & pl.col("have_last").eq_missing(pl.col("last_paise")) & pl.col("have_high").eq_missing(pl.col("high_paise"))
        & pl.col("have_low").eq_missing(pl.col("low_paise"))
    )
    marked = rows.with_columns(
        exact=exact & (pl.col("known_as") == pl.col("true_name")), status=pl.col("outcome").fill_null("missing"), proof=pl.col("proof").fill_null(""),
        why=pl.concat_str(pl.col("reasons").fill_null(""), pl.col("proof_reasons").fill_null(""), separator=" "),
    )
    told = [dict(row) | {"faults": met[f"{row['exchange']}|{row['token']}", row["session"]]} for row in marked.iter_rows(named=True)]
    return marked.with_columns(
        why=pl.Series([" ".join(words_of(row)) for row in told], dtype=pl.String),
        faults=pl.Series([sorted(row["faults"]) for row in told], dtype=pl.List(pl.String)),
        reason_true=pl.Series([reason_true(row) for row in told], dtype=pl.Boolean),
    )


def words_of(row: Row) -> list[str]:
    """The reasons of outcome and proof as words, each once."""
    text = f"{row['why']}".replace("[", " ").replace("]", " ").replace('"', " ").replace(",", " ")
    return list(dict.fromkeys(text.split()))


def reason_true(row: Row) -> bool:
    """Whether it has a reason and every one it gives is true."""
    words = words_of(row)
    return bool(words) and all(word in REASONS and REASONS[word](row) for word in words)


def _met(faults: Sequence[dict[str, str]]) -> dict[tuple[str, date], set[str]]:
    met: dict[tuple[str, date], set[str]] = defaultdict(set)
    for one in faults:
        if one["contract"] and one["first"]:
            first, last = date.fromisoformat(one["first"]), date.fromisoformat(one["last"])
            for n in range((last - first).days + 1):
                met[one["contract"], first + timedelta(days=n)].add(one["fault"])
    return met
