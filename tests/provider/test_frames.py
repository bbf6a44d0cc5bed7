"""What the sockets' frames say, and that nothing damaged becomes a price."""

from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fnolake.errors import PayloadError
from fnolake.model.tick import UNSAID
from fnolake.provider.firstock import frames as firstock
from fnolake.provider.lastsaid import LastSaid
from fnolake.provider.shoonya import frames as shoonya

NOON = 1_795_156_200
US = 1_000_000


@pytest.mark.parametrize(("text", "paise"), [
    ("1408.10", 140_810), ("0.05", 5), ("0.00", 0), ("", 0), ("-5.00", 0), ("NaN", 0), ("inf", 0), ("1e5", 0), ("12..5", 0), ("١٢", 0), ("99999999999", 0),
    ("1_000", 0),
])
def test_a_price_text_is_paise_or_says_nothing(text: str, paise: int) -> None:
    assert shoonya.paise(text) == paise


@pytest.mark.parametrize(("text", "count"), [("0", 0), ("175", 175), ("", -1), ("-1", -1), ("9223372036854775808", -1), ("12.0", 12), ("12.5", -1), ("²", -1)])
def test_a_count_is_units_or_says_nothing(text: str, count: int) -> None:
    assert shoonya.units(text) == count


@pytest.mark.parametrize(("value", "paise"), [(2_532_065, 2_532_065), (125_190.00000000001, 125_190), (None, 0), (0, 0), (9223372036854775808, 0), ("140810", 140_810), (-3, 0), (1e300, 0)])
def test_firstocks_numbers_are_paise(value: firstock.Number, paise: int) -> None:
    assert firstock.paise(value) == paise


def test_a_firstock_frame_holds_several_instruments() -> None:
    body = json.dumps({
        "NSE:26000": {"i_last_traded_price": 2_532_065, "i_feed_time": NOON, "best_buy": [{}]},
        "NFO:44297": {"i_volume_traded_today": 75, "i_open_interest": None, "i_open_price": 9223372036854775808},
        "norenordno": "1",
    })
    said = firstock.decode(body)
    assert isinstance(said, dict)
    assert said == {"NSE:26000": firstock.Quote(2_532_065, at=NOON), "NFO:44297": firstock.Quote(volume=75)}


def test_a_firstock_refusal_is_a_status() -> None:
    assert firstock.decode('{"status":"failed","message":"unauthenticated"}') == firstock.Status("failed", "unauthenticated")


def test_the_frames_that_are_sent() -> None:
    assert json.loads(shoonya.sign_in("U", "A", "secret", legacy=False)) == {"t": "a", "accesstoken": "secret", "uid": "U", "actid": "A", "source": "API"}
    assert json.loads(shoonya.sign_in("U", "A", "secret", legacy=True))["susertoken"] == "secret"
    assert json.loads(shoonya.subscribe(["NSE|22", "NFO|1"])) == {"t": "t", "k": "NSE|22#NFO|1"}
    assert json.loads(shoonya.subscribe(["NSE|22"], on=False))["t"] == "u"
    assert json.loads(firstock.subscribe(["NSE:22", "NFO:1"], on=False)) == {"action": "unsubscribe", "tokens": "NSE:22|NFO:1"}


def test_a_change_is_laid_over_what_was_said() -> None:
    said = LastSaid()
    said.expect("k", 7)
    first = said.take("k", 140_000, 500, 1000, NOON, NOON * US, snapshot=True)
    later = said.take("k", 0, 675, -1, NOON + 1, NOON * US + 5)
    assert first is not None
    assert first.snapshot
    assert later is not None
    assert (later.last_paise, later.volume, later.oi, later.at_us, later.snapshot) == (140_000, 675, 1000, (NOON + 1) * US, False)


def test_the_first_frame_is_the_snapshot_even_where_the_feed_does_not_mark_it() -> None:
    said = LastSaid()
    said.expect("k", 7)
    tick = said.take("k", 140_000, -1, -1, 0, NOON * US)
    assert tick is not None
    assert (tick.snapshot, tick.volume, tick.at_us) == (True, UNSAID, NOON * US)


def test_volume_falls_only_with_the_date() -> None:
    said = LastSaid()
    said.expect("k", 7)
    said.take("k", 100, 500, -1, NOON, NOON * US)
    fallen = said.take("k", 101, 400, -1, NOON + 1, NOON * US)
    morning = said.take("k", 102, 25, -1, NOON + 86_400, NOON * US)
    assert fallen is not None
    assert fallen.volume == 500
    assert morning is not None
    assert morning.volume == 25


def test_an_index_prints_at_an_unchanged_price_and_a_stock_does_not() -> None:
    said = LastSaid()
    said.expect("index", 1)
    said.expect("stock", 2)
    for key, volume in (("index", -1), ("stock", 500)):
        said.take(key, 100, volume, -1, NOON, NOON * US)
    assert said.take("index", 0, -1, -1, NOON + 15, NOON * US) is not None
    assert said.take("stock", 0, -1, -1, NOON + 15, NOON * US) is None


def test_a_frame_about_the_book_alone_is_no_tick() -> None:
    said = LastSaid()
    said.expect("k", 7)
    said.take("k", 100, 500, -1, NOON, NOON * US)
    assert said.take("k", 0, -1, -1, NOON + 1, NOON * US) is None
    assert said.take("other", 100, 1, 1, NOON, NOON * US) is None


@given(st.binary(max_size=200))
def test_whatever_comes_is_a_frame_or_a_payload_error(body: bytes) -> None:
    for decode in (shoonya.decode, firstock.decode):
        with contextlib.suppress(PayloadError):
            assert isinstance(decode(body), (shoonya.Frame, firstock.Status, dict))


@given(st.lists(st.tuples(st.integers(-5, 500), st.integers(-5, 10_000), st.integers(-2, 50), st.integers(-1, 100_000)), max_size=30))
def test_ticks_are_positive_and_never_go_back(said: list[tuple[int, int, int, int]]) -> None:
    merged = LastSaid()
    merged.expect("k", 1)
    ticks = [tick for last, volume, oi, at in said if (tick := merged.take("k", last, volume, oi, at, 50 * US))]
    assert all(tick.last_paise > 0 for tick in ticks)
    assert [tick.at_us for tick in ticks] == sorted(tick.at_us for tick in ticks)
    dates = [((tick.at_us // US + 19_800) // 86_400, tick.volume) for tick in ticks]
    assert dates == sorted(dates)
