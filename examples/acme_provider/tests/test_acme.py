"""Acme under the contract that every provider of fnolake passes."""

from datetime import date

import acme_provider
from fnolake.model import Contract
from fnolake.testing import Answers, MasterAnswer, ProviderContract, Reply

START = 1_795_146_300  # 2026-11-20 09:15 IST


class TestAcme(ProviderContract):
    factory = staticmethod(acme_provider.make)
    settings = {"rest": "{url}/v1", "uid": "AC0001"}
    secrets = {"password": "correct-horse"}
    contract = Contract(1, "NSE", "FO", 44, "NIFTY24NOV26F", "NIFTY", "future", date(2026, 11, 24), None, None, 65, 10, "NIFTY-24NOV26-FUT")
    answers = Answers(
        rows=Reply(
            "time,open,high,low,close,volume\n"
            "2026-11-20 09:16:00,26000.00,26010.50,25999.95,26005.00,1300\n"
            "2026-11-20 09:17:00,26005.00,26007.00,26001.00,26002.25,65\n"
            "#rows,2\n"),
        bars=((START, 26000.0, 26010.5, 25999.95, 26005.0, 1300), (START + 60, 26005.0, 26007.0, 26001.0, 26002.25, 65)),
        nothing=(Reply("time,open,high,low,close,volume\n#rows,0\n"),),
        sign_in=(Reply("key,value\ntoken,an-acme-token-1\n#rows,1\n"),),
        issued=("an-acme-token-1",),
        sign_in_refused=(Reply("error,LOGIN,wrong password\n", 403),),
        check=Reply("key,value\nuser,A Trader\n#rows,1\n"),
        logout=Reply("key,value\n#rows,0\n"),
        sign_in_lost=(Reply("error,AUTH,session over\n", 401),),
        rate_limited=(Reply("error,LIMIT,5 a second\n", 429),),
        address_refused=(Reply("error,ADDRESS,register your address\n", 403),),
        unknown_symbol=(Reply("error,SYMBOL,no such symbol\n", 404),),
        span_timeout=(Reply("error,SPAN,ask for less\n", 504),),
        masters={"NSE": MasterAnswer(Reply(
            "token,name,underlying,type,expiry,strike,right,lot,tick\n"
            "26000,NIFTY 50,NIFTY,INDEX,,,,1,0.05\n"
            "2885,RELIANCE,RELIANCE,EQ,,,,1,0.10\n"
            "44,NIFTY-24NOV26-FUT,NIFTY,FUT,2026-11-24,,,65,0.10\n"
            "45,NIFTY-24NOV26-26000-CE,NIFTY,OPT,2026-11-24,26000.00,CE,65,0.05\n"
            "46,GS2033,GS2033,BOND,,,,1,0.01\n"
            "47,broken,NIFTY,FUT,soon,,,65,0.10\n"
            "#rows,6\n"), 6)},
    )
