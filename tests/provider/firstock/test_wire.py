import contextlib
import json
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fnolake import errors
from fnolake.model import IST, RawBars
from fnolake.provider import columns
from fnolake.provider.firstock import wire

OPEN = datetime(2025, 2, 10, 9, 15, tzinfo=IST)
EPOCH = 1739159100


def row(minute: int = 0, **changed: object) -> dict[str, object]:
    at = OPEN + timedelta(minutes=minute)
    made = {"time": at.strftime("%Y-%m-%dT%H:%M:%S"), "epochTime": EPOCH + 60 * minute, "open": 24289, "high": 24290.5,
            "low": 24288.05, "close": 24289.2, "volume": 75 * minute, "oi": 1200}
    return {**made, **changed}


def body(*rows: object, **envelope: object) -> bytes:
    answer = {"status": "success", "message": "Successfully fetched charts data", "data": list(rows), **envelope}
    return json.dumps(answer, separators=(",", ":")).encode()


def failed(name: str, message: str, code: object = "400", field: str = "") -> bytes:
    return json.dumps({"status": "failed", "code": code, "name": name, "error": {"field": field, "message": message}}).encode()


def decoded(raw: bytes) -> RawBars:
    bars = wire.decode_series(raw)
    assert bars is not None
    return bars


def assert_same(one: RawBars, other: RawBars) -> None:
    for name in ("epoch_s", "open", "high", "low", "close", "volume", "oi", "vwap", "cumulative", "wall_mismatch"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), name)
    assert one.undecoded == other.undecoded


def test_a_series_is_columns_in_rupees_and_units_with_whole_prices_among_them():
    bars = decoded(body(row(0), row(1), row(2)))
    assert bars.epoch_s.tolist() == [EPOCH, EPOCH + 60, EPOCH + 120]
    assert (bars.open.tolist()[0], bars.high[0], bars.low[0], bars.close[0]) == (24289.0, 24290.5, 24288.05, 24289.2)
    assert bars.volume.tolist() == [0, 75, 150]
    assert bars.oi.tolist() == [1200] * 3
    assert np.isnan(bars.vwap).all()
    assert bars.cumulative.tolist() == [-1] * 3
    assert not bars.wall_mismatch.any()
    assert bars.undecoded == 0
    assert bars.epoch_s.dtype == bars.volume.dtype == np.int64


@pytest.mark.parametrize("spaced", [False, True])
def test_the_fast_way_and_the_slow_way_read_the_same(spaced):
    rows = [row(i, open=100 + i / 20, high=100 + i, low=round(99 + i / 10, 1)) for i in range(400)]
    raw = json.dumps({"status": "success", "data": rows}, separators=None if spaced else (",", ":")).encode()
    assert (wire._regular(raw) is None) is spaced
    assert_same(decoded(raw), wire._odd(json.loads(raw)["data"]))


def test_numbers_as_texts_are_read_too_alone_or_mixed():
    texts = [{k: v if k == "time" else str(v) for k, v in row(i).items()} for i in range(3)]
    assert wire._regular(body(*texts)) is not None
    assert_same(decoded(body(*texts)), decoded(body(*(row(i) for i in range(3)))))
    assert_same(decoded(body(row(0), texts[1], row(2))), decoded(body(*(row(i) for i in range(3)))))
    assert decoded(body(row(0, volume="75.0", open="24289.00"))).volume.tolist() == [75]


def test_extra_members_are_ignored():
    assert_same(decoded(body(row(0, token="26000"), row(1, token=""))), decoded(body(row(0), row(1))))
    assert_same(decoded(body(row(0, token=26000), row(1, token=None))), decoded(body(row(0), row(1))))
    raw = body(row(0)).replace(b'"data"', b'"request":{"data":[]},"data"')
    assert len(decoded(raw)) == 1


def test_a_newline_at_the_end_and_data_before_the_status_are_read():
    assert len(decoded(body(row(0)) + b"\n")) == 1
    turned = b'{"data":' + json.dumps([row(0)]).encode() + b',"status":"Success"}'
    assert len(decoded(turned)) == 1


