import contextlib
import csv
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fnolake import errors
from fnolake.model import IST, RawBars
from fnolake.provider import columns
from fnolake.provider.shoonya import wire

SERIES = Path(__file__).resolve().parents[3].parent / "shared" / "real" / "tpseries"
EPOCH = 1773665400
COLUMNS = {"into": "open", "inth": "high", "intl": "low", "intc": "close", "intvwap": "vwap"}
COUNTS = {"intv": "volume", "oi": "oi", "v": "cumulative"}


def row(minute: int = 0, **changes: object) -> dict[str, object]:
    epoch = EPOCH - 60 * minute
    fields: dict[str, object] = {
        "stat": "Ok", "time": datetime.fromtimestamp(epoch, IST).strftime("%d-%m-%Y %H:%M:%S"), "ssboe": str(epoch),
        "into": "100.00", "inth": "101.00", "intl": "99.50", "intc": "100.25", "intvwap": "100.10", "intv": "53",
        "intoi": "3", "v": "19444", "oi": "29730"}
    fields.update(changes)
    return {k: v for k, v in fields.items() if v is not ...}


def body(*rows: object) -> bytes:
    return json.dumps(list(rows), separators=(",", ":")).encode()


def decoded(raw: bytes) -> RawBars:
    bars = wire.decode_tpseries(raw)
    assert bars is not None
    return bars


def emsg(text: str, **more: str) -> bytes:
    return json.dumps({"stat": "Not_Ok", "emsg": text, **more}).encode()


def test_a_series_becomes_columns_in_the_order_sent():
    bars = decoded(body(row(0), row(1, into="99.05", intv="0", oi="0"), row(2, into="112345.65")))
    assert bars.epoch_s.tolist() == [EPOCH, EPOCH - 60, EPOCH - 120]
    assert bars.open.tolist() == [100.0, 99.05, 112345.65]
    assert (bars.high[0], bars.low[0], bars.close[0], bars.vwap[0]) == (101.0, 99.5, 100.25, 100.1)
    assert (bars.volume.tolist(), bars.oi.tolist(), bars.cumulative[0]) == ([53, 0, 53], [29730, 0, 29730], 19444)
    assert not bars.wall_mismatch.any()
    assert bars.undecoded == 0


def amount() -> st.SearchStrategy[str]:
    return st.integers(0, 10**13).map(lambda paise: f"{paise // 100}.{paise % 100:02d}")


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), *[amount()] * 5, *[st.integers(0, 10**15)] * 3), min_size=1, max_size=9))
def test_the_fast_way_reads_what_float_and_int_read(values):
    rows = [row(m, **dict(zip(COLUMNS, p, strict=True)), intv=str(a), oi=str(b), v=str(c))
            for m, *p, a, b, c in values]
    assert columns.split_rows(body(*rows)) is not None
    fast = decoded(body(*rows))
    for key, name in COLUMNS.items():
        assert getattr(fast, name).tolist() == [float(r[key]) for r in rows]
    for key, name in COUNTS.items():
        assert getattr(fast, name).tolist() == [int(r[key]) for r in rows]
    assert fast.epoch_s.tolist() == [int(r["ssboe"]) for r in rows]
    assert not fast.wall_mismatch.any()


ODD = st.sampled_from([..., None, "", "x", "-1", "1e3", "0.5", "100", "100.5", "1.234", "-0.05", 7, 7.25, True, [], {},
                       "NaN", "inf", "9" * 30, "12 ", "٣", '"', "\\", "}", "},{", "Ok", "16-03-2026 18:20:00"])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from([*COLUMNS, *COUNTS, "ssboe", "time", "stat"]), ODD, max_size=3),
                min_size=1, max_size=4))
def test_fast_and_slow_ways_agree_on_odd_rows(changes):
    rows = [row(i, **c) for i, c in enumerate(changes)]
    either, slow = decoded(body(*rows)), wire._odd(json.loads(body(*rows)))
    assert either.undecoded == slow.undecoded
    assert len(either) + either.undecoded == len(rows)
    for name in ("epoch_s", "open", "high", "low", "close", "vwap", "volume", "oi", "cumulative", "wall_mismatch"):
        np.testing.assert_array_equal(getattr(either, name), getattr(slow, name))
        assert getattr(either, name).dtype == getattr(slow, name).dtype


