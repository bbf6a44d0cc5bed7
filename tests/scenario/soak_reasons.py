"""Which reason is true of a contract-session that is not verified: one rule a reason, held against the truth. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from datetime import date, timedelta
from typing import Any

import polars as pl

Row = dict[str, Any]
_SHORT = frozenset({
    "cut", "mask_not_met", "volume_mismatch", "volume_below_exchange", "volume_after_last_bar", "last_price_differs",
    "volume_near", "phases_not_served", "not_complete", "doubtful_empty",
})
"""What follows when rows are missing; of a contract with one bar, that it has none."""

MAY_LEAD_TO: dict[str, frozenset[str]] = {
    "rate_rejection": frozenset({"RateLimited"}),
    "sign_in_loss": frozenset({"SignInLost"}),
    "empty_body": frozenset({"ProviderFault", "PayloadError"}),
    "html_502": frozenset({"ProviderFault"}),
    "timeout_504": frozenset({"SpanTimeout"}),
    "hang": frozenset({"Unreachable", "ProviderFault"}),
    "cut_body": frozenset({"Unreachable", "ProviderFault", "PayloadError"}),
    "false_no_data": frozenset({"doubtful_empty"}),
    "malformed_row": _SHORT - {"doubtful_empty"} | {"not_a_price", "rows_refused"},
    "missing_minute": _SHORT,
    "late_last_bar": _SHORT,
    "duplicate": frozenset(),
    "wrong_zone": _SHORT - {"doubtful_empty"} | {"wall_mismatch", "rows_refused"},
    "recycled_token": _SHORT | {"not_this_contract", "volume_above_exchange", "outside_exchange_range"},
    "mock_saturday": frozenset(),
}
"""Reasons that each random fault can be the cause of; faults without any are mended in the answer itself."""

WITHOUT_A_FAULT = frozenset({"no_exchange_file", "before_ex_date", "index_not_in_files", "never_asked", "SignedInElsewhere"})
"""Reasons that need no fault of the contract's own: nobody's file, and a sync that another program's sign-in stopped."""


def _less(row: Row) -> bool:
    return (row["have_volume"] or 0) < row["volume"] or (row["have_bars"] or 0) < row["bars"]


def _nothing(row: Row) -> bool:
    return not row["have_bars"]


def _foreign(row: Row) -> bool:
    return _nothing(row) and "recycled_token" in row["faults"]


REASONS: dict[str, Callable[[Row], bool]] = {
    "index_not_in_files": lambda row: bool(row["is_index"]) and row["kind"] == "spot",
    "no_exchange_file": lambda row: not row["has_file"],
    "before_ex_date": lambda row: not row["has_file"] and row["kind"] == "spot",
    "volume_below_exchange": lambda row: (row["have_volume"] or 0) < row["volume"],
    "volume_above_exchange": lambda row: (row["have_volume"] or 0) > row["volume"],
    "last_price_differs": lambda row: row["have_last"] != row["last_paise"],
    "outside_exchange_range": lambda row: (
        (row["have_high"] or 0) > row["high_paise"] or (row["have_low"] or row["low_paise"]) < row["low_paise"]
    ),
    "never_asked": lambda row: _nothing(row) and row["stopped"],
    "SignedInElsewhere": lambda row: _nothing(row) and row["stopped"],
    "not_this_contract": _foreign,
    **dict.fromkeys(
        ("cut", "mask_not_met", "volume_mismatch", "volume_after_last_bar", "phases_not_served", "not_complete", "rows_refused",
         "volume_near"), _less
    ),
    **dict.fromkeys(
        ("doubtful_empty", "not_a_price", "wall_mismatch", "ProviderFault", "Unreachable", "SpanTimeout", "RateLimited", "SignInLost",
         "PayloadError"), _nothing,
    ),
}
"""When each reason is true of what is stored. A reason that is not here is never true: add its rule with the reason."""


def judged(rows: pl.DataFrame, faults: Sequence[dict[str, str]], stopped: Collection[date]) -> pl.DataFrame:
    """
    Hold claims against the truth.

    Args:
        rows: Truth, claim and what is stored, one row a contract-session.
        faults: The emulator's log of random ones.
        stopped: Sessions of which a sync ended early.

    Returns:
        The rows with ``status``, ``why``, ``exact`` (what is stored is what happened, of the contract that the truth names),
        ``faults`` (that struck the contract while the session was asked for) and ``reason_true``.
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
    told = [
        {**row, "faults": met[f"{row['exchange']}|{row['token']}", row["session"]], "stopped": row["session"] in stopped}
        for row in marked.iter_rows(named=True)
    ]
    return marked.with_columns(
        why=pl.Series([" ".join(words_of(row)) for row in told], dtype=pl.String),
        faults=pl.Series([sorted(row["faults"]) for row in told], dtype=pl.List(pl.String)),
        reason_true=pl.Series([reason_true(row) for row in told], dtype=pl.Boolean),
    )


def words_of(row: Row) -> list[str]:
    """The reasons of outcome and proof as words, each once."""
    if row["status"] == "missing":
        return ["never_asked"]
    text = f"{row['why']}".replace("[", " ").replace("]", " ").replace('"', " ").replace(",", " ")
    return list(dict.fromkeys(text.split()))


def reason_true(row: Row) -> bool:
    """Whether it has a reason, every one it gives is true, and a fault that was met can be its cause."""
    words = words_of(row)
    causes = WITHOUT_A_FAULT.union(*(MAY_LEAD_TO[fault] for fault in row["faults"]))
    return bool(words) and all(word in causes and word in REASONS and REASONS[word](row) for word in words)


def _met(faults: Sequence[dict[str, str]]) -> dict[tuple[str, date], set[str]]:
    met: dict[tuple[str, date], set[str]] = defaultdict(set)
    for one in faults:
        if one["contract"] and one["first"]:
            first, last = date.fromisoformat(one["first"]), date.fromisoformat(one["last"])
            for n in range((last - first).days + 1):
                met[one["contract"], first + timedelta(days=n)].add(one["fault"])
    return met