@pytest.mark.parametrize(("changed", "name", "value"), [
    ({"open": None}, "open", [np.nan]), ({"high": "x"}, "high", [np.nan]), ({"low": -5}, "low", [-5.0]),
    ({"close": True}, "close", [np.nan]), ({"close": "1_000"}, "close", [np.nan]), ({"open": 1e300}, "open", [np.nan]),
    ({"volume": None}, "volume", [-1]), ({"volume": 1.5}, "volume", [-1]), ({"volume": -7}, "volume", [-1]),
    ({"oi": None}, "oi", [-1]), ({"oi": ""}, "oi", [-1]), ({"close": 24289.123}, "close", [24289.123]),
])
def test_a_value_that_is_no_number_is_absent_and_the_row_stays(changed, name, value):
    np.testing.assert_array_equal(getattr(decoded(body(row(0, **changed))), name), value)


def test_time_is_checked_against_the_epoch_and_the_epoch_wins():
    bars = decoded(body(row(0), row(1, time="2025-02-10T09:15:00"), row(2, time="nonsense"), row(3, time=None)))
    assert bars.epoch_s.tolist() == [EPOCH, EPOCH + 60, EPOCH + 120, EPOCH + 180]
    assert bars.wall_mismatch.tolist() == [False, True, True, False]


def test_a_wrong_zone_is_seen_on_every_row():
    shifted = [row(i, epochTime=EPOCH + 19_800 + 60 * i) for i in range(3)]
    assert decoded(body(*shifted)).wall_mismatch.all()


@pytest.mark.parametrize("text", ["00:00:00 10-02-2025", "2025-02-10T00:00:00", "2025-02-10 T00:00:00", "2025-02-10 00:00:00"])
def test_a_days_label_comes_in_several_shapes(text):
    midnight = EPOCH - (9 * 60 + 15) * 60
    assert decoded(body(row(0, time=text, epochTime=midnight))).wall_mismatch.tolist() == [False]
    without = row(0, time=text)
    del without["epochTime"]
    assert decoded(body(without)).epoch_s.tolist() == [midnight]


def test_rows_without_a_stamp_are_counted():
    stampless = [{"open": 1}, row(0, time="", epochTime=None), row(0, epochTime=5), 7, None, "x", [], row(0, time="31-02-2025", epochTime="")]
    bars = decoded(body(row(0), *stampless))
    assert (len(bars), bars.undecoded) == (1, len(stampless))


@pytest.mark.parametrize(("raw", "status"), [
    (body(), 200), (body(data=None), 200), (b'{"status":"success","message":"x"}', 200), (b'{"status":"Success","data":[]}', 200),
    (failed("RESOURCE_NOT_FOUND", "", "404"), 404), (failed("RESOURCE_NOT_FOUND", "order not found or invalid", 404), 200),
    (failed("BAD_REQUEST", "No data"), 400), (failed("X", "no chart data available for the range"), 200),
    (failed("EXCHANGE", "data not found"), 400), (b'{"status":"failed","message":"no records"}', 200),
    (b'{"status":"failed","error":"No Data Found"}', 400),
])
def test_nothing_is_what_the_provider_says(raw, status):
    assert wire.decode_series(raw, status=status) is None


