"""
Shoonya's decoders under 129,000 malformed bodies: every one ends in a value or an error of the tree, and no bar is invented.

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
from fnolake.model import RawBars
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


@pytest.mark.parametrize("seed", range(len(SMALL)))
def test_no_small_answer_crashes(seed) -> None:
    decode, sound = SMALL[seed]
    decode(sound, 200)
    for at, body in enumerate(itertools.islice(damaged(sound, seed), 4_000)):
        try:
            decode(body, (200, 200, 401, 502)[at % 4])
        except ProviderError:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {body!r}") from error


def test_no_master_crashes_or_loses_a_row() -> None:
    for body in itertools.islice(damaged(MASTER, 7), 1_000):
        try:
            master = symbols.parse_master("NFO", body, date(2026, 11, 20))
        except ProviderError:
            continue
        except Exception as error:
            raise AssertionError(f"{type(error).__name__}: {error} on {body!r}") from error
        assert master.rows == master.listings.height + sum(master.out_of_scope.values()) + sum(f.count for f in master.findings), body


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
