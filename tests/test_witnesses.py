"""Two captures of one contract-session: every kind of difference is named, swapping sides changes no name, and who is kept."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.model import FIRST, SECOND, VERIFIED_RANK, bar_schema, difference_schema
from fnolake.verify import Witness, compare, keep
from fnolake.verify.witnesses import clipped, volume_shift

DAY = date(2026, 11, 20)
OPEN = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
Row = dict[str, object]
VOLUMES = (100, 250, 40, 900, 35, 610, 75, 80, 330, 1)


def row(minute: int, volume: int, **more: object) -> Row:
    plain: Row = {
        "session": DAY, "ts": OPEN + timedelta(minutes=minute), "contract": 7, "venue": "NSE", "underlying": "TCS", "kind": "future",
        "expiry": date(2026, 11, 24), "open_paise": 1000, "high_paise": 1050, "low_paise": 950, "close_paise": 1010, "volume": volume,
        "oi": 5000, "vwap_paise": 1005, "phase": "continuous", "provider": "shoonya",
    }
    return plain | more


def table(*rows: Row) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=bar_schema())


def plain() -> list[Row]:
    return [row(minute, volume) for minute, volume in enumerate(VOLUMES)]


def changed(at: int, **more: object) -> pl.DataFrame:
    rows = plain()
    rows[at] |= more
    return table(*rows)


def with_volumes(*volumes: int) -> pl.DataFrame:
    return table(*(row(minute, volume) for minute, volume in enumerate(volumes)))


def names(first: pl.DataFrame, second: pl.DataFrame) -> dict[str, int]:
    return {finding.name: finding.count for finding in compare(first, second).findings}


GOOD = table(*plain())


def test_the_same_bars_agree_whatever_their_order() -> None:
    comparison = compare(GOOD, GOOD.reverse())
    assert comparison.agreed
    assert dict(comparison.rows.schema) == difference_schema()


@pytest.mark.parametrize(("more", "name", "size"), [
    ({"high_paise": 1010}, "clipped_high", -40), ({"low_paise": 1000}, "clipped_low", 50), ({"open_paise": 1001}, "price_differs", 1),
    ({"vwap_paise": 1006}, "price_differs", 1), ({"volume": 901}, "volume_differs", 1), ({"oi": 4999}, "oi_differs", -1),
])
def test_a_difference_is_named_with_its_field_size_and_minute(more: Row, name: str, size: int) -> None:
    rows = compare(GOOD, changed(3, **more)).rows
    assert rows.select("ts", "size", "finding").rows() == [(OPEN + timedelta(minutes=3), size, name)]
    assert rows["field"].item() == next(iter(more)).removesuffix("_paise")


def test_an_extreme_is_not_called_clipped_where_the_ends_differ_too() -> None:
    assert names(GOOD, changed(3, high_paise=1010, close_paise=1009)) == {"price_differs": 2}


def test_a_minute_that_one_has_not_is_missing() -> None:
    comparison = compare(GOOD, GOOD.slice(1))
    assert comparison.rows.select("field", "first", "second", "size").rows() == [("minute", 1, None, None)]
    assert comparison.findings[0].detail == "at 09:15"


def test_everything_at_once_is_named_each() -> None:
    rows = [dict(each) for each in plain()]
    for at in range(4, 10):
        rows[at]["volume"] = VOLUMES[at - 1]
    rows[1]["high_paise"] = 1010
    assert names(GOOD, table(rows[0], *rows[1:2], *rows[3:])) == {"missing_minute": 1, "clipped_high": 1, "volume_shifted": 6}


def test_what_a_provider_does_not_send_is_no_difference() -> None:
    rows = GOOD.with_columns(vwap_paise=pl.lit(None, pl.Int32), oi=pl.lit(None, pl.Int64))
    assert compare(GOOD, rows).agreed
    assert compare(rows, GOOD).agreed


def test_a_phase_that_one_provider_leaves_out_is_no_difference() -> None:
    assert compare(table(row(-8, 30, phase="preopen"), *plain()), GOOD).agreed


def test_a_print_that_both_have_is_compared() -> None:
    first, second = (table(row(-8, volume, phase="preopen"), *plain()) for volume in (30, 31))
    assert names(first, second) == {"volume_differs": 1}


@pytest.mark.parametrize(("second", "words"), [
    ([75 * volume for volume in VOLUMES], "the second is 75 times the first"),
    ([volume + 5 for volume in VOLUMES], "the second has 5 units more in each minute"),
    ([0, *VOLUMES[:-1]], "the second is a minute later than the first"),
    ([*VOLUMES[1:], 0], "the second is a minute earlier than the first"),
    ([100, 200, 90, *VOLUMES[3:]], "the same units are booked in neighbouring bars"),
])
def test_a_volume_shift_is_told_from_volumes_that_differ(second: list[int], words: str) -> None:
    comparison = compare(GOOD, with_volumes(*second))
    assert [(finding.name, finding.detail) for finding in comparison.findings] == [("volume_shifted", words)]


def test_a_shift_of_part_of_the_session_is_one_too() -> None:
    assert volume_shift(GOOD, with_volumes(*VOLUMES[:4], VOLUMES[3], *VOLUMES[4:9])) == "the second is a minute later than the first"


def test_volume_may_move_over_a_minute_without_a_bar() -> None:
    first, second = (table(row(0, 100), row(2, volume), row(5, other)) for volume, other in ((80, 20), (40, 60)))
    assert names(first, second) == {"volume_shifted": 2}


def test_volumes_without_a_rule_only_differ() -> None:
    assert names(GOOD, with_volumes(101, 252, 44, *VOLUMES[3:])) == {"volume_differs": 3}


def test_the_first_minutes_are_named_and_the_rest_counted() -> None:
    comparison = compare(GOOD, GOOD.with_columns(oi=pl.col("oi") + 1))
    assert comparison.findings[0].detail == "at 09:15, 09:16, 09:17 and 7 more, by up to 1"


bar_rows = st.lists(
    st.fixed_dictionaries({
        "volume": st.integers(0, 5), "high_paise": st.integers(1050, 1052), "low_paise": st.integers(949, 950),
        "close_paise": st.integers(1010, 1011), "oi": st.none() | st.integers(0, 2), "phase": st.sampled_from(["continuous", "preopen"]),
        "here": st.booleans(),
    }), max_size=12,
)


def made(rows: list[dict[str, object]]) -> pl.DataFrame:
    return table(*(row(at, 0) | {k: v for k, v in each.items() if k != "here"} for at, each in enumerate(rows) if each["here"]))


@given(bar_rows)
def test_a_capture_agrees_with_itself(rows: list[dict[str, object]]) -> None:
    assert compare(made(rows), made(rows)).agreed


@given(bar_rows, bar_rows)
def test_swapping_the_witnesses_swaps_the_sides_and_nothing_else(rows: list[dict[str, object]], others: list[dict[str, object]]) -> None:
    first, second = made(rows), made(others)
    there, back = compare(first, second), compare(second, first)
    assert [(f.name, f.count) for f in there.findings] == [(f.name, f.count) for f in back.findings]
    mirrored = back.rows.select("ts", "field", pl.col("second").alias("first"), pl.col("first").alias("second"), -pl.col("size"), "finding")
    assert there.rows.equals(mirrored)
    assert there.agreed == there.rows.is_empty()
    assert sum(finding.count for finding in there.findings) == there.rows.height


@given(bar_rows, bar_rows, st.integers(40, 70), st.integers(40, 70), st.none() | st.integers(0, 60))
def test_who_is_kept_does_not_depend_on_who_came_first_unless_nothing_decides(
    rows: list[dict[str, object]], others: list[dict[str, object]], rank: int, other_rank: int, volume: int | None,
) -> None:
    first, second = Witness(made(rows), rank), Witness(made(others), other_rank)
    kept, why = keep(first, second, compare(first.bars, second.bars), volume)
    back, back_why = keep(second, first, compare(second.bars, first.bars), volume)
    assert why == back_why
    assert (kept != back) == (why not in {"agreed", "first_stays"})


def kept(second: pl.DataFrame, *, ranks: tuple[int, int] = (60, 60), volume: int | None = None, first: pl.DataFrame = GOOD) -> tuple[str, str]:
    return keep(Witness(first, ranks[0]), Witness(second, ranks[1]), compare(first, second), volume)


def test_the_exchange_decides_before_everything_else() -> None:
    assert kept(GOOD.slice(1), ranks=(60, VERIFIED_RANK)) == (SECOND, "agrees_with_exchange")


def test_a_capture_that_is_not_complete_unseats_none() -> None:
    assert kept(changed(3, high_paise=1060), ranks=(60, 50)) == (FIRST, "better_verdict")


def test_more_minutes_win_over_a_wider_range() -> None:
    assert kept(changed(3, high_paise=1060).slice(1)) == (FIRST, "more_minutes")
    assert kept(changed(3, high_paise=1040), first=GOOD.slice(1)) == (SECOND, "more_minutes")


def test_a_clipped_extreme_loses() -> None:
    assert kept(changed(3, high_paise=1060)) == (SECOND, "wider_range")
    assert kept(changed(3, low_paise=960)) == (FIRST, "wider_range")


def test_volume_nearer_to_the_exchange_wins_where_ranges_tie() -> None:
    exchange = sum(VOLUMES)
    assert kept(changed(3, volume=901), volume=exchange) == (FIRST, "volume_nearer_exchange")
    assert kept(changed(3, volume=901), volume=exchange + 1) == (SECOND, "volume_nearer_exchange")


def test_without_a_reason_the_first_stays() -> None:
    assert kept(changed(3, volume=901)) == (FIRST, "first_stays")
    assert kept(changed(3, oi=1), volume=sum(VOLUMES)) == (FIRST, "first_stays")


def test_clipped_extremes_are_counted_for_the_witness_that_has_them() -> None:
    rows = compare(changed(1, low_paise=960), changed(3, high_paise=1040)).rows
    assert (clipped(rows, FIRST), clipped(rows, SECOND)) == (1, 1)