@pytest.mark.parametrize(("raw", "status", "error"), [
    (failed("INVALID_JKEY", "jKey parameter is invalid", "401", "jKey"), 401, errors.SignInLost),
    (failed("INVALID_JKEY", "jKey parameter is invalid", 401), 403, errors.SignInLost),
    (failed("INVALID_JKEY", "JKey is required", "401"), 200, errors.SignInLost),
    (failed("SESSION_EXPIRED", "", "401"), 400, errors.SignInLost), (failed("UNAUTHORIZED", "", "401"), 401, errors.SignInLost),
    (failed("FORBIDDEN", "session expired", "403"), 403, errors.SignInLost),
    (failed("INVALID_JKEY", "no data", "404"), 404, errors.SignInLost),
    (b"unauthenticated", 401, errors.SignInLost), (b"", 401, errors.SignInLost), (b"jKey expired", 403, errors.SignInLost),
    (failed("FORBIDDEN", "IP address not whitelisted", "403"), 403, errors.AddressNotAllowed),
    (failed("FORBIDDEN", "access from this IP is blocked", "403"), 403, errors.AddressNotAllowed),
    (failed("FORBIDDEN", "Forbidden", "403"), 403, errors.AddressNotAllowed), (failed("FORBIDDEN", "", 403), 200, errors.AddressNotAllowed),
    (b"403 Forbidden", 403, errors.AddressNotAllowed), (b"", 403, errors.AddressNotAllowed),
    (b"<html><h1>403 Forbidden</h1>Sorry, you have been blocked</html>", 403, errors.AddressNotAllowed),
    (failed("FORBIDDEN", "user is blocked", "403"), 403, errors.LoginRefused),
    (failed("USER_BANNED", "", "403"), 403, errors.LoginRefused), (b"Your API access is suspended", 403, errors.LoginRefused),
    (failed("FORBIDDEN", "API key has expired", "403"), 403, errors.LoginRefused),
    (failed("INVALID_USERID", "invalid userid", "401"), 400, errors.LoginRefused),
    (b"rate limit exceeded", 429, errors.RateLimited), (b"Rate limit", 200, errors.RateLimited), (b"", 429, errors.RateLimited),
    (failed("RATE_LIMIT_EXCEEDED", "slow down", "429"), 429, errors.RateLimited),
    (failed("TOO_MANY_REQUESTS", "", 429), 200, errors.RateLimited), (b"<html>Too Many Requests</html>", 503, errors.RateLimited),
    (failed("INTERNAL_SERVER_ERROR", "oops", "500"), 500, errors.ProviderFault),
    (failed("SERVICE_UNAVAILABLE", "scheduled maintenance", "503"), 503, errors.ProviderFault),
    (b"<html>502 Bad Gateway</html>", 502, errors.ProviderFault), (b"<html>502</html>", 200, errors.ProviderFault),
    (b"<html>404 not found</html>", 404, errors.ProviderFault), (b"", 200, errors.ProviderFault), (b"", 404, errors.ProviderFault),
    (b"<html>504 Gateway Time-out</html>", 504, errors.SpanTimeout), (b"upstream request timeout", 408, errors.SpanTimeout),
    (failed("X", "gateway timeout", "504"), 504, errors.SpanTimeout),
    (failed("INVALID_TRADINGSYMBOL", "trading symbol not found", "404"), 404, errors.UnknownSymbol),
    (failed("MISSING_FIELD", "interval cannot be empty", "400", "interval"), 400, errors.ProviderError),
    (failed("BAD_REQUEST", "invalid exchange: BSE_INDEX"), 400, errors.ProviderError),
    (b'{"status":"failed"}', 200, errors.ProviderFault), (b"{}", 200, errors.ProviderFault), (body(row(0)), 500, errors.ProviderFault),
    (body(row(0))[:-9], 200, errors.PayloadError), (b"not json", 200, errors.PayloadError), (b"3", 200, errors.PayloadError),
    (b"[]", 200, errors.PayloadError), (body(data={"a": 1}), 200, errors.PayloadError), (body(data=5), 200, errors.PayloadError),
    (b"[" * 5000, 200, errors.PayloadError),
])
def test_failures_are_classed_by_body_then_status(raw, status, error):
    with pytest.raises(error) as caught:
        wire.decode_series(raw, status=status, request="timePriceSeries NSE:NIFTY")
    assert type(caught.value) is error
    assert (caught.value.provider, caught.value.request) == ("firstock", "timePriceSeries NSE:NIFTY")
    assert "report it" not in str(caught.value) or status == 400


def test_an_undecodable_body_is_kept():
    with pytest.raises(errors.PayloadError) as caught:
        wire.decode_series(b'{"status":')
    assert caught.value.payload == b'{"status":'


