"""
Both providers' decoders under 129,000 malformed bodies each: every one ends in a value or an error of the tree, no bar is invented.

The bodies come from ``fnolake.testing.damage`` with a fixed seed; the judge (``readers``) shares no code with the decoders.
"""

import contextlib
import dataclasses
import itertools
import json
from collections.abc import Callable
from datetime import date

import pytest

from fnolake.errors import ProviderError
from fnolake.model import Master, RawBars
from fnolake.provider.firstock import answers as firstock_answers
from fnolake.provider.firstock import symbols as firstock_symbols
from fnolake.provider.firstock import wire as firstock_wire
from fnolake.provider.shoonya import answers, symbols, wire
from fnolake.testing import damaged
from tests.fuzz.readers import Form, judge

EPOCH = 1_795_146_300


def row(minute: int) -> dict[str, str]:
    return {
        "stat": "Ok", "time": f"20-11-2026 09:{15 + minute}:00", "ssboe": str(EPOCH + 60 * minute), "into": f"{100 + minute}.05", "inth": "101.00",
        "intl": "99.50", "intc": "100.25", "intvwap": "100.10", "intv": str(50 + minute), "intoi": "0", "v": "19444", "oi": "29730",
    }


def text(*rows: object) -> bytes:
    return json.dumps(rows, separators=(",", ":")).encode()


def typed(minute: int) -> dict[str, object]:
    return {**row(minute), "into": 100.05, "intv": 53, "ssboe": EPOCH + 60 * minute, "oi": None}


SERIES = (text(row(1), row(0)), text(typed(1), row(0), {"stat": "Not_Ok"}), text({k: v for k, v in row(0).items() if k != "ssboe"}),
          json.dumps([row(0), row(1)]).encode())
SMALL: tuple[tuple[Callable[..., object], bytes], ...] = (
    (lambda body, status: answers.sign_in(body, status=status, oauth=True), json.dumps({
        "stat": "Ok", "USERID": "FN0001", "access_token": "an-access-token", "susertoken": "s", "expires_in": "1802776000", "exarr": ["NSE"]}).encode()),
    (lambda body, status: answers.sign_in(body, status=status, oauth=False), b'{"stat":"Ok","susertoken":"t","actid":"FN0001","uname":"A"}'),
    (lambda body, status: answers.quote(body, status=status), json.dumps({
        "stat": "Ok", "exch": "NFO", "token": "44", "tsym": "NIFTY24NOV26F", "lp": "26000.05", "o": "1.00", "v": "100", "oi": "7", "ltt": "09:15:00"}).encode()),
    (lambda body, status: answers.search(body, status=status), b'{"stat":"Ok","values":[{"exch":"NFO","token":"44","tsym":"N","ls":"65","ti":"0.05"}]}'),
    (lambda body, status: answers.user_details(body, status=status), b'{"stat":"Ok","uid":"FN0001","uname":"A","exarr":["NSE","NFO"],"brkname":"F"}'),
    (lambda body, status: wire.decode_tpseries(body, status=status), b'{"stat":"Not_Ok","request_time":"1","emsg":"Error Occurred : 5 \\"no data\\""}'),
)
MASTER = (
    b"Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,\n"
    b"NFO,52509,500,RELIANCE,RELIANCE23NOV26F,23-NOV-2026,FUTSTK,XX,-0.01,0.1,\n"
    b"NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,23-NOV-2026,OPTSTK,CE,312.5,0.05,\n"
    b"NFO,44,65,NIFTY,NIFTY24NOV26P26000,24-NOV-2026,OPTIDX,PE,26000,0.05,\n")


def says_nothing(said: object) -> bool:
    """An empty list, or an object whose text says that there is no data."""
    return said == [] or (isinstance(said, dict) and isinstance(said.get("emsg"), str) and "no data" in " ".join(said["emsg"].lower().split()))


FORM = Form({"open": "into", "high": "inth", "low": "intl", "close": "intc", "vwap": "intvwap"}, {"volume": "intv", "oi": "oi", "cumulative": "v"},
            "ssboe", "time", lambda said: said, says_nothing)


@pytest.mark.parametrize("seed", range(len(SERIES)))
def test_no_series_crashes_or_invents_a_bar(seed) -> None:
    ends = judge(lambda body, status: wire.decode_tpseries(body, status=status), FORM, itertools.islice(damaged(SERIES[seed], seed), 26_000))
    assert ends["bars"] > 1000
    assert ends["PayloadError"] > 1000
    assert ends["nothing"] < 100


def no_crash(decode: Callable[..., object], sound: bytes, seed: int) -> None:
    """Every damaged body ends in a value or an error of the tree."""
    for at, body in enumerate(itertools.islice(damaged(sound, seed), 4_000)):
        try:
            decode(body, (200, 200, 401, 502, 404)[at % 5])
        except ProviderError:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {body!r}") from error


@pytest.mark.parametrize("seed", range(len(SMALL)))
def test_no_small_answer_crashes(seed) -> None:
    no_crash(*SMALL[seed], seed)


def masters_add_up(parse: Callable[[bytes], Master], sound: bytes) -> None:
    """Every damaged master is refused, or each of its rows is accounted for."""
    for body in itertools.islice(damaged(sound, 7), 1_000):
        try:
            master = parse(body)
        except ProviderError:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {body!r}") from error
        assert master.rows == master.listings.height + sum(master.out_of_scope.values()) + sum(f.count for f in master.findings), body


def test_no_master_crashes_or_loses_a_row() -> None:
    masters_add_up(lambda body: symbols.parse_master("NFO", body, date(2026, 11, 20)), MASTER)


