"""What a contract-session is worth to a certificate, and that the counts always add up."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.model import Counts, Outcome, Proof
from fnolake.query.certificate import (
    KNOWN,
    ROWS,
    certified_rows,
    counts_of,
    exceptions_of,
    missing_files,
    reasons_of,
    sources_of,
    underlyings_of,
    unnamed_rows,
)

FRIDAY = date(2026, 11, 20)
STATUSES: dict[str, Any] = {
    "contract": pl.Int64, "session": pl.Date, "venue": pl.String, "segment": pl.String, "underlying": pl.String, "kind": pl.String,
    "symbol": pl.String, "expiry": pl.Date, "volume": pl.Int64, "status": pl.String, "proof": pl.String, "bars": pl.Int64, "reasons": pl.String,
}
NSE_FO = frozenset({("NSE", "FO")})


def status(contract: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "contract": contract, "session": FRIDAY, "venue": "NSE", "segment": "FO", "underlying": "TCS", "kind": "option",
        "symbol": f"TCS24NOV26C{contract}", "expiry": date(2026, 11, 24), "volume": 500, "status": "complete", "proof": "verified",
        "bars": 7, "reasons": "", **more,
    }


def rows_of(*listed: dict[str, Any], known: list[tuple[int, str, str, str]] | None = None, indices: tuple[int, ...] = (), files: Any = NSE_FO) -> pl.DataFrame:
    said = pl.DataFrame(known or [], schema=KNOWN, orient="row")
    return certified_rows(pl.DataFrame(list(listed), schema=STATUSES), said, indices, files)


@pytest.mark.parametrize(("more", "trade", "standing", "reason"), [
    ({}, "traded", "verified", ""),
    ({"volume": 0, "status": "untraded", "proof": "", "bars": 0}, "untraded", "untraded", ""),
    ({"proof": "mismatch"}, "traded", "mismatch", "said_a, said_b"),
    ({"proof": "unverified"}, "traded", "unverified", "said_a, said_b"),
    ({"status": "missing", "proof": "", "bars": 0}, "traded", "gap", "never_asked"),
    ({"status": "partial", "proof": "mismatch", "reasons": "cut,mask_not_met"}, "traded", "gap", "partial: cut, mask_not_met (said_a, said_b)"),
    ({"status": "failed", "proof": "unverified", "bars": 0, "reasons": "doubtful_empty"}, "traded", "gap", "failed: doubtful_empty"),
    ({"status": "empty_stated", "proof": "unverified", "bars": 0}, "traded", "gap", "no_bars_though_traded"),
    ({"volume": 0, "proof": "mismatch"}, "traded", "mismatch", "bars_though_untraded"),
    ({"volume": None, "proof": "unverified"}, "unknown", "unverified", "not_in_exchange_file"),
    ({"volume": None, "proof": "unverified", "venue": "BSE"}, "unknown", "unverified", "no_exchange_file"),
    ({"volume": None, "status": "missing", "proof": "", "bars": 0}, "unknown", "gap", "never_asked"),
])
def test_each_contract_has_one_trade_one_standing_and_its_reason(more: dict[str, Any], trade: str, standing: str, reason: str) -> None:
    row = rows_of(status(**more), known=[(1, "said_a,said_b", "[]", "shoonya")]).row(0, named=True)
    assert (row["trade"], row["standing"], row["reason"]) == (trade, standing, reason)


def test_an_index_is_in_no_exchange_file_and_needs_none() -> None:
    listed = status(kind="spot", segment="CM", symbol="NIFTY", volume=None, proof="unverified")
    assert rows_of(listed, indices=(1,))["reason"].to_list() == ["index_in_no_exchange_file"]
    frame = pl.DataFrame([listed, status(2, venue="BSE")], schema=STATUSES)
    assert missing_files(frame, (1,), NSE_FO) == (("BSE", "FO"),)


def test_the_detail_is_what_the_findings_say() -> None:
    findings = json.dumps([["missing_minutes", 3, "", False], ["volume_below_exchange", 1, "minutes 5, exchange 9", False]])
    rows = rows_of(status(proof="mismatch"), status(2), known=[(1, "x", findings, "shoonya"), (2, "", findings, "shoonya")])
    assert rows["detail"].to_list() == ["missing_minutes 3; volume_below_exchange (minutes 5, exchange 9)", ""]


def test_what_no_master_names_is_a_gap_if_it_traded() -> None:
    listed = {"session": FRIDAY, "venue": "NSE", "segment": "FO", "underlying": "TCS", "kind": "option", "expiry": date(2026, 11, 24), "strike_paise": 310_000}
    rows = unnamed_rows(pl.DataFrame([{**listed, "right": "CE", "volume": 175}, {**listed, "right": "PE", "volume": 0}]))
    assert rows.select("symbol", "standing", "reason").rows() == [("TCS24NOV26C3100", "gap", "in_no_master"), ("TCS24NOV26P3100", "untraded", "")]
    assert dict(rows.schema) == ROWS


def test_exceptions_come_worst_first_and_are_grouped_by_reason() -> None:
    rows = rows_of(
        status(1), status(2, volume=None, proof="unverified"), status(3, proof="unverified"), status(4, status="missing", proof="", bars=0),
        status(5, proof="mismatch"), known=[(5, "last_price_differs", "[]", "shoonya"), (3, "phases_not_served", "[]", "firstock")],
    )
    assert exceptions_of(rows)["standing"].to_list() == ["mismatch", "gap", "unverified", "unverified"]
    assert {(one.standing, one.reason, one.count) for one in reasons_of(rows)} == {
        ("mismatch", "last_price_differs", 1), ("gap", "never_asked", 1), ("unverified", "phases_not_served", 1), ("unknown", "not_in_exchange_file", 1),
    }
    assert [(one.provider, one.contract_sessions) for one in sources_of(rows)] == [("firstock", 1), ("shoonya", 1)]


LISTED = st.builds(
    lambda number, name, volume, outcome, proof, bars, reasons, kind, venue: status(
        number, underlying=name, symbol=f"{name}{number}", volume=volume, status=outcome, proof=proof, bars=bars, reasons=reasons, kind=kind, venue=venue,
    ),
    st.integers(1, 60), st.sampled_from(["TCS", "M&M", "NIFTY"]), st.none() | st.integers(0, 3),
    st.sampled_from([*Outcome, "missing"]).map(str), st.sampled_from(["", *Proof]).map(str), st.integers(0, 2), st.sampled_from(["", "cut", "cut,in_progress"]),
    st.sampled_from(["spot", "option"]), st.sampled_from(["NSE", "BSE"]),
)


@given(st.lists(LISTED, unique_by=lambda row: row["contract"]))
def test_the_counts_always_add_up(listed: list[dict[str, Any]]) -> None:
    rows = rows_of(*listed, indices=(1, 2))
    counts, exceptions = counts_of(rows), exceptions_of(rows)
    assert counts.listed == len(listed) == counts.traded + counts.untraded + counts.unknown
    assert counts.traded == counts.verified + counts.mismatch + counts.unverified + counts.gaps == counts.verified + counts.exceptions
    assert exceptions.filter(pl.col("trade") == "traded").height == counts.exceptions
    assert exceptions.height == counts.exceptions + counts.unknown == sum(one.count for one in reasons_of(rows))
    assert sum((one.counts for one in underlyings_of(rows)), start=Counts()) == counts
    assert exceptions.filter(pl.col("reason") == "").is_empty()
    assert rows.filter((pl.col("standing") == "verified") & (pl.col("bars") == 0) & (pl.col("exchange_volume") > 0)).is_empty()