@settings(max_examples=400, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]{},:"0129.ae\\ \n', max_size=80).map(str.encode)))
@example(b'{"status":"success","data":[{"time":"","epochTime":1739159100,"open":1,"high":1,"low":1,"close":1,"volume":1,"oi":1}]}')
@example(b'{"status":"success","data":[{"":""}]}')
@example(b'{"status":"success","data":[{}]}')
def test_random_bytes_raise_only_errors_of_the_tree(raw):
    for made in (raw, b'{"status":"success","data":[{' + raw + b"}]}"):
        for status in (200, 403, 502):
            with contextlib.suppress(errors.ProviderError):
                wire.decode_series(made, status=status)


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_a_damaged_series_is_read_as_json_reads_it_or_refused(data):
    raw = bytearray(body(row(0), row(1), row(2)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at:at + data.draw(st.integers(0, 2))] = data.draw(st.sampled_from([b"", b"0", b"9", b".", b"-", b"e", b'"', b",", b"}", b"{", b" "]))
    try:
        bars = wire.decode_series(bytes(raw))
    except errors.ProviderError:
        return
    if bars is not None:
        assert_same(bars, wire._odd(json.loads(raw)["data"]))


@pytest.mark.parametrize("text", ["242..2", "242.", ".5", "1.2.3", "00", "007", "01.5", "-5", "1e3", "1.234", "+1", "5.-1", "", "12345678901234567.25"])
def test_a_price_in_an_odd_form_is_never_read_the_fast_way(text):
    raw = body(row(0), row(1)).replace(b'"close":24289.2', b'"close":' + text.encode(), 1)
    try:
        expected = json.loads(raw)["data"]
    except ValueError:
        with pytest.raises(errors.PayloadError):
            wire.decode_series(raw)
    else:
        assert_same(decoded(raw), wire._odd(expected))


def test_a_request_is_compact_json_with_times_in_ist():
    assert wire.encode_request({"tradingSymbol": "M&M-EQ"}) == b'{"tradingSymbol":"M&M-EQ"}'
    start = datetime(2026, 11, 20, 3, 45, tzinfo=UTC)
    assert wire.series_fields("NSE", "NIFTY", (start, start + timedelta(minutes=375))) == {
        "exchange": "NSE", "tradingSymbol": "NIFTY", "interval": "1mi", "startTime": "09:14:00 20-11-2026",
        "endTime": "15:30:00 20-11-2026"}


@pytest.mark.parametrize(("minutes", "word"), [(1, "1mi"), (3, "3mi"), (60, "60mi"), (240, "240mi"), (1440, "1d")])
def test_every_interval_has_its_word(minutes, word):
    assert wire.series_fields("NSE", "NIFTY", (OPEN, OPEN + timedelta(days=1)), minutes)["interval"] == word


@pytest.mark.parametrize(("exchange", "symbol", "span", "interval", "says"), [
    ("NSE", "NIFTY", (OPEN, OPEN), 1, "earlier first"), ("NSE", "NIFTY", (OPEN, OPEN - timedelta(1)), 1, "earlier first"),
    ("NSE", "NIFTY", (OPEN.replace(tzinfo=None), OPEN), 1, "aware"), ("NSE", " ", (OPEN, OPEN + timedelta(1)), 1, "must not be empty"),
    ("", "NIFTY", (OPEN, OPEN + timedelta(1)), 1, "must not be empty"), ("NSE", "NIFTY", (OPEN, OPEN + timedelta(1)), 0, "no interval"),
    ("NSE", "NIFTY", (OPEN, OPEN + timedelta(1)), 7, "no interval"),
])
def test_what_makes_no_request_is_refused_in_one_line(exchange, symbol, span, interval, says):
    with pytest.raises(ValueError, match=says) as caught:
        wire.series_fields(exchange, symbol, span, interval)
    assert "\n" not in str(caught.value)


def test_what_was_asked_too_wide_is_cut_and_the_rest_is_left_to_normalize():
    span = (OPEN, OPEN + timedelta(minutes=3))
    bars = wire.cut(decoded(body(*(row(i) for i in (-5, -1, 0, 2, 3, 9)))), span)
    assert bars is not None
    assert [(e - EPOCH) // 60 for e in bars.epoch_s.tolist()] == [-5, 0, 2, 9]
    assert len(bars.oi) == len(bars.wall_mismatch) == 4
    assert wire.cut(decoded(body(row(-1), row(3))), span) is None
    kept = wire.cut(decoded(body(row(-1), 7)), span)
    assert kept is not None
    assert (len(kept), kept.undecoded) == (0, 1)
    whole = decoded(body(row(0)))
    assert wire.cut(whole, span) is whole


def test_decoding_takes_the_fast_way():
    raw = body(*(row(i, oi=75 * i) for i in range(375)))
    assert columns.split_rows(raw[raw.index(b"["):-1]) is not None
    assert wire._regular(raw) is not None
    assert date.fromtimestamp(EPOCH).year == 2025