def test_the_judge_sees_what_was_invented() -> None:
    def doubles(body: bytes, status: int) -> RawBars | None:
        bars = wire.decode_tpseries(body, status=status)
        return bars and dataclasses.replace(bars, volume=bars.volume * 2)

    def drops(body: bytes, status: int) -> RawBars | None:
        bars = wire.decode_tpseries(body, status=status)
        return bars and RawBars(**{f.name: getattr(bars, f.name)[:1] for f in dataclasses.fields(bars) if f.name != "undecoded"})

    def hushes(body: bytes, status: int) -> RawBars | None:
        with contextlib.suppress(ProviderError):
            return wire.decode_tpseries(body, status=status)
        return None

    def crashes(body: bytes, _status: int) -> RawBars | None:
        raise KeyError(body[:3])

    for liar in (doubles, drops, hushes, crashes):
        with pytest.raises(AssertionError):
            judge(liar, FORM, itertools.islice(damaged(SERIES[0], 0), 500))


def firstock_row(minute: int) -> dict[str, object]:
    return {
        "time": f"2026-11-20T09:{15 + minute}:00", "epochTime": EPOCH + 60 * minute, "open": 100.05 + minute, "high": 101, "low": 99.5, "close": 100.25,
        "volume": 50 + minute, "oi": 29730,
    }


def envelope(*rows: object) -> bytes:
    return json.dumps({"status": "success", "message": "Successfully fetched charts data", "data": rows}, separators=(",", ":")).encode()


FIRSTOCK_SERIES = (
    envelope(firstock_row(0), firstock_row(1)), envelope({**firstock_row(0), "open": "100.05", "volume": "7", "oi": None}, firstock_row(1), "row"),
    envelope({k: v for k, v in firstock_row(0).items() if k != "epochTime"}), json.dumps(json.loads(envelope(firstock_row(0)))).encode(),
)
NOTHING_SAID = ("no data", "not found", "no record", "no candle", "not available")


def firstock_says_nothing(said: object) -> bool:
    """A success without rows; or a failure with the provider's name on it that says so."""
    if not isinstance(said, dict):
        return False
    if str(said.get("status")).lower() == "success":
        return said.get("data") in (None, [])
    return "name" in said and any(text in json.dumps(said).lower() for text in (*NOTHING_SAID, "404"))


FIRSTOCK_FORM = Form({"open": "open", "high": "high", "low": "low", "close": "close"}, {"volume": "volume", "oi": "oi"}, "epochTime", "time",
                     lambda said: said.get("data") if isinstance(said, dict) else None, firstock_says_nothing)
FIRSTOCK_SMALL: tuple[tuple[Callable[..., object], bytes], ...] = (
    (lambda body, status: firstock_answers.sign_in(body, status=status), b'{"status":"success","message":"Login successful","data":{"actid":"FN0001","userName":"DEMO","susertoken":"abcdef"}}'),
    (lambda body, status: firstock_answers.quote(body, status=status), b'{"status":"success","data":{"exchange":"NSE","token":"26000","tradingSymbol":"NIFTY","lastTradedPrice":"26000.05","volume":7}}'),
    (lambda body, status: firstock_answers.search(body, status=status), b'{"status":"success","data":[{"exchange":"NSE","token":"2885","tradingSymbol":"RELIANCE-EQ"}]}'),
    (lambda body, status: firstock_answers.user_details(body, status=status), b'{"status":"success","data":{"actid":"FN0001","userName":"DEMO","exchange":["NSE"]}}'),
    (lambda body, status: firstock_wire.decode_series(body, status=status), b'{"status":"failed","code":"401","name":"INVALID_JKEY","error":{"field":"jKey","message":"jKey parameter is invalid"}}'),
    (lambda body, status: firstock_wire.decode_series(body, status=status), b'{"status":"failed","code":"404","name":"RESOURCE_NOT_FOUND","error":{"field":"","message":"no data found"}}'),
)
FIRSTOCK_MASTER = (
    b"Exchange,Token,LotSize,Symbol,TradingSymbol,CompanyName,Expiry,Instrument,OptionType,StrikePrice,TickSize,FreezeQty\n"
    b'NFO,52509,500,RELIANCE,RELIANCE23NOV26F,"RELIANCE, LTD",23-NOV-2026,FUTSTK,FUT,-0.01,0.1,40000\n'
    b"NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,WIPRO,23-NOV-2026,OPTSTK,CE,312.5,0.05,1\n"
    b"NFO,44,65,NIFTY,NIFTY24NOV26P26000,,24-NOV-2026,OPTIDX,PE,26000,0.05,1800\n")


@pytest.mark.parametrize("seed", range(len(FIRSTOCK_SERIES)))
def test_no_firstock_series_crashes_or_invents_a_bar(seed) -> None:
    bodies = itertools.islice(damaged(FIRSTOCK_SERIES[seed], seed), 26_000)
    ends = judge(lambda body, status: firstock_wire.decode_series(body, status=status), FIRSTOCK_FORM, bodies)
    assert ends["bars"] > 1000
    assert ends["PayloadError"] > 1000
    assert ends["nothing"] < 600


@pytest.mark.parametrize("seed", range(len(FIRSTOCK_SMALL)))
def test_no_small_firstock_answer_crashes(seed) -> None:
    no_crash(*FIRSTOCK_SMALL[seed], seed)


def test_no_firstock_master_crashes_or_loses_a_row() -> None:
    masters_add_up(lambda body: firstock_symbols.parse_master("NFO", body, date(2026, 11, 20)), FIRSTOCK_MASTER)
