"""Firstock under the contract that every provider passes."""

import json
from datetime import date

import pytest

from fnolake.errors import ProviderError, ProviderFault
from fnolake.model import Contract
from fnolake.provider.firstock import wire
from fnolake.provider.registry import factory
from fnolake.testing import Answers, MasterAnswer, ProviderContract, Reply

EPOCH = 1_795_146_300  # 2026-11-20 09:15 IST
TOKEN = "5f0e" * 16


def row(minute: int, price: float, volume: int | str) -> dict[str, object]:
    return {
        "time": f"2026-11-20T09:{15 + minute}:00", "epochTime": EPOCH + 60 * minute, "open": price, "high": 101, "low": 99.5, "close": 100.25,
        "volume": volume, "oi": 29730,
    }


def success(data: object) -> Reply:
    return Reply(json.dumps({"status": "success", "message": "Successfully fetched charts data", "data": data}, separators=(",", ":")))


def failure(status: int, name: str, message: str, field: str = "") -> Reply:
    body = {"status": "failed", "code": str(status), "name": name, "error": {"field": field, "message": message}}
    return Reply(json.dumps(body, separators=(",", ":")), status)


LOST = failure(401, "INVALID_JKEY", "jKey parameter is invalid", "jKey")


class TestFirstock(ProviderContract):
    factory = staticmethod(factory("firstock"))
    settings = {"rest": "{url}/V1", "uid": "FN0001"}
    secrets = {"password": "demo-password", "totp_secret": "JBSWY3DPEHPK3PXP", "api_key": "0123456789abcdef0123456789abcdef"}
    contract = Contract(1, "NSE", "FO", 44, "M&M23NOV26F", "M&M", "future", date(2026, 11, 23), None, None, 200, 10, "M&M23NOV26F")
    answers = Answers(
        rows=success([row(0, 99.95, 7), row(1, 100, "53")]),
        bars=((EPOCH, 99.95, 101.0, 99.5, 100.25, 7), (EPOCH + 60, 100.0, 101.0, 99.5, 100.25, 53)),
        nothing=(success([]), success(None), failure(404, "RESOURCE_NOT_FOUND", "no data found")),
        sign_in=(Reply(json.dumps({"status": "success", "message": "Login successful", "data": {
            "actid": "FN0001", "userName": "DEMO", "susertoken": TOKEN, "email": "x@y"}})),),
        issued=(TOKEN,),
        sign_in_refused=(failure(401, "INVALID_PASSWORD", "invalid password", "password"), failure(400, "BAD_REQUEST", "invalid character 'I'")),
        check=Reply('{"status":"success","data":{"actid":"FN0001","userName":"DEMO","exchange":["NSE","NFO"]}}'),
        logout=Reply('{"status":"success","message":"Successfully logged out"}'),
        sign_in_lost=(LOST, failure(403, "INVALID_JKEY", "jKey parameter is invalid", "jKey"), failure(400, "SESSION_EXPIRED", "session expired")),
        rate_limited=(Reply("rate limit exceeded", 429), failure(429, "TOO_MANY_REQUESTS", "too many requests")),
        address_refused=(failure(403, "FORBIDDEN", "IP address is not whitelisted"), failure(403, "FORBIDDEN", "")),
        unknown_symbol=(failure(400, "BAD_REQUEST", "invalid tradingSymbol", "tradingSymbol"),),
        span_timeout=(Reply("<html>504 Gateway Time-out</html>", 504),),
        masters={
            "NFO": MasterAnswer(Reply(
                "Exchange,Token,LotSize,Symbol,TradingSymbol,CompanyName,Expiry,Instrument,OptionType,StrikePrice,TickSize,FreezeQty\n"
                "NFO,52509,500,RELIANCE,RELIANCE23NOV26F,RELIANCE,23-NOV-2026,FUTSTK,FUT,-0.01,0.1,40000\n"
                "NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,WIPRO,23-NOV-2026,OPTSTK,CE,312.5,0.05,1\n"
                "NFO,44,65,NIFTY,NIFTY24NOV26P26000,,24-NOV-2026,OPTIDX,PE,26000,0.05,1800\n"), 3),
            "NSE": MasterAnswer(Reply(
                "Exchange,Token,LotSize,TradingSymbol,CompanyName,ISIN,TickSize,FreezeQty\n"
                "NSE,2885,1,RELIANCE-EQ,RELIANCE INDUSTRIES,INE002A01018,0.1,40000\n"
                "NSE,26000,65,NIFTY,NIFTY 50,,0,0\n"
                "NSE,9,1,SOMEBOND-GB,GOLD BOND,IN0020160001,0.01,1\n"), 3),
        },
    )


@pytest.mark.parametrize("body", [b"{}", b'{"message":"no Route matched with those values"}', b'{"error":"not found"}', b"null"])
def test_a_gateways_404_is_no_statement_of_nothing(body):
    with pytest.raises(ProviderError):
        wire.decode_series(body, status=404)
    with pytest.raises(ProviderFault):
        wire.decode_series(body, status=502)
