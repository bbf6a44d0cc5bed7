from datetime import date

import polars as pl

from fnolake.model import instrument_schema
from fnolake.query.coverage import ExchangeSaid, gaps, pairs, statuses, summary

MON, TUE = date(2026, 11, 16), date(2026, 11, 17)
KNOWN = {
    "contract": pl.Int64, "session": pl.Date, "outcome": pl.String, "proof": pl.String, "bars": pl.Int64, "reasons": pl.String,
}


def contracts(*rows: tuple[int, str, date | None, date | None]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {
                "contract": number, "venue": "NSE", "segment": "CM" if kind == "spot" else "FO", "token": number,
                "symbol": f"C{number}", "underlying": "TCS", "kind": kind, "expiry": expiry, "valid_from": since,
            }
            for number, kind, expiry, since in rows
        ],
        schema=instrument_schema(),
    )


def known(*rows: tuple[int, date, str]) -> pl.DataFrame:
    full = [(number, day, outcome, "unverified", 3, "") for number, day, outcome in rows]
    return pl.DataFrame(full, schema=KNOWN, orient="row")


def said(*rows: tuple[int, date, int]) -> ExchangeSaid:
    frame = pl.DataFrame(
        [(number, day, volume, 1) for number, day, volume in rows],
        schema={"contract": pl.Int64, "session": pl.Date, "volume": pl.Int64, "trades": pl.Int64}, orient="row",
    )
    return ExchangeSaid(frame, frozenset({("NSE", "FO", day) for _, day, _ in rows}))


def test_a_contract_is_wanted_from_its_listing_to_its_expiry() -> None:
    table = contracts((1, "option", MON, None), (2, "option", date(2026, 12, 29), TUE))
    assert pairs(table, [MON, TUE]).sort("contract").rows() == [(1, MON), (2, TUE)]


def test_each_listed_pair_has_one_status_and_the_exchange_decides_what_was_listed() -> None:
    table = contracts((1, "option", TUE, None), (2, "option", TUE, None), (3, "option", TUE, None), (4, "spot", None, None))
    rows = statuses(table, [MON], known((1, MON, "complete")), said((1, MON, 50), (2, MON, 0)))
    assert dict(rows.select("contract", "status").iter_rows()) == {1: "complete", 2: "untraded", 4: "missing"}


def test_a_failed_attempt_is_a_gap_with_its_reason() -> None:
    table = contracts((1, "option", TUE, None))
    failed = known((1, MON, "failed")).with_columns(reasons=pl.lit("doubtful_empty"))
    left = gaps(statuses(table, [MON], failed, ExchangeSaid()))
    assert left.select("symbol", "status", "reasons").rows() == [("C1", "failed", "doubtful_empty")]


def test_what_did_not_trade_is_covered_even_after_a_failed_attempt() -> None:
    table = contracts((1, "option", TUE, None))
    assert gaps(statuses(table, [MON], known((1, MON, "failed")), said((1, MON, 0)))).is_empty()


def test_the_summary_adds_up() -> None:
    table = contracts((1, "option", TUE, None), (2, "option", TUE, None), (3, "future", TUE, None))
    rows = statuses(table, [MON, TUE], known((1, MON, "complete"), (2, MON, "partial")), ExchangeSaid())
    total = summary(rows)
    assert total["wanted"].sum() == 6
    assert (total["complete"] + total["partial"] + total["missing"]).to_list() == total["wanted"].to_list()
    assert total["covered"].sum() == 1