def test_keys_in_another_order_or_swapped_in_one_row_are_read_by_name():
    shuffled = list(row(0).items())
    random.Random(3).shuffle(shuffled)
    assert decoded(body(dict(shuffled), dict(shuffled))).open.tolist() == [100.0, 100.0]
    swapped = {("inth" if k == "into" else "into" if k == "inth" else k): v for k, v in row(1).items()}
    bars = decoded(body(row(0), swapped))
    assert bars.open.tolist() == [100.0, 101.0]
    assert bars.high.tolist() == [101.0, 100.0]


def test_numbers_instead_of_strings_and_missing_fields_are_read():
    bars = decoded(body(row(0, into=100, intv=53, ssboe=EPOCH), row(1, oi=..., intvwap=None, v=...), row(2, intc="")))
    assert bars.open.tolist() == [100.0, 100.0, 100.0]
    assert bars.oi.tolist() == [29730, -1, 29730]
    assert bars.cumulative.tolist() == [19444, -1, 19444]
    assert np.isnan(bars.vwap).tolist() == [False, True, False]
    assert np.isnan(bars.close).tolist() == [False, False, True]
    assert decoded(body(row(0, intv=...))).volume.tolist() == [-1]


def test_rows_that_are_no_rows_are_counted_not_dropped():
    bars = decoded(body(row(0), "row", None, {}, row(1, ssboe="x", time="yesterday"), row(2, stat="Not_Ok"), row(3)))
    assert (len(bars), bars.undecoded) == (2, 5)


def test_a_row_without_epoch_takes_the_wall_clock_in_ist():
    bars = decoded(body(row(0, ssboe=..., time="16-03-2026 18:20:23"), row(1, ssboe=...)))
    assert bars.epoch_s.tolist() == [EPOCH + 23, EPOCH - 60]
    assert not bars.wall_mismatch.any()


@pytest.mark.parametrize("time", ["16-03-2026 12:50:00", "16-03-2026 18:21:00", "15-03-2026 18:20:00", "nonsense",
                                  "16-03-2026 18:20:30", "16-03-2027 18:20:00", "16-03-2026T18:20:00"])
def test_the_epoch_wins_over_a_wall_clock_that_disagrees(time):
    bars = decoded(body(row(0, time=time), row(1)))
    assert bars.epoch_s.tolist() == [EPOCH, EPOCH - 60]
    assert bars.wall_mismatch.tolist() == [True, False]


def test_stamps_with_seconds_are_no_disagreement():
    assert decoded(body(row(0, ssboe=str(EPOCH + 59), time="16-03-2026 18:20:59"))).wall_mismatch.tolist() == [False]


@pytest.mark.parametrize("raw", [emsg('Error Occurred : 5 "no data"', request_time="02:30:45 25-12-2024"), b"[]",
                                 emsg('Error Occurred :  5  "no data"'), emsg("No Data :   "), b"[ ]"])
def test_nothing_is_what_the_provider_says(raw):
    assert wire.decode_tpseries(raw) is None


@pytest.mark.parametrize("status", [200, 400, 401, 403, 502])
@pytest.mark.parametrize(("text", "error"), [
    ("Session Expired :  Invalid Session Key", errors.SignInLost),
    ("Session Expired : Invalid Session Key", errors.SignInLost),
    ("Server Timeout :   ", errors.SpanTimeout),
    ("Invalid Input :  Order Recieved 11 in a current second exceeds Limit 10 for user", errors.RateLimited),
    ("Rate_Limited", errors.RateLimited),
    ("Invalid IP", errors.AddressNotAllowed),
    ("Invalid Input : IP 1.2.3.4 is not allowed", errors.AddressNotAllowed),
    ("Access from unregistered IP address", errors.AddressNotAllowed),
    ("Invalid Input : User Blocked due to multiple wrong attempts", errors.LoginRefused),
    ("Invalid Input : User Not enabled on : API", errors.LoginRefused),
    ("Invalid Input : Invalid Trading Symbol", errors.UnknownSymbol),
])
def test_refusals_are_classed_by_their_text_whatever_the_status(text, error, status):
    with pytest.raises(error) as caught:
        wire.decode_tpseries(emsg(text, request_time="10:18:12 09-10-2024"), status=status, request="TPSeries NFO|1")
    assert type(caught.value) is error
    assert (caught.value.provider, caught.value.request_id) == ("shoonya", "10:18:12 09-10-2024")


