"""Shoonya under the contract that every provider passes, in both generations."""

import io
import json
import zipfile
from datetime import date

from fnolake.model import Contract
from fnolake.provider.base import SignInHelp
from fnolake.provider.registry import factory
from fnolake.testing import Answers, MasterAnswer, ProviderContract, Reply

EPOCH = 1_795_146_300  # 2026-11-20 09:15 IST
LOST = Reply('{"stat":"Not_Ok","emsg":"Session Expired :  Invalid Session Key"}', 401)
REFUSED = Reply('{"stat":"Not_Ok","emsg":"Invalid Input :  Invalid OTP"}', 400)


def row(minute: int, price: str, volume: int) -> dict[str, str]:
    hour, left = divmod(555 + minute, 60)
    return {
        "stat": "Ok", "time": f"20-11-2026 {hour:02d}:{left:02d}:00", "ssboe": str(EPOCH + 60 * minute), "into": price, "inth": "101.00",
        "intl": "99.50", "intc": "100.25", "intvwap": "100.10", "intv": str(volume), "intoi": "0", "v": "19444", "oi": "29730",
    }


def refusal(text: str, status: int = 200) -> Reply:
    return Reply(json.dumps({"stat": "Not_Ok", "request_time": "10:18:12 20-11-2026", "emsg": text}, separators=(",", ":")), status)


def zipped(name: str, *lines: str) -> Reply:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{name}_symbols.txt", "\n".join(lines) + "\n")
    return Reply(out.getvalue())


MASTERS = {
    "NFO": MasterAnswer(zipped(
        "NFO", "Exchange,Token,LotSize,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,",
        "NFO,52509,500,RELIANCE,RELIANCE23NOV26F,23-NOV-2026,FUTSTK,XX,-0.01,0.1,",
        "NFO,150430,3000,WIPRO,WIPRO23NOV26C312.5,23-NOV-2026,OPTSTK,CE,312.5,0.05,",
        "NFO,44,65,NIFTY,NIFTY24NOV26P26000,24-NOV-2026,OPTIDX,PE,26000,0.05,",
        "NFO,45,65,NIFTY,NIFTY24OCT26P26000,24-OCT-2026,OPTIDX,PE,26000,0.05,",
    ), 4),
    "NSE": MasterAnswer(zipped(
        "NSE", "Exchange,Token,LotSize,Symbol,TradingSymbol,Instrument,TickSize,",
        "NSE,2885,1,RELIANCE,RELIANCE-EQ,EQ,0.1,", "NSE,26000,1,NIFTY,Nifty 50,INDEX,0,", "NSE,9,1,SOMEBOND,SOMEBOND-GB,GB,0.01,",
    ), 3),
    "MCX": MasterAnswer(zipped(
        "MCX", "Exchange,Token,LotSize,GNGD,Symbol,TradingSymbol,Expiry,Instrument,OptionType,StrikePrice,TickSize,",
        "MCX,1,1,1,GOLD,GOLD04DEC26,04-DEC-2026,FUTCOM,XX,0,1,",
    ), 1),
}


def answers(sign_in: dict[str, object], *issued: str) -> Answers:
    return Answers(
        rows=Reply(json.dumps([row(1, "100.05", 53), row(0, "99.95", 7)], separators=(",", ":"))),
        bars=((EPOCH + 60, 100.05, 101.0, 99.5, 100.25, 53), (EPOCH, 99.95, 101.0, 99.5, 100.25, 7)),
        nothing=(refusal('Error Occurred : 5 "no data"'), refusal("No Data :   ", 400), Reply("[]")),
        sign_in=(Reply(json.dumps(sign_in)),), issued=issued, sign_in_refused=(REFUSED,),
        check=Reply('{"stat":"Ok","uid":"FN0001","uname":"A TRADER","exarr":["NSE"],"brkname":"FINV"}'),
        logout=Reply('{"stat":"Ok","request_time":"10:18:12 20-11-2026"}'),
        sign_in_lost=(LOST, Reply(LOST.body), refusal("Session Expired : Invalid Session Key", 403)),
        rate_limited=(refusal("Order Recieved 11 in a current second exceeds Limit 10 for user"), Reply("<html>Too Many Requests</html>", 429)),
        address_refused=(refusal("Invalid Input : IP 1.2.3.4 is not allowed", 403), refusal("Invalid IP")),
        unknown_symbol=(refusal("Invalid Input : Invalid Trading Symbol", 400),),
        span_timeout=(refusal("Server Timeout :   "), Reply("<html>504 Gateway Time-out</html>", 504)),
        masters=MASTERS,
    )


class TestOAuth(ProviderContract):
    factory = staticmethod(factory("shoonya"))
    settings = {"generation": "oauth", "uid": "FN0001", "rest": "{url}/NorenWClientAPI/", "masters": "{url}/"}
    secrets = {"secret_code": "demo-secret"}
    answers = answers(
        {"stat": "Ok", "USERID": "FN0001", "access_token": "an-access-token", "susertoken": "a-socket-token", "actid": "FN0001",
         "expires_in": "1802776000", "exarr": ["NSE", "NFO"]}, "an-access-token", "a-socket-token")
    contract = Contract(1, "NSE", "FO", 44, "M&M23NOV26F", "M&M", "future", date(2026, 11, 23), None, None, 200, 10, "M&M23NOV26F")
    how = SignInHelp(code="abcd-1234-code")
    renews_alone = False


class TestLegacy(TestOAuth):
    settings = {"generation": "legacy", "uid": "FN0001", "rest": "{url}/NorenWClientTP/", "masters": "{url}/"}
    secrets = {"password": "demo-password", "totp_secret": "JBSWY3DPEHPK3PXP", "api_secret": "demo-secret"}
    answers = answers({"stat": "Ok", "susertoken": "a-legacy-token", "actid": "FN0001", "uname": "A"}, "a-legacy-token")
    how = SignInHelp()
    renews_alone = True