def test_a_rate_refusal_says_how_long_to_wait():
    for window, wait in (("second", 1.0), ("minute", 60.0)):
        with pytest.raises(errors.RateLimited) as caught:
            wire.decode_tpseries(emsg(f"Order Recieved 121 in a current {window} exceeds Limit 120 for user"))
        assert caught.value.retry_after_s == wait


@pytest.mark.parametrize(("raw", "status", "error"), [
    (b"", 200, errors.ProviderFault), (b"  \n", 200, errors.ProviderFault), (b"", 504, errors.SpanTimeout),
    (b"<html><h1>502 Bad Gateway</h1></html>", 502, errors.ProviderFault),
    (b"<html><h1>502 Bad Gateway</h1></html>", 200, errors.ProviderFault),
    (b"<html>504 Gateway Time-out</html>", 504, errors.SpanTimeout),
    (b"<html>504 Gateway Time-out</html>", 200, errors.SpanTimeout),
    (b"<html>Too Many Requests</html>", 429, errors.RateLimited),
    (b"not json", 200, errors.PayloadError), (b"[{" + b"x" * 10, 200, errors.PayloadError),
    (b"not json", 500, errors.ProviderFault), (b"not json", 401, errors.SignInLost),
    (body(row(0), row(1))[:-9], 200, errors.PayloadError), (b"3", 200, errors.PayloadError),
    (b"null", 502, errors.ProviderFault), (b"3", 504, errors.SpanTimeout), (b'"x"', 401, errors.SignInLost),
    (b'{"stat":"Ok"}', 200, errors.PayloadError), (b'{"stat":"Ok"}', 503, errors.ProviderFault), (b"[" * 5000, 200, errors.PayloadError),
    (emsg("A text that nobody met"), 200, errors.ProviderFault),
    (emsg("A text that nobody met"), 401, errors.SignInLost), (emsg("A text"), 429, errors.RateLimited),
    (emsg("Invalid Input :  jData is not valid json object"), 400, errors.ProviderError),
    (b'{"stat":"Not_Ok","emsg":null}', 200, errors.ProviderFault), (b"{}", 200, errors.ProviderFault),
])
def test_bodies_that_are_no_series_are_errors_of_the_tree(raw, status, error):
    with pytest.raises(error) as caught:
        wire.decode_tpseries(raw, status=status)
    assert type(caught.value) is error


def test_an_undecodable_body_is_kept():
    with pytest.raises(errors.PayloadError) as caught:
        wire.decode_tpseries(b"{half")
    assert caught.value.payload == b"{half"


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(alphabet='[]{},:"0129.ae\\ \n', max_size=80).map(str.encode)))
@example(b'[{"time":"","ssboe":""}]')
@example(b'[{"":""}]')
@example(b'[{"ssboe":"1773665400","time":""}]')
@example(b'[{"a":"1"},"a","}]')
def test_random_bytes_raise_only_errors_of_the_tree(raw):
    for status in (200, 502):
        with contextlib.suppress(errors.ProviderError):
            wire.decode_tpseries(raw, status=status)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_series_is_read_as_json_reads_it_or_refused(data):
    raw = bytearray(body(row(0), row(1), row(2)))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at:at + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        bars = wire.decode_tpseries(bytes(raw))
    except errors.ProviderError:
        return
    slow = wire._odd(json.loads(raw.decode("utf-8", "replace"), strict=False)) if bars is not None else None
    if slow is not None and bars is not None:
        np.testing.assert_array_equal(bars.epoch_s, slow.epoch_s)
        np.testing.assert_array_equal(bars.open, slow.open)
        np.testing.assert_array_equal(bars.oi, slow.oi)


def test_a_request_is_raw_jdata_with_ampersands_escaped_and_numbers_as_strings():
    assert wire.encode_request({"stext": "M&M-EQ", "n": 1}) == b'jData={"stext":"M\\u0026M-EQ","n":"1"}'
    assert wire.encode_request({"uid": "X"}, session_key="k") == b'jData={"uid":"X"}&jKey=k'


def test_a_span_is_sent_as_float_strings_and_stays_half_open():
    start = datetime(2026, 3, 16, 12, 50, tzinfo=UTC)
    fields = wire.tpseries_fields("U", "NFO", 7, (start, start + timedelta(minutes=5)))
    assert fields == {"ordersource": "API", "uid": "U", "exch": "NFO", "token": "7", "st": f"{EPOCH}.0",
                      "et": f"{EPOCH + 299}.0", "intrv": "1"}
    for wrong in ((start, start), (start.replace(tzinfo=None), start)):
        with pytest.raises(ValueError, match="aware"):
            wire.tpseries_fields("U", "NFO", 7, wrong)


@pytest.mark.skipif(not SERIES.is_dir(), reason="the real series are not on this machine")
@pytest.mark.parametrize(("name", "rows"), [("NIFTY_spot_1m_20230928-29", 784), ("NIFTY_spot_1m_20231013", 376)])
def test_real_index_rows_with_odd_seconds_and_no_epoch_are_all_read(name, rows):
    with (SERIES / f"{name}_tpseries.csv").open() as lines:
        table = list(csv.DictReader(lines))
    bars = decoded(body(*table))
    assert (len(bars), bars.undecoded, len(table)) == (rows, 0, rows)
    walls = [datetime.fromtimestamp(e, IST).strftime("%d-%m-%Y %H:%M:%S") for e in bars.epoch_s.tolist()]
    assert walls == [row["time"] for row in table]
    assert bars.close.tolist() == [float(row["intc"]) for row in table]
    stamped = decoded(body(*({**row, "ssboe": str(e)} for row, e in zip(table, bars.epoch_s.tolist(), strict=True))))
    assert not stamped.wall_mismatch.any()
    assert stamped.epoch_s.tolist() == bars.epoch_s.tolist()


@pytest.mark.parametrize("value", ["1_000", "1_0.5", "\u0663", "1\u0660\u0660.05"])
def test_what_only_python_reads_as_a_number_is_none(value):
    bars = decoded(body(row(0, into=value, intv=value, oi=value), row(1)))
    assert np.isnan(bars.open).tolist() == [True, False]
    assert (bars.volume.tolist()[0], bars.oi.tolist()[0]) == (-1, -1)


@pytest.mark.parametrize("time", ["16-03-2026 18:20:000", "16-03-2026 018:20:00", "16-03-2026 18:20:" + "0" * 5000, "16-03-2026 18:020:00",
                                  "1\u0666-03-2026 18:20:00", "16-03-2026 1\u0668:20:00"])
def test_a_wall_clock_of_another_form_is_no_stamp(time):
    bars = decoded(body(row(0, ssboe=..., time=time), row(1)))
    assert (len(bars), bars.undecoded) == (1, 1)


@pytest.mark.parametrize("said", [["no data"], {"a": "no data"}, None, 5])
def test_nothing_is_a_text_not_something_that_holds_one(said):
    with pytest.raises(errors.ProviderError):
        wire.decode_tpseries(json.dumps({"stat": "Not_Ok", "emsg": said}).encode())


@pytest.mark.parametrize("digits", [13, 14, 15, 16, 17, 25])
def test_long_numbers_are_read_as_float_reads_them_or_not_at_all(digits):
    text = "9" * (digits - 1) + "3"
    fast, slow = (decoded(body(row(0, into=f"{text}.07", oi=text), *more)) for more in ((), (row(1), {**row(2), "x": 1})))
    assert fast.oi[0] == slow.oi[0]
    assert fast.open[0] == slow.open[0] or np.isnan([fast.open[0], slow.open[0]]).all()
    assert fast.open[0] == float(f"{text}.07") or digits > 15
